//! What a tier serves: by image, command, environment, healthcheck, declared ports; and with that, which port and protocol an
//! address without one means. Pure.

mod dial;

pub(in crate::graph) use dial::usual;

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::catalog::{Catalog, ImagePort};
use crate::protocol::Protocol;

use super::super::{HealthPath, ServerHint};
use super::evidence::{DeclaredPort, Evidence, PortOrigin};
use super::health::{self, Health};
use super::own;

/// What a tier serves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TierFacts {
    serves: Vec<ImagePort>,
    ports: Vec<DeclaredPort>,
    udp: Vec<NonZeroU16>,
    own: Vec<NonZeroU16>,
    health: Option<Health>,
    health_path: Option<HealthPath>,
    server: Option<ServerHint>,
    known: BTreeMap<u16, Protocol>,
    product: Option<String>,
    called: Option<String>,
    peer: Option<NonZeroU16>,
}

/// Where an address without a port leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialled {
    /// Port.
    pub port: NonZeroU16,
    /// Protocol.
    pub protocol: Protocol,
    /// Whether the port is a choice among several of which nothing shows which one is meant.
    pub guessed: bool,
}

impl TierFacts {
    /// Reads the evidence.
    pub fn read(evidence: &Evidence<'_>, catalog: &Catalog) -> Self {
        let program = own::program(evidence.words);
        let image = evidence
            .image
            .filter(|image| !only_mentions(image, evidence, catalog));
        let by_image = image.map_or_else(Vec::new, |image| catalog.products.serves(image));
        // A role of an application that only works through a queue serves nothing of what the image's other roles do.
        let background = by_image.first().is_some_and(|one| !one.protocol.is_store())
            && own::is_background(evidence.words);
        let client = background || program.as_deref().is_some_and(own::is_client);
        let health = health::read(evidence.healthcheck, evidence.tier);
        let (serves, why) = if client {
            (Vec::new(), String::new())
        } else {
            served(
                evidence,
                by_image,
                program.as_deref(),
                health.as_ref(),
                catalog,
            )
        };
        let own = own::ports(evidence, serves.first().copied());
        let mut known: BTreeMap<u16, Protocol> = evidence
            .ports
            .iter()
            .filter_map(|port| {
                catalog
                    .port_protocol(port.port.get())
                    .map(|protocol| (port.port.get(), protocol))
            })
            .collect();
        known.extend(
            own.iter()
                .filter_map(|port| Some((port.get(), catalog.port_protocol(port.get())?))),
        );
        let mut facts = Self {
            serves,
            ports: evidence.ports.clone(),
            udp: evidence.udp.clone(),
            own,
            health_path: health
                .as_ref()
                .and_then(|health| health.path(evidence.tier)),
            health,
            server: None,
            known,
            product: image
                .filter(|_| !client)
                .and_then(|image| catalog.products.product(image))
                .map(str::to_owned),
            called: Some(evidence.tier)
                .filter(|_| evidence.image.is_none() && evidence.base_image.is_none())
                .and_then(|name| catalog.products.product(name))
                .map(str::to_owned),
            peer: image.and_then(|image| catalog.products.peer(image)),
        };
        facts.server = facts.hint(&why, evidence);
        facts
    }

    /// Whether both run the same product as servers: members of one cluster.
    pub fn is_peer_of(&self, other: &Self) -> bool {
        self.product.is_some() && self.product == other.product && self.server.is_some()
    }

    /// Where members of a cluster call it, if not where clients do.
    pub fn peer_port(&self) -> Option<NonZeroU16> {
        self.peer
    }

    /// Whether its image is known to serve there.
    pub fn serves(&self, port: NonZeroU16) -> bool {
        self.serves.iter().any(|one| one.port == port)
    }

    /// The product of its image, by the catalogue's name.
    pub fn product(&self) -> Option<&str> {
        self.product.as_deref()
    }

    /// The product that its name says, where no image says anything.
    pub fn called_like(&self) -> Option<&str> {
        self.called.as_deref()
    }

    fn hint(&self, why: &str, evidence: &Evidence<'_>) -> Option<ServerHint> {
        let declared = !self.ports.is_empty()
            || self
                .health
                .as_ref()
                .is_some_and(|health| health.port.is_some());
        let store = self
            .serves
            .first()
            .is_some_and(|one| one.protocol.is_store());
        if evidence.one_shot && !declared && !store {
            return None;
        }
        // A port of its own that no one declares and no image explains is a wish, not a server.
        if self.serves.is_empty() && !declared {
            return None;
        }
        let dialled = self.dial(None, None, false)?;
        let declared = self
            .ports
            .iter()
            .find(|port| port.port == dialled.port)
            .or(self.ports.first())
            .filter(|_| self.serves.is_empty());
        let evidence = match declared {
            Some(port) => format!("{} {}", port.origin, port.port),
            None if self.serves.is_empty() => "healthcheck".to_owned(),
            None => why.to_owned(),
        };
        Some(ServerHint {
            port: dialled.port,
            protocol: dialled.protocol,
            by_container_alone: declared.is_some_and(|port| port.origin == PortOrigin::Container),
            evidence,
        })
    }

