//! What a Pod is configured with → the edge of compose that it is, or a new one. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use crate::address;
use crate::compose::Service;
use crate::graph::deployed::VariableSource;
use crate::graph::infer::is_replica;
use crate::graph::{Confidence, Edge, Note, NoteKind, Origin, Outside, Tier};
use crate::observe::WorkloadKey;
use crate::observe::kinds::ServicePort;
use crate::protocol::Protocol;
use crate::spelling::is_akin;

use super::super::mentions::Mention;
use super::super::resolve::{HostTarget, normal};
use super::logins::password_of;
use super::{Client, Draft};

/// How a mention fits an edge that is known, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EdgeMatch {
    /// The edge's own variable, whose text is no address: no other edge can be meant.
    Flawed,
    /// The edge's own variable leads to its tier, on its port.
    Same,
    /// The edge's own variable leads to its tier, on another port.
    Variable,
    /// It leads to the edge's tier, on its port.
    Exact,
    /// It leads to the edge's tier, and says no port.
    AnyPort,
    /// It leads to the edge's tier, of which an order of start or a link states no port.
    Order,
    /// It leads to the edge's tier, and may have the edge's port from another variable.
    Further,
    /// The edge's own variable leads elsewhere.
    Moved,
    /// A proxy's host that leads nowhere, and an edge of which only the order of start is known.
    Proxy,
}

