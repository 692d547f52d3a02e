//! What an edge speaks where only the number of its port says HTTP: what the port is called decides, else the connection alone counts. Pure.

use crate::graph::{Edge, Tier, TierGraph};
use crate::observe::kinds::ServicePort;
use crate::observe::{HostMeaning, Snapshot};
use crate::protocol::Protocol;

use super::question;

/// Settles the protocol of every edge that is HTTP by nobody's word.
pub(super) fn settle(graph: &mut TierGraph, snapshot: &Snapshot) {
    let TierGraph { tiers, edges, .. } = graph;
    for edge in edges {
        if edge.protocol != Protocol::Http || edge.by_scheme || edge.external {
            continue;
        }
        let Some(tier) = tiers.get(&edge.to) else {
            continue;
        };
        match said(edge, tier, snapshot) {
            Some(protocol) => edge.protocol = protocol,
            None => edge.guessed = !is_known(edge, tier, snapshot),
        }
    }
}

/// The protocol that the port's names tell: those of the Service first, then the container's.
fn said(edge: &Edge, tier: &Tier, snapshot: &Snapshot) -> Option<Protocol> {
    let own = |port: &&ServicePort| port.port == i32::from(edge.port.get());
    for key in &tier.workloads {
        let service = match snapshot.meaning(&edge.host, &key.namespace) {
            HostMeaning::Service(key) | HostMeaning::ServiceAddress(key) => snapshot.service(&key),
            _ => None,
        };
        let port = service.and_then(|service| service.spec.ports.iter().find(own));
        if let Some(port) = port
            && let Some(protocol) = by_name(&port.app_protocol).or_else(|| by_name(&port.name))
        {
            return Some(protocol);
        }
        let number = question::container_port(edge, key, snapshot).unwrap_or(edge.port);
        let containers = snapshot.template(key)?.spec.containers.iter();
        let declared = containers
            .flat_map(|container| &container.ports)
            .find(|port| port.container_port == i32::from(number.get()));
        if let Some(protocol) = declared.and_then(|port| by_name(&port.name)) {
            return Some(protocol);
        }
    }
    None
}

/// The protocol in the name of a port, by the usual forms: `grpc`, `tcp-logs`, `kubernetes.io/h2c`, `http-metrics`.
fn by_name(name: &str) -> Option<Protocol> {
    let name = name.to_ascii_lowercase();
    let last = name.rsplit('/').next()?;
    match last.split('-').next()? {
        "grpc" | "h2c" | "http2" => Some(Protocol::Grpc),
        "https" => Some(Protocol::Https),
        "http" | "web" | "www" => Some(Protocol::Http),
        "tcp" | "ws" | "wss" | "websocket" | "tls" => Some(Protocol::Tcp),
        _ if last.split('-').any(|word| word == "grpc") => Some(Protocol::Grpc),
        _ => None,
    }
}

/// Whether something else than the number tells that it is HTTP: a health path or a probe on that port, or the program that serves it.
fn is_known(edge: &Edge, tier: &Tier, snapshot: &Snapshot) -> bool {
    if question::declared(edge, tier, snapshot).is_some() {
        return true;
    }
    let Some(server) = tier
        .server
        .as_ref()
        .filter(|server| server.protocol == Protocol::Http)
    else {
        return false;
    };
    let by_program = ["image", "command", "healthcheck"]
        .iter()
        .any(|word| server.evidence.contains(word));
    let mut ends = tier
        .workloads
        .iter()
        .filter_map(|key| question::container_port(edge, key, snapshot));
    by_program && (server.port == edge.port || ends.any(|port| port == server.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_ports_tell_the_protocol_by_their_first_word() {
        for (name, wanted) in [
            ("grpc", Some(Protocol::Grpc)),
            ("kubernetes.io/h2c", Some(Protocol::Grpc)),
            ("http-metrics", Some(Protocol::Http)),
            ("tcp-logs", Some(Protocol::Tcp)),
            ("otlp-grpc", Some(Protocol::Grpc)),
            ("8080", None),
            ("main", None),
            ("", None),
        ] {
            assert_eq!(by_name(name), wanted, "{name}");
        }
    }
}
