//! What a Pod is configured with → the edge of compose that it is, or a new one. Pure.

use std::num::NonZeroU16;

use crate::address;
use crate::compose::Service;
use crate::graph::infer::is_replica;
use crate::graph::{Confidence, Edge, Note, NoteKind, Origin, Outside};
use crate::protocol::Protocol;

use super::super::mentions::Mention;
use super::super::resolve::{Leads, normal};
use super::{Client, Draft};

impl Client<'_> {
    /// An edge of compose to the same tier: on the same port, or on a port that one of the two only guesses.
    pub(super) fn pair_by_tier(&mut self, mention: &Mention, tier: &str) -> bool {
        // Where compose has the same variable lead to another tier, that edge comes first.
        let mut same_variable = self
            .drafts
            .iter()
            .filter(|draft| mention.variable.is_some() && draft.edge.variable == mention.variable);
        if same_variable.clone().next().is_some()
            && same_variable.all(|draft| draft.edge.to != tier)
        {
            return false;
        }
        let to_tier: Vec<usize> = (0..self.drafts.len())
            .filter(|index| self.drafts[*index].edge.to == tier)
            .collect();
        let edge = |index: &usize| &self.drafts[*index].edge;
        let same_port = to_tier.iter().find(|index| {
            mention.port == Some(edge(index).port) && self.may_join(**index, mention)
        });
        let same_variable = to_tier.iter().find(|index| {
            mention.variable.is_some()
                && edge(index).variable == mention.variable
                && !self.drafts[**index].deployed
        });
        let without_port = to_tier.iter().find(|index| {
            mention.port.is_none()
                && mention
                    .protocol
                    .is_none_or(|protocol| protocol == edge(index).protocol)
                && self.may_join(**index, mention)
        });
        // `links` and `depends_on` have no port of their own: theirs was put there from the target.
        let guessed = to_tier.iter().find(|index| {
            edge(index).origin.iter().all(Origin::is_without_port)
                && !self.drafts[**index].deployed
                && mention
                    .protocol
                    .is_none_or(|protocol| protocol == edge(index).protocol || !protocol.is_store())
        });
        let found = if mention.further {
            same_port
        } else {
            same_port.or(same_variable).or(without_port).or(guessed)
        };
        let Some(index) = found.copied() else {
            return false;
        };
        self.follow(index, mention, None);
        true
    }

    /// Whether a mention can be the edge that stands there: not if the Pod dials the same port under another host already.
    fn may_join(&self, index: usize, mention: &Mention) -> bool {
        let draft = &self.drafts[index];
        !draft.deployed || draft.edge.host.eq_ignore_ascii_case(&mention.host)
    }

    /// An edge of compose whose host stands in the same variable.
    pub(super) fn pair_by_variable(&mut self, mention: &Mention, leads: &Leads) -> bool {
        if mention.variable.is_none() || mention.further {
            return false;
        }
        let Some(index) = self
            .drafts
            .iter()
            .position(|draft| !draft.deployed && draft.edge.variable == mention.variable)
        else {
            return false;
        };
        // Another tier of the same kind (a replica, a new cache) is where the edge leads now; one of another kind is a mistake
        // in the variable, and the edge is still the one that is needed.
        let edge = &self.drafts[index].edge;
        let to_tier = self.tiers.contains_key(&edge.to);
        let moved = match leads {
            Leads::Tier(tier) if tier != self.name => {
                let server = self.tiers.get(tier).and_then(|tier| tier.server.as_ref());
                let same_kind = server.is_none_or(|server| server.protocol == edge.protocol);
                (same_kind || !to_tier).then(|| tier.clone())
            }
            Leads::Service(key) if !to_tier => Some(key.name.clone()),
            // Where compose had a tier the edge keeps its name: it is what became of that tier.
            _ => (!to_tier).then(|| mention.host.clone()),
        };
        self.follow(index, mention, moved);
        true
    }

    /// The edge goes where the Pod says.
    fn follow(&mut self, index: usize, mention: &Mention, moved: Option<String>) {
        let outside = self.resolver.is_outside(&mention.meant, self.namespace)
            && !self.is_known_name(&mention.meant);
        let confidence = self.confidence(mention, &self.drafts[index].edge.to);
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
        if handed {
            Confidence::Weak
        } else {
            mention.confidence
        }
    }

    /// A proxy's host that leads nowhere is the edge which compose knows by its order of start alone, if there is one such.
    fn follows_proxy(&mut self, mention: &Mention) -> bool {
        if !mention.is_passed_on() {
            return false;
        }
        let fits = |draft: &Draft| {
            let edge = &draft.edge;
            !draft.deployed
                && edge.origin.iter().all(Origin::is_without_port)
                && !edge.protocol.is_store()
                && mention.port.is_none_or(|port| port == edge.port)
        };
        let mut found = (0..self.drafts.len()).filter(|index| fits(&self.drafts[*index]));
        let (Some(index), None) = (found.next(), found.next()) else {
            return false;
        };
        self.follow(index, mention, None);
        true
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

    fn is_known_name(&self, host: &str) -> bool {
        matches!(
            self.resolver.leads(host, self.namespace, self.aliases),
            Leads::Tier(_)
        )
    }

    /// What only the Pods show.
    pub(super) fn add(&mut self, mention: &Mention, leads: Leads) {
        let is_store = mention.protocol.is_some_and(Protocol::is_store);
        let is_docker_host = address::is_docker_host(&mention.meant);
        let leads = match self.published(mention).filter(|_| is_docker_host) {
            Some(tier) => Leads::Tier(tier),
            None => leads,
        };
        if leads == Leads::Nowhere && self.follows_proxy(mention) {
            return;
        }
        // Another workload of the client has another host in the variable that leads to that tier.
        let leads = match (leads, self.of_same_variable(mention)) {
            (Leads::Nowhere, Some(tier)) => Leads::Tier(tier),
            (leads, _) => leads,
        };
        let (to, external) = match leads {
            Leads::Tier(tier) if tier == self.name => return,
            Leads::Tier(tier) if mention.further && !self.listens(&tier, mention.port) => return,
            Leads::Tier(tier) => (tier, false),
            _ if mention.further => return,
            // A Service of the cluster that is no tier's: the app dials it all the same.
            Leads::Service(key) if mention.explicit || mention.port.is_some() || is_store => {
                (key.name, true)
            }
            // What a proxy sends on to is dialled, and a name of one label is none of the world outside.
            Leads::Nowhere if mention.is_passed_on() => (mention.host.clone(), true),
            Leads::Nowhere | Leads::Outside
                if is_store || (is_docker_host && mention.port.is_some()) =>
            {
                (mention.host.clone(), true)
            }
            Leads::Service(_) | Leads::Nowhere | Leads::Outside => {
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
            return self.follow(index, mention, None);
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
            let tier = self.tiers.get(&service.name);
            let server = tier.and_then(|tier| tier.server.as_ref());
            service.name != self.name
                && match (mention.port, mention.protocol) {
                    (Some(port), _) => service
                        .ports
                        .iter()
                        .any(|one| one.published.as_deref() == Some(port.to_string().as_str())),
                    (None, Some(protocol)) => {
                        !service.ports.is_empty()
                            && server.is_some_and(|server| server.protocol == protocol)
                    }
                    // A database's login, and nothing says which one it is.
                    (None, None) => {
                        mention.login.is_some()
                            && !service.ports.is_empty()
                            && server.is_some_and(|server| server.protocol.is_store())
                    }
                }
        };
        let mut wanted = file.services.values().filter(|one| is_wanted(one));
        let first = wanted.next()?;
        wanted.next().is_none().then(|| first.name.clone())
    }

    fn listens(&self, tier: &str, port: Option<NonZeroU16>) -> bool {
        let ports = self.tiers.get(tier).map(|tier| &tier.ports);
        port.is_some_and(|port| ports.is_some_and(|ports| ports.contains(&port)))
    }

    /// Port and protocol that a mention means, from both ends.
    fn dial(&self, mention: &Mention, to: &str) -> Option<(NonZeroU16, Protocol)> {
        let Mention {
            port,
            protocol,
            by_scheme,
            ..
        } = *mention;
        if let Some(dialled) = self
            .sources
            .facts
            .get(to)
            .and_then(|facts| facts.dial(port, protocol, by_scheme))
        {
            return Some((dialled.port, dialled.protocol));
        }
        let tier = self.tiers.get(to);
        let server = tier
            .and_then(|tier| tier.server.as_ref())
            .filter(|server| port.is_none_or(|port| port == server.port));
        let by_number = port.and_then(|port| self.sources.catalog.port_protocol(port.get()));
        let protocol = protocol
            .or_else(|| server.map(|server| server.protocol))
            .or(by_number)
            .unwrap_or(Protocol::Tcp);
        let only_port = tier.and_then(|tier| match tier.ports.as_slice() {
            [port] => Some(*port),
            _ => None,
        });
        let port = port
            .or_else(|| server.map(|server| server.port))
            .or_else(|| protocol.default_port())
            .or(only_port)?;
        Some((port, protocol))
    }
}
