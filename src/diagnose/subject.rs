//! One workload with all that rules need to know of it. Pure.

use std::collections::BTreeSet;

use super::trouble::Trouble;
use crate::finding::{Code, EdgeId, ObjectRef, Severity};
use crate::graph::Tier;
use crate::observe::kinds::{Pod, Workload};
use crate::observe::{Template, WorkloadKey, is_ready, wanted};

/// One workload and all that rules need to know of it.
pub struct WorkloadFacts<'a> {
    /// Its identity.
    pub key: WorkloadKey,
    /// The tiers that it runs.
    pub tiers: Vec<&'a Tier>,
    /// Edges that lead to it, and are not proven to work.
    pub into: BTreeSet<EdgeId>,
    /// Edges that start at it, and are not proven to work.
    pub from: BTreeSet<EdgeId>,
    /// Whether any edge, proven or not, leads to it.
    pub called: bool,
    /// Whether a compose tier, an edge or an Ingress stands behind it: only then may a finding be an error.
    pub in_scope: bool,
    /// Its object; none for bare Pods and kinds that are not listed.
    pub workload: Option<&'a Workload>,
    /// What its Pods are made from.
    pub template: Option<Template<'a>>,
    /// Its live Pods.
    pub pods: Vec<&'a Pod>,
    /// Its Pods that ended.
    pub ended: Vec<&'a Pod>,
    /// What is wrong with its Pods, or keeps them from being made.
    pub troubles: Vec<Trouble>,
}

impl WorkloadFacts<'_> {
    /// Whether one of its troubles is that Pod's.
    pub fn is_in_trouble(&self, pod: &Pod) -> bool {
        let mut troubles = self.troubles.iter();
        troubles.any(|trouble| trouble.pod == pod.metadata.name)
    }

    /// The code of a trouble, and the object that it is said of: its own, else the workload.
    pub fn finding_of(&self, trouble: &Trouble) -> (Code, ObjectRef) {
        let object = trouble.object.clone();
        (trouble.code, object.unwrap_or_else(|| self.key.object()))
    }

    /// Whether it runs a tier of that name.
    pub fn runs(&self, tier: &str) -> bool {
        self.tiers.iter().any(|own| own.name == tier)
    }

    /// Whether a tier that it runs is known to listen on that port.
    pub fn is_known_to_listen(&self, port: u16) -> bool {
        let mut ports = self.tiers.iter().flat_map(|tier| &tier.ports);
        ports.any(|known| known.get() == port)
    }

    /// Whether it ends on its own: a Job, a `CronJob`, or the tier of a compose service that does.
    pub fn is_one_shot(&self) -> bool {
        matches!(self.key.kind.as_str(), "job" | "cronjob")
            || (!self.tiers.is_empty() && self.tiers.iter().all(|tier| tier.one_shot))
    }

    /// How many Pods are wanted, where that can be determined.
    pub fn wanted(&self) -> Option<i32> {
        wanted(&self.key, self.workload)
    }

    /// Live Pods that are ready and not in trouble.
    pub fn serving(&self) -> usize {
        self.pods
            .iter()
            .filter(|pod| is_ready(pod) && !self.is_in_trouble(pod))
            .count()
    }

    /// The weight of a fault of this workload that would be `severity` in scope.
    pub fn scoped(&self, severity: Severity) -> Severity {
        if self.in_scope || severity == Severity::Info {
            severity
        } else {
            Severity::Warning
        }
    }

    /// Its name in messages: `deployment/db`, with the namespace if that is not the run's.
    pub fn name(&self, run_namespace: &str) -> String {
        if self.key.namespace == run_namespace {
            self.key.to_string()
        } else {
            format!("{} in namespace {}", self.key, self.key.namespace)
        }
    }
}
