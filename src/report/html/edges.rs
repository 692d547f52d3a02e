//! The list of all edges: the worst first, each with its ladder, its time and, opened, every step. Pure.

use maud::{Markup, html};

use super::{finding_anchor, search_text};
use crate::graph::Origin;
use crate::probe::wire::{StepName, StepStatus};
use crate::report::words::{self, deciding, short_error, status_name, step_name};
use crate::report::{EdgeReport, Report, StepReport};
use crate::sanitise::line;

/// Width of the bar that stands for the slowest time, in pixels.
const BAR: f64 = 60.0;

/// The section with filter and list.
pub(super) fn section(report: &Report) -> Markup {
    let mut order: Vec<(usize, &EdgeReport)> = report.edges.iter().enumerate().collect();
    order.sort_by_key(|(index, edge)| (rank(edge.status), !words::is_firm(edge), *index));
    let slowest = report
        .edges
        .iter()
        .map(words::milliseconds)
        .max()
        .unwrap_or(0);
    html! {
        @if !report.edges.is_empty() {
            section id="edges" {
                h2 { "Edges" }
                (filter(report))
                ul class="edges" { @for (index, edge) in order { (entry(report, edge, index, slowest)) } }
                p id="nothing" class="hint" hidden { "No edge matches." }
            }
        }
    }
}

const fn rank(status: StepStatus) -> u8 {
    match status {
        StepStatus::Fail => 0,
        StepStatus::Unknown => 1,
        StepStatus::Skipped => 2,
        StepStatus::Pass => 3,
    }
}

/// Hidden until the script shows it: without one it would do nothing.
fn filter(report: &Report) -> Markup {
    let is_there = |status| report.edges.iter().any(|edge| edge.status == status);
    let statuses = [
        StepStatus::Fail,
        StepStatus::Unknown,
        StepStatus::Skipped,
        StepStatus::Pass,
    ];
    html! {
        form class="filter" role="search" hidden {
            input type="search" id="search" placeholder="Search edges and findings  ( / )" aria-label="search edges and findings" autocomplete="off" spellcheck="false";
            fieldset {
                legend class="unseen" { "status" }
                @for status in statuses.into_iter().filter(|status| is_there(*status)).map(status_name) {
                    label class=(status) { input type="checkbox" name="status" value=(status) checked; span { (status) } }
                }
            }
            label class="sort" { "sort by "
                select id="sort" { option value="status" { "status" } option value="name" { "name" } option value="time" { "time" } }
            }
            button type="button" id="tier" hidden {}
            button type="button" id="unfold" { "open all" }
            output id="shown" aria-live="polite" {}
        }
    }
}

fn entry(report: &Report, edge: &EdgeReport, index: usize, slowest: u64) -> Markup {
    let status = status_name(edge.status);
    let because = words::because(edge);
    let time = words::milliseconds(edge);
    let text = search_text(&[&edge.id.0, &edge.host, &because, status]);
    html! {
        li class=(format!("edge {status}")) data-status=(status) data-time=(time) data-from=(line(&edge.from)) data-to=(line(&edge.to)) data-text=(text) {
            details id=(format!("edge-{index}")) {
                summary {
                    span class=(format!("badge {status}")) { (status) }
                    span class="name" { (line(&edge.from)) span class="to" { " → " } (line(&edge.to)) }
                    span class="address" { (line(&edge.host)) ":" (edge.port) " " span { (edge.protocol.name()) } }
                    (ladder(edge))
                    (time_bar(time, slowest))
                    @if !because.is_empty() || !words::is_firm(edge) || edge.forbidden { span class="cause" { (cause(edge, &because)) } }
                }
                div class="body" { (steps(report, edge)) }
            }
        }
    }
}

fn cause(edge: &EdgeReport, because: &str) -> Markup {
    html! {
        (because)
        @if let Some(why) = words::aside(edge) { span class="tag" { (why) } }
        @if edge.forbidden { span class="tag" { "must not work" } }
    }
}

