//! What a runner has seen and not yet written: attempts, members' words, servers; and the sums of all. One batch a second, numbered. IO: the
//! clock.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::drill::model::{
    Attempt, AttemptOutcome, Batch, End, LaneSums, MemberState, RunnerRecord, RunnerSpec, Server,
    VERSION,
};

/// The book; one thread writes in it.
pub(super) struct Book {
    runner: String,
    start: Instant,
    pages: RefCell<Pages>,
}

#[derive(Default)]
struct Pages {
    batch: Batch,
    sums: BTreeMap<String, LaneSums>,
    servers: BTreeMap<String, Server>,
    batches: u64,
}

impl Book {
    pub(super) fn new(spec: &RunnerSpec) -> Self {
        Self {
            runner: spec.runner.clone(),
            start: Instant::now(),
            pages: RefCell::default(),
        }
    }

    /// The first record.
    pub(super) fn hello(&self) -> RunnerRecord {
        RunnerRecord::Hello {
            version: VERSION,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            runner: self.runner.clone(),
            node_clock_ms: jiff::Timestamp::now().as_millisecond(),
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
        sums.last_seq = sums.last_seq.max(attempt.seq);
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

    /// A turn that was not begun.
    pub(super) fn skipped(&self, lane: &str) {
        let mut pages = self.pages.borrow_mut();
        *pages.batch.skipped.entry(lane.to_owned()).or_default() += 1;
    }

    /// Whether the server was seen before.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.pages.borrow().servers.contains_key(key)
    }

    /// A server, with its start where it is known now.
    pub(super) fn server(&self, server: &Server) {
        let mut pages = self.pages.borrow_mut();
        if pages.servers.get(&server.key) == Some(server) {
            return;
        }
        pages.servers.insert(server.key.clone(), server.clone());
        pages.batch.servers.push(server.clone());
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
    pub(super) fn end(&self, cut_short: bool) -> RunnerRecord {
        let pages = self.pages.borrow();
        RunnerRecord::End(End {
            batches: pages.batches,
            lanes: pages.sums.clone(),
            cut_short,
        })
    }
}
