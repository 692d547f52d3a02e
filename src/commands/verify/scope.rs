//! What waiting for rollouts needs to know of the tier graph: which workloads matter, who needs whom, whose names lead nowhere.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::graph::{Confidence, TierGraph};
use crate::observe::{Scope, Snapshot, WorkloadKey};

/// The workloads of the graph's tiers; without any tier, all of the namespace.
pub(super) fn of(graph: &TierGraph, snapshot: &Snapshot, wait: Duration) -> Scope {
    let workloads = |tier: &str| graph.workloads(tier).iter().cloned();
    let matter: BTreeSet<WorkloadKey> = graph
        .tiers
        .keys()
        .flat_map(|tier| workloads(tier))
        .collect();
    let mut depends: BTreeMap<WorkloadKey, BTreeSet<WorkloadKey>> = BTreeMap::new();
    let mut broken = BTreeSet::new();
    for edge in &graph.edges {
        for client in workloads(&edge.from) {
            let meaning = snapshot.meaning(&edge.host, &client.namespace);
            let flawed = edge.flaw.as_ref().is_some_and(|flaw| flaw.flaw.certain);
            if (meaning.leads_nowhere() || flawed) && edge.confidence != Confidence::Weak {
                broken.insert(client.clone());
            }
            depends
                .entry(client)
                .or_default()
                .extend(workloads(&edge.to));
        }
    }
    Scope {
        matter: (!matter.is_empty()).then_some(matter),
        depends: (!graph.edges.is_empty()).then_some(depends),
        broken,
        patience: (!wait.is_zero()).then_some(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tiers_all_matter_and_any_may_need_any() {
        let scope = of(
            &TierGraph::default(),
            &Snapshot::default(),
            Duration::from_mins(2),
        );
        assert_eq!((scope.matter, scope.depends), (None, None));
        assert_eq!(scope.patience, Some(Duration::from_mins(2)));
    }
}
