//! The data of a drill: what goes into a runner and comes out of it, what the conductor sees, and a whole round. Pure data, with serde.
//!
//! Times: a field `…_ms` of a [`RunnerRecord`] counts milliseconds since its *runner's* start on the runner's monotonic clock; one of an [`Event`], an [`Audit`] or a
//! [`Round`] counts them since the *round's* start on the conductor's monotonic clock and may be negative. [`ClockMap`] maps the first to the second. A duration
//! between two records of one runner needs no map. No value of a secret ever stands here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::seqs::SeqSet;
use crate::address::bracketed;

mod plan;
mod result;
mod round;

pub use plan::*;
pub use result::*;
pub use round::*;

/// The version of [`RunnerSpec`] and [`RunnerRecord`]; runner and conductor refuse another.
pub const VERSION: u32 = 2;

/// How a server is talked to. A Galera member is asked whether it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// `MySQL`, `MariaDB`, Galera, and what speaks their protocol.
    Mysql,
    /// `PostgreSQL`.
    Postgres,
    /// Redis and Valkey.
    Redis,
}

/// Where to dial.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// A name, resolved at each new connection, or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

/// What one runner does: its spec, without any value of a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerSpec {
    /// [`VERSION`].
    pub version: u32,
    /// Which runner: `a`, `b`. Lanes are named after it, so that no two runners share one.
    pub runner: String,
    /// How the servers are talked to.
    pub engine: Engine,
    /// Where clients write.
    pub write: Address,
    /// Where clients read, where it is another address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Address>,
    /// The scratch table or keys.
    pub ledger: Ledger,
    /// What it attempts.
    pub lanes: Vec<Lane>,
    /// The tables that the candidate's operator needs, asked on each member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<ExpectedTable>,
    /// How long an attempt may take.
    pub limits: Limits,
    /// It ends by itself after this time, whatever the conductor does.
    pub deadline_ms: u64,
}

/// The scratch table (`MySQL`, `PostgreSQL`) or the prefix of the keys (Redis).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// `k8sverify_drill_RUN`; for Redis `k8sverify:RUN:`.
    pub name: String,
}

/// One loop of a runner that attempts the same thing again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// `a/w-new`, `a/w-held/0`, `b/r-new`, `a/m/db-0`: unique in a drill; rows of the ledger carry it.
    pub name: String,
    /// What it does.
    pub kind: LaneKind,
    /// Where it dials.
    pub address: Address,
    /// A turn begins every so many milliseconds, by the clock.
    pub every_ms: u64,
    /// So many turns may be under way at once; further ones are skipped and counted. 1 for a kept connection.
    pub in_flight: u32,
}

/// What a lane does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaneKind {
    /// `w-new`: resolve, connect, log in, ask who it is, one INSERT (half 0: the only one), close.
    WriteNew,
    /// `w-held/k`: a kept connection through the write address, a transaction of two INSERTs (halves 1 and 2).
    WriteHeld,
    /// `r-new`: a new connection, the largest seq of each lane.
    ReadNew,
    /// `m/MEMBER`: a kept connection to that member alone, reads only: its state and the ledger's tip. Its turns are [`MemberState`]s, not [`Attempt`]s.
    Member(String),
}

/// How long the parts of an attempt may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Resolve and connect.
    pub connect_ms: u64,
    /// TLS and login.
    pub login_ms: u64,
    /// Each statement.
    pub statement_ms: u64,
    /// A refused login waits so long …
    pub login_refused_wait_ms: u64,
    /// … and is tried so many times at most.
    pub login_refused_tries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_ms: 1000,
            login_ms: 3000,
            statement_ms: 2000,
            login_refused_wait_ms: 10_000,
            login_refused_tries: 5,
        }
    }
}

/// A line of a runner's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum RunnerRecord {
    /// The first line.
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// The runner cannot work: its spec is bad, or the ledger cannot be made. Nothing follows.
    Error {
        /// What was tried, what came back, what was expected.
        message: String,
    },
    /// One second of work.
    Batch(Batch),
    /// What the runner found when it was ordered to read everything.
    Audit {
        /// The answers.
        answers: Vec<AuditAnswer>,
    },
    /// The last line: without it the log is not whole.
    End(End),
}

