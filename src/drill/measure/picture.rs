//! A round as a picture: lanes as spans, events as marks. Pure.

use super::timeline::{LaneLog, State, Timeline};
use crate::drill::model::{
    AttemptOutcome, EventKind, MemberRole, Picture, PictureLane, PictureMark, PodChange, Round,
};

/// The picture of a round; none where there was no fault.
pub fn picture(round: &Round) -> Option<Picture> {
    let fault = round.fault_ms?;
    let begin = round.baseline_ms?;
    let timeline = Timeline::of(round, begin, fault);
    let mut lanes: Vec<PictureLane> = timeline
        .lanes
        .iter()
        .filter(|log| !log.attempts.is_empty())
        .map(|log| PictureLane {
            name: log.lane.name.clone(),
            spans: attempts(log, begin, fault),
        })
        .collect();
    let mut marks = events(round, fault);
    for (member, states) in &timeline.states {
        lanes.push(PictureLane {
            name: format!("m/{member}"),
            spans: joined(
                states
                    .iter()
                    .filter(|state| state.at >= begin)
                    .map(|state| {
                        let outcome = match (&state.of.error, state.of.joined) {
                            (Some(_), _) => AttemptOutcome::Unknown,
                            (None, Some(false)) => AttemptOutcome::Refused,
                            (None, _) => AttemptOutcome::Acked,
                        };
                        (state.at - fault, state.at - fault, outcome)
                    }),
            ),
        });
        marks.extend(changes(member, states, fault));
    }
    marks.retain(|mark| mark.at_ms >= begin - fault);
    marks.sort();
    marks.dedup();
    Some(Picture {
        from_ms: begin - fault,
        to_ms: timeline.end - fault,
        lanes,
        marks,
    })
}

fn attempts(log: &LaneLog, begin: i64, fault: i64) -> Vec<(i64, i64, AttemptOutcome)> {
    let mut sorted: Vec<(i64, i64, AttemptOutcome)> = log
        .attempts
        .iter()
        .filter(|attempt| attempt.ended >= begin)
        .map(|attempt| {
            (
                attempt.started - fault,
                attempt.ended - fault,
                attempt.of.outcome,
            )
        })
        .collect();
    sorted.sort_unstable();
    joined(sorted.into_iter())
}

/// Neighbours that ended alike are one span; a span reaches to the next one's beginning.
fn joined(
    attempts: impl Iterator<Item = (i64, i64, AttemptOutcome)>,
) -> Vec<(i64, i64, AttemptOutcome)> {
    let mut spans: Vec<(i64, i64, AttemptOutcome)> = Vec::new();
    for (from, to, outcome) in attempts {
        match spans.last_mut() {
            Some(last) if last.2 == outcome => last.1 = last.1.max(to),
            Some(last) => {
                last.1 = from.max(last.0);
                spans.push((from, to, outcome));
            }
            None => spans.push((from, to, outcome)),
        }
    }
    spans
}

fn events(round: &Round, fault: i64) -> Vec<PictureMark> {
    let victims: Vec<&str> = round
        .victims
        .iter()
        .map(|victim| victim.member.as_str())
        .collect();
    round
        .events
        .iter()
        .map(|event| {
            let (row, text) = match &event.what {
                EventKind::FaultStarted => (
                    "fault",
                    format!("{} {}", round.fault, victims.join(", "))
                        .trim()
                        .to_owned(),
                ),
                EventKind::FaultEnded => ("fault", format!("{} done", round.fault)),
                EventKind::Pod(pod) => (
                    pod.member.as_str(),
                    format!("Pod {} {}", pod.pod, pod_word(pod.change)),
                ),
                EventKind::Endpoints(pods) if pods.is_empty() => {
                    ("service", "no ready endpoint".to_owned())
                }
                EventKind::Endpoints(pods) => ("service", format!("leads to {}", pods.join(", "))),
                EventKind::Phase(text) | EventKind::Note(text) => ("note", text.clone()),
            };
            PictureMark {
                at_ms: event.at_ms - fault,
                row: row.to_owned(),
                text,
            }
        })
        .collect()
}

const fn pod_word(change: PodChange) -> &'static str {
    match change {
        PodChange::Created => "created",
        PodChange::Running => "runs",
        PodChange::Ready => "is Ready",
        PodChange::NotReady => "is not Ready",
        PodChange::Restarted => "restarted a container",
        PodChange::Leaving => "is being deleted",
        PodChange::Gone => "is gone",
    }
}

/// A mark for each change of what a member says.
fn changes(member: &str, states: &[State], fault: i64) -> Vec<PictureMark> {
    let mut said: Option<String> = None;
    let mut marks = Vec::new();
    for state in states {
        let says = words(state);
        if said.as_ref() != Some(&says) {
            marks.push(PictureMark {
                at_ms: state.at - fault,
                row: member.to_owned(),
                text: says.clone(),
            });
            said = Some(says);
        }
    }
    marks
}

fn words(state: &State) -> String {
    if let Some(error) = &state.of.error {
        return format!("does not answer: {error}");
    }
    let role = match state.of.role {
        Some(MemberRole::Primary) => "primary",
        Some(MemberRole::Replica) => "replica",
        Some(MemberRole::Peer) => "peer",
        Some(MemberRole::Alone) => "follows no one and takes no writes",
        None => "reports no role",
    };
    let mut text = role.to_owned();
    if state.of.writable == Some(false) && state.of.role == Some(MemberRole::Primary) {
        text += ", takes no writes";
    }
    if state.of.joined == Some(false) {
        text += ", not joined";
    }
    if !state.of.says.is_empty() {
        text += &format!(" ({})", state.of.says);
    }
    text
}
