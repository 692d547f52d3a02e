//! A compose project → tiers and the edges that its files show. Pure.
//!
//! Evidence in the order of its weight: values of the environment with host and port, hosts with what the target tells, mounted
//! configuration, command words, `links`; `depends_on` last, as a weak edge.

mod facts;
mod files;
mod health;
mod libraries;
mod merge;
mod names;
mod order;
mod own;
mod scan;
mod settle;
mod shared;
mod tiers;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::address;
use crate::catalog::Catalog;
use crate::compose::{ComposeFile, MountedFile, Service, WarningKind};
use crate::protocol::Protocol;

use super::{Confidence, Edge, Note, NoteKind, Outside, Tier};

pub use facts::{DeclaredPort, Dialled, Evidence, TierFacts};
pub use merge::{identify, is_replica};
pub use names::NameTable;
pub(crate) use names::same_namespace;
pub(super) use scan::written;
pub use scan::{Place, RawEdge, RawTarget, Source, scan};

use merge::{Draft, Drafts};
use order::Project;
use settle::{Origin, Settle, Written};
use shared::{Sharers, lend_builds, shared_files};

/// What compose alone says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inferred {
    /// Tiers by name; without workloads or Services.
    pub tiers: BTreeMap<String, Tier>,
    /// Edges, sorted by id.
    pub edges: Vec<Edge>,
    /// Outside hosts that are no edge.
    pub outside: Vec<Outside>,
    /// What a reader should know.
    pub notes: Vec<Note>,
    /// Tier, variable and target where what is written is handed to several tiers, and not plainly this one's.
    pub shared: BTreeSet<(String, String, String)>,
}

/// Derives tiers and edges of a compose project.
#[must_use]
pub fn infer(file: &ComposeFile, catalog: &Catalog) -> Inferred {
    let lent = lend_builds(file);
    let file = lent.as_ref().unwrap_or(file);
    let facts: BTreeMap<String, TierFacts> = all(file)
        .map(|service| (service.name.clone(), tiers::facts(service, catalog)))
        .collect();
    let mut work = Work {
        file,
        facts: &facts,
        drafts: Drafts::default(),
        outside: BTreeSet::new(),
        notes: BTreeSet::new(),
    };
    let shared = shared_files(file);
    for service in all(file) {
        work.configuration(service, &shared, catalog);
    }
    work.clocks();
    let project = Project {
        file,
        facts: &facts,
    };
    for service in file.services.values() {
        project.discovered(service, &mut work.drafts);
    }
    for service in all(file) {
        for unknown in project.links(service, &mut work.drafts) {
            work.note(
                NoteKind::Incomplete,
                format!(
                    "{} links to {unknown}, but nothing tells on which port {unknown} listens",
                    service.name
                ),
            );
        }
    }
    let shared_claims = Settle::new(&project).apply(&mut work.drafts);
    project.brokers(&mut work.drafts);
    for service in all(file) {
        project.depends(service, &mut work.drafts);
    }
    for service in file.services.values() {
        let files: Vec<&MountedFile> = files_of(service).collect();
        project.libraries(service, &files, &mut work.drafts);
    }
    for service in file.services.values() {
        project.registered(service, &mut work.drafts);
    }
    for service in file.services.values() {
        project.named_after(service, &mut work.drafts);
        project.alone_with(service, &mut work.drafts);
    }
    work.unresolved();
    let Work {
        drafts,
        outside,
        notes,
        ..
    } = work;
    Inferred {
        tiers: all(file)
            .map(|service| {
                let dialled = drafts.to(&service.name).any(|draft| !draft.guessed);
                let tier = tiers::tier(file, service, &facts, dialled);
                (service.name.clone(), tier)
            })
            .collect(),
        edges: drafts.edges(&|tier| {
            facts
                .get(tier)
                .and_then(|facts| facts.health_path().cloned())
        }),
        outside: outside
            .into_iter()
            .map(|(from, host, port, origin)| Outside {
                from,
                host,
                port,
                origin,
            })
            .collect(),
        notes: notes.into_iter().collect(),
        shared: shared_claims,
    }
}

