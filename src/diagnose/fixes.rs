//! Manifests and commands that fix a finding when applied as printed. In: the snapshot. Out: text. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::subject::WorkloadFacts;
use crate::finding::ObjectRef;
use crate::observe::kinds::{Labels, PodSpec, service_selects};
use crate::policy::{identifying, is_revision_label};
use crate::shell::Command;

/// A port of a Service to be made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PortToMake {
    /// The port that clients dial.
    pub(super) port: u16,
    /// The port that the container listens on.
    pub(super) target: u16,
    /// `TCP` or `UDP`.
    pub(super) transport: &'static str,
}

/// Whether Kubernetes takes the name for a Service: a DNS label that begins with a letter.
pub(super) fn is_service_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.ends_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
}

/// The Service name by which `host` would be found from `client_namespace`, if there can be one in `namespace`.
pub(super) fn name_for_host(host: &str, client_namespace: &str, namespace: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let mut labels = host.split('.');
    let name = labels.next()?.to_owned();
    let asked = labels.next().unwrap_or(client_namespace);
    let cluster = labels.next().is_none_or(|label| label == "svc");
    (cluster && asked == namespace && is_service_name(&name)).then_some(name)
}

/// A name near `name` that Kubernetes takes.
pub(super) fn nearest_name(name: &str) -> Option<String> {
    let plain: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let plain = plain.trim_matches('-').to_owned();
    is_service_name(&plain).then_some(plain)
}

/// Labels that select the subject's Pods and no one else's: those by which its workload selects them, else all that its
/// template has. `None` where no labels distinguish them.
pub(super) fn selector(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Option<Labels> {
    let carried = subject.template?.labels;
    let template = identifying(carried);
    let own = subject
        .workload
        .and_then(|workload| workload.spec.selector.as_ref())
        .map(|selector| selector.match_labels.clone())
        .filter(|labels| labels.keys().all(|key| !is_revision_label(key)))
        // In manifests it may be one that the API server refuses: it does not match its own Pods.
        .filter(|labels| service_selects(labels, carried));
    own.into_iter().chain([template]).find(|labels| {
        !labels.is_empty()
            && !context
                .subjects
                .iter()
                .any(|other| takes(subject, other, labels))
    })
}

/// Whether the labels take Pods of another workload that is no part of the same tier.
fn takes(subject: &WorkloadFacts<'_>, other: &WorkloadFacts<'_>, labels: &Labels) -> bool {
    let same_tier = other.tiers.iter().any(|tier| subject.runs(&tier.name));
    other.key != subject.key
        && other.key.namespace == subject.key.namespace
        && !same_tier
        && other
            .template
            .is_some_and(|template| service_selects(labels, template.labels))
}

/// Ports as `spec.ports` of a Service has them.
pub(super) fn service_ports(ports: &[PortToMake], named: bool) -> Vec<Value> {
    let value = |port: &PortToMake| {
        let mut value = json!({
            "port": port.port,
            "targetPort": port.target,
            "protocol": port.transport,
        });
        if named {
            value["name"] = json!(format!("{}-{}", port.transport.to_lowercase(), port.port));
        }
        value
    };
    ports.iter().map(value).collect()
}

/// The manifest of a `ClusterIP` Service.
pub(super) fn service(
    name: &str,
    namespace: &str,
    selector: &Labels,
    ports: &[PortToMake],
) -> Option<String> {
    // Several ports need names; a lone one does well without.
    let ports = service_ports(ports, ports.len() > 1);
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": selector, "ports": ports},
    });
    // Maps, lists and strings always have a YAML form; without one the text alone has to do.
    serde_saphyr::to_string(&service).ok()
}

/// `kubectl patch` with a JSON patch.
pub(super) fn patch(object: &ObjectRef, operations: &[Value]) -> Command {
    let operations = Value::Array(operations.to_vec());
    Command::patch(&object.namespace, &object.to_string(), "json", &operations)
}

/// The command that patches one place of an object.
pub(super) fn set(object: &ObjectRef, op: &str, path: &str, value: impl Serialize) -> Command {
    patch(object, &[json!({"op": op, "path": path, "value": value})])
}

/// A patch, read back from its command.
pub(super) struct Patch {
    pub(super) namespace: String,
    /// `kind/name`.
    pub(super) object: String,
    pub(super) operations: Vec<Value>,
}

