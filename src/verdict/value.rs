//! What it all amounts to: the user's severities and ignores laid over the findings, and pass, fail or unknown. Pure.

use std::collections::BTreeMap;

use super::causes::{Causes, Found};
use super::{EdgeVerdict, JudgedFinding, VerdictOptions};
use crate::config::SeverityOverride;
use crate::diagnose::Context;
use crate::finding::{Code, EdgeId, Finding, ObjectRef, Section, Severity, finding_id};
use crate::probe::wire::StepStatus;
use crate::report::VerdictValue;

/// A run that checked no firm edge has verified nothing, and says so.
pub(super) fn add_missing_edges(
    context: &Context<'_>,
    edges: &BTreeMap<EdgeId, EdgeVerdict>,
    findings: &mut Found,
) {
    let said = findings.iter().any(|(key, finding)| {
        key.0.section() == Section::NotVerified && finding.severity == Severity::Error
    });
    if said || any_firm_edge(context, edges) {
        return;
    }
    let object = ObjectRef::new("input", "edges", "");
    let skipped = edges.values().filter(|edge| edge.firm).count();
    let (severity, message) = if edges.is_empty() {
        let message = "no edge is known between the tiers, so nothing was verified".to_owned();
        (Severity::Error, message)
    } else if skipped > 0 {
        // Nothing is wrong where, for example, all tiers share one Pod; it is no pass either.
        let message = format!(
            "all {skipped} firm edges were skipped, for the reason that stands at each, so nothing was verified"
        );
        (Severity::Warning, message)
    } else {
        let message = format!(
            "none of the {} known edges has firm evidence (each is weak, such as depends_on alone, or optional), so nothing was verified",
            edges.len()
        );
        (Severity::Error, message)
    };
    let finding = Finding::new(Code::GraphEmpty, severity, object.clone(), message);
    findings.insert((Code::GraphEmpty, object), finding);
}

/// Whether any firm edge was really asked; offline, whether there is one.
fn any_firm_edge(context: &Context<'_>, edges: &BTreeMap<EdgeId, EdgeVerdict>) -> bool {
    edges
        .values()
        .any(|edge| edge.firm && (context.outcomes.is_none() || edge.status != StepStatus::Skipped))
}

/// Lays the user's severities and ignores over the findings: each with whether it is ignored, and the ignores that match nothing.
pub(super) fn lay_over(
    findings: Found,
    options: &VerdictOptions,
    namespace: &str,
) -> (Vec<(Finding, bool)>, Vec<String>) {
    let mut used = vec![false; options.ignore.len()];
    let mut kept = Vec::new();
    for mut finding in findings.into_values() {
        let id = finding.id(namespace).0;
        let object = id.split_once(' ').map_or("", |(_, object)| object);
        let mut ignored = false;
        for (entry, used) in options.ignore.iter().zip(&mut used) {
            if entry.matches(finding.code, object) {
                ignored = true;
                *used = true;
            }
        }
        match options.severity.get(&finding.code) {
            Some(SeverityOverride::Off) => continue,
            Some(SeverityOverride::Is(severity)) => finding.severity = *severity,
            None => {}
        }
        kept.push((finding, ignored));
    }
    let unused = options
        .ignore
        .iter()
        .zip(used)
        .filter(|(_, used)| !used)
        .map(|(entry, _)| {
            let object = entry.object.as_deref().unwrap_or("any object");
            format!(
                "{}:{}: ignore of {} on {object} matches no finding; remove it",
                options.config_file, entry.line, entry.code
            )
        })
        .collect();
    (kept, unused)
}

/// Writes the causes' identities at the edges. The cause that the user has switched off is named in the reason.
pub(super) fn name_causes(
    edges: &mut BTreeMap<EdgeId, EdgeVerdict>,
    causes: &Causes,
    findings: &[JudgedFinding],
    options: &VerdictOptions,
    namespace: &str,
) {
    for (edge, (code, object)) in causes {
        let Some(verdict) = edges.get_mut(edge) else {
            continue;
        };
        let id = finding_id(*code, object, namespace);
        if findings.iter().any(|finding| finding.id == id) {
            verdict.cause = Some(id);
        } else {
            verdict.reason = Some(format!("{id}, which {} switches off", options.config_file));
        }
    }
}

/// Pass, fail or unknown.
pub(super) fn value(
    context: &Context<'_>,
    edges: &BTreeMap<EdgeId, EdgeVerdict>,
    findings: &[JudgedFinding],
    options: &VerdictOptions,
) -> VerdictValue {
    let counted = |found: &&JudgedFinding| !found.ignored;
    let by_finding = findings.iter().filter(counted).any(|found| {
        found.finding.code.section() < Section::NotVerified
            && found.caused_by.is_none()
            && found.finding.severity <= options.fail_on
    });
    let by_edge = edges
        .values()
        .any(|edge| edge.firm && edge.status == StepStatus::Fail && !is_excused(edge, findings));
    if by_finding || by_edge {
        return VerdictValue::Fail;
    }
    let not_verified = findings.iter().filter(counted).any(|found| {
        found.finding.code.section() == Section::NotVerified
            && found.finding.severity == Severity::Error
    });
    let unknown_edge = edges
        .values()
        .any(|edge| edge.firm && edge.status == StepStatus::Unknown);
    if not_verified || unknown_edge || !any_firm_edge(context, edges) {
        VerdictValue::Unknown
    } else {
        VerdictValue::Pass
    }
}

/// Whether the user has decided to live with what breaks an edge: with its cause, or with what that follows from.
fn is_excused(edge: &EdgeVerdict, findings: &[JudgedFinding]) -> bool {
    let Some(cause) = &edge.cause else {
        // Switched off by the user's file; every other failed edge has a cause.
        return edge.reason.is_some();
    };
    let mut at = findings.iter().find(|found| found.id == *cause);
    // Links have no circles; the bound only says so.
    for _ in 0..=findings.len() {
        let Some(found) = at else { break };
        if found.ignored {
            return true;
        }
        at = found
            .caused_by
            .as_ref()
            .and_then(|id| findings.iter().find(|found| found.id == *id));
    }
    false
}
