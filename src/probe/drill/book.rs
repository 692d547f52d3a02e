//! What a runner has seen and not yet written: attempts, members' words, servers; and the sums of all. One batch a second, numbered. IO: the
//! clock.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::drill::model::{
    Attempt, AttemptOutcome, Batch, End, LaneSums, MemberState, RunnerRecord,
};

/// The book; one thread writes in it.
pub(super) struct Book {
    start: Instant,
    pages: RefCell<Pages>,
}

#[derive(Default)]
struct Pages {
    batch: Batch,
    sums: BTreeMap<String, LaneSums>,
    batches: u64,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            pages: RefCell::default(),
        }
    }

    /// Milliseconds since the runner's start.
    pub(super) fn now(&self) -> i64 {
        self.at(Instant::now())
    }

    /// That instant, in milliseconds since the runner's start.
    pub(super) fn at(&self, instant: Instant) -> i64 {
        let since = instant.saturating_duration_since(self.start).as_millis();
        i64::try_from(since).unwrap_or(i64::MAX)
    }

    /// A turn that ended.
    pub(super) fn attempt(&self, attempt: Attempt) {
        let mut pages = self.pages.borrow_mut();
        let sums = pages.sums.entry(attempt.lane.clone()).or_default();
        match attempt.outcome {
            AttemptOutcome::Acked => sums.acked += 1,
            AttemptOutcome::Refused => sums.refused += 1,
            AttemptOutcome::Unknown => sums.unknown += 1,
        }
        pages.batch.attempts.push(attempt);
    }

    /// A member's turn that ended.
    pub(super) fn member(&self, lane: &str, state: MemberState) {
        let mut pages = self.pages.borrow_mut();
        let sums = pages.sums.entry(lane.to_owned()).or_default();
        if state.error.is_none() {
            sums.acked += 1;
        } else {
            sums.unknown += 1;
        }
        pages.batch.members.push(state);
    }

    /// What was seen since the last batch; none where no time has passed.
    pub(super) fn batch(&self) -> Option<RunnerRecord> {
        let now = self.now();
        let mut pages = self.pages.borrow_mut();
        if now <= pages.batch.from_ms {
            return None;
        }
        pages.batches += 1;
        let number = pages.batches;
        let next = Batch {
            from_ms: now,
            ..Batch::default()
        };
        let batch = std::mem::replace(&mut pages.batch, next);
        Some(RunnerRecord::Batch(Batch {
            number,
            to_ms: now,
            ..batch
        }))
    }

    /// The last record.
    pub(super) fn end(&self) -> RunnerRecord {
        let pages = self.pages.borrow();
        RunnerRecord::End(End {
            batches: pages.batches,
            lanes: pages.sums.clone(),
        })
    }
}
