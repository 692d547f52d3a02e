//! Names that mean nothing: no Service at all, another name, another namespace, no workload. Pure.

mod make;
mod pod_name;
mod tiers;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use make::ports_to_make;
use make::{names_to_make, service_missing, service_to_make};
use pod_name::no_such_pod;
use tiers::workload_missing;
pub(super) use tiers::{
    mapped_to_nothing, missing_tier, servers_without_service, tiers_without_workload,
};

use super::{Unproven, askers, dns_words, ids, looks, selecting, service_name, tier_subjects};
use crate::address;
use crate::diagnose::Context;
use crate::diagnose::fixes::{self};
use crate::diagnose::subject::WorkloadFacts;
use crate::finding::{Code, Finding, Fix, ObjectRef};
use crate::graph::Tier;
use crate::observe::kinds::Service;
use crate::observe::{HostMeaning, ServiceKey};
use crate::probe::wire::{StepError, StepStatus};
use crate::shell::Command;

/// Why the name of an edge means nothing, sorted by what fixes it.
enum NameProblem<'c, 'a> {
    /// No Service selects the target.
    NoService(&'c WorkloadFacts<'a>),
    /// A Service selects it under another name.
    OtherName(ServiceKey, &'a Service, &'c WorkloadFacts<'a>),
    /// The name is that of a Service elsewhere.
    OtherNamespace(ServiceKey),
    /// Nothing runs the tier.
    NoWorkload(&'a Tier),
}

impl NameProblem<'_, '_> {
    /// What is said of which object.
    fn finding_of(&self) -> (Code, ObjectRef) {
        match self {
            Self::NoService(subject) => (Code::ServiceMissing, subject.key.object()),
            Self::OtherName(key, ..) => (Code::ServiceNameMismatch, key.object()),
            Self::OtherNamespace(key) => (Code::ServiceInOtherNamespace, key.object()),
            Self::NoWorkload(tier) => (
                Code::WorkloadMissing,
                ObjectRef::new("tier", &tier.name, ""),
            ),
        }
    }
}

/// Edges whose host is no name of the cluster.
pub(super) fn unresolved(context: &Context<'_>) -> Vec<Finding> {
    let looks = looks(context);
    let mut found: BTreeMap<(Code, ObjectRef), (NameProblem<'_, '_>, Vec<&Unproven<'_, '_>>)> =
        BTreeMap::new();
    for look in &looks {
        if let Some(answer) = answer(context, look) {
            let (_, looks) = found
                .entry(answer.finding_of())
                .or_insert_with(|| (answer, Vec::new()));
            looks.push(look);
        }
    }
    let findings = found.into_values().map(|(answer, looks)| match answer {
        NameProblem::NoService(subject) => service_missing(context, subject, &looks),
        NameProblem::OtherName(key, service, subject) => {
            name_mismatch(context, &key, service, subject, &looks)
        }
        NameProblem::OtherNamespace(key) => in_other_namespace(context, &key, &looks),
        NameProblem::NoWorkload(tier) => workload_missing(context, tier, &looks),
    });
    findings.collect()
}

fn answer<'c, 'a>(
    context: &'c Context<'a>,
    look: &Unproven<'_, 'a>,
) -> Option<NameProblem<'c, 'a>> {
    // Whatever the API shows: a name that resolves is no missing name.
    if look.resolved() || look.destination.aliased || !look.destination.way.services.is_empty() {
        return None;
    }
    // What the client's own variable does not hold was not asked for: compose's name is no more than compose's.
    let mut steps = look.evidence.firm().filter_map(|walk| walk.dns);
    if look.edge.is_unread() && steps.any(|step| step.status == StepStatus::Unknown) {
        return None;
    }
    let tier = context.graph.tiers.get(&look.edge.to);
    let client_runs_here = context
        .graph
        .workloads(&look.edge.from)
        .iter()
        .any(|key| key.namespace == look.client_namespace);
    let subjects = tier.map_or_else(Vec::new, |tier| tier_subjects(context, tier));
    let elsewhere = match &look.destination.way.end {
        HostMeaning::Missing => Vec::new(),
        // Without a client here nothing is to be joined with another namespace.
        HostMeaning::ServiceElsewhere(_) if !client_runs_here => return None,
        HostMeaning::ServiceElsewhere(keys) => keys
            .iter()
            .filter(|key| !is_another_installation(context, key, look.client_namespace))
            .cloned()
            .collect(),
        // A dotted name is the cluster's concern only if it was asked for, was not found, and stands for a tier that is here.
        HostMeaning::Outside if !subjects.is_empty() && not_found(look) => Vec::new(),
        _ => return None,
    };
    let mut candidates: Vec<(ServiceKey, &Service, &WorkloadFacts<'_>)> = subjects
        .iter()
        .flat_map(|subject| {
            selecting(context, subject)
                .into_iter()
                .map(|(key, service)| (key, service, *subject))
        })
        .collect();
    if let Some((key, ..)) = candidates.iter().find(|(key, ..)| elsewhere.contains(key)) {
        return Some(NameProblem::OtherNamespace(key.clone()));
    }
    // Best the Service that offers the port, then the first by name.
    candidates.sort_by_key(|(key, service, _)| {
        let mut ports = service.spec.ports.iter();
        (!ports.any(|port| port.is(look.edge.port)), key.clone())
    });
    if let Some((key, service, subject)) = candidates.into_iter().next() {
        return Some(NameProblem::OtherName(key, service, subject));
    }
    let main = subjects
        .iter()
        .find(|subject| !subject.pods.is_empty())
        .or(subjects.first());
    if let Some(subject) = main {
        return Some(NameProblem::NoService(subject));
    }
    if let Some(key) = nearest_namespace(&elsewhere, look.client_namespace) {
        return Some(NameProblem::OtherNamespace(key.clone()));
    }
    tier.filter(|tier| tier.in_compose && tier.expected)
        .filter(|tier| !may_be_made(context, tier, look))
        .map(NameProblem::NoWorkload)
}

/// Whether an operator is asked for such a server in the manifests, under a name that the host has in it: `shop-db` and `shop-db-rw`.
fn may_be_made(context: &Context<'_>, tier: &Tier, look: &Unproven<'_, '_>) -> bool {
    let Some(server) = &tier.server else {
        return false;
    };
    let labels: Vec<&str> = look.edge.host.split('.').collect();
    let host = format!("-{}-", labels[0]);
    let namespace = labels.get(1).unwrap_or(&look.client_namespace);
    context.snapshot.unread.iter().any(|object| {
        let makes = |word: &String| address::product(word) == Some(server.protocol);
        object.namespace == *namespace
            && host.contains(&format!("-{}-", object.name))
            && address::words(&object.kind).iter().any(makes)
    })
}

/// Whether a Service elsewhere belongs to another installation of the application: its namespace has Services that the client's own
/// has too. No one means to call that one.
fn is_another_installation(context: &Context<'_>, key: &ServiceKey, own: &str) -> bool {
    let names = |namespace: &str| -> BTreeSet<&str> {
        let state = context.snapshot.namespaces.get(namespace);
        state
            .into_iter()
            .flat_map(|state| &state.services)
            .map(|service| service.metadata.name.as_str())
            .collect()
    };
    !names(&key.namespace).is_disjoint(&names(own))
}

fn not_found(look: &Unproven<'_, '_>) -> bool {
    look.evidence
        .firm()
        .filter_map(|walk| walk.dns)
        .any(|step| {
            step.status == StepStatus::Fail
                && matches!(
                    step.error,
                    Some(StepError::Nxdomain | StepError::DnsInvalid)
                )
        })
}

/// Of several namespaces, the one whose name has most in common with the client's.
fn nearest_namespace<'k>(keys: &'k [ServiceKey], client: &str) -> Option<&'k ServiceKey> {
    keys.iter().max_by_key(|key| {
        let common = key
            .namespace
            .bytes()
            .zip(client.bytes())
            .take_while(|(left, right)| left == right)
            .count();
        (common, std::cmp::Reverse(&key.namespace))
    })
}

fn name_mismatch(
    context: &Context<'_>,
    key: &ServiceKey,
    service: &Service,
    subject: &WorkloadFacts<'_>,
    looks: &[&Unproven<'_, '_>],
) -> Finding {
    let edges: Vec<_> = looks.iter().map(|look| look.edge).collect();
    let (names, impossible) = names_to_make(subject, looks);
    let rename = rename_clients(context, key, looks);
    let whole = impossible.is_empty();
    let of_pod = looks
        .iter()
        .find_map(|look| no_such_pod(context, &look.edge.host, look.client_namespace));
    let why = of_pod.as_ref().map_or_else(
        || {
            format!(
                "; the Service of {} is called {}",
                subject.name(&context.snapshot.namespace),
                service_name(context, key).trim_start_matches("service/")
            )
        },
        |name| format!(": {}", name.why),
    );
    Finding::of(
        Code::ServiceNameMismatch,
        key.object(),
        format!(
            "{}, a name that does not exist{why}",
            askers(edges.iter().copied())
        ),
    )
    .because([format!(
        "service/{} selects {} ({})",
        key.name,
        subject.key,
        fixes::labels_text(&service.spec.selector)
    )])
    .because(dns_words(looks))
    .because(edges.iter().flat_map(|edge| edge.origin.iter().cloned()))
    .on(ids(looks))
    .fix(if let Some(name) = of_pod {
        Fix::text(name.fix)
    } else if whole && !names.is_empty() {
        let ports = ports_to_make(subject, looks);
        let mut fix = service_to_make(context, subject, &names, &ports, &[]);
        fix.text = format!("make the clients ask for {}, or {}", key.name, fix.text);
        fix.command = rename;
        fix
    } else {
        Fix::text(format!(
            "make the clients ask for {} instead of {}",
            qualified(looks, key),
            impossible.join(", ")
        ))
        .run(rename)
    })
}

/// The Service's name as those clients have to write it.
fn qualified(looks: &[&Unproven<'_, '_>], key: &ServiceKey) -> String {
    if looks
        .iter()
        .all(|look| look.client_namespace == key.namespace)
    {
        key.name.clone()
    } else {
        format!("{}.{}", key.name, key.namespace)
    }
}

/// `kubectl set env`, where every client has the bare host in a variable of its own template.
fn rename_clients(
    context: &Context<'_>,
    key: &ServiceKey,
    looks: &[&Unproven<'_, '_>],
) -> Option<Command> {
    let name = qualified(looks, key);
    let mut commands = BTreeSet::new();
    for look in looks {
        let variable = look
            .edge
            .variable
            .as_deref()
            .filter(|name| is_variable(name))?;
        let tier = context.graph.tiers.get(&look.edge.from)?;
        let [client] = tier.workloads.as_slice() else {
            return None;
        };
        if matches!(client.kind.as_str(), "pod" | "job" | "cronjob") {
            return None;
        }
        let template = context.snapshot.template(client)?;
        let bare = template
            .spec
            .containers
            .iter()
            .flat_map(|container| &container.env)
            .any(|entry| {
                entry.name == variable && entry.value.as_deref() == Some(look.edge.host.as_str())
            });
        if !bare {
            return None;
        }
        commands.insert(Command::kubectl(
            &client.namespace,
            &[
                "set",
                "env",
                &client.to_string(),
                &format!("{variable}={name}"),
            ],
        ));
    }
    commands.into_iter().reduce(|all, next| all.and(&next))
}

/// Whether `kubectl set env` takes it for a variable, and not for an option of its own.
fn is_variable(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-'))
}

fn in_other_namespace(
    context: &Context<'_>,
    key: &ServiceKey,
    looks: &[&Unproven<'_, '_>],
) -> Finding {
    let client = looks
        .first()
        .map_or(context.snapshot.namespace.as_str(), |look| {
            look.client_namespace
        });
    let name = &key.name;
    let manifest = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": client},
        "spec": {"type": "ExternalName", "externalName": format!("{name}.{}.svc.cluster.local", key.namespace)},
    });
    Finding::of(
        Code::ServiceInOtherNamespace,
        key.object(),
        format!(
            "{}, and a Service of that name is in namespace {} only: a short name is found in the client's own namespace",
            askers(looks.iter().map(|look| look.edge)),
            key.namespace
        ),
    )
    .because(dns_words(looks))
    .because([format!(
        "service/{} exists in namespace {}",
        key.name, key.namespace
    )])
    .on(ids(looks))
    .fix(Fix {
        text: format!(
            "make the clients ask for {name}.{}, or give their namespace a Service `{name}` of type ExternalName that leads there",
            key.namespace
        ),
        command: rename_clients(context, key, looks),
        // Maps and strings always have a YAML form.
        manifest: serde_saphyr::to_string(&manifest).ok(),
    })
}

#[cfg(test)]
mod tests;
