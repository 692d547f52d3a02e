//! What stands behind a Service: endpoints that are not ready, refuse, were made by hand, or are on another node. Pure.

mod by_hand;
mod local;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use by_hand::by_hand;
pub(super) use local::local_traffic_policy;

use super::ports::{dialled, dialled_target, subjects_behind};
use super::selectors::denied;
use super::{Unproven, Usage, ids, service_name};
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::troubles::{ProbeKind, port_number, probe_of};
use crate::diagnose::walk::Walk;
use crate::diagnose::words::{joined, quote};
use crate::diagnose::{Context, fixes, target, workloads};
use crate::finding::{Code, Finding, Fix, ObjectRef, Severity};
use crate::observe::kinds::{Condition, Pod, ServicePort};
use crate::observe::{is_live, is_ready};
use crate::probe::wire::{LISTENS_FACT, StepError, StepStatus};

/// The live Pods that a Service selects.
fn selected<'a>(context: &Context<'a>, usage: &Usage<'_, 'a>) -> Vec<&'a Pod> {
    context
        .snapshot
        .pods_selected(&usage.key.namespace, &usage.service.spec.selector)
        .into_iter()
        .filter(|pod| is_live(pod))
        .collect()
}

/// Services whose Pods exist and none of which is ready.
pub(super) fn not_ready(context: &Context<'_>, usage: &Usage<'_, '_>) -> Option<Finding> {
    if context.snapshot.offline || !context.snapshot.knows("pods") {
        return None;
    }
    let pods = selected(context, usage);
    if pods.is_empty() {
        return ended(context, usage);
    }
    if usage.service.spec.publish_not_ready_addresses || pods.iter().any(|pod| is_ready(pod)) {
        return None;
    }
    let behind = subjects_behind(context, &usage.key, usage.service);
    let states: Vec<String> = pods.iter().map(|pod| state(pod)).collect();
    let gates: BTreeSet<&str> = pods
        .iter()
        .flat_map(|pod| workloads::unmet_gates(pod))
        .collect();
    let gates: Vec<&str> = gates.into_iter().collect();
    let (unmet, usual) = if gates.is_empty() {
        (
            String::new(),
            "see why its Pods are not ready (kubectl describe pods)".to_owned(),
        )
    } else {
        let gates = gates.join(", ");
        (
            format!("; their containers are ready, and readiness gate {gates} is not met"),
            format!(
                "see to the controller that sets {gates} on its Pods, or drop the readinessGates from the Pod template"
            ),
        )
    };
    let mut remedies = behind
        .iter()
        .flat_map(|subject| &subject.troubles)
        .map(|trouble| trouble.remedy.clone());
    let finding = Finding::new(
        Code::ServiceEndpointsNotReady,
        Severity::error_if(usage.in_scope && !usage.tiers.iter().all(|tier| tier.one_shot)),
        usage.key.object(),
        format!(
            "{} selects {} Pod{}, and none is ready: it has nowhere to send traffic{unmet}",
            service_name(context, &usage.key),
            pods.len(),
            if pods.len() == 1 { "" } else { "s" }
        ),
    )
    .because(states.into_iter().take(4))
    .caused_by(causes(&behind, gates.is_empty()))
    .on(ids(&usage.looks))
    .fix(remedies.find(|remedy| !remedy.is_empty()).unwrap_or(usual));
    Some(finding)
}

