//! The ways in from outside the cluster: what leads to a tier, and what compose publishes although nothing does. Pure.

mod question;
mod rules;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU16;

use super::{Entry, EntryAddress, EntryKind, EntryRule, Tier, TierGraph, Unreached};
use crate::compose::ComposeFile;
use crate::config::Config;
use crate::finding::ObjectRef;
use crate::observe::kinds::{Ingress, Node, Service, ServicePort};
use crate::observe::{Backend, ServiceKey, Snapshot, backend_port, backends};
use crate::protocol::Protocol;

/// Fills in what leads in from outside, and what compose publishes although nothing does. Nothing is said of a namespace that was not read.
pub(super) fn fill(
    graph: &mut TierGraph,
    compose: Option<&ComposeFile>,
    snapshot: &Snapshot,
    config: &Config,
) {
    rules::check(graph, config);
    if graph.absent.is_some() || snapshot.own().is_none() {
        return;
    }
    let mut entries: Vec<Entry> = graph
        .tiers
        .values()
        .flat_map(|tier| of_tier(graph, tier, snapshot))
        .collect();
    rules::apply(graph, &mut entries, config, snapshot);
    entries.sort_by(|left, right| left.id.cmp(&right.id));
    entries.dedup_by(|left, right| left.id == right.id);
    graph.unreached = compose.map_or_else(Vec::new, |compose| {
        unreached(graph, &entries, compose, snapshot)
    });
    graph.entries = entries;
}

fn of_tier(graph: &TierGraph, tier: &Tier, snapshot: &Snapshot) -> Vec<Entry> {
    let mut found = Vec::new();
    for key in &tier.services {
        let Some(service) = snapshot.service(key) else {
            continue;
        };
        let maker = EntryBuilder {
            graph,
            tier,
            snapshot,
            key,
            service,
        };
        found.extend(service.spec.ports.iter().filter_map(
            |port| match service.spec.kind.as_str() {
                "NodePort" => maker.node_port(port),
                "LoadBalancer" => maker.balancer(port),
                _ => None,
            },
        ));
        let ingresses = snapshot.namespaces.get(&key.namespace);
        for ingress in ingresses.iter().flat_map(|state| &state.ingresses) {
            let rules = backends(ingress);
            let own = rules.iter().filter(|rule| rule.service.name == key.name);
            found.extend(own.filter_map(|rule| maker.ingress(ingress, rule)));
        }
    }
    found
}

/// Makes the entries of one Service.
struct EntryBuilder<'a> {
    graph: &'a TierGraph,
    tier: &'a Tier,
    snapshot: &'a Snapshot,
    key: &'a ServiceKey,
    service: &'a Service,
}

impl EntryBuilder<'_> {
    fn entry(
        &self,
        kind: EntryKind,
        object: ObjectRef,
        what: &str,
        port: &ServicePort,
    ) -> Option<Entry> {
        let number = u16::try_from(port.port).ok().and_then(NonZeroU16::new)?;
        let mut id = format!("{kind}/{}:{what}", object.name);
        if self.key.namespace != self.snapshot.namespace {
            id += &format!("@{}", self.key.namespace);
        }
        Some(Entry {
            id,
            kind,
            object,
            to: self.tier.name.clone(),
            service: self.key.clone(),
            port: number.get(),
            transport: if port.protocol.is_empty() {
                "TCP".to_owned()
            } else {
                port.protocol.to_uppercase()
            },
            addresses: Vec::new(),
            rule: None,
            question: None,
            protocol: self.protocol(port),
            local: self.service.spec.external_traffic_policy == "Local",
            sources: Vec::new(),
        })
    }

    /// As edges to that port say, or the tier itself.
    fn protocol(&self, port: &ServicePort) -> Protocol {
        let is_port = |number: u16| {
            i32::from(number) == port.port
                || port.target_port.as_i64() == Some(i64::from(number))
                || self.service.spec.ports.len() == 1
        };
        let edges = self.graph.edges.iter();
        let by_edge = edges
            .filter(|edge| edge.to == self.tier.name && is_port(edge.port.get()))
            .map(|edge| edge.protocol);
        let server = self.tier.server.as_ref();
        let by_tier = server
            .filter(|server| is_port(server.port.get()))
            .map(|server| server.protocol);
        by_edge
            .chain(by_tier)
            .find(|protocol| *protocol != Protocol::Tcp)
            .unwrap_or(Protocol::Tcp)
    }

    fn node_port(&self, port: &ServicePort) -> Option<Entry> {
        let number = u16::try_from(port.node_port)
            .ok()
            .and_then(NonZeroU16::new)?;
        let object = self.key.object();
        let mut entry = self.entry(EntryKind::NodePort, object, &number.to_string(), port)?;
        entry.addresses = self
            .snapshot
            .nodes
            .iter()
            .filter(|node| self.snapshot.unready_node(&node.metadata.name).is_none())
            .filter_map(|node| {
                Some(EntryAddress {
                    host: self.internal_address(node)?,
                    port: number,
                    node: Some(node.metadata.name.clone()),
                })
            })
            .collect();
        Some(entry)
    }

    /// A node's own address, of a family that the Service has.
    fn internal_address(&self, node: &Node) -> Option<String> {
        let families = &self.service.spec.ip_families;
        let fits = |address: &str| {
            address.parse::<IpAddr>().is_ok_and(|address| {
                let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
                families.is_empty() || families.iter().any(|one| one == family)
            })
        };
        let mut addresses = node.status.addresses.iter();
        let found = addresses.find(|one| one.kind == "InternalIP" && fits(&one.address));
        found.map(|one| one.address.clone())
    }

    fn balancer(&self, port: &ServicePort) -> Option<Entry> {
        let number = u16::try_from(port.port).ok().and_then(NonZeroU16::new)?;
        let object = self.key.object();
        let mut entry = self.entry(EntryKind::LoadBalancer, object, &number.to_string(), port)?;
        entry.addresses = published(&self.service.status, number);
        entry
            .sources
            .clone_from(&self.service.spec.load_balancer_source_ranges);
        Some(entry)
    }

    fn ingress(&self, ingress: &Ingress, rule: &Backend<'_>) -> Option<Entry> {
        let port = backend_port(self.service, &rule.service)?;
        let namespace = &self.key.namespace;
        let object = ObjectRef::new("ingress", &ingress.metadata.name, namespace);
        let path = rule.path.filter(|path| !path.is_empty()).unwrap_or("/");
        let host = if rule.host.is_empty() { "*" } else { rule.host };
        let what = format!("{host}{path}");
        let mut entry = self.entry(EntryKind::Ingress, object, &what, port)?;
        let tls = ingress.spec.tls.iter().any(|tls| {
            tls.hosts.is_empty() || tls.hosts.iter().any(|served| covers(served, rule.host))
        });
        let number = NonZeroU16::new(if tls { 443 } else { 80 })?;
        entry.addresses = published(&ingress.status, number);
        let asked = EntryRule {
            host: rule.host.to_owned(),
            path: path.to_owned(),
            tls,
        };
        let healthy = question::health_path(self.tier, self.snapshot, port);
        entry.question = question::of_rule(&asked, rule.exact, entry.protocol, healthy);
        entry.rule = Some(asked);
        entry.local = false;
        Some(entry)
    }
}

