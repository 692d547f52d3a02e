//! [`crate::graph::TierGraph`] + [`crate::observe::Snapshot`] → [`ProbePlan`]: which edges to probe from which vantage; plan → `batch/v1` Jobs. Pure.

mod ahead;
mod authorities;
mod client;
mod edge;
mod entries;
mod environment;
mod first;
mod harmless;
pub mod job;
mod mesh;
mod model;
mod names;
pub mod patch;
mod permission;
mod pool;
mod product;
mod reach;
mod runner;
mod second;

pub use ahead::{SameWalk, ahead};
pub use edge::endpoint_task;
pub use entries::{entry_control, entry_task};
pub use harmless::quantity;
pub use model::*;
pub use runner::{as_client, bare_task, own_login, plain};
pub use second::{again, changed, second_look};

use std::collections::BTreeSet;

use crate::finding::EdgeId;
use crate::graph::TierGraph;
use crate::observe::Snapshot;

/// More Jobs than this only to look from several nodes are too many.
const JOBS: usize = 96;

/// What to probe from where.
pub fn plan(graph: &TierGraph, snapshot: &Snapshot, options: &PlanOptions) -> ProbePlan {
    rest(graph, snapshot, options, &BTreeSet::new())
}

/// What to probe from where in addition to what is proven already.
pub fn rest(
    graph: &TierGraph,
    snapshot: &Snapshot,
    options: &PlanOptions,
    proven: &BTreeSet<EdgeId>,
) -> ProbePlan {
    let wish = first::ExtraLook {
        options,
        edges: &|edge| !proven.contains(&edge.id),
        names: true,
        no_login: &|_| None,
        prefix: "v",
        look: Look::First,
    };
    let mut plan = first::plan_look(graph, snapshot, &wish);
    let jobs = plan.vantages.len();
    if jobs > JOBS && options.nodes > 1 {
        let options = PlanOptions {
            nodes: 1,
            ..options.clone()
        };
        let wish = first::ExtraLook {
            options: &options,
            ..wish
        };
        plan = first::plan_look(graph, snapshot, &wish);
        plan.notes.push(format!(
            "every tier is looked at from one node: from several, it would take {jobs} Jobs"
        ));
    }
    entries::add(graph, snapshot, options, &mut plan);
    plan
}

#[cfg(test)]
mod tests;
