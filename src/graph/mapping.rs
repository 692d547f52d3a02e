//! Which workloads run which tier of compose. Pure: tiers, [`Snapshot`] and the user's rules in, [`Mapping`] out.
//!
//! The user's word first, then evidence from strong to weak: the converters' labels, names, generic labels, containers, a Service
//! called like the tier, affixes, images. Two answers of the same strength are a question to the user, never a guess.

mod absent;
mod candidate;
mod elsewhere;
mod evidence;

pub(super) use candidate::{image_name, image_path};

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::compose::ComposeFile;
use crate::config::Config;
use crate::observe::{Snapshot, WorkloadKey};
use crate::spelling;

use super::{Absent, Note, NoteKind, Tier};
use candidate::{Candidate, Wanted};
use evidence::Evidence;

/// The answer, and what is left to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mapping {
    /// The workloads of each tier; a tier without any is not listed.
    pub(super) workloads: BTreeMap<String, Vec<WorkloadKey>>,
    /// Tiers that the user says do not run here.
    pub(super) none: BTreeSet<String>,
    /// What only the user can answer.
    pub(super) questions: Vec<String>,
    /// What a reader should know.
    pub(super) notes: Vec<Note>,
    /// Tiers that the user maps to a workload that does not exist, with the sentence that says so.
    pub(super) unmapped: BTreeMap<String, String>,
    /// Names in the user's file that stand for nothing.
    pub(super) errors: Vec<String>,
    /// Set where none of the tiers runs in the namespace.
    pub(super) absent: Option<Absent>,
}

/// Finds the workloads of every tier.
pub(super) fn map(
    tiers: &BTreeMap<String, Tier>,
    compose: &ComposeFile,
    snapshot: &Snapshot,
    config: &Config,
    catalog: &Catalog,
) -> Mapping {
    let mut mapping = Mapping::default();
    let mut taken = BTreeSet::new();
    apply_rules(tiers, snapshot, config, &mut mapping, &mut taken);

    let wanted: Vec<Wanted> = tiers
        .values()
        .filter(|tier| {
            !mapping.workloads.contains_key(&tier.name) && !mapping.none.contains(&tier.name)
        })
        .map(|tier| Wanted::new(tier, compose))
        .collect();
    let candidates: Vec<Candidate> = candidate::of_namespace(snapshot, &snapshot.namespace)
        .into_iter()
        .filter(|candidate| !taken.contains(&candidate.key))
        .collect();
    claim(&wanted, &candidates, snapshot, catalog, &mut mapping);
    share_pods(&wanted, &candidates, &mut mapping);

    let missing: Vec<&Wanted> = wanted
        .iter()
        .filter(|tier| !mapping.workloads.contains_key(tier.name))
        .collect();
    elsewhere::claim(&missing, &wanted, &taken, snapshot, config, &mut mapping);
    mapping.absent = absent::absent(tiers, &wanted, compose, snapshot, config, &mapping);
    mapping.questions.sort();
    mapping.questions.dedup();
    mapping
}

/// The user's own `tiers:`.
fn apply_rules(
    tiers: &BTreeMap<String, Tier>,
    snapshot: &Snapshot,
    config: &Config,
    mapping: &mut Mapping,
    taken: &mut BTreeSet<WorkloadKey>,
) {
    for (name, rule) in &config.tiers {
        let place = format!("{}:{}", config.file, rule.line);
        if !tiers.contains_key(name) {
            let near = spelling::hint(name, tiers.keys().map(String::as_str));
            let message = format!("{place}: `tiers` names `{name}`, which is no tier{near}");
            // What is not to be looked for need not be there.
            if rule.workloads.is_empty() {
                mapping.questions.push(message);
            } else {
                mapping.errors.push(message);
            }
            continue;
        }
        if rule.workloads.is_empty() {
            mapping.none.insert(name.clone());
            continue;
        }
        for workload in &rule.workloads {
            let namespace = workload.namespace.as_ref().unwrap_or(&snapshot.namespace);
            let key = WorkloadKey::new(namespace, &workload.kind, &workload.name);
            match gone(snapshot, &key) {
                Some(true) => {
                    let sentence = is_gone(&place, name, &key);
                    mapping.unmapped.entry(name.clone()).or_insert(sentence);
                }
                Some(false) => mapping.questions.push(format!(
                    "{place}: tier {name} is mapped to {key} in namespace {namespace}, which could not be read"
                )),
                None => {}
            }
            // Also where it is not there: that it is missing is then said of the object that the user named.
            taken.insert(key.clone());
            mapping.workloads.entry(name.clone()).or_default().push(key);
        }
    }
}

