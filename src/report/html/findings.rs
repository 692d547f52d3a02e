//! The cards of the findings: causes open, with what follows from them; the rest by code, closed. Pure.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{finding_anchor, prose, search_text};
use crate::catalog::findings::FindingTexts;
use crate::finding::{Code, EdgeId, Section, Severity};
use crate::report::words;
use crate::report::{FindingReport, Report};
use crate::sanitise::{clean, line, without_commands};

/// More causes than this are closed at first.
const MOST_OPEN: usize = 12;

/// What to fix.
pub(super) fn causes(report: &Report) -> Markup {
    let texts = FindingTexts::shared();
    let causes: Vec<&FindingReport> = words::causes(report).collect();
    html! {
        @if !causes.is_empty() {
            section id="causes" {
                h2 { (if causes.iter().all(|cause| cause.code.section() == Section::NotVerified) { "Why it could not be verified" } else { "What to fix" }) }
                @for cause in &causes { (card(report, cause, texts, causes.len() <= MOST_OPEN)) }
            }
        }
    }
}

/// How many findings stand below.
pub(super) fn others_count(report: &Report) -> usize {
    report
        .findings
        .iter()
        .filter(|finding| !words::is_cause(report, finding))
        .count()
}

/// Consequences, warnings, information and what is ignored: by code, since they are many and alike.
pub(super) fn others(report: &Report) -> Markup {
    let texts = FindingTexts::shared();
    let mut groups: BTreeMap<(bool, Severity, Code), Vec<&FindingReport>> = BTreeMap::new();
    for finding in &report.findings {
        if !words::is_cause(report, finding) {
            groups
                .entry((finding.ignored, finding.severity, finding.code))
                .or_default()
                .push(finding);
        }
    }
    html! {
        @if !groups.is_empty() {
            section id="findings" {
                h2 { "More findings" }
                @for ((ignored, severity, code), findings) in &groups { (group(report, *ignored, *severity, *code, findings, texts)) }
            }
        }
    }
}

fn card(report: &Report, finding: &FindingReport, texts: &FindingTexts, open: bool) -> Markup {
    let severity = finding.severity.to_string();
    html! {
        details id=[finding_anchor(report, &finding.id)] class=(format!("finding {severity}")) open[open] data-text=(text(finding)) {
            summary {
                span class=(format!("badge {severity}")) { (severity) }
                span class="title" { b { (finding.code.name()) } " " code { (words::object(report, finding)) } }
                (breaks(report, finding))
            }
            div class="body" {
                (story(finding))
                (broken(report, finding))
                (follows(report, finding))
                (explanation(finding.code, texts))
            }
        }
    }
}

fn text(finding: &FindingReport) -> String {
    let mut parts: Vec<&str> = vec![&finding.id.0, &finding.message];
    parts.extend(finding.edges.iter().map(|edge| edge.0.as_str()));
    search_text(&parts)
}

/// The edges that it breaks, for the line that opens and closes the card: a link cannot stand inside of what is pressed.
fn breaks(report: &Report, finding: &FindingReport) -> Markup {
    let edges = words::broken_edges(report, finding);
    html! {
        @if let [edge, others @ ..] = edges.as_slice() {
            span class="breaks" {
                "breaks " (line(&edge.from)) " → " (line(&edge.to))
                @if !others.is_empty() { " and " (others.len()) " more" }
            }
        }
    }
}

/// The same as links.
fn broken(report: &Report, finding: &FindingReport) -> Markup {
    let edges = words::broken_edges(report, finding);
    let index = |id: &EdgeId| report.edges.iter().position(|edge| edge.id == *id);
    html! {
        @if !edges.is_empty() {
            h3 { "Breaks" }
            p {
                @for edge in edges.iter().take(12) {
                    a href=(format!("#edge-{}", index(&edge.id).unwrap_or(0))) { (line(&edge.from)) " → " (line(&edge.to)) ":" (edge.port) }
                    " "
                }
                @if edges.len() > 12 { "and " (edges.len() - 12) " more" }
            }
        }
    }
}

fn story(finding: &FindingReport) -> Markup {
    html! {
        p class="message" { (prose(&finding.message)) }
        @if !finding.evidence.is_empty() {
            h3 { "Seen" }
            ul class="evidence" { @for evidence in &finding.evidence { li { (line(evidence)) } } }
        }
        @if let Some(fix) = &finding.fix {
            h3 { "Fix" }
            p { (prose(&fix.text)) }
            @if let Some(command) = &fix.command { div class="copied" { pre tabindex="0" { (clean(command)) } } }
            @if let Some(manifest) = &fix.manifest {
                details class="more manifest" {
                    summary { "as a manifest" }
                    div class="copied" { pre tabindex="0" { (without_commands(&clean(manifest))) } }
                }
            }
        }
    }
}

/// What goes away with it.
fn follows(report: &Report, finding: &FindingReport) -> Markup {
    let follow = words::consequences(report, finding);
    html! {
        @if !follow.is_empty() {
            h3 { "What follows from it" }
            ul class="follows" {
                @for other in follow {
                    li {
                        @if let Some(anchor) = finding_anchor(report, &other.id) { a href=(format!("#{anchor}")) { (other.code.name()) " " code { (words::object(report, other)) } } }
                    }
                }
            }
        }
    }
}

fn explanation(code: Code, texts: &FindingTexts) -> Markup {
    let text = texts.get(code);
    html! {
        details class="more" {
            summary { "what " (code.name()) " means" }
            p { (prose(&text.means)) }
            p { b { "How it is found. " } (prose(&text.found)) }
            p { b { "How to fix it. " } (prose(&text.fix)) }
            ul { @for link in &text.links { li { a href=(link) rel="noreferrer noopener" { (link) } } } }
        }
    }
}

fn group(
    report: &Report,
    ignored: bool,
    severity: Severity,
    code: Code,
    findings: &[&FindingReport],
    texts: &FindingTexts,
) -> Markup {
    let name = severity.to_string();
    let all: Vec<String> = findings
        .iter()
        .map(|finding| words::object(report, finding))
        .collect();
    let searched: Vec<String> = findings.iter().map(|finding| text(finding)).collect();
    html! {
        details class=(format!("finding {}", if ignored { "ignored" } else { &name })) data-text=(searched.join(" ")) {
            summary {
                span class=(format!("badge {}", if ignored { "ignored" } else { &name })) { (if ignored { "ignored" } else { &name }) }
                span class="title" { b { (code.name()) } " " code { (words::some(&all, 4)) } }
                @if findings.len() > 1 { span class="breaks" { "× " (findings.len()) } }
            }
            div class="body" {
                @for finding in findings {
                    div class="one" id=[finding_anchor(report, &finding.id)] {
                        @if findings.len() > 1 { h3 class="object" { code { (words::object(report, finding)) } } }
                        (story(finding))
                        @if let Some(cause) = &finding.caused_by {
                            p class="because" {
                                "Goes away with "
                                @if let Some(anchor) = finding_anchor(report, cause) { a href=(format!("#{anchor}")) { code { (line(&cause.0)) } } }
                                @else { code { (line(&cause.0)) } }
                            }
                        }
                    }
                }
                (explanation(code, texts))
            }
        }
    }
}