/// The reverse of [`patch`]; `None` for any other command.
pub(super) fn read_patch(command: &str) -> Option<Patch> {
    let (namespace, rest) = command.strip_prefix("kubectl -n ")?.split_once(" patch ")?;
    let (object, rest) = rest.split_once(" --type=json -p '")?;
    let text = rest.strip_suffix('\'')?.replace("'\\''", "'");
    Some(Patch {
        namespace: namespace.to_owned(),
        object: object.to_owned(),
        operations: serde_json::from_str(&text).ok()?,
    })
}

/// The port that the containers listen on for a client that dials `dialled`: that one if anything says so, else the only one
/// that is declared, else what the tier is known to serve on.
pub(super) fn target_port(subject: &WorkloadFacts<'_>, dialled: u16) -> u16 {
    let declared: Vec<u16> = subject
        .template
        .map(|template| declared_ports(template.spec))
        .unwrap_or_default();
    let known = subject
        .tiers
        .iter()
        .flat_map(|tier| &tier.ports)
        .map(|port| port.get());
    if declared.contains(&dialled) || known.clone().any(|port| port == dialled) {
        return dialled;
    }
    if let [only] = declared.as_slice() {
        return *only;
    }
    subject
        .tiers
        .iter()
        .find_map(|tier| tier.server.as_ref())
        .map_or(dialled, |server| server.port.get())
}

/// The TCP ports that a Pod's containers declare.
pub(super) fn declared_ports(spec: &PodSpec) -> Vec<u16> {
    spec.containers
        .iter()
        .flat_map(|container| container.declared("TCP"))
        .map(NonZeroU16::get)
        .collect()
}

/// Labels as people write a selector: `app=db,tier=store`.
pub(super) fn labels_text(labels: &BTreeMap<String, String>) -> String {
    labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::fixtures;

    #[test]
    fn a_service_name_is_a_dns_label() {
        for name in ["db", "my-db", "db2"] {
            assert!(is_service_name(name), "{name}");
        }
        for name in ["", "my_db", "DB", "-db", "db-", "2db", &"a".repeat(64)] {
            assert!(!is_service_name(name), "{name}");
        }
        assert_eq!(nearest_name("My_DB").as_deref(), Some("my-db"));
        assert_eq!(
            name_for_host("DB", "default", "default").as_deref(),
            Some("db")
        );
        assert_eq!(
            name_for_host("db.data", "default", "data").as_deref(),
            Some("db")
        );
        assert_eq!(name_for_host("db.example.com", "default", "example"), None);
        assert_eq!(name_for_host("my_db", "default", "default"), None);
    }

    const TWO: &str = "
kind: Deployment
metadata: {name: db}
spec: {selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop, part: db}}, spec: {containers: [{name: db}]}}}
---
kind: Deployment
metadata: {name: ap}
spec: {selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop, part: PART}}, spec: {containers: [{name: ap}]}}}
";

    fn selector_of(part: &str) -> Option<Labels> {
        let snapshot = fixtures::snapshot(&TWO.replace("PART", part));
        let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
        let context = Context::new(&graph, &snapshot, None);
        let subject = context
            .subjects
            .iter()
            .find(|subject| subject.key.name == "db")?;
        selector(&context, subject)
    }

    #[test]
    fn a_selector_never_takes_the_pods_of_another_tier() {
        assert_eq!(labels_text(&selector_of("ap").unwrap()), "app=shop,part=db");
        assert_eq!(selector_of("db"), None, "nothing distinguishes them");
    }

    #[test]
    fn a_selector_that_does_not_match_its_own_pods_is_proposed_to_no_one() {
        let text = TWO.replacen("matchLabels: {app: shop}", "matchLabels: {app: db}", 1);
        let snapshot = fixtures::snapshot(&text.replace("PART", "ap"));
        let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
        let context = Context::new(&graph, &snapshot, None);
        let mut subjects = context.subjects.iter();
        let subject = subjects.find(|subject| subject.key.name == "db").unwrap();
        let proposed = selector(&context, subject).unwrap();
        assert_eq!(labels_text(&proposed), "app=shop,part=db");
    }

    #[test]
    fn a_service_manifest_reads_back() {
        let port = |port| PortToMake {
            port,
            target: 3306,
            transport: "TCP",
        };
        let labels = Labels::from([("app".to_owned(), "db".to_owned())]);
        let text = service("db", "default", &labels, &[port(3306), port(3307)]).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(value["spec"]["ports"][1]["targetPort"], 3306);
        assert_eq!(value["spec"]["ports"][1]["name"], "tcp-3307");
        assert_eq!(value["spec"]["selector"]["app"], "db");
    }
}
