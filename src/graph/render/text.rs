//! The graph as a tree for a terminal. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::graph::{Confidence, Edge, NoteKind, Origin, Tier, TierGraph};
use crate::sanitise;
use crate::terminal::{Paint, Style, pad, wrap};

/// The graph as text: each tier with its workloads, below it what it must reach, how, and how that is known; in lines of the style's width.
pub fn text(graph: &TierGraph, style: Style) -> String {
    let mut out = String::new();
    let source = source(graph);
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{}, {} from {source}",
        counted(graph.tiers.len(), "tier"),
        counted(graph.edges.len(), "edge"),
    );
    let about = TextStyle {
        several: namespaces(graph).len() > 1,
        deployed: is_deployed(graph),
        widths: Widths::of(graph, style),
        style,
    };
    for tier in graph.tiers.values() {
        out.push('\n');
        about.heading(&mut out, tier);
        let edges: Vec<&Edge> = graph
            .edges
            .iter()
            .filter(|edge| edge.from == tier.name)
            .collect();
        about.branches(&mut out, &edges);
    }
    let unmatched: Vec<&Edge> = graph
        .edges
        .iter()
        .filter(|edge| !graph.tiers.contains_key(&edge.from))
        .collect();
    for edge in unmatched {
        let _ = writeln!(
            out,
            "\n{}  no tier",
            about.style.paint(Paint::Bold, &sanitise::line(&edge.from))
        );
        about.branches(&mut out, &[edge]);
    }
    about.sections(&mut out, graph);
    out
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn namespaces(graph: &TierGraph) -> BTreeSet<&str> {
    graph
        .tiers
        .values()
        .flat_map(|tier| &tier.workloads)
        .map(|key| key.namespace.as_str())
        .collect()
}

/// Whether any tier has a workload.
fn is_deployed(graph: &TierGraph) -> bool {
    graph.tiers.values().any(|tier| !tier.workloads.is_empty())
}

/// What the graph was read from.
fn source(graph: &TierGraph) -> &'static str {
    match (graph.from_compose, is_deployed(graph)) {
        (true, true) => "compose and what is deployed",
        (true, false) => "compose alone",
        (false, _) => "what is deployed alone: no compose file",
    }
}

/// What all parts of the text share.
struct TextStyle {
    /// Whether workloads stand in several namespaces.
    several: bool,
    /// Whether any tier has a workload, so that one without is worth a word.
    deployed: bool,
    widths: Widths,
    style: Style,
}

/// The widths of the columns, so that all tiers line up.
struct Widths {
    target: usize,
    protocol: usize,
    confidence: usize,
}

impl Widths {
    fn of(graph: &TierGraph, style: Style) -> Self {
        // One long name must not push all others out of the window.
        let most = style.width / 3;
        let widest = |cell: &dyn Fn(&Edge) -> String| {
            let widths = graph.edges.iter().map(|edge| cell(edge).width());
            widths
                .filter(|width| *width <= most)
                .max()
                .unwrap_or_default()
        };
        Self {
            target: widest(&target),
            protocol: widest(&|edge| edge.protocol.to_string()),
            confidence: widest(&|edge| standing(edge)),
        }
    }
}

impl TextStyle {
    /// What stands below the tiers.
    fn sections(&self, out: &mut String, graph: &TierGraph) {
        self.section(
            out,
            "Ways in from outside",
            graph.entries.iter().map(|entry| {
                let addresses: Vec<String> =
                    entry.addresses.iter().map(ToString::to_string).collect();
                format!("{} → {}  {}", entry.id, entry.to, addresses.join(", "))
                    .trim_end()
                    .to_owned()
            }),
        );
        self.section(
            out,
            "Published by compose, and nothing leads in",
            graph
                .unreached
                .iter()
                .map(|one| format!("{} {}", one.tier, one.ports.join(", "))),
        );
        self.section(
            out,
            "Outside hosts, not verified",
            graph.outside.iter().map(|outside| {
                let port = outside
                    .port
                    .map(|port| format!(":{port}"))
                    .unwrap_or_default();
                format!(
                    "{} → {}{port}  {}",
                    outside.from, outside.host, outside.origin
                )
            }),
        );
        for (kind, title) in [
            (NoteKind::Differs, "The Pods differ from compose"),
            (NoteKind::Incomplete, "Edges may be missing"),
            (NoteKind::Information, "Notes"),
        ] {
            let notes = graph.notes.iter().filter(|note| note.kind == kind);
            self.section(out, title, notes.map(|note| note.message.clone()));
        }
        self.section(
            out,
            "Configuration problems",
            graph.questions.iter().cloned(),
        );
    }

