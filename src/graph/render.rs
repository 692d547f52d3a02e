//! [`TierGraph`] → text for people and for tools. Pure.

mod dot;
mod json;
mod mermaid;
mod svg;
mod text;

pub use dot::dot;
pub use json::json;
pub use mermaid::mermaid;
pub use svg::svg;
pub use text::text;

use super::{Confidence, Edge, TierGraph};

/// Every node of a drawing: the tiers, and the hosts outside that edges lead to; sorted.
fn nodes(graph: &TierGraph) -> Vec<(&str, NodeKind)> {
    let mut nodes: Vec<(&str, NodeKind)> = graph
        .tiers
        .keys()
        .map(|name| (name.as_str(), NodeKind::Tier))
        .collect();
    for edge in &graph.edges {
        for end in [&edge.from, &edge.to] {
            if !graph.tiers.contains_key(end) {
                nodes.push((end, NodeKind::Outside));
            }
        }
    }
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NodeKind {
    Tier,
    Outside,
}

/// What stands at an edge: `mysql 3306`, and the host where it is not the tier's own name.
fn label(edge: &Edge) -> String {
    let mut label = format!("{} {}", edge.protocol, edge.port);
    if !edge.host.eq_ignore_ascii_case(&edge.to) {
        label.push_str(" as ");
        label.push_str(&edge.host);
    }
    label
}

/// How an edge is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stroke {
    /// It must work.
    Firm,
    /// It may fail, or is only an order of start.
    Faint,
    /// It must not work.
    Forbidden,
}

fn stroke(edge: &Edge) -> Stroke {
    if edge.forbidden {
        Stroke::Forbidden
    } else if edge.optional || edge.confidence == Confidence::Weak {
        Stroke::Faint
    } else {
        Stroke::Firm
    }
}

#[cfg(test)]
mod tests;
