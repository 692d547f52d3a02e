//! What stands behind a Service: endpoints that are not ready, refuse, were made by hand, or are on another node. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::ports::{dialled, dialled_target, is_headless, subjects_behind};
use super::selectors::denied;
use super::{Look, Use, ids, looks, service_name, uses, weight};
use crate::diagnose::subject::Subject;
use crate::diagnose::troubles::{ProbeKind, port_number, probe_of};
use crate::diagnose::walk::Walk;
use crate::diagnose::{Context, fixes, target, workloads};
use crate::finding::{Code, Finding, Fix, ObjectRef, Severity};
use crate::observe::kinds::Pod;
use crate::observe::{EndpointView, is_live, is_ready};
use crate::probe::wire::{LISTENS_FACT, StepError};

/// The live Pods that a Service selects.
fn selected<'a>(context: &Context<'a>, usage: &Use<'_, 'a>) -> Vec<&'a Pod> {
    context
        .snapshot
        .pods_selected(&usage.key.namespace, &usage.service.spec.selector)
        .into_iter()
        .filter(|pod| is_live(pod))
        .collect()
}

/// Services whose Pods exist and none of which is ready.
pub(super) fn not_ready(context: &Context<'_>) -> Vec<Finding> {
    if context.snapshot.offline || !context.snapshot.knows("pods") {
        return Vec::new();
    }
    let looks = looks(context);
    let mut findings = Vec::new();
    for usage in uses(context, &looks).into_iter().filter(Use::matters) {
        let pods = selected(context, &usage);
        if pods.is_empty()
            || usage.service.spec.publish_not_ready_addresses
            || pods.iter().any(|pod| is_ready(pod))
        {
            continue;
        }
        let behind = subjects_behind(context, &usage.key, usage.service);
        let states: Vec<String> = pods.iter().map(|pod| state(pod)).collect();
        let gates: BTreeSet<&str> = pods
            .iter()
            .flat_map(|pod| workloads::unmet_gates(pod))
            .collect();
        let gates: Vec<&str> = gates.into_iter().collect();
        let mut finding = Finding::new(
            Code::ServiceEndpointsNotReady,
            weight(usage.in_scope && !usage.tiers.iter().all(|tier| tier.one_shot)),
            usage.key.object(),
            format!(
                "{} selects {} Pod{}, and none is ready: it has nowhere to send traffic",
                service_name(context, &usage.key),
                pods.len(),
                if pods.len() == 1 { "" } else { "s" }
            ),
        );
        finding.evidence = states.into_iter().take(4).collect();
        finding.caused_by = causes(&behind, gates.is_empty());
        if !gates.is_empty() {
            finding.message = format!(
                "{}; their containers are ready, and readiness gate {} is not met",
                finding.message,
                gates.join(", ")
            );
        }
        finding.edges = ids(&usage.looks);
        finding.fix = Some(Fix {
            text: behind
                .iter()
                .flat_map(|subject| &subject.troubles)
                .map(|trouble| trouble.remedy.clone())
                .find(|remedy| !remedy.is_empty())
                .unwrap_or_else(|| {
                    if gates.is_empty() {
                        "see why its Pods are not ready (kubectl describe pods)".to_owned()
                    } else {
                        format!(
                            "see to the controller that sets {} on its Pods, or drop the readinessGates from the Pod template",
                            gates.join(", ")
                        )
                    }
                }),
            ..Fix::default()
        });
        findings.push(finding);
    }
    findings
}

