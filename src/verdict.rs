//! Findings and outcomes → [`Verdict`]: the status, depth and cause of every edge, causes before consequences, pass, fail or
//! unknown. The only place that decides. Pure.

mod causes;
mod depth;
mod edges;
mod order;
mod rank;
mod report;
mod value;

use std::collections::{BTreeMap, BTreeSet};

pub use report::{ReportMeta, report};

use crate::config::{Ignore, SeverityOverride};
use crate::diagnose::Context;
use crate::finding::{EdgeId, Finding, FindingId, Severity};
use crate::probe::wire::StepStatus;
use crate::report::{Depth, VerdictValue};

/// What the user and the run bring to the verdict.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VerdictOptions {
    /// The severity from which a finding without a cause above it fails the run.
    pub fail_on: Severity,
    /// Severities that the user changed.
    pub severity: BTreeMap<crate::finding::Code, SeverityOverride>,
    /// Findings that the user has decided to live with.
    pub ignore: Vec<Ignore>,
    /// The user's file, for "matches nothing"; empty without one.
    pub config_file: String,
    /// Edges that were not worth probing, with the reason.
    pub skipped: BTreeMap<EdgeId, String>,
    /// Edges under which Pods or EndpointSlices changed, and changed again when they were walked once more.
    pub changing: BTreeSet<EdgeId>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Pass, fail or unknown.
    pub value: VerdictValue,
    /// Every edge of the graph.
    pub edges: BTreeMap<EdgeId, EdgeVerdict>,
    /// Findings: causes before consequences, then severity, then the number of edges explained, then object.
    pub findings: Vec<JudgedFinding>,
    /// Entries of the user's `ignore` list that match nothing, in words.
    pub unused_ignores: Vec<String>,
}

/// What was decided about an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeVerdict {
    /// Pass, fail, unknown or skipped, with the user's wishes laid over it: a forbidden edge passes when it does not work.
    pub status: StepStatus,
    /// The finding that explains a failure.
    pub cause: Option<FindingId>,
    /// Why it is unknown or skipped.
    pub reason: Option<String>,
    /// How far it was proven.
    pub depth: Depth,
    /// Whether the verdict counts it: neither weak nor optional.
    pub firm: bool,
}

/// A finding with its place among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedFinding {
    /// Its identity.
    pub id: FindingId,
    /// The finding, with its final severity, and with the edges of which it is the cause.
    pub finding: Finding,
    /// The finding of which it is a consequence.
    pub caused_by: Option<FindingId>,
    /// Whether the user's file ignores it: shown, never counted.
    pub ignored: bool,
}

/// Decides: what every edge is, which finding is its cause, which finding follows from which, and what all of it amounts to.
pub fn judge(context: &Context<'_>, findings: Vec<Finding>, options: &VerdictOptions) -> Verdict {
    let mut edges = edges::statuses(context, options);
    let mut findings = causes::merge(findings);
    edges::overrule(context, &mut edges, &findings);
    edges::spare(context, &mut edges, &findings);
    let causes = causes::assign(context, &mut edges, &mut findings);
    causes::lower_severities(context, &edges, &causes, &mut findings);
    causes::drop_symptoms(&edges, &causes, &mut findings);
    let parents = causes::link(context, &causes, &findings);
    value::add_missing_edges(context, &edges, &mut findings);
    let namespace = &context.snapshot.namespace;
    let (findings, unused_ignores) = value::lay_over(findings, options, namespace);
    let findings = order::order(findings, &causes, &parents, namespace);
    value::name_causes(&mut edges, &causes, &findings, options, namespace);
    Verdict {
        value: value::value(context, &edges, &findings, options),
        edges,
        findings,
        unused_ignores,
    }
}

#[cfg(test)]
mod tests;
