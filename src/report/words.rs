//! What every format says in the same words: the verdict's sentence, the remarks, the steps of an edge. Pure.

use super::{Depth, EdgeReport, EntryReport, FindingReport, Report, StepReport, VerdictValue};
use crate::finding::{FindingId, Section, Severity};
use crate::graph::{Confidence, OriginKind};
use crate::observe::Observed;
use crate::probe::wire::{StepError, StepName, StepStatus};
use crate::sanitise::{cut, line};

mod sentence;

pub use sentence::{by_status, edges, proven, sentence};

/// How the note of a run that was stopped begins.
pub const INTERRUPTED: &str = "interrupted by ";
/// How the note of a run without an end begins.
pub const UNFINISHED: &str = "not finished: ";

fn is_interruption(note: &str) -> bool {
    note.starts_with(INTERRUPTED) || note.starts_with(UNFINISHED)
}

/// The note that says that the run was stopped before its end, if it was.
pub fn interruption(report: &Report) -> Option<&str> {
    report
        .notes
        .iter()
        .map(String::as_str)
        .find(|note| is_interruption(note))
}

/// `1 tier`, `2 tiers`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// `2.4 s`.
pub fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

/// `verified`, `unhealthy`, `could not verify`; of manifests alone nothing is verified.
pub const fn verdict_word(report: &Report) -> &'static str {
    match report.verdict {
        VerdictValue::Pass if report.offline => "no fault",
        VerdictValue::Pass => "verified",
        VerdictValue::Fail => "unhealthy",
        VerdictValue::Unknown => "could not verify",
    }
}

/// What the report's `cluster` is.
pub const fn place(report: &Report) -> &'static str {
    if report.offline {
        "manifests"
    } else {
        "cluster"
    }
}

/// The lower-case name, as in JSON.
pub fn verdict_name(verdict: VerdictValue) -> &'static str {
    verdict.into()
}

/// The lower-case name, as in JSON.
pub fn status_name(status: StepStatus) -> &'static str {
    status.into()
}

/// The lower-case name, as in JSON.
pub fn step_name(name: StepName) -> &'static str {
    name.into()
}

/// Whether the verdict counts the edge: neither known from weak evidence alone nor optional.
pub fn is_firm(edge: &EdgeReport) -> bool {
    aside(edge).is_none()
}

/// Why the verdict does not count an edge; `None` if it does.
pub fn aside(edge: &EdgeReport) -> Option<&'static str> {
    let order = || {
        let mut origins = edge.origin.iter();
        origins.all(|origin| origin.kind == OriginKind::Order)
    };
    if edge.optional {
        Some("optional")
    } else if edge.confidence != Confidence::Weak {
        None
    } else if order() {
        Some("depends_on only")
    } else {
        Some("weak evidence")
    }
}

/// `kind/name`, with `@namespace` where that is not the run's.
pub fn object(report: &Report, finding: &FindingReport) -> String {
    if finding.namespace.is_empty() || finding.namespace == report.namespace {
        line(&finding.object)
    } else {
        format!("{}@{}", line(&finding.object), line(&finding.namespace))
    }
}

/// The findings to act on first: errors that follow from nothing, and whatever else fails the run.
pub fn causes(report: &Report) -> impl Iterator<Item = &FindingReport> {
    report
        .findings
        .iter()
        .filter(|finding| is_cause(report, finding))
}

/// See [`causes`].
pub fn is_cause(report: &Report, finding: &FindingReport) -> bool {
    !finding.ignored
        && finding.caused_by.is_none()
        && (finding.severity == Severity::Error || finding.severity <= report.fail_on)
}

/// The firm edges that fail because of the finding.
pub fn broken_edges<'a>(report: &'a Report, finding: &FindingReport) -> Vec<&'a EdgeReport> {
    report
        .edges
        .iter()
        .filter(|edge| {
            edge.status == StepStatus::Fail
                && edge.cause.as_ref() == Some(&finding.id)
                && is_firm(edge)
        })
        .collect()
}

