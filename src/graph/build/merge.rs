//! Compose's edges and what the Pods are configured with → one set of edges. Pure.
//!
//! The deployed Pod decides: what it names is dialled, and an edge that both know is one edge. Compose speaks where the Pod is
//! silent: links, orders of start, and variables whose value is in a Secret.

mod hidden;
mod logins;
mod moved;
mod pair;
mod silent;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::compose::ComposeFile;
use crate::graph::deployed::DeployedContainer;
use crate::graph::infer::{self, NameTable, Tables};
use crate::graph::{Confidence, Edge, Note, NoteKind, Outside, Tier, TierGraph};
use crate::observe::{Snapshot, WorkloadKey};
use crate::protocol::Protocol;

use super::Known;
use super::mentions::{self, Deployed, Mention};
use super::resolve::{HostTarget, Resolver, normal, owner};

/// What edges are put together from.
pub(super) struct Sources<'a> {
    pub(super) compose: Option<&'a ComposeFile>,
    /// Tier, variable and target where compose hands one value to several tiers.
    pub(super) shared: &'a BTreeSet<(String, String, String)>,
    /// What is known of what each tier serves: from its Pods first, then from compose.
    pub(super) known: &'a [Known],
    pub(super) snapshot: &'a Snapshot,
    pub(super) catalog: &'a Catalog,
}

/// Puts the edges of every tier together: those of compose, and what the Pods' configuration names.
pub(super) fn merge(graph: &mut TierGraph, inferred: Vec<Edge>, sources: &Sources) {
    let resolver = Resolver::new(&graph.tiers, sources.snapshot);
    let mut by_tier: BTreeMap<&str, Vec<Draft>> = graph
        .tiers
        .keys()
        .map(|name| (name.as_str(), Vec::new()))
        .collect();
    for edge in inferred {
        if let Some(drafts) = by_tier.get_mut(edge.from.as_str()) {
            drafts.push(Draft::of_compose(edge));
        }
    }
    let mut edges = Vec::new();
    let mut outside = Vec::new();
    let mut notes = Vec::new();
    let mut shared: BTreeMap<&str, Arc<NameTable>> = BTreeMap::new();
    let mut runs: BTreeMap<&WorkloadKey, Vec<&Tier>> = BTreeMap::new();
    for tier in graph.tiers.values() {
        for key in &tier.workloads {
            runs.entry(key).or_default().push(tier);
        }
    }
    let mut tables = sources.compose.map(Tables::new);
    for (name, drafts) in by_tier {
        if is_suspended(graph.workloads(name), sources.snapshot) {
            notes.push(suspended(name));
            continue;
        }
        let service = sources.compose.and_then(|file| file.services.get(name));
        let variables: BTreeSet<String> = service
            .map(|service| service.environment.keys().cloned().collect())
            .unwrap_or_default();
        let links = service.iter().flat_map(|service| &service.links);
        let aliases: BTreeMap<String, String> = links
            .map(|link| (normal(&link.alias), link.service.clone()))
            .collect();
        let workloads = graph.workloads(name);
        let namespace = workloads
            .first()
            .map_or(&sources.snapshot.namespace, |key| &key.namespace);
        let shared = shared
            .entry(namespace)
            .or_insert_with(|| Arc::new(shared_names(&graph.tiers, namespace)));
        let names = match (&mut tables, service) {
            (Some(tables), Some(service)) => tables.of_client(service),
            _ => NameTable::default(),
        };
        let names = names.before(Arc::clone(shared));
        let deployed = mentions::of_tier(
            workloads,
            &|key, container| owns(runs.get(key), name, container),
            &variables,
            &names,
            // Compose knows what its own files mean; without it they would be passed over in silence.
            sources.compose.is_none(),
            sources.snapshot,
            sources.catalog,
        );
        let mut client = Client {
            name,
            namespace,
            tiers: &graph.tiers,
            resolver: &resolver,
            aliases: &aliases,
            sources,
            deployed: &deployed,
            asked: asked(&drafts),
            drafts,
            wished: Vec::new(),
            outside: Vec::new(),
            notes: Vec::new(),
        };
        client.merge();
        edges.extend(client.drafts.into_iter().map(|draft| draft.edge));
        outside.extend(client.outside);
        notes.extend(client.notes);
    }
    graph.edges = edges;
    graph.outside.extend(outside);
    graph.notes.extend(notes);
}

