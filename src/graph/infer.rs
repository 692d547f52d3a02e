//! A compose project → tiers and the edges that its files show. Pure.
//!
//! Evidence in the order of its weight: values of the environment with host and port, hosts with what the target shows, mounted
//! configuration, command words, `links`; `depends_on` last, as a weak edge.

mod admit;
mod claim;
mod discovery;
mod evidence;
mod facts;
mod files;
mod found;
mod health;
mod hints;
mod libraries;
mod merge;
mod names;
mod own;
mod project;
mod scan;
mod settle;
mod shared;
mod tiers;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::address;
use crate::catalog::Catalog;
use crate::compose::{ComposeFile, MountedFile, Service, WarningKind};

use super::{Confidence, Edge, Note, NoteKind, Origin, Outside, Tier};

pub use evidence::{DeclaredPort, Evidence, PortOrigin};
pub(super) use facts::usual;
pub use facts::{Dialled, TierFacts};
pub(super) use files::nginx;
pub use found::{Place, RawEdge, RawTarget, Source};
pub(super) use health::asks;
pub(crate) use health::asks_a_server;
pub use merge::{identify, is_replica};
pub(crate) use names::same_namespace;
pub(super) use names::service_of_member;
pub use names::{NameTable, Tables};
pub use scan::scan;
pub(super) use scan::{strangers, written};

use merge::{Draft, Drafts};
use project::Project;
use settle::Settle;
use shared::{FileReaders, share_builds, shared_files};

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
    /// What is known of each tier from outside.
    pub facts: BTreeMap<String, TierFacts>,
    /// Tier, variable and target where what is written is handed to several tiers, and not plainly this one's.
    pub shared: BTreeSet<(String, String, String)>,
}

/// Derives tiers and edges of a compose project.
pub fn infer(file: &ComposeFile, catalog: &Catalog) -> Inferred {
    let lent = share_builds(file);
    let file = lent.as_ref().unwrap_or(file);
    let facts: BTreeMap<String, TierFacts> = all(file)
        .map(|service| (service.name.clone(), tiers::facts(service, catalog)))
        .collect();
    let project = Project {
        file,
        facts: &facts,
        catalog,
    };
    let mut work = Work {
        project: &project,
        file,
        facts: &facts,
        names: Tables::new(file),
        drafts: Drafts::default(),
        outside: BTreeSet::new(),
        notes: BTreeSet::new(),
    };
    let shared = shared_files(file);
    for service in all(file) {
        work.configuration(service, &shared);
    }
    for service in file.services.values() {
        for draft in project.discovered(service) {
            work.drafts.add(draft);
        }
    }
    let settle = Settle::new(&project);
    let shared_claims = settle.apply(&mut work.drafts);
    for draft in project.brokers() {
        work.drafts.add(draft);
    }
    for (from, to) in settle.hints(project.hints(), &mut work.drafts) {
        let message = format!("{from} links to {to}, but nothing shows on which port {to} listens");
        work.note(NoteKind::Incomplete, message);
    }
    work.unresolved();
    let (drafts, outside, notes) = (work.drafts, work.outside, work.notes);
    Inferred {
        tiers: tiers_of(file, &facts, &drafts.dialled()),
        edges: edges_of(drafts, &facts),
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
        facts,
    }
}

fn tiers_of(
    file: &ComposeFile,
    facts: &BTreeMap<String, TierFacts>,
    dialled: &BTreeSet<String>,
) -> BTreeMap<String, Tier> {
    all(file)
        .map(|service| {
            let dialled = dialled.contains(&service.name);
            let tier = tiers::tier(file, service, facts, dialled);
            (service.name.clone(), tier)
        })
        .collect()
}

fn edges_of(drafts: Drafts, facts: &BTreeMap<String, TierFacts>) -> Vec<Edge> {
    drafts.edges(&|tier| {
        facts
            .get(tier)
            .and_then(|facts| facts.health_path().cloned())
    })
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

/// Whether a file is a program's source.
fn is_source(file: &MountedFile) -> bool {
    let name = file.target.to_ascii_lowercase();
    crate::compose::SOURCES
        .iter()
        .any(|end| name.ends_with(end))
}

/// `NAME_FILE=/path`: the value of `NAME` is what stands in that file. Gives the names of those whose file is not here, and of those whose
/// file is a secret.
fn read_files(
    service: &Service,
    environment: &mut BTreeMap<String, String>,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let named: Vec<(String, String)> = environment
        .iter()
        .filter_map(|(name, path)| {
            let name = name.strip_suffix(OF_FILE).filter(|name| !name.is_empty())?;
            let path = path.starts_with('/').then(|| path.clone())?;
            (!environment.contains_key(name)).then(|| (name.to_owned(), path))
        })
        .collect();
    let (mut hidden, mut secret) = (BTreeSet::new(), BTreeSet::new());
    for (name, path) in named {
        let at = |file: &&MountedFile| file.target == path;
        let kept = service.secrets.iter().find(at);
        match files_of(service).find(at).or(kept) {
            Some(file) => {
                environment.insert(name.clone(), file.text.trim_end().to_owned());
                if kept.is_some() {
                    secret.insert(name);
                }
            }
            None => {
                hidden.insert(name);
            }
        }
    }
    (hidden, secret)
}

/// How the name of a variable ends that says in which file another one's value stands.
const OF_FILE: &str = "_FILE";

/// What is being put together.
struct Work<'a> {
    project: &'a Project<'a>,
    file: &'a ComposeFile,
    facts: &'a BTreeMap<String, TierFacts>,
    /// The names that clients of some networks share.
    names: Tables<'a>,
    drafts: Drafts,
    outside: BTreeSet<(String, String, Option<std::num::NonZeroU16>, Origin)>,
    notes: BTreeSet<Note>,
}

