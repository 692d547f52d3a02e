//! The status of every edge, from its walks alone: any failure of a firm walk fails it, what is missing leaves it unknown. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::causes::Found;
use super::depth::depth;
use super::{EdgeVerdict, VerdictOptions};
use crate::diagnose::Context;
use crate::diagnose::walk::{EdgeEvidence, Walk};
use crate::finding::{Code, EdgeId, Severity};
use crate::graph::{Edge, EdgeFlaw};
use crate::observe::kinds::Container;
use crate::probe::wire::{StepError, StepStatus, WITHIN_POD};
use crate::report::Depth;

/// Every edge of the graph with its status and depth, without causes yet.
pub(super) fn statuses(
    context: &Context<'_>,
    options: &VerdictOptions,
) -> BTreeMap<EdgeId, EdgeVerdict> {
    context
        .graph
        .edges
        .iter()
        .map(|edge| {
            let evidence = context.evidence(&edge.id);
            (edge.id.clone(), status(context, edge, evidence, options))
        })
        .collect()
}

fn status(
    context: &Context<'_>,
    edge: &Edge,
    evidence: Option<&EdgeEvidence<'_>>,
    options: &VerdictOptions,
) -> EdgeVerdict {
    let verdict = |status, reason: Option<String>| {
        let depth = evidence.map(depth).unwrap_or_default();
        EdgeVerdict {
            status,
            cause: None,
            reason,
            depth,
            firm: edge.is_firm() || status == StepStatus::Pass && is_proven(edge, depth),
        }
    };
    if context.outcomes.is_none() {
        let reason = "nothing was dialled: this run only read what is declared";
        return verdict(StepStatus::Skipped, Some(reason.to_owned()));
    }
    let Some(evidence) = evidence.filter(|evidence| !evidence.walks.is_empty()) else {
        let is_absent = edge.flaw.as_ref().is_some_and(EdgeFlaw::is_absent);
        return match options.skipped.get(&edge.id) {
            Some(reason) if is_absent => verdict(StepStatus::Unknown, Some(reason.clone())),
            Some(reason) => verdict(StepStatus::Skipped, Some(reason.clone())),
            None => verdict(StepStatus::Unknown, Some("no probe walked it".to_owned())),
        };
    };
    let seen = evidence.status();
    if seen == StepStatus::Fail && options.changing.contains(&edge.id) {
        let reason = "Pods or endpoints changed while it was walked, twice; run it again once they are at rest";
        return verdict(StepStatus::Unknown, Some(reason.to_owned()));
    }
    // One place from which it works is enough to break a promise that it must not.
    let open = evidence.firm().any(|walk| walk.status == StepStatus::Pass);
    match (seen, edge.forbidden) {
        (_, true) if open => verdict(StepStatus::Fail, None),
        (StepStatus::Pass | StepStatus::Fail, true) => verdict(StepStatus::Pass, None),
        (StepStatus::Pass | StepStatus::Fail, false) => verdict(seen, None),
        (StepStatus::Unknown | StepStatus::Skipped, _) => {
            verdict(seen, Some(reason(evidence, seen)))
        }
    }
}

/// Fails the edges whose client has something else than the probe, whatever the probe saw.
pub(super) fn overrule(
    context: &Context<'_>,
    edges: &mut BTreeMap<EdgeId, EdgeVerdict>,
    findings: &Found,
) {
    if context.outcomes.is_none() {
        return;
    }
    let overruled = findings
        .values()
        .filter(|finding| finding.severity == Severity::Error)
        .flat_map(|finding| &finding.overrules);
    for id in overruled {
        let edge = context.evidence(id).map(|evidence| evidence.edge);
        let forbidden = edge.is_some_and(|edge| edge.forbidden);
        if let Some(verdict) = edges.get_mut(id).filter(|_| !forbidden) {
            verdict.status = StepStatus::Fail;
            verdict.reason = None;
            verdict.firm = edge.map_or(verdict.firm, Edge::is_firm);
        }
    }
}

/// Takes out of the verdict what fails and is not needed.
pub(super) fn spare(
    context: &Context<'_>,
    edges: &mut BTreeMap<EdgeId, EdgeVerdict>,
    findings: &Found,
) {
    let mut spare = list_members(context, edges);
    spare.extend(denied_sharers(context, edges, findings));
    for id in spare {
        if let Some(verdict) = edges.get_mut(&id) {
            verdict.firm = false;
        }
    }
}

