//! What a drill asks of an engine: open a session, say who it is, write, read the ledger, say its state. One implementation per engine. IO is
//! theirs.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use crate::drill::model::{AttemptStep, ExpectedTable, LaneRows, MemberState, Span};

/// Why something did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// At which step.
    pub(crate) step: AttemptStep,
    /// The server's code, or a word of ours.
    pub(crate) code: String,
    /// In words, for people.
    pub(crate) words: String,
}

impl Broken {
    /// Of that kind.
    pub(crate) fn new(
        step: AttemptStep,
        code: impl Into<String>,
        words: impl Into<String>,
    ) -> Self {
        Self {
            step,
            code: code.into(),
            words: words.into(),
        }
    }
}

/// A limit of time.
#[derive(Clone, Copy)]
pub(crate) struct Limit(pub(crate) Duration);

impl Limit {
    /// Runs a future within it.
    pub(crate) async fn of<T>(
        self,
        work: impl Future<Output = Result<T, Broken>>,
        step: AttemptStep,
    ) -> Result<T, Broken> {
        timeout(self.0, work)
            .await
            .unwrap_or_else(|_| Err(Broken::new(step, "timeout", "no answer in time")))
    }
}

/// What a server says of an expected table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeldRows {
    /// It is there, and fresh.
    Yes,
    /// It is missing or stale, with the reason.
    No(String),
    /// The login may not ask, with the reason.
    Untold(String),
}

impl HeldRows {
    /// Whether the newest row, so many seconds old, is fresh enough.
    pub(crate) fn aged(age: Option<&str>, within_ms: u64) -> Self {
        let most = i64::try_from(within_ms / 1000).unwrap_or(i64::MAX);
        match age.and_then(|age| age.parse::<i64>().ok()) {
            None => Self::No("it holds no row".to_owned()),
            Some(age) if age > most => Self::No(format!("its newest row is {age} s old")),
            Some(_) => Self::Yes,
        }
    }

    /// Whether a question brought a row.
    pub(crate) fn brought(row: bool) -> Self {
        if row {
            Self::Yes
        } else {
            Self::No("it brings no row".to_owned())
        }
    }
}

/// How an engine's servers are talked to.
pub(crate) trait EngineClient {
    /// An open session.
    type Session: Session;

    /// Connects and logs in; `login` limits what comes after the connect.
    async fn connect(
        &self,
        address: SocketAddr,
        host: &str,
        login: Limit,
    ) -> Result<Self::Session, Broken>;

    /// The addresses of a host.
    async fn resolve(&self, host: &str) -> Result<Vec<std::net::IpAddr>, Broken>;
}

/// An open session.
pub(crate) trait Session {
    /// Who answers.
    async fn identify(&mut self) -> Result<String, Broken>;
    /// Makes the ledger where it is not there.
    async fn make(&mut self) -> Result<(), Broken>;
    /// Removes it.
    async fn remove(&mut self) -> Result<(), Broken>;
    /// One row.
    async fn write(&mut self, lane: &str, seq: u64) -> Result<(), Broken>;
    /// Prepares for being kept: the server ends it where nothing is said for half a minute, so that a transaction whose client is gone, and
    /// whose end no one reported to the server, holds no lock on the ledger.
    async fn keep(&mut self) -> Result<(), Broken> {
        Ok(())
    }
    /// A transaction of two rows.
    async fn write_both(&mut self, lane: &str, seq: u64) -> Result<(), Broken>;
    /// What the ledger holds, lane by lane.
    async fn tip(&mut self) -> Result<BTreeMap<String, Span>, Broken>;
    /// Every row.
    async fn rows(&mut self) -> Result<BTreeMap<String, LaneRows>, Broken>;
    /// Role, writability, membership, in the server's own words.
    async fn state(&mut self, state: &mut MemberState) -> Result<(), Broken>;
    /// Whether an expected table is there and fresh.
    async fn holds(&mut self, table: &ExpectedTable) -> Result<HeldRows, Broken>;
    /// Says goodbye.
    async fn close(self);
}
