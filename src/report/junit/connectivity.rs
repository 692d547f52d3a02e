//! A case per edge, per DNS name, per way in, and per reason why something could not be verified. Pure.

use super::case::{Case, CaseOutcome, finding_text};
use super::causes::{Causes, Place, edge_class, entry_class, name_class};
use crate::finding::Section;
use crate::probe::wire::StepStatus;
use crate::report::words::{self, status_name, step_name};
use crate::report::{EdgeReport, EntryReport, NameReport, Report};

/// All of them, in the order of the report.
pub(super) fn cases(report: &Report, causes: &Causes<'_>) -> Vec<Case> {
    let edges = report
        .edges
        .iter()
        .map(|edge| edge_case(report, causes, edge));
    let names = report.tiers.iter().flat_map(|tier| {
        let names = tier.names.iter();
        names.map(move |name| name_case(report, causes, &tier.name, name))
    });
    let entries = report
        .entries
        .iter()
        .map(|entry| entry_case(report, causes, entry));
    edges
        .chain(names)
        .chain(entries)
        .chain(run_cases(report))
        .collect()
}

fn edge_case(report: &Report, causes: &Causes<'_>, edge: &EdgeReport) -> Case {
    let because = words::because(edge);
    let firm = words::is_firm(edge);
    let outcome = match edge.status {
        StepStatus::Pass => CaseOutcome::Pass,
        StepStatus::Fail if !firm => CaseOutcome::skip(
            "tolerated",
            &format!("fails, and does not count: {because}"),
        ),
        StepStatus::Fail => match causes.of_edge(edge) {
            Some(cause) if cause.place == Place::Edge(edge) => cause.fails(),
            Some(cause) => cause.elsewhere(),
            None => CaseOutcome::skip(
                "ignored",
                &format!("fails, and is ignored by the user's file: {because}"),
            ),
        },
        StepStatus::Unknown if !firm => CaseOutcome::skip("unknown", &because),
        StepStatus::Unknown => match causes.unverified(edge) {
            Some(finding) => CaseOutcome::skip(
                "unknown",
                &format!("could not be verified because of {}", finding.id),
            ),
            None => CaseOutcome::error("unknown", &because),
        },
        StepStatus::Skipped => CaseOutcome::skip("skipped", &because),
    };
    let took = edge
        .steps
        .iter()
        .map(|step| step.duration_ms)
        .fold(0, u64::saturating_add);
    let text = edge_text(report, edge);
    Case::new(&edge_class(edge), &edge.id.0, outcome, &text).took(took)
}

fn edge_text(report: &Report, edge: &EdgeReport) -> String {
    let mut text = format!(
        "{} → {} at {}:{} by {}: {}, proven to depth {}\n",
        edge.from,
        edge.to,
        edge.host,
        edge.port,
        edge.protocol,
        status_name(edge.status),
        edge.depth.name()
    );
    if let Some(reason) = &edge.reason {
        text += &format!("{reason}\n");
    }
    if let Some(guess) = words::guess(edge) {
        text += &format!("{guess}: no more than the connection counts\n");
    }
    if let Some(finding) = edge
        .cause
        .as_ref()
        .and_then(|cause| report.findings.iter().find(|finding| finding.id == *cause))
    {
        text += &finding_text(report, finding);
    }
    for step in &edge.steps {
        let on = step
            .at()
            .map_or(String::new(), |endpoint| format!(" on {endpoint}"));
        let from = step
            .vantage
            .as_ref()
            .map_or(String::new(), |vantage| format!(" from {}", vantage.node));
        text += &format!(
            "{} {}{on}{from}: {} {} ({} ms)\n",
            status_name(step.status),
            step_name(step.name),
            step.target,
            step.detail,
            step.duration_ms
        );
    }
    text
}

/// A name that a deployed client uses and that does not resolve speaks for its cause.
fn name_case(report: &Report, causes: &Causes<'_>, tier: &str, name: &NameReport) -> Case {
    let mut text = format!("{} {}\n", name.name, name.detail);
    let outcome = match (name.status, causes.at_name(tier, &name.name)) {
        (StepStatus::Pass, _) => CaseOutcome::Pass,
        (_, Some(cause)) => {
            if let Some(finding) = cause.finding {
                text += &finding_text(report, finding);
            }
            cause.fails()
        }
        (status, None) => {
            let uses = |edge: &&EdgeReport| {
                edge.to == tier
                    && edge
                        .host
                        .trim_end_matches('.')
                        .eq_ignore_ascii_case(&name.name)
            };
            let cause = report
                .edges
                .iter()
                .filter(uses)
                .find_map(|edge| causes.of_edge(edge));
            match cause {
                Some(cause) => cause.elsewhere(),
                None if status == StepStatus::Fail => CaseOutcome::skip(
                    "unused",
                    &format!("{}; no deployed client is known to use it", name.detail),
                ),
                None => CaseOutcome::skip(status_name(status), &name.detail),
            }
        }
    };
    Case::new(&name_class(tier), &name.name, outcome, &text)
}

fn entry_case(report: &Report, causes: &Causes<'_>, entry: &EntryReport) -> Case {
    let mut text = words::entry_reason(entry);
    let outcome = match (entry.status, causes.at_entry(&entry.id)) {
        (StepStatus::Pass, _) => CaseOutcome::Pass,
        (_, Some(cause)) => {
            if let Some(finding) = cause.finding {
                text = format!("{text}\n{}", finding_text(report, finding));
            }
            cause.fails()
        }
        (status, None) => CaseOutcome::skip(status_name(status), &text),
    };
    Case::new(&entry_class(&entry.to), &entry.id, outcome, &text)
}

/// What could not be verified, one case for each reason.
fn run_cases(report: &Report) -> impl Iterator<Item = Case> {
    report
        .findings
        .iter()
        .filter(|finding| finding.code.section() == Section::NotVerified && !finding.ignored)
        .map(|finding| {
            let outcome = if words::is_unverified(finding) {
                CaseOutcome::error(finding.code.name(), &finding.message)
            } else {
                CaseOutcome::Pass
            };
            let text = finding_text(report, finding);
            Case::new("k8sverify.run", &finding.id.0, outcome, &text)
        })
}
