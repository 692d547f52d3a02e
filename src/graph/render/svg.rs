//! [`TierGraph`] → a picture that stands alone, with a colour for each kind of protocol. Pure.

use super::{NodeKind, nodes};
use crate::graph::svg::{Arrow, Node, draw};
use crate::graph::{Confidence, Edge, Origin, TierGraph};
use crate::protocol::Protocol;

const STYLE: &str = "svg{font:14px system-ui,sans-serif;background:#fff}.tier rect{fill:#f6f7f9;stroke:#59636e;stroke-width:1.5}.tier text{fill:#1c2128;font-weight:600}\
.tier .note{fill:#59636e;font-size:12px;font-weight:400}.tier.outside rect{stroke-dasharray:4 3}.arrow path{fill:none}.arrow .line{stroke:#6e7781;stroke-width:1.8}\
.arrow .hit{stroke:none}.arrow.sql .line{stroke:#0969da}.arrow.cache .line{stroke:#9a6700}.arrow.http .line{stroke:#1a7f37}.arrow.broker .line{stroke:#8250df}\
.arrow.weak .line{stroke-dasharray:5 4}.arrow.forbidden .line{stroke:#c62828;stroke-dasharray:2 3}.arrow .label{fill:#59636e;font-size:11px;paint-order:stroke;stroke:#fff;stroke-width:4px}";

/// Classes of arrows, and what they mean.
const LEGEND: [(&str, &str); 7] = [
    ("sql", "database"),
    ("cache", "cache"),
    ("http", "HTTP or RPC"),
    ("broker", "message broker"),
    ("other", "other"),
    ("weak", "weak or optional: never decides"),
    ("forbidden", "must not connect"),
];

/// The picture.
pub fn svg(graph: &TierGraph) -> String {
    let names = nodes(graph);
    let boxes: Vec<Node> = names
        .iter()
        .map(|(name, kind)| node(graph, name, *kind))
        .collect();
    let position = |name: &str| names.iter().position(|(known, _)| *known == name);
    let arrows: Vec<Arrow> = graph
        .edges
        .iter()
        .filter_map(|edge| {
            let (from, to) = (position(&edge.from)?, position(&edge.to)?);
            Some(Arrow {
                from,
                to,
                label: super::label(edge),
                class: class(edge),
                title: title(edge),
                ..Arrow::default()
            })
        })
        .collect();
    draw(&boxes, &arrows, STYLE, &legend(&graph.edges)).into_string()
}

/// What the arrows' colours and strokes mean; only those that the drawing has.
fn legend(edges: &[Edge]) -> Vec<(&'static str, &'static str)> {
    let has = |word: &str| {
        edges
            .iter()
            .any(|edge| class(edge).split(' ').any(|part| part == word))
    };
    LEGEND.into_iter().filter(|(class, _)| has(class)).collect()
}

fn node(graph: &TierGraph, name: &str, kind: NodeKind) -> Node {
    let Some(tier) = graph.tiers.get(name).filter(|_| kind == NodeKind::Tier) else {
        return Node {
            name: name.to_owned(),
            note: "outside".to_owned(),
            class: "outside".to_owned(),
            ..Node::default()
        };
    };
    let workloads: Vec<String> = tier.workloads.iter().map(ToString::to_string).collect();
    let note = match (workloads.as_slice(), &tier.server) {
        ([only], _) => only.clone(),
        ([_, _, ..], _) => format!("{} workloads", workloads.len()),
        ([], Some(server)) => format!("{} {}", server.protocol, server.port),
        ([], None) => String::new(),
    };
    Node {
        name: name.to_owned(),
        note,
        class: String::new(),
        title: workloads.join(", "),
        target: String::new(),
    }
}

fn class(edge: &Edge) -> String {
    let kind = match edge.protocol {
        Protocol::Mysql
        | Protocol::Postgres
        | Protocol::Mssql
        | Protocol::Mongodb
        | Protocol::Cassandra => "sql",
        Protocol::Redis | Protocol::Memcached => "cache",
        Protocol::Http | Protocol::Https | Protocol::Grpc | Protocol::Fastcgi => "http",
        Protocol::Amqp | Protocol::Kafka | Protocol::Nats | Protocol::Mqtt => "broker",
        _ => "other",
    };
    let state = if edge.forbidden {
        " forbidden"
    } else if edge.confidence == Confidence::Weak || edge.optional {
        " weak"
    } else {
        ""
    };
    format!("{kind}{state}")
}

fn title(edge: &Edge) -> String {
    format!(
        "{} reaches {}:{} by {}, known from {}",
        edge.from,
        edge.host,
        edge.port,
        edge.protocol,
        Origin::list(&edge.origin)
    )
}