/// The findings from which an edge's failure comes, each from the next.
fn chain<'a>(report: &'a Report, edge: &EdgeReport) -> impl Iterator<Item = &'a FindingReport> {
    let find = |id: &FindingId| report.findings.iter().find(|finding| finding.id == *id);
    let first = edge.cause.as_ref().and_then(find);
    std::iter::successors(first, move |finding| {
        finding.caused_by.as_ref().and_then(find)
    })
    // Links have no circles; the bound only says so.
    .take(report.findings.len())
}

/// The finding that an edge's failure comes from in the end.
pub fn root<'a>(report: &'a Report, edge: &EdgeReport) -> Option<&'a FindingReport> {
    chain(report, edge).last()
}

/// Whether the user has decided to live with what breaks an edge: a finding on the way is ignored, or its cause is switched off.
pub fn is_excused(report: &Report, edge: &EdgeReport) -> bool {
    match &edge.cause {
        Some(_) => chain(report, edge).any(|finding| finding.ignored),
        None => edge.reason.is_some(),
    }
}

/// Whether a finding says that something could not be verified, and the verdict counts it.
pub fn is_unverified(finding: &FindingReport) -> bool {
    finding.code.section() == Section::NotVerified
        && finding.severity == Severity::Error
        && !finding.ignored
}

/// Whatever follows from the finding, by however many steps.
pub fn consequences<'a>(report: &'a Report, cause: &FindingReport) -> Vec<&'a FindingReport> {
    let mut ids = vec![&cause.id];
    let mut found = Vec::new();
    // Every turn adds a link of the chain; links have no circles, and the number of findings bounds them.
    for _ in 0..report.findings.len() {
        let next: Vec<&FindingReport> = report
            .findings
            .iter()
            .filter(|finding| {
                !finding.ignored
                    && finding
                        .caused_by
                        .as_ref()
                        .is_some_and(|by| ids.contains(&by))
            })
            .collect();
        if next.is_empty() {
            break;
        }
        ids = next.iter().map(|finding| &finding.id).collect();
        found.extend(next);
    }
    found
}

/// What a reader should know in addition to findings and edges: the run's notes, what could not be seen, and what the user's own file changed.
pub fn remarks(report: &Report) -> Vec<String> {
    let mut remarks: Vec<String> = report
        .notes
        .iter()
        .filter(|note| !is_interruption(note))
        .map(|note| line(note))
        .collect();
    let unseen: Vec<&str> = report
        .observed
        .iter()
        .filter(|(_, observed)| **observed == Observed::Forbidden)
        .map(|(name, _)| name.as_str())
        .collect();
    if !unseen.is_empty() {
        remarks.push(format!("not observed (forbidden): {}", unseen.join(", ")));
    }
    if !report.severity_overrides.is_empty() {
        let changed: Vec<String> = report
            .severity_overrides
            .iter()
            .map(|(code, severity)| format!("{} is {}", line(code), line(severity)))
            .collect();
        remarks.push(format!(
            "severities changed by the user's file: {}",
            changed.join(", ")
        ));
    }
    if report.fail_on != Severity::Error {
        remarks.push(format!(
            "findings from severity {} on fail this run",
            report.fail_on
        ));
    }
    let ignored: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.ignored)
        .map(|finding| line(&finding.id.0))
        .collect();
    if !ignored.is_empty() {
        remarks.push(format!("ignored by the user's file: {}", some(&ignored, 8)));
    }
    remarks
}

/// The first so many, and how many more.
pub fn some(items: &[String], most: usize) -> String {
    if items.len() <= most {
        items.join(", ")
    } else {
        format!(
            "{} and {} more",
            items[..most - 1].join(", "),
            items.len() - most + 1
        )
    }
}

