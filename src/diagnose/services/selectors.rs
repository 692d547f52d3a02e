//! Selectors: those that take no Pod or the wrong ones, and those that take too many. Pure.

mod other;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use other::{left_behind, wrong_pods};

use super::ports::subjects_behind;
use super::{Unproven, Usage, ids, looks, selecting, service_name, subject, tier_subjects, uses};
use crate::address::is_same_host;
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::walk::EndpointWalk;
use crate::diagnose::{Context, fixes, target};
use crate::finding::{Code, Finding, Fix, ObjectRef, Severity};
use crate::graph::{Confidence, Edge, Tier};
use crate::observe::WorkloadKey;
use crate::observe::kinds::Labels;
use crate::policy;
use crate::probe::wire::{StepError, StepName};

/// Services whose selector takes no Pod, or none of the tier that it stands for.
pub(super) fn mismatch(context: &Context<'_>, usage: &Usage<'_, '_>) -> Option<Finding> {
    let service = usage.service;
    let selector = &service.spec.selector;
    // Which Pod gets a label that a controller writes, no manifest says.
    let written = |key: &String| context.snapshot.offline && policy::is_revision_label(key);
    if selector.is_empty() || selector.keys().any(written) {
        return None;
    }
    let behind = subjects_behind(context, &usage.key, service);
    let pods_behind = context
        .snapshot
        .pods_selected(&usage.key.namespace, selector)
        .into_iter()
        .any(crate::observe::is_live);
    let wanted = wanted(context, usage);
    if behind.is_empty() && !pods_behind {
        // Nothing runs the tier: that is the fault, and the selector may be right.
        if wanted.is_empty() && !usage.tiers.is_empty() {
            return workloadless(usage);
        }
        return Some(no_pod(context, usage, &wanted));
    }
    // How many Pods a DaemonSet wants, manifests do not show.
    let is_seen = |subject: &WorkloadFacts<'_>| {
        !(context.snapshot.offline && subject.key.kind == "daemonset")
    };
    let is_asleep = |subject: &&WorkloadFacts<'_>| subject.wanted() == Some(0) && is_seen(subject);
    if !pods_behind && behind.iter().all(is_asleep) {
        let running: Vec<_> = wanted
            .iter()
            .copied()
            .filter(|subject| !is_asleep(subject))
            .collect();
        return (!running.is_empty()).then(|| left_behind(context, usage, &behind, &running));
    }
    let misses = !wanted.is_empty()
        && !behind.is_empty()
        && behind
            .iter()
            .all(|subject| wanted.iter().all(|own| own.key != subject.key));
    // That other workloads stand behind it is a fault only if the clients say so: people may know better than the mapping.
    let failed = usage.looks.iter().any(|look| {
        look.evidence.failed().next().is_some() && !asks_for_nothing(context, look.edge)
    });
    (misses && failed).then(|| wrong_pods(context, usage, &behind, &wanted))
}

/// Whether an order of start is all that leads to compose's name: those that are known to call the tier ask for another.
fn asks_for_nothing(context: &Context<'_>, edge: &Edge) -> bool {
    let elsewhere = |other: &Edge| {
        other.is_firm() && other.to == edge.to && !is_same_host(&other.host, &edge.host)
    };
    edge.confidence == Confidence::Weak && context.graph.edges.iter().any(elsewhere)
}

/// The workloads, in the Service's namespace, of the tiers that it stands for: those that its clients mean, where they miss them.
fn wanted<'c, 'a>(context: &'c Context<'a>, usage: &Usage<'_, 'a>) -> Vec<&'c WorkloadFacts<'a>> {
    let meant = |tier: &&&Tier| usage.looks.iter().any(|look| look.edge.to == tier.name);
    let is_missed = usage.tiers.iter().any(|tier| meant(&tier));
    usage
        .tiers
        .iter()
        .filter(|tier| !is_missed || meant(tier))
        .flat_map(|tier| tier_subjects(context, tier))
        .filter(|subject| subject.key.namespace == usage.key.namespace)
        .collect()
}

/// The Service stands, the workload does not.
fn workloadless(usage: &Usage<'_, '_>) -> Option<Finding> {
    let tier = usage
        .tiers
        .iter()
        .find(|tier| tier.in_compose && tier.expected && tier.workloads.is_empty())?;
    if usage.looks.is_empty() {
        return None;
    }

    let finding = super::names::missing_tier(
        tier,
        Severity::Error,
        format!(
            "nothing runs {}: service/{} is there, and has no Pod to select",
            tier.name, usage.key.name
        ),
    );
    Some(
        finding
            .because([selector_line(usage)])
            .on(ids(&usage.looks)),
    )
}

