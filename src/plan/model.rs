//! The probe plan and what came back, as data. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::catalog::Products;
use crate::finding::{Code, EdgeId, ObjectRef};
use crate::observe::WorkloadKey;
use crate::observe::kinds::{EnvFrom, EnvVar, Labels, NameRef};
use crate::probe::wire::sql::SqlRecord;
use crate::probe::wire::{NetworkTable, ProbeSpec, Step};

/// What to probe, from where; what not, and why.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProbePlan {
    /// One Job each.
    pub vantages: Vec<Vantage>,
    /// Edges that are pointless to probe, with the reason.
    pub skipped: BTreeMap<EdgeId, String>,
    /// What a reader should know of where it looks from: nodes that are not ready, labels that were left out, samples.
    pub notes: Vec<String>,
}

/// What the user wants of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// The run's label.
    pub run: String,
    /// Milliseconds after which an agent ends on its own; less than the Job's deadline.
    pub deadline_ms: u64,
    /// How many edges one container walks at a time; the agent's own number without it.
    pub edges_at_once: Option<NonZeroUsize>,
    /// On how many nodes a tier with several Pods is looked at.
    pub nodes: usize,
    /// Whether to log in at all.
    pub login: bool,
    /// Hosts to which the client's credentials may go wherever their name comes from.
    pub allow_login: BTreeSet<String>,
    /// What images are known to serve.
    pub products: &'static Products,
    /// Where agents dial and resolve; empty in a cluster.
    pub network: NetworkTable,
    /// Whether an edge whose server's certificate is not proven to be trusted counts as unknown.
    pub require_trust: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            run: String::new(),
            deadline_ms: 60_000,
            edges_at_once: None,
            nodes: 3,
            login: true,
            allow_login: BTreeSet::new(),
            products: Products::shared(),
            network: NetworkTable::default(),
            require_trust: false,
        }
    }
}

/// One network identity to look from: one Job.
#[derive(Debug, Clone, PartialEq)]
pub struct Vantage {
    /// Unique within the run, fit for an object's name: `v1`.
    pub id: String,
    /// What the network can distinguish.
    pub identity: Identity,
    /// A probe per tier; those that follow each other with the same container share it.
    pub containers: Vec<TierProbe>,
    /// Which look: first, second (another node, all labels, no labels), again.
    pub look: Look,
    /// Why the first failure to schedule is no fault: nodes to try next, best first.
    pub fallback_nodes: Vec<String>,
    /// Whether its Pod is to have no controller, where that is permitted: a PodDisruptionBudget would count it.
    pub bare: bool,
    /// What each container asks for.
    pub resources: Resources,
    /// A file that its containers read; it travels in a Secret that goes with the Job.
    pub payload: Option<Payload>,
}

/// Requests and limits of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// What the scheduler keeps for it.
    pub requests: BTreeMap<String, String>,
    /// What it may use at most.
    pub limits: BTreeMap<String, String>,
}

/// A file that travels in a Secret of the run's own.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// The file's name in [`PAYLOAD_FOLDER`].
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Where a payload stands in the Pod.
pub const PAYLOAD_FOLDER: &str = "/run/k8sverify/payload";

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({}, {} bytes)", self.name, self.bytes.len())
    }
}

/// What the network can distinguish about a client.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Namespace.
    pub namespace: String,
    /// Node to run on; `None`: any.
    pub node: Option<String>,
    /// The labels of the tier's Pods that any policy selector mentions.
    pub labels: Labels,
    /// `dnsPolicy`; empty means ClusterFirst.
    pub dns_policy: String,
    /// `dnsConfig`, as JSON text so that it can be compared.
    pub dns_config: String,
    /// `hostAliases`, as JSON text.
    pub host_aliases: String,
    /// `hostNetwork`.
    pub host_network: bool,
    /// `serviceAccountName`, where a policy can see it; empty: default.
    pub service_account: String,
    /// Mesh annotations and labels to copy, or to opt out with.
    pub annotations: Labels,
    /// Tolerations, as JSON text.
    pub tolerations: String,
    /// `nodeSelector` of a tier without Pods.
    pub node_selector: Labels,
    /// In what it had to depart from the tier's own identity (labels that a Service would publish, say): a failure is then unknown.
    /// Empty: in nothing.
    pub departs: String,
}