/// Servers of a list that fail while another of the same list works: the client goes on with that one.
fn list_members(context: &Context<'_>, edges: &BTreeMap<EdgeId, EdgeVerdict>) -> Vec<EdgeId> {
    let listed = |edge: &&Edge| edge.protocol.has_seeds() && edge.variable.is_some();
    let listed: Vec<&Edge> = context.graph.edges.iter().filter(listed).collect();
    let is = |edge: &Edge, status| edges.get(&edge.id).is_some_and(|one| one.status == status);
    let works = |edge: &Edge| {
        let mut others = listed.iter().filter(|other| {
            other.from == edge.from
                && other.variable == edge.variable
                && other.protocol == edge.protocol
        });
        others.any(|other| is(other, StepStatus::Pass))
    };
    listed
        .iter()
        .filter(|edge| is(edge, StepStatus::Fail) && !edge.forbidden && works(edge))
        .map(|edge| edge.id.clone())
        .collect()
}

/// Clients that policies keep from what a `ConfigMap` of several workloads names, while another of them reaches it: the map says what the
/// application has, the policies say who needs it, where no compose file does.
fn denied_sharers(
    context: &Context<'_>,
    edges: &BTreeMap<EdgeId, EdgeVerdict>,
    findings: &Found,
) -> Vec<EdgeId> {
    if context.graph.from_compose {
        return Vec::new();
    }
    let is_denial = |code| {
        matches!(
            code,
            Code::NetworkPolicyIngressDenied | Code::NetworkPolicyEgressDenied
        )
    };
    let denied: BTreeSet<&EdgeId> = findings
        .values()
        .filter(|finding| is_denial(finding.code))
        .flat_map(|finding| &finding.edges)
        .collect();
    let all = &context.graph.edges;
    let spare = all.iter().filter(|edge| {
        denied.contains(&edge.id)
            && edge.variable.as_ref().is_some_and(|variable| {
                let own = maps_with(context, &edge.from, variable);
                all.iter().any(|other| {
                    other.to == edge.to
                        && other.variable == edge.variable
                        && edges[&other.id].status == StepStatus::Pass
                        && !own.is_disjoint(&maps_with(context, &other.from, variable))
                })
            })
    });
    spare.map(|edge| edge.id.clone()).collect()
}

/// The `ConfigMaps` with that variable which a tier's containers take in as a whole: namespace and name.
fn maps_with<'a>(
    context: &Context<'a>,
    tier: &str,
    variable: &str,
) -> BTreeSet<(&'a str, &'a str)> {
    let snapshot = context.snapshot;
    let mut found = BTreeSet::new();
    for key in context.graph.workloads(tier) {
        let template = snapshot.template(key);
        let containers = template.iter().flat_map(|one| &one.spec.containers);
        let maps = containers.flat_map(Container::whole_maps).filter(|name| {
            let map = snapshot.config_map(&key.namespace, name);
            map.is_some_and(|map| map.data.contains_key(variable))
        });
        found.extend(maps.map(|name| (key.namespace.as_str(), name)));
    }
    found
}

/// Whether a weak edge was proven after all: the server took the login that the client's own variables hold for it.
fn is_proven(edge: &Edge, depth: Depth) -> bool {
    edge.login.is_some() && depth >= Depth::Login && !edge.optional && !edge.forbidden
}

/// Why an edge is unknown or skipped: the first walk that is says so.
fn reason(evidence: &EdgeEvidence<'_>, seen: StepStatus) -> String {
    let walks = || evidence.firm().filter(|walk| walk.status == seen);
    if let Some(failure) = walks().find_map(|walk| walk.probe.failure.as_ref()) {
        return failure.message.clone();
    }
    if let Some(departs) = walks().find_map(|walk| walk.departs) {
        return format!("it failed, but the probe differed from its tier: {departs}");
    }
    let mut steps = walks().flat_map(Walk::counted);
    if let Some(words) = steps.find_map(|step| step.facts.get(WITHIN_POD)) {
        return words.clone();
    }
    for walk in walks() {
        for step in walk.counted() {
            let undecided = step.status == seen
                || matches!(step.error, Some(StepError::Flapping | StepError::Deadline));
            if undecided && !step.detail.is_empty() {
                return step.detail.clone();
            }
        }
    }
    if walks().any(|walk| !walk.probe.complete) {
        return "the probe's log ends before its end record".to_owned();
    }
    match seen {
        StepStatus::Skipped => "not asked".to_owned(),
        _ => "the probe says nothing about the connection".to_owned(),
    }
}
