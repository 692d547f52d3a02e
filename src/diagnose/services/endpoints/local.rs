//! Traffic that stays on its node: `internalTrafficPolicy: Local`. Pure.

use crate::diagnose::services::{Use, ids, looks, service_name, uses};
use crate::diagnose::{Context, fixes, target};
use crate::finding::{Code, Finding, Fix, Severity};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Services that keep traffic on the client's node, where they have no endpoint.
pub(in crate::diagnose::services) fn local_traffic_policy(context: &Context<'_>) -> Vec<Finding> {
    if context.snapshot.offline {
        return Vec::new();
    }
    let looks = looks(context);
    uses(context, &looks)
        .into_iter()
        .filter(|usage| {
            usage.service.spec.internal_traffic_policy == "Local"
                && !usage.service.spec.is_headless()
        })
        .filter_map(|usage| kept_local(context, &usage))
        .collect()
}

pub(super) fn kept_local(context: &Context<'_>, usage: &Use<'_, '_>) -> Option<Finding> {
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
