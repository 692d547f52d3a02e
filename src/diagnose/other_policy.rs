//! Section 4, other kinds of policies (Cilium, Calico, Antrea, those of administrators, Istio): one that selects an end of a failed edge
//! and names no one like the other end. Their full semantics belong to their own plugins, so such a policy explains only what the
//! network was seen to do and no NetworkPolicy does. Pure.

use serde_json::Value;

use super::target::line;
use super::walk::{EdgeEvidence, Stage, Walk};
use super::{Context, Rule, network_policy};
use crate::finding::{Code, Finding, ObjectRef};
use crate::observe::kinds::{LabelSelector, Labels, selector_matches};
use crate::policy::{Direction, Path};
use crate::probe::wire::{Step, StepError};

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::Edge(other_denied)];

fn other_denied(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Option<Finding> {
    let edge = evidence.edge;
    if context.snapshot.other_policies.is_empty() {
        return None;
    }
    let blocked: Vec<(&Walk<'_>, &Step)> = evidence
        .failed()
        .filter_map(|walk| Some((walk, walk.broken.filter(|step| may_be_blocked(step))?)))
        .collect();
    let paths = network_policy::paths(context, edge);
    if blocked.is_empty() || paths.iter().any(|path| path.decision.is_denied_somehow()) {
        return None;
    }
    let mut paths = paths.iter();
    let (path, (object, direction, words)) =
        paths.find_map(|path| Some((path, denying(context, path)?)))?;
    let (end, other) = match direction {
        Direction::Ingress => (&edge.to, path.source.words()),
        Direction::Egress => (&edge.from, path.target.words()),
    };
    let finding = Finding::of(
        Code::PolicyOtherDenied,
        object.clone(),
        format!(
            "{words} {object} selects {end} and admits no {other} on port {}: {} → {} is denied",
            path.port, edge.from, edge.to
        ),
    )
    .on([&edge.id])
    .because(blocked.iter().map(|(walk, step)| line(&walk.place(), step)))
    .fix(format!("admit {other} on port {} in {object}", path.port));
    Some(finding)
}

/// Dropped, rejected, or (by a proxy) closed or answered with 403.
fn may_be_blocked(step: &Step) -> bool {
    match super::walk::stage(step.name) {
        Stage::Dns => false,
        Stage::Connect => true,
        Stage::Protocol => {
            matches!(
                step.error,
                Some(StepError::Closed | StepError::Reset | StepError::Silent)
            ) || step
                .facts
                .get("http_status")
                .is_some_and(|status| status == "403")
        }
    }
}

/// The first readable policy that denies a path, with the end at which it stands and its kind.
fn denying(context: &Context<'_>, path: &Path) -> Option<(ObjectRef, Direction, String)> {
    context
        .snapshot
        .other_policies
        .iter()
        .flat_map(|served| {
            served
                .objects
                .iter()
                .flatten()
                .map(move |object| (served, object))
        })
        .find_map(|(served, object)| {
            let namespace = text(object, "/metadata/namespace");
            [Direction::Ingress, Direction::Egress]
                .into_iter()
                .find(|direction| denies(object, namespace, *direction, path))
                .map(|direction| {
                    let name = text(object, "/metadata/name");
                    let kind = served.kind.to_ascii_lowercase();
                    let object = ObjectRef::new(kind, name, namespace);
                    (object, direction, served.kind.clone())
                })
        })
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether a policy selects that end of the path, isolates it, and no rule of it names the other end and the port.
fn denies(object: &Value, namespace: &str, direction: Direction, path: &Path) -> bool {
    let (subject, other) = match direction {
        Direction::Ingress => (&path.target, &path.source),
        Direction::Egress => (&path.source, &path.target),
    };
    if !namespace.is_empty() && namespace != subject.namespace {
        return false;
    }
    let Some(spec) = object.get("spec") else {
        return false;
    };
    if !selects(spec, &subject.labels) {
        return false;
    }
    let key = match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    // Istio's policy has one list for what comes in.
    let (rules, of_istio) = match (spec.get(key), spec.get("rules"), direction) {
        (Some(rules), _, _) => (rules.as_array(), false),
        (None, Some(rules), Direction::Ingress) => (rules.as_array(), true),
        _ => return false,
    };
    let Some(rules) = rules else { return false };
    let matching = |rule: &&Value| {
        names_peer(rule, &other.labels, of_istio) && names_port(rule, path.port.get())
    };
    let action = |rule: &Value| {
        let own = text(rule, "/action");
        let whole = text(spec, "/action");
        if own.is_empty() { whole } else { own }.to_ascii_lowercase()
    };
    let is_denial = |rule: &Value| matches!(action(rule).as_str(), "deny" | "drop" | "reject");
    match rules.iter().find(matching) {
        // The first rule that speaks of the connection decides.
        Some(rule) => is_denial(rule),
        // Rules that only deny leave the rest alone; rules that admit leave it out.
        None => !rules.iter().any(is_denial) && isolates_by_default(spec),
    }
}

/// Whether what no rule names is denied. The cluster's administrators' policies pass it on.
fn isolates_by_default(spec: &Value) -> bool {
    spec.get("subject").is_none() && spec.get("tier").is_none()
}

/// Whether a policy's subject selects those labels. A form that is not known selects nothing.
fn selects(spec: &Value, labels: &Labels) -> bool {
    if let Some(selector) = spec
        .get("endpointSelector")
        .or_else(|| spec.pointer("/subject/pods/podSelector"))
    {
        return matches(selector, labels);
    }
    match spec.get("selector") {
        Some(Value::String(expression)) => expression_matches(expression, labels),
        Some(selector) => matches(selector, labels),
        None => match spec.get("appliedTo").and_then(Value::as_array) {
            Some(ends) => ends.iter().any(|end| {
                end.get("podSelector")
                    .is_some_and(|selector| matches(selector, labels))
            }),
            // Without a selector Istio and Calico mean the whole namespace.
            None => spec.get("rules").is_some() || spec.get("types").is_some(),
        },
    }
}

/// A selector as the API writes it; Cilium puts the label's source before its key.
fn matches(selector: &Value, labels: &Labels) -> bool {
    let Ok(mut selector) = serde_json::from_value::<LabelSelector>(selector.clone()) else {
        // A form that is not known is not said to match.
        return false;
    };
    let plain = |key: String| match key.split_once([':', '.']) {
        Some(("k8s" | "any", bare)) => bare.to_owned(),
        _ => key,
    };
    selector.match_labels = selector
        .match_labels
        .into_iter()
        .map(|(key, value)| (plain(key), value))
        .filter(|(key, _)| !key.starts_with("io.kubernetes.pod."))
        .collect();
    for expression in &mut selector.match_expressions {
        expression.key = plain(std::mem::take(&mut expression.key));
    }
    selector_matches(&selector, labels)
}

/// Calico's expressions, as far as they are `all()`, `has(key)`, `key == 'value'` or `key != 'value'` joined by `&&`.
fn expression_matches(expression: &str, labels: &Labels) -> bool {
    expression.split("&&").all(|term| {
        let term = term.trim();
        let bare = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
        if term == "all()" || term.is_empty() {
            true
        } else if let Some(key) = term
            .strip_prefix("has(")
            .and_then(|rest| rest.strip_suffix(')'))
        {
            labels.contains_key(&bare(key))
        } else if let Some((key, value)) = term.split_once("==") {
            labels.get(&bare(key)) == Some(&bare(value))
        } else if let Some((key, value)) = term.split_once("!=") {
            labels.get(&bare(key)) != Some(&bare(value))
        } else {
            false
        }
    })
}

/// Whether a rule may mean a peer with those labels: a peer that is written in a form beyond labels may be anyone.
fn names_peer(rule: &Value, labels: &Labels, of_istio: bool) -> bool {
    if of_istio {
        // Principals, namespaces and addresses: only an empty `from` surely means everybody, the rest is left to the mesh.
        return rule.get("from").is_none();
    }
    let lists = ["fromEndpoints", "toEndpoints", "from", "to"];
    let mut named = false;
    for peers in lists
        .iter()
        .filter_map(|key| rule.get(*key).and_then(Value::as_array))
    {
        named = true;
        for peer in peers {
            let selector = peer
                .pointer("/pods/podSelector")
                .or_else(|| peer.get("podSelector"))
                .unwrap_or(peer);
            let is_selector = selector.as_object().is_some_and(|fields| {
                fields
                    .keys()
                    .all(|key| matches!(key.as_str(), "matchLabels" | "matchExpressions"))
            });
            if !is_selector || matches(selector, labels) {
                return true;
            }
        }
    }
    let calico = rule
        .pointer("/source/selector")
        .or_else(|| rule.pointer("/destination/selector"))
        .and_then(Value::as_str);
    if let Some(expression) = calico {
        return expression_matches(expression, labels);
    }
    let other_form = [
        "fromEntities",
        "toEntities",
        "fromCIDR",
        "fromCIDRSet",
        "toCIDR",
        "toCIDRSet",
        "toFQDNs",
        "toServices",
    ]
    .iter()
    .any(|key| rule.get(*key).is_some());
    other_form || (!named && rule.as_object().is_some_and(|fields| !fields.is_empty()))
}

/// Whether a rule may mean a port: one that names other numbers only does not.
fn names_port(rule: &Value, port: u16) -> bool {
    let mut numbers = Vec::new();
    for key in ["toPorts", "ports", "destination"] {
        if let Some(value) = rule.get(key) {
            collect_ports(value, &mut numbers);
        }
    }
    numbers.is_empty() || numbers.contains(&port)
}

fn collect_ports(value: &Value, found: &mut Vec<u16>) {
    match value {
        Value::Array(items) => {
            for item in items {
                collect_ports(item, found);
            }
        }
        Value::Object(fields) => {
            for field in fields.values() {
                collect_ports(field, found);
            }
        }
        Value::String(text) => found.extend(text.parse::<u16>()),
        Value::Number(number) => {
            found.extend(
                number
                    .as_u64()
                    .and_then(|number| u16::try_from(number).ok()),
            );
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{fail, graph, outcomes, pass, probe, snapshot};
    use super::*;
    use crate::observe::OtherPolicy;
    use crate::probe::wire::StepName;

    const EDGE: &str = "AP->DB:3306/mysql";
    const OBJECTS: &str = "
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306}]}
---
kind: Deployment
metadata: {name: db}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}}}
---
kind: Deployment
metadata: {name: ap}
spec: {selector: {matchLabels: {app: ap}}, template: {metadata: {labels: {app: ap}}}}
";

    fn raised(kind: &str, policy: &str) -> Vec<String> {
        let graph = graph(&[EDGE]);
        let mut snapshot = snapshot(OBJECTS);
        snapshot.other_policies.push(OtherPolicy {
            resource: "policies".to_owned(),
            kind: kind.to_owned(),
            objects: Some(vec![serde_saphyr::from_str(policy).unwrap()]),
        });
        let steps = vec![
            pass(EDGE, StepName::Dns),
            fail(EDGE, StepName::Service, StepError::Timeout),
        ];
        let outcomes = outcomes(vec![probe("AP", "n1", steps)]);
        Rule::Edge(other_denied)
            .raise(&Context::new(&graph, &snapshot, Some(&outcomes)))
            .iter()
            .map(|finding| finding.object.to_string())
            .collect()
    }

    #[test]
    fn a_policy_that_selects_the_target_and_names_others_only() {
        let cilium = "
metadata: {name: db, namespace: default}
spec:
  endpointSelector: {matchLabels: {'k8s:app': db}}
  ingress: [{fromEndpoints: [{matchLabels: {app: batch}}]}]
";
        let calico = "
metadata: {name: db, namespace: default}
spec: {selector: app == 'db', types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'batch'}}]}
";
        assert_eq!(
            raised("CiliumNetworkPolicy", cilium),
            ["ciliumnetworkpolicy/db"]
        );
        assert_eq!(raised("NetworkPolicy", calico), ["networkpolicy/db"]);
    }

    #[test]
    fn a_policy_that_admits_or_selects_another_explains_nothing() {
        let admits = "
metadata: {name: db, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress: [{fromEndpoints: [{matchLabels: {app: ap}}], toPorts: [{ports: [{port: '3306'}]}]}]
";
        let other = "
metadata: {name: kvs, namespace: default}
spec: {endpointSelector: {matchLabels: {app: kvs}}, ingress: []}
";
        let egress_only = "
metadata: {name: db, namespace: default}
spec: {endpointSelector: {matchLabels: {app: db}}, egress: [{toEndpoints: [{}]}]}
";
        for policy in [admits, other, egress_only] {
            assert!(raised("CiliumNetworkPolicy", policy).is_empty(), "{policy}");
        }
    }

    #[test]
    fn a_rule_that_denies_outright() {
        let admin = "
metadata: {name: no-db}
spec:
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}
  ingress: [{action: Deny, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: ap}}}}]}]
";
        let passes = admin.replace("Deny", "Pass");
        assert_eq!(
            raised("AdminNetworkPolicy", admin),
            ["adminnetworkpolicy/no-db"]
        );
        assert!(raised("AdminNetworkPolicy", &passes).is_empty());
    }
}