fn selector_line(usage: &Usage<'_, '_>) -> String {
    format!(
        "selector of service/{}: {}",
        usage.key.name,
        fixes::labels_text(&usage.service.spec.selector)
    )
}

/// The labels in which a template differs from a selector, in words, and how many agree.
fn difference(selector: &Labels, labels: &Labels) -> (usize, String) {
    let differing: Vec<String> = selector
        .iter()
        .filter(|(key, value)| labels.get(*key) != Some(value))
        .map(|(key, value)| match labels.get(key) {
            Some(has) => format!("{key}={has} instead of {key}={value}"),
            None => format!("no label {key}"),
        })
        .collect();
    (selector.len() - differing.len(), differing.join(", "))
}

/// The subject that a selector was most likely meant for: of the tiers that the Service stands for, else of the namespace.
fn nearest<'c, 'a>(
    context: &'c Context<'a>,
    usage: &Usage<'_, 'a>,
    wanted: &[&'c WorkloadFacts<'a>],
) -> Option<&'c WorkloadFacts<'a>> {
    let selector = &usage.service.spec.selector;
    let agreement = |subject: &&WorkloadFacts<'_>| {
        subject.template.map_or(0, |template| {
            let keys = selector
                .keys()
                .filter(|key| template.labels.contains_key(*key))
                .count();
            difference(selector, template.labels).0 * 2 + keys
        })
    };
    if let Some(best) = wanted.iter().max_by_key(|subject| agreement(subject)) {
        return Some(best);
    }
    context
        .subjects
        .iter()
        .filter(|subject| {
            subject.key.namespace == usage.key.namespace
                && (subject.key.name == usage.key.name || agreement(subject) > 1)
        })
        .max_by_key(agreement)
}

/// The command that makes the Service select those Pods.
fn select(context: &Context<'_>, usage: &Usage<'_, '_>, subject: &WorkloadFacts<'_>) -> Fix {
    let selector = fixes::selector(context, subject);
    if selector.as_ref() == Some(&usage.service.spec.selector) {
        return Fix::text(format!(
            "give the Pods of {} a label of their own, and let service/{} select by it: other Pods have all the labels that it selects by",
            subject.key, usage.key.name
        ));
    }
    Fix::text(format!(
        "make the selector of service/{} that of {}{}",
        usage.key.name,
        subject.key,
        selector.as_ref().map_or_else(String::new, |labels| format!(
            ": {}",
            fixes::labels_text(labels)
        ))
    ))
    .run(
        selector.map(|labels| fixes::set(&usage.key.object(), "replace", "/spec/selector", labels)),
    )
}

fn no_pod<'c, 'a>(
    context: &'c Context<'a>,
    usage: &Usage<'_, 'a>,
    wanted: &[&'c WorkloadFacts<'a>],
) -> Finding {
    let selector = &usage.service.spec.selector;
    let name = service_name(context, &usage.key);
    let nearest =
        nearest(context, usage, wanted).and_then(|subject| Some((subject, subject.template?)));
    let (near, labels, fix) = match nearest {
        Some((subject, template)) => {
            let (_, words) = difference(selector, template.labels);
            let labels = fixes::labels_text(template.labels);
            (
                format!("; nearest is {}, which has {words}", subject.key),
                Some(format!("labels of {}: {labels}", subject.key)),
                select(context, usage, subject),
            )
        }
        None => (
            String::new(),
            None,
            Fix::text(format!(
                "give service/{} a selector that matches the Pods that it is for",
                usage.key.name
            )),
        ),
    };
    Finding::new(
        Code::ServiceSelectorMismatch,
        // A second Service of a tier that another one serves is no one's way.
        Severity::error_if(
            usage.in_scope
                && (!usage.looks.is_empty()
                    || (wanted.iter())
                        .all(|subject| super::selecting(context, subject).is_empty())),
        ),
        usage.key.object(),
        format!(
            "the selector {} of {name} matches no Pod{near}",
            fixes::labels_text(selector)
        ),
    )
    .because([selector_line(usage)])
    .because(labels)
    .on(ids(&usage.looks))
    .fix(fix)
}

/// One endpoint as the clients of a Service saw it.
struct EndpointAnswer {
    endpoint: String,
    workload: Option<WorkloadKey>,
    works: bool,
    words: String,
}