/// The steps as marks: what was proven, and where it ended.
fn ladder(edge: &EdgeReport) -> Markup {
    let names = [
        StepName::Dns,
        StepName::Service,
        StepName::Endpoint,
        StepName::Tls,
        StepName::Protocol,
        StepName::Login,
        StepName::Query,
    ];
    html! {
        span class="ladder" {
            @for name in names {
                @if let Some(step) = deciding(edge, name) {
                    span class=(status_name(step.status)) title=(line(&format!("{}: {} {}", step_name(name), status_name(step.status), step.detail))) { (step_label(edge, name, step)) }
                }
            }
        }
    }
}

fn step_label(edge: &EdgeReport, name: StepName, step: &StepReport) -> String {
    match (name, words::endpoints(edge), step.status) {
        (StepName::Endpoint, Some((good, all)), _) => format!("pods {good}/{all}"),
        (_, _, StepStatus::Fail | StepStatus::Unknown) => {
            format!("{} {}", step_name(name), short_error(step))
        }
        _ => step_name(name).to_owned(),
    }
}

/// Milliseconds, and a bar beside those of the other edges.
fn time_bar(time: u64, slowest: u64) -> Markup {
    html! {
        span class="time" {
            (bar(time, slowest))
            span { (time) " ms" }
        }
    }
}

fn bar(time: u64, slowest: u64) -> Markup {
    let number = |value: u64| u32::try_from(value).map_or(f64::from(u32::MAX), f64::from);
    let width = if slowest == 0 {
        0.0
    } else {
        (number(time) / number(slowest) * BAR).max(1.0)
    };
    html! {
        svg class="bar" width=(BAR) height="6" aria-hidden="true" { rect width=(format!("{width:.1}")) height="6" rx="2" {} }
    }
}

fn steps(report: &Report, edge: &EdgeReport) -> Markup {
    let slowest = edge
        .steps
        .iter()
        .map(|step| step.duration_ms)
        .max()
        .unwrap_or(0);
    let several = edge.steps.iter().any(|step| step.vantage.is_some());
    html! {
        @if let Some(cause) = &edge.cause {
            p class="because" {
                "Cause: "
                @if let Some(anchor) = finding_anchor(report, cause) { a href=(format!("#{anchor}")) { code { (line(&cause.0)) } } }
                @else { code { (line(&cause.0)) } }
            }
        }
        @if let Some(reason) = &edge.reason { p class="because" { (line(reason)) } }
        @if let Some(guess) = words::guess(edge) { p class="because" { (guess) ": no more than the connection counts" } }
        p class="origin" { "Known from " (line(&Origin::list(&edge.origin))) ". Proven to depth " b { (edge.depth.name()) } "." }
        @if !edge.steps.is_empty() {
            div class="scroll" tabindex="0" role="group" aria-label="the steps, scrolls" {
                table class="steps" {
                    thead { tr { th scope="col" { "step" } th scope="col" { "asked" } @if several { th scope="col" { "from" } } th scope="col" { "result" } th scope="col" class="number" { "ms" } } }
                    tbody { @for step in &edge.steps { (step_row(step, slowest, several)) } }
                }
            }
        }
    }
}

fn step_row(step: &StepReport, slowest: u64, several: bool) -> Markup {
    let from = step.vantage.as_ref().map_or(String::new(), |vantage| {
        let look = vantage
            .look
            .as_ref()
            .map_or(String::new(), |look| format!(" ({look})"));
        format!("{}{look}", vantage.node)
    });
    let asked = step.at().map_or_else(
        || step.target.clone(),
        |endpoint| format!("{} on {endpoint}", step.target),
    );
    let status = status_name(step.status);
    html! {
        tr class=(status) {
            td { (step_name(step.name)) } td { code { (line(&asked)) } }
            @if several { td { (line(&from)) } }
            td { span class=(format!("badge {status}")) { (status) } " " (line(&step.detail)) }
            td class="number" { (bar(step.duration_ms, slowest)) " " (step.duration_ms) }
        }
    }
}
