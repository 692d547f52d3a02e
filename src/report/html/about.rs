//! The tiers with their Pods and names, and what else a reader should know. Pure.

use maud::{Markup, html};

use crate::report::words::{self, status_name};
use crate::report::{Report, TierReport};
use crate::sanitise::line;

/// The table of the tiers.
pub(super) fn tiers(report: &Report) -> Markup {
    html! {
        @if !report.tiers.is_empty() {
            section id="tiers" {
                h2 { "Tiers" }
                div class="card scroll" { table class="stack" {
                    thead { tr { th scope="col" { "tier" } th scope="col" { "workloads" } th scope="col" { "Services" } th scope="col" { "Pods ready" } th scope="col" { "names" } } }
                    tbody { @for (index, tier) in report.tiers.iter().enumerate() { (row(tier, index)) } }
                } }
            }
        }
    }
}

fn row(tier: &TierReport, index: usize) -> Markup {
    let pods = &tier.pods;
    let class = if pods.ready < pods.wanted {
        "unknown"
    } else {
        ""
    };
    html! {
        tr id=(format!("tier-{index}")) {
            th scope="row" { (line(&tier.name)) }
            td data-label="workloads" { @for workload in &tier.workloads { code { (line(workload)) } " " } @if tier.workloads.is_empty() { span class="soft" { "none" } } }
            td data-label="Services" { @for service in &tier.services { code { (line(service)) } " " } @if tier.services.is_empty() { span class="soft" { "none" } } }
            td class=(class) data-label="Pods ready" { (pods.ready) " of " (pods.wanted) }
            td data-label="names" { @for name in &tier.names { div { span class=(format!("badge {}", status_name(name.status))) { (line(&name.name)) } " " (line(&name.detail)) } } }
        }
    }
}

/// The table of the ways in from outside.
pub(super) fn entries(report: &Report) -> Markup {
    html! {
        @if !report.entries.is_empty() {
            section id="entries" {
                h2 { "Ways in from outside" }
                div class="card scroll" { table class="stack" {
                    thead { tr { th scope="col" { "way in" } th scope="col" { "to" } th scope="col" { "addresses" } th scope="col" { "status" } th scope="col" { "why" } } }
                    tbody { @for entry in &report.entries { tr {
                        th scope="row" { code { (line(&entry.id)) } }
                        td data-label="to" { (line(&entry.to)) }
                        td data-label="addresses" { @for address in &entry.addresses { code { (line(address)) } " " } }
                        td data-label="status" { span class=(format!("badge {}", status_name(entry.status))) { (status_name(entry.status)) } }
                        td data-label="why" { (line(&words::entry_reason(entry))) }
                    } } }
                } }
            }
        }
    }
}

/// Whether there is any note.
pub(super) fn has_notes(report: &Report) -> bool {
    !words::remarks(report).is_empty() || !report.outside.is_empty()
}

/// What else a reader should know: differences, limits, what the user's own file changed.
pub(super) fn notes(report: &Report) -> Markup {
    html! {
        @if has_notes(report) {
            section id="notes" {
                h2 { "Notes" }
                ul class="card notes" {
                    @for remark in words::remarks(report) { li { (remark) } }
                    @for outside in &report.outside { li { "outside, not checked: " (line(outside)) } }
                }
            }
        }
    }
}
