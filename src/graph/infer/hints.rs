//! What compose says of a connection without any address, each kind a source of its own: `links`, orders of start, twins, libraries,
//! defaults of an image, names of a registry, stores that are called like a tier. Pure.
//!
//! No source sees what another one found, nor what addresses say: which of them counts is settled in `settle/hints.rs`.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::address;
use crate::catalog::ImageDial;
use crate::compose::Service;
use crate::protocol::Protocol;

use super::super::{Confidence, Edge, Origin};
use super::merge::Draft;
use super::project::Project;
use super::{files_of, libraries, names, tiers};

/// How strong a hint is, the weakest first; the strongest is settled first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// A store that is called like one tier.
    Namesake,
    /// A name that the registry of a gateway knows.
    Registry,
    /// What an image dials where nothing is said.
    Default,
    /// A driver among the libraries of a program.
    Library,
    /// Another role of the same image, whose configuration it shares.
    Twin,
    /// `depends_on`.
    Order,
    /// `links`.
    Link,
}

/// One service may call another.
pub(super) struct Hint<'a> {
    pub strength: Strength,
    pub from: &'a Service,
    pub to: &'a Service,
    pub host: &'a str,
    /// Where it was read.
    pub origin: Origin,
    /// The library that says so, and what it speaks.
    pub library: Option<(String, Protocol)>,
    /// Whether the client runs without it.
    pub optional: bool,
}

impl<'a> Hint<'a> {
    fn new(
        strength: Strength,
        from: &'a Service,
        to: &'a Service,
        origin: impl Into<Origin>,
    ) -> Self {
        Self {
            strength,
            from,
            to,
            host: &to.name,
            origin: origin.into(),
            library: None,
            optional: false,
        }
    }
}

impl Hint<'_> {
    /// The connection that it means, on that port.
    pub(super) fn draft(
        &self,
        port: NonZeroU16,
        protocol: Protocol,
        confidence: Confidence,
        project: &Project<'_>,
    ) -> Draft {
        let edge = Edge {
            confidence,
            guessed: true,
            optional: self.optional || project.active(&self.from.name).is_none(),
            ..Edge::new(&self.from.name, &self.to.name, self.host, port, protocol)
        };
        Draft::new(edge, self.origin.clone())
    }
}

