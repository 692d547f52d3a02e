//! How far the probes of a run are. Pure but for the callback.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{JobsProgress, OnProgress};

/// The pause of a run of few containers.
pub(super) const LOG_PAUSE: Duration = Duration::from_millis(50);
/// And of one of many.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Counts progress over all Jobs.
pub(super) struct Counts<'a> {
    now: Mutex<JobsProgress>,
    tell: OnProgress<'a>,
}

impl<'a> Counts<'a> {
    /// Nothing is done yet.
    pub(super) fn new(containers: usize, tell: OnProgress<'a>) -> Self {
        let now = JobsProgress {
            containers,
            ..JobsProgress::default()
        };
        tell(now);
        Self {
            now: Mutex::new(now),
            tell,
        }
    }

    /// The pause between two tries of a log that cannot be read yet: the more containers a Pod and the whole run have, the longer, so that
    /// the API is asked a bounded number of times a second. What a container's status says is heard at once anyway.
    pub(super) fn pause(&self, in_pod: usize) -> Duration {
        let all = self
            .now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .containers;
        let share = in_pod.div_ceil(4).max(all.div_ceil(16));
        let pause = LOG_PAUSE.saturating_mul(u32::try_from(share).unwrap_or(u32::MAX));
        pause.clamp(LOG_PAUSE, LONGEST_PAUSE)
    }

    /// Changes the counts and tells.
    pub(super) fn change(&self, with: impl FnOnce(&mut JobsProgress)) {
        let now = {
            let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            with(&mut now);
            *now
        };
        (self.tell)(now);
    }
}
