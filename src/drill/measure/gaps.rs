//! Outages of a lane: the gaps between two of its acknowledged attempts. Pure.

use super::timeline::{LaneLog, Timeline, covered, merged};
use crate::drill::model::{AttemptOutcome, LaneKind, Value, seconds};

/// A shorter gap is no outage: a machine that is busy makes such ones.
const LEAST_MS: i64 = 1000;
/// A lane that was not acknowledged for so long at the end is still away.
const OPEN_MS: i64 = 3000;
/// Clients that were slower than this before the fault measure the machine they run on.
const COARSE_MS: u64 = 800;
/// A baseline with fewer acknowledged attempts says nothing.
const BASELINE_ACKS: usize = 8;

/// A lane's gaps.
pub(super) struct Gaps<'a, 'b> {
    log: &'b LaneLog<'a>,
    /// Those longer than `least` that end after the fault; the last one may be open.
    found: Vec<(i64, Option<i64>)>,
    /// The 99th percentile of the baseline's gaps; none: there was too little of it.
    fine: Option<u64>,
    least: i64,
}

impl<'a, 'b> Gaps<'a, 'b> {
    pub(super) fn of(timeline: &Timeline<'a>, log: &'b LaneLog<'a>) -> Self {
        let acks: Vec<i64> = log
            .acked()
            // What was acknowledged after the end, before the lanes stopped, still ends a gap.
            .filter(|attempt| attempt.ended >= timeline.begin)
            .map(|attempt| attempt.ended)
            .collect();
        let before: Vec<i64> = acks
            .iter()
            .copied()
            .filter(|ack| *ack <= timeline.fault)
            .collect();
        let fine = fine(&before, &timeline.runners[log.runner].holes);
        let least = fine.map_or(LEAST_MS, |fine| {
            LEAST_MS.max(3 * super::timeline::signed(fine))
        });
        let mut found: Vec<(i64, Option<i64>)> = acks
            .windows(2)
            .filter(|pair| pair[1] - pair[0] > least && pair[1] > timeline.fault)
            .map(|pair| (pair[0], Some(pair[1])))
            .collect();
        let newest = acks.last().copied().unwrap_or(timeline.begin);
        if timeline.end - newest > least.max(OPEN_MS) {
            found.push((newest, None));
        }
        Self {
            log,
            found,
            fine,
            least,
        }
    }

    /// In milliseconds after the fault.
    pub(super) fn outages(&self, timeline: &Timeline) -> Vec<(i64, Option<i64>)> {
        let after = |at: i64| at - timeline.fault;
        self.found
            .iter()
            .map(|(from, to)| (after(*from), to.map(after)))
            .collect()
    }

    /// The longest one, as far as it is known.
    pub(super) fn value(&self, timeline: &Timeline) -> Value {
        let lane = &self.log.lane.name;
        let fine = match self.fine {
            None => {
                return Value::unknown(format!(
                    "{lane} has fewer than {BASELINE_ACKS} acknowledged attempts before the fault"
                ));
            }
            // A gap that is longer than three such pauses is an outage all the same; that there was none cannot be determined.
            Some(fine) if fine > COARSE_MS && self.found.is_empty() => {
                return Value::unknown(format!(
                    "{lane} was acknowledged only every {fine} ms before the fault: too coarse to show an outage"
                ));
            }
            Some(fine) => fine,
        };
        let known = &timeline.runners[self.log.runner];
        let dark = merged(known.holes.iter().chain(&known.blind).copied().collect());
        let length = |gap: &(i64, Option<i64>)| gap.1.unwrap_or(timeline.end) - gap.0;
        let sure = |gap: &(i64, Option<i64>)| {
            length(gap) - covered(&dark, gap.0, gap.1.unwrap_or(timeline.end))
        };
        let Some(longest) = self.found.iter().max_by_key(|gap| length(gap)) else {
            return Value::known(0, self.least.unsigned_abs());
        };
        let (upper, lower) = (
            length(longest),
            self.found.iter().map(sure).max().unwrap_or(0),
        );
        let open = self.found.iter().find(|gap| gap.1.is_none());
        if let Some(open) = open.filter(|open| sure(open) > self.least.max(OPEN_MS)) {
            return Value::over(length(open).unsigned_abs());
        }
        let to = longest.1.unwrap_or(timeline.end);
        let hole = known.holes.iter().find(|(a, b)| *a < to && *b > longest.0);
        let between = |why: String| {
            let (lower, upper) = (seconds(lower.max(0)), seconds(upper));
            Value::unknown(format!(
                "{why}: the longest gap lasts from {lower} to {upper}"
            ))
        };
        match hole {
            Some(hole) => between(timeline.hole_text(&known.name, *hole)),
            None if lower <= self.least && upper > lower => between(format!(
                "runner {} was not given the processor in time",
                known.name
            )),
            None => Value::known(
                upper.unsigned_abs(),
                fine + (upper - lower).max(0).unsigned_abs(),
            ),
        }
    }
}

/// The 99th percentile of the gaps between those instants, but for those in which records are missing.
fn fine(acks: &[i64], holes: &[(i64, i64)]) -> Option<u64> {
    let mut gaps: Vec<u64> = acks
        .windows(2)
        .filter(|pair| covered(holes, pair[0], pair[1]) == 0)
        .map(|pair| (pair[1] - pair[0]).unsigned_abs())
        .collect();
    if gaps.len() + 1 < BASELINE_ACKS {
        return None;
    }
    gaps.sort_unstable();
    gaps.get((gaps.len() * 99) / 100).or(gaps.last()).copied()
}

/// The longest time in which a kept connection was refused again and again while new connections of the same runner were acknowledged.
pub(super) fn pinned(timeline: &Timeline, held: &LaneLog) -> Value {
    let mut longest = 0;
    let mut open = 0;
    let mut since: Option<(i64, i64)> = None;
    for attempt in held.attempts.iter().filter(|a| a.ended > timeline.fault) {
        if attempt.of.outcome == AttemptOutcome::Refused && attempt.of.sent_ms.is_some() {
            let first = since.map_or(attempt.started, |(first, _)| first);
            since = Some((first, attempt.ended));
            continue;
        }
        if let Some((first, last)) = since.take() {
            longest = longest.max(served(timeline, held.runner, first, last));
        }
    }
    if let Some((first, last)) = since {
        open = served(timeline, held.runner, first, last);
    }
    if open > longest && open > OPEN_MS {
        return Value::over(open.unsigned_abs());
    }
    Value::known(longest.max(open).unsigned_abs(), held.lane.every_ms)
}

/// The length of `first..last` where a new write was acknowledged wholly inside it, else 0.
fn served(timeline: &Timeline, runner: usize, first: i64, last: i64) -> i64 {
    let any = timeline
        .of_kind(LaneKind::WriteNew)
        .filter(|log| log.runner == runner)
        .flat_map(LaneLog::acked)
        .any(|new| new.started > first && new.ended < last);
    if any { last - first } else { 0 }
}
