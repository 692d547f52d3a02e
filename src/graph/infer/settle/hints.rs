//! Which hints count beside what addresses say: every rule of it, once. Pure.
//!
//! Strength by strength: a hint sees what is stronger, and none of its own kind. Between two tiers of which something stronger
//! speaks, an order or a link is one more claim of that; any other hint is then superfluous.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::address;
use crate::compose::Service;
use crate::protocol::Protocol;

use super::super::super::{Confidence, Edge};
use super::super::hints::{Hint, Strength};
use super::super::merge::{Draft, Drafts};
use super::super::project::same_application;
use super::super::{files, files_of, libraries, names, own, tiers};
use super::Settle;

impl Settle<'_> {
    /// Settles the hints; gives those that lead to a tier of which nothing shows where it listens.
    pub(in super::super) fn hints(
        &self,
        mut hints: Vec<Hint<'_>>,
        drafts: &mut Drafts,
    ) -> Vec<(String, String)> {
        let dialled = drafts.dialled();
        let mut unknown = Vec::new();
        hints.sort_by_key(|hint| Reverse(hint.strength));
        for alike in hints.chunk_by(|one, other| one.strength == other.strength) {
            let mut found = Vec::new();
            for hint in alike {
                if hint.strength == Strength::Twin {
                    found.extend(self.inherited(hint, drafts));
                } else if self.is_open(hint, &dialled, drafts) {
                    let draft = self.draft(hint, drafts);
                    let draft = draft.or_else(|| self.agreed_by_others(hint, drafts));
                    if draft.is_none() && hint.strength == Strength::Link {
                        unknown.push((hint.from.name.clone(), hint.to.name.clone()));
                    }
                    found.extend(draft);
                }
            }
            for draft in found {
                drafts.add(draft);
            }
        }
        unknown
    }

    /// Whether a tier's configuration names its peers.
    fn names_others(&self, from: &Service, drafts: &Drafts) -> bool {
        drafts.of(&from.name).any(|draft| {
            draft.edge.confidence > Confidence::Weak
                && !draft.edge.external
                && !self.is_telemetry(draft)
        })
    }

    /// Whether an edge only sends telemetry: it says nothing about how an application names its peers.
    fn is_telemetry(&self, draft: &Draft) -> bool {
        let products = self.project.catalog.products;
        products.is_telemetry(draft.edge.port.get(), draft.edge.variable.as_deref())
    }

    /// Whether nothing stronger speaks of the two tiers, nor against the hint.
    fn is_open(&self, hint: &Hint<'_>, dialled: &BTreeSet<String>, drafts: &mut Drafts) -> bool {
        let (from, to) = (&hint.from.name, &hint.to.name);
        let order = hint.strength == Strength::Order;
        let facts = self.project.facts.get(to);
        if order && tiers::ends(self.project.file, hint.to, facts, dialled.contains(to)) {
            return false;
        }
        if drafts.between(from, to).next().is_some() {
            if order || matches!(hint.strength, Strength::Link | Strength::Registry) {
                drafts.confirm(from, to, &hint.origin, confidence(hint));
            }
            return false;
        }
        match hint.strength {
            Strength::Link => {
                let web = self.project.is_plain_web_server(hint.from);
                !(if web {
                    hands_on(hint.from)
                } else {
                    self.project.is_page(to)
                })
            }
            Strength::Order => self.speaks_for_a_connection(hint.from, hint.to, drafts),
            Strength::Library => !self.would_be_named(hint, drafts),
            Strength::Namesake => drafts.to(to).next().is_none(),
            Strength::Default | Strength::Registry | Strength::Twin => true,
        }
    }

    /// An edge whose port only the target shows.
    fn draft(&self, hint: &Hint<'_>, drafts: &Drafts) -> Option<Draft> {
        let facts = self.project.facts.get(&hint.to.name)?;
        let dialled = facts.dial(None, None, false)?;
        // Who names its peers would name this one too; stores often stand elsewhere (a secret, a file).
        let beside = !self.project.is_store(&hint.to.name) && self.names_others(hint.from, drafts);
        let confidence = if beside {
            Confidence::Weak
        } else {
            confidence(hint)
        };
        Some(Draft {
            // Nothing of the client's configuration shows this port: what does state one is better.
            guessed: true,
            ..hint.draft(dialled.port, dialled.protocol, confidence, self.project)
        })
    }

    /// A linked tier of which nothing shows a port, where its other clients agree on one: weak.
    fn agreed_by_others(&self, hint: &Hint<'_>, drafts: &Drafts) -> Option<Draft> {
        let mut stated = drafts.to(&hint.to.name).filter(|draft| !draft.guessed);
        let first = &stated.next()?.edge;
        let agreed = stated.all(|draft| draft.edge.port == first.port);
        (hint.strength == Strength::Link && agreed).then(|| Draft {
            guessed: true,
            ..hint.draft(first.port, first.protocol, Confidence::Weak, self.project)
        })
    }

    /// A role without any address of its own has those stores of its twin that it can reach.
    fn inherited(&self, hint: &Hint<'_>, drafts: &Drafts) -> Vec<Draft> {
        let from = hint.from;
        if drafts.of(&from.name).next().is_some() {
            return Vec::new();
        }
        let reachable = |draft: &&Draft| {
            let store = self.project.service(&draft.edge.to);
            !draft.edge.external
                && self.project.is_store(&draft.edge.to)
                && draft.edge.to != from.name
                && store.is_some_and(|store| names::connected(self.project.file, from, store))
        };
        let stores = drafts.of(&hint.to.name).filter(reachable).cloned();
        stores
            .map(|draft| Draft {
                edge: Edge {
                    from: from.name.clone(),
                    confidence: Confidence::Weak,
                    variable: None,
                    login: None,
                    ..draft.edge
                },
                claims: vec![hint.origin.clone().into()],
                ..draft
            })
            .collect()
    }

    /// Whether a tier's configuration would name a store if its program used the library: it names one of the kind, or it names others
    /// and that of another tier with the same library names the store.
    fn would_be_named(&self, hint: &Hint<'_>, drafts: &Drafts) -> bool {
        let Some((library, protocol)) = &hint.library else {
            return false;
        };
        let sure = |draft: &Draft| draft.edge.confidence > Confidence::Weak && !draft.edge.external;
        let has = |name: &str| {
            self.project.service(name).is_some_and(|other| {
                files_of(other)
                    .flat_map(libraries::drivers)
                    .any(|(one, _)| one == *library)
            })
        };
        let own = || drafts.of(&hint.from.name);
        own().any(|draft| draft.edge.protocol == *protocol)
            || own().any(|draft| sure(draft) && !self.is_telemetry(draft))
                && drafts
                    .to(&hint.to.name)
                    .any(|draft| sure(draft) && has(&draft.edge.from))
    }

    /// Whether a tier reaches a store through a proxy that speaks the same protocol, and that calls the store.
    fn goes_through_another(&self, from: &Service, to: &Service, drafts: &Drafts) -> bool {
        let protocol = self.project.protocol(&to.name);
        let protocol = protocol.filter(|one| one.is_store());
        protocol.is_some_and(|protocol| {
            drafts.of(&from.name).any(|one| {
                let one = &one.edge;
                one.to != to.name
                    && one.confidence > Confidence::Weak
                    && one.protocol == protocol
                    && drafts.between(&one.to, &to.name).next().is_some()
            })
        })
    }

    /// Whether an order of start may stand for a connection.
    fn speaks_for_a_connection(&self, from: &Service, to: &Service, drafts: &Drafts) -> bool {
        let project = self.project;
        let store = project.is_store(&to.name);
        let backwards = drafts
            .between(&to.name, &from.name)
            .any(|draft| draft.edge.confidence > Confidence::Weak);
        // A worker waits for the web role of the same application because that one migrates.
        let roles = same_application(from, to);
        // A service that finds others through the docker socket does not call its peer; a database calls no application; a shell that
        // waits for a person calls no one.
        let fellows = from.docker_socket && to.docker_socket;
        let served = project.is_store(&from.name) || project.only_answers(&from.name);
        let idle = own::is_idle(&tiers::words(from));
        // A web server that only hands requests on has no client of a store; what a page in a browser calls, it calls from outside.
        let hands_on = project.is_plain_web_server(from) && (store || hands_on(from));
        // A store calls its like and its coordinator.
        let protocol = project.protocol(&to.name);
        let other_store = store
            && project.is_store(&from.name)
            && protocol != project.protocol(&from.name)
            && protocol != Some(Protocol::Zookeeper);
        let by_browser = !store && calls_from_the_browser(from, to);
        // Kafka's clients wait for ZooKeeper and talk to the broker.
        let by_broker = protocol == Some(Protocol::Zookeeper)
            && drafts
                .of(&from.name)
                .any(|draft| draft.edge.protocol == Protocol::Kafka);
        let order_only = backwards
            || self.goes_through_another(from, to, drafts)
            || fellows
            || by_broker
            || idle
            || hands_on
            || other_store
            || by_browser
            || project.is_page(&to.name) && !project.is_plain_web_server(from)
            || (!store && (roles || served || self.names_others(from, drafts)));
        names::connected(project.file, from, to) && !order_only
    }
}

/// Whether a web server's configuration is here and says where requests go: to no other tier then.
fn hands_on(from: &Service) -> bool {
    files_of(from).any(|file| files::hands_on(&file.target, &file.text))
}

/// How sure a hint is by itself.
fn confidence(hint: &Hint<'_>) -> Confidence {
    match hint.strength {
        Strength::Link => Confidence::Declared,
        _ => Confidence::Weak,
    }
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
    if keys.peek().is_some() && keys.all(|key| address::is_for_browsers(key)) {
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
