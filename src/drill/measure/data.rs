//! What became of the data: lost, come back, different, written by two, stale, half. Pure.

use std::collections::BTreeMap;

use super::silent;
use super::timeline::{State, Timed, Timeline};
use crate::drill::ledger::{Comparison, Lanes, count};
use crate::drill::model::{LaneKind, MemberRole, Metric, ReadPlace, Value};

/// Two servers that call themselves primary for longer than this are two.
const SPLIT_MS: i64 = 1000;

pub(super) fn numbers(
    timeline: &Timeline,
    comparison: Option<&Comparison>,
    numbers: &mut BTreeMap<Metric, Value>,
) {
    match comparison {
        Some(found) => audited(timeline, found, numbers),
        None => {
            for metric in [Metric::Lost, Metric::LostEverywhere, Metric::Torn] {
                numbers.insert(
                    metric,
                    Value::unknown("the ledger was not read after the round"),
                );
            }
        }
    }
    if timeline.round.members.len() > 1 {
        numbers.insert(Metric::SplitBrain, split_brain(timeline));
    }
    if let Some(stale) = stale(timeline, comparison) {
        numbers.insert(Metric::Stale, stale);
    }
}

/// A count that was proven; 0 is known only where nothing could have hidden one.
fn counted(number: u64, hidden: Option<String>) -> Value {
    match hidden {
        Some(reason) if number == 0 => Value::Unknown { reason },
        _ => Value::known(number, 0),
    }
}

fn audited(timeline: &Timeline, found: &Comparison, numbers: &mut BTreeMap<Metric, Value>) {
    let hole = timeline.any_hole();
    let write_silent = silent(found, &ReadPlace::Write);
    let no_acks = (timeline.written().acked.is_empty())
        .then(|| "no write was acknowledged in this round".to_owned());
    let lost = match found.lost.get(&ReadPlace::Write) {
        Some(lanes) => counted(count(lanes), hole.clone().or(no_acks)),
        None => Value::unknown(
            write_silent.unwrap_or("the audit did not ask through the write address".to_owned()),
        ),
    };
    numbers.insert(Metric::Lost, lost);
    let members = &timeline.round.members;
    let not_asked = members
        .keys()
        .map(|name| ReadPlace::Member(name.clone()))
        .find(|place| !found.lost.contains_key(place));
    let why_not = not_asked.map(|place| {
        silent(found, &place).unwrap_or_else(|| format!("{place} was not asked in the audit"))
    });
    // A row that is nowhere may still be where no one could ask; none missing is known from any place.
    let everywhere = count(&found.lost_everywhere);
    let value = match &why_not {
        Some(reason) if everywhere > 0 => Value::unknown(reason),
        _ => counted(everywhere, hole.clone()),
    };
    numbers.insert(Metric::LostEverywhere, value);
    let hidden = hole.clone().or(why_not.clone());
    for (metric, lanes) in [
        (Metric::Recovered, &found.recovered),
        (Metric::Unexpected, &found.unexpected),
    ] {
        numbers.insert(metric, counted(count(lanes), hidden.clone()));
    }
    let torn: Lanes = found.torn.clone();
    numbers.insert(Metric::Torn, counted(count(&torn), why_not.clone()));
    if members.len() > 1 {
        numbers.insert(
            Metric::Diverged,
            counted(found.diverged.len() as u64, why_not),
        );
    }
}

/// The longest time in which two members took writes: by their own report, or by acknowledging in turn.
fn split_brain(timeline: &Timeline) -> Value {
    let spans: Vec<(&str, Option<&str>, i64, i64)> = timeline
        .states
        .iter()
        .flat_map(|(member, states)| {
            claims(states)
                .into_iter()
                .map(|(group, from, to)| (*member, group, from, to))
        })
        .collect();
    let mut longest = 0;
    for (index, one) in spans.iter().enumerate() {
        for two in &spans[index + 1..] {
            // Peers of one group all take writes; so do not two primaries.
            let apart = one.0 != two.0 && (one.1.is_none() || two.1.is_none() || one.1 != two.1);
            let from = one.2.max(two.2).max(timeline.fault);
            let overlap = one.3.min(two.3) - from;
            if apart && overlap > SPLIT_MS {
                longest = longest.max(overlap);
            }
        }
    }
    longest = longest.max(in_turn(timeline));
    let asked = timeline.states.len() >= timeline.round.members.len();
    let hidden = timeline
        .any_hole()
        .or_else(|| (!asked).then(|| "not every member was asked at its own address".to_owned()));
    match counted(longest.unsigned_abs(), hidden) {
        Value::Known { number, .. } => Value::known(number, SPLIT_MS.unsigned_abs()),
        other => other,
    }
}

