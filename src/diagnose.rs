//! A table of rules, `fn(&Context) -> Vec<Finding>`, run once; one file per section of the catalogue. Pure.

#[cfg(test)]
pub(crate) mod fixtures;
pub mod walk;

use std::collections::BTreeMap;

use crate::finding::{EdgeId, Finding};
use crate::graph::TierGraph;
use crate::observe::Snapshot;
use crate::plan::Outcomes;
use walk::Evidence;

/// What every rule sees. Without outcomes the same rules serve the offline `check`.
pub struct Context<'a> {
    /// The tier graph.
    pub graph: &'a TierGraph,
    /// What was observed.
    pub snapshot: &'a Snapshot,
    /// What the probes said; `None` offline.
    pub outcomes: Option<&'a Outcomes>,
    /// The outcomes of every edge, aggregated once; every edge of the graph has an entry, if an empty one.
    pub evidence: BTreeMap<EdgeId, Evidence<'a>>,
}

impl<'a> Context<'a> {
    /// The context of a run, with the outcomes aggregated by edge.
    #[must_use]
    pub fn new(
        graph: &'a TierGraph,
        snapshot: &'a Snapshot,
        outcomes: Option<&'a Outcomes>,
    ) -> Self {
        Self {
            graph,
            snapshot,
            outcomes,
            evidence: walk::evidence(graph, snapshot, outcomes),
        }
    }

    /// What the probes said about an edge; `None` for an edge that is not of the graph.
    #[must_use]
    pub fn evidence(&self, edge: &EdgeId) -> Option<&Evidence<'a>> {
        self.evidence.get(edge)
    }
}

/// One rule.
pub type Rule = fn(&Context<'_>) -> Vec<Finding>;

/// Every rule, by section of the catalogue.
const RULES: &[&[Rule]] = &[];

/// Runs every rule once, in the order of the catalogue. Which finding is the cause of what is the verdict's business.
#[must_use]
pub fn diagnose(context: &Context<'_>) -> Vec<Finding> {
    RULES
        .iter()
        .flat_map(|section| section.iter())
        .flat_map(|rule| rule(context))
        .collect()
}
