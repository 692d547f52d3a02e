//! A drill's report as one self-contained HTML page: what was found, the table, each fault's numbers, and a timeline a round. No script, no network, escaping by
//! construction, light and dark, printable. Pure.

use maud::{Markup, html};

use super::words;
use super::{CandidateReport, Cell, DrillFinding, DrillReport, FaultReport, RoundReport};
use crate::report::html::{fact, mark, shell};
use crate::report::words::verdict_name;
use crate::sanitise::line;

mod timeline;

const STYLE: &str = include_str!("html/drill.css");

/// The page, as UTF-8.
pub fn html(report: &DrillReport) -> Vec<u8> {
    let title = format!(
        "{} · drill of {} · k8sverify",
        words::verdict_word(report.verdict),
        line(&report.namespace)
    );
    let body = html! {
        header class=(verdict_name(report.verdict)) { (head(report)) }
        main {
            (findings(report))
            (table(report))
            @for (index, candidate) in report.candidates.iter().enumerate() { (section(index, candidate)) }
            (notes(report))
        }
    };
    shell(&title, STYLE, None, &body)
}

fn head(report: &DrillReport) -> Markup {
    let limits: Vec<String> = report
        .limits
        .iter()
        .map(|(metric, most)| {
            let most = crate::drill::judge::amount(*metric, *most);
            format!("{} at most {most}", metric.title())
        })
        .collect();
    html! {
        div class="wide" {
            h1 { span aria-hidden="true" { (mark(report.verdict)) } " " (words::sentence(report)) }
            dl class="facts" {
                (fact("namespace", &report.namespace))
                @if !report.cluster.is_empty() { (fact("cluster", &report.cluster)) }
                (fact("run", &report.run))
                (fact("started", &report.started_at))
                (fact("took", &crate::drill::judge::amount(crate::drill::model::Metric::WriteDown, report.duration_ms)))
                (fact("seed", &report.seed.to_string()))
                (fact("exit code", &report.exit_code.to_string()))
                (fact("limits", &if limits.is_empty() { "recovers".to_owned() } else { format!("recovers, {}", limits.join(", ")) }))
                (fact("k8sverify", &report.tool_version))
            }
            nav aria-label="contents" {
                @for (index, candidate) in report.candidates.iter().enumerate() {
                    a href=(format!("#candidate-{index}")) { (line(&candidate.name)) }
                }
            }
        }
    }
}

fn findings(report: &DrillReport) -> Markup {
    let causes: Vec<&DrillFinding> = words::causes(report).collect();
    html! {
        @if !causes.is_empty() {
            section id="findings" {
                h2 { "What was found" }
                @for finding in causes {
                    article class={ "finding " (finding.severity.to_string()) } {
                        h3 { code { (finding.code.name()) } " " (line(&finding.object)) }
                        p class="message" { (line(&finding.message)) }
                        ul class="evidence" { @for seen in &finding.evidence { li { (line(seen)) } } }
                        @if let Some(fix) = &finding.fix { p { b { "What to do: " } (line(&fix.text)) } }
                        @let follows = words::consequences(report, finding);
                        @if !follows.is_empty() {
                            p class="soft" { "It brings about:" }
                            ul { @for other in follows { li { code { (other.code.name()) } " " (line(&other.message)) } } }
                        }
                    }
                }
            }
        }
    }
}

fn table(report: &DrillReport) -> Markup {
    html! {
        section id="table" {
            h2 { "Candidates" }
            div class="card scroll" tabindex="0" role="group" aria-label="the candidates, scrolls" {
                table class="marks" {
                    thead { tr { td {} @for candidate in &report.candidates { th scope="col" { (line(&candidate.name)) } } } }
                    tbody {
                        @for (name, cells) in words::rows(report) {
                            tr class=[(name == "overall").then_some("overall")] {
                                th scope="row" { (name) }
                                @for cell in cells { (table_cell(cell)) }
                            }
                        }
                    }
                }
            }
            p class="soft legend" { "◎ best · ○ good · △ fair · × bad · ? could not be measured · – not asked, or does not apply. Each cell's rule stands in its tooltip; limits alone decide the exit code." }
            p class="soft legend key" { "In the timelines:" span { "acknowledged" } span class="refused" { "refused (a member: not joined)" } span class="unknown" { "of unknown outcome (a member: no answer)" } span class="blind" { "nothing is known" } }
        }
    }
}

