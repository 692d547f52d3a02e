//! Traffic that stays on its node: `internalTrafficPolicy: Local`. Pure.

use crate::diagnose::services::{Usage, ids, service_name};
use crate::diagnose::words::joined;
use crate::diagnose::{Context, fixes, target};
use crate::finding::{Code, Finding, Fix};
use std::collections::{BTreeMap, BTreeSet};

/// Services that keep traffic on the client's node, where they have no endpoint.
pub(in crate::diagnose::services) fn local_traffic_policy(
    context: &Context<'_>,
    usage: &Usage<'_, '_>,
) -> Option<Finding> {
    let spec = &usage.service.spec;
    let is_local = spec.internal_traffic_policy == "Local" && !spec.is_headless();
    if context.snapshot.offline || !is_local {
        return None;
    }
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
    let lines = without.iter().map(|(node, clients)| {
        format!(
            "{} on {node}: no endpoint of service/{} there",
            joined(clients),
            usage.key.name
        )
    });
    let finding = Finding::of(
        Code::ServiceTrafficPolicyLocal,
        usage.key.object(),
        format!(
            "{} keeps traffic on the client's node (internalTrafficPolicy: Local), its endpoints are on {}, and clients are on {}",
            service_name(context, &usage.key),
            joined(&nodes),
            joined(without.keys())
        ),
    )
    .because(lines)
    .on(ids(&affected))
    .fix(
        Fix::text(format!(
            "let service/{} send traffic to every node, or run its Pods on every node that has clients",
            usage.key.name
        ))
        .run(fixes::set(&usage.key.object(), "replace", "/spec/internalTrafficPolicy", "Cluster")),
    );
    Some(finding)
}
