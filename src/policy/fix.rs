//! The NetworkPolicy that admits exactly one denied connection, beside those that stand. Pure.

use std::num::NonZeroU16;

use serde_json::{Value, json};

use super::peer::{Peer, PeerKind};
use super::{Denial, Direction};
use crate::finding::Fix;

/// The longest name of an object.
const NAME_LIMIT: usize = 63;

/// A policy that adds what `denial` says is missing, and nothing else. Policies add up, so it can be applied as printed. Without a
/// manifest where the far end has neither labels nor address.
pub fn fix(
    denial: &Denial,
    source: &Peer,
    target: &Peer,
    port: NonZeroU16,
    transports: &[&str],
) -> Fix {
    let policies: Vec<String> = denial.policies.iter().map(ToString::to_string).collect();
    let text = format!(
        "add {} (isolated by {})",
        denial.missing,
        policies.join(", ")
    );
    let (subject, other) = match denial.direction {
        Direction::Egress => (source, target),
        Direction::Ingress => (target, source),
    };
    let manifest = peer_value(subject, other)
        .and_then(|peer| manifest(denial.direction, source, target, &peer, port, transports));
    Fix {
        text,
        command: None,
        manifest,
    }
}

fn manifest(
    direction: Direction,
    source: &Peer,
    target: &Peer,
    peer: &Value,
    port: NonZeroU16,
    transports: &[&str],
) -> Option<String> {
    let ports: Vec<Value> = transports
        .iter()
        .map(|transport| json!({"protocol": transport, "port": port}))
        .collect();
    let (subject, kind, rules) = match direction {
        Direction::Egress => (source, "Egress", json!({"to": [peer], "ports": ports})),
        Direction::Ingress => (target, "Ingress", json!({"from": [peer], "ports": ports})),
    };
    let mut spec = json!({
        "podSelector": {"matchLabels": subject.identifying_labels()},
        "policyTypes": [kind],
    });
    spec[kind.to_ascii_lowercase()] = json!([rules]);
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": object_name(direction, source, target),
            "namespace": subject.namespace,
        },
        "spec": spec,
    });
    // A value made of maps, lists and strings always has a YAML form; without one the text alone has to do.
    serde_saphyr::to_string(&policy).ok()
}

/// The far end as a rule names it.
fn peer_value(subject: &Peer, other: &Peer) -> Option<Value> {
    let labels = other.identifying_labels();
    if other.kind == PeerKind::Pod && !other.host_network && !labels.is_empty() {
        let mut peer = json!({"podSelector": {"matchLabels": labels}});
        if other.namespace != subject.namespace {
            peer["namespaceSelector"] =
                json!({"matchLabels": {"kubernetes.io/metadata.name": other.namespace}});
        }
        return Some(peer);
    }
    if other.kind == PeerKind::Unseen && !other.namespace.is_empty() {
        return Some(
            json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": other.namespace}}}),
        );
    }
    let address = other.addresses.first()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    Some(json!({"ipBlock": {"cidr": format!("{address}/{bits}")}}))
}

/// `allow-ap-to-db`, for the end that it stands at.
fn object_name(direction: Direction, source: &Peer, target: &Peer) -> String {
    let end = match direction {
        Direction::Egress => "from",
        Direction::Ingress => "to",
    };
    let plain = |name: &str| -> String {
        name.chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .collect()
    };
    let name = match direction {
        Direction::Egress => format!(
            "allow-{end}-{}-to-{}",
            plain(&source.name),
            plain(&target.name)
        ),
        Direction::Ingress => format!(
            "allow-{end}-{}-from-{}",
            plain(&target.name),
            plain(&source.name)
        ),
    };
    let cut: String = name.chars().take(NAME_LIMIT).collect();
    cut.trim_end_matches('-').to_owned()
}