/// Everything for one tier from one vantage.
#[derive(Debug, Clone, PartialEq)]
pub struct TierProbe {
    /// The tier.
    pub tier: String,
    /// The workload that it stands for.
    pub workload: Option<WorkloadKey>,
    /// Container name: `t1`.
    pub container: String,
    /// The tier's variables, by reference, under [`crate::probe::wire::ENVIRONMENT_PREFIX`].
    pub env: Vec<EnvVar>,
    /// Whole Secrets or ConfigMaps of the tier's `envFrom`, prefixed.
    pub env_from: Vec<EnvFrom>,
    /// What to do.
    pub spec: ProbeSpec,
}

impl TierProbe {
    /// Whether it brings something of its tier's environment: then no other tier's probe may stand in its container.
    pub fn has_environment(&self) -> bool {
        let spec = &self.spec;
        !(self.env.is_empty()
            && self.env_from.is_empty()
            && spec.authorities.is_empty()
            && spec.from_files.is_empty()
            && spec.settings.is_empty())
    }
}

impl Vantage {
    /// The probes by container, in the order of the Pod.
    pub fn by_container(&self) -> impl Iterator<Item = &[TierProbe]> {
        self.containers
            .chunk_by(|one, next| one.container == next.container)
    }
}

/// Which look a vantage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// As the tier itself, from its own node.
    First,
    /// Second look: from another node.
    OtherNode,
    /// Second look: all labels of the tier.
    AllLabels,
    /// Second look: no labels of the tier.
    NoLabels,
    /// The same once more, since Pods or EndpointSlices changed.
    Again,
    /// At the ways in from outside, with no marks of any tier.
    Entry,
}

/// What the whole run wants of every Job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobOptions {
    /// The run's label, unique.
    pub run: String,
    /// The probe image.
    pub image: String,
    /// `imagePullPolicy`; empty: the API's default.
    pub image_pull_policy: String,
    /// Deadline of a Job in seconds.
    pub deadline_seconds: u64,
    /// TTL after it ended, in seconds.
    pub ttl_seconds: u64,
    /// `imagePullSecrets`.
    pub image_pull_secrets: Vec<NameRef>,
    /// More tolerations, as they stand.
    pub tolerations: Vec<serde_json::Value>,
    /// More `nodeSelector`.
    pub node_selector: Labels,
    /// More labels.
    pub labels: Labels,
    /// More annotations.
    pub annotations: Labels,
    /// `priorityClassName`.
    pub priority_class: String,
    /// Service account instead of the vantage's.
    pub service_account: String,
    /// Requests and limits of each container; empty: those of the plan.
    pub resources: BTreeMap<String, String>,
    /// `runtimeClassName`.
    pub runtime_class: String,
    /// Merged into the Pod template at the end.
    pub patch: serde_json::Value,
}

/// Everything that the probes said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcomes {
    /// One entry per container of each vantage.
    pub probes: Vec<ProbeOutcome>,
}

/// What one container said.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeOutcome {
    /// The vantage's id.
    pub vantage: String,
    /// The tier.
    pub tier: String,
    /// The identity that it looked with.
    pub identity: Identity,
    /// The node it ran on.
    pub node: String,
    /// Which look.
    pub look: Look,
    /// The name servers of its resolv.conf.
    pub nameservers: Vec<String>,
    /// Its steps, in the order in which they were written.
    pub steps: Vec<Step>,
    /// Whether the end record was seen: without it what is missing is unknown.
    pub complete: bool,
    /// Why it never ran or was lost.
    pub failure: Option<ProbeFailure>,
    /// The tasks that it was given.
    pub tasks: Vec<String>,
    /// What it said of a script of SQL.
    pub sql: Vec<SqlRecord>,
}

/// Why a probe never ran or was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFailure {
    /// `probe-forbidden`, `probe-image-failed`, `probe-unschedulable`, `probe-timeout`, `probe-lost`, `api-forbidden` …
    pub code: Code,
    /// On which object (`job/k8sverify`).
    pub object: ObjectRef,
    /// In words, with what to do.
    pub message: String,
    /// The cluster's own words.
    pub evidence: Vec<String>,
    /// Whether the same probe may do better at once.
    pub passing: bool,
}