/// The spans in which a member said without a break that it takes writes, with the group of a peer.
fn claims<'a>(states: &[State<'a>]) -> Vec<(Option<&'a str>, i64, i64)> {
    let mut found: Vec<(Option<&str>, i64, i64)> = Vec::new();
    let mut open = false;
    for state in states {
        let group = match state.of.role {
            Some(MemberRole::Primary) if state.of.writable == Some(true) => Some(None),
            Some(MemberRole::Peer)
                if state.of.writable == Some(true) && state.of.joined == Some(true) =>
            {
                // A peer that does not report its group proves nothing.
                state.of.group.as_deref().map(Some)
            }
            _ => None,
        };
        match (group, found.last_mut()) {
            (Some(group), Some(last)) if open && last.0 == group => last.2 = state.at,
            (Some(group), _) => found.push((group, state.at, state.at)),
            (None, _) => {}
        }
        open = group.is_some();
    }
    found
}

/// How long one server went on acknowledging writes that began after another one had acknowledged: A, B, and A again. Peers may; a server that was
/// restarted in between is another one.
fn in_turn(timeline: &Timeline) -> i64 {
    let is_peer =
        |member: &str| timeline.round.members.get(member) == Some(&Some(MemberRole::Peer));
    let mut longest = 0;
    for log in timeline.of_kind(LaneKind::WriteNew) {
        let acks: Vec<(&Timed, &str)> = log
            .acked()
            .filter(|attempt| attempt.started > timeline.fault)
            .filter_map(|attempt| {
                let server = attempt.of.server.as_deref()?;
                (!is_peer(timeline.member_of(server)?)).then_some((attempt, server))
            })
            .collect();
        for (index, (one, a)) in acks.iter().enumerate() {
            let Some((two, _)) = acks[index..]
                .iter()
                .find(|(two, b)| b != a && two.started > one.ended)
            else {
                continue;
            };
            let again = acks
                .iter()
                .rev()
                .find(|(three, c)| c == a && three.started > two.ended);
            if let Some((three, _)) = again {
                longest = longest.max(three.ended - two.ended);
            }
        }
    }
    longest
}

/// Reads through the write address that began after a write had been acknowledged, and did not see it although it is not lost.
fn stale(timeline: &Timeline, comparison: Option<&Comparison>) -> Option<Value> {
    let write = &timeline.of_kind(LaneKind::WriteNew).next()?.lane.address;
    let none = Lanes::new();
    let lost = comparison
        .and_then(|found| found.lost.get(&ReadPlace::Write))
        .unwrap_or(&none);
    let runners = timeline.round.runners.iter();
    let error = runners.map(|log| log.clock.error_ms).max().unwrap_or(0);
    let mut acked: Vec<(i64, usize, &str, u64)> = Vec::new();
    for log in timeline.writers() {
        for attempt in log.acked() {
            let is_lost = lost
                .get(&log.lane.name)
                .is_some_and(|seqs| seqs.contains(attempt.of.seq));
            if !is_lost {
                acked.push((attempt.ended, log.runner, &log.lane.name, attempt.of.seq));
            }
        }
    }
    let reads: Vec<(&Timed, usize)> = timeline
        .of_kind(LaneKind::ReadNew)
        .filter(|log| log.lane.address == *write)
        .flat_map(|log| log.acked().map(|attempt| (attempt, log.runner)))
        .collect();
    if reads.is_empty() {
        return None;
    }
    if comparison.is_none() {
        return Some(Value::unknown("the ledger was not read after the round"));
    }
    let number = (0..timeline.runners.len())
        .map(|runner| {
            stale_of(
                runner,
                &reads,
                &mut acked,
                super::timeline::signed(2 * error),
            )
        })
        .sum();
    Some(counted(number, timeline.any_hole()))
}

/// The stale reads of one runner. An ack of another runner counts only where it surely came before, whatever the clocks.
fn stale_of(
    runner: usize,
    reads: &[(&Timed, usize)],
    acked: &mut [(i64, usize, &str, u64)],
    margin: i64,
) -> u64 {
    let at = |ack: &(i64, usize, &str, u64)| ack.0 + if ack.1 == runner { 0 } else { margin };
    acked.sort_by_key(at);
    let mut mine: Vec<&Timed> = reads
        .iter()
        .filter(|(_, of)| *of == runner)
        .map(|(read, _)| *read)
        .collect();
    mine.sort_by_key(|read| read.started);
    let mut high: BTreeMap<&str, u64> = BTreeMap::new();
    let mut next = 0;
    let mut stale = 0;
    for read in mine {
        while let Some(ack) = acked.get(next).filter(|ack| at(ack) < read.started) {
            let best = high.entry(ack.2).or_default();
            *best = (*best).max(ack.3);
            next += 1;
        }
        let missed = high
            .iter()
            .any(|(lane, seq)| read.of.saw.get(*lane).copied().unwrap_or(0) < *seq);
        stale += u64::from(missed);
    }
    stale
}
