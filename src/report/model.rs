//! The report as data: the contract of `k8sverify/report/v1`. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::finding::{Code, EdgeId, FindingId, Fix, Severity};
use crate::graph::{Confidence, EntryKind, Origin};
use crate::observe::Observed;
use crate::probe::wire::{StepError, StepName, StepStatus};
use crate::protocol::Protocol;

/// The schema's name.
pub const SCHEMA: &str = "k8sverify/report/v1";

/// The three values of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum VerdictValue {
    /// Verified: exit 0.
    Pass,
    /// Unhealthy: exit 1.
    Fail,
    /// Could not verify: exit 3.
    #[default]
    Unknown,
}

impl VerdictValue {
    /// The exit code that it stands for.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Unknown => 3,
        }
    }
}

/// One run, whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The tool's version.
    pub tool_version: String,
    /// The verdict.
    pub verdict: VerdictValue,
    /// The exit code.
    pub exit_code: u8,
    /// The run's namespace.
    pub namespace: String,
    /// A name of the cluster for people; of `check`, the manifests.
    pub cluster: String,
    /// Manifests alone were read: no cluster was asked, and nothing was probed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// What the graph came from: compose files, or "the cluster".
    pub input: Vec<String>,
    /// When it began, RFC 3339, UTC, whole seconds.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The severity from which a finding fails the run.
    pub fail_on: Severity,
    /// Severities that the user changed: code → severity.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub severity_overrides: BTreeMap<String, String>,
    /// Counts.
    pub summary: Summary,
    /// Every resource that was asked for.
    pub observed: BTreeMap<String, Observed>,
    /// How many tiers have edges.
    pub coverage: Coverage,
    /// Tiers by name.
    pub tiers: Vec<TierReport>,
    /// Edges by id.
    pub edges: Vec<EdgeReport>,
    /// Ways in from outside, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryReport>,
    /// Findings: causes before consequences, then severity, then the number of edges explained, then object.
    pub findings: Vec<FindingReport>,
    /// Where the Pods differ from compose, what was sampled, what else a reader should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Outside hosts that are no edge: `FROM → HOST[:PORT]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
}

/// Counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Edges that the verdict counts, by status, and those that it does not.
    pub edges: EdgeCounts,
    /// Findings by severity.
    pub findings: FindingCounts,
}

/// The edges that the verdict counts, by status, and how many it does not count: every format says these numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeCounts {
    /// Work.
    pub pass: usize,
    /// Do not.
    pub fail: usize,
    /// Could not be tested.
    pub unknown: usize,
    /// Were not asked.
    pub skipped: usize,
    /// Known from weak evidence alone, whatever their status.
    #[serde(default)]
    pub weak: usize,
    /// May fail, as the user's file says, whatever their status.
    #[serde(default)]
    pub optional: usize,
}

impl EdgeCounts {
    /// Those of these edges.
    pub fn of(edges: &[EdgeReport]) -> Self {
        let mut counts = Self::default();
        for edge in edges {
            let count = if edge.optional {
                &mut counts.optional
            } else if edge.confidence == Confidence::Weak {
                &mut counts.weak
            } else {
                match edge.status {
                    StepStatus::Pass => &mut counts.pass,
                    StepStatus::Fail => &mut counts.fail,
                    StepStatus::Unknown => &mut counts.unknown,
                    StepStatus::Skipped => &mut counts.skipped,
                }
            };
            *count += 1;
        }
        counts
    }

    /// All that the verdict counts.
    pub const fn firm(&self) -> usize {
        self.pass + self.fail + self.unknown + self.skipped
    }

    /// All that have no result: they neither work nor fail.
    pub const fn open(&self) -> usize {
        self.unknown + self.skipped
    }
}

/// Findings by severity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCounts {
    /// Errors.
    pub error: usize,
    /// Warnings.
    pub warning: usize,
    /// Information.
    pub info: usize,
}

/// How many tiers have edges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// All tiers.
    pub tiers: usize,
    /// Those with at least one edge.
    pub tiers_with_edges: usize,
}

/// A tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierReport {
    /// Its name.
    pub name: String,
    /// `kind/name`, with `@namespace` where that is not the run's.
    pub workloads: Vec<String>,
    /// Names of its Services.
    pub services: Vec<String>,
    /// Its Pods.
    pub pods: PodCounts,
    /// Its DNS names.
    pub names: Vec<NameReport>,
}

