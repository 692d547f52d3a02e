//! Names whose DNS record matters although no edge may use them: of each tier that listens, of each Service before a tier. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use super::client::Client;
use super::edge::not_found_ms;
use super::model::Identity;
use crate::graph::{Tier, TierGraph};
use crate::observe::Snapshot;
use crate::policy::{self, Peer};
use crate::probe::wire::NameTask;

/// The names to ask in one namespace.
pub(super) fn tasks(graph: &TierGraph, snapshot: &Snapshot, namespace: &str) -> Vec<NameTask> {
    graph
        .tiers
        .values()
        .flat_map(|tier| {
            names(tier, snapshot, namespace)
                .into_iter()
                .map(|name| NameTask {
                    id: format!("name:{}:{name}", tier.name),
                    // Any port will do: only the name's age is asked for.
                    retry_not_found_ms: not_found_ms(
                        snapshot,
                        &policy::route(snapshot, namespace, &name, NonZeroU16::MIN, "TCP"),
                    ),
                    name,
                })
        })
        .collect()
}

/// The tier's own name as compose gives it to its peers, and those of its Services. A name that a Service bears in another
/// case is the same.
fn names(tier: &Tier, snapshot: &Snapshot, namespace: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if !tier.expected || tier.one_shot {
        return names;
    }
    let lives_here = if tier.workloads.is_empty() {
        namespace == snapshot.namespace && !tier.services.is_empty()
    } else {
        tier.workloads
            .iter()
            .any(|workload| workload.namespace == namespace)
    };
    let listens = tier.server.is_some() || !tier.ports.is_empty();
    let services = tier
        .services
        .iter()
        .filter(|service| service.namespace == namespace);
    names.extend(services.map(|service| service.name.clone()));
    if lives_here && listens && (tier.in_compose || names.is_empty()) {
        names.retain(|name| !name.eq_ignore_ascii_case(&tier.name));
        names.insert(tier.name.clone());
    }
    names
}

/// How unlike an ordinary Pod's the answers of this client may be: the least one asks for the names.
pub(super) fn dns_difference(snapshot: &Snapshot, client: &Client<'_>) -> u8 {
    let Identity {
        dns_policy,
        dns_config,
        host_aliases,
        host_network,
        departs,
        ..
    } = &client.identity;
    let cluster = dns_policy.is_empty() && !host_network || dns_policy == "ClusterFirstWithHostNet";
    let denied = Peer::of_workload(snapshot, &client.workload).is_some_and(|peer| {
        let peer = Peer {
            labels: client.labels.clone(),
            ..peer
        };
        policy::dns(snapshot, &peer, &[])
            .decision
            .is_denied_somehow()
    });
    u8::from(!cluster) * 4
        + u8::from(denied) * 4
        + u8::from(!dns_config.is_empty())
        + u8::from(!host_aliases.is_empty()) * 2
        + u8::from(*host_network)
        + u8::from(!departs.is_empty())
}

/// From so strange a client on, an ordinary Pod asks for the names instead.
pub(super) const TOO_DIFFERENT: u8 = 2;