/// One second of work: what ended in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Batch {
    /// 1, 2, 3 …: a missing number is a hole, and its seconds are unknown.
    pub number: u64,
    /// What it covers, from …
    pub from_ms: i64,
    /// … to. The next batch begins here.
    pub to_ms: i64,
    /// The attempts that ended in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The turns of the members' lanes that ended in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberState>,
}

/// One turn of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The lane.
    pub lane: String,
    /// Its number in the lane, never used again in the drill. Reads have one too.
    pub seq: u64,
    /// When it began.
    pub started_ms: i64,
    /// When the first byte of the write (or query) was sent: before that it surely had no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: i64,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why, where it is not acked: the server's code (`1290`, `25006`, `READONLY`), or ours: `refused`, `timeout`, `reset`, `closed`, `nxdomain` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Who answered: [`Server::key`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// How much after its time it began.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late_ms: u64,
    /// What a read saw: the largest seq of each lane.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub saw: BTreeMap<String, u64>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape that serde wants"
)]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptOutcome {
    /// The server said that it is done.
    Acked,
    /// Surely without effect: nothing was sent, or the server's error is in the list of `checks/drill.yaml`.
    Refused,
    /// All else: it may or may not be there.
    Unknown,
}

/// The step at which an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptStep {
    /// The name's addresses.
    Resolve,
    /// TCP.
    Connect,
    /// TLS and login.
    Login,
    /// Who are you.
    Identify,
    /// BEGIN, INSERT, SELECT, SET.
    Statement,
    /// COMMIT.
    Commit,
}

/// What a member said of itself in one turn of its lane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemberState {
    /// The member's name in the plan.
    pub member: String,
    /// When it had answered, or failed to.
    pub ended_ms: i64,
    /// How much after its time it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who answered: [`Server::key`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
    /// Whether it takes writes; none: not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writable: Option<bool>,
    /// Whether it calls itself a whole member of its group (Galera: ready, Primary, Synced; replica: threads run or link up); none: not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<bool>,
    /// The group's identity (`wsrep_cluster_state_uuid`; the source's address of a replica).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How many members its group has, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// What the ledger holds on it, lane by lane; none: the ledger is not there or cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tip: Option<BTreeMap<String, Span>>,
    /// Expected tables that are missing or stale on it, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
    /// The host that was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Expected tables that the login may not read, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub untold: BTreeMap<String, String>,
    /// In its own words, short and without secrets: `Primary Synced`, `Yes/No 1236`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}

/// What a place holds of one lane: only with the smallest seq it is plain that it has kept what is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The smallest seq.
    pub first: u64,
    /// The largest seq.
    pub last: u64,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Takes writes, others may follow it.
    Primary,
    /// Follows another one.
    Replica,
    /// One of equals (Galera).
    Peer,
    /// Neither follows nor takes writes.
    Alone,
}

/// What a runner found when it read every row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditAnswer {
    /// Where it was read.
    pub place: ReadPlace,
    /// Who answered: [`Server::key`].
    /// Why nothing could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// By lane.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, LaneRows>,
}

/// Where rows were read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadPlace {
    /// Through the write address.
    Write,
    /// Through the read address, where it is another one.
    Read,
    /// On that member.
    Member(String),
}

impl std::fmt::Display for ReadPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Write => f.write_str("write address"),
            Self::Read => f.write_str("read address"),
            Self::Member(name) => f.write_str(name),
        }
    }
}

/// The rows of one lane in one place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneRows {
    /// Seqs with everything that the lane writes (one row, or both halves).
    pub whole: SeqSet,
    /// Seqs with one half of a transaction.
    #[serde(default, skip_serializing_if = "SeqSet::is_empty")]
    pub half: SeqSet,
}

/// A runner's last record: the sums of all that it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct End {
    /// How many batches.
    pub batches: u64,
    /// Lane → its sums.
    pub lanes: BTreeMap<String, LaneSums>,
}

/// A lane's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneSums {
    /// Acknowledged attempts, or a member's turns with an answer.
    pub acked: u64,
    /// Refused attempts.
    pub refused: u64,
    /// Attempts of unknown outcome, or a member's turns without an answer.
    pub unknown: u64,
}
