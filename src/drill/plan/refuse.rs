//! What a drill may not do, rule by rule. Pure.

use super::{
    DrillRequest, Persistence, Subject, VictimRule, persistence, pods, scale, takes_all, takes_pods,
};
use crate::drill::consent::{NamespaceKey, forbidden_place};
use crate::drill::model::{Candidate, Engine, Fault, Refusal};
use crate::observe::kinds::{Pod, selector_matches};
use crate::observe::{Snapshot, WorkloadKey, is_live, is_ready};

/// Usage or consent.
const CONSENT: u8 = 2;
/// It cannot be measured now.
const NOT_WHOLE: u8 = 3;

/// Every refusal, each once; those of consent first.
pub(super) fn all(
    candidate: &Candidate,
    subject: &Subject,
    wish: &DrillRequest,
    key: &NamespaceKey,
    snapshot: &Snapshot,
) -> Vec<Refusal> {
    let mut consent: Vec<String> = forbidden_place(snapshot, key).into_iter().collect();
    for fault in &wish.faults {
        consent.extend(key.why_refused(&snapshot.namespace, *fault));
        consent.extend(of_fault(candidate, *fault, subject, wish, snapshot));
    }
    if candidate.engine == Engine::Redis && !candidate.expect.is_empty() {
        consent.push(format!(
            "{} is a Redis, which has no tables: take expect: away from the candidate",
            candidate.name
        ));
    }
    if wish.person.is_none() {
        consent.push(format!(
            "no one has said yes: add --yes, or type {} when asked at a terminal",
            candidate.name
        ));
    }
    let whole = not_whole(candidate, subject, snapshot);
    let mut refusals: Vec<Refusal> = Vec::new();
    for (message, exit_code) in consent
        .into_iter()
        .map(|message| (message, CONSENT))
        .chain(whole.into_iter().map(|message| (message, NOT_WHOLE)))
    {
        let refusal = Refusal { message, exit_code };
        if !refusals.contains(&refusal) {
            refusals.push(refusal);
        }
    }
    refusals
}

fn of_fault(
    candidate: &Candidate,
    fault: Fault,
    subject: &Subject,
    wish: &DrillRequest,
    snapshot: &Snapshot,
) -> Vec<String> {
    if fault == Fault::Hook && wish.hook_of(subject).is_none() {
        return vec![
            "no command makes the fault hook: name it with --hook, or as hook: of the candidate"
                .to_owned(),
        ];
    }
    if !takes_pods(fault) {
        return Vec::new();
    }
    let all = pods(subject, snapshot);
    let taken: Vec<&Pod> = match &wish.victim {
        VictimRule::Pod(name) if !takes_all(fault) => all
            .iter()
            .map(|(_, pod)| *pod)
            .filter(|pod| pod.metadata.name == *name)
            .collect(),
        _ => all.iter().map(|(_, pod)| *pod).collect(),
    };
    if taken.is_empty() {
        return vec![no_victim(candidate, subject, wish)];
    }
    let mut found: Vec<String> = taken
        .iter()
        .filter_map(|pod| not_brought_back(pod))
        .collect();
    if !wish.accept_data_loss && !subject.fresh {
        found.extend(only_copy(fault, subject, &all));
    }
    if fault == Fault::ScaleZero {
        let keys = subject.workloads.iter();
        found.extend(keys.filter_map(|key| not_scaled(key, snapshot)));
    }
    if fault != Fault::Evict {
        found.extend(budgets(fault, &taken, snapshot));
    }
    found
}

fn no_victim(candidate: &Candidate, subject: &Subject, wish: &DrillRequest) -> String {
    let names: Vec<&str> = candidate
        .members
        .iter()
        .filter_map(|member| Some(member.pod.as_ref()?.name.as_str()))
        .collect();
    match &wish.victim {
        VictimRule::Pod(name) if !names.is_empty() => format!(
            "pod/{name} is no member of {}; its members are {}",
            candidate.name,
            names.join(", ")
        ),
        _ if !subject.workloads.is_empty() => format!(
            "{} has no Pod in namespace {} now; see its scale and its events",
            candidate.workloads.join(", "),
            candidate.namespace
        ),
        _ => format!(
            "{} has no Pod in namespace {}; a database outside of the cluster is drilled with --fault hook",
            candidate.name, candidate.namespace
        ),
    }
}

