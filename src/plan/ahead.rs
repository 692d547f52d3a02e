//! The walk of what is ready while the rest of the application is waited for: which edges it takes, and which of them stand when the
//! wait is over. Pure.

use std::collections::HashMap;

use jiff::Timestamp;

use super::first::{ExtraLook, plan_look};
use super::model::{Identity, Look, PlanOptions, ProbePlan};
use super::second::changed;
use crate::graph::{Edge, TierGraph};
use crate::observe::{Snapshot, WorkloadKey, pods_of_newest, wanted};
use crate::probe::wire::EdgeTask;

/// The edges both of whose ends have settled well. One that must not work is tried once, at the end. While a rollout has Pods to make there are
/// none: with a quota a Pod of ours could take the place of one of them.
pub fn ahead(graph: &TierGraph, snapshot: &Snapshot, options: &PlanOptions) -> ProbePlan {
    let settle = &snapshot.settle;
    let is_made = |key: &WorkloadKey| {
        let there = pods_of_newest(snapshot, key).len();
        wanted(key, snapshot.workload(key))
            .is_none_or(|all| usize::try_from(all).is_ok_and(|all| there >= all))
    };
    if !settle.unsettled.keys().all(is_made) {
        return ProbePlan::default();
    }
    let is_calm =
        |key: &WorkloadKey| !settle.unsettled.contains_key(key) && !settle.failed.contains_key(key);
    let wish = ExtraLook {
        options,
        edges: &|edge| !edge.forbidden && workloads(graph, edge).all(is_calm),
        names: false,
        no_login: &|_| None,
        prefix: "w",
        look: Look::First,
    };
    plan_look(graph, snapshot, &wish)
}

/// Whether walking an edge in the state of now would be what was done in the state of then: the same tasks from the same places, and
/// neither the Service and its endpoints, nor the Pods and containers at both ends, nor a policy has changed.
pub struct SameWalk<'a> {
    graph: &'a TierGraph,
    then: (&'a Snapshot, HashMap<&'a str, Walks<'a>>),
    now: (&'a Snapshot, HashMap<&'a str, Walks<'a>>),
    same_policies: bool,
}

type Walks<'a> = Vec<(&'a Identity, &'a EdgeTask)>;

impl<'a> SameWalk<'a> {
    /// Of the two states, each with the plan of the first look at it.
    pub fn new(
        graph: &'a TierGraph,
        then: (&'a Snapshot, &'a ProbePlan),
        now: (&'a Snapshot, &'a ProbePlan),
    ) -> Self {
        let policies = |snapshot: &'a Snapshot| {
            let states = snapshot.namespaces.iter();
            let all = states.map(|(name, state)| (name, &state.network_policies));
            (all.collect::<Vec<_>>(), &snapshot.other_policies)
        };
        Self {
            graph,
            then: (then.0, by_edge(then.1)),
            now: (now.0, by_edge(now.1)),
            same_policies: policies(then.0) == policies(now.0),
        }
    }

    /// Whether that holds for an edge.
    pub fn holds(&self, edge: &Edge) -> bool {
        let (then, now) = (&self.then, &self.now);
        let walks = |side: &(&Snapshot, HashMap<&'a str, Walks<'a>>)| {
            side.1.get(edge.id.0.as_str()).cloned().unwrap_or_default()
        };
        let (was, is) = (walks(then), walks(now));
        self.same_policies
            && was.len() == is.len()
            && was.iter().all(|walk| is.contains(walk))
            && !changed(self.graph, then.0, now.0, edge)
            && starts(self.graph, then.0, edge) == starts(self.graph, now.0, edge)
    }
}

fn by_edge(plan: &ProbePlan) -> HashMap<&str, Walks<'_>> {
    let mut walks: HashMap<&str, Walks<'_>> = HashMap::new();
    for vantage in &plan.vantages {
        for task in vantage.containers.iter().flat_map(|one| &one.spec.edges) {
            let of_edge = walks.entry(task.id.as_str()).or_default();
            of_edge.push((&vantage.identity, task));
        }
    }
    walks
}

fn workloads<'g>(graph: &'g TierGraph, edge: &Edge) -> impl Iterator<Item = &'g WorkloadKey> {
    let ends = [graph.workloads(&edge.from), graph.workloads(&edge.to)];
    ends.into_iter().flatten()
}

/// When the containers at both ends began to run.
fn starts<'s>(
    graph: &TierGraph,
    snapshot: &'s Snapshot,
    edge: &Edge,
) -> Vec<(&'s str, &'s str, Option<Timestamp>)> {
    workloads(graph, edge)
        .flat_map(|key| snapshot.pods_of(key))
        .flat_map(|pod| {
            let statuses = pod.status.container_statuses.iter();
            statuses.map(|status| {
                let running = status.state.running.as_ref();
                let since = running.and_then(|running| running.started_at);
                (pod.metadata.uid.as_str(), status.name.as_str(), since)
            })
        })
        .collect()
}
