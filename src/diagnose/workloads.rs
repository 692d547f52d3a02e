//! Section 2, and what fails of section 3: Pods that do not run or are not ready, rollouts that stall, workloads that are
//! switched off, Jobs that failed. In: the subjects. Out: findings, with the edges that they explain. Pure.

mod claims;
mod collision;
mod jobs;
mod lost;

use std::collections::BTreeMap;

use super::subject::WorkloadFacts;
use super::trouble::Trouble;
use super::walk::Walk;
use super::{Context, Rule, kubelet_probes};
use crate::finding::{Code, EdgeId, Finding, Fix, ObjectRef, Severity};
use crate::observe::is_ready;
use crate::observe::kinds::{Condition, Pod};
use crate::probe::wire::{StepError, StepStatus};
use crate::shell::Command;

/// The rules of this file and of those below it.
pub(super) const RULES: &[Rule] = &[
    Rule::WorkloadMany(pods_in_trouble),
    Rule::Whole(nodes_not_ready),
    Rule::Workload(rollout_stalled),
    Rule::Workload(degraded),
    Rule::Workload(scaled_to_zero),
    Rule::Workload(jobs::failed),
    Rule::Workload(collision::service_env_collision),
    Rule::Whole(claims::shared),
];

/// How a subject stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing serves.
    Down,
    /// Something serves, and a newer revision does not come up.
    Stalled,
    /// Something serves, fewer than wanted.
    Degraded,
}

fn standing(subject: &WorkloadFacts<'_>) -> Standing {
    if subject.serving() == 0 {
        Standing::Down
    } else if is_stalled(subject) {
        Standing::Stalled
    } else {
        Standing::Degraded
    }
}

/// The revision that a Pod belongs to.
fn revision(pod: &Pod) -> Option<&str> {
    ["pod-template-hash", "controller-revision-hash"]
        .iter()
        .find_map(|label| pod.metadata.labels.get(*label))
        .map(String::as_str)
}

/// Whether the Pods in trouble are all of a newer revision than those that serve.
fn is_stalled(subject: &WorkloadFacts<'_>) -> bool {
    let (ailing, well): (Vec<&Pod>, Vec<&Pod>) = subject
        .pods
        .iter()
        .copied()
        .filter(|pod| subject.is_in_trouble(pod) || is_ready(pod))
        .partition(|pod| subject.is_in_trouble(pod));
    let newest_well = well.iter().map(|pod| pod.metadata.creation_timestamp).max();
    let refused = subject
        .troubles
        .iter()
        .any(|trouble| trouble.code == Code::PodCreateForbidden);
    // As many as wanted serve, and none of the new revision may be made.
    let none_may_come = refused
        && ailing.is_empty()
        && subject
            .wanted()
            .and_then(|wanted| usize::try_from(wanted).ok())
            .is_some_and(|wanted| wanted <= well.len());
    none_may_come
        || !ailing.is_empty()
            && ailing.iter().all(|pod| {
                revision(pod).is_some()
                    && well.iter().all(|other| revision(other) != revision(pod))
                    && newest_well.is_some_and(|time| pod.metadata.creation_timestamp >= time)
            })
}

/// A command that acts on the subject's namespace.
fn kubectl(subject: &WorkloadFacts<'_>, words: &[&str]) -> Command {
    Command::kubectl(&subject.key.namespace, words)
}

/// Codes of section 2 and 3 that are read from single Pods; one finding per code and object.
fn pods_in_trouble(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(Code, ObjectRef), Vec<&Trouble>> = BTreeMap::new();
    for trouble in &subject.troubles {
        if trouble.code != Code::NodeNotReady {
            groups
                .entry(subject.finding_of(trouble))
                .or_default()
                .push(trouble);
        }
    }
    let findings = groups.into_iter().map(|((code, object), troubles)| {
        let mut finding = of_troubles(context, subject, code, object, &troubles);
        if code == Code::ContainerCrashLooping && collision::explains_crash(context, subject) {
            let cause = (Code::ServiceEnvCollision, subject.key.object());
            finding.caused_by.push(cause);
        } else if code == Code::ContainerCrashLooping {
            lost::explain(context, subject, &mut finding);
        } else if code == Code::ProbePortUnknown {
            return finding.caused_by(kubelet_probes::services_without_name(context, subject));
        }
        note_unproven(context, &mut finding);
        finding
    });
    findings.collect()
}