/// Why nothing would bring a Pod back.
fn not_brought_back(pod: &Pod) -> Option<String> {
    let name = &pod.metadata.name;
    match pod.metadata.controller().map(|owner| owner.kind.as_str()) {
        None => Some(format!(
            "no controller brings pod/{name} back: put it under a StatefulSet or a Deployment"
        )),
        Some("Node") => Some(format!(
            "pod/{name} is a static Pod of its node: the API cannot take it away"
        )),
        Some("Job") => Some(format!(
            "pod/{name} belongs to a Job, which need not bring it back"
        )),
        Some(_) => None,
    }
}

/// Whether no copy of the data would be left: what goes keeps none on a volume, and nothing stays that has another. Members that stay count
/// as copies; whether they are any is seen by their own report before the fault.
fn only_copy(fault: Fault, subject: &Subject, all: &[(&WorkloadKey, &Pod)]) -> Option<String> {
    let data: Vec<(&str, Persistence)> = all
        .iter()
        .map(|(_, pod)| {
            let data = persistence::of(subject.engine, pod);
            (pod.metadata.name.as_str(), data)
        })
        .collect();
    let stays = !takes_all(fault) && data.len() > 1;
    if stays || data.iter().any(|(_, data)| data.survives()) {
        return None;
    }
    let which: Vec<String> = data
        .iter()
        .map(|(pod, data)| format!("pod/{pod} keeps its data on {}", data.describe()))
        .collect();
    Some(format!(
        "{fault} would destroy the only copy of the data: {}; if that may be: --accept-data-loss",
        which.join(", ")
    ))
}

fn not_scaled(key: &WorkloadKey, snapshot: &Snapshot) -> Option<String> {
    if scale(key, snapshot).is_none() {
        return Some(format!("{key} has no scale that could be set to zero"));
    }
    let owner = snapshot.workload(key)?.metadata.controller()?;
    Some(format!(
        "{key} belongs to {} {}, which would scale it again by itself",
        owner.kind, owner.name
    ))
}

/// Budgets that allow no disruption of a victim now.
fn budgets(fault: Fault, taken: &[&Pod], snapshot: &Snapshot) -> Vec<String> {
    let budgets = snapshot.own().map(|own| own.disruption_budgets.as_slice());
    budgets
        .unwrap_or_default()
        .iter()
        .filter(|budget| budget.status.disruptions_allowed <= 0)
        .filter(|budget| {
            budget.spec.selector.as_ref().is_some_and(|selector| {
                taken
                    .iter()
                    .any(|pod| selector_matches(selector, &pod.metadata.labels))
            })
        })
        .map(|budget| {
            format!(
                "poddisruptionbudget/{} allows no disruption now, and {fault} does not ask it; --fault evict does, or change the budget",
                budget.metadata.name
            )
        })
        .collect()
}

/// What is missing before anything is taken away.
fn not_whole(candidate: &Candidate, subject: &Subject, snapshot: &Snapshot) -> Vec<String> {
    let all = pods(subject, snapshot);
    let mut found: Vec<String> = all
        .iter()
        .filter(|(_, pod)| !is_live(pod) || !is_ready(pod))
        .map(|(_, pod)| {
            let state = if pod.metadata.deletion_timestamp.is_some() {
                "being deleted"
            } else {
                "not ready"
            };
            format!("pod/{} is {state}", pod.metadata.name)
        })
        .collect();
    let there = u32::try_from(candidate.members.len()).unwrap_or(u32::MAX);
    if there < candidate.size {
        found.push(format!("{there} of {} members are there", candidate.size));
    }
    found
        .into_iter()
        .map(|what| {
            format!(
                "{} is not whole: {what}; wait until it is, or repair it",
                candidate.name
            )
        })
        .collect()
}
