//! A connection through a Service, evaluated both ways: some network plugins see the Pod's address and target port, others the
//! Service's address and port, for the order of policies and translation is not defined. Pure.

use std::num::NonZeroU16;

use super::matching::Dial;
use super::peer::Peer;
use super::route::Route;
use super::{Decision, Denial, connection, evaluate};
use crate::observe::{Snapshot, WorkloadKey};
use std::net::IpAddr;

/// What the policies say, both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeDecision {
    /// With the Pod's address and target port.
    pub pod: Decision,
    /// With the Service's address and port; `None` where there is no such address.
    pub service: Option<Decision>,
}

impl EdgeDecision {
    /// The decision of both ways, if they are the same; else the probe decides.
    pub fn agreed(&self) -> Option<&Decision> {
        match &self.service {
            Some(service)
                if std::mem::discriminant(service) != std::mem::discriminant(&self.pod) =>
            {
                None
            }
            _ => Some(&self.pod),
        }
    }

    /// What is said of each way.
    pub fn ways(&self) -> impl Iterator<Item = &Decision> {
        [&self.pod].into_iter().chain(&self.service)
    }

    /// Why the first way that is denied is so.
    pub fn denials(&self) -> &[Denial] {
        let denied = self.ways().find_map(|decision| match decision {
            Decision::Denied(denials) => Some(denials.as_slice()),
            Decision::Allowed | Decision::Unknown(_) => None,
        });
        denied.unwrap_or_default()
    }

    /// Whether either way denies it.
    pub fn is_denied_somehow(&self) -> bool {
        self.ways().any(Decision::is_denied)
    }

    /// Whether both ways deny it.
    pub fn is_denied(&self) -> bool {
        self.agreed().is_some_and(Decision::is_denied)
    }
}

/// Evaluates a connection both ways; `service` holds the Service's addresses and the port that is dialled there.
pub fn both_ways(
    snapshot: &Snapshot,
    source: &Peer,
    target: &Peer,
    target_port: NonZeroU16,
    transport: &str,
    service: Option<(&[IpAddr], NonZeroU16)>,
) -> EdgeDecision {
    let pod = evaluate(snapshot, source, target, target_port, transport);
    let service =
        service
            .filter(|(addresses, _)| !addresses.is_empty())
            .map(|(addresses, port)| {
                let seen = Peer {
                    addresses: addresses.to_vec(),
                    ..target.clone()
                };
                let dial = Dial {
                    port,
                    target_port,
                    transport,
                };
                connection(snapshot, source, target, &seen, &dial)
            });
    EdgeDecision { pod, service }
}

/// One way from a client to one of the Pods (or workloads, where nothing runs) at a route's end.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The client.
    pub source: Peer,
    /// The target.
    pub target: Peer,
    /// The port that is dialled on the target.
    pub port: NonZeroU16,
    /// What the policies say.
    pub decision: EdgeDecision,
}

/// Every way from a client workload to what stands at the end of `route`. A client without Pods stands for itself by its
/// template; none if that is not known either.
pub fn paths(
    snapshot: &Snapshot,
    client: &WorkloadKey,
    route: &Route,
    port: NonZeroU16,
    transport: &str,
) -> Vec<Path> {
    let pods = snapshot.pods_of(client);
    let mut sources: Vec<Peer> = Vec::new();
    for pod in pods {
        let peer = Peer::of_pod(snapshot, pod);
        // Pods that policies cannot distinguish are one source; addresses and nodes matter to few rules.
        if !sources
            .iter()
            .any(|seen| seen.labels == peer.labels && seen.host_network == peer.host_network)
        {
            sources.push(peer);
        }
    }
    if sources.is_empty() {
        sources.extend(Peer::of_workload(snapshot, client));
    }
    let targets = route.targets(snapshot, port, transport);
    let service = (!route.headless).then_some((route.addresses.as_slice(), port));
    sources
        .iter()
        .flat_map(|source| {
            targets.iter().map(move |(target, target_port)| Path {
                source: source.clone(),
                target: target.clone(),
                port: *target_port,
                decision: both_ways(snapshot, source, target, *target_port, transport, service),
            })
        })
        .collect()
}