/// Active services first: what is switched off never takes a name from them.
fn all(file: &ComposeFile) -> impl Iterator<Item = &Service> {
    file.services.values().chain(file.inactive.values())
}

/// What a service sees: mounted files, and those that its build copies.
fn files_of(service: &Service) -> impl Iterator<Item = &MountedFile> {
    let built = service.build.iter().flat_map(|build| &build.files);
    service.mounts.iter().chain(built)
}

/// What is being put together.
struct Work<'a> {
    file: &'a ComposeFile,
    facts: &'a BTreeMap<String, TierFacts>,
    drafts: Drafts,
    outside: BTreeSet<(String, String, Option<std::num::NonZeroU16>, String)>,
    notes: BTreeSet<Note>,
}

impl Work<'_> {
    fn note(&mut self, kind: NoteKind, message: String) {
        self.notes.insert(Note { kind, message });
    }

    /// Everything that a service's own configuration names.
    fn configuration(
        &mut self,
        service: &Service,
        shared: &BTreeMap<&str, Sharers<'_>>,
        catalog: &Catalog,
    ) {
        let names = NameTable::of_client(self.file, service);
        let mut environment = service
            .build
            .as_ref()
            .map(|build| build.environment.clone())
            .unwrap_or_default();
        environment.extend(facts::plain(&service.environment));
        let source = Source {
            environment,
            secret_variables: BTreeSet::new(),
            words: tiers::words(service),
            files: files_of(service)
                .filter(|mount| {
                    let sharers = shared.get(mount.source.as_str());
                    mount.direct || !sharers.is_some_and(|sharers| sharers.direct)
                })
                .map(|mount| (mount.target.clone(), mount.text.clone()))
                .collect(),
            image: service.image.clone(),
        };
        for mount in files_of(service) {
            if mount.text.contains("127.0.0.11") {
                self.note(
                    NoteKind::Information,
                    format!(
                        "{} of {} names docker's own DNS server 127.0.0.11, which no Pod has",
                        mount.target, service.name
                    ),
                );
            }
        }
        self.inside(service, &source.environment);
        let found = scan(&source, &names, catalog);
        let labels = self.labels(&found);
        for mut raw in found {
            if matches!(&raw.place, Place::Variable(name) if labels.contains(name)) {
                continue;
            }
            // Beside the Dockerfile is not yet in the image; what it copies to where a server reads it is.
            let built = service.build.iter().flat_map(|build| &build.files);
            if built.into_iter().any(|file| {
                let read = file.direct && file.target.starts_with("/etc/");
                !read && raw.place == Place::File(file.target.clone())
            }) {
                raw.confidence = raw.confidence.min(Confidence::Likely);
            }
            self.admit(service, raw);
        }
    }

    /// What a service calls on `localhost`, where that is the network of another one too (`network_mode: service:x`).
    fn inside(&mut self, service: &Service, environment: &BTreeMap<String, String>) {
        let peers: Vec<&Service> = all(self.file)
            .filter(|peer| peer.name != service.name && names::same_namespace(service, peer))
            .collect();
        if peers.is_empty() {
            return;
        }
        for (name, value) in environment {
            for target in address::local_targets(name, value) {
                let peer = peers.iter().find_map(|peer| {
                    let facts = self.facts.get(&peer.name)?;
                    let dialled = facts.dial(target.port, target.protocol, target.by_scheme)?;
                    facts
                        .listens()
                        .contains(&dialled.port)
                        .then_some((peer, dialled))
                });
                if let Some((peer, dialled)) = peer {
                    let origin = format!("compose services.{}.environment.{name}", service.name);
                    let draft = Draft {
                        variable: Some(name.clone()),
                        by_scheme: target.by_scheme,
                        ..Draft::new(
                            &service.name,
                            &peer.name,
                            "localhost",
                            dialled.port,
                            dialled.protocol,
                            origin,
                        )
                    };
                    self.drafts.add(draft);
                }
            }
        }
    }

    /// Variables whose value is a list of `name:port` of which none is an address: no tier that it names listens there. They are names
    /// of jobs, topics or published ports.
    fn labels(&self, found: &[RawEdge]) -> BTreeSet<String> {
        let mut lists: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
        let project = Project {
            file: self.file,
            facts: self.facts,
        };
        for raw in found {
            if let (Place::Variable(name), RawTarget::Tier(to), Some(port), false) =
                (&raw.place, &raw.target, raw.port, raw.by_scheme)
            {
                let deaf = project.is_deaf(to, port);
                lists.entry(name).or_default().push(deaf);
            }
        }
        lists.retain(|_, deaf| deaf.len() > 1 && deaf.iter().all(|deaf| *deaf));
        lists.into_keys().map(str::to_owned).collect()
    }

    /// Takes a raw edge in, if it is one.
    fn admit(&mut self, service: &Service, raw: RawEdge) {
        let origin = origin(service, &raw);
        let name = match &raw.target {
            RawTarget::Tier(name) => name.clone(),
            RawTarget::Outside => return self.outside(service, raw, origin),
            RawTarget::Unknown => {
                // A store that a URL names is an edge, whoever runs it: a name that nobody defines is a fault worth finding.
                if raw.by_scheme && raw.protocol.is_some_and(Protocol::is_store) {
                    return self.outside(service, raw, origin);
                }
                let message = format!(
                    "{} names {} ({origin}), a host that no file defines",
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
                Some(to) if both => self.connect(service, to, &raw, &origin),
                _ => self.note(
                    NoteKind::Information,
                    format!(
                        "{} names {name} ({origin}), which a profile switches off",
                        service.name
                    ),
                ),
            }
            return;
        };
        if names::same_namespace(service, to) {
            return;
        }
        self.connect(service, to, &raw, &origin);
    }

    fn connect(&mut self, service: &Service, to: &Service, raw: &RawEdge, origin: &Origin) {
        if !names::connected(self.file, service, to) {
            let message = format!(
                "{} names {} ({origin}), but they share no network in compose",
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
        let usual = raw.by_scheme && raw.protocol.and_then(Protocol::default_port) == raw.port;
        let dialled = match raw.port {
            None if peers && facts.peer_port().is_some() => {
                facts.dial(facts.peer_port(), Some(Protocol::Tcp), true)
            }
            // A URL without a port leads to a peer's own, not to that of its scheme.
            Some(port) if peers && usual && !facts.listens().contains(&port) => {
                facts.dial(None, raw.protocol, raw.by_scheme)
            }
            // A URL without a port beside a variable that holds one: the one on which the target listens.
            Some(port) if usual && !facts.listens().contains(&port) => {
                let listens = facts.listens();
                let beside = raw.further_ports.iter().copied();
                let told = beside.clone().find(|port| listens.contains(port));
                let first = told.or(beside.clone().next().filter(|_| listens.is_empty()));
                facts.dial(Some(first.unwrap_or(port)), raw.protocol, raw.by_scheme)
            }
            port => facts.dial(port, raw.protocol, raw.by_scheme),
        };
        let Some(first) = dialled else {
            let message = format!(
                "{} names {} ({origin}), but nothing tells the port",
                service.name, to.name
            );
            return self.note(NoteKind::Incomplete, message);
        };
        let listens = facts.listens();
        let further = raw
            .further_ports
            .iter()
            .filter(|port| **port != first.port && !usual)
            .filter(|port| listens.contains(port) || facts.serves(**port));
        let further: Vec<Dialled> = further
            .filter_map(|port| facts.dial(Some(*port), None, false))
            .collect();
        for (index, dialled) in std::iter::once(first).chain(further).enumerate() {
            self.drafts.add(Draft {
                from: service.name.clone(),
                to: to.name.clone(),
                host: raw.host.clone(),
                port: dialled.port,
                protocol: dialled.protocol,
                guessed: dialled.guessed
                    || raw.port.is_none() && raw.place != Place::Image && facts.server().is_none(),
                by_scheme: raw.by_scheme,
                origin: vec![origin.clone()],
                confidence: if dialled.guessed || index > 0 {
                    Confidence::Likely
                } else {
                    raw.confidence
                },
                variable: match &raw.place {
                    Place::Variable(name) => Some(name.clone()),
                    _ => None,
                },
                login: raw.login.clone().filter(|_| index == 0),
                tls: raw.tls,
                external: false,
                optional: self.file.inactive.contains_key(&service.name),
            });
        }
    }

    /// A database, cache or broker outside is an edge like any other; the rest is listed.
    fn outside(&mut self, service: &Service, raw: RawEdge, origin: Origin) {
        let store = raw.protocol.filter(|protocol| protocol.is_store());
        let port = raw
            .port
            .or_else(|| raw.protocol.and_then(Protocol::default_port));
        let from_file = matches!(raw.place, Place::File(_) | Place::Words) && !raw.by_scheme;
        if let (Some(protocol), Some(port), false) = (store, port, from_file) {
            self.drafts.add(Draft {
                from: service.name.clone(),
                to: raw.host.clone(),
                host: raw.host,
                port,
                protocol,
                guessed: false,
                by_scheme: raw.by_scheme,
                origin: vec![origin],
                confidence: raw.confidence,
                variable: match raw.place {
                    Place::Variable(name) => Some(name),
                    _ => None,
                },
                login: raw.login,
                tls: raw.tls,
                external: true,
                optional: self.file.inactive.contains_key(&service.name),
            });
        } else if raw.port.is_some() && !from_file {
            self.outside
                .insert((service.name.clone(), raw.host, raw.port, origin.text));
        }
    }

    /// What starts jobs by the clock needs the queue and its own records, not what the jobs need.
    fn clocks(&mut self) {
        let file = self.file;
        self.drafts.retain(|draft| {
            let Some(service) = file
                .services
                .get(&draft.from)
                .filter(|service| own::is_clock(&tiers::words(service)))
            else {
                return true;
            };
            let twin = file.services.values().any(|other| {
                other.name != service.name && other.image.is_some() && other.image == service.image
            });
            draft.protocol.is_store() || !twin || service.depends_on.contains_key(&draft.to)
        });
    }

    /// Variables without a value and files that are not here: edges may be missing.
    fn unresolved(&mut self) {
        let count = |kind: WarningKind| {
            self.file
                .warnings
                .iter()
                .filter(|warning| warning.kind == kind)
                .count()
        };
        let (unset, missing) = (
            count(WarningKind::UnsetVariable),
            count(WarningKind::FileMissing) + count(WarningKind::EnvFileMissing),
        );
        if unset > 0 {
            self.note(
                NoteKind::Incomplete,
                format!(
                    "{unset} variables of the compose files have no value: edges may be missing"
                ),
            );
        }
        if missing > 0 {
            self.note(
                NoteKind::Incomplete,
                format!(
                    "{missing} files that the compose files name are not here: edges may be missing"
                ),
            );
        }
    }
}

fn origin(service: &Service, raw: &RawEdge) -> Origin {
    let name = &service.name;
    let written = match &raw.place {
        Place::Variable(variable) => service
            .environment
            .get(variable)
            .map(|value| Written::Value(value.location.clone())),
        Place::File(path) => files_of(service)
            .find(|file| file.target == *path)
            .map(|file| Written::File(file.source.clone())),
        Place::Words | Place::Image => None,
    };
    let text = match &raw.place {
        Place::Variable(variable) => match service.environment.get(variable) {
            Some(value) if value.from_env_file => {
                format!("compose services.{name}.env_file {variable}")
            }
            Some(_) => format!("compose services.{name}.environment.{variable}"),
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
    Origin {
        text,
        key: raw.key.clone(),
        written: written.unwrap_or(Written::Own),
    }
}

#[cfg(test)]
mod tests;
