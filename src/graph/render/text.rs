//! The graph as a tree for a terminal. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::graph::{Confidence, Edge, NoteKind, Tier, TierGraph};

/// The graph as text: each tier with its workloads, below it what it must reach, how, and how that is known.
#[must_use]
pub fn text(graph: &TierGraph) -> String {
    let mut out = String::new();
    let source = source(graph);
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{}, {} from {source}",
        counted(graph.tiers.len(), "tier"),
        counted(graph.edges.len(), "edge"),
    );
    let several = namespaces(graph).len() > 1;
    let widths = Widths::of(graph);
    for tier in graph.tiers.values() {
        out.push('\n');
        out.push_str(&heading(tier, several));
        out.push('\n');
        let edges: Vec<&Edge> = graph
            .edges
            .iter()
            .filter(|edge| edge.from == tier.name)
            .collect();
        branches(&mut out, &edges, &widths);
    }
    let strangers: Vec<&Edge> = graph
        .edges
        .iter()
        .filter(|edge| !graph.tiers.contains_key(&edge.from))
        .collect();
    for edge in strangers {
        let _ = writeln!(out, "\n{}  no tier", clean(&edge.from));
        branches(&mut out, &[edge], &widths);
    }
    section(
        &mut out,
        "Ways in from outside",
        graph.entries.iter().map(|entry| {
            let addresses: Vec<String> = entry.addresses.iter().map(ToString::to_string).collect();
            format!("{} → {}  {}", entry.id, entry.to, addresses.join(", "))
                .trim_end()
                .to_owned()
        }),
    );
    section(
        &mut out,
        "Published by compose, and nothing leads in",
        graph
            .unreached
            .iter()
            .map(|one| format!("{} {}", one.tier, one.ports.join(", "))),
    );
    section(
        &mut out,
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
        section(&mut out, title, notes.map(|note| note.message.clone()));
    }
    section(
        &mut out,
        "Configuration problems",
        graph.questions.iter().cloned(),
    );
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

/// What the graph was read from.
fn source(graph: &TierGraph) -> &'static str {
    let deployed = graph.tiers.values().any(|tier| !tier.workloads.is_empty());
    match (graph.from_compose, deployed) {
        (true, true) => "compose and what is deployed",
        (true, false) => "compose alone",
        (false, _) => "what is deployed alone: no compose file",
    }
}

/// `DB  deployment/db`
fn heading(tier: &Tier, several_namespaces: bool) -> String {
    let mut workloads: Vec<String> = tier
        .workloads
        .iter()
        .map(|key| {
            if several_namespaces {
                format!("{key}@{}", key.namespace)
            } else {
                key.to_string()
            }
        })
        .collect();
    if workloads.is_empty() {
        workloads.push(if tier.expected {
            "no workload".to_owned()
        } else {
            "not meant to run here".to_owned()
        });
    }
    let mut line = format!("{}  {}", clean(&tier.name), workloads.join(", "));
    if let Some(server) = &tier.server {
        let _ = write!(line, "  serves {} {}", server.protocol, server.port);
    }
    if tier.one_shot {
        line.push_str("  ends on its own");
    }
    line
}

/// The widths of the columns, so that all tiers line up.
struct Widths {
    target: usize,
    protocol: usize,
    confidence: usize,
}

impl Widths {
    fn of(graph: &TierGraph) -> Self {
        let widest = |cell: &dyn Fn(&Edge) -> String| {
            graph
                .edges
                .iter()
                .map(|edge| cell(edge).width())
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

fn branches(out: &mut String, edges: &[&Edge], widths: &Widths) {
    for (index, edge) in edges.iter().enumerate() {
        let branch = if index + 1 == edges.len() {
            "└─"
        } else {
            "├─"
        };
        let _ = writeln!(
            out,
            "{branch} {}  {}  {}  {}",
            padded(&target(edge), widths.target),
            padded(edge.protocol.name(), widths.protocol),
            padded(&standing(edge), widths.confidence),
            clean(&edge.origin.join(", ")),
        );
        if let Some(said) = &edge.compose_said {
            let bar = if index + 1 == edges.len() { " " } else { "│" };
            let _ = writeln!(out, "{bar}     compose says {}", clean(said));
        }
    }
}

/// `DB:3306`, and the host where it is not the tier's own name.
fn target(edge: &Edge) -> String {
    let mut target = format!("{}:{}", clean(&edge.to), edge.port);
    if !edge.host.eq_ignore_ascii_case(&edge.to) {
        let _ = write!(target, " as {}", clean(&edge.host));
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

fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(blanks))
}

/// Control characters of a foreign name must not reach a terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    for line in lines {
        let _ = writeln!(out, "  {}", clean(&line));
    }
}
