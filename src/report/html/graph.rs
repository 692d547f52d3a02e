//! The drawing of the tiers: one arrow for each pair of tiers, coloured by the worst of its edges. Pure.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use crate::graph::Confidence;
use crate::graph::svg::{Arrow, Node, draw};
use crate::probe::wire::StepStatus;
use crate::report::words::{self, status_name, step_name};
use crate::report::{EdgeReport, Report};
use crate::sanitise::{clean, line};

/// Of more arrows than this only those are drawn that do not work: no reader finds one among hundreds.
const MOST_ARROWS: usize = 120;

/// The section with drawing and legend.
pub(super) fn section(report: &Report) -> Markup {
    let pairs = pairs(report);
    let not_passed = |pair: &&Pair<'_>| pair.worst(report).status != StepStatus::Pass;
    let few: Vec<&Pair<'_>> = pairs.iter().filter(not_passed).collect();
    let reduced = pairs.len() > MOST_ARROWS && !few.is_empty();
    let drawn: Vec<&Pair<'_>> = if reduced { few } else { pairs.iter().collect() };
    html! {
        @if !report.edges.is_empty() {
            section id="graph" {
                h2 { "Graph" }
                div class="card" {
                    div class="scroll" tabindex="0" role="group" aria-label="the tier graph, scrolls" { (picture(report, &drawn, reduced)) }
                    (legend(report))
                }
                @if reduced {
                    p class="hint" {
                        "Only what does not work is drawn: " (drawn.len()) " of " (pairs.len()) " arrows. All edges are in the list below."
                    }
                }
            }
        }
    }
}

/// The edges from one tier to another.
struct Pair<'a> {
    from: &'a str,
    to: &'a str,
    /// Indices of the report's edges, the worst first.
    edges: Vec<usize>,
}

impl Pair<'_> {
    fn worst<'r>(&self, report: &'r Report) -> &'r EdgeReport {
        &report.edges[self.edges[0]]
    }
}

fn pairs(report: &Report) -> Vec<Pair<'_>> {
    let mut pairs: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (index, edge) in report.edges.iter().enumerate() {
        pairs.entry((&edge.from, &edge.to)).or_default().push(index);
    }
    pairs
        .into_iter()
        .map(|((from, to), mut edges)| {
            edges.sort_by_key(|index| (severity_order(&report.edges[*index]), *index));
            Pair { from, to, edges }
        })
        .collect()
}

/// The worst first: what the verdict counts before what it does not.
fn severity_order(edge: &EdgeReport) -> u8 {
    match (edge.status, words::is_firm(edge)) {
        (StepStatus::Fail, true) => 0,
        (StepStatus::Unknown, true) => 1,
        (StepStatus::Fail, false) => 2,
        (StepStatus::Unknown, false) => 3,
        (StepStatus::Skipped, _) => 4,
        (StepStatus::Pass, _) => 5,
    }
}

fn picture(report: &Report, pairs: &[&Pair<'_>], reduced: bool) -> Markup {
    let touched: BTreeSet<&str> = pairs.iter().flat_map(|pair| [pair.from, pair.to]).collect();
    let known = report.tiers.iter().map(|tier| tier.name.as_str());
    let mut names: Vec<&str> = known
        .filter(|name| !reduced || touched.contains(name))
        .collect();
    let of_tiers: BTreeSet<&str> = names.iter().copied().collect();
    names.extend(touched.difference(&of_tiers));
    let position: BTreeMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (*name, index))
        .collect();
    let nodes: Vec<Node> = names.iter().map(|name| node(report, name)).collect();
    let arrows: Vec<Arrow> = pairs
        .iter()
        .map(|pair| arrow(report, pair, &position))
        .collect();
    draw(&nodes, &arrows, "", &[])
}

fn arrow(report: &Report, pair: &Pair<'_>, position: &BTreeMap<&str, usize>) -> Arrow {
    let worst = pair.worst(report);
    let tags: Vec<String> = pair.edges.iter().map(ToString::to_string).collect();
    let more = match pair.edges.len() {
        1 => String::new(),
        several => format!(" +{}", several - 1),
    };
    let titles: Vec<String> = pair
        .edges
        .iter()
        .take(6)
        .map(|index| title(&report.edges[*index]))
        .collect();
    Arrow {
        from: position[pair.from],
        to: position[pair.to],
        label: format!("{} {}{more}", worst.port, worst.protocol),
        class: format!(
            "{}{}",
            status_name(worst.status),
            if words::is_firm(worst) { "" } else { " weak" }
        ),
        title: titles.join("\n\n"),
        target: format!("edge-{}", pair.edges[0]),
        tag: tags.join(" "),
    }
}

/// What stands there without a script: the steps in words.
fn title(edge: &EdgeReport) -> String {
    let mut text = format!(
        "{} reaches {}:{} by {}: {}, depth {}",
        edge.from,
        edge.host,
        edge.port,
        edge.protocol,
        status_name(edge.status),
        edge.depth.name()
    );
    let because = words::because(edge);
    if !because.is_empty() {
        text += &format!("\n{because}");
    }
    for step in edge.steps.iter().take(8) {
        text += &format!(
            "\n{} {} {} {}",
            status_name(step.status),
            step_name(step.name),
            step.target,
            step.detail
        );
    }
    clean(&text)
}

fn node(report: &Report, name: &str) -> Node {
    let Some((index, tier)) = report
        .tiers
        .iter()
        .enumerate()
        .find(|(_, tier)| tier.name == name)
    else {
        return Node {
            name: line(name),
            note: "outside".to_owned(),
            class: "outside".to_owned(),
            ..Node::default()
        };
    };
    let reached: Vec<&EdgeReport> = report
        .edges
        .iter()
        .filter(|edge| edge.to == name && edge.confidence != Confidence::Weak)
        .collect();
    let any = |status| reached.iter().any(|edge| edge.status == status);
    let class = if any(StepStatus::Fail) {
        "fail"
    } else if tier.pods.ready < tier.pods.wanted || any(StepStatus::Unknown) {
        "warn"
    } else if any(StepStatus::Pass) {
        "pass"
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
        target: format!("tier-{index}"),
    }
}

/// Only what the drawing may hold.
fn legend(report: &Report) -> Markup {
    let has = |status| report.edges.iter().any(|edge| edge.status == status);
    let weak = report.edges.iter().any(|edge| !words::is_firm(edge));
    html! {
        p class="legend" {
            @if has(StepStatus::Pass) { span class="pass" { "works" } }
            @if has(StepStatus::Fail) { span class="fail" { "fails" } }
            @if has(StepStatus::Unknown) { span class="unknown" { "could not be tested" } }
            @if has(StepStatus::Skipped) { span class="skipped" { "not asked" } }
            @if weak { span class="weak" { "does not count: weak evidence (such as depends_on alone), or optional" } }
        }
    }
}