/// What a failed step is called: short, the word that people search for.
pub fn short_error(step: &StepReport) -> String {
    let text = match step.error {
        Some(StepError::Nxdomain) => "NXDOMAIN",
        Some(StepError::Nodata) => "no address",
        Some(StepError::Servfail) => "SERVFAIL",
        Some(StepError::DnsTimeout) => "no DNS answer",
        Some(StepError::DnsInvalid) => "no DNS name",
        Some(StepError::Refused) => "refused",
        Some(StepError::Mismatch) => "other protocol",
        Some(StepError::TrustNotProven) => "trust not proven",
        Some(StepError::LoginDenied) => "denied",
        Some(StepError::DatabaseMissing) => "no database",
        Some(StepError::ReadOnly) => "read-only",
        Some(StepError::HttpServerError | StepError::HttpNotFound | StepError::HttpStatus) => {
            return cut(&line(&step.detail), 16);
        }
        Some(StepError::HttpTimeout) => "no answer",
        Some(error) => return <&str>::from(error).replace('-', " "),
        None => match step.status {
            StepStatus::Pass => "ok",
            StepStatus::Fail => "failed",
            StepStatus::Unknown => "unknown",
            StepStatus::Skipped => "",
        },
    };
    text.to_owned()
}

/// The step of one name that decides what is shown of the edge: a failure before anything else, of the first look.
pub fn deciding(edge: &EdgeReport, name: StepName) -> Option<&StepReport> {
    let mine = || first_look(edge).filter(|step| step.name == name);
    mine()
        .find(|step| step.status == StepStatus::Fail)
        .or_else(|| mine().find(|step| step.status == StepStatus::Unknown))
        .or_else(|| mine().find(|step| step.status == StepStatus::Pass))
        .or_else(|| mine().next())
}

/// The steps of the first look, from every node.
pub fn first_look(edge: &EdgeReport) -> impl Iterator<Item = &StepReport> {
    edge.steps.iter().filter(|step| {
        step.vantage
            .as_ref()
            .is_none_or(|vantage| vantage.look.is_none())
    })
}

/// Endpoints that accept a connection from everywhere, of those that were walked: `(2, 3)`.
pub fn endpoints(edge: &EdgeReport) -> Option<(usize, usize)> {
    let mut walked: std::collections::BTreeMap<&str, bool> = std::collections::BTreeMap::new();
    for step in first_look(edge)
        .filter(|step| step.name == StepName::Endpoint && step.status != StepStatus::Skipped)
    {
        let endpoint = step.endpoint.as_deref().unwrap_or(&step.target);
        *walked.entry(endpoint).or_insert(true) &= step.status == StepStatus::Pass;
    }
    (!walked.is_empty()).then(|| (walked.values().filter(|good| **good).count(), walked.len()))
}

/// What the way through the Service took from the first node, in milliseconds: what a client would wait.
pub fn milliseconds(edge: &EdgeReport) -> u64 {
    let node = first_look(edge)
        .next()
        .and_then(|step| step.vantage.as_ref())
        .map(|vantage| vantage.node.as_str());
    first_look(edge)
        .filter(|step| {
            step.endpoint.is_none() && step.vantage.as_ref().map(|from| from.node.as_str()) == node
        })
        .map(|step| step.duration_ms)
        .fold(0, u64::saturating_add)
}

/// The cause's identity, or why the edge is unknown or was not asked, or that no more than the connection counts.
pub fn because(edge: &EdgeReport) -> String {
    let cause = edge.cause.as_ref().map(|cause| line(&cause.0));
    cause
        .or_else(|| edge.reason.as_deref().map(line))
        .or_else(|| guess(edge))
        .unwrap_or_default()
}

/// What the protocol is guessed from, where the peer did not prove it.
pub fn guess(edge: &EdgeReport) -> Option<String> {
    let from = edge.protocol_guessed_from.as_deref();
    from.filter(|_| edge.status == StepStatus::Pass && edge.depth < Depth::Protocol)
        .map(|from| format!("protocol guessed from {}", line(from)))
}
/// Where a way in breaks, and why; or what was proven of it.
pub(super) fn entry_reason(entry: &EntryReport) -> String {
    match &entry.layer {
        Some(layer) => format!("{layer}: {}", entry.reason),
        None => entry.reason.clone(),
    }
}
