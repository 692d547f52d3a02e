//! The graph as `k8sverify/graph/v1`. Pure.

use serde_json::{Value, json};

use crate::graph::{Edge, Tier, TierGraph};

/// The graph as JSON: names of variables, never their values.
pub fn json(graph: &TierGraph) -> String {
    let TierGraph {
        tiers,
        edges,
        entries,
        unreached,
        outside,
        notes,
        questions,
        from_compose,
        absent: _,
        unmapped: _,
        errors: _,
    } = graph;
    let document = json!({
        "schema": "k8sverify/graph/v1",
        "from_compose": from_compose,
        "tiers": tiers.values().map(tier).collect::<Vec<_>>(),
        "edges": edges.iter().map(edge).collect::<Vec<_>>(),
        "entries": entries,
        "published": unreached,
        "outside": outside,
        "notes": notes,
        "questions": questions,
    });
    format!("{document:#}\n")
}

fn tier(tier: &Tier) -> Value {
    json!({
        "name": tier.name,
        "workloads": tier
            .workloads
            .iter()
            .map(|key| json!({"namespace": key.namespace, "kind": key.kind, "name": key.name}))
            .collect::<Vec<_>>(),
        "services": tier
            .services
            .iter()
            .map(|key| json!({"namespace": key.namespace, "name": key.name}))
            .collect::<Vec<_>>(),
        "ports": tier.ports,
        "serves": tier.server,
        "one_shot": tier.one_shot,
        "expected": tier.expected,
        "in_compose": tier.in_compose,
        "image": tier.image,
    })
}

/// An edge; what is not known or not the case is left out.
fn edge(edge: &Edge) -> Value {
    let mut value = json!({
        "id": edge.id,
        "from": edge.from,
        "to": edge.to,
        "host": edge.host,
        "port": edge.port,
        "protocol": edge.protocol,
        "origin": edge.origin,
        "confidence": edge.confidence,
    });
    let more = [
        ("variable", json!(edge.variable)),
        ("compose_said", json!(edge.compose_said)),
        ("http", json!(edge.http)),
        ("tls", json!(edge.tls)),
        ("login", json!(edge.login)),
        ("query", json!(edge.query)),
        ("external", json!(edge.external)),
        ("optional", json!(edge.optional)),
        ("forbidden", json!(edge.forbidden)),
        ("replica", json!(edge.replica)),
    ];
    if let Value::Object(fields) = &mut value {
        for (name, more) in more {
            if !matches!(more, Value::Null | Value::Bool(false)) {
                fields.insert(name.to_owned(), more);
            }
        }
    }
    value
}
