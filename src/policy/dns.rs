//! Whether a Pod may ask the cluster's DNS: the Service that its resolv.conf names, judged by its endpoints and target port. Pure.

use std::net::IpAddr;
use std::num::NonZeroU16;

use super::both::EdgeDecision;
use super::matching::Dial;
use super::peer::Peer;
use super::route::route;
use super::{Decision, Direction, egress, isolates, selecting};
use crate::observe::{HostMeaning, ServiceKey, Snapshot};

/// The port that DNS is asked on, and that CoreDNS listens on.
const DNS_PORT: NonZeroU16 = NonZeroU16::new(53).expect("53 is not zero");
/// The port that OpenShift's DNS Pods listen on.
const OPENSHIFT_DNS_PORT: NonZeroU16 = NonZeroU16::new(5353).expect("5353 is not zero");
/// The transport of a first question; clients go to TCP only when the answer was cut.
const TRANSPORT: &str = "UDP";

/// What the policies say of a Pod's DNS questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsDecision {
    /// The Service that is asked, if it is known.
    pub service: Option<ServiceKey>,
    /// What the policies say.
    pub decision: EdgeDecision,
}

/// Judges UDP to the name servers of the Pod's resolv.conf; with none given, to the Service that carries the usual label.
pub fn dns(snapshot: &Snapshot, source: &Peer, nameservers: &[IpAddr]) -> DnsDecision {
    let isolated = selecting(snapshot, source)
        .iter()
        .any(|policy| isolates(policy, Direction::Egress));
    if let Some(key) = service(snapshot, nameservers) {
        return DnsDecision {
            decision: to_service(snapshot, source, &key),
            service: Some(key),
        };
    }
    let decision = match nameservers.iter().find(|address| !in_cluster(address)) {
        Some(address) if isolated => Decision::Unknown(format!(
            "name server {address} is no Service of the cluster: whether policies concern it is left to the network plugin"
        )),
        _ => unseen(snapshot, source, nameservers),
    };
    DnsDecision {
        service: None,
        decision: EdgeDecision {
            pod: decision,
            service: None,
        },
    }
}

/// Link-local and loopback addresses are the node's own (NodeLocal DNS, systemd-resolved), past the policies.
fn in_cluster(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_loopback(),
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_loopback(),
    }
}

fn service(snapshot: &Snapshot, nameservers: &[IpAddr]) -> Option<ServiceKey> {
    if !nameservers.is_empty() {
        return nameservers.iter().find_map(|address| {
            match snapshot.meaning(&address.to_string(), "") {
                HostMeaning::ServiceAddress(key) => Some(key),
                _ => None,
            }
        });
    }
    snapshot.usual_dns()
}

/// Only the source's own policies are asked: those around the DNS Pods concern everybody.
fn to_service(snapshot: &Snapshot, source: &Peer, key: &ServiceKey) -> EdgeDecision {
    let host = format!("{}.{}.svc", key.name, key.namespace);
    let route = route(snapshot, "", &host, DNS_PORT, TRANSPORT);
    let mut targets = route.targets(snapshot, DNS_PORT, TRANSPORT);
    if targets.is_empty() {
        let name = format!("service/{}", key.name);
        targets.push((Peer::unseen(name, &key.namespace, None), DNS_PORT));
    }
    let mut decisions: Vec<EdgeDecision> = targets
        .iter()
        .map(|(target, target_port)| {
            let seen = Peer {
                addresses: route.addresses.clone(),
                ..target.clone()
            };
            let dial = Dial {
                port: DNS_PORT,
                target_port: *target_port,
                transport: TRANSPORT,
            };
            let direct = Dial::direct(*target_port, TRANSPORT);
            EdgeDecision {
                pod: egress(snapshot, source, target, &direct),
                service: (!route.addresses.is_empty())
                    .then(|| egress(snapshot, source, &seen, &dial)),
            }
        })
        .collect();
    // One server that answers is enough.
    let best = decisions
        .iter()
        .position(|decision| !decision.is_denied_somehow())
        .unwrap_or(0);
    decisions.swap_remove(best)
}

/// The DNS Service could not be read: it is denied only if no rule could mean it, on any port that DNS is known to listen on.
fn unseen(snapshot: &Snapshot, source: &Peer, nameservers: &[IpAddr]) -> Decision {
    let target = Peer::unseen("the cluster's DNS", "", None);
    let [usual, other] = [DNS_PORT, OPENSHIFT_DNS_PORT]
        .map(|port| egress(snapshot, source, &target, &Dial::direct(port, TRANSPORT)));
    match (usual, other) {
        (Decision::Denied(denials), Decision::Denied(_)) => Decision::Denied(denials),
        (Decision::Allowed, _) => Decision::Allowed,
        _ => Decision::Unknown(match nameservers.first() {
            Some(address) => format!("the Service of name server {address} could not be read"),
            None => "the cluster's DNS Service could not be read".to_owned(),
        }),
    }
}