/// Pods of a tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodCounts {
    /// Wanted.
    pub wanted: usize,
    /// In phase Running.
    pub running: usize,
    /// Ready.
    pub ready: usize,
}

/// A DNS name of a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameReport {
    /// As peers would write it.
    pub name: String,
    /// Whether it resolves.
    pub status: StepStatus,
    /// NXDOMAIN, the address, or why it was not asked.
    pub detail: String,
}

/// An edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeReport {
    /// Identity.
    pub id: EdgeId,
    /// Client tier.
    pub from: String,
    /// Server tier or outside host.
    pub to: String,
    /// The host that the client uses.
    pub host: String,
    /// The port that it dials.
    pub port: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// What the protocol is guessed from (`port 8080`), where nothing shows it: then no more than the connection counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_guessed_from: Option<String>,
    /// Where it is known from.
    pub origin: Vec<Origin>,
    /// How sure it is.
    pub confidence: Confidence,
    /// The user says that it may fail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The user says that it must not work.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forbidden: bool,
    /// How it ended.
    pub status: StepStatus,
    /// The finding that explains a failure.
    pub cause: Option<FindingId>,
    /// Why it is unknown or skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How far it was really proven, on the worst endpoint and vantage.
    pub depth: Depth,
    /// Every step.
    pub steps: Vec<StepReport>,
}

/// A way in from outside the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryReport {
    /// Identity.
    pub id: String,
    /// Which kind of way.
    pub kind: EntryKind,
    /// The tier that it leads to.
    pub to: String,
    /// The Service or Ingress, `kind/name`.
    pub object: String,
    /// Its namespace.
    pub namespace: String,
    /// Where it is asked for.
    pub addresses: Vec<String>,
    /// How it stands.
    pub status: StepStatus,
    /// Where it breaks: `load balancer`, `node port`, `controller`, `backend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// What was proven, what is wrong, or why nothing is known.
    pub reason: String,
    /// The finding that says so.
    pub cause: Option<FindingId>,
    /// Every step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepReport>,
}

/// How far an edge was proven.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Depth {
    /// Nothing.
    #[default]
    None,
    /// The name resolves.
    Dns,
    /// A connection stands.
    Tcp,
    /// TLS stands; what lies beyond is proven only where the certificate is, or the client does not verify.
    Tls,
    /// The peer speaks the protocol.
    Protocol,
    /// A login went through.
    Login,
    /// A query was answered.
    Query,
}

impl Depth {
    /// The lower-case name, as in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A step of an edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Which step.
    pub name: StepName,
    /// What was asked.
    pub target: String,
    /// How it ended.
    pub status: StepStatus,
    /// Which failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// Milliseconds.
    pub duration_ms: u64,
    /// In words.
    pub detail: String,
    /// The endpoint, if it was walked on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vantage: Option<VantageReport>,
}

impl StepReport {
    /// The endpoint, where it is not the target itself.
    pub fn at(&self) -> Option<&str> {
        let endpoint = self.endpoint.as_deref();
        endpoint.filter(|endpoint| *endpoint != self.target)
    }
}

/// From where a step was walked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VantageReport {
    /// Node.
    pub node: String,
    /// Whether in the Pod network (else the host's).
    pub pod_network: bool,
    /// `second look` and the like; absent on the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<String>,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindingReport {
    /// Identity.
    pub id: FindingId,
    /// Code.
    pub code: Code,
    /// Severity, after overrides.
    pub severity: Severity,
    /// `kind/name`.
    pub object: String,
    /// Namespace of the object; empty if it has none.
    pub namespace: String,
    /// One sentence.
    pub message: String,
    /// What was seen.
    pub evidence: Vec<String>,
    /// Edges that it explains.
    pub edges: Vec<EdgeId>,
    /// The finding of which it is a consequence.
    pub caused_by: Option<FindingId>,
    /// How to fix it.
    pub fix: Option<Fix>,
    /// Whether the user's file ignores it: shown, never counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignored: bool,
    /// Where the object, or the service of compose that it runs, is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceReport>,
}

/// A line of a file of the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceReport {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
}
