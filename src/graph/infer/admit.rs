//! A raw edge → a claim on a tier or on a host outside, with where it was written; or a note why it is none. Pure.

use std::collections::BTreeMap;

use crate::address::{self, Role, Shape};
use crate::compose::Service;
use crate::protocol::Protocol;

use super::super::{Confidence, Edge, NoteKind};
use super::claim::{Claim, Written};
use super::facts::{Dialled, TierFacts, usual};
use super::found::{Hit, Place, RawEdge, RawTarget};
use super::merge::Draft;
use super::names::NameTable;
use super::project::Project;
use super::{OF_FILE, Work, files_of, names, scan};

impl Work<'_> {
    /// `REDIS: cache`: a variable that is called like a product, and whose whole value is the tier that is one.
    pub(super) fn called_like_products(
        &mut self,
        service: &Service,
        environment: &BTreeMap<String, String>,
        names: &NameTable,
    ) {
        for (name, value) in environment {
            let words = address::words(name);
            let product = words.last().and_then(|word| address::product(word));
            let Some(protocol) = product.filter(|protocol| protocol.is_store()) else {
                continue;
            };
            let Some(tier) = names.resolve(value) else {
                continue;
            };
            let server = self.facts.get(tier).and_then(TierFacts::server);
            if server.is_none_or(|server| server.protocol != protocol)
                || address::role(name) == Role::Never
            {
                continue;
            }
            let place = Place::Variable(name.clone());
            let raw = RawEdge {
                protocol: Some(protocol),
                ..RawEdge::of_tier(tier, value, place, name)
            };
            self.admit(service, &raw);
        }
    }

    /// `SERVER_URL: http://peer:5005`: a variable that is called like the application's own address, and holds that of another tier. For
    /// what stands in front of it, a proxy or a page, no one waits.
    pub(super) fn called_like_its_own(
        &mut self,
        service: &Service,
        environment: &BTreeMap<String, String>,
        names: &NameTable,
    ) {
        let is_peer = |project: &Project<'_>, tier: &str| {
            let links = || service.links.iter().any(|link| link.service == tier);
            let to = project.service(tier);
            (service.depends_on.contains_key(tier) || links())
                && !project.is_page(tier)
                && !to.is_some_and(|to| project.is_plain_web_server(to))
        };
        for (name, value) in environment.iter().filter(|(name, _)| address::is_own(name)) {
            let urls = address::targets("", value).into_iter();
            for target in urls.filter(|target| target.shape == Shape::Url) {
                let hit = Hit::new(name, target, Confidence::Declared);
                let edge = scan::raw(hit, Place::Variable(name.clone()), names);
                let edge = edge.filter(
                    |edge| matches!(&edge.target, RawTarget::Tier(to) if is_peer(self.project, to)),
                );
                if let Some(edge) = edge {
                    self.admit(service, &edge);
                }
            }
        }
    }

    /// Takes a raw edge in, if it is one.
    pub(super) fn admit(&mut self, service: &Service, raw: &RawEdge) {
        let claim = claim(service, raw);
        let name = match &raw.target {
            RawTarget::Tier(name) => name.clone(),
            RawTarget::Outside => return self.outside(service, raw, &claim),
            RawTarget::Unknown => {
                // A store that a URL names is an edge, whatever runs it: a name that no one defines is a fault worth finding.
                if raw.by_scheme && raw.protocol.is_some_and(Protocol::is_store) {
                    return self.outside(service, raw, &claim);
                }
                let message = format!(
                    "{} names {} ({claim}), a host that no file defines",
                    service.name, raw.host
                );
                return self.note(NoteKind::Information, message);
            }
        };
        if name == service.name {
            return;
        }
        let Some(to) = self.file.services.get(&name) else {
            // Both switched off: they come together or not at all.
            let both = self.file.inactive.contains_key(&service.name);
            match self.file.inactive.get(&name) {
                Some(to) if both => self.connect(service, to, raw, &claim),
                _ => self.note(
                    NoteKind::Information,
                    format!(
                        "{} names {name} ({claim}), which a profile switches off",
                        service.name
                    ),
                ),
            }
            return;
        };
        if names::same_namespace(service, to) {
            return;
        }
        self.connect(service, to, raw, &claim);
    }

    fn connect(&mut self, service: &Service, to: &Service, raw: &RawEdge, claim: &Claim) {
        if !names::connected(self.file, service, to) {
            let message = format!(
                "{} names {} ({claim}), but they share no network in compose",
                service.name, to.name
            );
            return self.note(NoteKind::Information, message);
        }
        let Some(facts) = self.facts.get(&to.name) else {
            return;
        };
        let peers = self
            .facts
            .get(&service.name)
            .is_some_and(|ours| ours.is_peer_of(facts));
        let listens = facts.listens();
        let by_scheme = raw.protocol.filter(|_| raw.by_scheme);
        let usual = usual(raw.port, by_scheme, &raw.further_ports, &listens);
        let dialled = match usual.or(raw.port) {
            None if peers && facts.peer_port().is_some() => {
                facts.dial(facts.peer_port(), Some(Protocol::Tcp), true)
            }
            // A URL without a port leads to a peer's own, not to that of its scheme.
            Some(port) if peers && usual.is_some() && !listens.contains(&port) => {
                facts.dial(None, raw.protocol, raw.by_scheme)
            }
            port => facts.dial(port, raw.protocol, raw.by_scheme),
        };
        let Some(first) = dialled else {
            let message = format!(
                "{} names {} ({claim}), but nothing shows the port",
                service.name, to.name
            );
            return self.note(NoteKind::Incomplete, message);
        };
        let further = raw
            .further_ports
            .iter()
            .filter(|port| **port != first.port && usual.is_none())
            .filter(|port| listens.contains(port) || facts.serves(**port));
        let further: Vec<Dialled> = further
            .filter_map(|port| facts.dial(Some(*port), None, false))
            .collect();
        for (index, dialled) in std::iter::once(first).chain(further).enumerate() {
            let mut draft = self.draft(service, &to.name, raw, dialled, claim);
            draft.guessed = dialled.guessed
                || raw.port.is_none() && raw.place != Place::Image && facts.server().is_none();
            if dialled.guessed {
                draft.edge.confidence = Confidence::Weak;
            } else if index > 0 {
                draft.edge.confidence = Confidence::Likely;
            }
            draft.edge.login = draft.edge.login.filter(|_| index == 0);
            self.drafts.add(draft);
        }
    }

    /// What a raw edge says of a connection whose other end is known.
    fn draft(
        &self,
        service: &Service,
        to: &str,
        raw: &RawEdge,
        dialled: Dialled,
        claim: &Claim,
    ) -> Draft {
        let variable = match &raw.place {
            Place::Variable(name) => Some(name.clone()),
            _ => None,
        };
        let edge = Edge {
            by_scheme: raw.by_scheme,
            guessed: raw.protocol != Some(dialled.protocol),
            confidence: raw.confidence,
            variable,
            login: raw.login.clone(),
            tls: raw.tls,
            optional: self.file.inactive.contains_key(&service.name),
            ..Edge::new(&service.name, to, &raw.host, dialled.port, dialled.protocol)
        };
        Draft::new(edge, claim.clone())
    }

    /// A database, cache or broker outside is an edge like any other; the rest is listed.
    fn outside(&mut self, service: &Service, raw: &RawEdge, claim: &Claim) {
        let port = raw
            .port
            .or_else(|| raw.protocol.and_then(Protocol::default_port));
        if matches!(raw.place, Place::File(_) | Place::Words) && !raw.by_scheme {
            return;
        }
        if let (Some(protocol), Some(port)) = (raw.protocol.filter(|one| one.is_store()), port) {
            let dialled = Dialled {
                port,
                protocol,
                guessed: false,
            };
            let mut draft = self.draft(service, &raw.host, raw, dialled, claim);
            draft.edge.external = true;
            self.drafts.add(draft);
        } else if raw.port.is_some() {
            let (from, host) = (service.name.clone(), raw.host.clone());
            self.outside
                .insert((from, host, raw.port, claim.origin.clone()));
        }
    }
}

