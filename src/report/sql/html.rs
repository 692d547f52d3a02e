//! As one self-contained HTML page. Pure.

use maud::{Markup, html};

use super::{
    QueryReport, SqlFinding, SqlReport, SqlStatus, StatementReport, class, place, sentence, way,
    words,
};
use crate::report::html::page;
use crate::report::words::{seconds, verdict_name};
use crate::sanitise::line;

/// The page, as UTF-8.
pub fn render(report: &SqlReport) -> Vec<u8> {
    let title = format!(
        "{} · sql {} · k8sverify",
        verdict_name(report.verdict),
        line(&report.candidate)
    );
    let body = html! {
        (head(report))
        main {
            @if !report.findings.is_empty() {
                section id="causes" { h2 { "What is wrong" } @for finding in &report.findings { (card(finding)) } }
            }
            @for file in &report.files {
                section {
                    h2 { (line(&file.name)) }
                    div class="card scroll" tabindex="0" role="group" aria-label="the statements, scrolls" { table {
                        thead { tr { th scope="col" { "line" } th scope="col" { "status" } th scope="col" { "statement" } th scope="col" { "class, and what the server said" } th scope="col" { "ms" } } }
                        tbody { @for statement in &file.statements { (row(statement)) } }
                    } }
                    @if let Some(stops) = file.stops_at { p class="hint" { "The client without --force stops at line " (stops) "." } }
                    @for remark in &file.remarks { p class="hint" { (line(remark)) } }
                }
            }
            @if !report.workload.is_empty() {
                section {
                    h2 { "Workload" }
                    div class="card scroll" tabindex="0" role="group" aria-label="the workload, scrolls" { table {
                        thead { tr { th scope="col" { "query" } th scope="col" { "status" } th scope="col" { "statement" } th scope="col" { "outside a transaction" } th scope="col" { "inside" } } }
                        tbody { @for query in &report.workload { (query_row(query)) } }
                    } }
                }
            }
            @if !report.members.is_empty() {
                section {
                    h2 { "Members" }
                    div class="card scroll" tabindex="0" role="group" aria-label="the members, scrolls" { table {
                        thead { tr { th scope="col" { "member" } th scope="col" { "address" } th scope="col" { "tables" } th scope="col" { "differences" } } }
                        tbody { @for member in &report.members { tr {
                            th scope="row" { @if member.name.is_empty() { "the run's address" } @else { (line(&member.name)) } }
                            td { (line(&member.address)) }
                            td { (member.tables) }
                            td { @if let Some(error) = &member.error { span class="unknown" { (line(error)) } } @for difference in &member.differences { div class="fail" { (line(difference)) } } }
                        } } }
                    } }
                }
            }
            @if !report.notes.is_empty() {
                section id="notes" { h2 { "Notes" } ul class="card notes" { @for note in &report.notes { li { (line(note)) } } } }
            }
        }
    };
    page(&title, &body)
}

fn head(report: &SqlReport) -> Markup {
    let sentence = sentence(report);
    let (word, rest) = sentence.split_once(": ").unwrap_or((&sentence, ""));
    let summary = &report.summary;
    html! {
        header class=(verdict_name(report.verdict)) {
            div class="wide" {
                h1 { (word) span class="rest" { (rest) } }
                dl class="facts" {
                    div { dt { "candidate" } dd { (line(&report.candidate)) } }
                    @for part in place(report) { div { dt { "\u{a0}" } dd { (line(&part)) } } }
                    div { dt { "started" } dd { (line(&report.started_at)) } }
                    div { dt { "took" } dd { (seconds(report.duration_ms)) } }
                    div { dt { "exit code" } dd { (report.exit_code) } }
                }
                div class="counts" { p {
                    span class="pass" { b { (summary.accepted) } " accepted" }
                    span class=(if summary.refused > 0 { "fail" } else { "none" }) { b { (summary.refused) } " refused" }
                    span class="none" { b { (summary.cosmetic) } " cosmetic, " b { (summary.not_run) } " not run, " b { (summary.unknown) } " without an answer" }
                } }
            }
        }
    }
}

fn card(finding: &SqlFinding) -> Markup {
    html! {
        details class=(format!("finding {}", finding.severity)) open {
            summary { span class="title" { b { (finding.code.name()) } code { (line(&finding.object)) } } }
            div class="body" {
                p class="message" { (line(&finding.message)) }
                h3 { "seen" }
                ul class="evidence" { @for evidence in &finding.evidence { li { (line(evidence)) } } }
                h3 { "to do" }
                p { (line(&finding.fix)) }
            }
        }
    }
}

fn badge(status: SqlStatus) -> Markup {
    let tone = match status {
        SqlStatus::Accepted => "pass",
        SqlStatus::Refused => "fail",
        SqlStatus::Cosmetic | SqlStatus::Unknown => "unknown",
        SqlStatus::NotRun => "skipped",
    };
    html! { span class=(format!("badge {tone}")) { (status.name()) } }
}

fn row(statement: &StatementReport) -> Markup {
    let said = &statement.said;
    html! {
        tr {
            td { (statement.line) }
            td { (badge(statement.status)) }
            td { code { (line(&statement.shown)) } }
            td {
                @if matches!(statement.status, SqlStatus::Refused | SqlStatus::Cosmetic) { b { (class(said)) } " " }
                (line(&words(said)))
                @if said.warnings > 0 { span class="unknown" { (said.warnings) " warnings" } }
            }
            td class="number" { (said.duration_ms) }
        }
    }
}

fn query_row(query: &QueryReport) -> Markup {
    html! {
        tr {
            th scope="row" { (line(&query.name)) @if query.required { span class="tag" { "required" } } }
            td { (badge(query.status)) }
            td { code { (line(&query.shown)) } }
            td { (line(&way(&query.outside))) }
            td { (line(&way(&query.inside))) }
        }
    }
}
