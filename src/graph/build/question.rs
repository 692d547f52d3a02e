//! What to ask of an HTTP server: what the user says, then compose's healthcheck, then the target's probes. Pure.
//!
//! Never `/` unless one of them declares it, and never the path of a URL in an environment: a GET may act.

use std::num::NonZeroU16;

use crate::address::HttpQuestion;
use crate::graph::{Edge, Tier, TierGraph};
use crate::observe::kinds::{Container, Probe};
use crate::observe::{Snapshot, WorkloadKey};
use crate::protocol::Protocol;

/// Gives every HTTP edge its question.
pub(super) fn fill(graph: &mut TierGraph, snapshot: &Snapshot) {
    let TierGraph { tiers, edges, .. } = graph;
    for edge in edges {
        if !matches!(edge.protocol, Protocol::Http | Protocol::Https) {
            edge.http = None;
            continue;
        }
        let own = edge.http.take();
        let expect_status = own.as_ref().and_then(|question| question.expect_status);
        // A person or a healthcheck declares what may be asked; the path of a URL that a client has may act.
        let own = own.filter(|question| question.health && question.path.is_some());
        let target = tiers.get(&edge.to).filter(|_| !edge.external);
        let question = own.or_else(|| target.and_then(|tier| declared(edge, tier, snapshot)));
        edge.http = Some(HttpQuestion {
            expect_status,
            ..question.unwrap_or_default()
        });
    }
}

/// The health path that compose or the Pods declare for the port that the edge ends at.
pub(super) fn declared(edge: &Edge, tier: &Tier, snapshot: &Snapshot) -> Option<HttpQuestion> {
    let health = |path: String, origin: String| HttpQuestion {
        path: Some(path),
        origin,
        health: true,
        expect_status: None,
    };
    let port = edge.port;
    if let Some(declared) = &tier.health_path
        && (declared.port == port
            || tier
                .workloads
                .iter()
                .any(|key| container_port(edge, key, snapshot) == Some(declared.port)))
    {
        return Some(health(declared.path.clone(), declared.origin.clone()));
    }
    for name in ["readiness", "liveness"] {
        for key in &tier.workloads {
            let Some(template) = snapshot.template(key) else {
                continue;
            };
            let wanted = container_port(edge, key, snapshot).unwrap_or(port);
            for container in &template.spec.containers {
                let probe = if name == "readiness" {
                    &container.readiness_probe
                } else {
                    &container.liveness_probe
                };
                if let Some(path) = probe_path(probe.as_ref(), container, wanted) {
                    return Some(health(path, format!("{name} probe of {key}")));
                }
            }
        }
    }
    None
}

/// The path of an HTTP probe on that port of the Pod.
fn probe_path(probe: Option<&Probe>, container: &Container, wanted: NonZeroU16) -> Option<String> {
    let http = probe?.http_get.as_ref()?;
    if !http.host.is_empty() || container.number(&http.port)? != wanted {
        return None;
    }
    Some(if http.path.is_empty() {
        "/".to_owned()
    } else {
        http.path.clone()
    })
}

/// The port of the workload's Pods at which the edge ends: what the Service in between makes of its own port.
pub(super) fn container_port(
    edge: &Edge,
    key: &WorkloadKey,
    snapshot: &Snapshot,
) -> Option<NonZeroU16> {
    let template = snapshot.template(key)?;
    let way = snapshot.way(&edge.host, &key.namespace);
    let (_, service) = way.last()?;
    // Nothing translates the port of a headless Service.
    if service.spec.is_headless() {
        return None;
    }
    service.spec.port(edge.port, "TCP")?.target(template.spec)
}