/// A client that does not come up may refuse a certificate that the probe could not prove: what its edges say of that.
fn note_unproven(context: &Context<'_>, finding: &mut Finding) {
    let of_edge = |id: &EdgeId| {
        let walks = &context.evidence(id)?.walks;
        let mut steps = walks.iter().flat_map(Walk::counted);
        let step = steps.find(|step| step.error == Some(StepError::TrustNotProven))?;
        Some(format!(
            "{id}: {}; a client that verifies it cannot connect",
            step.detail
        ))
    };
    let lines: Vec<String> = finding.follows.iter().filter_map(of_edge).collect();
    for line in &lines {
        finding.note(line);
    }
}

fn of_troubles(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    code: Code,
    object: ObjectRef,
    troubles: &[&Trouble],
) -> Finding {
    let standing = standing(subject);
    let severity = match standing {
        Standing::Degraded => Severity::Warning,
        Standing::Down | Standing::Stalled => subject.scoped(Severity::Error),
    };
    let first = troubles[0];
    let others = troubles.len() - 1;
    let message = if others == 0 {
        first.message.clone()
    } else {
        format!(
            "{}; {others} more Pod{} in the same state",
            first.message,
            if others == 1 { "" } else { "s" }
        )
    };
    let mut finding = Finding::new(code, severity, object, message);
    for trouble in troubles {
        for line in &trouble.evidence {
            if !finding.evidence.contains(line) && finding.evidence.len() < 8 {
                finding.evidence.push(line.clone());
            }
        }
        for cause in &trouble.caused_by {
            if !finding.caused_by.contains(cause) {
                finding.caused_by.push(cause.clone());
            }
        }
    }
    let down = standing == Standing::Down;
    let follows = down && troubles.iter().any(|trouble| trouble.dependent);
    // What is down with the Pod itself is no reason for it: the other end of that edge is a container beside.
    let is_beside = |edge: &EdgeId| {
        let edge = context.evidence(edge).map(|evidence| evidence.edge);
        edge.is_some_and(|edge| edge.from != edge.to && subject.into.contains(&edge.id))
    };
    finding
        .on(subject.into.iter().filter(|_| down))
        .following(
            subject
                .from
                .iter()
                .filter(|edge| follows && !is_beside(edge)),
        )
        .fix(Fix::text(first.remedy.clone()).run(kubelet_probes::command_for(subject, code)))
}

/// Nodes that are gone, where an edge suffers by it.
fn nodes_not_ready(context: &Context<'_>) -> Vec<Finding> {
    let mut found: BTreeMap<ObjectRef, Finding> = BTreeMap::new();
    for subject in &context.subjects {
        let suffering: Vec<EdgeId> = subject
            .into
            .iter()
            .chain(&subject.from)
            .filter(|edge| {
                context
                    .evidence(edge)
                    .is_some_and(|evidence| evidence.status() != StepStatus::Pass)
            })
            .cloned()
            .collect();
        if suffering.is_empty() || !subject.in_scope {
            continue;
        }
        for trouble in &subject.troubles {
            let (Code::NodeNotReady, Some(object)) = (trouble.code, &trouble.object) else {
                continue;
            };
            let finding = found.entry(object.clone()).or_insert_with(|| {
                Finding::of(Code::NodeNotReady, object.clone(), trouble.message.clone())
                    .fix(trouble.remedy.clone())
            });
            finding.edges.extend(suffering.iter().cloned());
            let lines = trouble.evidence.iter().chain([&trouble.message]);
            lines.for_each(|line| finding.note(line));
        }
    }
    found.into_values().collect()
}

