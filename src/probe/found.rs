//! What one step found, before it is written as a record. Pure.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::probe::clock::Late;
use crate::probe::link::Flood;
use crate::probe::seen;
use crate::probe::wire::{StepError, StepName, StepStatus};

/// The fact of a server that sends its clients on: the host and port that it names.
pub(crate) const ADVERTISED: &str = "advertised";

/// Why a step did not pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// Which failure.
    pub(crate) error: StepError,
    /// In words.
    pub(crate) detail: String,
    /// Facts for the rules.
    pub(crate) facts: BTreeMap<String, String>,
}

impl Failure {
    /// A failure in words.
    pub(crate) fn new(error: StepError, detail: impl Into<String>) -> Self {
        Self {
            error,
            detail: detail.into(),
            facts: BTreeMap::new(),
        }
    }

    /// With one more fact.
    #[must_use]
    pub(crate) fn fact(mut self, key: &str, value: impl Into<String>) -> Self {
        self.facts.insert(key.to_owned(), value.into());
        self
    }

    /// What the last of the steps that ended a session says.
    pub(crate) fn of(steps: Vec<Found>) -> Self {
        match steps.into_iter().next_back() {
            Some(step) => Self::new(step.error.unwrap_or(StepError::Broken), step.detail),
            None => Self::new(StepError::Broken, "the server did not speak"),
        }
    }

    /// The step that it ends: no further one is tried.
    pub(crate) fn ends(self, name: StepName, asked: &str, begun: tokio::time::Instant) -> Found {
        Found::fail(name, self).asked(asked).since(begun)
    }

    /// A wait that was given up: `error` if it was the step's own limit.
    pub(crate) fn late(late: Late, error: StepError, detail: impl Into<String>) -> Self {
        match late {
            Late::Step => Self::new(error, detail),
            Late::Agent => Self::new(
                StepError::Deadline,
                "the probe's own deadline came before an answer",
            ),
            Late::Panic => Self::new(
                StepError::Broken,
                "the peer sent something that breaks the rules of the protocol, and no client could read it",
            ),
        }
    }

    /// An error of reading or writing on a connection that was open.
    pub(crate) fn broken(error: &io::Error) -> Self {
        match error.kind() {
            _ if Flood::is_in(error) => Self::new(StepError::Broken, Flood.to_string()),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::new(StepError::Reset, "the peer reset the connection")
            }
            io::ErrorKind::UnexpectedEof => {
                Self::new(StepError::Broken, "the peer closed in mid-answer")
            }
            io::ErrorKind::TimedOut => Self::new(StepError::Timeout, "the connection timed out"),
            _ => Self::new(StepError::Broken, format!("the connection broke: {error}")),
        }
    }

    /// Bytes of another protocol than the expected one.
    pub(crate) fn mismatch(expected: &str, head: &[u8]) -> Self {
        let (name, excerpt) = (seen::protocol(head), seen::excerpt(head));
        // A peer that speaks the expected protocol, and speaks it wrongly, is no other one.
        if name.is_some_and(|name| expected.to_ascii_lowercase().contains(name)) {
            return Self::new(
                StepError::Broken,
                format!(
                    "{expected} answers, and breaks the rules of its protocol: it said {excerpt}"
                ),
            );
        }
        let detail = name.map_or_else(
            || format!("what answers is not {expected}: it said {excerpt}"),
            |name| format!("{name} answers where {expected} was expected: it said {excerpt}"),
        );
        let failure = Self::new(StepError::Mismatch, detail);
        match name {
            Some(name) => failure.fact("seen_protocol", name),
            None => failure,
        }
    }
}

/// What one step found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// Which step.
    pub(crate) name: StepName,
    /// What was asked; empty: the address.
    pub(crate) target: String,
    /// How it ended.
    pub(crate) status: StepStatus,
    /// Which failure, or which warning of a pass.
    pub(crate) error: Option<StepError>,
    /// In words.
    pub(crate) detail: String,
    /// Facts for the rules.
    pub(crate) facts: BTreeMap<String, String>,
    /// How long it took.
    pub(crate) duration: Duration,
    /// How many tries were made.
    pub(crate) tries: u32,
}

impl Found {
    fn new(name: StepName, status: StepStatus, detail: String) -> Self {
        Self {
            name,
            target: String::new(),
            status,
            error: None,
            detail,
            facts: BTreeMap::new(),
            duration: Duration::ZERO,
            tries: 1,
        }
    }

    /// It works.
    pub(crate) fn pass(name: StepName, detail: impl Into<String>) -> Self {
        Self::new(name, StepStatus::Pass, detail.into())
    }

    /// It was not worth asking, or not allowed.
    pub(crate) fn skipped(name: StepName, reason: impl Into<String>) -> Self {
        Self::new(name, StepStatus::Skipped, reason.into())
    }

    /// It could not be determined.
    pub(crate) fn unknown(name: StepName, reason: impl Into<String>) -> Self {
        Self::new(name, StepStatus::Unknown, reason.into())
    }

    /// It does not work; the agent's own deadline is no one's failure.
    pub(crate) fn fail(name: StepName, failure: Failure) -> Self {
        let status = if failure.error == StepError::Deadline {
            StepStatus::Unknown
        } else {
            StepStatus::Fail
        };
        let mut found = Self::new(name, status, failure.detail);
        found.error = Some(failure.error);
        found.facts = failure.facts;
        found
    }

    /// The same in words.
    pub(crate) fn failed(name: StepName, error: StepError, detail: impl Into<String>) -> Self {
        Self::fail(name, Failure::new(error, detail))
    }

    /// With one more fact.
    #[must_use]
    pub(crate) fn fact(mut self, key: &str, value: impl Into<String>) -> Self {
        self.facts.insert(key.to_owned(), value.into());
        self
    }

    /// With what was asked.
    #[must_use]
    pub(crate) fn asked(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    /// With the time since `begun`.
    #[must_use]
    pub(crate) fn since(mut self, begun: tokio::time::Instant) -> Self {
        self.duration = begun.elapsed();
        self
    }

    /// Whether it passed.
    pub(crate) fn passed(&self) -> bool {
        self.status == StepStatus::Pass
    }
}

/// The first step of a walk that failed or could not be determined.
pub(crate) fn first_broken(found: &[Found]) -> Option<&Found> {
    found
        .iter()
        .find(|step| matches!(step.status, StepStatus::Fail | StepStatus::Unknown))
}
