//! The records of all runners in one order, on the conductor's clock, with the intervals of which nothing is known. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::drill::model::{
    Attempt, AttemptOutcome, Batch, Lane, LaneKind, MemberState, Round, RunnerLog, Value, seconds,
};

/// A turn that begins later than this after its time makes a blind interval.
const LATE_MS: u64 = 250;

/// A round, sorted. All times are the conductor's milliseconds.
pub(super) struct Timeline<'a> {
    pub(super) round: &'a Round,
    /// Where the baseline began.
    pub(super) begin: i64,
    /// The fault.
    pub(super) fault: i64,
    /// Where watching ended.
    pub(super) end: i64,
    pub(super) lanes: Vec<LaneLog<'a>>,
    /// Member → what it said, in order.
    pub(super) states: BTreeMap<&'a str, Vec<State<'a>>>,
    /// Runner → what is known of its log.
    pub(super) runners: Vec<Known>,
    /// Server → member, as the members' lanes saw it.
    servers: BTreeMap<&'a str, &'a str>,
}

/// One lane's attempts.
pub(super) struct LaneLog<'a> {
    pub(super) lane: &'a Lane,
    /// Index in [`Timeline::runners`].
    pub(super) runner: usize,
    /// In the order in which they ended.
    pub(super) attempts: Vec<Timed<'a>>,
}

impl<'a> LaneLog<'a> {
    /// What was acknowledged.
    pub(super) fn acked(&self) -> impl Iterator<Item = &Timed<'a>> {
        let attempts = self.attempts.iter();
        attempts.filter(|attempt| attempt.of.outcome == AttemptOutcome::Acked)
    }

    pub(super) fn writes(&self) -> bool {
        matches!(self.lane.kind, LaneKind::WriteNew | LaneKind::WriteHeld)
    }
}

/// An attempt on the conductor's clock.
pub(super) struct Timed<'a> {
    pub(super) of: &'a Attempt,
    pub(super) started: i64,
    pub(super) ended: i64,
}

/// What a member said, on the conductor's clock.
pub(super) struct State<'a> {
    pub(super) of: &'a MemberState,
    pub(super) at: i64,
    /// How coarse `at` is as the time of a change: the lane's interval and the clocks' error.
    pub(super) resolution: u64,
}

/// The parts of a runner's time of which nothing is known.
pub(super) struct Known {
    pub(super) name: String,
    /// Records are missing.
    pub(super) holes: Vec<(i64, i64)>,
    /// It was not given the processor.
    pub(super) blind: Vec<(i64, i64)>,
}

impl<'a> Timeline<'a> {
    pub(super) fn of(round: &'a Round, begin: i64, fault: i64) -> Self {
        let mut timeline = Self {
            round,
            begin,
            fault,
            end: round.end_ms,
            lanes: Vec::new(),
            states: BTreeMap::new(),
            runners: Vec::new(),
            servers: BTreeMap::new(),
        };
        // Lanes stop for the audit: what is attempted after it begins belongs to the next round, and so it does where no one answered in it.
        let audit = round.audit.as_ref().map_or(i64::MIN, |audit| audit.at_ms);
        for log in &round.runners {
            timeline.add(log, audit.max(round.end_ms));
        }
        for states in timeline.states.values_mut() {
            states.sort_by_key(|state| state.at);
        }
        for (member, states) in &timeline.states {
            for server in states.iter().filter_map(|state| state.of.server.as_deref()) {
                timeline.servers.insert(server, member);
            }
        }
        timeline
    }

    fn add(&mut self, log: &'a RunnerLog, until: i64) {
        let batches = once(&log.batches);
        let at = |ms: i64| ms + log.clock.offset_ms;
        let runner = self.runners.len();
        let mut lanes: Vec<LaneLog> = log
            .lanes
            .iter()
            .map(|lane| LaneLog {
                lane,
                runner,
                attempts: Vec::new(),
            })
            .collect();
        let mut blind = Vec::new();
        for batch in &batches {
            for attempt in &batch.attempts {
                let (started, ended) = (at(attempt.started_ms), at(attempt.ended_ms));
                let Some(lane) = lanes.iter_mut().find(|log| log.lane.name == attempt.lane) else {
                    continue;
                };
                // What was acknowledged before the baseline is data, too.
                if started > until {
                    continue;
                }
                // A kept connection waits for its own turn before: that says nothing of the runner.
                if attempt.late_ms > LATE_MS && lane.lane.in_flight > 1 {
                    blind.push((started - signed(attempt.late_ms), started));
                }
                lane.attempts.push(Timed {
                    of: attempt,
                    started,
                    ended,
                });
            }
            for state in &batch.members {
                let ended = at(state.ended_ms);
                if ended > until {
                    continue;
                }
                self.states
                    .entry(state.member.as_str())
                    .or_default()
                    .push(State {
                        of: state,
                        at: ended,
                        resolution: turn(log, &state.member) + log.clock.error_ms,
                    });
            }
        }
        for lane in &mut lanes {
            lane.attempts
                .sort_by_key(|attempt| (attempt.ended, attempt.of.seq));
        }
        self.lanes.extend(lanes);
        self.runners.push(Known {
            name: log.runner.clone(),
            holes: holes(&batches, log, self.begin, self.end),
            blind: merged(blind),
        });
    }