/// What each endpoint said, over all clients: it works if anyone got through, it is bad if no one did.
fn answers(context: &Context<'_>, look: &Unproven<'_, '_>) -> Vec<EndpointAnswer> {
    let mut seen: BTreeMap<&str, Vec<(String, &EndpointWalk<'_>)>> = BTreeMap::new();
    for walk in look.evidence.firm() {
        for (endpoint, steps) in walk.endpoints.iter().filter(|(_, walk)| walk.ready) {
            seen.entry(endpoint)
                .or_default()
                .push((walk.place(), steps));
        }
    }
    seen.into_iter()
        .filter_map(|(endpoint, walks)| {
            let workload = target::workload_at(context, endpoint);
            let own = context.graph.workloads(&look.edge.to);
            let stranger = !own.is_empty() && workload.iter().any(|one| !own.contains(one));
            let broken = |walk: &EndpointWalk<'_>, place: &str| broken(walk, look, place, stranger);
            let failure = walks.iter().find_map(|(place, walk)| broken(walk, place));
            let works = walks
                .iter()
                .any(|(place, walk)| walk.is_connected() && broken(walk, place).is_none());
            if !works && failure.is_none() {
                return None;
            }
            Some(EndpointAnswer {
                endpoint: endpoint.to_owned(),
                workload,
                works,
                words: failure.unwrap_or_default(),
            })
        })
        .collect()
}

/// Why an endpoint is of no use at all: it cannot be connected to, or something else answers there, be it by the same protocol.
fn broken(
    walk: &EndpointWalk<'_>,
    look: &Unproven<'_, '_>,
    place: &str,
    stranger: bool,
) -> Option<String> {
    let step = walk.failure(look.edge)?;
    let useless = stranger
        || step.name == StepName::Endpoint
        || (step.name == StepName::Protocol
            && matches!(
                step.error,
                Some(
                    StepError::Mismatch
                        | StepError::Closed
                        | StepError::Silent
                        | StepError::Reset
                        | StepError::Broken
                )
            ));
    useless.then(|| target::line(place, step))
}

/// Whether policies, not the workload, keep a client of the edge from an endpoint.
pub(super) fn denied(context: &Context<'_>, look: &Unproven<'_, '_>, endpoint: &str) -> bool {
    let (Some(pod), Some((_, port))) =
        (target::pod_at(context, endpoint), target::address(endpoint))
    else {
        return false;
    };
    let to = policy::Peer::of_pod(context.snapshot, pod);
    target::clients(context, look.edge).iter().any(|client| {
        policy::Peer::of_workload(context.snapshot, client).is_some_and(|from| {
            policy::evaluate(
                context.snapshot,
                &from,
                &to,
                port,
                look.edge.protocol.transport(),
            ) != policy::Decision::Allowed
        })
    })
}

/// Services behind which some endpoints work and others do not.
pub(super) fn mixed(context: &Context<'_>) -> Vec<Finding> {
    let looks = looks(context);
    let uses = uses(context, &looks);
    let findings = uses.iter().flat_map(|usage| {
        let looks = usage.looks.iter();
        looks.filter_map(move |look| split(context, usage, look))
    });
    let unproven = |usage: &&Usage<'_, '_>| context.outcomes.is_some() && !usage.looks.is_empty();
    let shared = uses.iter().filter(|usage| !unproven(usage));
    let shared = shared.filter_map(|usage| shared_by_tiers(context, usage));
    findings.chain(shared).collect()
}

fn split(context: &Context<'_>, usage: &Usage<'_, '_>, look: &Unproven<'_, '_>) -> Option<Finding> {
    let (good, bad): (Vec<EndpointAnswer>, Vec<EndpointAnswer>) = answers(context, look)
        .into_iter()
        .partition(|answer| answer.works);
    if good.is_empty()
        || bad.is_empty()
        || bad.iter().any(|bad| denied(context, look, &bad.endpoint))
    {
        return None;
    }
    // Whom its clients mean: not every tier that the selector happens to take.
    let own: BTreeSet<&WorkloadKey> = context
        .graph
        .workloads(&look.edge.to)
        .iter()
        .chain(good.iter().filter_map(|answer| answer.workload.as_ref()))
        .collect();
    let foreign_workloads: BTreeSet<&WorkloadKey> = bad
        .iter()
        .filter_map(|answer| answer.workload.as_ref())
        .collect();
    let foreign = !foreign_workloads.is_empty()
        && !usage.service.spec.selector.is_empty()
        && bad.iter().all(|answer| {
            answer
                .workload
                .as_ref()
                .is_some_and(|workload| !own.contains(workload))
        });
    let name = service_name(context, &usage.key);
    let pods: Vec<String> = bad
        .iter()
        .map(|answer| {
            target::pod_at(context, &answer.endpoint)
                .map_or_else(|| answer.endpoint.clone(), |pod| pod.metadata.name.clone())
        })
        .collect();
    let total = good.len() + bad.len();
    let listed: Vec<String> = foreign_workloads.iter().map(ToString::to_string).collect();
    let (code, message) = if foreign {
        (
            Code::ServiceSelectorTooBroad,
            format!(
                "the selector {} of {name} also takes Pods of {}, which do not serve port {}: {} of {total} endpoints fail",
                fixes::labels_text(&usage.service.spec.selector),
                listed.join(", "),
                look.edge.port,
                bad.len()
            ),
        )
    } else {
        (
            Code::ServiceEndpointsPartial,
            format!(
                "{} of {total} endpoints of {name} do not work: {}",
                bad.len(),
                pods.join(", ")
            ),
        )
    };
    let works = good
        .iter()
        .map(|answer| format!("{} works", answer.endpoint));
    let fails = bad.iter().map(|answer| answer.words.clone());
    let finding = Finding::new(code, Severity::Error, usage.key.object(), message)
        .because(fails.chain(works).take(8))
        .on([&look.edge.id]);
    Some(if foreign {
        let subject = own.iter().find_map(|key| subject(context, key));
        finding.fix(subject.map_or_else(Fix::default, |subject| select(context, usage, subject)))
    } else {
        finding
            .caused_by(troubles_of(context, &foreign_workloads))
            .fix(format!(
                "fix or replace {}: it is called ready and does not serve; a readiness probe on the port that the Service uses would keep it out",
                pods.join(", ")
            ))
    })
}

fn troubles_of(context: &Context<'_>, keys: &BTreeSet<&WorkloadKey>) -> Vec<(Code, ObjectRef)> {
    keys.iter()
        .filter_map(|key| subject(context, key))
        .flat_map(crate::diagnose::workloads::causes)
        .collect()
}

/// A selector that takes Pods of two tiers, though all of them answer: the other tier has a Service that is its alone, or, as far as manifests
/// show, other ports only. Clients cannot mean both, and perhaps a canary is meant: a warning.
fn shared_by_tiers(context: &Context<'_>, usage: &Usage<'_, '_>) -> Option<Finding> {
    let behind = subjects_behind(context, &usage.key, usage.service);
    let (own, others): (Vec<_>, Vec<_>) = behind.into_iter().partition(|subject| {
        let mut asked = usage.asked.iter();
        asked.any(|tier| tier.workloads.contains(&subject.key))
    });
    let foreign = others
        .into_iter()
        .filter(|subject| !subject.tiers.is_empty());
    let foreign: Vec<String> = foreign
        .filter(|subject| {
            (context.outcomes.is_none() && serves_other_ports(usage, subject))
                || has_own_service(context, &own, subject)
        })
        .map(|subject| subject.key.to_string())
        .collect();
    let first = own.first().filter(|_| !foreign.is_empty())?;
    let finding = Finding::new(
        Code::ServiceSelectorTooBroad,
        Severity::Warning,
        usage.key.object(),
        format!(
            "the selector {} of {} also takes Pods of {}, so these get a part of what is meant for {}",
            fixes::labels_text(&usage.service.spec.selector),
            service_name(context, &usage.key),
            foreign.join(", "),
            first.key
        ),
    )
    .because([selector_line(usage)])
    .fix(select(context, usage, first));
    Some(finding)
}

/// Whether the Pods declare ports, and none that the Service leads to.
fn serves_other_ports(usage: &Usage<'_, '_>, subject: &WorkloadFacts<'_>) -> bool {
    subject.template.is_some_and(|template| {
        let declared = fixes::declared_ports(template.spec);
        !declared.is_empty()
            && usage.service.spec.ports.iter().all(|port| {
                port.target(template.spec)
                    .map(NonZeroU16::get)
                    .is_none_or(|target| !declared.contains(&target))
            })
    })
}

/// Whether compose has the tier as one by itself, and a Service leads to it and to none of the others.
fn has_own_service(
    context: &Context<'_>,
    others: &[&WorkloadFacts<'_>],
    subject: &WorkloadFacts<'_>,
) -> bool {
    subject.tiers.iter().all(|tier| tier.in_compose)
        && selecting(context, subject).iter().any(|(key, service)| {
            let behind = subjects_behind(context, key, service);
            let is_other = |one: &&WorkloadFacts<'_>| others.iter().any(|own| own.key == one.key);
            !behind.iter().any(is_other)
        })
}

#[cfg(test)]
mod tests;
