//! Stores that no address names: a driver among the libraries, a name, a network of their own, a peer's configuration. Weak edges all.
//! Pure.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::compose::{MountedFile, Service};
use crate::protocol::Protocol;

use super::super::super::Confidence;
use super::super::merge::{Draft, Drafts};
use super::super::{facts::TierFacts, files_of, libraries, names, tiers};
use super::{Project, is_plain_web_server, is_telemetry};

impl Project<'_> {
    fn is_named_by_no_one(&self, store: &Service, drafts: &Drafts) -> bool {
        self.is_store(&store.name) && drafts.to(&store.name).next().is_none()
    }

    /// Adds a weak edge to where the store serves, if anything tells where.
    fn weak(&self, from: &Service, store: &Service, origin: String, drafts: &mut Drafts) {
        if let Some(draft) = self.draft(from, store, &store.name, Confidence::Weak, origin) {
            drafts.add(draft);
        }
    }

    /// A driver among the libraries of a tier's program, where the project has one store of that kind and the tier none yet: weak.
    pub(in super::super) fn libraries(
        &self,
        from: &Service,
        files: &[&MountedFile],
        drafts: &mut Drafts,
    ) {
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
            if known || self.would_be_named(from, to, &library, drafts) {
                continue;
            }
            let origin = format!(
                "{file}: the library {library}, and {} is the only {protocol} here",
                to.name
            );
            self.weak(from, to, origin, drafts);
        }
    }

    /// What a product dials where nothing is said, under a name that no tier has: the only tier that runs what it looks for, weak.
    pub(in super::super) fn defaults(
        &self,
        from: &Service,
        catalog: &Catalog,
        drafts: &mut Drafts,
    ) {
        let image = from.image.as_deref().unwrap_or_default();
        for dial in catalog.products.dials(image) {
            let set = |name: &String| {
                let of_file = format!("{name}_FILE");
                from.environment.contains_key(name) || from.environment.contains_key(&of_file)
            };
            let usual = dial.port.and_then(|port| catalog.port_protocol(port.get()));
            let product = catalog.products.product(&dial.host);
            let fits = |to: &&Service| {
                let same = product.is_some()
                    && self.facts.get(&to.name).and_then(TierFacts::product) == product;
                let store = usual.filter(|usual| usual.is_store());
                to.name != from.name
                    && (same || store.is_some() && self.protocol(&to.name) == store)
                    && names::connected(self.file, from, to)
            };
            let mut all = self.file.services.values().filter(fits);
            let (Some(to), None) = (all.next(), all.next()) else {
                continue;
            };
            if dial.unless.iter().any(set) || drafts.between(&from.name, &to.name).next().is_some()
            {
                continue;
            }
            let origin = format!(
                "default of image {image} of {}, and {} is the only one that it can mean",
                from.name, to.name
            );
            self.weak(from, to, origin, drafts);
        }
    }

    /// Whether a tier's configuration would name a store if its program used it: it names others, and that of another tier with the
    /// same library names the store.
    fn would_be_named(&self, from: &Service, to: &Service, library: &str, drafts: &Drafts) -> bool {
        let sure = |draft: &Draft| draft.confidence > Confidence::Weak && !draft.external;
        let has = |name: &str| {
            self.service(name).is_some_and(|other| {
                files_of(other)
                    .flat_map(libraries::drivers)
                    .any(|(one, _)| one == library)
            })
        };
        drafts
            .of(&from.name)
            .any(|draft| sure(draft) && !is_telemetry(draft))
            && drafts
                .to(&to.name)
                .any(|draft| sure(draft) && draft.from != from.name && has(&draft.from))
    }

    /// A store that no one names, called like one tier (`carts-db` beside `carts`), is that tier's: the address stands in its code.
    pub(in super::super) fn named_after(&self, store: &Service, drafts: &mut Drafts) {
        if !self.is_named_by_no_one(store, drafts) {
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
        self.weak(from, store, origin, drafts);
    }

    /// The only service that shares a network with a store that no one names is there for it: weak. The network that a project has anyway
    /// says nothing.
    pub(in super::super) fn alone_with(&self, store: &Service, drafts: &mut Drafts) {
        if !self.is_named_by_no_one(store, drafts) {
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
            self.weak(from, store, origin, drafts);
        }
    }

    /// A role without any address of its own that waits for another role of the same image shares that one's configuration by a
    /// volume, and with it the stores.
    pub(super) fn inherited(&self, from: &Service, drafts: &mut Drafts) {
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
                    origin: vec![format!("compose services.{}: the configuration of {}, whose image and volumes it shares", from.name, to.name).into()],
                    confidence: Confidence::Weak,
                    variable: None,
                    login: None,
                    ..draft
                });
            }
        }
    }
}
