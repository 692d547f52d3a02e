//! Which port and protocol an address means at a tier, and whether more than a number shows the protocol. Pure.

use std::num::NonZeroU16;

use crate::protocol::Protocol;

use super::{Dialled, PortOrigin, TierFacts};

impl TierFacts {
    /// The port and protocol that an address means: explicit, else the tier's own, its image's, the only declared one, the
    /// healthcheck's, else what the protocol usually has. `None`: nothing shows a port.
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
        let declared = |wanted: NonZeroU16| self.ports.iter().any(|port| port.port == wanted);
        if let Some(one) = same.or(self.serves.first()) {
            // A store listens on its usual port whatever is declared; where a web server or a collector does, its settings say.
            let settable = !one.protocol.is_store() && one.protocol != Protocol::Udp;
            let elsewhere = !declared(one.port) && self.only_declared().is_none();
            if let Some(found) = self
                .chosen()
                .filter(|_| elsewhere && settable && self.own.is_empty())
            {
                return Some(found);
            }
            // If its only declared port is another one it serves there, unless that is another port of the same product: its
            // console, not what its clients call.
            let moved = self
                .only_declared()
                .filter(|port| settable && !self.serves(*port));
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
        let usual = hint.and_then(Protocol::default_port);
        if let Some(port) = usual.filter(|port| self.ports.is_empty() || declared(*port)) {
            return Some((port, false));
        }
        self.chosen()
    }

    /// Of several declared ports, those of a product aside: HTTP's own, else the first, and then by choice.
    fn chosen(&self) -> Option<(NonZeroU16, bool)> {
        let mut ports = self.ports.iter().map(|port| port.port);
        let web = Protocol::Http.default_port();
        let web = web.filter(|web| ports.clone().any(|port| port == *web));
        match web {
            Some(web) => Some((web, false)),
            None => Some((ports.find(|port| !self.serves(*port))?, true)),
        }
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
        let only = |origins: &[PortOrigin]| {
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
        let said = |origin: &PortOrigin| self.ports.iter().any(|port| port.origin == *origin);
        let first = [PortOrigin::Expose, PortOrigin::Ports]
            .into_iter()
            .find(said);
        first.map_or_else(|| only(&[]), |origin| only(&[origin]))
    }

    /// Whether more than the number of the port, or the tier's name, shows that it speaks a protocol there: what is declared, its
    /// image, its command, its own variables, its healthcheck.
    pub fn knows(&self, port: NonZeroU16, protocol: Protocol) -> bool {
        let declared = self.ports.iter().find(|one| one.port == port);
        if let Some(said) = declared.and_then(|one| one.protocol) {
            return said == protocol;
        }
        let health = self.health.as_ref().and_then(|one| one.protocol(port));
        let product = self.serves.iter().any(|one| one.protocol == protocol);
        let server = self.server.as_ref().map(|server| server.port);
        health == Some(protocol)
            || product && (protocol.is_store() || self.serves(port) || server == Some(port))
            || product && (self.own.contains(&port) || self.only_declared() == Some(port))
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
        if let Some(first) = self
            .serves
            .first()
            .filter(|_| self.only_declared() == Some(port))
        {
            return first.protocol;
        }
        self.known
            .get(&port.get())
            .copied()
            .unwrap_or(Protocol::Tcp)
    }
}

/// The port that a URL without one means, whose scheme means `said`: beside variables that hold ports (`further`), that one of
/// them on which the target listens. `None` where the address has a port itself.
pub(in crate::graph) fn usual(
    said: Option<NonZeroU16>,
    by_scheme: Option<Protocol>,
    further: &[NonZeroU16],
    listens: &[NonZeroU16],
) -> Option<NonZeroU16> {
    let said = said.filter(|_| by_scheme.and_then(Protocol::default_port) == said)?;
    if listens.contains(&said) {
        return Some(said);
    }
    let served = further.iter().find(|port| listens.contains(port));
    let first = further.first().filter(|_| listens.is_empty());
    Some(served.or(first).copied().unwrap_or(said))
}

fn same_kind(one: Protocol, other: Protocol) -> bool {
    let web = |protocol| matches!(protocol, Protocol::Http | Protocol::Https);
    one == other || (web(one) && web(other))
}
