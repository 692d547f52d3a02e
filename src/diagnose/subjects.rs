//! The workloads that rules speak of: who they serve and call, their Pods, and what ails those. Computed once per run.
//!
//! In: graph, snapshot and evidence. Out: a [`Subject`] per workload of the run's namespace, and per workload elsewhere that a
//! tier or an edge leads to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::troubles::{self, Trouble};
use super::{Context, destination};
use crate::finding::{EdgeId, Severity};
use crate::graph::Tier;
use crate::observe::kinds::{Pod, Workload};
use crate::observe::{Snapshot, Template, WorkloadKey, backends, is_live, is_ready};
use crate::probe::wire::StepStatus;

/// One workload and all that rules need to know of it.
pub struct Subject<'a> {
    /// Its identity.
    pub key: WorkloadKey,
    /// The tiers that it runs.
    pub tiers: Vec<&'a Tier>,
    /// Edges that lead to it, and are not proven to work.
    pub into: BTreeSet<EdgeId>,
    /// Edges that start at it, and are not proven to work.
    pub from: BTreeSet<EdgeId>,
    /// Whether any edge, proven or not, leads to it.
    pub called: bool,
    /// Whether a compose tier, an edge or an Ingress stands behind it: only then may a finding be an error.
    pub in_scope: bool,
    /// Its object; none for bare Pods and kinds that are not listed.
    pub workload: Option<&'a Workload>,
    /// What its Pods are made from.
    pub template: Option<Template<'a>>,
    /// Its live Pods.
    pub pods: Vec<&'a Pod>,
    /// Its Pods that ended.
    pub ended: Vec<&'a Pod>,
    /// What ails its Pods, or keeps them from being made.
    pub troubles: Vec<Trouble>,
}

impl Subject<'_> {
    /// Whether it ends on its own: a Job, a `CronJob`, or the tier of a compose service that does.
    #[must_use]
    pub fn is_one_shot(&self) -> bool {
        matches!(self.key.kind.as_str(), "job" | "cronjob")
            || (!self.tiers.is_empty() && self.tiers.iter().all(|tier| tier.one_shot))
    }

    /// How many Pods are wanted, where that can be told.
    #[must_use]
    pub fn wanted(&self) -> Option<i32> {
        if self.key.kind == "pod" {
            return Some(1);
        }
        let workload = self.workload?;
        match self.key.kind.as_str() {
            "daemonset" => Some(workload.status.desired_number_scheduled),
            "job" | "cronjob" => None,
            _ => Some(workload.spec.replicas.unwrap_or(1)),
        }
    }

    /// Live Pods that are ready and that nothing ails.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.pods
            .iter()
            .filter(|pod| {
                is_ready(pod)
                    && !self
                        .troubles
                        .iter()
                        .any(|trouble| trouble.pod == pod.metadata.name)
            })
            .count()
    }

    /// The weight of a fault of this workload that would be `severity` in scope.
    #[must_use]
    pub fn scoped(&self, severity: Severity) -> Severity {
        if self.in_scope || severity == Severity::Info {
            severity
        } else {
            Severity::Warning
        }
    }

    /// Its name in messages: `deployment/db`, with the namespace if that is not the run's.
    #[must_use]
    pub fn name(&self, run_namespace: &str) -> String {
        if self.key.namespace == run_namespace {
            self.key.to_string()
        } else {
            format!("{} in namespace {}", self.key, self.key.namespace)
        }
    }
}

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
pub(super) fn all<'a>(context: &Context<'a>) -> Vec<Subject<'a>> {
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
) -> Subject<'a> {
    let (mut pods, ended): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| is_live(pod));
    pods.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
    let wanted_here = |tier: &&Tier| tier.expected;
    let in_scope = needs.called
        || needs.ingress
        || needs
            .tiers
            .iter()
            .filter(|tier| wanted_here(tier))
            .any(|tier| tier.in_compose || !context.graph.from_compose);
    let mut subject = Subject {
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
        let unproven = context
            .evidence(&edge.id)
            .is_none_or(|evidence| evidence.status() != StepStatus::Pass);
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
    let destination = destination::of_edge(context.graph, context.snapshot, edge);
    let Some((service, object)) = destination.last() else {
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
    let names: BTreeSet<&str> = own
        .ingresses
        .iter()
        .flat_map(backends)
        .map(|backend| backend.service.name.as_str())
        .collect();
    for service in &own.services {
        if names.contains(service.metadata.name.as_str()) {
            for key in behind(snapshot, &snapshot.namespace, &service.spec.selector) {
                needs.entry(key).or_default().ingress = true;
            }
        }
    }
}
