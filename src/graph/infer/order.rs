//! What compose says without an address: `links`, `depends_on`, and proxies that find their targets through the docker socket. Pure.
//!
//! `links` declare a connection. `depends_on` is an order of start: it becomes a weak edge only where nothing speaks against a
//! connection and the target plainly serves somewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::{ComposeFile, MountedFile, Service};
use crate::protocol::Protocol;

use super::super::Confidence;
use super::facts::TierFacts;
use super::libraries;
use super::merge::{Draft, Drafts};
use super::names;
use super::own;
use super::tiers;

/// What the readers of this file look at.
pub(super) struct Project<'a> {
    pub file: &'a ComposeFile,
    pub facts: &'a BTreeMap<String, TierFacts>,
}

impl<'a> Project<'a> {
    fn service(&self, name: &str) -> Option<&'a Service> {
        self.file
            .services
            .get(name)
            .or_else(|| self.file.inactive.get(name))
    }

    fn active(&self, name: &str) -> Option<&'a Service> {
        self.file.services.get(name)
    }

    /// The draft of an edge whose port only the target tells.
    fn draft(
        &self,
        from: &Service,
        to: &Service,
        host: &str,
        confidence: Confidence,
        origin: String,
    ) -> Option<Draft> {
        let dialled = self.facts.get(&to.name)?.dial(None, None, false)?;
        Some(Draft {
            from: from.name.clone(),
            to: to.name.clone(),
            host: host.to_owned(),
            port: dialled.port,
            protocol: dialled.protocol,
            // Nothing of the client's configuration tells this port: what does tell one is better.
            guessed: true,
            by_scheme: false,
            origin: vec![origin],
            confidence,
            variable: None,
            login: None,
            path: None,
            tls: None,
            external: false,
            optional: self.active(&from.name).is_none(),
        })
    }

    fn is_store(&self, tier: &str) -> bool {
        self.facts.get(tier).is_some_and(TierFacts::is_store)
    }

    /// Whether a tier is a product that takes what others send it and calls no application.
    fn only_answers(&self, tier: &str) -> bool {
        const PRODUCTS: [&str; 15] = [
            "alertmanager",
            "loki",
            "tempo",
            "jaeger",
            "zipkin",
            "pyroscope",
            "pushgateway",
            "node-exporter",
            "cadvisor",
            "mailhog",
            "minio",
            "seq",
            "registry",
            "etcd",
            // What it scrapes stands in its configuration.
            "prometheus",
        ];
        self.facts
            .get(tier)
            .and_then(TierFacts::product)
            .is_some_and(|product| PRODUCTS.contains(&product))
    }

    fn protocol(&self, tier: &str) -> Option<Protocol> {
        self.facts.get(tier)?.server().map(|server| server.protocol)
    }

    /// `links`: declared. Gives the names of targets whose port nothing tells.
    pub(super) fn links(&self, from: &Service, drafts: &mut Drafts) -> Vec<String> {
        let mut unknown = Vec::new();
        for link in &from.links {
            let Some(to) = self.active(&link.service) else {
                continue;
            };
            if to.name == from.name
                || names::same_namespace(from, to)
                || !names::connected(self.file, from, to)
            {
                continue;
            }
            let origin = format!("compose services.{}.links", from.name);
            if drafts.confirm(&from.name, &to.name, &origin, Confidence::Declared) {
                continue;
            }
            match self.draft(from, to, &link.alias, Confidence::Declared, origin) {
                Some(draft) => drafts.add(draft),
                None => unknown.push(to.name.clone()),
            }
        }
        unknown
    }

    /// Proxies that find their targets by labels and variables, through the docker socket.
    pub(super) fn discovered(&self, proxy: &Service, drafts: &mut Drafts) {
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
            let written = port.as_deref().and_then(super::facts::number);
            let facts = self.facts.get(&to.name);
            let dialled = written.or_else(|| {
                facts
                    .and_then(|facts| facts.dial(None, Some(Protocol::Http), false))
                    .map(|found| found.port)
            });
            if let Some(port) = dialled {
                drafts.add(Draft {
                    from: proxy.name.clone(),
                    to: to.name.clone(),
                    host: to.name.clone(),
                    port,
                    protocol: Protocol::Http,
                    guessed: false,
                    by_scheme: false,
                    origin: vec![origin],
                    confidence: Confidence::Likely,
                    variable: None,
                    login: None,
                    path: None,
                    tls: None,
                    external: false,
                    optional: false,
                });
            }
        }
    }

    /// `depends_on`: weak.
    pub(super) fn depends(&self, from: &Service, drafts: &mut Drafts) {
        let mut weak = Vec::new();
        for (name, depends) in &from.depends_on {
            let Some(to) = self.active(name) else {
                continue;
            };
            let origin = format!("compose services.{}.depends_on", from.name);
            let dialled = drafts.to(name).any(|draft| !draft.guessed);
            let ends = tiers::ends(self.file, to, self.facts.get(name), dialled);
            // A name that `extra_hosts` gives to an address of its own leads elsewhere.
            let elsewhere = from.extra_hosts.contains_key(name)
                && names::NameTable::of_client(self.file, from).is_pinned(name);
            // `volumes_from`, `ipc`, `pid`, `network_mode` imply an order, and no connection.
            if depends.implied_by.is_some()
                || ends
                || elsewhere
                || to.name == from.name
                || names::same_namespace(from, to)
            {
                continue;
            }
            if drafts.between(&from.name, name).next().is_some() {
                drafts.confirm(&from.name, name, &origin, Confidence::Weak);
                continue;
            }
            if !self.speaks_for_a_connection(from, to, drafts) {
                continue;
            }
            let draft = self.draft(from, to, name, Confidence::Weak, origin);
            weak.extend(draft.map(|draft| Draft {
                optional: draft.optional || !depends.required,
                ..draft
            }));
        }
        for draft in weak {
            drafts.add(draft);
        }
        self.inherited(from, drafts);
    }

    /// Kafka's brokers call each other where each advertises its inner listener.
    pub(super) fn brokers(&self, drafts: &mut Drafts) {
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
        for from in &brokers {
            for to in &brokers {
                let same = cluster(from).is_some() && cluster(from) == cluster(to);
                if from.name == to.name || !same || !names::connected(self.file, from, to) {
                    continue;
                }
                let inner = value(to, "INTER_BROKER_LISTENER_NAME").unwrap_or("PLAINTEXT");
                let listener = value(to, "ADVERTISED_LISTENERS")
                    .or_else(|| value(to, "LISTENERS"))
                    .into_iter()
                    .flat_map(|list| list.split(','))
                    .filter_map(|one| one.trim().split_once("://"))
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
                let table = names::NameTable::of_client(self.file, from);
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

    /// A driver among the libraries of a tier's program, where the project has one store of that kind and the tier none yet: weak.
    pub(super) fn libraries(&self, from: &Service, files: &[&MountedFile], drafts: &mut Drafts) {
        // Who serves a store, or is a ready proxy or server, runs nothing that is built of these.
        let ready = self.facts.get(&from.name).and_then(TierFacts::product);
        if ready.is_some() && self.protocol(&from.name) != Some(Protocol::Fastcgi) {
            return;
        }
        let mut found: BTreeMap<Protocol, (String, String)> = BTreeMap::new();
        for file in files {
            for (library, protocol) in libraries::drivers(file) {
                found
                    .entry(protocol)
                    .or_insert_with(|| (library, file.source.clone()));
            }
        }
        let mut installs: Vec<String> = from
            .build
            .iter()
            .flat_map(|build| build.installs.clone())
            .collect();
        for word in tiers::words(from) {
            installs.extend(crate::compose::installed(&word));
        }
        for library in installs {
            if let Some(protocol) = libraries::driver(&library) {
                found
                    .entry(protocol)
                    .or_insert_with(|| (library, "what its image installs".to_owned()));
            }
        }
        for (protocol, (library, file)) in found {
            let stores: Vec<&Service> = self
                .file
                .services
                .values()
                .filter(|to| {
                    to.name != from.name
                        && self.protocol(&to.name) == Some(protocol)
                        && names::connected(self.file, from, to)
                })
                .collect();
            let known = drafts.of(&from.name).any(|draft| {
                draft.protocol == protocol || stores.iter().any(|to| to.name == draft.to)
            });
            let [to] = stores.as_slice() else {
                continue;
            };
            if known {
                continue;
            }
            let origin = format!(
                "{file}: the library {library}, and {} is the only {protocol} here",
                to.name
            );
            if let Some(draft) = self.draft(from, to, &to.name, Confidence::Weak, origin) {
                drafts.add(draft);
            }
        }
    }

    /// A store that no one names, called like one tier (`carts-db` beside `carts`), is that tier's: the address stands in its code.
    pub(super) fn named_after(&self, store: &Service, drafts: &mut Drafts) {
        if !self.is_store(&store.name) || drafts.to(&store.name).next().is_some() {
            return;
        }
        let words = crate::address::words(&store.name);
        let Some((last, owner)) = words.split_last().filter(|(_, owner)| !owner.is_empty()) else {
            return;
        };
        let kind = ["db", "database", "cache", "store"].contains(&last.as_str())
            || crate::address::product(last).is_some();
        let from = self
            .file
            .services
            .values()
            .find(|service| crate::address::words(&service.name) == owner);
        let Some(from) = from.filter(|from| {
            kind && !self.is_store(&from.name) && names::connected(self.file, from, store)
        }) else {
            return;
        };
        let origin = format!(
            "compose services.{}: called like {}, and named by no one",
            store.name, from.name
        );
        if let Some(draft) = self.draft(from, store, &store.name, Confidence::Weak, origin) {
            drafts.add(draft);
        }
    }

    /// Whether a tier waits for whole applications and for databases of several kinds: it starts last, and calls the applications.
    fn waits_for_all(&self, from: &Service) -> bool {
        let waits = || {
            from.depends_on
                .keys()
                .filter(|name| self.active(name).is_some())
        };
        let databases: BTreeSet<Protocol> = waits()
            .filter_map(|name| self.protocol(name))
            .filter(|protocol| {
                matches!(
                    protocol,
                    Protocol::Mysql
                        | Protocol::Postgres
                        | Protocol::Mssql
                        | Protocol::Mongodb
                        | Protocol::Cassandra
                )
            })
            .collect();
        databases.len() > 1 && waits().filter(|name| !self.is_store(name)).count() > 1
    }

    /// Whether an order of start may stand for a connection.
    fn speaks_for_a_connection(&self, from: &Service, to: &Service, drafts: &Drafts) -> bool {
        let store = self.is_store(&to.name);
        let backwards = drafts
            .between(&to.name, &from.name)
            .any(|draft| draft.confidence > Confidence::Weak);
        // A worker waits for the web role of the same application because that one migrates.
        let roles = same_application(from, to);
        // Whoever finds others through the docker socket does not call its fellow; a database calls no application; a shell that
        // waits for a person calls nobody.
        let fellows = from.docker_socket && to.docker_socket;
        let served = self.is_store(&from.name) || self.only_answers(&from.name);
        let idle = own::is_idle(&tiers::words(from));
        // A web server that only hands requests on has no client of a store; what a page in a browser calls, it calls from outside.
        let hands_on = store && is_plain_web_server(from);
        let after_all = store && self.waits_for_all(from);
        let by_browser = !store && calls_from_the_browser(from, to);
        // A tier whose configuration names its peers would name this one too; stores often stand elsewhere (a secret, a file).
        let names_others = drafts.of(&from.name).any(|draft| {
            draft.confidence > Confidence::Weak && !draft.external && !is_telemetry(draft)
        });
        // Kafka's clients wait for ZooKeeper and talk to the broker.
        let by_broker = self.protocol(&to.name) == Some(Protocol::Zookeeper)
            && drafts
                .of(&from.name)
                .any(|draft| draft.protocol == Protocol::Kafka);
        let order_only = backwards
            || fellows
            || by_broker
            || idle
            || hands_on
            || after_all
            || by_browser
            || (!store && (roles || served || names_others));
        names::connected(self.file, from, to) && !order_only
    }

    /// Whoever alone shares a network with a store that no one names is there for it: weak. The network that a project has anyway
    /// says nothing.
    pub(super) fn alone_with(&self, store: &Service, drafts: &mut Drafts) {
        if !self.is_store(&store.name) || drafts.to(&store.name).next().is_some() {
            return;
        }
        for network in names::networks(self.file, store) {
            if network == "default" {
                continue;
            }
            let mut members = self.file.services.values().filter(|other| {
                other.name != store.name && names::networks(self.file, other).contains(network)
            });
            let (Some(from), None) = (members.next(), members.next()) else {
                continue;
            };
            if self.is_store(&from.name)
                || self.only_answers(&from.name)
                || is_plain_web_server(from)
                || drafts.of(&from.name).any(|draft| self.is_store(&draft.to))
            {
                continue;
            }
            let origin = format!(
                "compose services.{}: alone with {} on the network {network}",
                from.name, store.name
            );
            if let Some(draft) = self.draft(from, store, &store.name, Confidence::Weak, origin) {
                drafts.add(draft);
            }
        }
    }

    /// A role without any address of its own that waits for another role of the same image shares that one's configuration by a
    /// volume, and with it the stores.
    fn inherited(&self, from: &Service, drafts: &mut Drafts) {
        // Its role as a web server hands requests on.
        let web = [&from.name]
            .into_iter()
            .chain(&tiers::words(from))
            .any(|word| {
                crate::address::words(word)
                    .iter()
                    .any(|word| word == "nginx")
            });
        if web || drafts.of(&from.name).next().is_some() || !from.links.is_empty() {
            return;
        }
        let Some(to) = from
            .depends_on
            .keys()
            .filter_map(|name| self.service(name))
            .find(|to| to.image.is_some() && to.image == from.image)
        else {
            return;
        };
        let shared: Vec<Draft> = drafts
            .of(&to.name)
            .filter(|draft| !draft.external && self.is_store(&draft.to))
            .cloned()
            .collect();
        for draft in shared {
            let reachable = self
                .service(&draft.to)
                .is_some_and(|store| names::connected(self.file, from, store));
            if reachable && draft.to != from.name {
                drafts.add(Draft {
                    from: from.name.clone(),
                    origin: vec![format!("compose services.{}: the configuration of {}, whose image and volumes it shares", from.name, to.name)],
                    confidence: Confidence::Weak,
                    variable: None,
                    login: None,
                    ..draft
                });
            }
        }
    }
}

/// Whether a service runs a web server as it is, without any program of the application behind it in the same image.
fn is_plain_web_server(service: &Service) -> bool {
    const SERVERS: [&str; 7] = [
        "nginx",
        "nginx-unprivileged",
        "caddy",
        "haproxy",
        "httpd",
        "traefik",
        "envoy",
    ];
    let base = service
        .build
        .as_ref()
        .and_then(|build| build.base_image.as_deref());
    service.image.as_deref().or(base).is_some_and(|image| {
        let path = image.split(['@', ':']).next().unwrap_or(image);
        let name = path.rsplit('/').next().unwrap_or(path);
        SERVERS.contains(&name)
    })
}

/// Whether the client's variables or build arguments give a page the address at which the host publishes the target.
fn calls_from_the_browser(from: &Service, to: &Service) -> bool {
    let values = from.environment.values().map(|value| value.value.as_str());
    let arguments = from.build.iter().flat_map(|build| build.arguments.values());
    values.chain(arguments.map(String::as_str)).any(|value| {
        to.ports
            .iter()
            .filter_map(|port| port.published.as_deref())
            .any(|published| {
                ["localhost", "127.0.0.1"].iter().any(|host| {
                    value
                        .split_once(&format!("://{host}:{published}"))
                        .is_some_and(|(_, rest)| !rest.starts_with(|c: char| c.is_ascii_digit()))
                })
            })
    })
}

/// Whether an edge only sends telemetry: it says nothing about how an application names its peers.
fn is_telemetry(draft: &Draft) -> bool {
    let by_port = matches!(
        draft.port.get(),
        4317 | 4318 | 6831 | 9411 | 8125 | 14268 | 24224
    );
    by_port
        || draft
            .variable
            .as_deref()
            .is_some_and(|name| name.starts_with("OTEL_"))
}

/// Whether two services are roles of one application.
pub(super) fn same_application(one: &Service, other: &Service) -> bool {
    match (&one.image, &other.image) {
        (Some(one), Some(other)) => one == other,
        (None, None) => match (&one.build, &other.build) {
            (Some(one), Some(other)) => one.context.is_some() && one == other,
            _ => false,
        },
        _ => false,
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