fn suspended(tier: &str) -> Note {
    Note {
        kind: NoteKind::Information,
        message: format!("{tier} is suspended: what it calls is not asked"),
    }
}

/// Whether all that runs a tier is suspended: then it calls no one.
fn is_suspended(workloads: &[WorkloadKey], snapshot: &Snapshot) -> bool {
    let is = |key| snapshot.workload(key).is_some_and(|one| one.spec.suspend);
    !workloads.is_empty() && workloads.iter().all(is)
}

/// Whether a container is the tier's, where several tiers run in one Pod (`here`): it is that of no other tier.
fn owns(here: Option<&Vec<&Tier>>, name: &str, container: &DeployedContainer) -> bool {
    let here = here.map_or(&[][..], Vec::as_slice);
    let owner = owner(here, &container.name, &container.image);
    owner.is_none_or(|owner| owner.name == name)
}

/// The names by which every client in `namespace` may call a tier, beside those that compose gives to the one client.
fn shared_names(tiers: &BTreeMap<String, Tier>, namespace: &str) -> NameTable {
    let mut names = NameTable::default();
    for tier in tiers.values() {
        names.insert(&tier.name, &tier.name);
        names.insert(&normal(&tier.name), &tier.name);
    }
    // A Service that is called like a tier is that tier's, whatever else its selector takes.
    for called in [true, false] {
        for tier in tiers.values() {
            for key in &tier.services {
                if (normal(&key.name) == normal(&tier.name)) != called {
                    continue;
                }
                if key.namespace == namespace {
                    names.insert(&key.name, &tier.name);
                }
                let qualified = format!("{}.{}", key.name, key.namespace);
                for suffix in ["", ".svc", ".svc.cluster.local"] {
                    names.insert(&format!("{qualified}{suffix}"), &tier.name);
                }
            }
        }
    }
    names
}

/// An edge in the making.
struct Draft {
    edge: Edge,
    /// Whether compose knows it.
    in_compose: bool,
    /// Whether the Pods' configuration names it.
    deployed: bool,
}

impl Draft {
    fn of_compose(edge: Edge) -> Self {
        Self {
            edge,
            in_compose: true,
            deployed: false,
        }
    }
}

fn asked(drafts: &[Draft]) -> BTreeMap<String, BTreeSet<String>> {
    let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for edge in drafts.iter().map(|draft| &draft.edge) {
        if let Some(name) = &edge.variable {
            asked
                .entry(name.clone())
                .or_default()
                .insert(edge.to.clone());
        }
    }
    asked
}

/// One tier as a client.
struct Client<'a> {
    name: &'a str,
    /// Where its hosts are resolved.
    namespace: &'a str,
    tiers: &'a BTreeMap<String, Tier>,
    resolver: &'a Resolver<'a>,
    aliases: &'a BTreeMap<String, String>,
    sources: &'a Sources<'a>,
    deployed: &'a Deployed,
    /// The variables of compose's edges, each with the tiers to which compose has it lead.
    asked: BTreeMap<String, BTreeSet<String>>,
    drafts: Vec<Draft>,
    /// The protocols of the tiers that compose names and the Pods' known configuration does not.
    wished: Vec<Protocol>,
    outside: Vec<Outside>,
    notes: Vec<Note>,
}

