//! The renderings of one small graph.

use std::num::NonZeroU16;

use super::*;
use crate::finding::EdgeId;
use crate::graph::{Note, NoteKind, Tier};
use crate::observe::WorkloadKey;
use crate::protocol::Protocol;
use crate::terminal::Style;

fn tier(name: &str) -> Tier {
    Tier {
        name: name.to_owned(),
        in_compose: true,
        workloads: vec![WorkloadKey::new("shop", "deployment", name.to_lowercase())],
        expected: true,
        ..Tier::default()
    }
}

fn edge(from: &str, to: &str, host: &str, confidence: Confidence) -> Edge {
    let port = NonZeroU16::new(3306).unwrap();
    Edge {
        id: EdgeId(format!("{from}->{to}:3306/mysql")),
        origin: vec![format!("env DB_HOST of deployment/{}", from.to_lowercase()).into()],
        confidence,
        variable: Some("DB_HOST".to_owned()),
        ..Edge::new(from, to, host, port, Protocol::Mysql)
    }
}

fn graph() -> TierGraph {
    let mut differs = edge("AP", "DB", "database", Confidence::Declared);
    differs.compose_said = Some("DB:3306".to_owned());
    let mut forbidden = edge("WEB", "rds.example", "rds.example", Confidence::Declared);
    forbidden.forbidden = true;
    forbidden.external = true;
    TierGraph {
        tiers: ["AP", "DB", "WEB"]
            .map(|name| (name.to_owned(), tier(name)))
            .into(),
        edges: vec![
            differs,
            edge("WEB", "DB", "DB", Confidence::Weak),
            forbidden,
        ],
        notes: vec![Note {
            kind: NoteKind::Differs,
            message: "AP asks for database, compose says DB".to_owned(),
        }],
        from_compose: true,
        ..TierGraph::default()
    }
}

#[test]
fn text_stays_within_its_width_and_colour_adds_no_letter() {
    let narrow = Style {
        width: 60,
        ..Style::default()
    };
    let expected = "\
3 tiers, 3 edges from compose and what is deployed

AP  deployment/ap
└─ DB:3306 as database  mysql  declared
      env DB_HOST of deployment/ap
      compose says DB:3306

DB  deployment/db

WEB  deployment/web
├─ DB:3306              mysql  weak
│     env DB_HOST of deployment/web
└─ rds.example:3306     mysql
      declared, outside, must not work
      env DB_HOST of deployment/web

The Pods differ from compose
  AP asks for database, compose says DB
";
    let plain = text(&graph(), narrow);
    assert_eq!(plain, expected);
    let painted = text(
        &graph(),
        Style {
            color: true,
            ..narrow
        },
    );
    assert!(
        painted.contains("\u{1b}[1mWEB\u{1b}[0m  deployment/web"),
        "{painted}"
    );
    let codes = ["33", "2", "1", "0"].map(|code| format!("\u{1b}[{code}m"));
    let stripped = codes
        .iter()
        .fold(painted, |text, code| text.replace(code, ""));
    assert_eq!(stripped, plain);
}

#[test]
fn text_is_a_tree_with_aligned_columns() {
    let expected = "\
3 tiers, 3 edges from compose and what is deployed

AP  deployment/ap
└─ DB:3306 as database  mysql  declared                          env DB_HOST of deployment/ap
      compose says DB:3306

DB  deployment/db

WEB  deployment/web
├─ DB:3306              mysql  weak                              env DB_HOST of deployment/web
└─ rds.example:3306     mysql  declared, outside, must not work  env DB_HOST of deployment/web

The Pods differ from compose
  AP asks for database, compose says DB
";
    assert_eq!(text(&graph(), Style::default()), expected);
    // Where no tier has a workload, nothing of the graph is from a cluster.
    let mut alone = graph();
    for tier in alone.tiers.values_mut() {
        tier.workloads.clear();
    }
    let alone = text(&alone, Style::default());
    assert!(
        alone.starts_with("3 tiers, 3 edges from compose alone\n\nAP\n"),
        "{alone}"
    );
}

#[test]
fn nothing_of_a_name_reaches_a_terminal_but_its_letters() {
    let name = "a\u{1b}[31mb\u{202e}c\nd";
    let mut graph = graph();
    let mut tier = tier("X");
    name.clone_into(&mut tier.name);
    tier.workloads = vec![
        WorkloadKey::new(name, name, name),
        WorkloadKey::new("other", name, name),
    ];
    graph.tiers.insert(name.to_owned(), tier);
    for from in [name, "stranger\u{1b}[0m"] {
        let mut edge = edge(from, name, "host\u{1b}[31m", Confidence::Declared);
        edge.origin.push(name.to_owned().into());
        edge.compose_said = Some(name.to_owned());
        graph.edges.push(edge);
    }
    graph.notes[0].message = name.to_owned();
    graph.questions.push(name.to_owned());
    let text = text(&graph, Style::default());
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    assert!(text.contains("\nab\\u{202e}c d  "), "{text}");
}

#[test]
fn json_has_the_contracts_fields() {
    let value: serde_json::Value = serde_json::from_str(&json(&graph())).unwrap();
    assert_eq!(value["schema"], "k8sverify/graph/v1");
    let first = &value["edges"][0];
    for (field, expected) in [
        ("from", "AP"),
        ("to", "DB"),
        ("host", "database"),
        ("protocol", "mysql"),
        ("confidence", "declared"),
        ("compose_said", "DB:3306"),
    ] {
        assert_eq!(first[field], expected, "{field}");
    }
    assert_eq!(first["port"], 3306);
    assert_eq!(first["origin"][0], "env DB_HOST of deployment/ap");
    assert!(
        first.get("optional").is_none(),
        "what is not said is left out"
    );
    assert_eq!(value["edges"][2]["forbidden"], true);
}

#[test]
fn dot_quotes_and_draws_weak_edges_dashed() {
    let mut graph = graph();
    graph.edges[0].host = "a\"b\\".to_owned();
    let text = dot(&graph);
    assert!(
        text.contains("\"AP\" -> \"DB\" [label=\"mysql 3306 as a\\\"b\\\\\"];"),
        "{text}"
    );
    assert!(
        text.contains("\"WEB\" -> \"DB\" [label=\"mysql 3306\", style=dashed];"),
        "{text}"
    );
    assert!(text.contains("\"rds.example\" [style=dashed];"), "{text}");
}

#[test]
fn mermaid_numbers_nodes_and_escapes_labels() {
    let mut graph = graph();
    graph.edges[0].host = "a\"b#".to_owned();
    let text = mermaid(&graph);
    assert!(text.starts_with("flowchart LR\n  n0[\"AP\"]\n"), "{text}");
    assert!(
        text.contains("n0 -->|\"mysql 3306 as a#quot;b#35;\"| n1"),
        "{text}"
    );
    assert!(text.contains("-.->"), "{text}");
    assert!(text.contains("--x"), "{text}");
}
