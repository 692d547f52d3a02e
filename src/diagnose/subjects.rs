//! The workloads that rules are about: who they serve and call, their Pods, and what is wrong with those. Computed once per run.
//!
//! In: graph, snapshot and evidence. Out: a [`WorkloadFacts`] per workload of the run's namespace, and per workload elsewhere that a
//! tier or an edge leads to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::subject::WorkloadFacts;
use super::troubles;
use super::{Context, target};
use crate::finding::EdgeId;
use crate::graph::Tier;
use crate::observe::kinds::Pod;
use crate::observe::{Snapshot, WorkloadKey, backends, is_live, route_backends};
use crate::probe::wire::StepStatus;

/// What edges and Ingresses say of one workload.
#[derive(Default)]
struct Needs<'a> {
    tiers: Vec<&'a Tier>,
    into: BTreeSet<EdgeId>,
    from: BTreeSet<EdgeId>,
    called: bool,
    ingress: bool,
}

/// Every subject, by key.
pub(super) fn all<'a>(context: &Context<'a>) -> Vec<WorkloadFacts<'a>> {
    let snapshot = context.snapshot;
    let mut needs: BTreeMap<WorkloadKey, Needs<'a>> = snapshot
        .workloads(&snapshot.namespace)
        .into_iter()
        .map(|key| (key, Needs::default()))
        .collect();
    for tier in context.graph.tiers.values() {
        for key in &tier.workloads {
            needs.entry(key.clone()).or_default().tiers.push(tier);
        }
    }
    let mut pods: BTreeMap<WorkloadKey, Vec<&'a Pod>> = BTreeMap::new();
    for pod in snapshot.namespaces.values().flat_map(|state| &state.pods) {
        pods.entry(snapshot.workload_of(pod)).or_default().push(pod);
    }
    add_edges(context, &mut needs);
    add_ingresses(context, &mut needs);
    needs
        .into_iter()
        .map(|(key, needs)| {
            let mine = pods.remove(&key).unwrap_or_default();
            subject(context, key, needs, mine)
        })
        .collect()
}

fn subject<'a>(
    context: &Context<'a>,
    key: WorkloadKey,
    needs: Needs<'a>,
    pods: Vec<&'a Pod>,
) -> WorkloadFacts<'a> {
    let (mut pods, ended): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| is_live(pod));
    pods.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
    let mut tiers = needs.tiers.iter();
    let in_scope = needs.called || needs.ingress || tiers.any(|tier| context.graph.counts(tier));
    let mut subject = WorkloadFacts {
        workload: context.snapshot.workload(&key),
        template: context.snapshot.template(&key),
        key,
        tiers: needs.tiers,
        into: needs.into,
        from: needs.from,
        called: needs.called,
        in_scope,
        pods,
        ended,
        troubles: Vec::new(),
    };
    subject.troubles = troubles::of(context, &subject);
    subject
}

fn add_edges<'a>(context: &Context<'a>, needs: &mut BTreeMap<WorkloadKey, Needs<'a>>) {
    for edge in context.graph.edges.iter().filter(|edge| !edge.forbidden) {
        let unproven = !context.came_out(&edge.id, StepStatus::Pass);
        if let Some(tier) = context.graph.tiers.get(&edge.from)
            && unproven
        {
            for key in &tier.workloads {
                needs
                    .entry(key.clone())
                    .or_default()
                    .from
                    .insert(edge.id.clone());
            }
        }
        for key in targets(context, edge) {
            let entry = needs.entry(key).or_default();
            entry.called = true;
            if unproven {
                entry.into.insert(edge.id.clone());
            }
        }
    }
}

/// The workloads that an edge leads to: those of its tier, else those behind the Service that its host means.
fn targets(context: &Context<'_>, edge: &crate::graph::Edge) -> BTreeSet<WorkloadKey> {
    if let Some(tier) = context.graph.tiers.get(&edge.to)
        && !tier.workloads.is_empty()
    {
        return tier.workloads.iter().cloned().collect();
    }
    let destination = target::destination(context, edge);
    let Some((service, object)) = destination.way.last() else {
        return BTreeSet::new();
    };
    behind(context.snapshot, &service.namespace, &object.spec.selector)
}

/// The workloads of the live Pods that a selector takes.
fn behind(
    snapshot: &Snapshot,
    namespace: &str,
    selector: &crate::observe::kinds::Labels,
) -> BTreeSet<WorkloadKey> {
    snapshot
        .pods_selected(namespace, selector)
        .into_iter()
        .filter(|pod| is_live(pod))
        .map(|pod| snapshot.workload_of(pod))
        .collect()
}

fn add_ingresses<'a>(context: &Context<'a>, needs: &mut BTreeMap<WorkloadKey, Needs<'a>>) {
    let snapshot = context.snapshot;
    let Some(own) = snapshot.own() else {
        return;
    };
    let routes = own.http_routes.iter().flat_map(route_backends);
    let names: BTreeSet<String> = own
        .ingresses
        .iter()
        .flat_map(backends)
        .chain(routes)
        .map(|backend| backend.service.name)
        .collect();
    for service in &own.services {
        if names.contains(&service.metadata.name) {
            for key in behind(snapshot, &snapshot.namespace, &service.spec.selector) {
                needs.entry(key).or_default().ingress = true;
            }
        }
    }
}
