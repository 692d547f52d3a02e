//! When a run started, as its report says it. IO: the clock.

use std::time::{Duration, Instant};

use jiff::{Timestamp, Unit};

use crate::verdict::ReportMeta;

/// The moment in which a run started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    at: Timestamp,
    since: Instant,
}

impl Start {
    /// Now.
    pub(super) fn now() -> Self {
        Self {
            at: Timestamp::now(),
            since: Instant::now(),
        }
    }

    /// The moment: RFC 3339, UTC, whole seconds.
    pub(super) fn text(self) -> String {
        self.at.round(Unit::Second).unwrap_or(self.at).to_string()
    }

    /// What the run's report says of the run.
    pub(super) fn meta(self, input: Vec<String>, notes: Vec<String>) -> ReportMeta {
        ReportMeta {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.text(),
            duration_ms: self.elapsed_ms(),
            input,
            notes,
        }
    }

    /// How long ago that was.
    pub(super) fn elapsed(self) -> Duration {
        self.since.elapsed()
    }

    /// The same in milliseconds.
    pub(super) fn elapsed_ms(self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