fn table_cell(cell: Option<&Cell>) -> Markup {
    let Some(cell) = cell else {
        return html! { td { "–" } };
    };
    html! {
        td title=(line(&cell.rule)) {
            span class={ "mark " (cell.mark.word()) } role="img" aria-label=(cell.mark.word()) { (cell.mark.sign()) }
            @if !cell.text.is_empty() { " " span class="text" { (line(&cell.text)) } }
        }
    }
}

fn section(index: usize, candidate: &CandidateReport) -> Markup {
    html! {
        section id=(format!("candidate-{index}")) {
            h2 { (line(&candidate.name)) }
            dl class="facts" {
                (fact("namespace", &candidate.namespace))
                (fact("writes go to", &candidate.write))
                (fact("members", &candidate.members.join(", ")))
                @if !candidate.volumes.is_empty() { (fact("data lies in", &candidate.volumes.join(", "))) }
                @if !candidate.left_behind.is_empty() { (fact("left behind", &candidate.left_behind.join(", "))) }
            }
            @for refusal in &candidate.refusals { p class="refusal" { "Not drilled: " (line(refusal)) } }
            @for (name, sql) in [("Init SQL", &candidate.init_sql), ("Workload", &candidate.workload)] {
                @if let Some(sql) = sql {
                    @if !sql.detail.is_empty() {
                        details {
                            summary { (name) ": " (sql.required + sql.real + sql.cosmetic) " of " (sql.statements) " refused" }
                            ul class="evidence" { @for each in &sql.detail { li { (line(each)) } } }
                        }
                    }
                }
            }
            @for fault in &candidate.faults { (fault_card(fault)) }
        }
    }
}

fn fault_card(fault: &FaultReport) -> Markup {
    html! {
        article class="card fault" {
            h3 { (words::fault_line(fault)) }
            div class="halves" {
                table class="numbers" {
                    caption class="unseen" { "minimum, median, maximum over the rounds" }
                    tbody {
                        @for (metric, spread) in words::known(fault) {
                            tr { th scope="row" { (metric.title()) } td { (words::spread(metric, spread)) } }
                        }
                    }
                }
                div {
                    ul class="limits" {
                        @for limit in &fault.limits {
                            li class=(verdict_name(limit.status)) { span aria-hidden="true" { (mark(limit.status)) } " " (line(&limit.detail)) }
                        }
                    }
                    @if let Some(not) = &fault.not_excluded { p class="soft" { (line(not)) "." } }
                }
            }
            @for round in &fault.rounds { (round_card(round)) }
        }
    }
}

fn round_card(round: &RoundReport) -> Markup {
    let victims = round.victims.join(", ");
    let result = &round.result;
    html! {
        details class="round" open {
            summary { "Round " (round.number) " · " @if !victims.is_empty() { (line(&victims)) " · " } (line(&round.ended)) }
            p class="soft" {
                (result.acked) " writes acknowledged, " (result.refused) " refused, " (result.unknown) " of unknown outcome"
                @for (place, lanes) in &result.lost {
                    " · absent at the " (line(place)) ": "
                    @for (lane, seqs) in lanes { (line(lane)) " " (seqs.to_string()) " " }
                }
            }
            @if let Some(picture) = &round.picture { (timeline::timeline(picture, &result.blind)) }
        }
    }
}

fn notes(report: &DrillReport) -> Markup {
    html! {
        @if !report.notes.is_empty() {
            section id="notes" {
                h2 { "Notes" }
                ul class="card notes" { @for note in &report.notes { li { (line(note)) } } }
            }
        }
    }
}
