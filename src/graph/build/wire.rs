//! What an edge speaks where no scheme says so: what its port is called, a probe, the program that serves it; else only a guess by the
//! number of the port, of which the connection alone counts. Pure.

use crate::address;
use crate::graph::{Edge, Tier, TierGraph, infer};
use crate::observe::Snapshot;
use crate::observe::kinds::{Container, Probe, ServicePort};
use crate::protocol::Protocol;

use super::{Known, question};

/// Settles the protocol of every edge that no scheme shows, and whether it is more than a guess.
pub(super) fn settle(graph: &mut TierGraph, snapshot: &Snapshot, known: &[Known]) {
    let TierGraph { tiers, edges, .. } = graph;
    for edge in edges {
        edge.guessed &= !edge.by_scheme
            && !matches!(edge.protocol, Protocol::Tcp | Protocol::Udp)
            && !logs_in_to_product(edge);
        if edge.by_scheme {
            continue;
        }
        let Some(tier) = tiers.get(&edge.to) else {
            continue;
        };
        if edge.external {
            edge.guessed &= !is_product(edge, known);
            continue;
        }
        let by_program = edge.guessed && is_known(edge, tier, snapshot, known);
        let said = match edge.protocol {
            Protocol::Http => said(edge, tier, snapshot),
            // Where a name says no more than TCP, a guess at what is spoken there stays one.
            _ if edge.guessed && !by_program => {
                said(edge, tier, snapshot).filter(|said| *said != Protocol::Tcp)
            }
            _ => None,
        };
        edge.protocol = said.unwrap_or(edge.protocol);
        edge.guessed &= !by_program && said.is_none();
    }
}

/// Whether the variables with which the client logs in are those of the product: `POSTGRES_USER`.
fn logs_in_to_product(edge: &Edge) -> bool {
    let variables = edge.login.iter().flat_map(|login| login.variables());
    variables
        .flat_map(address::words)
        .any(|word| address::product(&word) == Some(edge.protocol))
}

/// Whether the program whose place an outside host has taken speaks that protocol.
fn is_product(edge: &Edge, known: &[Known]) -> bool {
    known
        .iter()
        .filter_map(|facts| facts.get(&edge.to))
        .any(|facts| facts.knows(edge.port, edge.protocol))
}

/// The protocol that the port's names show: those of the Service first, then the container's.
fn said(edge: &Edge, tier: &Tier, snapshot: &Snapshot) -> Option<Protocol> {
    let own = |port: &&ServicePort| port.port == i32::from(edge.port.get());
    for key in &tier.workloads {
        let way = snapshot.way(&edge.host, &key.namespace);
        let service = way.last().map(|(_, service)| service);
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
        _ if let Some(product) = last.split('-').find_map(address::product) => Some(product),
        "tcp" | "ws" | "wss" | "websocket" | "tls" => Some(Protocol::Tcp),
        _ if last.split('-').any(|word| word == "grpc") => Some(Protocol::Grpc),
        _ => None,
    }
}

/// Whether something else than the number shows the protocol: a health path or a probe on that port, or the program that serves it.
fn is_known(edge: &Edge, tier: &Tier, snapshot: &Snapshot, known: &[Known]) -> bool {
    let web = matches!(edge.protocol, Protocol::Http | Protocol::Https);
    if web && question::declared(edge, tier, snapshot).is_some() {
        return true;
    }
    let ends = tier
        .workloads
        .iter()
        .filter_map(|key| question::container_port(edge, key, snapshot));
    let mut ports = ends.chain([edge.port]);
    let facts = || known.iter().filter_map(|facts| facts.get(&edge.to));
    if ports.any(|port| facts().any(|facts| facts.knows(port, edge.protocol))) {
        return true;
    }
    let containers = tier
        .workloads
        .iter()
        .filter_map(|key| snapshot.template(key))
        .flat_map(|template| &template.spec.containers);
    containers
        .flat_map(Container::probes)
        .any(|probe| asks(probe) == Some(edge.protocol))
}

/// The protocol in which a probe asks by a product's own tool, or by gRPC.
fn asks(probe: &Probe) -> Option<Protocol> {
    if probe.grpc.is_some() {
        return Some(Protocol::Grpc);
    }
    infer::asks(&probe.exec.as_ref()?.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_ports_show_the_protocol_by_their_first_word() {
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
