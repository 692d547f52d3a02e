//! The report of a drill as data: the contract of `k8sverify/drill/v1`. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::drill::model::{Engine, Fault, MemberRole, Metric, Picture, RoundResult};
use crate::finding::{Code, FindingId, Fix, Severity};
use crate::report::VerdictValue;

/// The schema's name.
pub const SCHEMA: &str = "k8sverify/drill/v1";

/// One drill, or several that were put together by `compare`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DrillReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// The tool's version.
    pub tool_version: String,
    /// Pass: all limits are met; fail: one is proven broken; unknown: something could not be measured.
    pub verdict: VerdictValue,
    /// The exit code.
    pub exit_code: u8,
    /// The run; several are joined by `+`.
    pub run: String,
    /// The run's namespace.
    pub namespace: String,
    /// A name of the cluster for people.
    pub cluster: String,
    /// When it began, RFC 3339, UTC, whole seconds.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The seed of what was chosen at random.
    pub seed: u64,
    /// The limits in force: at most so many milliseconds or things.
    pub limits: BTreeMap<Metric, u64>,
    /// The candidates, in the order in which they were drilled.
    pub candidates: Vec<CandidateReport>,
    /// Causes before consequences, then severity, then candidate.
    pub findings: Vec<DrillFinding>,
    /// What else a reader should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A candidate: a column of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateReport {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// How its servers are talked to.
    pub engine: Engine,
    /// Where clients write.
    pub write: String,
    /// Its members.
    pub members: Vec<String>,
    /// Where its data lies.
    pub volumes: Vec<String>,
    /// What was done to it.
    pub faults: Vec<FaultReport>,
    /// The application's own SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_sql: Option<CandidateSql>,
    /// The application's queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<CandidateSql>,
    /// Claims and volumes that stay when it goes away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// Why it was not drilled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
    /// Its column, one cell a row, in the order of `checks/drill.yaml`.
    pub cells: Vec<Cell>,
}

/// What became of a file of SQL.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CandidateSql {
    /// How many statements were run.
    pub statements: u64,
    /// Refused, and the application needs them.
    pub required: u64,
    /// Refused, and something is missing without them.
    pub real: u64,
    /// Refused, and no one misses them.
    pub cosmetic: u64,
    /// Not run, because they reach beyond the scratch schema.
    pub not_run: u64,
    /// Without an answer.
    #[serde(default)]
    pub unknown: u64,
    /// A line each: where, the code, the class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<String>,
}

/// A cell of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The row's name.
    pub row: String,
    /// The mark.
    pub mark: Grade,
    /// What was measured.
    pub text: String,
    /// The rule that gave the mark.
    pub rule: String,
}

/// A mark for people; it decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Grade {
    /// `◎`.
    Best,
    /// `○`.
    Good,
    /// `△`.
    Fair,
    /// `×`.
    Bad,
    /// `?`: could not be measured.
    Unknown,
    /// `–`: was not asked, or does not apply.
    None,
}

impl Grade {
    /// As in the table.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Best => "◎",
            Self::Good => "○",
            Self::Fair => "△",
            Self::Bad => "×",
            Self::Unknown => "?",
            Self::None => "–",
        }
    }

    /// In words, for those who cannot see the sign.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// What one fault did in its rounds. Rounds that hit a primary and rounds that hit a replica are two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// What was done.
    pub fault: Fault,
    /// The role of the one member that was hit, where the candidate has several and they have roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
    /// The rounds, in order.
    pub rounds: Vec<RoundReport>,
    /// Over the rounds.
    pub numbers: BTreeMap<Metric, Spread>,
    /// What its rounds say of the limits.
    pub limits: Vec<LimitReport>,
    /// What "0 lost" does not exclude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_excluded: Option<String>,
}

impl FaultReport {
    /// `delete primary`.
    pub fn title(&self) -> String {
        match self.role {
            Some(MemberRole::Primary) => format!("{} primary", self.fault),
            Some(MemberRole::Replica) => format!("{} replica", self.fault),
            _ => self.fault.to_string(),
        }
    }
}

/// A round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoundReport {
    /// 1, 2, 3 … among the rounds of this fault.
    pub number: u32,
    /// Who was hit.
    pub victims: Vec<String>,
    /// How it ended, in words.
    pub ended: String,
    /// Its numbers.
    #[serde(flatten)]
    pub result: RoundResult,
    /// What each lane saw; none where there was no fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
}

/// A number over the rounds of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// In so many rounds it is known …
    pub known: u32,
    /// … in so many it went beyond patience …
    pub over: u32,
    /// … and in so many it could not be measured.
    pub unknown: u32,
    /// The least known one.
    pub min: Option<u64>,
    /// The middle one (the lower of two), where those beyond patience count as longest; none where that is one of them, or where one is unknown.
    pub median: Option<u64>,
    /// The largest one; none where one went beyond patience.
    pub max: Option<u64>,
    /// Those beyond patience took at least so long.
    pub at_least: Option<u64>,
    /// The coarsest resolution.
    pub resolution: u64,
    /// Why some could not be measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// What the rounds of a fault say of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitReport {
    /// The number's name, or `recovers`.
    pub name: String,
    /// At most; none for `recovers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u64>,
    /// Met in all rounds, proven broken in one, or not known.
    pub status: VerdictValue,
    /// In words.
    pub detail: String,
}

/// A finding of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillFinding {
    /// Identity.
    pub id: FindingId,
    /// Code.
    pub code: Code,
    /// Severity.
    pub severity: Severity,
    /// The candidate.
    pub candidate: String,
    /// `kind/name`.
    pub object: String,
    /// The object's namespace.
    pub namespace: String,
    /// One sentence.
    pub message: String,
    /// What was seen, round by round.
    pub evidence: Vec<String>,
    /// The finding of which it is a consequence.
    pub caused_by: Option<FindingId>,
    /// What to do.
    pub fix: Option<Fix>,
}
