//! Tiers that share no compose network and should not reach one another: edges that must not work, asked for with `--check-isolation`. Pure.

use super::{Edge, Tier, TierGraph, identify};

/// Adds an edge that must not work from every tier that runs to every one that serves and shares no network with it. An optional one: it is
/// no one's word that it must not work, only what compose would have done.
pub fn forbid_between_networks(graph: &mut TierGraph) {
    let mut added = Vec::new();
    for from in graph.tiers.values().filter(|tier| calls(tier)) {
        for to in graph.tiers.values() {
            let known = graph
                .edges
                .iter()
                .any(|edge| edge.from == from.name && edge.to == to.name);
            if from.name != to.name && !known && apart(from, to) {
                added.extend(edge(from, to));
            }
        }
    }
    graph.edges.append(&mut added);
    identify(&mut graph.edges);
}

/// Whether something runs from which can be looked.
fn calls(tier: &Tier) -> bool {
    tier.in_compose && tier.expected && !tier.one_shot && !tier.workloads.is_empty()
}

/// Whether both have networks, and none in common. One without any (`network_mode: host`) is nowhere isolated.
fn apart(from: &Tier, to: &Tier) -> bool {
    let (ours, theirs) = (&from.networks, &to.networks);
    !ours.is_empty() && !theirs.is_empty() && !ours.iter().any(|network| theirs.contains(network))
}

/// The edge to where a tier serves, by the name of its Service.
fn edge(from: &Tier, to: &Tier) -> Option<Edge> {
    let server = to.server.as_ref()?;
    let service = to.services.first()?;
    let own = from.workloads.first()?;
    let host = service.host_from(&own.namespace);
    Some(Edge {
        origin: vec![
            "no network in common in compose (--check-isolation)"
                .to_owned()
                .into(),
        ],
        optional: true,
        forbidden: true,
        ..Edge::new(&from.name, &to.name, host, server.port, server.protocol)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::fixture::story;

    #[test]
    fn only_tiers_that_share_no_network_must_not_reach_one_another() {
        let before = story().graph();
        let mut graph = before.clone();
        forbid_between_networks(&mut graph);
        assert_eq!(graph.edges, before.edges, "all share the default network");
        for tier in graph.tiers.values_mut() {
            let network = if tier.name == "WEB" { "front" } else { "back" };
            tier.networks = vec![network.to_owned()];
        }
        forbid_between_networks(&mut graph);
        let added: Vec<&Edge> = graph.edges.iter().filter(|edge| edge.forbidden).collect();
        // What WEB is known to need it may reach all the same.
        let of_web: Vec<&str> = added
            .iter()
            .filter(|edge| edge.from == "WEB")
            .map(|edge| edge.id.0.as_str())
            .collect();
        assert_eq!(of_web, ["WEB->KVS:6379/redis"]);
        assert!(
            added
                .iter()
                .all(|edge| edge.optional && (edge.from == "WEB") != (edge.to == "WEB"))
        );
    }
}
