//! The recorded cluster's time: it stood still when the recording ended, and runs on from there. IO: the system's clock.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    recorded: Timestamp,
    started: Instant,
}

impl Clock {
    /// Goes on from `recorded`, from now.
    pub(crate) fn from(recorded: Timestamp) -> Self {
        Self {
            recorded,
            started: Instant::now(),
        }
    }

    /// The time in the replayed cluster.
    pub(crate) fn now(&self) -> Timestamp {
        SignedDuration::try_from(self.started.elapsed())
            .ok()
            .and_then(|elapsed| self.recorded.checked_add(elapsed).ok())
            .unwrap_or(self.recorded)
    }

    /// As the API writes it.
    pub(crate) fn text(&self) -> String {
        self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// As the `Date` header of HTTP writes it.
    pub(crate) fn header(&self) -> String {
        self.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}
