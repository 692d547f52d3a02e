//! A table of rules, `fn(&Context) -> Vec<Finding>`, run once; one file per section of the catalogue. Pure.

use crate::finding::Finding;
use crate::graph::TierGraph;
use crate::observe::Snapshot;
use crate::plan::Outcomes;

/// What every rule sees. Without outcomes the same rules serve the offline `check`.
pub struct Context<'a> {
    /// The tier graph.
    pub graph: &'a TierGraph,
    /// What was observed.
    pub snapshot: &'a Snapshot,
    /// What the probes said; `None` offline.
    pub outcomes: Option<&'a Outcomes>,
}

/// One rule.
pub type Rule = fn(&Context<'_>) -> Vec<Finding>;
