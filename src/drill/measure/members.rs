//! When members came back: Pods by watch events, everything else by what the members say and hold. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::timeline::{State, Timeline, signed};
use super::{WATCH_MS, silent};
use crate::drill::ledger::Comparison;
use crate::drill::model::{EventKind, MemberRole, Metric, PodChange, ReadPlace, Value, Victim};
use crate::drill::seqs::SeqSet;

/// A member's coming back, of which each number is the latest over the victims.
struct Recovery<'a, 'b> {
    timeline: &'b Timeline<'a>,
    victim: &'a Victim,
    /// Lane → the last seq acknowledged before the fault.
    before: BTreeMap<&'a str, u64>,
    /// Lane → the first seq that was acknowledged after it and is not lost, and when.
    after: BTreeMap<&'a str, (u64, i64)>,
    /// Whether anything from before the fault is still there at the end; the reason where no audit says so.
    survived: Result<bool, String>,
}

pub(super) fn numbers(
    timeline: &Timeline,
    comparison: Option<&Comparison>,
    numbers: &mut BTreeMap<Metric, Value>,
) {
    for victim in &timeline.round.victims {
        let back = Recovery {
            timeline,
            victim,
            before: before(timeline),
            after: after(timeline, comparison),
            survived: survived(timeline, comparison),
        };
        back.add(numbers);
    }
    promotion(timeline, numbers);
    if let Some(empty) = service_empty(timeline) {
        numbers.insert(Metric::ServiceEmpty, empty);
    }
}

/// Every acknowledged write: lane, seq, when.
fn acks<'a>(timeline: &Timeline<'a>) -> impl Iterator<Item = (&'a str, u64, i64)> {
    timeline
        .writers()
        .flat_map(|log| log.acked().map(|attempt| (log.lane, attempt)))
        .map(|(lane, attempt)| (lane.name.as_str(), attempt.of.seq, attempt.ended))
}

/// Lane → the last seq acknowledged before the fault.
fn before<'a>(timeline: &Timeline<'a>) -> BTreeMap<&'a str, u64> {
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for (lane, seq, _) in acks(timeline).filter(|(_, _, at)| *at <= timeline.fault) {
        let last = found.entry(lane).or_insert(seq);
        *last = seq.max(*last);
    }
    found
}

/// Lane → the seq that was acknowledged first after the fault and is not lost, and when: what no one holds is no lack of one member.
fn after<'a>(
    timeline: &Timeline<'a>,
    comparison: Option<&Comparison>,
) -> BTreeMap<&'a str, (u64, i64)> {
    let lost = comparison.and_then(|found| found.lost.get(&ReadPlace::Write));
    let is_lost = |lane: &str, seq: u64| {
        lost.and_then(|lanes| lanes.get(lane))
            .is_some_and(|seqs| seqs.contains(seq))
    };
    let mut found: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
    for (lane, seq, at) in acks(timeline) {
        if at <= timeline.fault || is_lost(lane, seq) {
            continue;
        }
        let first = found.entry(lane).or_insert((seq, at));
        if at < first.1 {
            *first = (seq, at);
        }
    }
    found
}

/// Whether the write address still holds anything that was acknowledged before the fault.
fn survived(timeline: &Timeline, comparison: Option<&Comparison>) -> Result<bool, String> {
    let Some(found) = comparison else {
        return Err("the ledger was not read after the round".to_owned());
    };
    let Some(lost) = found.lost.get(&ReadPlace::Write) else {
        return Err(silent(found, &ReadPlace::Write)
            .unwrap_or_else(|| "the audit did not ask through the write address".to_owned()));
    };
    let none = SeqSet::new();
    Ok(timeline.writers().any(|log| {
        let lane = &log.lane.name;
        let before: SeqSet = log
            .acked()
            .filter(|attempt| attempt.ended <= timeline.fault)
            .map(|attempt| attempt.of.seq)
            .collect();
        !before
            .difference(lost.get(lane).unwrap_or(&none))
            .is_empty()
    }))
}

