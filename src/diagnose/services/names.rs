//! Names that mean nothing: no Service at all, another name, another namespace, no workload. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Look, askers, dns_words, ids, looks, selecting, service_name, services_known, tier_subjects,
};
use crate::diagnose::Context;
use crate::diagnose::fixes::{self, PortToMake};
use crate::diagnose::subject::Subject;
use crate::finding::{Code, Finding, Fix, ObjectRef, Severity};
use crate::graph::{Confidence, Tier};
use crate::observe::kinds::Service;
use crate::observe::{HostMeaning, ServiceKey};
use crate::probe::wire::{StepError, StepStatus};
use crate::shell::Command;

/// Why the name of an edge means nothing, sorted by what fixes it.
enum Answer<'c, 'a> {
    /// No Service selects the target.
    NoService(&'c Subject<'a>),
    /// A Service selects it under another name.
    OtherName(ServiceKey, &'a Service, &'c Subject<'a>),
    /// The name is that of a Service elsewhere.
    OtherNamespace(ServiceKey),
    /// Nothing runs the tier.
    NoWorkload(&'a Tier),
}

/// Edges whose host is no name of the cluster.
pub(super) fn unresolved(context: &Context<'_>) -> Vec<Finding> {
    if !services_known(context) {
        return Vec::new();
    }
    let looks = looks(context);
    let mut missing: BTreeMap<ObjectRef, (&Subject<'_>, Vec<&Look<'_, '_>>)> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut renamed: BTreeMap<ServiceKey, (&Service, &Subject<'_>, Vec<&Look<'_, '_>>)> =
        BTreeMap::new();
    let mut elsewhere: BTreeMap<ServiceKey, Vec<&Look<'_, '_>>> = BTreeMap::new();
    let mut absent: BTreeMap<&str, (&Tier, Vec<&Look<'_, '_>>)> = BTreeMap::new();
    for look in &looks {
        match answer(context, look) {
            Some(Answer::NoService(subject)) => missing
                .entry(subject.key.object())
                .or_insert_with(|| (subject, Vec::new()))
                .1
                .push(look),
            Some(Answer::OtherName(key, service, subject)) => renamed
                .entry(key)
                .or_insert_with(|| (service, subject, Vec::new()))
                .2
                .push(look),
            Some(Answer::OtherNamespace(key)) => elsewhere.entry(key).or_default().push(look),
            Some(Answer::NoWorkload(tier)) => absent
                .entry(&tier.name)
                .or_insert_with(|| (tier, Vec::new()))
                .1
                .push(look),
            None => {}
        }
    }
    findings.extend(
        missing
            .into_values()
            .map(|(subject, looks)| service_missing(context, subject, &looks)),
    );
    findings.extend(renamed.into_iter().map(|(key, (service, subject, looks))| {
        name_mismatch(context, &key, service, subject, &looks)
    }));
    findings.extend(
        elsewhere
            .into_iter()
            .map(|(key, looks)| in_other_namespace(context, &key, &looks)),
    );
    findings.extend(
        absent
            .into_values()
            .map(|(tier, looks)| workload_missing(context, tier, &looks)),
    );
    findings
}

fn answer<'c, 'a>(context: &'c Context<'a>, look: &Look<'_, 'a>) -> Option<Answer<'c, 'a>> {
    // Whatever the API shows: a name that resolves is no missing name.
    if look.resolved() || look.destination.aliased || !look.destination.services.is_empty() {
        return None;
    }
    let tier = context.graph.tiers.get(&look.edge.to);
    let client_runs_here = context
        .graph
        .workloads(&look.edge.from)
        .iter()
        .any(|key| key.namespace == look.client_namespace);
    let subjects = tier.map_or_else(Vec::new, |tier| tier_subjects(context, tier));
    let elsewhere = match &look.destination.end {
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
    let mut candidates: Vec<(ServiceKey, &Service, &Subject<'_>)> = subjects
        .iter()
        .flat_map(|subject| {
            selecting(context, subject)
                .into_iter()
                .map(|(key, service)| (key, service, *subject))
        })
        .collect();
    if let Some((key, ..)) = candidates.iter().find(|(key, ..)| elsewhere.contains(key)) {
        return Some(Answer::OtherNamespace(key.clone()));
    }
    // Best the Service that offers the port, then the first by name.
    candidates.sort_by_key(|(key, service, _)| {
        let offers = service
            .spec
            .ports
            .iter()
            .any(|port| port.port == i32::from(look.edge.port.get()));
        (!offers, key.clone())
    });
    if let Some((key, service, subject)) = candidates.into_iter().next() {
        return Some(Answer::OtherName(key, service, subject));
    }
    let main = subjects
        .iter()
        .find(|subject| !subject.pods.is_empty())
        .or(subjects.first());
    if let Some(subject) = main {
        return Some(Answer::NoService(subject));
    }
    if let Some(key) = nearest_namespace(&elsewhere, look.client_namespace) {
        return Some(Answer::OtherNamespace(key.clone()));
    }
    tier.filter(|tier| tier.in_compose && tier.expected)
        .map(Answer::NoWorkload)
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

fn not_found(look: &Look<'_, '_>) -> bool {
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

/// The ports that those clients dial, each with what the container listens on.
fn ports_to_make(subject: &Subject<'_>, looks: &[&Look<'_, '_>]) -> Vec<PortToMake> {
    let ports: BTreeSet<PortToMake> = looks
        .iter()
        .map(|look| PortToMake {
            port: look.edge.port.get(),
            target: fixes::target_port(subject, look.edge.port.get()),
            transport: look.transport(),
        })
        .collect();
    ports.into_iter().collect()
}

/// The Service that gives a subject the names that its clients use; names that cannot be are left to the clients.
fn service_to_make(
    context: &Context<'_>,
    subject: &Subject<'_>,
    names: &[String],
    ports: &[PortToMake],
    impossible: &[&str],
) -> Fix {
    let name = subject.name(&context.snapshot.namespace);
    let listed: Vec<String> = ports.iter().map(|port| port.port.to_string()).collect();
    let mut text = format!(
        "create a ClusterIP Service `{}` with port {} for {name}",
        names.join("`, `"),
        listed.join(", ")
    );
    if !impossible.is_empty() {
        text.push_str(&format!(
            ", and make the clients that ask for {} use that name: it cannot be a Service's",
            impossible.join(", ")
        ));
    }
    let Some(selector) = fixes::selector(context, subject) else {
        text.push_str(
            "; first give its Pods a label of their own, such as `app`, to select them by",
        );
        return Fix {
            text,
            ..Fix::default()
        };
    };
    let manifests: Option<Vec<String>> = names
        .iter()
        .map(|name| fixes::service(name, &subject.key.namespace, &selector, ports))
        .collect();
    let command = match (names, ports, subject.key.kind.as_str()) {
        ([only], [port], "deployment")
            if port.transport == "TCP"
                && subject
                    .workload
                    .and_then(|workload| workload.spec.selector.as_ref())
                    .is_some_and(|own| own.match_labels == selector) =>
        {
            Some(Command::kubectl(
                &subject.key.namespace,
                &[
                    "expose",
                    &subject.key.to_string(),
                    &format!("--name={only}"),
                    &format!("--port={}", port.port),
                    &format!("--target-port={}", port.target),
                ],
            ))
        }
        _ => None,
    };
    Fix {
        text,
        command,
        manifest: manifests.map(|manifests| manifests.join("---\n")),
    }
}

/// The names to make, and the hosts that no Service can be called by.
fn names_to_make<'l>(
    subject: &Subject<'_>,
    looks: &[&'l Look<'_, '_>],
) -> (Vec<String>, Vec<&'l str>) {
    let mut names = BTreeSet::new();
    let mut impossible = BTreeSet::new();
    for look in looks {
        let host = look.edge.host.as_str();
        match fixes::name_for_host(host, look.client_namespace, &subject.key.namespace) {
            Some(name) => {
                names.insert(name);
            }
            None => {
                impossible.insert(host);
            }
        }
    }
    if names.is_empty() {
        names.extend(
            impossible
                .iter()
                .find_map(|host| fixes::nearest_name(host.split('.').next().unwrap_or(host)))
                .or_else(|| fixes::nearest_name(&subject.key.name)),
        );
    }
    (
        names.into_iter().collect(),
        impossible.into_iter().collect(),
    )
}

fn pods_text(subject: &Subject<'_>) -> String {
    match subject.pods.as_slice() {
        [] => format!("{} has no Pods", subject.key),
        [pod] => format!("Pod {} is {}", pod.metadata.name, pod.status.phase),
        [pod, rest @ ..] => format!(
            "Pod {} ({} more) is {}",
            pod.metadata.name,
            rest.len(),
            pod.status.phase
        ),
    }
}

fn service_missing(
    context: &Context<'_>,
    subject: &Subject<'_>,
    looks: &[&Look<'_, '_>],
) -> Finding {
    let hosts: BTreeSet<&str> = looks.iter().map(|look| look.edge.host.as_str()).collect();
    let hosts: Vec<&str> = hosts.into_iter().collect();
    let mut finding = Finding::new(
        Code::ServiceMissing,
        Severity::Error,
        subject.key.object(),
        format!(
            "{}, and no Service selects it: the name {} does not exist in this cluster",
            if context.snapshot.offline {
                subject.name(&context.snapshot.namespace)
            } else {
                pods_text(subject)
            },
            hosts.join(", ")
        ),
    );
    finding.evidence.push(no_service_line(context, subject));
    let asked = dns_words(looks);
    let silent = asked.is_empty();
    let clients = silent.then(|| askers(looks.iter().map(|look| look.edge)));
    finding.evidence.extend(asked.into_iter().chain(clients));
    finding.edges = ids(looks);
    let (names, impossible) = names_to_make(subject, looks);
    let ports = ports_to_make(subject, looks);
    finding.fix = Some(service_to_make(
        context,
        subject,
        &names,
        &ports,
        &impossible,
    ));
    finding
}

fn no_service_line(context: &Context<'_>, subject: &Subject<'_>) -> String {
    let labels = subject
        .template
        .map(|template| fixes::labels_text(template.labels))
        .unwrap_or_default();
    let count = context
        .snapshot
        .namespaces
        .get(&subject.key.namespace)
        .map_or(0, |state| state.services.len());
    format!(
        "none of the {count} Services of namespace {} selects its labels {labels}",
        subject.key.namespace
    )
}

fn name_mismatch(
    context: &Context<'_>,
    key: &ServiceKey,
    service: &Service,
    subject: &Subject<'_>,
    looks: &[&Look<'_, '_>],
) -> Finding {
    let edges: Vec<_> = looks.iter().map(|look| look.edge).collect();
    let (names, impossible) = names_to_make(subject, looks);
    let mut finding = Finding::new(
        Code::ServiceNameMismatch,
        Severity::Error,
        key.object(),
        format!(
            "{}, a name that does not exist; the Service of {} is called {}",
            askers(edges.iter().copied()),
            subject.name(&context.snapshot.namespace),
            service_name(context, key).trim_start_matches("service/")
        ),
    );
    finding.evidence.push(format!(
        "service/{} selects {} ({})",
        key.name,
        subject.key,
        fixes::labels_text(&service.spec.selector)
    ));
    finding.evidence.extend(dns_words(looks));
    finding
        .evidence
        .extend(edges.iter().flat_map(|edge| edge.origin.iter().cloned()));
    finding.edges = ids(looks);
    let rename = rename_clients(context, key, looks);
    let whole = impossible.is_empty();
    finding.fix = Some(if whole && !names.is_empty() {
        let ports = ports_to_make(subject, looks);
        let mut fix = service_to_make(context, subject, &names, &ports, &[]);
        fix.text = format!("make the clients ask for {}, or {}", key.name, fix.text);
        fix.command = rename;
        fix
    } else {
        Fix {
            text: format!(
                "make the clients ask for {} instead of {}",
                qualified(looks, key),
                impossible.join(", ")
            ),
            command: rename,
            manifest: None,
        }
    });
    finding
}

/// The Service's name as those clients have to write it.
fn qualified(looks: &[&Look<'_, '_>], key: &ServiceKey) -> String {
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
    looks: &[&Look<'_, '_>],
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

fn in_other_namespace(context: &Context<'_>, key: &ServiceKey, looks: &[&Look<'_, '_>]) -> Finding {
    let mut finding = Finding::new(
        Code::ServiceInOtherNamespace,
        Severity::Error,
        key.object(),
        format!(
            "{}, and a Service of that name is in namespace {} only: a short name is found in the client's own namespace",
            askers(looks.iter().map(|look| look.edge)),
            key.namespace
        ),
    );
    finding.evidence.extend(dns_words(looks));
    finding.evidence.push(format!(
        "service/{} exists in namespace {}",
        key.name, key.namespace
    ));
    finding.edges = ids(looks);
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
    finding.fix = Some(Fix {
        text: format!(
            "make the clients ask for {name}.{}, or give their namespace a Service `{name}` of type ExternalName that leads there",
            key.namespace
        ),
        command: rename_clients(context, key, looks),
        // Maps and strings always have a YAML form.
        manifest: serde_saphyr::to_string(&manifest).ok(),
    });
    finding
}

/// A tier that no one runs. Where its clients were sent to a host outside, only those are left that merely start after it in compose.
fn workload_missing(context: &Context<'_>, tier: &Tier, looks: &[&Look<'_, '_>]) -> Finding {
    let replaced = context
        .graph
        .edges
        .iter()
        .find(|edge| edge.external && edge.to == tier.name && !edge.forbidden)
        .filter(|_| {
            looks
                .iter()
                .all(|look| look.edge.confidence == Confidence::Weak)
        });
    let is_weak = |look: &&Look<'_, '_>| look.edge.confidence == Confidence::Weak;
    let runs = |look: &&Look<'_, '_>| !context.graph.workloads(&look.edge.from).is_empty();
    let (severity, message) = match replaced {
        None if !looks.iter().any(runs) => (
            Severity::Info,
            format!("nothing runs {}, nor those that would call it", tier.name),
        ),
        None if looks.iter().all(is_weak) => (
            Severity::Info,
            format!(
                "nothing runs {}, and nothing that runs here is configured to call it",
                tier.name
            ),
        ),
        Some(edge) => (
            Severity::Info,
            format!(
                "nothing runs {} here: {} asks for {} in its place",
                tier.name, edge.from, edge.host
            ),
        ),
        None => (
            Severity::Error,
            format!(
                "nothing runs {}, and {}",
                tier.name,
                askers(looks.iter().map(|look| look.edge))
            ),
        ),
    };
    let mut finding = missing_tier(tier, severity, message);
    finding.evidence.extend(dns_words(looks));
    finding.edges = ids(looks);
    finding
}

/// Tiers that the user's file maps to a workload that is not there.
pub(super) fn mapped_to_nothing(context: &Context<'_>) -> Vec<Finding> {
    let missing = |(tier, sentence): (&String, &String)| {
        let object = ObjectRef::new("tier", tier, "");
        let mut finding = Finding::new(
            Code::WorkloadMissing,
            Severity::Error,
            object,
            sentence.clone(),
        );
        finding.fix = Some(Fix {
            text: "correct the mapping under `tiers`, deploy that workload, or write `none` if the tier does not run here".to_owned(),
            ..Fix::default()
        });
        finding
    };
    context.graph.unmapped.iter().map(missing).collect()
}

pub(super) fn missing_tier(tier: &Tier, severity: Severity, message: String) -> Finding {
    let mut finding = Finding::new(
        Code::WorkloadMissing,
        severity,
        ObjectRef::new("tier", &tier.name, ""),
        message,
    );
    finding.evidence.push(format!(
        "no workload of the namespace stands for the compose service {}{}",
        tier.name,
        tier.image
            .as_ref()
            .map(|image| format!(" (image {image})"))
            .unwrap_or_default()
    ));
    finding.fix = Some(Fix {
        text: format!(
            "deploy {0}; if it lives elsewhere now, give the clients its address or a Service `{1}` that leads there; if it is not meant to run here, say `tiers: {{{0}: none}}` in k8sverify.yaml",
            tier.name,
            fixes::nearest_name(&tier.name).unwrap_or_else(|| tier.name.clone())
        ),
        ..Fix::default()
    });
    finding
}

/// Tiers that plainly are servers and that no Service selects, whether an edge is known or not: compose gave them a name.
pub(super) fn servers_without_service(context: &Context<'_>) -> Vec<Finding> {
    if !services_known(context) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for tier in context.graph.tiers.values() {
        let Some(server) = tier
            .server
            .as_ref()
            .filter(|_| tier.in_compose && tier.expected && !tier.one_shot)
        else {
            continue;
        };
        let subjects = tier_subjects(context, tier);
        let Some(main) = subjects
            .iter()
            .find(|subject| !subject.pods.is_empty())
            .or(subjects.first())
            // What was deployed to run to its end serves no one, whatever its image.
            .filter(|subject| !subject.is_one_shot())
        else {
            continue;
        };
        let has_service = subjects.iter().any(|subject| {
            !selecting(context, subject).is_empty() || serves_by_name(context, tier, subject)
        });
        // Its clients have another way, if all of them get through.
        let mut calls = context
            .graph
            .edges
            .iter()
            .filter(|edge| edge.to == tier.name && !edge.forbidden)
            .peekable();
        let reached = calls.peek().is_some()
            && calls.all(|edge| {
                context
                    .evidence(&edge.id)
                    .is_some_and(|evidence| evidence.status() == StepStatus::Pass)
            });
        if has_service || reached {
            continue;
        }
        let name = tier
            .names
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .find(|name| fixes::is_service_name(name))
            .or_else(|| fixes::nearest_name(&tier.name))
            .or_else(|| fixes::nearest_name(&main.key.name));
        // A port that the container alone declares may be one for metrics, which no one calls by name.
        let severity = if server.evidence.starts_with("containerPort") {
            Severity::Warning
        } else {
            Severity::Error
        };
        let mut finding = Finding::new(
            Code::ServiceMissing,
            severity,
            main.key.object(),
            format!(
                "{}, and no Service selects it: compose gives it the name {}, the cluster does not",
                if context.snapshot.offline {
                    main.key.to_string()
                } else {
                    pods_text(main)
                },
                tier.name
            ),
        );
        finding.evidence.push(no_service_line(context, main));
        finding
            .evidence
            .push(format!("{} is a server: {}", tier.name, server.evidence));
        let port = PortToMake {
            port: server.port.get(),
            target: fixes::target_port(main, server.port.get()),
            transport: "TCP",
        };
        let wanted: Vec<String> = name.into_iter().collect();
        finding.fix = Some(service_to_make(context, main, &wanted, &[port], &[]));
        findings.push(finding);
    }
    findings
}

/// Whether a Service that is called like the tier serves it in another way: an `ExternalName`, endpoints made by hand, or a
/// selector that is merely wrong, which has its own finding.
fn serves_by_name(context: &Context<'_>, tier: &Tier, subject: &Subject<'_>) -> bool {
    tier.names.iter().any(|name| {
        let key = ServiceKey {
            namespace: subject.key.namespace.clone(),
            name: name.to_ascii_lowercase(),
        };
        context.snapshot.service(&key).is_some()
    })
}

/// Tiers of compose that nothing runs and no one deployed calls: perhaps they live elsewhere now.
pub(super) fn tiers_without_workload(context: &Context<'_>) -> Vec<Finding> {
    if !services_known(context) {
        return Vec::new();
    }
    context
        .graph
        .tiers
        .values()
        .filter(|tier| {
            let called = context.graph.edges.iter().any(|edge| {
                edge.to == tier.name
                    && context
                        .graph
                        .tiers
                        .get(&edge.from)
                        .is_some_and(|client| !client.workloads.is_empty())
            });
            tier.in_compose
                && tier.expected
                && !tier.one_shot
                && tier.workloads.is_empty()
                && tier.services.is_empty()
                && !called
        })
        .map(|tier| {
            missing_tier(
                tier,
                Severity::Info,
                format!(
                    "nothing runs {}, and no one deployed here calls it",
                    tier.name
                ),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