/// Whether a workload that the user names is not there: `Some(false)` where that cannot be known; `None` where it is there, or no
/// cluster was read.
pub(super) fn gone(snapshot: &Snapshot, key: &WorkloadKey) -> Option<bool> {
    if snapshot.own().is_none() || snapshot.template(key).is_some() {
        return None;
    }
    let listed = snapshot.knows("namespaces") || snapshot.offline;
    Some(snapshot.namespaces.contains_key(&key.namespace) || listed)
}

/// That the user's mapping leads to nothing.
pub(super) fn is_gone(place: &str, tier: &str, key: &WorkloadKey) -> String {
    format!(
        "{place}: tier {tier} is mapped to {key}, which does not exist in namespace {}",
        key.namespace
    )
}

/// Lets the workloads of one namespace claim tiers, strongest evidence first.
fn claim(
    wanted: &[Wanted],
    candidates: &[Candidate],
    snapshot: &Snapshot,
    catalog: &Catalog,
    mapping: &mut Mapping,
) {
    let mut free: Vec<&Candidate> = candidates.iter().collect();
    // By tier; an answer from weaker evidence takes the question back.
    let mut questions: BTreeMap<String, String> = BTreeMap::new();
    for evidence in Evidence::ALL {
        let mut claims: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, candidate) in free.iter().enumerate() {
            let mut tiers = wanted.iter().filter(|tier| {
                !mapping.workloads.contains_key(tier.name)
                    && evidence.speaks_for(candidate, tier, snapshot, catalog)
            });
            // One workload for several tiers is no claim at this strength; weaker evidence may still distinguish them.
            if let (Some(tier), None) = (tiers.next(), tiers.next()) {
                claims.entry(tier.name).or_default().push(index);
            }
        }
        let mut claimed = BTreeSet::new();
        for (name, indices) in claims {
            let group: Vec<&Candidate> = indices.iter().map(|index| free[*index]).collect();
            let one_shot = wanted.iter().any(|tier| tier.name == name && tier.one_shot);
            let chosen = candidate::relevant(&group, one_shot);
            if chosen.len() > 1 && !evidence.allows_several(&chosen) {
                questions
                    .entry(name.to_owned())
                    .or_insert_with(|| question(name, &chosen));
                continue;
            }
            let keys = chosen.iter().map(|candidate| candidate.key.clone());
            mapping.workloads.insert(name.to_owned(), keys.collect());
            questions.remove(name);
            claimed.extend(indices);
        }
        let mut index = 0;
        free.retain(|_| {
            index += 1;
            !claimed.contains(&(index - 1))
        });
    }
    mapping.questions.extend(questions.into_values());
    join_tracks(wanted, &free, mapping);
}

/// A canary beside the stable workload: the same label and the same container, and no tier of its own.
fn join_tracks(wanted: &[Wanted], free: &[&Candidate], mapping: &mut Mapping) {
    for candidate in free.iter().filter(|candidate| candidate.runs_on) {
        let tier = wanted.iter().find(|tier| {
            Evidence::is_track_of(candidate, tier) && mapping.workloads.contains_key(tier.name)
        });
        if let Some(tier) = tier
            && let Some(workloads) = mapping.workloads.get_mut(tier.name)
        {
            workloads.push(candidate.key.clone());
            workloads.sort();
        }
    }
}

/// A tier in the Pod of another one (`network_mode: service:…`, kompose's service groups): a container of several is called like it.
fn share_pods(wanted: &[Wanted], candidates: &[Candidate], mapping: &mut Mapping) {
    for tier in wanted {
        if mapping.workloads.contains_key(tier.name) {
            continue;
        }
        let mut hosts = candidates.iter().filter(|candidate| {
            candidate.runs_on
                && candidate.containers.len() > 1
                && candidate
                    .containers
                    .iter()
                    .any(|(name, _)| tier.is_called(name) || tier.is_also_called(name))
        });
        if let (Some(host), None) = (hosts.next(), hosts.next()) {
            mapping
                .workloads
                .insert(tier.name.to_owned(), vec![host.key.clone()]);
        }
    }
}

fn question(tier: &str, group: &[&Candidate]) -> String {
    let names: Vec<String> = group
        .iter()
        .map(|candidate| candidate.key.to_string())
        .collect();
    let example = names.first().map_or("deployment/NAME", String::as_str);
    format!(
        "tier `{tier}` may be {}: say which in k8sverify.yaml, as in `tiers: {{{tier}: {example}}}`",
        names.join(" or "),
    )
}

/// That a tier was found in another namespace is worth a line.
fn found_elsewhere(tier: &str, workloads: &[WorkloadKey]) -> Note {
    let places: Vec<String> = workloads
        .iter()
        .map(|key| format!("{key} in namespace {}", key.namespace))
        .collect();
    Note {
        kind: NoteKind::Information,
        message: format!("tier {tier} is taken to be {}", places.join(" and ")),
    }
}

#[cfg(test)]
mod tests;
