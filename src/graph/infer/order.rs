//! What compose says without an address: `links` and `depends_on`; what is found at run time and stores that no one names below. Pure.
//!
//! `links` declare a connection. `depends_on` is an order of start: it becomes a weak edge only where nothing speaks against a
//! connection and the target plainly serves somewhere.

mod discovery;
mod stores;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use crate::catalog::Products;
use crate::compose::{ComposeFile, Service};
use crate::protocol::Protocol;

use super::super::Confidence;
use super::super::mapping::image_path;
use super::facts::TierFacts;
use super::files;
use super::files_of;
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
    pub(super) fn service(&self, name: &str) -> Option<&'a Service> {
        self.file
            .services
            .get(name)
            .or_else(|| self.file.inactive.get(name))
    }

    /// Whether a tier neither listens on a port nor is exposed there, though something tells where it does.
    pub(super) fn is_deaf(&self, tier: &str, port: NonZeroU16) -> bool {
        self.facts.get(tier).is_some_and(|facts| {
            let listens = facts.listens();
            let known =
                listens.contains(&port) || facts.serves(port) || facts.peer_port() == Some(port);
            facts.is_declared() && !listens.is_empty() && !known
        })
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
            // Nothing of the client's configuration tells this port: what does tell one is better.
            guessed: true,
            confidence,
            optional: self.active(&from.name).is_none(),
            ..Draft::new(
                &from.name,
                &to.name,
                host,
                dialled.port,
                dialled.protocol,
                origin,
            )
        })
    }

    fn is_store(&self, tier: &str) -> bool {
        self.facts.get(tier).is_some_and(TierFacts::is_store)
    }

    /// Whether a tier is a product that takes what others send it and calls no application.
    fn only_answers(&self, tier: &str) -> bool {
        self.facts
            .get(tier)
            .and_then(TierFacts::product)
            .is_some_and(|product| Products::shared().only_answers(product))
    }

    /// Whether a tier is a page on which people work: only a web server that hands requests on calls it.
    fn is_page(&self, tier: &str) -> bool {
        let product = self.facts.get(tier).and_then(TierFacts::product);
        product.is_some_and(|product| Products::shared().is_page(product))
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
            let page = self.is_page(&to.name) && !is_plain_web_server(from);
            if drafts.confirm(&from.name, &to.name, &origin, Confidence::Declared) || page {
                continue;
            }
            let told = self.told_by_others(from, to, &link.alias, &origin, drafts);
            match self
                .draft(from, to, &link.alias, Confidence::Declared, origin)
                .or(told)
            {
                Some(draft) => drafts.add(draft),
                None => unknown.push(to.name.clone()),
            }
        }
        unknown
    }

    /// A linked tier of which nothing tells a port, where its other clients agree on one: weak.
    fn told_by_others(
        &self,
        from: &Service,
        to: &Service,
        alias: &str,
        origin: &str,
        drafts: &Drafts,
    ) -> Option<Draft> {
        let mut told = drafts.to(&to.name).filter(|draft| !draft.guessed);
        let first = told.next()?;
        told.all(|draft| draft.port == first.port).then(|| Draft {
            guessed: true,
            confidence: Confidence::Weak,
            optional: self.active(&from.name).is_none(),
            ..Draft::new(
                &from.name,
                &to.name,
                alias,
                first.port,
                first.protocol,
                origin.to_owned(),
            )
        })
    }

    /// `depends_on`: weak.
    ///
    /// `dialled`: the tiers of which some client's own words tell the port.
    pub(super) fn depends(&self, from: &Service, dialled: &BTreeSet<String>, drafts: &mut Drafts) {
        let mut weak = Vec::new();
        for (name, depends) in &from.depends_on {
            let Some(to) = self.active(name) else {
                continue;
            };
            let origin = format!("compose services.{}.depends_on", from.name);
            let ends = tiers::ends(self.file, to, self.facts.get(name), dialled.contains(name));
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

    /// Whether a tier reaches a store through a proxy that speaks the same protocol, and that calls the store.
    fn goes_through_another(&self, from: &Service, to: &Service, drafts: &Drafts) -> bool {
        let protocol = self.protocol(&to.name).filter(|one| one.is_store());
        protocol.is_some_and(|protocol| {
            drafts.of(&from.name).any(|one| {
                one.to != to.name
                    && one.confidence > Confidence::Weak
                    && one.protocol == protocol
                    && drafts.between(&one.to, &to.name).next().is_some()
            })
        })
    }

    /// Whether an order of start may stand for a connection.
    fn speaks_for_a_connection(&self, from: &Service, to: &Service, drafts: &Drafts) -> bool {
        let store = self.is_store(&to.name);
        let backwards = drafts
            .between(&to.name, &from.name)
            .any(|draft| draft.confidence > Confidence::Weak);
        // A worker waits for the web role of the same application because that one migrates.
        let roles = same_application(from, to);
        // A service that finds others through the docker socket does not call its peer; a database calls no application; a shell that
        // waits for a person calls no one.
        let fellows = from.docker_socket && to.docker_socket;
        let served = self.is_store(&from.name) || self.only_answers(&from.name);
        let idle = own::is_idle(&tiers::words(from));
        // A web server that only hands requests on has no client of a store; what a page in a browser calls, it calls from outside.
        // What it hands on stands in its configuration, where that is here.
        let hands_on = is_plain_web_server(from)
            && (store || files_of(from).any(|file| files::hands_on(&file.target, &file.text)));
        // A store calls its like and its coordinator.
        let protocol = self.protocol(&to.name);
        let other_store = store
            && self.is_store(&from.name)
            && protocol != self.protocol(&from.name)
            && protocol != Some(Protocol::Zookeeper);
        let after_all = store && self.waits_for_all(from);
        let by_browser = !store && calls_from_the_browser(from, to);
        // A tier whose configuration names its peers would name this one too; stores often stand elsewhere (a secret, a file).
        let names_others = drafts.of(&from.name).any(|draft| {
            draft.confidence > Confidence::Weak && !draft.external && !is_telemetry(draft)
        });
        // Kafka's clients wait for ZooKeeper and talk to the broker.
        let by_broker = protocol == Some(Protocol::Zookeeper)
            && drafts
                .of(&from.name)
                .any(|draft| draft.protocol == Protocol::Kafka);
        let order_only = backwards
            || self.goes_through_another(from, to, drafts)
            || fellows
            || by_broker
            || idle
            || hands_on
            || other_store
            || after_all
            || by_browser
            || self.is_page(&to.name) && !is_plain_web_server(from)
            || (!store && (roles || served || names_others));
        names::connected(self.file, from, to) && !order_only
    }
}

/// Whether a service runs a web server as it is, without any program of the application behind it in the same image.
pub(super) fn is_plain_web_server(service: &Service) -> bool {
    let products = Products::shared();
    let base = service
        .build
        .as_ref()
        .and_then(|build| build.base_image.as_deref());
    let Some(image) = service.image.as_deref().or(base) else {
        // A build of which nothing can be read is what its tier is called like.
        let words = crate::address::words(&service.name);
        return words.iter().any(|word| products.is_web_server(word));
    };
    let path = image_path(image);
    products.is_web_server(path.rsplit('/').next().unwrap_or(path))
}

/// Whether the client's variables or build arguments give a page the address at which the host publishes the target.
fn calls_from_the_browser(from: &Service, to: &Service) -> bool {
    let values = from.environment.values().map(|value| value.value.as_str());
    let arguments = from.build.iter().flat_map(|build| build.arguments.values());
    let mut keys = from
        .environment
        .keys()
        .chain(from.build.iter().flat_map(|build| build.arguments.keys()))
        .peekable();
    if keys.peek().is_some() && keys.all(|key| crate::address::is_for_browsers(key)) {
        return true;
    }
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
pub(super) fn is_telemetry(draft: &Draft) -> bool {
    Products::shared().is_telemetry(draft.port.get(), draft.variable.as_deref())
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