/// What a finding about the whole workload follows from: its Pods' troubles, each once.
pub(super) fn causes(subject: &WorkloadFacts<'_>) -> Vec<(Code, ObjectRef)> {
    let mut found = Vec::new();
    for trouble in &subject.troubles {
        let cause = subject.finding_of(trouble);
        if !found.contains(&cause) {
            found.push(cause);
        }
    }
    found
}

/// Whether a workload was paused before it had a Pod.
fn is_held(subject: &WorkloadFacts<'_>) -> bool {
    subject.pods.is_empty()
        && subject.wanted().is_some_and(|wanted| wanted > 0)
        && subject
            .workload
            .is_some_and(|workload| workload.spec.paused)
}

/// How badly a rollout stands still, and in what words; `None`: it does not.
fn stall(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    late: Option<&Condition>,
    ready: usize,
) -> Option<(Severity, String)> {
    let wanted = subject.wanted().unwrap_or(0);
    let name = subject.name(&context.snapshot.namespace);
    let unsettled = context.snapshot.settle.unsettled.get(&subject.key);
    if is_held(subject) {
        Some((
            Severity::Error,
            format!(
                "{name} is paused and has no Pod: its controller makes none until it is resumed"
            ),
        ))
    } else if standing(subject) == Standing::Stalled {
        let in_trouble = subject.troubles.len();
        Some((
            Severity::Error,
            format!(
                "the new revision of {name} does not come up ({in_trouble} Pod{} in trouble), {ready} Pods of the old one still serve",
                if in_trouble == 1 { "" } else { "s" }
            ),
        ))
    } else if let Some(condition) = late.filter(|_| subject.troubles.is_empty()) {
        Some((
            Severity::Error,
            format!(
                "the rollout of {name} exceeded its deadline: {}",
                condition.message
            ),
        ))
    } else if let Some(reason) = unsettled.filter(|_| {
        subject.troubles.is_empty() && usize::try_from(wanted).is_ok_and(|wanted| ready < wanted)
    }) {
        // Where nothing serves yet and a client is seen to fail for it, it is the fault.
        let fails = |edge: &EdgeId| context.came_out(edge, StepStatus::Fail);
        Some((
            Severity::error_if(ready == 0 && subject.into.iter().any(fails)),
            format!("{name} had not settled when waiting ended: {reason}"),
        ))
    } else {
        None
    }
}