impl<'a> Recovery<'a, '_> {
    fn add(&self, numbers: &mut BTreeMap<Metric, Value>) {
        if self.victim.uid.is_some() {
            for (metric, change) in [
                (Metric::PodRunning, PodChange::Running),
                (Metric::PodReady, PodChange::Ready),
            ] {
                super::worst(numbers, metric, self.pod(change));
            }
        }
        super::worst(
            numbers,
            Metric::Serves,
            self.first(|state| self.old_data(state)),
        );
        super::worst(
            numbers,
            Metric::Joined,
            self.unless_unread(self.first(|state| self.is_member(state))),
        );
        if self.victim.uid.is_some() {
            super::worst(numbers, Metric::ReadyLie, self.ready_lie());
        }
    }

    /// Milliseconds after the fault at which the member's new Pod changed so.
    fn pod(&self, change: PodChange) -> Value {
        let at = self.timeline.round.events.iter().find_map(|event| {
            let EventKind::Pod(pod) = &event.what else {
                return None;
            };
            let is_new = pod.member == self.victim.member
                && Some(&pod.uid) != self.victim.uid.as_ref()
                && event.at_ms > self.timeline.fault;
            (is_new && pod.change == change).then_some(event.at_ms)
        });
        self.since(at, WATCH_MS)
    }

    fn since(&self, at: Option<i64>, resolution: u64) -> Value {
        match at {
            Some(at) => Value::known(self.timeline.after_fault(at), resolution),
            None => self.timeline.over(),
        }
    }

    /// The first state of the new server process that fits.
    fn first(&self, fits: impl Fn(&State<'a>) -> bool) -> Value {
        let member = self.victim.member.as_str();
        let Some(states) = self.timeline.states.get(member) else {
            return Value::unknown(format!("no runner asked {member} at its own address"));
        };
        let old: BTreeSet<&str> = states
            .iter()
            .filter(|state| state.at <= self.timeline.fault)
            .filter_map(|state| state.of.server.as_deref())
            .collect();
        let ran = match self.pod(PodChange::Running) {
            Value::Known { number, .. } => {
                Some(self.timeline.fault + signed(number) - signed(WATCH_MS))
            }
            _ => None,
        };
        let mut was_away = false;
        let mut asked_at: BTreeSet<&str> = BTreeSet::new();
        for state in states.iter().filter(|state| state.at > self.timeline.fault) {
            was_away |= state.of.error.is_some();
            let is_new = state.of.server.as_deref().is_some_and(|server| {
                // A server that is called as before is known as new by its absence, and by its Pod: the old one may still answer after an error.
                !old.contains(server) || was_away && ran.is_none_or(|ran| state.at >= ran)
            });
            if is_new && state.of.error.is_none() && fits(state) {
                let resolution = if asked_at.contains(state.of.host.as_str()) {
                    state.resolution
                } else {
                    self.until_asked(state)
                };
                return self.since(Some(state.at), resolution);
            }
            asked_at.insert(&state.of.host);
        }
        match self.timeline.any_hole() {
            Some(reason) => Value::Unknown { reason },
            None => self.since(None, 0),
        }
    }

    /// How coarse the first answer at an address is: it could have come since the new Pod ran there, and no client knew yet where to ask.
    fn until_asked(&self, state: &State) -> u64 {
        let ran = match self.pod(PodChange::Running) {
            Value::Known { number, .. } => self.timeline.fault + signed(number),
            _ => return state.resolution,
        };
        state.resolution.max((state.at - ran).max(0).unsigned_abs())
    }

    /// Whether it holds what was acknowledged before the fault: a lane that is not older than its last write then proves it.
    fn old_data(&self, state: &State) -> bool {
        state.of.tip.as_ref().is_some_and(|tip| {
            tip.iter().any(|(lane, span)| {
                self.before
                    .get(lane.as_str())
                    .is_some_and(|last| span.first <= *last)
            })
        })
    }

    /// Whether it holds anything that had been acknowledged after the fault by then; none: nothing had.
    fn new_data(&self, state: &State) -> Option<bool> {
        let mut none = true;
        for (lane, (first, at)) in &self.after {
            if *at > state.at {
                continue;
            }
            none = false;
            let span = state.of.tip.as_ref().and_then(|tip| tip.get(*lane));
            if span.is_some_and(|span| span.last >= *first) {
                return Some(true);
            }
        }
        (!none).then_some(false)
    }

    /// A member by its own report as far as it may be asked, of the group that the others are in, that holds what they hold.
    fn is_member(&self, state: &State) -> bool {
        let round = self.timeline.round;
        let has_new = match (self.new_data(state), state.of.joined) {
            (Some(has), _) => has,
            (None, Some(_)) => true,
            // A member of several that may not be asked shows by what it holds that it follows.
            (None, None) => round.members.len() == 1,
        };
        state.of.joined != Some(false)
            && state.of.size.is_none_or(|size| size == round.size)
            && (state.of.role != Some(MemberRole::Peer) || self.same_group(state))
            && (self.survived == Ok(false) || self.old_data(state))
            && has_new
    }

    /// Without an audit a member that answers and never shows the old data may be empty as well as apart.
    fn unless_unread(&self, value: Value) -> Value {
        match (value, &self.survived, self.first(|_| true)) {
            (Value::Over { .. }, Err(reason), Value::Known { .. }) => {
                Value::unknown(reason.clone())
            }
            (value, _, _) => value,
        }
    }

    /// Whether each other peer that answered last before it is in the same group.
    fn same_group(&self, state: &State) -> bool {
        self.timeline
            .states
            .iter()
            .filter(|(member, _)| **member != self.victim.member)
            .filter_map(|(_, states)| {
                states
                    .iter()
                    .rev()
                    .find(|other| other.at <= state.at && other.of.error.is_none())
            })
            .all(|other| other.of.group.is_none() || other.of.group == state.of.group)
    }

    /// How long it was Ready and did not serve. Where the data is lost, answering is enough: that it is empty is another fault.
    fn ready_lie(&self) -> Value {
        let serves = if self.survived == Ok(false) {
            self.first(|_| true)
        } else {
            self.unless_unread(self.first(|state| self.old_data(state)))
        };
        match (serves, self.pod(PodChange::Ready)) {
            (
                Value::Known {
                    number: serves,
                    resolution,
                },
                Value::Known { number: ready, .. },
            ) => {
                // No longer than it could be by the clocks alone: none was seen.
                let (lie, resolution) = (serves.saturating_sub(ready), resolution + WATCH_MS);
                Value::known(if lie > resolution { lie } else { 0 }, resolution)
            }
            (Value::Over { number }, Value::Known { number: ready, .. }) => {
                Value::over(number.saturating_sub(ready))
            }
            (reason @ Value::Unknown { .. }, _) => reason,
            // Never Ready: it did not say that it served.
            _ => Value::known(0, WATCH_MS),
        }
    }
}

