//! Edges of compose whose place the Pods' own configuration takes: under another variable, or in a mounted file. Pure.

use std::collections::BTreeSet;

use crate::address::{self, LoginReference, Role};
use crate::graph::infer::{self, NameTable, Place, RawEdge};
use crate::graph::mapping::image_name;
use crate::graph::{Confidence, Edge, Note, NoteKind, Origin, Tier};
use crate::observe::mounted_key;
use crate::protocol::Protocol;

use super::silent::{deployed_login, host_in, lead};
use super::{Client, Draft};

/// The address that a mounted file or the command holds.
struct InFile {
    edge: RawEdge,
    origin: Origin,
}

impl Client<'_> {
    /// The only store of its kind that the Pods name, where compose names one of the kind that the Pods do not: it is what became of that
    /// tier, and compose's name is not dialled.
    pub(super) fn replaced(&mut self, edge: &Edge) -> bool {
        if !self.is_only_wish(edge) {
            return false;
        }
        let is_other = |draft: &Draft| {
            draft.deployed
                && !draft.in_compose
                && draft.edge.protocol == edge.protocol
                && !self.tiers.contains_key(&draft.edge.to)
        };
        let mut others = (0..self.drafts.len()).filter(|index| is_other(&self.drafts[*index]));
        let (Some(index), None) = (others.next(), others.next()) else {
            return false;
        };
        let external = self
            .resolver
            .is_outside(&self.drafts[index].edge.host, self.namespace);
        let other = &mut self.drafts[index].edge;
        other.to.clone_from(&edge.to);
        other.external = external;
        other.compose_said = Some(format!("{}:{}", edge.host, edge.port));
        other.origin.splice(0..0, edge.origin.iter().cloned());
        let note = self.differs(index);
        self.notes.push(note);
        true
    }

    /// The edge goes where a file that the Pods mount says, if one does and all say the same.
    pub(super) fn lead_by_file(&mut self, edge: &mut Edge) -> bool {
        if !self.is_only_wish(edge) {
            return false;
        }
        let mut found = self.in_files(edge.protocol);
        let Some(InFile { edge: raw, origin }) = found.pop() else {
            return false;
        };
        let same = |other: &InFile| {
            address::is_same_host(&other.edge.host, &raw.host) && other.edge.port == raw.port
        };
        if !found.iter().all(same) {
            return false;
        }
        lead(edge, raw.host, raw.port.or(edge.protocol.default_port()));
        edge.tls = raw.tls;
        edge.login = None;
        edge.variable = None;
        edge.by_scheme = raw.by_scheme;
        edge.confidence = Confidence::Declared;
        edge.external = self.resolver.is_outside(&edge.host, self.namespace);
        edge.origin.push(origin);
        true
    }

    /// The edge goes where the Pods' only variable says that can hold the host of such a store and that stands in a Secret: only the probe
    /// reads it.
    pub(super) fn lead_by_secret(&mut self, edge: &mut Edge) -> bool {
        if !self.is_only_wish(edge) {
            return false;
        }
        let taken: BTreeSet<&str> = self
            .drafts
            .iter()
            .flat_map(|draft| {
                let login = draft.edge.login.iter().flat_map(LoginReference::variables);
                draft.edge.variable.as_deref().into_iter().chain(login)
            })
            .collect();
        let fits = |name: &str| {
            let words = address::words(name);
            let products = words.iter().filter_map(|word| address::product(word));
            !taken.contains(name)
                && address::role(name) == Role::Host
                && products.into_iter().all(|product| product == edge.protocol)
        };
        let containers = &self.deployed.containers;
        let hidden: BTreeSet<&String> = containers
            .iter()
            .flat_map(|container| &container.environment.variables)
            .filter(|(name, variable)| variable.value.is_none() && fits(name))
            .map(|(name, _)| name)
            .collect();
        let mut hidden = hidden.into_iter();
        let (Some(variable), None) = (hidden.next(), hidden.next()) else {
            return false;
        };
        let beside = edge
            .login
            .as_ref()
            .and_then(|login| deployed_login(login, containers));
        let login = login_at(variable, beside);
        lead_unseen(edge, self.place_in_secret(variable), login, variable);
        true
    }

    /// Where a host stands that only the probe reads.
    pub(super) fn place_in_secret(&self, variable: &str) -> String {
        let owner = self.owner();
        format!("env {variable} of {owner}, whose value is in a Secret")
    }

    /// The client's own workload, as a reader is shown it.
    fn owner(&self) -> String {
        let workload = self.tiers[self.name].workloads.first();
        workload.map_or_else(|| self.name.to_owned(), ToString::to_string)
    }

    /// The edge goes where a file says that the Pods have out of a Secret in the place of compose's: only the probe reads it.
    pub(super) fn lead_by_secret_file(&mut self, edge: &mut Edge) -> bool {
        let host = edge.login.as_ref().and_then(LoginReference::host);
        let Some(host) = host.filter(|name| self.is_in_secret_file(name)).cloned() else {
            return false;
        };
        let is_there = |name: &String| self.is_in_secret_file(name) || self.may_have(name);
        let login = edge.login.as_ref().and_then(|login| login.within(is_there));
        let Some(login) = login else {
            return false;
        };
        let (path, _) = address::file_and_key(&host).unwrap_or_default();
        let place = format!("{path} of {}, which comes from a Secret", self.owner());
        lead_unseen(edge, place, login, &host);
        true
    }

    /// Whether a key of a file stands in a Secret that the Pods mount at that path.
    fn is_in_secret_file(&self, name: &str) -> bool {
        let Some((path, _)) = address::file_and_key(name) else {
            return false;
        };
        let templates = self.tiers[self.name].workloads.iter();
        let mut templates = templates.filter_map(|key| self.sources.snapshot.template(key));
        templates.any(|template| {
            let spec = template.spec;
            let mut containers = spec.containers.iter();
            containers.any(|one| {
                let key = mounted_key(&spec.volumes, &one.volume_mounts, path);
                key.is_some_and(|key| key.secret_key_ref.is_some())
            })
        })
    }

    /// What a reader should know of an edge whose variable in compose no container has, while another one leads to the tier: a program
    /// that asks for the first does not find it. `None` also where the Pods run another image than compose.
    pub(super) fn renamed(&self, edge: &Edge, other: Option<&String>) -> Option<Note> {
        let (name, other) = (edge.variable.as_ref()?, other?);
        let service = self.sources.compose?.services.get(self.name)?;
        let is_other_image = service.image.as_ref().is_some_and(|image| {
            let mut containers = self.deployed.containers.iter();
            !containers.any(|one| image_name(&one.image) == image_name(image))
        });
        let is_said = name != other && service.environment.contains_key(name);
        (is_said && !self.may_have(name) && !is_other_image).then(|| Note {
            kind: NoteKind::Differs,
            message: format!(
                "{} has no {name}, by which compose leads it to {}, and is led there by {other}: make sure that the program asks for that",
                self.name, edge.to
            ),
        })
    }

    /// What the Pods ask on `localhost` where compose puts both ends into one network: a port on which the other one's Pods listen, and not
    /// their own.
    pub(super) fn at_home(&mut self) {
        let Some(file) = self.sources.compose else {
            return;
        };
        let Some(service) = file.services.get(self.name) else {
            return;
        };
        let listens = |name: &str, port| {
            let tier = self.tiers.get(name);
            tier.is_some_and(|tier| tier.ports.contains(&port))
        };
        let peers: Vec<&str> = file
            .services
            .values()
            .filter(|peer| peer.name != self.name && infer::same_namespace(service, peer))
            .map(|peer| peer.name.as_str())
            .collect();
        let containers = self.deployed.containers.iter().filter(|one| !one.init);
        let known = containers.flat_map(|container| container.environment.known());
        let mut found: Vec<Draft> = Vec::new();
        for (variable, value) in known {
            for target in address::local_targets(&variable, &value) {
                let Some(port) = target.port.filter(|port| !listens(self.name, *port)) else {
                    continue;
                };
                let Some(peer) = peers.iter().find(|peer| listens(peer, port)) else {
                    continue;
                };
                let is_known = self
                    .drafts
                    .iter()
                    .chain(&found)
                    .any(|draft| draft.edge.to == *peer && draft.edge.port == port);
                if !is_known {
                    found.push(Draft {
                        edge: Edge {
                            origin: vec![format!("env {variable} of the Pod").into()],
                            variable: Some(variable.clone()),
                            by_scheme: target.by_scheme,
                            ..Edge::new(
                                self.name,
                                *peer,
                                "localhost",
                                port,
                                target.protocol.unwrap_or(Protocol::Tcp),
                            )
                        },
                        in_compose: false,
                        deployed: true,
                    });
                }
            }
        }
        self.drafts.append(&mut found);
    }

    /// Whether a store is wanted, and no other of its kind is: then what the Pods say of the kind is about it.
    fn is_only_wish(&self, edge: &Edge) -> bool {
        let is_here = self.tiers.get(&edge.to).is_some_and(Tier::is_deployed);
        let kinds = self.wished.iter();
        edge.protocol.is_store()
            && is_here
            && kinds.filter(|kind| **kind == edge.protocol).count() == 1
    }

    /// The hosts of a protocol that files and commands of the Pods name and that are no tier's.
    fn in_files(&self, protocol: Protocol) -> Vec<InFile> {
        let mut found = Vec::new();
        for container in self.deployed.containers.iter().filter(|one| !one.init) {
            if container.environment.may_hide_address() {
                continue;
            }
            let source = container.source(&BTreeSet::new());
            let mut hosts: BTreeSet<String> = container
                .files
                .iter()
                .flat_map(|file| hosts(&file.text, protocol))
                .collect();
            let options = address::of_protocol(&address::options(&source.words), protocol);
            hosts.extend(options.into_iter().map(|target| target.host));
            for host in hosts {
                for edge in infer::written(&source, &NameTable::of_host(&host)) {
                    let origin = match &edge.place {
                        Place::File(path) => {
                            let file = container.files.iter().find(|file| file.target == *path);
                            let source = file.map_or("", |file| file.source.as_str());
                            Origin::mounted(path, source, &format!("container {}", container.name))
                        }
                        Place::Words => format!("command of container {}", container.name).into(),
                        _ => continue,
                    };
                    let meant = edge.protocol.is_none_or(|said| said == protocol);
                    if meant && address::is_same_host(&edge.host, &host) {
                        found.push(InFile { edge, origin });
                    }
                }
            }
        }
        found
    }

    fn differs(&self, index: usize) -> Note {
        let edge = &self.drafts[index].edge;
        Note {
            kind: NoteKind::Differs,
            message: format!(
                "{} asks for {}:{} ({}), compose says {}",
                self.name,
                edge.host,
                edge.port,
                edge.origin
                    .last()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                edge.compose_said.as_deref().unwrap_or_default()
            ),
        }
    }
}

