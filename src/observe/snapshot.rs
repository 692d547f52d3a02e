//! The [`Snapshot`]: what the API (or a folder of manifests) says, as plain data keyed by namespace. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::index::Index;
use super::kinds::{Node, VolumeClaim};
use super::state::{NamespaceState, WorkloadKey};

/// Whether a resource could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Observed {
    /// It was read (and may be empty).
    Ok,
    /// The API refused: not observed, never "none".
    Forbidden,
    /// The API does not serve it, or it was not asked for (offline).
    Absent,
}

/// Everything that was observed in one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// A name of the cluster for people: the context or cluster name of the kubeconfig.
    pub cluster: String,
    /// The run's namespace.
    pub namespace: String,
    /// When it was taken (the API server's clock where it sent one).
    pub taken_at: Option<Timestamp>,
    /// Whether it came from manifest files: there is no status then.
    pub offline: bool,
    /// Namespaces by name: the run's, and what could be read of others.
    pub namespaces: BTreeMap<String, NamespaceState>,
    /// Nodes, where they may be read.
    pub nodes: Vec<Node>,
    /// Each resource that was asked for, in lower-case plural (`networkpolicies`); one of another namespace as `services@NAME`.
    pub observed: BTreeMap<String, Observed>,
    /// Kinds of other policies that the cluster serves (`ciliumnetworkpolicies.cilium.io`), and whether they could be read.
    pub other_policies: Vec<OtherPolicy>,
    /// How waiting for the rollouts ended.
    pub settle: Settle,
    /// Where objects of manifest files stand, by namespace and `kind/name`.
    pub places: BTreeMap<(String, String), FilePlace>,
    /// Objects of manifest files whose kinds no rule reads: what an operator makes of them is not known.
    pub unread: Vec<Unread>,
    /// The objects by key; derived.
    pub index: Index,
}

/// An object of a kind that no rule reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// `postgresql.cnpg.io/v1 Cluster`: the group says more than the kind at times.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlace {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
}

/// A served policy kind beyond NetworkPolicy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OtherPolicy {
    /// `PLURAL.GROUP`.
    pub resource: String,
    /// Kind.
    pub kind: String,
    /// The objects, if they could be read; `None` if that was refused.
    pub objects: Option<Vec<serde_json::Value>>,
}

/// How waiting for the rollouts ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settle {
    /// Milliseconds waited.
    pub waited_ms: u64,
    /// Workloads that had not settled when waiting ended, with the reason in words ("1 of 2 updated").
    pub unsettled: BTreeMap<WorkloadKey, String>,
    /// Workloads whose failure is certain, with the reason.
    pub failed: BTreeMap<WorkloadKey, String>,
    /// Whether waiting ended because the time was over.
    pub timed_out: bool,
}

impl Snapshot {
    /// A claim for a volume.
    pub fn volume_claim(&self, namespace: &str, name: &str) -> Option<&VolumeClaim> {
        let mut claims = self.namespaces.get(namespace)?.volume_claims.iter();
        claims.find(|claim| claim.metadata.name == name)
    }

    /// Whether there are policies beyond NetworkPolicy, or may be.
    pub fn may_have_other_policies(&self) -> bool {
        self.other_policies.iter().any(|kind| {
            let objects = kind.objects.as_ref();
            objects.is_none_or(|objects| !objects.is_empty())
        })
    }

    /// The run's own namespace, if anything of it was read.
    pub fn own(&self) -> Option<&NamespaceState> {
        self.namespaces.get(&self.namespace)
    }

    /// Whether a resource of the run's namespace was read.
    pub fn knows(&self, resource: &str) -> bool {
        self.observed.get(resource) == Some(&Observed::Ok)
    }

    /// Whether a resource of that namespace was read.
    pub fn knows_in(&self, resource: &str, namespace: &str) -> bool {
        if namespace == self.namespace {
            self.knows(resource)
        } else {
            self.knows(&format!("{resource}@{namespace}"))
        }
    }
}
