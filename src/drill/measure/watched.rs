//! A round in which a person acted: when it began and whom it hit, found in what was recorded. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::lanes;
use super::timeline::Timeline;
use crate::drill::model::{
    EventKind, Fault, PodChange, PodEvent, Round, RoundEnd, Spoilt, Value, Victim,
};

/// The round, its fault where the first member went or new writes stopped; without effect where nothing was seen to happen, and as it is
/// where the tool acted.
pub fn watched(round: &Round) -> Cow<'_, Round> {
    let as_it_is = Cow::Borrowed(round);
    let (Fault::Watch, Some(fault), Some(begin)) = (round.fault, round.fault_ms, round.baseline_ms)
    else {
        return as_it_is;
    };
    let left: Vec<(i64, &PodEvent)> = round
        .events
        .iter()
        .filter_map(|event| match &event.what {
            EventKind::Pod(pod) if event.at_ms > fault && is_end(pod.change) => {
                Some((event.at_ms, pod))
            }
            _ => None,
        })
        .collect();
    let mut numbers = BTreeMap::new();
    let outages = lanes(&Timeline::of(round, begin, fault), &mut numbers);
    let stopped = outages.first().map(|(from, _)| fault + from.max(&0));
    let first = left.iter().map(|(at, _)| *at).chain(stopped).min();
    let Some(first) = first else {
        let is_failure = |value: &Value| match value {
            Value::Known { number, .. } | Value::Over { number } => *number > 0,
            Value::Unknown { .. } => false,
        };
        if round.ended != RoundEnd::Whole || numbers.values().any(is_failure) {
            return as_it_is;
        }
        let why = "no member ended and no client failed while it was watched".to_owned();
        return Cow::Owned(Round {
            ended: RoundEnd::Spoilt(Spoilt::NoEffect(why)),
            ..round.clone()
        });
    };
    let mut victims: BTreeMap<&str, Victim> = BTreeMap::new();
    for (_, pod) in left {
        victims.entry(&pod.member).or_insert_with(|| Victim {
            member: pod.member.clone(),
            role: round.members.get(&pod.member).copied().flatten(),
            uid: Some(pod.uid.clone()),
        });
    }
    Cow::Owned(Round {
        fault_ms: Some(first),
        victims: victims.into_values().collect(),
        ..round.clone()
    })
}

/// Whether a Pod's server ends with it.
fn is_end(change: PodChange) -> bool {
    matches!(
        change,
        PodChange::Leaving | PodChange::Gone | PodChange::Restarted
    )
}