/// The login beside a host that stands in a Secret: all of it where the variable is a whole address.
pub(super) fn login_at(variable: &str, beside: Option<LoginReference>) -> LoginReference {
    if address::names_url(variable) {
        return LoginReference::Url {
            variable: variable.to_owned(),
        };
    }
    match beside {
        Some(LoginReference::Parts {
            port,
            user,
            password,
            database,
            ..
        }) => LoginReference::Parts {
            host: Some(variable.to_owned()),
            port,
            user,
            password,
            database,
        },
        _ => host_in(variable.to_owned()),
    }
}

/// The edge goes where the variables say whose values only the probe sees; `place` is where the host stands, for people.
fn lead_unseen(edge: &mut Edge, place: String, login: LoginReference, host: &str) {
    edge.origin.push(place.into());
    edge.login = Some(login);
    edge.tls = None;
    edge.variable = Some(host.to_owned());
}

/// The hosts of a protocol's URLs in a text, and those of its settings; not the container itself.
fn hosts(text: &str, protocol: Protocol) -> Vec<String> {
    let is_it = |target: &address::Target| {
        target.protocol == Some(protocol) && !address::is_local(&target.host)
    };
    let apart = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ',');
    let words = text.split(apart).filter(|word| word.contains("://"));
    let urls = words.map(|word| {
        word.split_once('=')
            .filter(|(name, _)| !name.contains(':'))
            .map_or(word, |(_, url)| url)
    });
    let urls = urls.filter_map(address::any_target).filter(is_it);
    urls.chain(address::of_protocol(&address::settings(text), protocol))
        .map(|target| target.host)
        .collect()
}
