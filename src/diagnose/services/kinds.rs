//! Kinds of Services: headless ports that mislead, load balancers without address, IP families. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU16;

use serde_json::json;

use super::ports::subjects_behind;
use super::{Unproven, Usage, ids, service_name};
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::{joined, quote};
use crate::diagnose::{Context, fixes};
use crate::finding::{Code, Finding, Fix, Severity};
use crate::observe::kinds::ServicePort;
use crate::observe::{is_live, is_ready};

/// kompose's port of a headless Service that compose gives no port.
const DUMMY_PORT: i32 = 55555;

/// Whether the Pods do not listen on a port, as far as is known.
fn is_not_listened_on(
    port: &ServicePort,
    listens: &BTreeSet<u16>,
    behind: &[&WorkloadFacts<'_>],
) -> bool {
    let number = u16::try_from(port.port).unwrap_or_default();
    port.port == DUMMY_PORT
        || (!listens.is_empty() && !listens.contains(&number))
        || translates(port, behind)
}

/// Whether a port stands for another one that the Pods declare, and they do not declare it itself: only a `ClusterIP` translates.
fn translates(port: &ServicePort, behind: &[&WorkloadFacts<'_>]) -> bool {
    let templates = behind.iter().filter_map(|subject| subject.template);
    templates.into_iter().any(|template| {
        let declared = fixes::declared_ports(template.spec);
        port.target(template.spec)
            .map(NonZeroU16::get)
            .is_some_and(|target| {
                i32::from(target) != port.port
                    && declared.contains(&target)
                    && !declared.iter().any(|one| i32::from(*one) == port.port)
            })
    })
}

/// Headless Services whose port is none that the Pods listen on.
pub(super) fn headless_port(context: &Context<'_>, usage: &Usage<'_, '_>) -> Option<Finding> {
    if !usage.service.spec.is_headless() {
        return None;
    }
    let behind = subjects_behind(context, &usage.key, usage.service);
    let listens: BTreeSet<u16> = behind
        .iter()
        .filter_map(|subject| subject.template)
        .flat_map(|template| fixes::declared_ports(template.spec))
        .chain(
            usage
                .tiers
                .iter()
                .flat_map(|tier| tier.ports.iter().map(|port| port.get())),
        )
        .collect();
    let ports = usage.service.spec.ports.iter();
    let wrong: Vec<&ServicePort> = ports
        .filter(|port| is_not_listened_on(port, &listens, &behind))
        .collect();
    let first = wrong.first()?;
    // A client that dials that port of a headless name reaches the Pod itself, where nothing translates it.
    let dials = usage.looks_where(|look| {
        wrong.iter().any(|port| port.is(look.edge.port))
            && (context.outcomes.is_none() || look.evidence.failed().next().is_some())
    });
    let target = behind
        .first()
        .and_then(|subject| subject.template)
        .and_then(|template| first.target(template.spec).map(NonZeroU16::get))
        .filter(|target| i32::from(*target) != first.port);
    let listening = joined(&listens);
    let finding = Finding::new(
        Code::ServiceHeadlessPort,
        Severity::error_if(!dials.is_empty()),
        usage.key.object(),
        format!(
            "port {} of headless {} is not one that its Pods listen on{}: a headless name leads to the Pods themselves, so clients dial the Pods' port",
            first.port,
            service_name(context, &usage.key),
            if listening.is_empty() {
                String::new()
            } else {
                format!(" ({listening})")
            }
        ),
    )
    .because([format!(
        "spec.clusterIP of service/{}: None, port {}{}",
        usage.key.name,
        first.port,
        target.map_or_else(String::new, |target| format!(" → {target}"))
    )])
    .on(ids(&dials))
    .fix(pods_port(usage, first, &listens, !dials.is_empty()));
    Some(finding)
}

/// The fix that gives a headless Service the port of its Pods.
fn pods_port(
    usage: &Usage<'_, '_>,
    wrong: &ServicePort,
    listens: &BTreeSet<u16>,
    dialled: bool,
) -> Fix {
    let only = listens.iter().next().filter(|_| listens.len() == 1);
    let index = usage
        .service
        .spec
        .ports
        .iter()
        .position(|port| port == wrong);
    Fix::text(format!(
            "make it the port that the Pods of service/{} listen on{}",
            usage.key.name,
            if dialled {
                ", and let the clients dial that one; or give the Service a ClusterIP, which translates ports"
            } else {
                ""
            }
        )).run(only.zip(index).filter(|_| !dialled).map(|(port, index)| {
            fixes::patch(&usage.key.object(),
                &[
                    json!({"op": "replace", "path": format!("/spec/ports/{index}/port"), "value": port}),
                    json!({"op": "add", "path": format!("/spec/ports/{index}/targetPort"), "value": port}),
                ],
            )
        }))
}

/// Services of type `LoadBalancer` that got no address.
pub(super) fn load_balancer_pending(
    context: &Context<'_>,
    usage: &Usage<'_, '_>,
) -> Option<Finding> {
    let service = usage.service;
    let addresses = service.status["loadBalancer"]["ingress"].as_array();
    let is_pending = service.spec.kind == "LoadBalancer" && addresses.is_none_or(Vec::is_empty);
    if context.snapshot.offline || !is_pending {
        return None;
    }
    let (namespace, name) = (&usage.key.namespace, &usage.key.name);
    let events = context.snapshot.events_of("Service", namespace, name);
    let said = events.iter().rev().take(2);
    let message = format!(
        "{} is of type LoadBalancer and has no address: no client outside reaches it there",
        service_name(context, &usage.key)
    );
    let finding = Finding::of(
        Code::ServiceLoadBalancerPending,
        usage.key.object(),
        message,
    )
    .because(["status.loadBalancer is empty"])
    .because(said.map(|event| format!("{}: {}", event.reason, quote(&event.message))))
    .fix("install a load balancer controller for this cluster, or use type NodePort or an Ingress");
    Some(finding)
}

fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Services of an IP family that none of their Pods has or listens on.
pub(super) fn ip_family(context: &Context<'_>, usage: &Usage<'_, '_>) -> Option<Finding> {
    if context.snapshot.offline || usage.service.spec.selector.is_empty() {
        return None;
    }
    let families = &usage.service.spec.ip_families;
    let first = families.first()?;
    let pods: Vec<_> = subjects_behind(context, &usage.key, usage.service)
        .into_iter()
        .flat_map(|subject| &subject.pods)
        .filter(|pod| is_live(pod) && is_ready(pod))
        .collect();
    let of_pods: BTreeSet<&str> = pods
        .iter()
        .flat_map(|pod| pod.status.addresses())
        .map(|address| family(&address))
        .collect();
    let absent = !pods.is_empty()
        && !of_pods.is_empty()
        && families
            .iter()
            .all(|wanted| !of_pods.contains(wanted.as_str()));
    // On a cluster of both families: the Pods refuse one of them on the port that they accept on the other.
    let one_sided = usage.looks_where(refuses_one_family);
    if !absent && one_sided.is_empty() {
        return None;
    }
    let affected = if absent {
        usage.looks.clone()
    } else {
        one_sided
    };
    let finding = Finding::new(
        Code::ServiceIpFamilyMismatch,
        Severity::error_if(usage.in_scope),
        usage.key.object(),
        if absent {
            format!(
                "{} is {first} only, and its Pods have {} addresses",
                service_name(context, &usage.key),
                joined(&of_pods)
            )
        } else {
            format!(
                "the Pods of {} do not listen on every IP family that the Service ({}) sends traffic to",
                service_name(context, &usage.key),
                families.join(", ")
            )
        },
    )
    .because([format!(
        "spec.ipFamilies of service/{}: {}",
        usage.key.name,
        families.join(", ")
    )])
    .on(ids(&affected))
    .fix(format!(
        "create service/{} again with the family that its Pods have (ipFamilyPolicy: PreferDualStack), or make the program listen on all addresses (::)",
        usage.key.name
    ));
    Some(finding)
}

/// Whether, on one port, every endpoint of one family refuses and every one of the other accepts.
fn refuses_one_family(look: &Unproven<'_, '_>) -> bool {
    let mut accepts = BTreeSet::new();
    let mut fails = BTreeSet::new();
    for (endpoint, results) in look.evidence.endpoint_connects() {
        let Some((address, _)) = crate::diagnose::target::address(endpoint) else {
            continue;
        };
        if results.iter().all(|connected| *connected) {
            accepts.insert(family(&address));
        } else {
            fails.insert(family(&address));
        }
    }
    !accepts.is_empty() && !fails.is_empty() && accepts.is_disjoint(&fails)
}

#[cfg(test)]
mod tests {
    use super::super::{OfService, of_each};
    use super::*;
    use crate::diagnose::fixtures;

    const OBJECTS: &str = "
kind: Deployment
metadata: {name: db}
spec: {template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, ports: PORTS}]}}}
---
kind: ReplicaSet
metadata: {name: db-1, ownerReferences: [{kind: Deployment, name: db, controller: true}]}
---
kind: Pod
metadata: {name: db-x, labels: {app: db}, ownerReferences: [{kind: ReplicaSet, name: db-1, controller: true}]}
status: {phase: Running, podIP: 10.244.0.1, conditions: [{type: Ready, status: 'True'}]}
---
kind: Service
metadata: {name: db}
spec: SPEC
status: STATUS
";

    fn found(rule: OfService, spec: &str, ports: &str, status: &str) -> Vec<Finding> {
        let objects = OBJECTS
            .replace("SPEC", spec)
            .replace("PORTS", ports)
            .replace("STATUS", status);
        let snapshot = fixtures::snapshot(&objects);
        let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
        of_each(&Context::new(&graph, &snapshot, None), &[rule])
    }

    #[test]
    fn a_headless_port_that_no_one_listens_on_is_a_warning_unless_it_is_dialled() {
        let spec = |port: i32| {
            format!("{{clusterIP: None, selector: {{app: db}}, ports: [{{port: {port}}}]}}")
        };
        let declared = "[{containerPort: 3306}]";
        assert!(found(headless_port, &spec(3306), declared, "{}").is_empty());
        assert!(found(headless_port, &spec(3306), "[]", "{}").is_empty());
        let dummy = found(headless_port, &spec(55555), "[]", "{}");
        assert_eq!(dummy[0].severity, Severity::Warning);
        assert!(dummy[0].edges.is_empty());
        let dialled = found(headless_port, &spec(3306), "[{containerPort: 3307}]", "{}");
        assert_eq!(dialled[0].severity, Severity::Error);
        assert_eq!(dialled[0].edges.len(), 1);
    }

    #[test]
    fn a_headless_name_translates_no_port_whatever_compose_says() {
        let ported = |target: u16| {
            let spec = format!(
                "{{clusterIP: None, selector: {{app: db}}, ports: [{{port: 3306, targetPort: {target}}}]}}"
            );
            let objects = OBJECTS
                .replace("SPEC", &spec)
                .replace("PORTS", &format!("[{{containerPort: {target}}}]"))
                .replace("STATUS", "{}");
            let snapshot = fixtures::snapshot(&objects);
            let mut graph = fixtures::graph(&["AP->DB:3306/mysql"]);
            let tier = graph.tiers.get_mut("DB").unwrap();
            tier.ports.push(std::num::NonZeroU16::new(3306).unwrap());
            of_each(&Context::new(&graph, &snapshot, None), &[headless_port])
        };
        assert!(ported(3306).is_empty());
        assert_eq!(ported(3307)[0].severity, Severity::Error);
    }

    #[test]
    fn a_load_balancer_without_address_is_a_warning() {
        let spec = "{type: LoadBalancer, clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306}]}";
        assert_eq!(
            found(load_balancer_pending, spec, "[]", "{loadBalancer: {}}").len(),
            1
        );
        assert!(
            found(
                load_balancer_pending,
                spec,
                "[]",
                "{loadBalancer: {ingress: [{ip: 1.2.3.4}]}}"
            )
            .is_empty()
        );
        let plain = spec.replace("LoadBalancer", "ClusterIP");
        assert!(found(load_balancer_pending, &plain, "[]", "{}").is_empty());
    }

    #[test]
    fn a_family_that_the_pods_do_not_have_leaves_the_service_empty() {
        let spec = |family: &str| {
            format!(
                "{{clusterIP: 10.96.0.9, ipFamilies: {family}, selector: {{app: db}}, ports: [{{port: 3306}}]}}"
            )
        };
        assert!(found(ip_family, &spec("[IPv4]"), "[]", "{}").is_empty());
        assert!(found(ip_family, &spec("[]"), "[]", "{}").is_empty());
        let wrong = found(ip_family, &spec("[IPv6]"), "[]", "{}");
        assert_eq!(wrong[0].code, Code::ServiceIpFamilyMismatch);
        assert_eq!(wrong[0].edges.len(), 1);
    }
}