/// Services whose only Pods have ended, and have no controller that starts others (compose's `restart: "no"`).
fn ended(context: &Context<'_>, usage: &Usage<'_, '_>) -> Option<Finding> {
    let spec = &usage.service.spec;
    let namespace = &usage.key.namespace;
    let pods = context.snapshot.pods_selected(namespace, &spec.selector);
    let is_missed = |look: &&Unproven<'_, '_>| {
        look.edge.is_firm() && look.evidence.status() == StepStatus::Fail
    };
    let alone = |pod: &&Pod| {
        pod.metadata.owner_references.is_empty() && pod.metadata.deletion_timestamp.is_none()
    };
    if pods.is_empty() || !pods.iter().all(alone) || !usage.looks.iter().any(is_missed) {
        return None;
    }
    let names = joined(pods.iter().map(|pod| format!("pod/{}", pod.metadata.name)));
    let finding = Finding::new(
        Code::ServiceEndpointsNotReady,
        Severity::error_if(usage.in_scope),
        usage.key.object(),
        format!(
            "{} has nowhere to send traffic: {names} has ended, and no controller starts it again",
            service_name(context, &usage.key)
        ),
    )
    .because(pods.iter().take(4).map(|pod| state(pod)))
    .on(ids(&usage.looks))
    .fix(format!(
        "run {names} as a Deployment (compose's restart: \"no\" and \"on-failure\" make a bare Pod of a server)"
    ));
    Some(finding)
}

/// A Pod's state in words: `Pod ap-x: Running, Ready=False ContainersNotReady: …`.
fn state(pod: &Pod) -> String {
    let ready = Condition::of(&pod.status.conditions, "Ready")
        .map(|condition| {
            format!(
                ", Ready={} {} {}",
                condition.status,
                condition.reason,
                quote(&condition.message)
            )
        })
        .unwrap_or_default();
    let gates = workloads::unmet_gates(pod);
    let gates = if gates.is_empty() {
        String::new()
    } else {
        format!(", readiness gate {} is not met", gates.join(", "))
    };
    format!(
        "Pod {}: {}{ready}{gates}",
        pod.metadata.name, pod.status.phase
    )
}

