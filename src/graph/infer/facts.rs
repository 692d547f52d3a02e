//! What a tier serves: by image, command, environment, healthcheck, declared ports; and with that, which port and protocol an
//! address without one means. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::address;
use crate::catalog::{Catalog, ImagePort};
use crate::protocol::Protocol;

use super::super::{HealthPath, ServerHint};
use super::health::{self, Health};
use super::own;

/// What is known about a tier from outside.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// Its name.
    pub tier: &'a str,
    /// Its image.
    pub image: Option<&'a str>,
    /// The image that its own was built on.
    pub base_image: Option<&'a str>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Entrypoint, command and arguments.
    pub words: &'a [String],
    /// Container ports that something declares (`expose`, `EXPOSE`, `ports`, containerPorts), in that order, TCP only.
    pub ports: Vec<DeclaredPort>,
    /// Ports that are declared for UDP.
    pub udp: Vec<NonZeroU16>,
    /// The healthcheck in compose's normal form.
    pub healthcheck: &'a [String],
    /// Whether it ends on its own.
    pub one_shot: bool,
}

/// A declared port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPort {
    /// Port.
    pub port: NonZeroU16,
    /// Protocol, if declared (`app_protocol`).
    pub protocol: Option<Protocol>,
    /// The key that declares it: `compose expose`, `compose ports`, `image EXPOSE`.
    pub origin: &'static str,
}

/// What a tier serves.
#[derive(Debug, Clone, Default)]
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
    /// Whether the port is a choice among several, or usage only.
    pub guessed: bool,
}

impl TierFacts {
    /// Reads the evidence.
    #[must_use]
    pub fn read(evidence: &Evidence<'_>, catalog: &Catalog) -> Self {
        let program = own::program(evidence.words);
        let by_image = evidence
            .image
            .map_or_else(Vec::new, |image| catalog.images.serves(image));
        let by_base = evidence
            .base_image
            .map_or_else(Vec::new, |image| catalog.images.serves(image));
        // A role of an application that only works through a queue serves nothing of what the image's other roles do.
        let background = by_image.first().is_some_and(|one| !one.protocol.is_store())
            && own::is_background(evidence.words);
        let client = background || program.as_deref().is_some_and(own::is_client);
        let health = health::read(evidence.healthcheck, evidence.tier);
        let (serves, why) = if client {
            (Vec::new(), String::new())
        } else if !by_image.is_empty() {
            (
                by_image,
                format!("image {}", evidence.image.unwrap_or_default()),
            )
        } else if let Some(port) = program.as_deref().and_then(own::server) {
            (
                vec![port],
                format!("command {}", program.unwrap_or_default()),
            )
        } else if let Some((port, variable)) =
            own::by_environment(evidence.tier, &evidence.environment)
        {
            (vec![port], format!("environment {variable}"))
        } else if let Some(port) = health.as_ref().and_then(|health| health.product) {
            (vec![port], "healthcheck".to_owned())
        } else if !by_base.is_empty() {
            (
                by_base,
                format!("base image {}", evidence.base_image.unwrap_or_default()),
            )
        } else if let Some(port) = own::by_name(evidence.tier)
            .filter(|_| evidence.ports.is_empty() && health.is_none() && !evidence.one_shot)
            .filter(|_| program.is_none())
        {
            (vec![port], "its name".to_owned())
        } else {
            (Vec::new(), String::new())
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
            product: evidence
                .image
                .filter(|_| !client)
                .and_then(|image| catalog.images.product(image))
                .map(str::to_owned),
            called: Some(evidence.tier)
                .filter(|_| evidence.image.is_none() && evidence.base_image.is_none())
                .and_then(|name| catalog.images.product(name))
                .map(str::to_owned),
            peer: evidence.image.and_then(|image| catalog.images.peer(image)),
        };
        facts.by_framework(evidence);
        facts.server = facts.hint(&why, evidence);
        facts
    }

    /// A framework's usual port, where nothing else tells any.
    fn by_framework(&mut self, evidence: &Evidence<'_>) {
        let told = !self.serves.is_empty()
            || !self.ports.is_empty()
            || !self.own.is_empty()
            || self
                .health
                .as_ref()
                .is_some_and(|health| health.port.is_some());
        let usual = if told {
            None
        } else {
            own::by_framework(evidence.words)
        };
        self.ports.extend(usual.map(|port| DeclaredPort {
            port,
            protocol: Some(Protocol::Http),
            origin: "the usual port of its framework,",
        }));
    }

