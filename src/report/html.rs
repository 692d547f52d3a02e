//! The report as one self-contained HTML page: the tier graph drawn, causes, every edge and finding with filter and search, light and dark, printable. No
//! network, escaping by construction. Pure.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::sanitise::{clean, line};
use super::{EdgeReport, FindingReport, Report, StepReport, TierReport, VerdictValue};
use crate::finding::Severity;
use crate::graph::Confidence;
use crate::graph::svg::{Arrow, Node, draw};
use crate::observe::Observed;
use crate::probe::wire::StepStatus;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The page, as UTF-8.
#[must_use]
pub fn render(report: &Report) -> Vec<u8> {
    let title = format!(
        "k8sverify {} · {} · {}",
        verdict_word(report.verdict),
        report.namespace,
        report.cluster
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
                title { (line(&title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(report))
                main {
                    section id="graph" { h2 { "Tiers" } div class="scroll" tabindex="0" { (picture(report)) } (legend()) }
                    (causes(report))
                    (edges(report))
                    (others(report))
                    (tiers(report))
                    (about(report))
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string().into_bytes()
}

const fn verdict_word(verdict: VerdictValue) -> &'static str {
    match verdict {
        VerdictValue::Pass => "verified",
        VerdictValue::Fail => "unhealthy",
        VerdictValue::Unknown => "could not verify",
    }
}

const fn verdict_class(verdict: VerdictValue) -> &'static str {
    match verdict {
        VerdictValue::Pass => "pass",
        VerdictValue::Fail => "fail",
        VerdictValue::Unknown => "unknown",
    }
}

const fn status_class(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pass => "pass",
        StepStatus::Fail => "fail",
        StepStatus::Unknown => "unknown",
        StepStatus::Skipped => "skipped",
    }
}

fn head(report: &Report) -> Markup {
    let edges = &report.summary.edges;
    let input = if report.input.is_empty() {
        "the cluster".to_owned()
    } else {
        report.input.join(" + ")
    };
    html! {
        header class=(verdict_class(report.verdict)) {
            h1 { (verdict_word(report.verdict)) span class="exit" { "exit " (report.exit_code) } }
            p {
                "cluster " b { (line(&report.cluster)) } " · namespace " b { (line(&report.namespace)) } " · graph from " b { (line(&input)) } " · "
                time datetime=(report.started_at) { (report.started_at) } " · " (format!("{}.{} s", report.duration_ms / 1000, report.duration_ms % 1000 / 100))
                " · k8sverify " (report.tool_version)
            }
            p class="counts" {
                span class="pass" { (edges.pass) " pass" } span class="fail" { (edges.fail) " fail" } span class="unknown" { (edges.unknown) " unknown" }
                span class="skipped" { (edges.skipped) " skipped" }
                span { (report.summary.findings.error) " errors, " (report.summary.findings.warning) " warnings" }
            }
        }
    }
}

fn picture(report: &Report) -> Markup {
    let mut names: Vec<&str> = report.tiers.iter().map(|tier| tier.name.as_str()).collect();
    for edge in &report.edges {
        for name in [&edge.from, &edge.to] {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let position: std::collections::BTreeMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (*name, index))
        .collect();
    let nodes: Vec<Node> = names.iter().map(|name| node(report, name)).collect();
    let arrows: Vec<Arrow> = report
        .edges
        .iter()
        .enumerate()
        .map(|(index, edge)| Arrow {
            from: position[edge.from.as_str()],
            to: position[edge.to.as_str()],
            label: format!("{} {}", edge.port, edge.protocol),
            class: format!(
                "{}{}",
                status_class(edge.status),
                if edge.confidence == Confidence::Weak {
                    " weak"
                } else {
                    ""
                }
            ),
            title: arrow_title(edge),
            target: format!("edge-{index}"),
        })
        .collect();
    draw(&nodes, &arrows, "")
}

fn node(report: &Report, name: &str) -> Node {
    let Some(tier) = report.tiers.iter().find(|tier| tier.name == name) else {
        return Node {
            name: line(name),
            note: "outside".to_owned(),
            class: "outside".to_owned(),
            title: String::new(),
        };
    };
    let bad = report.edges.iter().any(|edge| {
        edge.to == name && edge.status == StepStatus::Fail && edge.confidence != Confidence::Weak
    });
    let class = if bad {
        "fail"
    } else if tier.pods.ready < tier.pods.wanted {
        "warn"
    } else {
        ""
    };
    Node {
        name: line(name),
        note: if tier.workloads.is_empty() {
            "no workload".to_owned()
        } else {
            format!("{}/{} ready", tier.pods.ready, tier.pods.wanted)
        },
        class: class.to_owned(),
        title: line(&format!("{}: {}", tier.name, tier.workloads.join(", "))),
    }
}

fn arrow_title(edge: &EdgeReport) -> String {
    let mut text = format!(
        "{} reaches {}:{} by {}: {}, depth {}",
        edge.from,
        edge.host,
        edge.port,
        edge.protocol,
        status_class(edge.status),
        edge.depth.name()
    );
    if let Some(cause) = &edge.cause {
        text += &format!("\n{cause}");
    }
    for step in edge.steps.iter().take(12) {
        text += &format!(
            "\n{} {} {} {}",
            status_class(step.status),
            step_name(step),
            step.target,
            step.detail
        );
    }
    clean(&text)
}

fn step_name(step: &StepReport) -> String {
    serde_json::to_value(step.name)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn legend() -> Markup {
    html! {
        p class="legend" {
            @for (class, text) in [("pass", "works"), ("fail", "fails"), ("unknown", "unknown"), ("skipped", "not asked"), ("weak", "depends_on only")] {
                span class=(class) { (text) }
            }
        }
    }
}

fn causes(report: &Report) -> Markup {
    let causes: Vec<&FindingReport> = report
        .findings
        .iter()
        .filter(|finding| {
            finding.severity == Severity::Error && finding.caused_by.is_none() && !finding.ignored
        })
        .collect();
    html! {
        @if !causes.is_empty() {
            section id="causes" {
                h2 { "What to fix" }
                @for finding in causes { (finding_block(report, finding, true)) }
            }
        }
    }
}

fn finding_block(report: &Report, finding: &FindingReport, open: bool) -> Markup {
    let severity = finding.severity.to_string();
    html! {
        details class=(format!("finding {severity}")) open[open] data-text=(search_text(&[&finding.id.0, &finding.message])) {
            summary {
                span class=(format!("badge {severity}")) { (severity) } " " b { (finding.code.name()) } " " code { (line(&finding.object)) }
                @if !finding.namespace.is_empty() && finding.namespace != report.namespace { code { "@" (line(&finding.namespace)) } }
                @if finding.ignored { span class="badge" { "ignored" } }
            }
            p { (clean(&finding.message)) }
            @if let Some(cause) = &finding.caused_by { p { "Follows from " code { (line(&cause.0)) } } }
            @if !finding.edges.is_empty() {
                p { "Breaks " @for (index, edge) in finding.edges.iter().enumerate() { @if index > 0 { ", " } code { (line(&edge.0)) } } }
            }
            @if !finding.evidence.is_empty() { ul class="evidence" { @for evidence in &finding.evidence { li { (clean(evidence)) } } } }
            @if let Some(fix) = &finding.fix {
                p class="fix" { b { "Fix: " } (clean(&fix.text)) }
                @if let Some(command) = &fix.command { pre { (clean(command)) } }
                @if let Some(manifest) = &fix.manifest { pre { (clean(manifest)) } }
            }
        }
    }
}

/// What the search looks through.
fn search_text(parts: &[&str]) -> String {
    line(&parts.join(" ")).to_lowercase()
}

fn edges(report: &Report) -> Markup {
    html! {
        section id="edges" {
            h2 { "Edges" }
            form class="filter" {
                input type="search" id="search" placeholder="search edges and findings" aria-label="search edges and findings";
                @for status in ["pass", "fail", "unknown", "skipped"] {
                    label { input type="checkbox" name="status" value=(status) checked; " " (status) }
                }
                output id="shown" {}
            }
            div class="table" role="list" {
                @for (index, edge) in report.edges.iter().enumerate() { (edge_block(edge, index)) }
            }
            @if report.edges.is_empty() { p { "There is no edge." } }
        }
    }
}

fn edge_block(edge: &EdgeReport, index: usize) -> Markup {
    let status = status_class(edge.status);
    let cause = edge.cause.as_ref().map_or_else(
        || edge.reason.clone().unwrap_or_default(),
        |cause| cause.0.clone(),
    );
    let milliseconds: u64 = edge
        .steps
        .iter()
        .filter(|step| step.endpoint.is_none())
        .map(|step| step.duration_ms)
        .sum();
    html! {
        details id=(format!("edge-{index}")) role="listitem" class=(format!("edge {status}")) data-status=(status) data-text=(search_text(&[&edge.id.0, &edge.host, &cause])) {
            summary {
                span class=(format!("badge {status}")) { (status) }
                span class="name" { (line(&edge.from)) " → " (line(&edge.to)) }
                span class="address" { (line(&edge.host)) ":" (edge.port) " " (edge.protocol.name()) }
                span class="depth" { (edge.depth.name()) }
                span class="time" { (milliseconds) " ms" }
                span class="cause" { (line(&cause)) @if edge.confidence == Confidence::Weak { " (depends_on only)" } @if edge.optional { " (optional)" } }
            }
            p class="origin" { "Known from " (line(&edge.origin.join(", "))) }
            table {
                thead { tr { th { "step" } th { "asked" } th { "from" } th { "result" } th { "ms" } } }
                tbody { @for step in &edge.steps { (step_row(step)) } }
            }
        }
    }
}

fn step_row(step: &StepReport) -> Markup {
    let from = step.vantage.as_ref().map_or(String::new(), |vantage| {
        format!(
            "{}{}",
            vantage.node,
            vantage
                .look
                .as_ref()
                .map_or(String::new(), |look| format!(" ({look})"))
        )
    });
    let asked = step
        .endpoint
        .as_ref()
        .filter(|endpoint| **endpoint != step.target)
        .map_or_else(
            || step.target.clone(),
            |endpoint| format!("{} on {endpoint}", step.target),
        );
    html! {
        tr class=(status_class(step.status)) {
            td { (step_name(step)) } td { code { (line(&asked)) } } td { (line(&from)) } td { (status_class(step.status)) " " (clean(&step.detail)) } td class="number" { (step.duration_ms) }
        }
    }
}

fn others(report: &Report) -> Markup {
    let others: Vec<&FindingReport> = report
        .findings
        .iter()
        .filter(|finding| {
            finding.severity != Severity::Error || finding.caused_by.is_some() || finding.ignored
        })
        .collect();
    html! {
        @if !others.is_empty() {
            section id="findings" {
                h2 { "Consequences and warnings" }
                @for finding in others { (finding_block(report, finding, false)) }
            }
        }
    }
}

fn tiers(report: &Report) -> Markup {
    html! {
        section id="tiers" {
            h2 { "Tiers, Pods and names" }
            div class="scroll" { table {
                thead { tr { th { "tier" } th { "workloads" } th { "Services" } th { "Pods ready" } th { "names" } } }
                tbody { @for tier in &report.tiers { (tier_row(tier)) } }
            } }
        }
    }
}

fn tier_row(tier: &TierReport) -> Markup {
    html! {
        tr {
            td { b { (line(&tier.name)) } } td { (line(&tier.workloads.join(", "))) } td { (line(&tier.services.join(", "))) }
            td { (tier.pods.ready) "/" (tier.pods.wanted) }
            td { @for name in &tier.names { span class=(format!("badge {}", status_class(name.status))) { (line(&name.name)) } " " (line(&name.detail)) br; } }
        }
    }
}

fn about(report: &Report) -> Markup {
    let unseen: Vec<&str> = report
        .observed
        .iter()
        .filter(|(_, observed)| **observed == Observed::Forbidden)
        .map(|(name, _)| name.as_str())
        .collect();
    html! {
        @if !report.notes.is_empty() || !report.outside.is_empty() || !unseen.is_empty() || !report.severity_overrides.is_empty() {
            section id="notes" {
                h2 { "Notes" }
                ul {
                    @for note in &report.notes { li { (clean(note)) } }
                    @for outside in &report.outside { li { "outside, not checked: " (line(outside)) } }
                    @if !unseen.is_empty() { li { "not observed (forbidden): " (unseen.join(", ")) } }
                    @for (code, severity) in &report.severity_overrides { li { "severity of " code { (code) } " changed to " (severity) " by the user's file" } }
                    @if report.fail_on != Severity::Error { li { "fails on " (report.fail_on.to_string()) } }
                }
            }
        }
    }
}