fn causes(behind: &[&WorkloadFacts<'_>], by_rollout: bool) -> Vec<(Code, ObjectRef)> {
    let mut found: Vec<(Code, ObjectRef)> = behind
        .iter()
        .flat_map(|subject| workloads::causes(subject))
        .collect();
    // A rollout that goes on explains it where nothing is wrong with the Pods themselves.
    found.extend(
        behind
            .iter()
            .filter(|_| by_rollout)
            .map(|subject| (Code::RolloutStalled, subject.key.object())),
    );
    found
}

/// Whether every endpoint was dialled and refuses, to every client, and no policy may be the reason.
fn refuses(context: &Context<'_>, usage: &Usage<'_, '_>, look: &Unproven<'_, '_>) -> bool {
    // A port that the Service does not offer, or a headless name that is dialled on another port, has its own finding.
    if dialled(look, usage.service).is_none() || !look.evidence.every_endpoint_unconnected() {
        return false;
    }
    look.evidence.firm().all(|walk| {
        walk.endpoints_unconnected().iter().all(|(endpoint, step)| {
            step.error == Some(StepError::Refused) && !denied(context, look, endpoint)
        })
    })
}

/// Services all of whose endpoints refuse the port that traffic is sent to.
pub(super) fn target_port_closed(context: &Context<'_>, usage: &Usage<'_, '_>) -> Option<Finding> {
    if usage.service.spec.selector.is_empty() {
        return None;
    }
    let looks = usage.looks_where(|look| refuses(context, usage, look));
    let first = looks.first()?;
    let behind = subjects_behind(context, &usage.key, usage.service);
    // A container that crashes refuses as well, and says why itself.
    if behind.iter().any(|subject| !subject.troubles.is_empty()) {
        return None;
    }
    let port = dialled(first, usage.service)?;
    let template = behind.first()?.template?;
    let target = dialled_target(port, usage.service, template.spec)?;
    let declared = fixes::declared_ports(template.spec);
    let answering = answering_ports(context, &behind, &looks, target);
    let words = if declared.is_empty() {
        "declare no port".to_owned()
    } else {
        format!("declare {}", joined(&declared))
    };
    let accepts = if answering.is_empty() {
        String::new()
    } else {
        format!("; {} answers", joined(answering.keys()))
    };
    let lines: BTreeSet<String> = looks
        .iter()
        .flat_map(|look| look.evidence.firm())
        .flat_map(|walk| {
            let steps = walk.endpoints_unconnected().into_iter();
            steps.map(move |(_, step)| target::line(&walk.place(), step))
        })
        .collect();
    let finding = Finding::of(
        Code::ServiceTargetPortClosed,
        usage.key.object(),
        format!(
            "{} sends port {} to port {target} of {}, on which nothing listens: its containers {words}{accepts}",
            service_name(context, &usage.key),
            port.port,
            joined(behind.iter().map(|subject| &subject.key))
        ),
    )
    .because(lines.into_iter().take(4))
    .because(answering.values())
    .on(ids(&looks))
    .fix(to_open_port(usage, port, target, &answering));
    Some(finding)
}

/// The fix that leads a Service's port to the one on which the program listens.
fn to_open_port(
    usage: &Usage<'_, '_>,
    port: &ServicePort,
    target: u16,
    answering: &BTreeMap<u16, String>,
) -> Fix {
    let index = usage
        .service
        .spec
        .ports
        .iter()
        .position(|candidate| candidate == port);
    let command = match (answering.len(), answering.keys().next(), index) {
        (1, Some(open), Some(index)) => Some(fixes::set(
            &usage.key.object(),
            "add",
            &format!("/spec/ports/{index}/targetPort"),
            open,
        )),
        _ => None,
    };
    Fix::text(format!(
        "make targetPort of service/{} the port on which the program listens{}, or make the program listen on {target}, on all addresses",
        usage.key.name,
        answering
            .keys()
            .next()
            .map(|open| format!(" ({open})"))
            .unwrap_or_default()
    ))
    .run(command)
}

/// Ports of those Pods that are known to answer, with what shows it: the kubelet's readiness probe, or another edge.
fn answering_ports(
    context: &Context<'_>,
    behind: &[&WorkloadFacts<'_>],
    looks: &[&Unproven<'_, '_>],
    closed: u16,
) -> BTreeMap<u16, String> {
    let mut found = BTreeMap::new();
    for pod in behind
        .iter()
        .flat_map(|subject| subject.pods.iter().copied().filter(|pod| is_ready(pod)))
    {
        for container in &pod.spec.containers {
            let port = probe_of(container, ProbeKind::Readiness)
                .and_then(|probe| port_number(container, probe));
            if let Some(port) = port.filter(|port| *port != closed) {
                found.entry(port).or_insert_with(|| {
                    format!(
                        "the readiness probe of Pod {} gets an answer on port {port}",
                        pod.metadata.name
                    )
                });
            }
        }
    }
    let refused = looks
        .iter()
        .flat_map(|look| look.evidence.firm())
        .flat_map(Walk::endpoints_unconnected);
    for (endpoint, step) in refused {
        let open = step.facts.get(LISTENS_FACT).into_iter();
        for port in open
            .flat_map(|ports| ports.split(", "))
            .filter_map(|port| port.parse().ok())
        {
            found.entry(port).or_insert_with(|| {
                format!("the Pod at {endpoint} takes connections on port {port}")
            });
        }
    }
    let names: BTreeSet<&str> = behind
        .iter()
        .flat_map(|subject| &subject.pods)
        .map(|pod| pod.metadata.name.as_str())
        .collect();
    for (id, evidence) in &context.evidence {
        if looks.iter().any(|look| look.edge.id == *id) {
            continue;
        }
        for endpoint in evidence.firm().flat_map(Walk::endpoints_connected) {
            let Some(pod) = target::pod_at(context, endpoint)
                .filter(|pod| names.contains(pod.metadata.name.as_str()))
            else {
                continue;
            };
            if let Some((_, port)) = target::address(endpoint) {
                found.entry(port.get()).or_insert_with(|| {
                    format!(
                        "Pod {} accepts connections on {endpoint}",
                        pod.metadata.name
                    )
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
