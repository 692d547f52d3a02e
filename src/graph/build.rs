//! Compose's graph, what is deployed, and the user's word → the [`TierGraph`] that is proven. Pure.

mod alone;
mod mentions;
mod merge;
mod open_ends;
mod question;
mod resolve;
mod rules;
mod tiers;
mod wire;

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::compose::ComposeFile;
use crate::config::Config;
use crate::observe::{Observed, Snapshot};

use super::infer::TierFacts;
use super::{Note, NoteKind, TierGraph, entry, identify, infer, mapping};

/// What is known of each tier from outside, by one source.
type Known = BTreeMap<String, TierFacts>;

/// The graph: of compose where there is a file, corrected by what is deployed, else of the deployed workloads alone; then the
/// user's own rules.
pub fn build(
    compose: Option<&ComposeFile>,
    snapshot: &Snapshot,
    config: &Config,
    catalog: &Catalog,
) -> TierGraph {
    let (mut graph, known) = match compose {
        Some(compose) => with_compose(compose, snapshot, config, catalog),
        None => alone::build(snapshot, config, catalog),
    };
    unread(snapshot, &mut graph.notes);
    rules::apply(&mut graph, config, snapshot, catalog);
    wire::settle(&mut graph, snapshot, &known);
    question::fill(&mut graph, snapshot);
    finish(&mut graph);
    entry::fill(&mut graph, compose, snapshot, config);
    graph
}

fn with_compose(
    compose: &ComposeFile,
    snapshot: &Snapshot,
    config: &Config,
    catalog: &Catalog,
) -> (TierGraph, Vec<Known>) {
    // What the compose files leave open may be closed by the Pods: that is reported below, when these are known.
    let quiet = ComposeFile {
        warnings: Vec::new(),
        ..compose.clone()
    };
    let inferred = infer(&quiet, catalog);
    let mut graph = TierGraph {
        tiers: inferred.tiers,
        edges: Vec::new(),
        entries: Vec::new(),
        unreached: Vec::new(),
        outside: inferred.outside,
        notes: inferred.notes,
        questions: Vec::new(),
        from_compose: true,
        ..TierGraph::default()
    };
    let mapping = mapping::map(&graph.tiers, compose, snapshot, config, catalog);
    graph.absent = mapping.absent;
    graph.unmapped = mapping.unmapped;
    graph.errors.extend(mapping.errors);
    graph.questions.extend(mapping.questions);
    graph.notes.extend(mapping.notes);
    for (name, workloads) in mapping.workloads {
        if let Some(tier) = graph.tiers.get_mut(&name) {
            tier.workloads = workloads;
        }
    }
    for name in &mapping.none {
        if let Some(tier) = graph.tiers.get_mut(name) {
            tier.expected = false;
        }
    }
    open_ends::note(compose, snapshot, &mut graph);
    let facts = tiers::describe_all(&mut graph.tiers, snapshot, catalog);
    let known = vec![facts, inferred.facts];
    let sources = merge::Sources {
        compose: Some(compose),
        shared: &inferred.shared,
        known: &known,
        snapshot,
        catalog,
    };
    merge::merge(&mut graph, inferred.edges, &sources);
    (graph, known)
}

/// ConfigMaps that were refused may hold addresses.
fn unread(snapshot: &Snapshot, notes: &mut Vec<Note>) {
    if snapshot.observed.get("configmaps") == Some(&Observed::Forbidden) {
        notes.push(Note {
            kind: NoteKind::Incomplete,
            message: "ConfigMaps could not be read: addresses that stand in them are not known"
                .to_owned(),
        });
    }
}

/// Ids, order, no line twice.
fn finish(graph: &mut TierGraph) {
    identify(&mut graph.edges);
    graph.outside.sort_by(|left, right| {
        (&left.from, &left.host, left.port, &left.origin).cmp(&(
            &right.from,
            &right.host,
            right.port,
            &right.origin,
        ))
    });
    graph.outside.dedup_by(|left, right| {
        (&left.from, &left.host, left.port) == (&right.from, &right.host, right.port)
    });
    graph.notes.sort();
    graph.notes.dedup();
    graph.questions.sort();
    graph.questions.dedup();
    // By line, as the file is read; the same line may be wrong twice.
    graph.errors.sort_by_key(|error| line_of(error));
    graph.errors.dedup();
}

/// The line in `FILE:LINE: …`.
fn line_of(error: &str) -> u64 {
    let line = error
        .split(": ")
        .next()
        .and_then(|place| place.rsplit(':').next());
    line.and_then(|line| line.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
