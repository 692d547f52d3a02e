//! How far the probes of a run are. Pure but for the callback.

use std::sync::{Mutex, PoisonError};

use super::{JobsProgress, OnProgress};

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
