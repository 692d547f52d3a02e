//! Ports: what the Service offers, what it sends traffic to, and what the Pods declare. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use serde_json::{Value, json};

use super::{Unproven, Usage, ids, looks, service_name};
use crate::diagnose::Context;
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::joined;
use crate::diagnose::{fixes, kubelet_probes};
use crate::finding::{Code, Finding, Fix, Severity};
use crate::observe::ServiceKey;
use crate::observe::kinds::{PodSpec, Service, ServicePort};

/// The Pods' port that a client of that port reaches; nothing where a headless name would have to translate it.
pub(super) fn dialled_target(port: &ServicePort, service: &Service, spec: &PodSpec) -> Option<u16> {
    port.target(spec)
        .map(NonZeroU16::get)
        .filter(|target| !service.spec.is_headless() || i32::from(*target) == port.port)
}

/// The port of the Service that an edge dials.
pub(super) fn dialled<'a>(
    look: &Unproven<'_, '_>,
    service: &'a Service,
) -> Option<&'a ServicePort> {
    service
        .spec
        .port(look.edge.port, look.edge.protocol.transport())
}

/// `3307 → 3306`, for people.
fn offer(service: &Service) -> String {
    let ports: Vec<String> = service
        .spec
        .ports
        .iter()
        .map(|port| {
            let target = match &port.target_port {
                Value::Null => port.port.to_string(),
                Value::String(name) => name.clone(),
                other => other.to_string(),
            };
            format!("{} → {target} ({})", port.port, port.transport())
        })
        .collect();
    if ports.is_empty() {
        "no port".to_owned()
    } else {
        ports.join(", ")
    }
}

/// Ports that clients dial and the Service does not offer, or offers with another transport.
pub(super) fn not_offered(context: &Context<'_>) -> Vec<Finding> {
    let looks = looks(context);
    // Whether the Service offers the port to another protocol.
    let mut missing: BTreeMap<(ServiceKey, bool), (&Service, Vec<&Unproven<'_, '_>>)> =
        BTreeMap::new();
    for look in &looks {
        let Some((key, service)) = look.destination.way.last() else {
            continue;
        };
        if !service.spec.is_headless() && dialled(look, service).is_none() {
            let mut ports = service.spec.ports.iter();
            let other = ports.any(|port| port.is(look.edge.port));
            let (_, looks) = missing
                .entry((key.clone(), other))
                .or_insert_with(|| (service, Vec::new()));
            looks.push(look);
        }
    }
    let found = missing.into_iter().map(|((key, other), (service, looks))| {
        let says = if other { port_protocol } else { port_missing };
        says(context, &key, service, &looks)
    });
    found.collect()
}

fn dialled_ports(looks: &[&Unproven<'_, '_>]) -> BTreeSet<u16> {
    looks.iter().map(|look| look.edge.port.get()).collect()
}

fn clients(looks: &[&Unproven<'_, '_>]) -> String {
    let from: BTreeSet<&str> = looks.iter().map(|look| look.edge.from.as_str()).collect();
    joined(from)
}

fn port_missing(
    context: &Context<'_>,
    key: &ServiceKey,
    service: &Service,
    looks: &[&Unproven<'_, '_>],
) -> Finding {
    let ports = dialled_ports(looks);
    let finding = Finding::of(
        Code::ServicePortMissing,
        key.object(),
        format!(
            "{} dials port {} of {}, which offers {} only",
            clients(looks),
            joined(&ports),
            service_name(context, key),
            offer(service)
        ),
    )
    .because([format!("ports of service/{}: {}", key.name, offer(service))])
    .because(
        looks
            .iter()
            .flat_map(|look| look.edge.origin.iter().cloned()),
    )
    .on(ids(looks));
    let mut operations = Vec::new();
    // A second port needs a name, and so does the first then.
    for (index, port) in service.spec.ports.iter().enumerate() {
        if port.name.is_empty() {
            let name = format!("{}-{}", port.transport().to_lowercase(), port.port);
            operations.push(
                json!({"op": "add", "path": format!("/spec/ports/{index}/name"), "value": name}),
            );
        }
    }
    let added: BTreeSet<(u16, &str)> = looks
        .iter()
        .map(|look| (look.edge.port.get(), look.edge.protocol.transport()))
        .collect();
    for (number, transport) in added {
        operations.push(json!({"op": "add", "path": "/spec/ports/-", "value": {
            "name": format!("{}-{number}", transport.to_lowercase()),
            "port": number,
            "protocol": transport,
            "targetPort": target_to_add(context, key, service, number),
        }}));
    }
    finding.fix(
        Fix::text(format!(
            "let service/{} offer port {} too (peers of a compose service use the container's port, not the published one), or make the clients dial one that it offers",
            key.name,
            joined(&ports)
        ))
        .run(fixes::patch(&key.object(), &operations)),
    )
}

/// Where a port that is to be added leads: to the Pods' port of that number if anything says that there is one, else where the
/// Service's only port leads.
fn target_to_add(context: &Context<'_>, key: &ServiceKey, service: &Service, number: u16) -> Value {
    let leads_there = service
        .spec
        .ports
        .iter()
        .any(|port| port.target_port == json!(number));
    let behind = subjects_behind(context, key, service);
    if leads_there {
        return json!(number);
    }
    if let Some(subject) = behind.first() {
        let target = fixes::target_port(subject, number);
        if target == number
            && subject
                .template
                .is_some_and(|template| fixes::declared_ports(template.spec).contains(&number))
        {
            return json!(number);
        }
    }
    match service.spec.ports.as_slice() {
        [only] if only.target_port.is_null() => json!(only.port),
        [only] => only.target_port.clone(),
        _ => behind.first().map_or(json!(number), |subject| {
            json!(fixes::target_port(subject, number))
        }),
    }
}

