//! The report as one self-contained HTML page: what to fix first, the tier graph drawn, every edge and finding with filter and search, light and dark,
//! printable. No network, escaping by construction; without a script everything is still there and opens by itself. Pure.

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::words::{self, count};
use super::{EdgeCounts, Report, VerdictValue};
use crate::finding::FindingId;
use crate::sanitise::{clean, line};

mod about;
mod edges;
mod findings;
mod graph;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The page, as UTF-8.
pub fn render(report: &Report) -> Vec<u8> {
    let title = format!(
        "{} · {} · k8sverify",
        words::verdict_word(report),
        line(&report.namespace)
    );
    let body = html! {
        (head(report))
        main {
            (findings::causes(report))
            (graph::section(report))
            (edges::section(report))
            (about::entries(report))
            (findings::others(report))
            (about::tiers(report))
            (about::notes(report))
        }
    };
    page(&title, &body)
}

/// A page with the style and the script of `verify` around its body.
pub(in crate::report) fn page(title: &str, body: &Markup) -> Vec<u8> {
    shell(title, STYLE, Some(SCRIPT), body)
}

/// A page that runs its own style and script and nothing else, whatever a cluster writes into it.
pub(in crate::report) fn shell(
    title: &str,
    style: &str,
    script: Option<&str>,
    body: &Markup,
) -> Vec<u8> {
    let scripts = script.map_or_else(String::new, |script| {
        format!(" script-src 'sha256-{}';", digest(script))
    });
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}';{scripts} base-uri 'none'; form-action 'none'",
        digest(style)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy);
                // Without an icon of its own a browser asks the server for one.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(style)) }
            }
            body {
                (body)
                @if let Some(script) = script {
                    div id="tip" role="tooltip" hidden {}
                    script { (PreEscaped(script)) }
                }
            }
        }
    };
    // Whatever place of the page a text stands in, attributes as well: what a reader does not see is shown.
    clean(&page.into_string()).into_bytes()
}

fn digest(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(digest.as_ref())
}

fn head(report: &Report) -> Markup {
    let input = if report.input.is_empty() {
        "the cluster".to_owned()
    } else {
        report.input.join(" + ")
    };
    let sentence = words::sentence(report);
    let (word, rest) = sentence.split_once(": ").unwrap_or((&sentence, ""));
    html! {
        header class=(words::verdict_name(report.verdict)) {
            div class="wide" {
                h1 { span class="mark" aria-hidden="true" { (mark(report.verdict)) } (word) span class="rest" { (rest) } }
                @if let Some(note) = words::interruption(report) { p class="stopped" { (line(note)) } }
                dl class="facts" {
                    (fact("namespace", &report.namespace))
                    @if !report.cluster.is_empty() { (fact(words::place(report), &report.cluster)) }
                    (fact("graph from", &input))
                    div { dt { "started" } dd { time datetime=(line(&report.started_at)) { (line(&report.started_at)) } } }
                    (fact("took", &words::seconds(report.duration_ms)))
                    (fact("exit code", &report.exit_code.to_string()))
                    (fact("k8sverify", &report.tool_version))
                }
                (counts(report))
                (contents(report))
            }
        }
    }
}

pub(in crate::report) const fn mark(verdict: VerdictValue) -> &'static str {
    match verdict {
        VerdictValue::Pass => "✔",
        VerdictValue::Fail => "✗",
        VerdictValue::Unknown => "?",
    }
}

pub(in crate::report) fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (line(value)) } } }
}

/// A bar with the share of each status.
fn counts(report: &Report) -> Markup {
    let edges = EdgeCounts::of(&report.edges);
    let aside = [("weak", edges.weak), ("optional", edges.optional)];
    let all = [
        ("pass", edges.pass),
        ("fail", edges.fail),
        ("unknown", edges.unknown),
        ("skipped", edges.skipped),
    ];
    let whole: usize = all.iter().map(|(_, number)| number).sum();
    let mut from = 0;
    let parts: Vec<(&str, usize, usize)> = all
        .into_iter()
        .map(|(status, number)| {
            let start = from;
            from += number;
            (status, start, number)
        })
        .collect();
    html! {
        div class="counts" {
            @if whole > 0 {
                svg class="share" viewBox=(format!("0 0 {whole} 1")) preserveAspectRatio="none" aria-hidden="true" {
                    @for (status, start, number) in &parts {
                        @if *number > 0 { rect class=(status) x=(start) y="0" width=(number) height="1" {} }
                    }
                }
            }
            p {
                @for (status, _, number) in &parts { span class=(if *number > 0 { *status } else { "none" }) { b { (number) } " " (status) } }
                @for (what, number) in aside { @if number > 0 { span class="none" { b { (number) } " " (what) } } }
                span class="none" { (count(report.summary.findings.error, "error")) ", " (count(report.summary.findings.warning, "warning")) }
            }
        }
    }
}

fn contents(report: &Report) -> Markup {
    let causes = words::causes(report).count();
    let others = findings::others_count(report);
    html! {
        nav aria-label="contents" {
            @if causes > 0 { a href="#causes" { "Causes " span { (causes) } } }
            @if !report.edges.is_empty() {
                a href="#graph" { "Graph" }
                a href="#edges" { "Edges " span { (EdgeCounts::of(&report.edges).firm()) } }
            }
            @if others > 0 { a href="#findings" { "More findings " span { (others) } } }
            @if !report.tiers.is_empty() { a href="#tiers" { "Tiers " span { (report.tiers.len()) } } }
            @if about::has_notes(report) { a href="#notes" { "Notes" } }
        }
    }
}

/// The id of a finding's card.
fn finding_anchor(report: &Report, id: &FindingId) -> Option<String> {
    report
        .findings
        .iter()
        .position(|finding| finding.id == *id)
        .map(|index| format!("finding-{index}"))
}

/// Text in which what stands between backquotes is code.
fn prose(text: &str) -> Markup {
    let text = clean(text);
    let parts: Vec<&str> = text.split('`').collect();
    // A backquote without its partner is a backquote.
    if parts.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (index, part) in parts.iter().enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// What the search looks through.
fn search_text(parts: &[&str]) -> String {
    line(&parts.join(" ")).to_lowercase()
}
