//! The graph in Graphviz' language. Pure.

use std::fmt::Write as _;

use crate::graph::TierGraph;

use super::{NodeKind, Stroke, label, nodes, stroke};

/// The graph for `dot -Tsvg`.
pub fn dot(graph: &TierGraph) -> String {
    let mut out = String::from(
        "digraph tiers {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n",
    );
    for (name, kind) in nodes(graph) {
        let shape = match kind {
            NodeKind::Tier => "",
            NodeKind::Outside => " [style=dashed]",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {}{shape};", quoted(name));
    }
    for edge in &graph.edges {
        let style = match stroke(edge) {
            Stroke::Firm => "",
            Stroke::Faint => ", style=dashed",
            Stroke::Forbidden => ", color=red, style=dotted, arrowhead=tee",
        };
        let _ = writeln!(
            out,
            "  {} -> {} [label={}{style}];",
            quoted(&edge.from),
            quoted(&edge.to),
            quoted(&label(edge)),
        );
    }
    out.push_str("}\n");
    out
}

/// A quoted identifier: only the quote and the backslash mean anything in it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