impl<'a> Project<'a> {
    /// Every hint of the project.
    pub(super) fn hints(&self) -> Vec<Hint<'a>> {
        let mut found = Vec::new();
        for service in super::all(self.file) {
            found.extend(self.links(service));
            found.extend(self.order(service));
            found.extend(self.twin(service));
        }
        for service in self.file.services.values() {
            found.extend(self.libraries(service));
            found.extend(self.defaults(service));
            found.extend(self.registered(service));
            found.extend(self.namesake(service));
        }
        found
    }

    /// The active services, but for this one, that share a network with it.
    fn others<'s>(&'s self, service: &'s Service) -> impl Iterator<Item = &'a Service> + 's {
        let all = self.file.services.values();
        all.filter(|to| to.name != service.name && names::connected(self.file, service, to))
    }

    /// `links`.
    fn links(&self, from: &'a Service) -> impl Iterator<Item = Hint<'a>> {
        from.links.iter().filter_map(|link| {
            let to = self.active(&link.service)?;
            let apart = to.name != from.name
                && !names::same_namespace(from, to)
                && names::connected(self.file, from, to);
            apart.then(|| Hint {
                host: &link.alias,
                ..Hint::new(Strength::Link, from, to, Origin::link(&from.name))
            })
        })
    }

    /// `depends_on`.
    fn order(&self, from: &'a Service) -> impl Iterator<Item = Hint<'a>> {
        from.depends_on.iter().filter_map(|(name, depends)| {
            let to = self.active(name)?;
            // A name that `extra_hosts` gives to an address of its own leads elsewhere.
            let elsewhere = from.extra_hosts.contains_key(name)
                && names::NameTable::of_client(self.file, from).is_pinned(name);
            // `volumes_from`, `ipc`, `pid`, `network_mode` imply an order, and no connection.
            let none = depends.implied_by.is_some()
                || elsewhere
                || to.name == from.name
                || names::same_namespace(from, to);
            (!none).then(|| Hint {
                optional: !depends.required,
                ..Hint::new(Strength::Order, from, to, Origin::order(&from.name))
            })
        })
    }

    /// A role that waits for another one of its image shares that one's configuration by a volume, and with it the stores.
    fn twin(&self, from: &'a Service) -> Option<Hint<'a>> {
        // Its role as a web server hands requests on.
        let command = tiers::words(from);
        let web = std::iter::once(&from.name).chain(&command).any(|word| {
            let words = address::words(word);
            words
                .iter()
                .any(|word| self.catalog.products.is_web_server(word))
        });
        let mut waits = from.depends_on.keys().filter_map(|name| self.service(name));
        let to = waits.find(|to| to.image.is_some() && to.image == from.image)?;
        let origin = format!(
            "compose services.{}: the configuration of {}, whose image and volumes it shares",
            from.name, to.name
        );
        (!web && from.links.is_empty()).then(|| Hint::new(Strength::Twin, from, to, origin))
    }

    /// A driver among the libraries of a tier's program, where the project has one store of that kind.
    fn libraries(&self, from: &'a Service) -> Vec<Hint<'a>> {
        // Who serves a store, or is a ready proxy or server, runs nothing that is built of these.
        if self.product(&from.name).is_some()
            && self.protocol(&from.name) != Some(Protocol::Fastcgi)
        {
            return Vec::new();
        }
        let mut found: BTreeMap<Protocol, (String, &str)> = BTreeMap::new();
        for file in files_of(from) {
            for (library, protocol) in libraries::drivers(file) {
                found.entry(protocol).or_insert((library, &file.source));
            }
        }
        let only = |protocol| {
            let mut stores = self.others(from);
            let first = stores.find(|to| self.protocol(&to.name) == Some(protocol))?;
            let more = stores.any(|to| self.protocol(&to.name) == Some(protocol));
            (!more).then_some(first)
        };
        let hints = found.into_iter().filter_map(|(protocol, (library, file))| {
            let to = only(protocol)?;
            let origin = format!(
                "{file}: the library {library}, and {} is the only {protocol} here",
                to.name
            );
            Some(Hint {
                library: Some((library, protocol)),
                ..Hint::new(Strength::Library, from, to, origin)
            })
        });
        hints.collect()
    }

    /// What a product dials where nothing is said, under a name that no tier has: the only tier that runs what it looks for.
    fn defaults(&self, from: &'a Service) -> Vec<Hint<'a>> {
        let image = from.image.as_deref().unwrap_or_default();
        let set = |name: &String| {
            let of_file = format!("{name}_FILE");
            from.environment.contains_key(name) || from.environment.contains_key(&of_file)
        };
        let only = |dial: &ImageDial| {
            let usual = dial
                .port
                .and_then(|port| self.catalog.port_protocol(port.get()));
            let store = usual.filter(|usual| usual.is_store());
            let product = self.catalog.products.product(&dial.host);
            let fits = |to: &&Service| {
                product.is_some() && self.product(&to.name) == product
                    || store.is_some() && self.protocol(&to.name) == store
            };
            let mut all = self.others(from).filter(fits);
            let first = all.next()?;
            all.next().is_none().then_some(first)
        };
        let dials = self.catalog.products.dials(image).into_iter();
        let dials =
            dials.filter(|dial| self.service(&dial.host).is_none() && !dial.unless.iter().any(set));
        dials
            .filter_map(|dial| {
                let to = only(&dial)?;
                let origin = format!(
                    "default of image {image} of {}, and {} is the only one that it can mean",
                    from.name, to.name
                );
                Some(Hint::new(Strength::Default, from, to, origin))
            })
            .collect()
    }

    /// `lb://NAME` of a gateway: every tier that registers under the name. The registry shows the address.
    fn registered(&self, from: &'a Service) -> Vec<Hint<'a>> {
        let mut found = Vec::new();
        for file in files_of(from) {
            for rest in file.text.split("lb://").skip(1) {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
                let name = &rest[..end.unwrap_or(rest.len())];
                let origin = format!("file {} of {}: lb://{name}", file.target, from.name);
                let others = self.others(from).filter(|to| registers_as(to, name));
                found.extend(
                    others.map(|to| Hint::new(Strength::Registry, from, to, origin.clone())),
                );
            }
        }
        found
    }

    /// A store that is called like one tier (`carts-db` beside `carts`) is that tier's: the address stands in its code.
    fn namesake(&self, store: &'a Service) -> Option<Hint<'a>> {
        let words = address::words(&store.name);
        let (last, owner) = words.split_last().filter(|(_, owner)| !owner.is_empty())?;
        let kind = address::kind(last).is_some() || address::product(last).is_some();
        let mut others = self.file.services.values();
        let from = others.find(|service| address::words(&service.name) == owner)?;
        let fits = kind
            && self.is_store(&store.name)
            && !self.is_store(&from.name)
            && names::connected(self.file, from, store);
        let origin = format!(
            "compose services.{}: called like {}, and named by no one",
            store.name, from.name
        );
        fits.then(|| Hint::new(Strength::Namesake, from, store, origin))
    }
}

/// Whether a tier is known to a registry by a name: that of its application, else its own without the number of the replica.
fn registers_as(service: &Service, name: &str) -> bool {
    let mut words = address::words(&service.name);
    words.pop_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let own = files_of(service).find_map(|file| {
        let own = address::settings(&file.text).remove("spring.application.name");
        own.filter(|own| !own.contains('$'))
    });
    match own {
        Some(own) => own.eq_ignore_ascii_case(name),
        None => !words.is_empty() && words == address::words(name),
    }
}