impl Client<'_> {
    fn merge(&mut self) {
        let deployed = self.deployed;
        let mentions = deployed.mentions.iter().flat_map(|mention| {
            let (meant, namespace) = (&mention.meant, self.namespace);
            let leads = self.resolver.leads(meant, namespace, self.aliases);
            let ports = self.ports(mention, &leads).into_iter();
            ports.map(move |mention| (mention, leads.clone()))
        });
        let mut mentions: Vec<(Mention, HostTarget)> = mentions.collect();
        // The best fit comes first, so that one variable with several hosts is paired right; what fits none is new.
        mentions.sort_by_cached_key(|(mention, leads)| {
            let best = self.best(mention, leads);
            (best.is_none(), best.map(|(fit, _)| fit))
        });
        for (mention, leads) in mentions {
            match self.best(&mention, &leads) {
                Some((_, index)) => self.follow(index, &mention, &leads),
                None => self.add(&mention, leads),
            }
        }
        self.note_strangers();
        if !self.deployed.containers.is_empty() {
            self.settle_silent_edges();
            self.suppose_hidden();
            self.leave_out_what_is_switched_off();
            self.at_home();
            self.mark_other_case();
        }
        self.name_hosts();
        self.merge_equal();
        self.place_logins();
    }

    /// An empty variable beside a tier that nothing runs is a feature that is switched off; a store is none that can be done without.
    fn leave_out_what_is_switched_off(&mut self) {
        let environments = || self.deployed.containers.iter().map(|one| &one.environment);
        let is_empty = |name: &String| {
            let mut values =
                environments().filter_map(|one| one.variables.get(name)?.value.as_ref());
            values.next().is_some_and(String::is_empty)
        };
        let is_off = |draft: &Draft| {
            let to = self.tiers.get(&draft.edge.to);
            to.is_some_and(|to| to.workloads.is_empty() && to.services.is_empty())
                && !draft.edge.protocol.is_store()
                && draft.edge.variable.as_ref().is_some_and(is_empty)
        };
        let (off, kept): (Vec<Draft>, Vec<Draft>) = std::mem::take(&mut self.drafts)
            .into_iter()
            .partition(is_off);
        self.drafts = kept;
        self.notes.extend(off.into_iter().map(|draft| Note {
            kind: NoteKind::Information,
            message: format!(
                "{} is empty in {}, and nothing runs {}: taken as switched off",
                draft.edge.variable.unwrap_or_default(),
                draft.edge.from,
                draft.edge.to
            ),
        }));
    }

    /// What a file names and no one has.
    fn note_strangers(&mut self) {
        let deployed = self.deployed;
        for stranger in &deployed.strangers {
            let leads = self
                .resolver
                .leads(&stranger.meant, self.namespace, self.aliases);
            if matches!(leads, HostTarget::Nowhere) {
                self.note_unknown(stranger);
            }
        }
    }

    /// A mention with the port that is meant, and the same for each further port that may be meant and on which that tier listens.
    fn ports(&self, mention: &Mention, leads: &HostTarget) -> Vec<Mention> {
        let mut found = vec![mention.clone()];
        let HostTarget::Tier(to) = leads else {
            return found;
        };
        let listens = self.tiers.get(to).map_or(&[][..], |tier| &tier.ports);
        let by_scheme = mention.protocol.filter(|_| mention.by_scheme);
        let further = &mention.further_ports;
        if let Some(port) = infer::usual(mention.port, by_scheme, further, listens) {
            found[0].port = Some(port);
            return found;
        }
        let further = further.iter().filter(|port| listens.contains(port));
        found.extend(further.map(|port| Mention {
            port: Some(*port),
            confidence: Confidence::Likely,
            login: None,
            protocol: None,
            by_scheme: false,
            further: true,
            ..mention.clone()
        }));
        found
    }

    /// Two variables that lead to the same place are one edge.
    fn merge_equal(&mut self) {
        let mut united: Vec<Draft> = Vec::new();
        for draft in std::mem::take(&mut self.drafts) {
            let edge = &draft.edge;
            let same = united
                .iter_mut()
                .map(|known| &mut known.edge)
                .find(|known| {
                    known.to == edge.to
                        && known.port == edge.port
                        && known.protocol == edge.protocol
                        && known.host.eq_ignore_ascii_case(&edge.host)
                });
            match same {
                Some(known) => {
                    known.login = known.login.take().or_else(|| edge.login.clone());
                    known.flaw = known.flaw.take().or_else(|| edge.flaw.clone());
                    known.confidence = known.confidence.max(edge.confidence);
                    for origin in &edge.origin {
                        if !known.origin.contains(origin) {
                            known.origin.push(origin.clone());
                        }
                    }
                }
                None => united.push(draft),
            }
        }
        self.drafts = united;
    }
}

#[cfg(test)]
mod tests;