impl Client<'_> {
    /// The edge that a mention fits best, and how.
    pub(super) fn best(&self, mention: &Mention, leads: &HostTarget) -> Option<(EdgeMatch, usize)> {
        let drafts = self.drafts.iter().enumerate();
        let fits = drafts.filter_map(|(at, draft)| Some((self.fit(mention, leads, draft)?, at)));
        let mut fits: Vec<(EdgeMatch, usize)> = fits.collect();
        fits.sort_unstable();
        match *fits.as_slice() {
            // Which of several stands behind a proxy cannot be known.
            [] | [(EdgeMatch::Proxy, _), _, ..] => None,
            [best, ..] => Some(best),
        }
    }

    fn fit(&self, mention: &Mention, leads: &HostTarget, draft: &Draft) -> Option<EdgeMatch> {
        let edge = &draft.edge;
        let is_open = !draft.deployed;
        let is_its_variable = is_open
            && !mention.further
            && mention.variable.is_some()
            && edge.variable == mention.variable;
        // A text that is no address says nothing of any other edge.
        if mention.is_flawed() {
            return is_its_variable.then_some(EdgeMatch::Flawed);
        }
        // What is dialled under another host already is another edge.
        let may_join = is_open || edge.host.eq_ignore_ascii_case(&mention.host);
        let is_by_order = is_open && edge.origin.iter().all(Origin::is_without_port);
        let said = mention.protocol;
        let is_any = |other: fn(Protocol) -> bool| {
            said.is_none_or(|said| said == edge.protocol || other(said))
        };
        // Where compose has the same variable lead to another tier, that edge comes first.
        let asked = mention
            .variable
            .as_ref()
            .and_then(|name| self.asked.get(name));
        let leads_there = matches!(leads, HostTarget::Tier(tier) if *tier == edge.to)
            && asked.is_none_or(|tiers| tiers.contains(&edge.to));
        let is_exact = leads_there && may_join && mention.port == Some(edge.port);
        let says_no_port = mention.port.is_none() && draft.in_compose;
        if mention.further {
            is_exact.then_some(EdgeMatch::Further)
        } else if leads_there && is_its_variable {
            Some(if is_exact {
                EdgeMatch::Same
            } else {
                EdgeMatch::Variable
            })
        } else if is_exact {
            Some(EdgeMatch::Exact)
        } else if leads_there && may_join && says_no_port && is_any(|_| false) {
            Some(EdgeMatch::AnyPort)
        } else if leads_there && is_by_order && is_any(|said| !said.is_store()) {
            Some(EdgeMatch::Order)
        } else if is_its_variable {
            Some(EdgeMatch::Moved)
        } else {
            let is_passed_on = *leads == HostTarget::Nowhere && mention.is_passed_on();
            let may_be = mention.port.is_none_or(|port| port == edge.port);
            let is_alike = is_by_order && !edge.protocol.is_store() && may_be;
            (is_passed_on && is_alike).then_some(EdgeMatch::Proxy)
        }
    }

    /// Where an edge leads whose own variable leads elsewhere; `None`: it is still the one that is needed.
    ///
    /// Another tier of the same kind (a replica, a new cache) is where it leads now; one of another kind is a mistake in the variable.
    fn moved(&self, edge: &Edge, mention: &Mention, leads: &HostTarget) -> Option<String> {
        let to_tier = self.tiers.contains_key(&edge.to);
        match leads {
            HostTarget::Tier(tier) if tier != self.name => {
                let serves = self.tiers.get(tier).and_then(Tier::protocol);
                let same_kind = serves.is_none_or(|protocol| protocol == edge.protocol);
                (same_kind || !to_tier).then(|| tier.clone())
            }
            // Where compose had a tier the edge keeps its name: it is what became of that tier.
            _ if to_tier => None,
            HostTarget::Service(key) => Some(key.name.clone()),
            _ => Some(mention.host.clone()),
        }
    }

    /// The edge goes where the Pod says.
    pub(super) fn follow(&mut self, index: usize, mention: &Mention, leads: &HostTarget) {
        let moved = self.moved(&self.drafts[index].edge, mention, leads);
        let outside = !matches!(leads, HostTarget::Tier(_))
            && self.resolver.is_outside(&mention.meant, self.namespace);
        let confidence = self.confidence(mention, &self.drafts[index].edge.to);
        let renamed = self.renamed(&self.drafts[index].edge, mention.variable.as_ref());
        self.notes.extend(renamed);
        let draft = &mut self.drafts[index];
        let edge = &mut draft.edge;
        let before = format!("{}:{}", edge.host, edge.port);
        let renamed = normal(&edge.host) != normal(&mention.host);
        let port = mention.port.unwrap_or(edge.port);
        let differs = draft.in_compose && !draft.deployed && (renamed || port != edge.port);
        // A port or host that compose only guessed is nothing that compose said.
        let said = edge.variable.is_some() || edge.confidence == Confidence::Declared;
        if differs && said {
            edge.compose_said = Some(before.clone());
            self.notes.push(Note {
                kind: NoteKind::Differs,
                message: format!(
                    "{} asks for {}:{port} ({}), compose says {before}",
                    self.name, mention.host, mention.origin
                ),
            });
        }
        if let Some(tier) = moved {
            edge.to = tier;
        }
        edge.host.clone_from(&mention.host);
        edge.port = port;
        if mention.by_scheme || edge.protocol == Protocol::Tcp {
            edge.protocol = mention.protocol.unwrap_or(edge.protocol);
        }
        if draft.deployed {
            edge.login = edge.login.take().or_else(|| mention.login.clone());
            edge.tls = edge.tls.or(mention.tls);
            edge.flaw = edge.flaw.take().or_else(|| mention.flaw.clone());
        } else {
            edge.flaw.clone_from(&mention.flaw);
            edge.resolver.clone_from(&mention.resolver);
            edge.at_start = mention.at_start;
            edge.lacks = password_of(edge.login.as_ref()).cloned();
            edge.login.clone_from(&mention.login);
            edge.tls = mention.tls;
            edge.http = None;
            if mention.variable.is_some() {
                edge.variable.clone_from(&mention.variable);
            }
        }
        edge.by_scheme |= mention.by_scheme;
        edge.guessed &= mention.protocol != Some(edge.protocol);
        edge.external = outside || !self.tiers.contains_key(&edge.to);
        edge.confidence = edge.confidence.max(confidence);
        if !edge.origin.contains(&mention.origin) {
            edge.origin.push(mention.origin.clone());
        }
        draft.deployed = true;
    }

    /// How sure a mention is. What compose hands to several tiers is no surer for having been deployed to each of them.
    fn confidence(&self, mention: &Mention, to: &str) -> Confidence {
        let file = self.sources.compose;
        let service = file.and_then(|file| file.services.get(self.name));
        let handed = mention.variable.as_ref().is_some_and(|name| {
            let value = service.and_then(|service| service.environment.get(name));
            let same = value.is_some_and(|value| value.value.contains(&mention.host));
            let claim = (self.name.to_owned(), name.clone(), to.to_owned());
            same && self.sources.shared.contains(&claim)
        });
        let unsaid = service.is_some_and(|service| {
            let known = self.drafts.iter().filter(|draft| draft.in_compose);
            let mut known = known.map(|draft| draft.edge.to.as_str());
            mention.variable.as_ref().is_some_and(|name| {
                !service.environment.contains_key(name)
                    && !known.any(|known| known == to)
                    && self.is_in_common(name)
            })
        });
        if handed || unsaid {
            Confidence::Weak
        } else {
            mention.confidence
        }
    }

    /// Whether a variable comes from a ConfigMap that workloads of other tiers take in as a whole, too.
    fn is_in_common(&self, variable: &str) -> bool {
        let containers = self.deployed.containers.iter();
        let map = containers
            .filter_map(|container| container.environment.variables.get(variable))
            .find_map(|variable| match &variable.source {
                VariableSource::ConfigMap { name } => Some(name),
                _ => None,
            });
        let Some(map) = map else {
            return false;
        };
        let takes = |key: &WorkloadKey| {
            let template = self.sources.snapshot.template(key);
            let mut containers = template.iter().flat_map(|one| &one.spec.containers);
            containers.any(|one| one.whole_maps().any(|name| name == map))
        };
        let of = |tier: &Tier| {
            let here = |key: &&WorkloadKey| key.namespace == *self.namespace;
            tier.workloads.iter().filter(here).any(takes)
        };
        let (own, others): (Vec<&Tier>, Vec<&Tier>) =
            self.tiers.values().partition(|tier| tier.name == self.name);
        own.into_iter().any(of) && others.into_iter().any(of)
    }

    /// The tier to which the same variable leads in another workload of this one.
    fn of_same_variable(&self, mention: &Mention) -> Option<String> {
        let variable = mention.variable.as_ref().filter(|_| !mention.further)?;
        let same = self.drafts.iter().find(|draft| {
            let edge = &draft.edge;
            draft.deployed
                && edge.variable.as_ref() == Some(variable)
                && self.tiers.contains_key(&edge.to)
                && mention.protocol.is_none_or(|said| said == edge.protocol)
                && !edge.origin.contains(&mention.origin)
        });
        same.map(|draft| draft.edge.to.clone())
    }

    /// The only other tier behind Services that offer the port and are called nearly like the host, which no one is.
    fn akin(&self, mention: &Mention) -> Option<String> {
        let port = mention.port?;
        if self.is_own_alias(&mention.host) {
            return None;
        }
        let host = normal(&mention.meant);
        let label = host.split('.').next()?;
        let namespace = self.sources.snapshot.namespaces.get(self.namespace)?;
        let services = namespace.services.iter().filter(|service| {
            let mut ports = service.spec.ports.iter();
            is_akin(label, &service.metadata.name) && ports.any(|one| one.is(port))
        });
        let tiers: BTreeSet<String> = services
            .filter_map(|service| {
                let name = &service.metadata.name;
                match self.resolver.leads(name, self.namespace, self.aliases) {
                    HostTarget::Tier(tier) => Some(tier),
                    _ => None,
                }
            })
            .collect();
        let mut tiers = tiers.into_iter().filter(|tier| *tier != self.name);
        let first = tiers.next()?;
        tiers.next().is_none().then_some(first)
    }

    /// Where a host leads, or the tier that it was probably meant to lead to.
    fn meant(&self, mention: &Mention, leads: HostTarget) -> HostTarget {
        let of_host = address::is_docker_host(&mention.meant).then(|| self.published(mention));
        let meant = match (of_host.flatten(), &leads) {
            (Some(tier), _) => Some(tier),
            // Another workload of the client has another host in the variable that leads to that tier.
            (None, HostTarget::Nowhere) => self
                .of_same_variable(mention)
                .or_else(|| self.akin(mention)),
            _ => None,
        };
        meant.map_or(leads, HostTarget::Tier)
    }

    /// What only the Pods show.
    pub(super) fn add(&mut self, mention: &Mention, leads: HostTarget) {
        let is_store = mention.protocol.is_some_and(Protocol::is_store);
        let is_docker_host = address::is_docker_host(&mention.meant);
        let leads = self.meant(mention, leads);
        let (to, external) = match leads.clone() {
            HostTarget::Tier(tier) if tier == self.name => return,
            HostTarget::Tier(tier) => (tier, false),
            // A Service of the cluster that is no tier's: the app dials it all the same.
            HostTarget::Service(key) if mention.explicit || mention.port.is_some() || is_store => {
                (key.name, true)
            }
            // What a proxy sends on to is dialled, and a name of one label is none of the world outside. A text that no client can dial
            // is reported as an edge.
            HostTarget::Nowhere
                if mention.is_passed_on() || mention.is_flawed() && mention.is_surely_a_host() =>
            {
                (mention.host.clone(), true)
            }
            HostTarget::Nowhere | HostTarget::Outside
                if is_store || (is_docker_host && mention.port.is_some()) =>
            {
                (mention.host.clone(), true)
            }
            // A name of the cluster is none of the world outside: what it leads to is not shown here, and is not verified.
            HostTarget::Nowhere if self.is_no_name(mention) => {
                self.note_unknown(mention);
                return;
            }
            HostTarget::Service(_) | HostTarget::Nowhere | HostTarget::Outside => {
                if mention.explicit || mention.host.contains('.') {
                    self.outside.push(Outside {
                        from: self.name.to_owned(),
                        host: mention.host.clone(),
                        port: mention.port,
                        origin: mention.origin.clone(),
                    });
                }
                return;
            }
        };
        let Some((port, protocol)) = self.dial(mention, &to) else {
            self.notes.push(Note {
                kind: NoteKind::Incomplete,
                message: format!(
                    "{} names {to} ({}), and nothing says on which port: add the edge to k8sverify.yaml",
                    self.name, mention.origin
                ),
            });
            return;
        };
        let known = self.drafts.iter().position(|draft| {
            draft.deployed
                && draft.edge.to == to
                && draft.edge.port == port
                && draft.edge.host.eq_ignore_ascii_case(&mention.host)
        });
        if let Some(index) = known {
            return self.follow(index, mention, &leads);
        }
        self.drafts.push(Draft {
            edge: Edge {
                origin: vec![mention.origin.clone()],
                confidence: self.confidence(mention, &to),
                external,
                variable: mention.variable.clone(),
                flaw: mention.flaw.clone(),
                resolver: mention.resolver.clone(),
                at_start: mention.at_start,
                by_scheme: mention.by_scheme,
                guessed: mention.protocol != Some(protocol),
                tls: mention.tls,
                login: mention.login.clone(),
                replica: is_replica(&mention.host),
                ..Edge::new(self.name, to, &mention.host, port, protocol)
            },
            in_compose: false,
            deployed: true,
        });
    }

    /// The tier of compose that a client on Docker's own host would reach: the one that publishes the port, or, where none is said, the
    /// only one of the kind.
    fn published(&self, mention: &Mention) -> Option<String> {
        let file = self.sources.compose?;
        let is_wanted = |service: &Service| {
            let serves = self.tiers.get(&service.name).and_then(Tier::protocol);
            service.name != self.name
                && match (mention.port, mention.protocol) {
                    (Some(port), _) => service
                        .ports
                        .iter()
                        .any(|one| one.published.as_deref() == Some(port.to_string().as_str())),
                    (None, Some(protocol)) => !service.ports.is_empty() && serves == Some(protocol),
                    // A database's login, and nothing says which one it is.
                    (None, None) => {
                        mention.login.is_some()
                            && !service.ports.is_empty()
                            && serves.is_some_and(Protocol::is_store)
                    }
                }
        };
        let mut wanted = file.services.values().filter(|one| is_wanted(one));
        let first = wanted.next()?;
        wanted.next().is_none().then(|| first.name.clone())
    }

    /// Port and protocol that a mention means, from both ends.
    fn dial(&self, mention: &Mention, to: &str) -> Option<(NonZeroU16, Protocol)> {
        let Mention {
            port,
            protocol,
            by_scheme,
            ..
        } = *mention;
        let mut known = self.sources.known.iter().filter_map(|facts| facts.get(to));
        if let Some(dialled) = known.find_map(|facts| facts.dial(port, protocol, by_scheme)) {
            let open = port.is_none() && !dialled.protocol.is_store();
            let offered = open.then(|| self.offered(&mention.host, to, dialled.port));
            return Some((offered.flatten().unwrap_or(dialled.port), dialled.protocol));
        }
        let by_number = port.and_then(|port| self.sources.catalog.port_protocol(port.get()));
        let protocol = protocol.or(by_number).unwrap_or(Protocol::Tcp);
        let only_port = self
            .tiers
            .get(to)
            .and_then(|tier| match tier.ports.as_slice() {
                [port] => Some(*port),
                _ => None,
            });
        let port = port.or(protocol.default_port()).or(only_port)?;
        Some((port, protocol))
    }

    /// Whether a host that the cluster should know can be nothing else, and is no `hostAliases` of the client.
    fn is_no_name(&self, mention: &Mention) -> bool {
        mention.is_surely_a_host() && !self.is_own_alias(&mention.host)
    }

    /// Whether a host is in the client's own /etc/hosts.
    fn is_own_alias(&self, host: &str) -> bool {
        let workloads = self.tiers.get(self.name).map(|tier| &tier.workloads);
        let mut templates = workloads
            .into_iter()
            .flatten()
            .filter_map(|key| self.sources.snapshot.template(key));
        templates.any(|template| template.spec.aliases(host).next().is_some())
    }

    /// Says that a host is no name that the cluster is known to have.
    pub(super) fn note_unknown(&mut self, mention: &Mention) {
        let port = mention.port.map(|port| format!(":{port}"));
        self.notes.push(Note {
            kind: NoteKind::Incomplete,
            message: format!(
                "{} names {}{} ({}), and no Service that was read has that name: whether it leads anywhere is not verified",
                self.name,
                mention.host,
                port.unwrap_or_default(),
                mention.origin
            ),
        });
    }

    /// The port of the Service behind a host without one: that which leads to the tier's port, else the only one. What compose has
    /// clients dial is the tier's own port; without compose only the client knows, and it was made for the Service that is there.
    fn offered(&self, host: &str, to: &str, port: NonZeroU16) -> Option<NonZeroU16> {
        if self.sources.compose.is_some() {
            return None;
        }
        let snapshot = self.sources.snapshot;
        let way = snapshot.way(host, self.namespace);
        let (_, service) = way.last()?;
        if service.spec.is_headless() {
            return None;
        }
        let workloads = &self.tiers.get(to)?.workloads;
        let leads = |one: &ServicePort| {
            let mut pods = workloads.iter().filter_map(|key| snapshot.template(key));
            pods.any(|pods| one.target(pods.spec) == Some(port))
        };
        let ports = &service.spec.ports;
        let one = match ports.as_slice() {
            _ if ports.iter().any(|one| one.is(port)) => return None,
            [only] => only,
            several => several.iter().find(|one| leads(one))?,
        };
        u16::try_from(one.port).ok().and_then(NonZeroU16::new)
    }
}
