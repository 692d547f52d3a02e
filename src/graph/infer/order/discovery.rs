//! Targets that a tier finds at run time: proxies through labels and variables on the docker socket, brokers through what each of them
//! advertises. Pure.

use crate::compose::Service;
use crate::protocol::Protocol;

use super::super::super::Confidence;
use super::super::merge::{Draft, Drafts};
use super::super::{names, own};
use super::Project;

impl<'a> Project<'a> {
    /// Proxies that find their targets by labels and variables, through the docker socket.
    pub(in super::super) fn discovered(&self, proxy: &Service, drafts: &mut Drafts) {
        if !proxy.docker_socket {
            return;
        }
        let image = proxy.image.as_deref().unwrap_or_default();
        let traefik = image.contains("traefik");
        let public = |target: u16| proxy.ports.iter().any(|port| port.target == target);
        if !(traefik || public(80) || public(443)) {
            return;
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
                drafts.add(Draft {
                    confidence: Confidence::Likely,
                    ..Draft::new(
                        &proxy.name,
                        &to.name,
                        &to.name,
                        port,
                        Protocol::Http,
                        origin,
                    )
                });
            }
        }
    }

    /// `lb://NAME` of a gateway: every tier that registers under the name, where each says that it listens. Weak: the registry tells
    /// the address.
    pub(in super::super) fn registered(&self, from: &Service, drafts: &mut Drafts) {
        for file in super::super::files_of(from) {
            for rest in file.text.split("lb://").skip(1) {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
                let name = &rest[..end.unwrap_or(rest.len())];
                let others = self.file.services.values().filter(|to| {
                    to.name != from.name
                        && registers_as(to, name)
                        && names::connected(self.file, from, to)
                });
                for to in others {
                    let origin = format!("file {} of {}: lb://{name}", file.target, from.name);
                    let known = drafts.confirm(&from.name, &to.name, &origin, Confidence::Weak);
                    let draft = self.draft(from, to, &to.name, Confidence::Weak, origin);
                    if let Some(draft) = draft.filter(|_| !known) {
                        drafts.add(draft);
                    }
                }
            }
        }
    }

    /// Kafka's brokers call each other where each advertises its inner listener.
    pub(in super::super) fn brokers(&self, drafts: &mut Drafts) {
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
                    "compose services.{}.environment, where it tells the other brokers its address",
                    to.name
                );
                let draft = self.draft(from, to, &host, Confidence::Likely, origin);
                if let Some(draft) = draft {
                    drafts.add(Draft {
                        port,
                        protocol: Protocol::Kafka,
                        guessed: false,
                        ..draft
                    });
                }
            }
        }
    }
}

/// Whether a tier is known to a registry by a name: that of its application, else its own without the number of the replica.
fn registers_as(service: &Service, name: &str) -> bool {
    let mut words = crate::address::words(&service.name);
    words.pop_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let own = super::super::files_of(service).find_map(|file| application_name(&file.text));
    match own {
        Some(own) => own.eq_ignore_ascii_case(name),
        None => !words.is_empty() && words == crate::address::words(name),
    }
}

/// `spring.application.name` of properties or YAML.
fn application_name(text: &str) -> Option<&str> {
    let mut above = "";
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(['=', ':'])?;
        let (key, value) = (key.trim(), value.trim().trim_matches(['"', '\'']));
        let named = key == "spring.application.name" || above == "application" && key == "name";
        above = key;
        (named && !value.is_empty() && !value.contains('$')).then_some(value)
    })
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
