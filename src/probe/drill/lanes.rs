//! The lanes that write and read: by the clock, so that an attempt that hangs hides no recovery. IO: the clock, and the sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::engine::{Broken, EngineClient, Session};
use super::{MAKE_AGAIN, Runner};
use crate::drill::model::{Attempt, AttemptOutcome, AttemptStep, Lane, LaneKind};

/// How often a held lane looks for a server that no other one holds.
const SPREAD: u32 = 12;
/// The code of a ledger that is not there.
const NO_LEDGER: [&str; 2] = ["1146", "42P01"];

/// A turn that has begun.
struct Turn<'l> {
    lane: &'l Lane,
    seq: u64,
    started: Instant,
    delay: Duration,
}

/// What came of a turn.
#[derive(Default)]
struct Came {
    sent: Option<Instant>,
    server: Option<String>,
    saw: BTreeMap<String, u64>,
    broken: Option<Broken>,
}

/// A kept session, and whom it leads to.
struct Kept<S> {
    session: S,
    server: String,
}

impl<E: EngineClient> Runner<'_, E> {
    /// A lane of new connections: a turn begins by the clock, whether or not the one before has ended.
    pub(super) async fn new_lane(&self, lane: &Lane) {
        let mut clock = Beat::new(lane.every_ms);
        let mut turns = FuturesUnordered::new();
        let room = usize::try_from(lane.in_flight.max(1)).unwrap_or(1);
        let mut seq = 0;
        loop {
            tokio::select! {
                delay = clock.next() => {
                    if !self.orders.borrow().act.runs() {
                        continue;
                    }
                    if turns.len() >= room {
                        continue;
                    }
                    seq += 1;
                    let turn = Turn { lane, seq, started: Instant::now(), delay };
                    self.under_way.set(self.under_way.get() + 1);
                    turns.push(self.new_turn(turn));
                }
                Some(()) = turns.next() => {}
            }
        }
    }

    async fn new_turn(&self, turn: Turn<'_>) {
        let mut came = Came::default();
        match self.meet(&turn.lane.address, turn.seq).await {
            Err(broken) => came.broken = Some(broken),
            Ok((mut session, server)) => {
                came.server = Some(server);
                came.sent = Some(Instant::now());
                let limit = self.statement();
                let lane = &turn.lane.name;
                let ended = if turn.lane.kind == LaneKind::ReadNew {
                    limit
                        .of(session.tip(), AttemptStep::Statement)
                        .await
                        .map(|tip| {
                            let last = tip.into_iter().map(|(lane, span)| (lane, span.last));
                            came.saw = last.collect();
                        })
                } else {
                    limit
                        .of(session.write(lane, turn.seq), AttemptStep::Statement)
                        .await
                };
                came.broken = ended.err();
                self.finish(&turn, came);
                self.under_way.set(self.under_way.get() - 1);
                session.close().await;
                return;
            }
        }
        self.finish(&turn, came);
        self.under_way.set(self.under_way.get() - 1);
    }

    /// A lane that keeps its connection as a pool does: closed only on what a pool takes as fatal.
    pub(super) async fn held_lane(&self, lane: &Lane) {
        let mut clock = Beat::new(lane.every_ms);
        let mut kept: Option<Kept<E::Session>> = None;
        let mut seq = 0;
        let mut first = true;
        loop {
            let delay = clock.next().await;
            if !self.orders.borrow().act.runs() {
                continue;
            }
            self.under_way.set(self.under_way.get() + 1);
            if std::mem::take(&mut first) {
                kept = self.spread(lane).await;
                clock.skip();
            }
            seq += 1;
            let turn = Turn {
                lane,
                seq,
                started: Instant::now(),
                delay,
            };
            let came = self.held_turn(&turn, &mut kept).await;
            self.finish(&turn, came);
            self.under_way.set(self.under_way.get() - 1);
            clock.skip();
        }
    }

    async fn held_turn(&self, turn: &Turn<'_>, kept: &mut Option<Kept<E::Session>>) -> Came {
        let mut came = Came::default();
        let mut held = match kept.take() {
            Some(held) => held,
            None => match self.meet(&turn.lane.address, turn.seq).await {
                Ok((session, server)) => self.keep(session, server).await,
                Err(broken) => {
                    came.broken = Some(broken);
                    return came;
                }
            },
        };
        came.server = Some(held.server.clone());
        came.sent = Some(Instant::now());
        let limit = self.statement();
        let write = held.session.write_both(&turn.lane.name, turn.seq);
        came.broken = limit.of(write, AttemptStep::Commit).await.err();
        let keeps = came.broken.as_ref().is_none_or(|broken| {
            self.refused
                .keeps_connection(self.spec.engine, &broken.code)
        });
        if keeps {
            *kept = Some(held);
        }
        came
    }

    /// The first connection of a held lane: to a server that no other one of this runner holds, if it finds one.
    async fn spread(&self, lane: &Lane) -> Option<Kept<E::Session>> {
        for attempt in 1..=SPREAD {
            let (session, server) = self.meet(&lane.address, u64::from(attempt)).await.ok()?;
            if self.held.borrow_mut().insert(server.clone()) || attempt == SPREAD {
                return Some(self.keep(session, server).await);
            }
            session.close().await;
        }
        None
    }

    async fn keep(&self, mut session: E::Session, server: String) -> Kept<E::Session> {
        // A proxy that does not take it keeps its connection as it would have.
        let _ = self
            .statement()
            .of(session.keep(), AttemptStep::Statement)
            .await;
        Kept { session, server }
    }

    /// Writes a turn into the book; a server that came back empty gets its ledger again.
    fn finish(&self, turn: &Turn<'_>, came: Came) {
        let outcome = came
            .broken
            .as_ref()
            .map_or(AttemptOutcome::Acked, |broken| {
                match (came.sent, self.outcome(broken)) {
                    (None, _) => AttemptOutcome::Refused,
                    (Some(_), outcome) => outcome,
                }
            });
        let code = came.broken.map(|broken| broken.code);
        let lost = code
            .as_deref()
            .is_some_and(|code| NO_LEDGER.contains(&code));
        self.book.attempt(Attempt {
            lane: turn.lane.name.clone(),
            seq: turn.seq,
            started_ms: self.book.at(turn.started),
            sent_ms: came.sent.map(|sent| self.book.at(sent)),
            ended_ms: self.book.now(),
            outcome,
            code,
            server: came.server,
            late_ms: u64::try_from(turn.delay.as_millis()).unwrap_or(u64::MAX),
            saw: came.saw,
        });
        if lost {
            self.wants_ledger.notify_one();
        }
    }

    fn outcome(&self, broken: &Broken) -> AttemptOutcome {
        self.refused
            .outcome(self.spec.engine, broken.step, &broken.code)
    }

    /// Makes the ledger again where a server came back without it; never ends.
    pub(super) async fn keep_ledger(&self) {
        loop {
            self.wants_ledger.notified().await;
            if !self.orders.borrow().act.runs() || self.made.get().elapsed() < MAKE_AGAIN {
                continue;
            }
            self.made.set(Instant::now());
            let limits = &self.spec.limits;
            if let Ok(mut session) = self.client.open(limits, &self.spec.write, 0).await {
                // The next turn shows whether it worked.
                let make = session.make();
                let _ = self.statement().of(make, AttemptStep::Statement).await;
                session.close().await;
            }
        }
    }
}

/// The clock of a lane: its turns are due at fixed times; those that are over are not made up for.
pub(super) struct Beat {
    due: Instant,
    every: Duration,
}

impl Beat {
    /// The first turn is due now.
    pub(super) fn new(every_ms: u64) -> Self {
        Self {
            due: Instant::now(),
            every: Duration::from_millis(every_ms.max(1)),
        }
    }

    /// Waits for the next turn, and says how late it begins.
    pub(super) async fn next(&mut self) -> Duration {
        sleep_until(self.due).await;
        let delay = self.due.elapsed();
        self.due += self.every;
        self.skip();
        delay
    }

    /// Lets turns go by that were due while the lane was at work itself.
    pub(super) fn skip(&mut self) {
        let now = Instant::now();
        while self.due < now {
            self.due += self.every;
        }
    }
}
