//! A Service that is to be made, with the ports and names that its clients use. Pure.

use crate::diagnose::Context;
use crate::diagnose::fixes::{self, PortToMake};
use crate::diagnose::services::{Unproven, askers, dns_words, ids};
use crate::diagnose::subject::WorkloadFacts;
use crate::finding::{Code, Finding, Fix};
use crate::shell::Command;
use std::collections::BTreeSet;

/// The ports that those clients dial, each with what the container listens on.
pub(in crate::diagnose::services) fn ports_to_make(
    subject: &WorkloadFacts<'_>,
    looks: &[&Unproven<'_, '_>],
) -> Vec<PortToMake> {
    let ports: BTreeSet<PortToMake> = looks
        .iter()
        .map(|look| PortToMake {
            port: look.edge.port.get(),
            target: fixes::target_port(subject, look.edge.port.get()),
            transport: look.edge.protocol.transport(),
        })
        .collect();
    ports.into_iter().collect()
}

/// The Service that gives a subject the names that its clients use; names that cannot be are left to the clients.
pub(super) fn service_to_make(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
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
        return Fix::text(text);
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
pub(super) fn names_to_make<'l>(
    subject: &WorkloadFacts<'_>,
    looks: &[&'l Unproven<'_, '_>],
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

pub(super) fn pods_text(subject: &WorkloadFacts<'_>) -> String {
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

pub(super) fn service_missing(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    looks: &[&Unproven<'_, '_>],
) -> Finding {
    let hosts: BTreeSet<&str> = looks.iter().map(|look| look.edge.host.as_str()).collect();
    let hosts: Vec<&str> = hosts.into_iter().collect();
    let asked = dns_words(looks);
    let silent = asked.is_empty();
    let clients = silent.then(|| askers(looks.iter().map(|look| look.edge)));
    let (names, impossible) = names_to_make(subject, looks);
    let ports = ports_to_make(subject, looks);
    Finding::of(
        Code::ServiceMissing,
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
    )
    .because([no_service_line(context, subject)])
    .because(asked.into_iter().chain(clients))
    .on(ids(looks))
    .fix(service_to_make(
        context,
        subject,
        &names,
        &ports,
        &impossible,
    ))
}

pub(super) fn no_service_line(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> String {
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