/// A Pod's state in words: `Pod ap-x: Running, Ready=False ContainersNotReady: …`.
fn state(pod: &Pod) -> String {
    let ready = pod
        .status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Ready")
        .map(|condition| {
            format!(
                ", Ready={} {} {}",
                condition.status,
                condition.reason,
                super::super::words::quote(&condition.message)
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

fn causes(behind: &[&Subject<'_>], by_rollout: bool) -> Vec<(Code, ObjectRef)> {
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

/// Services all of whose endpoints refuse the port that traffic is sent to.
pub(super) fn target_port_closed(context: &Context<'_>) -> Vec<Finding> {
    let looks = looks(context);
    uses(context, &looks)
        .into_iter()
        .filter(|usage| !usage.service.spec.selector.is_empty())
        .filter_map(|usage| closed(context, &usage))
        .collect()
}

/// Whether every endpoint was dialled and refuses, to every client, and no policy may be the reason.
fn refuses(context: &Context<'_>, usage: &Use<'_, '_>, look: &Look<'_, '_>) -> bool {
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

fn closed(context: &Context<'_>, usage: &Use<'_, '_>) -> Option<Finding> {
    let looks: Vec<&Look<'_, '_>> = usage
        .looks
        .iter()
        .copied()
        .filter(|look| refuses(context, usage, look))
        .collect();
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
        format!("declare {}", join(declared.iter().copied()))
    };
    let accepts = if answering.is_empty() {
        String::new()
    } else {
        format!("; {} answers", join(answering.keys().copied()))
    };
    let mut finding = Finding::new(
        Code::ServiceTargetPortClosed,
        Severity::Error,
        usage.key.object(),
        format!(
            "{} sends port {} to port {target} of {}, on which nothing listens: its containers {words}{accepts}",
            service_name(context, &usage.key),
            port.port,
            behind
                .iter()
                .map(|subject| subject.key.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    );
    let lines: BTreeSet<String> = looks
        .iter()
        .flat_map(|look| look.evidence.firm())
        .flat_map(|walk| {
            walk.endpoints_unconnected()
                .into_iter()
                .map(|(_, step)| target::line(&walk.place(), step))
                .collect::<Vec<_>>()
        })
        .collect();
    finding.evidence = lines.into_iter().take(4).collect();
    finding.evidence.extend(answering.values().cloned());
    finding.edges = ids(&looks);
    let index = usage
        .service
        .spec
        .ports
        .iter()
        .position(|candidate| candidate == port);
    let command = match (answering.len(), answering.keys().next(), index) {
        (1, Some(open), Some(index)) => Some(fixes::patch(
            &usage.key.namespace,
            &format!("service/{}", usage.key.name),
            &[
                json!({"op": "add", "path": format!("/spec/ports/{index}/targetPort"), "value": open}),
            ],
        )),
        _ => None,
    };
    finding.fix = Some(Fix {
        text: format!(
            "make targetPort of service/{} the port on which the program listens{}, or make the program listen on {target}, on all addresses",
            usage.key.name,
            answering
                .keys()
                .next()
                .map(|open| format!(" ({open})"))
                .unwrap_or_default()
        ),
        command,
        manifest: None,
    });
    Some(finding)
}

fn join(ports: impl Iterator<Item = u16>) -> String {
    ports
        .map(|port| port.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Ports of those Pods that are known to answer, with what shows it: the kubelet's readiness probe, or another edge.
fn answering_ports(
    context: &Context<'_>,
    behind: &[&Subject<'_>],
    looks: &[&Look<'_, '_>],
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

/// Services without selector: their endpoints are filled by hand.
pub(super) fn by_hand(context: &Context<'_>) -> Vec<Finding> {
    if !context.snapshot.offline && !context.snapshot.knows("endpointslices") {
        return Vec::new();
    }
    let looks = looks(context);
    uses(context, &looks)
        .into_iter()
        .filter(|usage| {
            usage.matters()
                && usage.service.spec.selector.is_empty()
                && usage.service.spec.kind != "ExternalName"
        })
        .filter_map(|usage| hand_made(context, &usage))
        .collect()
}

fn views(context: &Context<'_>, usage: &Use<'_, '_>) -> Vec<EndpointView> {
    usage
        .service
        .spec
        .ports
        .iter()
        .filter(|port| {
            usage.looks.is_empty()
                || usage
                    .looks
                    .iter()
                    .any(|look| i32::from(look.edge.port.get()) == port.port)
        })
        .flat_map(|port| context.snapshot.endpoints(&usage.key, port))
        .collect()
}

fn hand_made(context: &Context<'_>, usage: &Use<'_, '_>) -> Option<Finding> {
    let name = service_name(context, &usage.key);
    let views = views(context, usage);
    let slices = context.snapshot.slices_of(&usage.key);
    if views.is_empty() {
        if usage.proven || (is_headless(usage.service) && !slices.is_empty()) {
            return None;
        }
        let what = if slices.is_empty() {
            "no EndpointSlice".to_owned()
        } else {
            "no EndpointSlice with that port".to_owned()
        };
        let mut finding = Finding::new(
            Code::ServiceNoEndpoints,
            // A controller may make them once it is applied; and without an edge no one is known to need them.
            weight(usage.in_scope && !context.snapshot.offline && !usage.looks.is_empty()),
            usage.key.object(),
            format!("{name} has no selector and {what}: it leads nowhere"),
        );
        finding.evidence.push(format!(
            "{} EndpointSlices name service/{}",
            slices.len(),
            usage.key.name
        ));
        finding.edges = ids(&usage.looks);
        finding.fix = Some(no_endpoints_fix(context, usage));
        return Some(finding);
    }
    let looks: Vec<&Look<'_, '_>> = usage
        .looks
        .iter()
        .copied()
        .filter(|look| {
            look.evidence.every_endpoint_unconnected()
                && look.evidence.firm().all(|walk| {
                    walk.endpoints_unconnected()
                        .iter()
                        .all(|(endpoint, _)| !denied(context, look, endpoint))
                })
        })
        .collect();
    if looks.is_empty() {
        return None;
    }
    let mut finding = Finding::new(
        Code::ServiceEndpointsStale,
        Severity::Error,
        usage.key.object(),
        format!(
            "the EndpointSlice of {name}, made by hand, leads to {}, where nothing answers",
            views
                .iter()
                .map(|view| view.address.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    );
    for view in &views {
        let owner = context.snapshot.namespaces.values().find_map(|state| {
            state
                .pods
                .iter()
                .find(|pod| is_live(pod) && pod.status.pod_ip.parse() == Ok(view.address))
        });
        finding.evidence.push(match owner {
            Some(pod) => format!("{} is Pod {}", view.address, pod.metadata.name),
            None => format!("no Pod that could be read has the address {}", view.address),
        });
    }
    finding.edges = ids(&looks);
    finding.fix = Some(Fix {
        text: format!(
            "write the present address into the EndpointSlice of service/{}, or give the Service a selector so that Kubernetes does",
            usage.key.name
        ),
        ..Fix::default()
    });
    Some(finding)
}

/// A tier that runs beside its Service without selector most likely lost it.
fn no_endpoints_fix(context: &Context<'_>, usage: &Use<'_, '_>) -> Fix {
    let own = usage
        .tiers
        .iter()
        .flat_map(|tier| super::tier_subjects(context, tier))
        .find(|subject| subject.key.namespace == usage.key.namespace);
    let selector = own.and_then(|subject| fixes::selector(context, subject));
    match selector {
        Some(labels) => Fix {
            text: format!(
                "give service/{} the selector {}",
                usage.key.name,
                fixes::labels_text(&labels)
            ),
            command: Some(fixes::patch(
                &usage.key.namespace,
                &format!("service/{}", usage.key.name),
                &[json!({"op": "add", "path": "/spec/selector", "value": labels})],
            )),
            manifest: None,
        },
        None => Fix {
            text: format!(
                "create an EndpointSlice with label kubernetes.io/service-name={} and the port names of the Service, or give it a selector",
                usage.key.name
            ),
            ..Fix::default()
        },
    }
}

/// Services that keep traffic on the client's node, where they have no endpoint.
pub(super) fn local_traffic_policy(context: &Context<'_>) -> Vec<Finding> {
    if context.snapshot.offline {
        return Vec::new();
    }
    let looks = looks(context);
    uses(context, &looks)
        .into_iter()
        .filter(|usage| {
            usage.service.spec.internal_traffic_policy == "Local" && !is_headless(usage.service)
        })
        .filter_map(|usage| kept_local(context, &usage))
        .collect()
}

fn kept_local(context: &Context<'_>, usage: &Use<'_, '_>) -> Option<Finding> {
    let nodes: BTreeSet<String> = usage
        .service
        .spec
        .ports
        .iter()
        .flat_map(|port| context.snapshot.endpoints(&usage.key, port))
        .filter(|view| view.ready)
        .filter_map(|view| view.node)
        .collect();
    if nodes.is_empty() {
        return None;
    }
    let mut without: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut affected = Vec::new();
    for look in &usage.looks {
        // The node of a client that failed, or, where no one looked, those of its Pods.
        let mut of_client: BTreeSet<String> = look
            .evidence
            .failed()
            .map(|walk| walk.node().to_owned())
            .collect();
        if look.evidence.walks.is_empty() {
            of_client = target::clients(context, look.edge)
                .iter()
                .flat_map(|key| context.snapshot.pods_of(key))
                .map(|pod| pod.spec.node_name.clone())
                .collect();
        }
        let lonely: Vec<String> = of_client
            .into_iter()
            .filter(|node| !node.is_empty() && !nodes.contains(node))
            .collect();
        if !lonely.is_empty() {
            affected.push(*look);
        }
        for node in lonely {
            without.entry(node).or_default().insert(&look.edge.from);
        }
    }
    if affected.is_empty() {
        return None;
    }
    let list = |nodes: Vec<&String>| nodes.into_iter().cloned().collect::<Vec<_>>().join(", ");
    let mut finding = Finding::new(
        Code::ServiceTrafficPolicyLocal,
        Severity::Error,
        usage.key.object(),
        format!(
            "{} keeps traffic on the client's node (internalTrafficPolicy: Local), its endpoints are on {}, and clients are on {}",
            service_name(context, &usage.key),
            list(nodes.iter().collect()),
            list(without.keys().collect())
        ),
    );
    for (node, clients) in &without {
        finding.evidence.push(format!(
            "{} on {node}: no endpoint of service/{} there",
            clients.iter().copied().collect::<Vec<_>>().join(", "),
            usage.key.name
        ));
    }
    finding.edges = ids(&affected);
    finding.fix = Some(Fix {
        text: format!(
            "let service/{} send traffic to every node, or run its Pods on every node that has clients",
            usage.key.name
        ),
        command: Some(fixes::patch(
            &usage.key.namespace,
            &format!("service/{}", usage.key.name),
            &[json!({"op": "replace", "path": "/spec/internalTrafficPolicy", "value": "Cluster"})],
        )),
        manifest: None,
    });
    Some(finding)
}

#[cfg(test)]
mod tests;
