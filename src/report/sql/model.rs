//! The report of `k8sverify sql` as data: the contract of `k8sverify/sql/v1`. Pure.

use serde::{Deserialize, Serialize};

use crate::finding::{Code, Severity};
use crate::report::VerdictValue;
use crate::sql::classify::Weight;

/// The schema's name.
pub const SCHEMA: &str = "k8sverify/sql/v1";

/// The message of what the run did not come to.
pub const NOT_REACHED: &str = "the run ended before it";

/// One run of SQL on one candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SqlReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// The tool's version.
    pub tool_version: String,
    /// Whether the application's SQL works there.
    pub verdict: VerdictValue,
    /// The exit code.
    pub exit_code: u8,
    /// The run's namespace.
    pub namespace: String,
    /// A name of the cluster for people.
    pub cluster: String,
    /// The candidate or tier.
    pub candidate: String,
    /// The address that it was run at.
    pub address: String,
    /// `mysql`, `mariadb` or `vitess`; empty where none answered.
    pub product: String,
    /// What the server says of its version.
    pub version: String,
    /// Where it was run.
    pub place: SqlPlace,
    /// When it began, RFC 3339, UTC, whole seconds.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Counts.
    pub summary: SqlSummary,
    /// The files, in the order in which they were run.
    pub files: Vec<FileReport>,
    /// The application's own queries.
    pub workload: Vec<QueryReport>,
    /// What each member had in the end.
    pub members: Vec<MemberReport>,
    /// What is wrong.
    pub findings: Vec<SqlFinding>,
    /// What else a reader should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where statements are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlPlace {
    /// In schemas that are made for the run and dropped after it.
    #[default]
    Scratch,
    /// In the application's own.
    InPlace,
}

/// Counts of statements and queries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlSummary {
    /// Accepted.
    pub accepted: usize,
    /// Refused, and nothing is missing.
    pub cosmetic: usize,
    /// Refused.
    pub refused: usize,
    /// Not sent.
    pub not_run: usize,
    /// Without an answer.
    pub unknown: usize,
}

/// How a statement or query ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "lowercase")]
pub enum SqlStatus {
    /// Accepted.
    Accepted,
    /// Refused, and nothing is missing.
    Cosmetic,
    /// Refused.
    Refused,
    /// Not sent.
    #[strum(serialize = "not run")]
    NotRun,
    /// Without an answer.
    Unknown,
}

impl SqlStatus {
    /// For people.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileReport {
    /// As the user knows it.
    pub name: String,
    /// The line at which the official client would have stopped without `--force`.
    pub stops_at: Option<usize>,
    /// What that client would have said for itself: line and words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Its statements.
    pub statements: Vec<StatementReport>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementReport {
    /// Its first line.
    pub line: usize,
    /// Its first characters, literals masked.
    pub shown: String,
    /// How it ended.
    pub status: SqlStatus,
    /// What the server said, where it did not accept it, or accepted it with warnings.
    #[serde(flatten)]
    pub said: ServerAnswer,
}

/// What a server said, and what that means.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerAnswer {
    /// Milliseconds.
    pub duration_ms: u64,
    /// Warnings, as the OK packet counts them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub warnings: u16,
    /// The code of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Its SQLSTATE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The message, or why it was not sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The class of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// The line whose refusal brought this one about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<usize>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference to it"
)]
const fn is_none(number: &u16) -> bool {
    *number == 0
}

/// A query of the application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryReport {
    /// Its name.
    pub name: String,
    /// Its first line.
    pub line: usize,
    /// Its first characters, literals masked.
    pub shown: String,
    /// The application does not work without it.
    pub required: bool,
    /// How it ended, the way the application runs it.
    pub status: SqlStatus,
    /// Outside a transaction.
    pub outside: WayReport,
    /// Inside a transaction.
    pub inside: WayReport,
}

/// One way to run a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WayReport {
    /// How it ended.
    pub status: SqlStatus,
    /// Rows that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// What the server said.
    #[serde(flatten)]
    pub said: ServerAnswer,
}

/// A member of the candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberReport {
    /// The Pod; the address of the run where it is empty.
    pub name: String,
    /// Where it was asked.
    pub address: String,
    /// Why it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Tables that it has.
    pub tables: usize,
    /// In what it differs from the address of the run.
    pub differences: Vec<String>,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SqlFinding {
    /// Its code.
    pub code: Code,
    /// Its severity.
    pub severity: Severity,
    /// What it is about: `candidate/galera`.
    pub object: String,
    /// One sentence.
    pub message: String,
    /// What was seen.
    pub evidence: Vec<String>,
    /// What to do.
    pub fix: String,
}
