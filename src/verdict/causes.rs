//! Which finding is the cause of a failed edge, which finding follows from which, and which ones say nothing new. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::EdgeVerdict;
use super::rank::{concerns_the_edge, has_network_evidence, is_symptom, rank};
use crate::diagnose::connection::symptom;
use crate::diagnose::walk::Stage;
use crate::diagnose::{Context, add};
use crate::finding::{Code, EdgeId, Finding, ObjectRef, Section, Severity};
use crate::observe::ServiceKey;
use crate::probe::wire::StepStatus;

/// A finding's identity within a run.
pub(super) type Key = (Code, ObjectRef);
/// The cause of each failed edge.
pub(super) type Causes = BTreeMap<EdgeId, Key>;
/// Consequence → cause, without circles.
pub(super) type Parents = BTreeMap<Key, Key>;

/// The findings by identity.
pub(super) type Found = BTreeMap<Key, Finding>;

/// Makes one finding of those of one code and object: the graver speaks, what both saw is kept.
pub(super) fn merge(findings: Vec<Finding>) -> Found {
    let mut found = Found::new();
    for finding in findings {
        add(&mut found, finding);
    }
    found
}

/// Gives every failed edge its cause: the most specific finding that names it and can explain its first broken step. Where
/// none does, what the network was seen to do becomes the finding.
pub(super) fn assign(
    context: &Context<'_>,
    edges: &mut BTreeMap<EdgeId, EdgeVerdict>,
    findings: &mut Found,
) -> Causes {
    let mut causes = Causes::new();
    let unread = unread_policies(context);
    for (id, verdict) in edges.iter_mut() {
        let Some(evidence) = context.evidence(id) else {
            continue;
        };
        if verdict.status != StepStatus::Fail {
            continue;
        }
        // A forbidden edge fails by working, whatever else was seen of it.
        let stage = evidence.broken_stage().filter(|_| !evidence.edge.forbidden);
        if let Some(key) = best(findings, id, stage) {
            causes.insert(id.clone(), key);
        } else if let Some(resource) = unread.filter(|_| stage == Some(Stage::Connect)) {
            verdict.status = StepStatus::Unknown;
            verdict.reason = Some(format!(
                "the connection fails, and {resource} could not be read: whether one of them denies the tier or only the probe cannot be determined"
            ));
        } else if let Some(finding) = symptom(context, evidence) {
            let key = (finding.code, finding.object.clone());
            add(findings, finding);
            causes.insert(id.clone(), key);
        }
    }
    causes
}

/// A kind of policy that the cluster serves and that could not be read.
fn unread_policies<'a>(context: &'a Context<'_>) -> Option<&'a str> {
    context
        .snapshot
        .other_policies
        .iter()
        .find(|policy| policy.objects.is_none())
        .map(|policy| policy.resource.as_str())
}

fn best(findings: &Found, edge: &EdgeId, stage: Option<Stage>) -> Option<Key> {
    findings
        .iter()
        .filter(|(_, finding)| finding.edges.contains(edge))
        .filter_map(|(key, finding)| {
            let place = match stage {
                Some(stage) => rank(finding.code, stage)?,
                None => match finding.code {
                    Code::ForbiddenEdgeOpen | Code::IsolationBroken => 0,
                    _ if finding.overrules.contains(edge) => 1,
                    _ => return None,
                },
            };
            Some(((place, finding.severity, key), key))
        })
        .min_by(|(left, _), (right, _)| left.cmp(right))
        .map(|(_, key)| key.clone())
}

/// Leaves out what only repeats: a symptom all of whose edges have a more specific cause. A finding keeps the edges of which
/// it is the cause, and those that it names and that did not fail (a warning about an edge that works).
pub(super) fn drop_symptoms(
    edges: &BTreeMap<EdgeId, EdgeVerdict>,
    causes: &Causes,
    findings: &mut Found,
) {
    findings.retain(|key, finding| {
        let named = std::mem::take(&mut finding.edges);
        let explains_any = named.iter().any(|edge| causes.get(edge) == Some(key));
        let all_lost = !named.is_empty() && named.iter().all(|edge| causes.contains_key(edge));
        finding.edges = named
            .into_iter()
            .filter(|edge| causes.get(edge).is_none_or(|cause| cause == key))
            .filter(|edge| edges.contains_key(edge))
            .collect();
        explains_any || !(all_lost && is_symptom(key.0))
    });
}

/// Lowers to a warning what is true and breaks nothing that anyone is known to need: a fault of the edge itself where only
/// weak or optional edges show it, and a fault that was read from declarations while the network says that all of its edges work.
pub(super) fn lower_severities(
    context: &Context<'_>,
    edges: &BTreeMap<EdgeId, EdgeVerdict>,
    causes: &Causes,
    findings: &mut Found,
) {
    if context.outcomes.is_none() {
        return lower_severities_offline(edges, findings);
    }
    for (key, finding) in findings.iter_mut() {
        if finding.severity != Severity::Error || finding.edges.is_empty() {
            continue;
        }
        let of = |edge: &EdgeId| edges.get(edge);
        let no_firm_edge = finding
            .edges
            .iter()
            .all(|edge| of(edge).is_none_or(|verdict| !verdict.firm));
        let all_work = finding
            .edges
            .iter()
            .all(|edge| of(edge).is_some_and(|verdict| verdict.status == StepStatus::Pass))
            && !causes.values().any(|cause| cause == key);
        let declared = matches!(
            finding.code.section(),
            Section::Services | Section::Policies | Section::Names
        );
        if (no_firm_edge && concerns_the_edge(finding.code)) || (all_work && declared) {
            finding.severity = Severity::Warning;
        }
    }
}