/// A new revision that does not come up while the old one serves; a deadline that is over; or, as a warning, a rollout that
/// had not ended when waiting did.
fn rollout_stalled(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Option<Finding> {
    if subject.is_one_shot() {
        return None;
    }
    let late = subject.workload.and_then(|workload| {
        workload.status.conditions.iter().find(|condition| {
            condition.kind == "Progressing"
                && condition.status == "False"
                && condition.reason == "ProgressDeadlineExceeded"
        })
    });
    let ready = subject.pods.iter().filter(|pod| is_ready(pod)).count();
    let unsettled = context.snapshot.settle.unsettled.get(&subject.key);
    let stalled = standing(subject) == Standing::Stalled;
    let (severity, message) = stall(context, subject, late, ready)?;
    let gated = subject.pods.iter().any(|pod| !unmet_gates(pod).is_empty());
    let services = gated.then(|| not_ready_services(context, subject));
    let key = subject.key.to_string();
    let finding = Finding::new(
        Code::RolloutStalled,
        subject.scoped(severity),
        subject.key.object(),
        message,
    )
    .because(late.map(|condition| {
        format!(
            "Progressing=False {}: {}",
            condition.reason, condition.message
        )
    }))
    .because(unsettled.cloned())
    .caused_by(causes(subject))
    .caused_by(services.into_iter().flatten())
    .on(subject.into.iter().filter(|_| ready == 0))
    .fix(if is_held(subject) {
        Fix::text("resume it").run(kubectl(subject, &["rollout", "resume", &key]))
    } else {
        Fix::text("fix the new revision, or go back to the old one")
            .run(stalled.then(|| kubectl(subject, &["rollout", "undo", &key])))
    });
    Some(finding)
}

/// The readiness gates that keep a Pod from being ready although its containers are.
pub(super) fn unmet_gates(pod: &Pod) -> Vec<&str> {
    let is_true = |kind: &str| Condition::with(&pod.status.conditions, kind, "True").is_some();
    if !is_true("ContainersReady") {
        return Vec::new();
    }
    pod.spec
        .readiness_gates
        .iter()
        .map(|gate| gate.condition_type.as_str())
        .filter(|gate| !is_true(gate))
        .collect()
}

/// That the Services of a workload have no ready endpoint, where that is said.
fn not_ready_services(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
) -> Vec<(Code, ObjectRef)> {
    let namespace = &subject.key.namespace;
    let labels = subject.template.map(|template| template.labels);
    labels
        .into_iter()
        .flat_map(|labels| context.snapshot.services_selecting(namespace, labels))
        .map(|service| {
            let name = service.metadata.name.clone();
            (
                Code::ServiceEndpointsNotReady,
                ObjectRef::new("service", name, namespace.clone()),
            )
        })
        .collect()
}

/// Fewer ready Pods than wanted while at least one serves.
fn degraded(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Option<Finding> {
    let (wanted, serving) = (subject.wanted()?, subject.serving());
    let short = usize::try_from(wanted).is_ok_and(|wanted| serving < wanted);
    if context.snapshot.offline
        || subject.is_one_shot()
        || serving == 0
        || !short
        || standing(subject) == Standing::Stalled
    {
        return None;
    }
    let name = subject.name(&context.snapshot.namespace);
    let finding = Finding::of(
        Code::WorkloadDegraded,
        subject.key.object(),
        format!("{serving} of {wanted} Pods of {name} serve"),
    )
    .because(
        subject
            .troubles
            .iter()
            .map(|trouble| trouble.message.clone()),
    )
    .because(context.snapshot.settle.unsettled.get(&subject.key).cloned())
    .caused_by(causes(subject))
    .fix(subject.troubles.first().map_or_else(
        || "see why the other Pods are not ready (kubectl describe pods)".to_owned(),
        |trouble| trouble.remedy.clone(),
    ));
    Some(finding)
}

/// Whether another workload runs each of its tiers: the one that is scaled to nothing is the last release, or the next.
fn is_replaced(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> bool {
    subject.tiers.iter().all(|own| {
        context.subjects.iter().any(|other| {
            other.key.namespace == subject.key.namespace
                && other.wanted() != Some(0)
                && other.tiers.iter().any(|tier| tier.name == own.name)
        })
    })
}

/// Workloads that are switched off although an edge needs them.
fn scaled_to_zero(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Option<Finding> {
    let daemon = subject.key.kind == "daemonset";
    let is_off = subject.called
        && subject.wanted() == Some(0)
        && !(context.snapshot.offline && daemon)
        && subject.tiers.iter().all(|tier| tier.expected)
        && !is_replaced(context, subject);
    if !is_off {
        return None;
    }
    let name = subject.name(&context.snapshot.namespace);
    let needed = subject.into.iter().any(|id| {
        context
            .evidence(id)
            .is_some_and(|evidence| evidence.edge.confidence != crate::graph::Confidence::Weak)
    });
    let (code, message, line, fix) = if daemon {
        (
            Code::PodUnschedulable,
            format!("{name} runs on no node: none matches its nodeSelector and tolerations"),
            "status.desiredNumberScheduled: 0".to_owned(),
            Fix::text("change its nodeSelector or tolerations, or label a node"),
        )
    } else {
        let key = subject.key.to_string();
        (
            Code::WorkloadScaledToZero,
            format!("{name} is scaled to 0 replicas, and other tiers need it"),
            format!("spec.replicas of {key}: 0"),
            Fix::text("scale it up again").run(kubectl(subject, &["scale", &key, "--replicas=1"])),
        )
    };
    let severity = Severity::error_if(needed);
    let finding = Finding::new(code, severity, subject.key.object(), message)
        .because([line])
        .on(&subject.into)
        .fix(fix);
    Some(finding)
}

#[cfg(test)]
mod tests;