    /// Whether both run the same product as servers: members of one cluster.
    #[must_use]
    pub fn is_peer_of(&self, other: &Self) -> bool {
        self.product.is_some() && self.product == other.product && self.server.is_some()
    }

    /// Where members of a cluster call it, if not where clients do.
    #[must_use]
    pub fn peer_port(&self) -> Option<NonZeroU16> {
        self.peer
    }

    /// Whether its image is known to serve there.
    #[must_use]
    pub fn serves(&self, port: NonZeroU16) -> bool {
        self.serves.iter().any(|one| one.port == port)
    }

    /// The product of its image, by the catalogue's name.
    #[must_use]
    pub fn product(&self) -> Option<&str> {
        self.product.as_deref()
    }

    /// The product that its name says, where no image says anything.
    #[must_use]
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
        // A port of its own that nobody declares and no image explains is a wish, not a server.
        if self.serves.is_empty() && !declared {
            return None;
        }
        let dialled = self.dial(None, None, false)?;
        let evidence = if self.serves.is_empty() {
            self.ports
                .iter()
                .find(|port| port.port == dialled.port)
                .or(self.ports.first())
                .map_or_else(
                    || "healthcheck".to_owned(),
                    |port| format!("{} {}", port.origin, port.port),
                )
        } else {
            why.to_owned()
        };
        Some(ServerHint {
            port: dialled.port,
            protocol: dialled.protocol,
            evidence,
        })
    }

    /// Where it serves, if it plainly is a server.
    #[must_use]
    pub fn server(&self) -> Option<&ServerHint> {
        self.server.as_ref()
    }

    /// The HTTP path that its healthcheck asks for.
    #[must_use]
    pub fn health_path(&self) -> Option<&HealthPath> {
        self.health_path.as_ref()
    }

    /// Every TCP port on which it is said to listen, sorted.
    #[must_use]
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

    /// Whether something other than the usual ports of its product tells where it listens; a store has no others.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        !self.ports.is_empty() || !self.own.is_empty() || self.is_store()
    }

    /// Whether it is a database, a cache or a broker.
    #[must_use]
    pub fn is_store(&self) -> bool {
        self.serves
            .first()
            .is_some_and(|one| one.protocol.is_store())
            || self
                .server
                .as_ref()
                .is_some_and(|server| server.protocol.is_store())
    }

    /// The port and protocol that an address means: explicit, else the tier's own, its image's, the only declared one, the
    /// healthcheck's, else what the protocol usually has. `None`: nothing tells a port.
    #[must_use]
    pub fn dial(
        &self,
        port: Option<NonZeroU16>,
        hint: Option<Protocol>,
        by_scheme: bool,
    ) -> Option<Dialled> {
        let (port, guessed) = match port {
            Some(port) => (port, false),
            None => self.port(hint)?,
        };
        let protocol = match hint {
            Some(protocol) if by_scheme => protocol,
            _ => self.protocol(port, hint),
        };
        Some(Dialled {
            port,
            protocol,
            guessed,
        })
    }

    fn port(&self, hint: Option<Protocol>) -> Option<(NonZeroU16, bool)> {
        let store = self
            .serves
            .first()
            .is_some_and(|one| one.protocol.is_store());
        if let (Some(port), true) = (self.own.first(), store || self.serves.is_empty()) {
            return Some((*port, false));
        }
        let same = self
            .serves
            .iter()
            .find(|one| hint.is_some_and(|hint| same_kind(hint, one.protocol)));
        // What is no store may hand on another protocol than its own: the client's variable says which.
        if let Some(port) = self.handed_on(hint).filter(|_| same.is_none()) {
            return Some((port, false));
        }
        if let Some(one) = same.or(self.serves.first()) {
            if let Some(port) = self
                .declared_elsewhere(one.port)
                .filter(|_| one.protocol == Protocol::Http && self.own.is_empty())
            {
                return Some((port, true));
            }
            // A web image whose only declared port is another one serves there.
            let web = one.protocol == Protocol::Http;
            // … unless that is another port of the same product: its console, not what its clients call.
            let moved = self
                .only_declared()
                .filter(|port| web && !self.serves(*port));
            return Some((
                self.own.first().copied().or(moved).unwrap_or(one.port),
                false,
            ));
        }
        if let Some(port) = self.only_declared() {
            return Some((port, false));
        }
        if let Some(port) = self.health.as_ref().and_then(|health| health.port) {
            return Some((port, false));
        }
        let declared = |wanted: NonZeroU16| self.ports.iter().any(|port| port.port == wanted);
        let usual = hint.and_then(Protocol::default_port);
        if let Some(port) = usual.filter(|port| self.ports.is_empty() || declared(*port)) {
            return Some((port, true));
        }
        // Several: HTTP's own, else the first that was declared.
        let web = Protocol::Http.default_port().filter(|port| declared(*port));
        web.or_else(|| self.ports.first().map(|port| port.port))
            .map(|port| (port, true))
    }

    /// Of several declared ports the one of a web server whose usual one is not among them: HTTP's own, else the first.
    fn declared_elsewhere(&self, usual: NonZeroU16) -> Option<NonZeroU16> {
        let declared = |wanted: NonZeroU16| self.ports.iter().any(|port| port.port == wanted);
        if declared(usual) || self.only_declared().is_some() {
            return None;
        }
        let web = Protocol::Http.default_port().filter(|port| declared(*port));
        let other = self
            .ports
            .iter()
            .map(|port| port.port)
            .find(|port| !self.serves(*port));
        web.or(other)
    }

    /// The usual port of a store's protocol, on a proxy that is declared there.
    fn handed_on(&self, hint: Option<Protocol>) -> Option<NonZeroU16> {
        let proxy = self
            .serves
            .first()
            .is_some_and(|one| !one.protocol.is_store());
        let port = hint
            .filter(|hint| proxy && hint.is_store())
            .and_then(Protocol::default_port)?;
        (self.ports.is_empty() || self.ports.iter().any(|one| one.port == port)).then_some(port)
    }

    /// The only port of `expose`, else of `ports`, else of what its image exposes.
    fn only_declared(&self) -> Option<NonZeroU16> {
        let only = |origins: &[&str]| {
            let mut found: Vec<NonZeroU16> = self
                .ports
                .iter()
                .filter(|port| origins.is_empty() || origins.contains(&port.origin))
                .map(|port| port.port)
                .collect();
            found.sort_unstable();
            found.dedup();
            match found.as_slice() {
                [one] => Some(*one),
                _ => None,
            }
        };
        let said = |origin: &str| self.ports.iter().any(|port| port.origin == origin);
        let first = ["compose expose", "compose ports"]
            .into_iter()
            .find(|origin| said(origin));
        first.map_or_else(|| only(&[]), |origin| only(&[origin]))
    }

    fn protocol(&self, port: NonZeroU16, hint: Option<Protocol>) -> Protocol {
        let declared = self
            .ports
            .iter()
            .find(|one| one.port == port)
            .and_then(|one| one.protocol);
        if let Some(protocol) = declared {
            return protocol;
        }
        if self.udp.contains(&port) && self.ports.iter().all(|one| one.port != port) {
            return Protocol::Udp;
        }
        if let Some(one) = self.serves.iter().find(|one| one.port == port) {
            return one.protocol;
        }
        if let Some(protocol) = self
            .health
            .as_ref()
            .and_then(|health| health.protocol(port))
        {
            return protocol;
        }
        if let Some(hint) = hint {
            return hint;
        }
        // A store that was moved to another port still speaks its protocol; kafka's inner listeners, for one.
        if let Some(first) = self
            .serves
            .first()
            .filter(|one| one.protocol.is_store() || self.own.contains(&port))
        {
            return first.protocol;
        }
        if self
            .serves
            .first()
            .is_some_and(|one| one.protocol == Protocol::Http)
            && self.only_declared() == Some(port)
        {
            return Protocol::Http;
        }
        self.known
            .get(&port.get())
            .copied()
            .unwrap_or(Protocol::Tcp)
    }
}

fn same_kind(one: Protocol, other: Protocol) -> bool {
    let web = |protocol| matches!(protocol, Protocol::Http | Protocol::Https);
    one == other || (web(one) && web(other))
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

/// A port from text.
pub(super) fn number(text: &str) -> Option<NonZeroU16> {
    address::port(text)
}

#[cfg(test)]
mod tests;