    /// `DB  deployment/db`
    fn heading(&self, out: &mut String, tier: &Tier) {
        let mut line = self.style.paint(Paint::Bold, &sanitise::line(&tier.name));
        for (index, key) in tier.workloads.iter().enumerate() {
            line += if index == 0 { "  " } else { ", " };
            line += &sanitise::line(&key.to_string());
            if self.several {
                line = format!("{line}@{}", sanitise::line(&key.namespace));
            }
        }
        if tier.workloads.is_empty() && !tier.expected {
            line += "  not meant to run here";
        } else if tier.workloads.is_empty() && self.deployed {
            line = format!("{line}  {}", self.style.paint(Paint::Yellow, "no workload"));
        }
        if let Some(server) = &tier.server {
            let _ = write!(line, "  serves {} {}", server.protocol, server.port);
        }
        if tier.one_shot {
            line.push_str("  ends on its own");
        }
        out.push_str(&line);
        out.push('\n');
    }

    fn branches(&self, out: &mut String, edges: &[&Edge]) {
        for (index, edge) in edges.iter().enumerate() {
            let (branch, bar) = if index + 1 == edges.len() {
                ("└─", " ")
            } else {
                ("├─", "│")
            };
            let head = format!(
                "{branch} {}  {}  ",
                pad(&target(edge), self.widths.target),
                pad(edge.protocol.name(), self.widths.protocol),
            );
            let standing = standing(edge);
            let paint = if edge.confidence == Confidence::Weak {
                Paint::Dim
            } else {
                Paint::Plain
            };
            let shown = self.style.paint(paint, &standing);
            let origin = sanitise::line(&Origin::list(&edge.origin));
            let gap = self.widths.confidence.saturating_sub(standing.width()) + 2;
            if head.width() + standing.width() + gap + origin.width() <= self.style.width {
                let origin = self.style.paint(Paint::Dim, &origin);
                let _ = writeln!(out, "{head}{shown}{}{origin}", " ".repeat(gap));
            } else if head.width() + standing.width() <= self.style.width {
                let _ = writeln!(out, "{head}{shown}");
                self.below(out, bar, &origin);
            } else {
                let _ = writeln!(out, "{}", head.trim_end());
                self.below(out, bar, &standing);
                self.below(out, bar, &origin);
            }
            if let Some(said) = &edge.compose_said {
                self.below(out, bar, &format!("compose says {}", sanitise::line(said)));
            }
        }
    }

    /// What belongs to the edge above.
    fn below(&self, out: &mut String, bar: &str, text: &str) {
        for line in wrap(text, self.style.width, &format!("{bar}     ")).lines() {
            let (bar, text) = line.split_at(bar.len());
            let _ = writeln!(out, "{bar}{}", self.style.paint(Paint::Dim, text));
        }
    }

    fn section(&self, out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
        let mut lines = lines.peekable();
        if lines.peek().is_none() {
            return;
        }
        let _ = writeln!(out, "\n{}", self.style.paint(Paint::Bold, title));
        for line in lines {
            // What goes on stands further in than what begins.
            let text = wrap(&sanitise::clean(&line), self.style.width, "    ");
            let _ = writeln!(out, "{}", text.replacen("    ", "  ", 1));
        }
    }
}

/// `DB:3306`, and the host where it is not the tier's own name.
fn target(edge: &Edge) -> String {
    let mut target = format!("{}:{}", sanitise::line(&edge.to), edge.port);
    if !edge.host.eq_ignore_ascii_case(&edge.to) {
        let _ = write!(target, " as {}", sanitise::line(&edge.host));
    }
    target
}

/// How sure the edge is, and what the user said of it.
fn standing(edge: &Edge) -> String {
    let mut words = vec![match edge.confidence {
        Confidence::Declared => "declared",
        Confidence::Likely => "likely",
        Confidence::Weak => "weak",
    }];
    for (set, word) in [
        (edge.external, "outside"),
        (edge.optional, "optional"),
        (edge.forbidden, "must not work"),
        (edge.replica, "replica"),
    ] {
        if set {
            words.push(word);
        }
    }
    words.join(", ")
}
