//! The graph in Mermaid's language, as Markdown viewers draw it. Pure.

use std::fmt::Write as _;

use crate::graph::TierGraph;

use super::{NodeKind, Stroke, label, nodes, stroke};

/// The graph as a Mermaid flowchart.
pub fn mermaid(graph: &TierGraph) -> String {
    let mut out = String::from("flowchart LR\n");
    let nodes = nodes(graph);
    for (index, (name, kind)) in nodes.iter().enumerate() {
        // Names may be words of the language (`end`, `graph`), so nodes are numbered.
        let (open, close) = match kind {
            NodeKind::Tier => ('[', ']'),
            NodeKind::Outside => ('(', ')'),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  n{index}{open}\"{}\"{close}", escaped(name));
    }
    let number = |wanted: &str| {
        nodes
            .iter()
            .position(|(name, _)| *name == wanted)
            .unwrap_or_default()
    };
    for edge in &graph.edges {
        let arrow = match stroke(edge) {
            Stroke::Firm => "-->",
            Stroke::Faint => "-.->",
            Stroke::Forbidden => "--x",
        };
        let _ = writeln!(
            out,
            "  n{} {arrow}|\"{}\"| n{}",
            number(&edge.from),
            escaped(&label(edge)),
            number(&edge.to),
        );
    }
    out
}

/// Text in quotes: entities stand for what the language would read.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '`' => out.push_str("#96;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