fn claim(service: &Service, raw: &RawEdge) -> Claim {
    let name = &service.name;
    // A value that stands in a file is where the variable that names the file says so.
    let set = |variable: &str| {
        let own = service.environment.get_key_value(variable);
        own.or_else(|| {
            let of_file = format!("{variable}{OF_FILE}");
            service.environment.get_key_value(of_file.as_str())
        })
    };
    let written = match &raw.place {
        Place::Variable(variable) => {
            set(variable).map(|(_, value)| Written::Value(value.location.clone()))
        }
        Place::File(path) => files_of(service)
            .find(|file| file.target == *path)
            .map(|file| Written::File(file.source.clone())),
        Place::Words | Place::Image => None,
    };
    let origin = match &raw.place {
        Place::Variable(variable) => match set(variable) {
            Some((variable, value)) if value.from_env_file => {
                format!("compose services.{name}.env_file {variable}")
            }
            Some((variable, _)) => format!("compose services.{name}.environment.{variable}"),
            None => format!("Dockerfile ENV {variable} of {name}"),
        },
        Place::Words if service.command.is_none() && service.entrypoint.is_none() => {
            format!("Dockerfile CMD of {name}")
        }
        Place::Words => format!("compose services.{name}.command"),
        Place::File(path) => format!("file {path} of {name}"),
        Place::Image => format!(
            "default of image {} of {name}",
            service.image.as_deref().unwrap_or("?")
        ),
    };
    Claim {
        origin: origin.into(),
        key: raw.key.clone(),
        written: written.unwrap_or(Written::Own),
    }
}