/// The subjects whose Pods a Service selects.
pub(super) fn subjects_behind<'c, 'a>(
    context: &'c Context<'a>,
    key: &ServiceKey,
    service: &Service,
) -> Vec<&'c WorkloadFacts<'a>> {
    context
        .snapshot
        .workloads_selected(&key.namespace, &service.spec.selector)
        .into_iter()
        .filter_map(|workload| super::subject(context, workload))
        .collect()
}

fn port_protocol(
    context: &Context<'_>,
    key: &ServiceKey,
    service: &Service,
    looks: &[&Unproven<'_, '_>],
) -> Finding {
    let ports = dialled_ports(looks);
    // No packet could show it; the API does.
    let unheard = looks
        .iter()
        .filter(|look| look.edge.protocol.transport() == "UDP");
    let finding = Finding::of(
        Code::ServicePortProtocol,
        key.object(),
        format!(
            "{} dials port {} of {} by {}, which offers it as {}",
            clients(looks),
            joined(&ports),
            service_name(context, key),
            looks
                .first()
                .map_or("TCP", |look| look.edge.protocol.transport()),
            offer(service)
        ),
    )
    .because([format!("ports of service/{}: {}", key.name, offer(service))])
    .on(ids(looks))
    .overruling(unheard.map(|look| &look.edge.id));
    let operations: Vec<Value> = service
        .spec
        .ports
        .iter()
        .enumerate()
        .filter_map(|(index, port)| {
            let look = looks
                .iter()
                .find(|look| port.is(look.edge.port))?;
            Some(json!({"op": "add", "path": format!("/spec/ports/{index}/protocol"), "value": look.edge.protocol.transport()}))
        })
        .collect();
    finding.fix(
        Fix::text(format!(
            "give port {} of service/{} the protocol that its clients speak",
            joined(&ports),
            key.name
        ))
        .run(fixes::patch(&key.object(), &operations)),
    )
}

/// Named target ports that no container of the selected Pods declares.
pub(super) fn target_port_unknown(context: &Context<'_>, usage: &Usage<'_, '_>) -> Option<Finding> {
    let service = usage.service;
    let behind = subjects_behind(context, &usage.key, service);
    if behind.is_empty() || service.spec.is_external_name() {
        return None;
    }
    let specs = specs(&behind);
    let unknown: Vec<(usize, &ServicePort)> = service
        .spec
        .ports
        .iter()
        .enumerate()
        .filter(|(_, port)| {
            port.target_name().is_some() && specs.iter().all(|spec| port.target(spec).is_none())
        })
        .collect();
    let (_, first) = *unknown.first()?;
    let name = first.target_name().unwrap_or_default();
    let looks = usage.looks_where(|look| {
        let mut ports = unknown.iter();
        ports.any(|(_, port)| port.is(look.edge.port))
    });
    // A port beside others that no one dials is worth a warning.
    let all = unknown.len() == service.spec.ports.len();
    let severity =
        Severity::error_if(usage.in_scope && (!looks.is_empty() || (all && !usage.proven)));
    let declared: BTreeSet<String> = specs
        .iter()
        .flat_map(|spec| spec.long_running())
        .flat_map(|container| {
            container
                .ports
                .iter()
                .map(|port| format!("{} {}:{}", container.name, port.name, port.container_port))
        })
        .collect();
    let finding = Finding::new(
        Code::ServiceTargetPortUnknown,
        severity,
        usage.key.object(),
        format!(
            "targetPort {name:?} of {} is declared by no container of {}, so the Service has no endpoint there",
            service_name(context, &usage.key),
            joined(behind.iter().map(|subject| &subject.key))
        ),
    )
    .because([if declared.is_empty() {
        "the containers declare no port".to_owned()
    } else {
        format!("the containers declare {}", joined(declared))
    }])
    .on(ids(&looks))
    .fix(by_number(usage, &behind, &unknown, name));
    Some(finding)
}

/// What runs behind a Service: its Pods, else what its workloads will start.
fn specs<'a>(behind: &[&WorkloadFacts<'a>]) -> Vec<&'a PodSpec> {
    behind
        .iter()
        .flat_map(|subject| {
            let pods: Vec<&PodSpec> = subject.pods.iter().map(|pod| &pod.spec).collect();
            let template = subject.template.map(|template| template.spec);
            if pods.is_empty() {
                template.into_iter().collect()
            } else {
                pods
            }
        })
        .collect()
}

/// The fix that declares the name where probes need it too, else puts numbers in the place of names that nothing declares.
fn by_number(
    usage: &Usage<'_, '_>,
    behind: &[&WorkloadFacts<'_>],
    unknown: &[(usize, &ServicePort)],
    name: &str,
) -> Fix {
    let number = |port: &ServicePort| {
        let number = u16::try_from(port.port).unwrap_or_default();
        let subject = behind.first();
        subject.map_or(number, |subject| fixes::target_port(subject, number))
    };
    // What probes name too is declared; else they stay broken.
    if let ([(_, port)], [subject]) = (unknown, behind)
        && let Some(command) = kubelet_probes::declare_port(subject, name, number(port))
    {
        let fix = Fix::text(format!(
            "declare the port {name:?} in the container of {}: a probe of it names it too",
            subject.key
        ));
        return fix.run(command);
    }
    let operations: Vec<Value> = unknown
        .iter()
        .map(|(index, port)| {
            json!({"op": "replace", "path": format!("/spec/ports/{index}/targetPort"), "value": number(port)})
        })
        .collect();
    Fix::text(format!(
        "use the number of the port in service/{}, or name the container's port {name:?}",
        usage.key.name
    ))
    .run(fixes::patch(&usage.key.object(), &operations))
}

#[cfg(test)]
mod tests;
