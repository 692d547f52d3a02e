//! A recorded [`Round`] → its numbers. Pure.
//!
//! Downtime is the gap between two acknowledged attempts of one lane, on one clock; nothing is derived from what Kubernetes says of Pods. A number is known
//! with its resolution, over (patience came first), or unknown with the reason: a hole in a log and a runner that was not given the processor are never good.

use std::collections::BTreeMap;

use super::ledger::{Comparison, Written, compare, count};
use super::model::{
    LaneKind, Metric, NotBegun, ReadPlace, Round, RoundEnd, RoundResult, Spoilt, Value,
};

mod data;
mod gaps;
mod members;
mod picture;
mod timeline;
mod watched;

pub use picture::picture;
pub use watched::watched;

use gaps::Gaps;
use timeline::Timeline;

/// A watch event arrives within about so many milliseconds.
const WATCH_MS: u64 = 100;

/// The numbers of a round. A round that could not begin, or proves nothing, has none that is known.
pub fn measure(round: &Round) -> RoundResult {
    let timeline = match (round.fault_ms, round.baseline_ms, why_nothing(round)) {
        (Some(fault), Some(begin), None) => Timeline::of(round, begin, fault),
        (_, _, reason) => return nothing(&reason.unwrap_or("there was no fault".to_owned())),
    };
    let mut numbers = BTreeMap::new();
    let outages = lanes(&timeline, &mut numbers);
    let written = timeline.written();
    let comparison = round.audit.as_ref().map(|audit| compare(&written, audit));
    members::numbers(&timeline, comparison.as_ref(), &mut numbers);
    data::numbers(&timeline, comparison.as_ref(), &mut numbers);
    RoundResult {
        numbers,
        recovers: match &round.ended {
            RoundEnd::Whole => Some(true),
            RoundEnd::PatienceOver(_) => Some(false),
            RoundEnd::NotBegun(_) | RoundEnd::Spoilt(_) => None,
        },
        acked: count(&written.acked),
        refused: count(&written.refused),
        unknown: count(&written.unknown),
        write_rate_milli: timeline.write_rate_milli(),
        lost: lost(comparison.as_ref()),
        blind: timeline.blind_after_fault(),
        outages,
    }
}

/// Why nothing can be measured of it, in a sentence's words.
fn why_nothing(round: &Round) -> Option<String> {
    match &round.ended {
        RoundEnd::Whole | RoundEnd::PatienceOver(_) => None,
        RoundEnd::NotBegun(why) => Some(match why {
            NotBegun::NotHealthy(seen) => format!("it was not whole before the fault: {seen}"),
            NotBegun::BaselineUnclean(seen) => {
                format!("there was no clean baseline before the fault: {seen}")
            }
        }),
        RoundEnd::Spoilt(why) => Some(match why {
            Spoilt::RunnerLost(seen) => format!("a runner was lost: {seen}"),
            Spoilt::NoEffect(seen) => format!("the fault had no effect: {seen}"),
            Spoilt::ChangedByOthers(seen) => {
                format!("something else than the drill changed it: {seen}")
            }
            Spoilt::Interrupted(seen) => format!("the run was stopped: {seen}"),
        }),
    }
}

fn nothing(reason: &str) -> RoundResult {
    RoundResult {
        numbers: [Metric::WriteDown, Metric::Lost]
            .map(|metric| (metric, Value::unknown(reason)))
            .into(),
        ..RoundResult::default()
    }
}

/// The numbers of the clients' lanes; returns the outages of new writes.
fn lanes(timeline: &Timeline, numbers: &mut BTreeMap<Metric, Value>) -> Vec<(i64, Option<i64>)> {
    let mut outages: Vec<(i64, Option<i64>)> = Vec::new();
    let reads_apart = timeline.reads_apart();
    for log in &timeline.lanes {
        let metric = match &log.lane.kind {
            LaneKind::WriteNew => Metric::WriteDown,
            // Where reads have an address of their own, that of the writes is measured by the writes.
            LaneKind::ReadNew if reads_apart && timeline.is_write_address(log) => continue,
            LaneKind::ReadNew => Metric::ReadDown,
            LaneKind::WriteHeld => match timeline.leads_to_survivor(log) {
                Ok(true) => Metric::StallSurvivors,
                Ok(false) => Metric::HeldDown,
                Err(reason) => {
                    worst(numbers, Metric::StallSurvivors, Value::Unknown { reason });
                    continue;
                }
            },
            LaneKind::Member(_) => continue,
        };
        let gaps = Gaps::of(timeline, log);
        worst(numbers, metric, gaps.value(timeline));
        if metric == Metric::WriteDown {
            let found = gaps.outages(timeline);
            if length(&found, timeline) > length(&outages, timeline) {
                outages = found;
            }
        }
        if log.lane.kind == LaneKind::WriteHeld {
            worst(numbers, Metric::Pinned, gaps::pinned(timeline, log));
        }
    }
    numbers
        .entry(Metric::WriteDown)
        .or_insert_with(|| Value::unknown("no lane attempted new writes"));
    outages
}