    /// Where it serves, if it plainly is a server.
    pub fn server(&self) -> Option<&ServerHint> {
        self.server.as_ref()
    }

    /// The HTTP path that its healthcheck asks for.
    pub fn health_path(&self) -> Option<&HealthPath> {
        self.health_path.as_ref()
    }

    /// Every TCP port on which it is said to listen, sorted.
    pub fn listens(&self) -> Vec<NonZeroU16> {
        let mut ports: Vec<NonZeroU16> = self
            .ports
            .iter()
            .map(|port| port.port)
            .chain(self.own.iter().copied())
            .collect();
        ports.extend(self.health.as_ref().and_then(|health| health.port));
        // What the image serves by default counts where nothing says otherwise.
        if self.own.is_empty() {
            ports.extend(
                self.serves
                    .first()
                    .filter(|one| one.protocol != Protocol::Udp)
                    .map(|one| one.port),
            );
        }
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Whether something other than the usual ports of its product shows where it listens; a store has no others.
    pub fn is_declared(&self) -> bool {
        !self.ports.is_empty() || !self.own.is_empty() || self.is_store()
    }

    /// Whether it is a database, a cache or a broker.
    pub fn is_store(&self) -> bool {
        self.serves
            .first()
            .is_some_and(|one| one.protocol.is_store())
            || self
                .server
                .as_ref()
                .is_some_and(|server| server.protocol.is_store())
    }
}

/// Whether an image is called after a store among other words (`mongo-api`) and declares none of its ports: what works with the
/// store, and not the store. Where the store's name ends it (`acme-mysql`), only ports of another kind say so.
fn only_mentions(image: &str, evidence: &Evidence<'_>, catalog: &Catalog) -> bool {
    let serves = catalog.products.serves(image);
    let another = |declared: &DeclaredPort| {
        !catalog.products.ends_with_product(image)
            || catalog.port_protocol(declared.port.get()).is_some()
    };
    serves.first().is_some_and(|one| one.protocol.is_store())
        && !catalog.products.is_called(image)
        && listens_elsewhere(evidence, &serves)
        && evidence.ports.iter().any(another)
}

/// Whether a tier declares ports, and none of a product's, which no setting moves.
fn listens_elsewhere(evidence: &Evidence<'_>, serves: &[ImagePort]) -> bool {
    let its = |port: &DeclaredPort| serves.iter().any(|one| one.port == port.port);
    !evidence.ports.is_empty()
        && !evidence.ports.iter().any(its)
        // Settings that move the store's port are the store's own.
        && own::ports(evidence, serves.first().copied()).is_empty()
}

/// The environment as plain text.
pub(super) fn plain(
    environment: &BTreeMap<String, crate::compose::EnvironmentValue>,
) -> BTreeMap<String, String> {
    environment
        .iter()
        .map(|(name, value)| (name.clone(), value.value.clone()))
        .collect()
}

/// Whether a declaration is for UDP.
pub(crate) fn is_udp(transport: &str) -> bool {
    transport.eq_ignore_ascii_case("udp")
}

/// What a server serves, by the strongest of what shows it, and what that is.
fn served(
    evidence: &Evidence<'_>,
    by_image: Vec<ImagePort>,
    program: Option<&str>,
    health: Option<&Health>,
    catalog: &Catalog,
) -> (Vec<ImagePort>, String) {
    let by_base = evidence
        .base_image
        .map_or_else(Vec::new, |image| catalog.products.serves(image));
    if !by_image.is_empty() {
        (
            by_image,
            format!("image {}", evidence.image.unwrap_or_default()),
        )
    } else if let Some(port) = program.and_then(|program| catalog.products.program(program)) {
        (
            vec![port],
            format!("command {}", program.unwrap_or_default()),
        )
    } else if let Some((port, variable)) = by_environment(evidence) {
        (vec![port], format!("environment {variable}"))
    } else if let Some(port) = health.and_then(|health| health.product) {
        (vec![port], "healthcheck".to_owned())
    } else if !by_base.is_empty() {
        (
            by_base,
            format!("base image {}", evidence.base_image.unwrap_or_default()),
        )
    } else {
        (Vec::new(), String::new())
    }
}

/// A server by its variables. A client may carry a copy of them: it listens elsewhere.
fn by_environment(evidence: &Evidence<'_>) -> Option<(ImagePort, String)> {
    own::by_environment(evidence.tier, &evidence.environment)
        .filter(|(port, _)| !listens_elsewhere(evidence, &[*port]))
}

#[cfg(test)]
mod tests;