/// Whether a host of `tls` is that of a rule: itself, or `*.` before its domain.
fn covers(served: &str, host: &str) -> bool {
    served.eq_ignore_ascii_case(host)
        || served.strip_prefix("*.").is_some_and(|domain| {
            host.split_once('.')
                .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain))
        })
}

/// The addresses that a controller wrote into `status.loadBalancer`, with that port.
fn published(status: &serde_json::Value, port: NonZeroU16) -> Vec<EntryAddress> {
    let ingress = status["loadBalancer"]["ingress"].as_array();
    ingress
        .into_iter()
        .flatten()
        .filter_map(|one| {
            let text = |field: &str| one[field].as_str().filter(|text| !text.is_empty());
            Some(EntryAddress {
                host: text("ip").or_else(|| text("hostname"))?.to_owned(),
                port,
                node: None,
            })
        })
        .collect()
}

/// Tiers that compose publishes to more than its own host, and that nothing leads to. A store is published for people with a client at
/// hand, not for users: nothing is missing there.
fn unreached(
    graph: &TierGraph,
    entries: &[Entry],
    compose: &ComposeFile,
    snapshot: &Snapshot,
) -> Vec<Unreached> {
    if !snapshot.knows("ingresses") || !snapshot.knows("services") {
        return Vec::new();
    }
    let reached: BTreeSet<&str> = entries.iter().map(|entry| entry.to.as_str()).collect();
    let tiers = graph.tiers.values().filter(|tier| {
        tier.expected
            && !tier.workloads.is_empty()
            && !reached.contains(tier.name.as_str())
            && !leads_in_otherwise(tier, snapshot)
    });
    tiers
        .filter_map(|tier| {
            let service = compose.services.get(&tier.name)?;
            let ports: Vec<String> = service
                .ports
                .iter()
                .filter(|port| port.transport == "tcp" && !is_store(tier, port.target))
                .filter(|port| {
                    let address = port.host_ip.as_deref().and_then(|ip| ip.parse().ok());
                    !address.is_some_and(|address: IpAddr| address.is_loopback())
                })
                .map(|port| match &port.published {
                    Some(published) => format!("{published}:{}", port.target),
                    None => port.target.to_string(),
                })
                .collect();
            (!ports.is_empty()).then(|| Unreached {
                tier: tier.name.clone(),
                ports,
            })
        })
        .collect()
}

/// Whether the tier serves something other than HTTP on that port, as far as is known.
fn is_store(tier: &Tier, port: u16) -> bool {
    tier.server.as_ref().is_some_and(|server| {
        server.port.get() == port
            && !matches!(
                server.protocol,
                Protocol::Http | Protocol::Https | Protocol::Grpc | Protocol::Tcp
            )
    })
}

/// Whether its Pods stand in their node's network, or its Services have addresses outside.
fn leads_in_otherwise(tier: &Tier, snapshot: &Snapshot) -> bool {
    let by_node = tier.workloads.iter().any(|key| {
        snapshot.template(key).is_none_or(|template| {
            template.spec.host_network
                || template
                    .spec
                    .containers
                    .iter()
                    .any(|container| container.ports.iter().any(|port| port.host_port > 0))
        })
    });
    by_node
        || tier.services.iter().any(|key| {
            snapshot
                .service(key)
                .is_some_and(|service| !service.spec.external_ips.is_empty())
        })
}

#[cfg(test)]
mod tests;