fn length(outages: &[(i64, Option<i64>)], timeline: &Timeline) -> i64 {
    let end = timeline.end - timeline.fault;
    outages
        .iter()
        .map(|(from, to)| to.unwrap_or(end) - from)
        .sum()
}

/// Keeps the worse of two values of one number: over, then the larger known one, where an unknown one outweighs a known one that it could exceed.
fn worst(numbers: &mut BTreeMap<Metric, Value>, metric: Metric, value: Value) {
    match numbers.get_mut(&metric) {
        None => {
            numbers.insert(metric, value);
        }
        Some(before) => {
            if worst_last(&value) > worst_last(before) {
                *before = value;
            }
        }
    }
}

/// Over is proven to be bad; an unknown value may be as bad as any known one.
const fn worst_last(value: &Value) -> (u8, u64) {
    match value {
        Value::Known { number, .. } => (0, *number),
        Value::Unknown { .. } => (1, 0),
        Value::Over { number } => (2, *number),
    }
}

fn lost(
    comparison: Option<&Comparison>,
) -> BTreeMap<String, BTreeMap<String, super::seqs::SeqSet>> {
    comparison
        .into_iter()
        .flat_map(|found| &found.lost)
        .filter(|(_, lanes)| !lanes.is_empty())
        .map(|(place, lanes)| (place.to_string(), lanes.clone()))
        .collect()
}

impl Timeline<'_> {
    /// The clients' word on all writes of the round.
    fn written(&self) -> Written {
        let mut written = Written::default();
        for log in self.writers() {
            for attempt in &log.attempts {
                written.add(&log.lane.name, attempt.of.seq, attempt.of.outcome);
            }
        }
        written
    }

    /// Acknowledged writes a second before the fault, in thousandths.
    fn write_rate_milli(&self) -> u64 {
        let before = self
            .writers()
            .flat_map(timeline::LaneLog::acked)
            .filter(|attempt| (self.begin..=self.fault).contains(&attempt.ended))
            .count() as u64;
        let length = u64::try_from(self.fault - self.begin).unwrap_or(0).max(1);
        before * 1_000_000 / length
    }

    /// Whether a lane goes through the address that takes writes.
    fn is_write_address(&self, log: &timeline::LaneLog) -> bool {
        self.writers()
            .any(|write| write.lane.address == log.lane.address)
    }

    /// Whether reads have an address of their own.
    fn reads_apart(&self) -> bool {
        let mut reads = self.lanes.iter();
        reads.any(|log| log.lane.kind == LaneKind::ReadNew && !self.is_write_address(log))
    }

    /// Whether a held connection led to a member that was not hit.
    fn leads_to_survivor(&self, log: &timeline::LaneLog) -> Result<bool, String> {
        let round = self.round;
        if round.victims.is_empty() || round.members.keys().all(|name| round.hits(name)) {
            return Ok(false);
        }
        let server = log
            .attempts
            .iter()
            .rev()
            .filter(|attempt| attempt.ended <= self.fault)
            .find_map(|attempt| attempt.of.server.as_deref());
        let member = server.and_then(|server| self.member_of(server));
        match member {
            Some(member) => Ok(!round.hits(member)),
            None => Err(format!(
                "it could not be determined to which member the connection of {} led",
                log.lane.name
            )),
        }
    }
}

/// A place in the audit, in words, where it did not answer.
fn silent(comparison: &Comparison, place: &ReadPlace) -> Option<String> {
    comparison
        .silent
        .get(place)
        .map(|error| format!("the {place} did not answer in the audit: {error}"))
}

#[cfg(test)]
mod tests;
