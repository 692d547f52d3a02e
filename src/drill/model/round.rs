//! One round: a fault from its baseline to its audit, as it was recorded. Pure data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AuditAnswer, Batch, End, Fault, Lane, MemberRole};

/// Everything that was recorded of one round. What is measured comes from here alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// The candidate.
    pub candidate: String,
    /// The fault.
    pub fault: Fault,
    /// 1, 2, 3 … among the rounds of this fault.
    pub number: u32,
    /// Whom it hit; empty for `hook`, `none` and `watch`.
    pub victims: Vec<Victim>,
    /// The members' names and roles before the fault.
    pub members: BTreeMap<String, Option<MemberRole>>,
    /// How many members are a whole candidate.
    pub size: u32,
    /// How long the round waits for recovery.
    pub patience_ms: u64,
    /// Where the clean baseline began; none: there was no clean one.
    pub baseline_ms: Option<i64>,
    /// The instant before the fault; none: it was not made.
    pub fault_ms: Option<i64>,
    /// Where watching ended, before the audit.
    pub end_ms: i64,
    /// How it ended.
    pub ended: RoundEnd,
    /// What the runners wrote.
    pub runners: Vec<RunnerLog>,
    /// What the conductor saw, in order.
    pub events: Vec<Event>,
    /// What was read at the end; none: it did not come to that.
    pub audit: Option<Audit>,
    /// The Service behind the write address.
    pub write_service: Option<String>,
    /// Expected tables on each member before the fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_before: Vec<Expectation>,
    /// The same at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_after: Vec<Expectation>,
}

impl Round {
    /// Whether the fault hit that member.
    pub(crate) fn hits(&self, member: &str) -> bool {
        self.victims.iter().any(|victim| victim.member == member)
    }

    /// The ready endpoints of the write Service, whenever they changed.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (i64, &[String])> {
        self.events.iter().filter_map(|event| match &event.what {
            EventKind::Endpoints(pods) => Some((event.at_ms, pods.as_slice())),
            _ => None,
        })
    }
}

/// A member that was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Victim {
    /// The member.
    pub member: String,
    /// Its role before.
    pub role: Option<MemberRole>,
    /// The UID of the Pod that was taken away.
    pub uid: Option<String>,
}

/// How a round ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how", content = "why")]
pub enum RoundEnd {
    /// Everything was whole again and stayed so.
    Whole,
    /// Patience was over; what was missing.
    PatienceOver(String),
    /// It could not begin: not whole before, or no clean baseline.
    NotBegun(NotBegun),
    /// A runner was lost, the run was interrupted, or something else than the fault changed the candidate.
    Spoilt(Spoilt),
}

/// Why a round could not begin, each with what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotBegun {
    /// The candidate was not whole.
    NotHealthy(String),
    /// No ten seconds without a failure.
    BaselineUnclean(String),
}

/// Why a round proves nothing, each with what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spoilt {
    /// A runner went away.
    RunnerLost(String),
    /// The fault had no effect: the Pod is still the same, the hook failed, the eviction was refused.
    NoEffect(String),
    /// Somebody else changed the candidate.
    ChangedByOthers(String),
    /// The run was stopped.
    Interrupted(String),
}

/// What came from one runner in this round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerLog {
    /// Which runner.
    pub runner: String,
    /// From its clock to the conductor's.
    pub clock: ClockMap,
    /// Its lanes.
    pub lanes: Vec<Lane>,
    /// Its batches, as they came. A batch of another round may be among them; the time shows it.
    pub batches: Vec<Batch>,
    /// Its end record, where it has ended.
    pub end: Option<End>,
}

/// From a runner's clock to the conductor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClockMap {
    /// The conductor's time = the runner's + this.
    pub offset_ms: i64,
    /// How wrong that may be, either way.
    pub error_ms: u64,
}

/// What the conductor saw or did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it was reported (a watch event) or done.
    pub at_ms: i64,
    /// What.
    pub what: EventKind,
}

/// What the conductor saw or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The fault begins.
    FaultStarted,
    /// The fault's own acts are done (the hook ended, replicas are back).
    FaultEnded,
    /// A member's Pod changed.
    Pod(PodEvent),
    /// The ready endpoints of the write Service are now these: Pods' names, or addresses where no Pod stands behind.
    Endpoints(Vec<String>),
    /// The conductor's own step, for the timeline: `writes back`, `settled`.
    Phase(String),
    /// Something that a reader should know.
    Note(String),
}

/// A change of a member's Pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodEvent {
    /// The member it belongs to.
    pub member: String,
    /// The Pod's name.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// What changed.
    pub change: PodChange,
}

/// How a Pod changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodChange {
    /// It is there.
    Created,
    /// It runs: all of its containers were started.
    Running,
    /// It is Ready.
    Ready,
    /// It is not Ready any more.
    NotReady,
    /// A container was restarted.
    Restarted,
    /// It has a deletion time.
    Leaving,
    /// It is gone.
    Gone,
}

/// What was read of the ledger after the round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// When the reading began; every lane that writes had stopped before.
    pub at_ms: i64,
    /// The answers, one for each place that was asked; a member that is missing was not asked.
    pub answers: Vec<AuditAnswer>,
}

/// An expected table on a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// The table.
    pub table: String,
    /// The member.
    pub member: String,
    /// Whether it is there and fresh; none: it could not be asked.
    pub holds: Option<bool>,
    /// What was seen.
    pub detail: String,
}