impl Work<'_> {
    fn note(&mut self, kind: NoteKind, message: String) {
        self.notes.insert(Note { kind, message });
    }

    /// Everything that a service's own configuration names.
    fn configuration(&mut self, service: &Service, shared: &BTreeMap<&str, FileReaders<'_>>) {
        let names = self.names.of_client(service);
        let mut environment = service
            .build
            .as_ref()
            .map(|build| build.environment.clone())
            .unwrap_or_default();
        environment.extend(facts::plain(&service.environment));
        let (secret_variables, secret) = read_files(service, &mut environment);
        let sends = tiers::sends_files(service);
        let source = Source {
            environment,
            secret_variables,
            words: tiers::words(service),
            files: files_of(service)
                .filter(|mount| !(sends && mount.text.trim_start().starts_with(['{', '['])))
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
        self.called_like_products(service, &source.environment, &names);
        self.called_like_its_own(service, &source.environment, &names);
        let found = scan(&source, &names, self.project.catalog);
        let labels = self.labels(&found);
        let built = |raw: &RawEdge| {
            let files = service.build.iter().flat_map(|build| &build.files);
            let mut files = files.filter(|file| raw.place == Place::File(file.target.clone()));
            files.next()
        };
        let is_literal = |raw: &RawEdge| built(raw).is_some_and(is_source);
        let configured: BTreeSet<RawTarget> = found
            .iter()
            .filter(|raw| !is_literal(raw))
            .map(|raw| raw.target.clone())
            .collect();
        for mut raw in found.iter().cloned() {
            if matches!(&raw.place, Place::Variable(name) if labels.contains(name)) {
                continue;
            }
            // Of a secret no more is said than which tier of the project it names.
            let kept = matches!(&raw.place, Place::Variable(name) if secret.contains(name));
            if kept && !matches!(raw.target, RawTarget::Tier(_)) {
                continue;
            }
            // What a program says itself counts where its configuration says nothing of the same tier.
            if is_literal(&raw)
                && (configured.contains(&raw.target) || self.project.is_plain_web_server(service))
            {
                continue;
            }
            // Beside the Dockerfile is not yet in the image; what it copies to where a server reads it is.
            if built(&raw).is_some_and(|file| !(file.direct && file.target.starts_with("/etc/"))) {
                raw.confidence = raw.confidence.min(Confidence::Likely);
            }
            self.admit(service, &raw);
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
                    let edge = Edge {
                        variable: Some(name.clone()),
                        by_scheme: target.by_scheme,
                        guessed: target.protocol != Some(dialled.protocol),
                        ..Edge::new(
                            &service.name,
                            &peer.name,
                            "localhost",
                            dialled.port,
                            dialled.protocol,
                        )
                    };
                    let draft = Draft::new(edge, Origin::variable(&service.name, name));
                    self.drafts.add(draft);
                }
            }
        }
    }

    /// Variables whose value is a list of `name:port` of which none is an address: no tier that it names listens there. They are names
    /// of jobs, topics, switches or published ports.
    fn labels(&self, found: &[RawEdge]) -> BTreeSet<String> {
        let mut lists: BTreeMap<&str, Vec<(bool, bool)>> = BTreeMap::new();
        for raw in found {
            if let (Place::Variable(name), RawTarget::Tier(to), Some(port), false) =
                (&raw.place, &raw.target, raw.port, raw.by_scheme)
            {
                let deaf = self.project.does_not_listen(to, port);
                let elsewhere = self.project.listens_elsewhere(to, port);
                lists.entry(name).or_default().push((deaf, elsewhere));
            }
        }
        lists.retain(|_, list| {
            list.len() > 1 && list.iter().any(|one| one.0) && list.iter().all(|one| one.1)
        });
        lists.into_keys().map(str::to_owned).collect()
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

#[cfg(test)]
mod tests;