fn lower_severities_offline(edges: &BTreeMap<EdgeId, EdgeVerdict>, findings: &mut Found) {
    for finding in findings.values_mut() {
        let no_firm_edge = !finding.edges.is_empty()
            && finding
                .edges
                .iter()
                .all(|edge| edges.get(edge).is_none_or(|verdict| !verdict.firm));
        if finding.severity == Severity::Error && no_firm_edge && concerns_the_edge(finding.code) {
            finding.severity = Severity::Warning;
        }
    }
}

/// Leads every consequence back to its cause: what the rule itself names, else the cause of a failed edge of the workload that
/// fails by it, else what keeps the workload behind a Service from being ready.
pub(super) fn link(context: &Context<'_>, causes: &Causes, findings: &Found) -> Parents {
    let mut parents = Parents::new();
    for (key, finding) in findings {
        let raised =
            |cause: &Key| (cause != key && findings.contains_key(cause)).then(|| cause.clone());
        let parent = finding
            .caused_by
            .iter()
            .find_map(raised)
            .or_else(|| followed(context, causes, finding).as_ref().and_then(raised))
            .or_else(|| behind(context, findings, finding).as_ref().and_then(raised))
            .or_else(|| same_policy(findings, causes, key));
        if let Some(parent) = parent {
            parents.insert(key.clone(), parent);
        }
    }
    cut_circles(&mut parents);
    parents
}

/// The cause of the first failed firm edge that the finding may follow from.
fn followed(context: &Context<'_>, causes: &Causes, finding: &Finding) -> Option<Key> {
    let firm = |edge: &&EdgeId| {
        context
            .evidence(edge)
            .is_some_and(|evidence| evidence.edge.is_firm())
    };
    finding
        .follows
        .iter()
        .filter(firm)
        .filter_map(|edge| causes.get(edge))
        .min_by_key(|(code, object)| {
            (
                is_symptom(*code),
                code.section() != Section::Connections,
                *code,
                object.clone(),
            )
        })
        .cloned()
}

/// A Service without ready endpoints follows from what keeps the Pods of its tier from being ready.
fn behind(context: &Context<'_>, findings: &Found, finding: &Finding) -> Option<Key> {
    if !matches!(
        finding.code,
        Code::ServiceEndpointsNotReady | Code::ServiceEndpointsPartial
    ) {
        return None;
    }
    let service = ServiceKey::new(
        finding.object.namespace.clone(),
        finding.object.name.clone(),
    );
    let workloads: BTreeSet<ObjectRef> = context
        .graph
        .tiers
        .values()
        .filter(|tier| tier.services.contains(&service))
        .flat_map(|tier| {
            tier.workloads
                .iter()
                .map(crate::observe::WorkloadKey::object)
        })
        .collect();
    findings
        .iter()
        .filter(|(key, cause)| {
            matches!(key.0.section(), Section::Workloads | Section::Probes)
                && cause.severity == Severity::Error
                && workloads.contains(&key.1)
        })
        .map(|(key, _)| key.clone())
        .min()
}

/// One policy that denies the same edges in several ways: what explains an edge stands above what the next step would have shown. A denial
/// with failed edges of its own is a fault of its own.
fn same_policy(findings: &Found, causes: &Causes, key: &Key) -> Option<Key> {
    const DENIED: [Code; 3] = [
        Code::NetworkPolicyDnsDenied,
        Code::NetworkPolicyEgressDenied,
        Code::NetworkPolicyIngressDenied,
    ];
    let explains = |key: &Key| causes.values().any(|cause| cause == key);
    if !DENIED.contains(&key.0) || explains(key) {
        return None;
    }
    DENIED
        .iter()
        .map(|code| (*code, key.1.clone()))
        .find(|other| findings.contains_key(other) && explains(other))
}

/// Cuts every circle at the finding that the network itself showed, or else at the first by code.
fn cut_circles(parents: &mut Parents) {
    let keys: Vec<Key> = parents.keys().cloned().collect();
    for start in keys {
        while let Some(circle) = circle(parents, &start) {
            let cut = circle
                .iter()
                .min_by_key(|key| (!has_network_evidence(key.0), (*key).clone()))
                .cloned();
            let Some(cut) = cut else { break };
            parents.remove(&cut);
        }
    }
}

/// The findings of the circle into which `start` leads, if it does.
fn circle(parents: &Parents, start: &Key) -> Option<Vec<Key>> {
    let mut path: Vec<&Key> = vec![start];
    let mut at = start;
    while let Some(next) = parents.get(at) {
        if let Some(from) = path.iter().position(|key| *key == next) {
            return Some(path[from..].iter().map(|key| (*key).clone()).collect());
        }
        path.push(next);
        at = next;
    }
    None
}