    /// The lanes that write.
    pub(super) fn writers(&self) -> impl Iterator<Item = &LaneLog<'a>> {
        self.lanes.iter().filter(|log| log.writes())
    }

    /// The lanes of that kind.
    pub(super) fn of_kind(&self, kind: LaneKind) -> impl Iterator<Item = &LaneLog<'a>> {
        self.lanes.iter().filter(move |log| log.lane.kind == kind)
    }

    /// How long after the fault.
    pub(super) fn after_fault(&self, at: i64) -> u64 {
        (at - self.fault).max(0).unsigned_abs()
    }

    /// What had not come to an end when the round did.
    pub(super) fn over(&self) -> Value {
        Value::over(self.after_fault(self.end))
    }

    /// The member that a server is.
    pub(super) fn member_of(&self, server: &str) -> Option<&'a str> {
        self.servers.get(server).copied()
    }

    /// The first hole in any log, as a reason.
    pub(super) fn any_hole(&self) -> Option<String> {
        self.runners.iter().find_map(|known| {
            known
                .holes
                .first()
                .map(|hole| self.hole_text(&known.name, *hole))
        })
    }

    pub(super) fn hole_text(&self, runner: &str, (from, to): (i64, i64)) -> String {
        format!(
            "records of runner {runner} are missing from {} to {} after the fault",
            seconds(from - self.fault),
            seconds(to - self.fault)
        )
    }

    /// All of which nothing can be determined after the fault, in milliseconds after it.
    pub(super) fn blind_after_fault(&self) -> Vec<(i64, i64)> {
        let all = self
            .runners
            .iter()
            .flat_map(|known| known.holes.iter().chain(&known.blind))
            .filter(|(_, to)| *to > self.fault)
            .map(|(from, to)| (from - self.fault, to - self.fault))
            .collect();
        merged(all)
    }
}

pub(super) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn turn(log: &RunnerLog, member: &str) -> u64 {
    log.lanes
        .iter()
        .find(|lane| lane.kind == LaneKind::Member(member.to_owned()))
        .map_or(0, |lane| lane.every_ms)
}

/// Each batch once, in order: a log that was followed again repeats some.
fn once(batches: &[Batch]) -> Vec<&Batch> {
    let mut seen = BTreeSet::new();
    let mut sorted: Vec<&Batch> = batches
        .iter()
        .filter(|batch| seen.insert(batch.number))
        .collect();
    sorted.sort_by_key(|batch| batch.number);
    sorted
}

/// Where numbers are missing, where the log begins late or ends early, or, where the runner's own sums do not fit, all of it.
fn holes(batches: &[&Batch], log: &RunnerLog, begin: i64, end: i64) -> Vec<(i64, i64)> {
    let at = |ms: i64| ms + log.clock.offset_ms;
    let mut found = Vec::new();
    let mut known_to = begin;
    for pair in batches.windows(2) {
        if pair[1].number != pair[0].number + 1 {
            found.push((at(pair[0].to_ms), at(pair[1].from_ms)));
        }
    }
    if let Some(first) = batches.first() {
        found.push((begin, at(first.from_ms)));
    }
    if let Some(last) = batches.last() {
        known_to = known_to.max(at(last.to_ms));
    }
    found.push((known_to, end));
    if sums_differ(batches, log) {
        found.push((begin, end));
    }
    let inside = found
        .into_iter()
        .map(|(from, to)| (from.max(begin), to.min(end)))
        .filter(|(from, to)| from < to)
        .collect();
    merged(inside)
}

/// Whether the end record counts other attempts than those that came, where all of them should have.
fn sums_differ(batches: &[&Batch], log: &RunnerLog) -> bool {
    let Some(end) = &log.end else { return false };
    let whole = batches.first().is_some_and(|batch| batch.number == 1)
        && batches
            .last()
            .is_some_and(|batch| batch.number == end.batches)
        && batches.len() as u64 == end.batches;
    whole
        && end.lanes.iter().any(|(lane, sums)| {
            let came: u64 = batches
                .iter()
                .map(|batch| {
                    let attempts = batch.attempts.iter().filter(|a| a.lane == *lane).count();
                    attempts as u64
                })
                .sum();
            let is_member = log
                .lanes
                .iter()
                .any(|known| known.name == *lane && matches!(known.kind, LaneKind::Member(_)));
            !is_member && came != sums.acked + sums.refused + sums.unknown
        })
}

/// Intervals without overlap, in order.
pub(super) fn merged(mut intervals: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    intervals.sort_unstable();
    let mut out: Vec<(i64, i64)> = Vec::with_capacity(intervals.len());
    for (from, to) in intervals {
        match out.last_mut() {
            Some(before) if from <= before.1 => before.1 = before.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// How much of `from..to` the intervals cover; they do not overlap.
pub(super) fn covered(intervals: &[(i64, i64)], from: i64, to: i64) -> i64 {
    intervals
        .iter()
        .map(|(a, b)| (to.min(*b) - from.max(*a)).max(0))
        .sum()
}