/// Fault → another member takes writes → the write Service leads to it; only where the primary was hit and there are others.
fn promotion(timeline: &Timeline, numbers: &mut BTreeMap<Metric, Value>) {
    let round = timeline.round;
    let primary_hit = round
        .victims
        .iter()
        .any(|victim| victim.role == Some(MemberRole::Primary));
    let others: Vec<&str> = round
        .members
        .iter()
        .filter(|(member, role)| !round.hits(member) && **role == Some(MemberRole::Replica))
        .map(|(member, _)| member.as_str())
        .collect();
    // A hook hits no one by name: what it brings about shows whether it was a fail-over.
    if others.is_empty() || !(primary_hit || round.victims.is_empty()) {
        return;
    }
    let promoted = others
        .iter()
        .filter_map(|member| {
            let states = timeline.states.get(member)?;
            let state = states.iter().find(|state| {
                state.at > timeline.fault
                    && state.of.role == Some(MemberRole::Primary)
                    && state.of.writable == Some(true)
            })?;
            Some((state.at, state.resolution, *member))
        })
        .min();
    let never = |what: &str| match timeline.any_hole() {
        Some(hole) => Value::unknown(format!("{what} was not seen, and {hole}")),
        None => timeline.over(),
    };
    let Some((at, resolution, member)) = promoted else {
        if primary_hit {
            numbers.insert(Metric::Promoted, never("another primary"));
            if round.write_service.is_some() {
                numbers.insert(Metric::ServiceSwitched, never("another primary"));
            }
        }
        return;
    };
    numbers.insert(
        Metric::Promoted,
        Value::known(timeline.after_fault(at), resolution),
    );
    if round.write_service.is_some() {
        let leads =
            switched(timeline, member).map(|at| Value::known(timeline.after_fault(at), WATCH_MS));
        numbers.insert(
            Metric::ServiceSwitched,
            leads.unwrap_or_else(|| never("an endpoint of the new primary")),
        );
    }
}

/// When the write Service's endpoints first held a Pod of that member at or after the fault.
fn switched(timeline: &Timeline, member: &str) -> Option<i64> {
    let round = timeline.round;
    let is_its = |pod: &str| {
        pod == member
            || round.events.iter().any(|event| {
                matches!(&event.what, EventKind::Pod(known) if known.pod == pod && known.member == member)
            })
    };
    let holds = |pods: &[String]| pods.iter().any(|pod| is_its(pod));
    let mut before = false;
    for (at, pods) in round.endpoints() {
        if at <= timeline.fault {
            before = holds(pods);
        } else if before {
            return Some(timeline.fault);
        } else if holds(pods) {
            return Some(at);
        }
    }
    before.then_some(timeline.fault)
}

/// How long the write Service had no ready endpoint after the fault; none: it has no Service, or its endpoints were not watched.
fn service_empty(timeline: &Timeline) -> Option<Value> {
    timeline.round.write_service.as_ref()?;
    let mut empty_since: Option<i64> = None;
    let mut seen = false;
    let mut sum = 0;
    for (at, pods) in timeline.round.endpoints() {
        seen = true;
        let at = at.clamp(timeline.fault, timeline.end);
        if let Some(since) = empty_since.take() {
            sum += at - since;
        }
        if pods.is_empty() {
            empty_since = Some(at);
        }
    }
    let still = empty_since.map(|since| timeline.end - since);
    if !seen {
        return Some(Value::unknown(
            "the endpoints of the write Service were not watched",
        ));
    }
    Some(match still {
        Some(still) if still > 0 => Value::over((sum + still).unsigned_abs()),
        _ => Value::known(sum.unsigned_abs(), WATCH_MS),
    })
}
