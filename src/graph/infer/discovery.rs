//! Targets that a tier finds at run time: proxies through labels and variables on the docker socket, brokers through what each of them
//! advertises. Pure.

use crate::compose::Service;
use crate::protocol::Protocol;

use super::super::{Confidence, Edge};
use super::merge::Draft;
use super::project::Project;
use super::{names, own};

impl<'a> Project<'a> {
    /// Proxies that find their targets by labels and variables, through the docker socket.
    pub(super) fn discovered(&self, proxy: &Service) -> Vec<Draft> {
        let mut drafts = Vec::new();
        if !proxy.docker_socket {
            return drafts;
        }
        let image = proxy.image.as_deref().unwrap_or_default();
        let traefik = image.contains("traefik");
        let public = |target: u16| proxy.ports.iter().any(|port| port.target == target);
        if !(traefik || public(80) || public(443)) {
            return drafts;
        }
        for to in self.file.services.values() {
            if to.name == proxy.name || !names::connected(self.file, proxy, to) {
                continue;
            }
            let (found, port, key) = if traefik {
                (traefik_routes(to), traefik_port(to), "labels")
            } else {
                let port = to
                    .environment
                    .get("VIRTUAL_PORT")
                    .map(|value| value.value.clone());
                (
                    to.environment.contains_key("VIRTUAL_HOST"),
                    port,
                    "environment.VIRTUAL_HOST",
                )
            };
            if !found {
                continue;
            }
            let origin = format!(
                "compose services.{}.{key}, read by {} through the docker socket",
                to.name, proxy.name
            );
            let written = port.as_deref().and_then(crate::address::port);
            let facts = self.facts.get(&to.name);
            let dialled = written.or_else(|| {
                facts
                    .and_then(|facts| facts.dial(None, Some(Protocol::Http), false))
                    .map(|found| found.port)
            });
            if let Some(port) = dialled {
                let edge = Edge {
                    confidence: Confidence::Likely,
                    guessed: true,
                    ..Edge::new(&proxy.name, &to.name, &to.name, port, Protocol::Http)
                };
                drafts.push(Draft::new(edge, origin));
            }
        }
        drafts
    }

    /// Kafka's brokers call each other where each advertises its inner listener.
    pub(super) fn brokers(&self) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let value = |service: &'a Service, key: &str| {
            ["KAFKA_", "KAFKA_CFG_"]
                .iter()
                .find_map(|prefix| service.environment.get(&format!("{prefix}{key}")))
                .map(|value| value.value.as_str())
        };
        // A node that only votes calls no broker.
        let serves = |service: &'a Service| {
            value(service, "PROCESS_ROLES").is_none_or(|roles| roles.contains("broker"))
        };
        let cluster = |service: &'a Service| {
            ["ZOOKEEPER_CONNECT", "CONTROLLER_QUORUM_VOTERS"]
                .iter()
                .find_map(|key| value(service, key))
        };
        let brokers: Vec<&Service> = self
            .file
            .services
            .values()
            .filter(|service| {
                self.protocol(&service.name) == Some(Protocol::Kafka) && serves(service)
            })
            .collect();
        let mut tables = names::Tables::new(self.file);
        for from in &brokers {
            let table = tables.of_client(from);
            for to in &brokers {
                let same = cluster(from).is_some() && cluster(from) == cluster(to);
                if from.name == to.name || !same || !names::connected(self.file, from, to) {
                    continue;
                }
                let inner = value(to, "INTER_BROKER_LISTENER_NAME").unwrap_or("PLAINTEXT");
                let listener = value(to, "ADVERTISED_LISTENERS")
                    .or_else(|| value(to, "LISTENERS"))
                    .into_iter()
                    .flat_map(own::listeners)
                    .find(|(name, _)| name.eq_ignore_ascii_case(inner));
                // Without a host a broker advertises its own name.
                let address = listener.map(|(_, address)| match address.strip_prefix(':') {
                    Some(port) => format!("{}:{port}", to.name),
                    None => address.to_owned(),
                });
                let Some((host, Some(port))) =
                    address.and_then(|address| crate::address::host_and_port(&address))
                else {
                    continue;
                };
                if table.resolve(&host) != Some(to.name.as_str()) {
                    continue;
                }
                let origin = format!(
                    "compose services.{}.environment, where it advertises its address to the other brokers",
                    to.name
                );
                let edge = Edge {
                    confidence: Confidence::Likely,
                    guessed: true,
                    ..Edge::new(&from.name, &to.name, host, port, Protocol::Kafka)
                };
                drafts.push(Draft::new(edge, origin));
            }
        }
        drafts
    }
}

fn traefik_routes(service: &Service) -> bool {
    let off = service
        .labels
        .get("traefik.enable")
        .is_some_and(|value| value.eq_ignore_ascii_case("false"));
    !off && service.labels.iter().any(|(key, value)| {
        (key == "traefik.enable" && value.eq_ignore_ascii_case("true"))
            || key.starts_with("traefik.http.routers.")
            || key.starts_with("traefik.http.services.")
            || key.starts_with("traefik.frontend.")
    })
}

fn traefik_port(service: &Service) -> Option<String> {
    let label = service
        .labels
        .iter()
        .find(|(key, _)| key.ends_with(".loadbalancer.server.port") || *key == "traefik.port");
    label.map(|(_, value)| value.clone())
}
