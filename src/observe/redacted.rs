//! The cluster's own words in a [`Snapshot`], redacted as they come in: no stage after this one sees them otherwise. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::kinds::{Condition, Container, ContainerStatus, Metadata, Pod, PodSpec};
use super::{NamespaceState, Settle, Snapshot};
use crate::redact::Redactor;

/// Lines of a log that are kept.
const LINES: usize = 20;
/// Characters of a line that are kept.
const LINE_LENGTH: usize = 400;
/// Shorter values of variables are words, ports and flags.
const MIN_SECRET: usize = 4;

impl Snapshot {
    /// What a quoted text may show: the names of the objects, hosts and images that were read.
    pub fn redactor(&self) -> Redactor {
        let mut names = BTreeSet::new();
        for node in &self.nodes {
            names.insert(node.metadata.name.clone());
        }
        for (namespace, state) in &self.namespaces {
            names.insert(namespace.clone());
            state_names(state, &mut names);
        }
        Redactor::with_names(names)
    }
}

/// Redacts every text of the snapshot that somebody wrote freely; `logs`: whether what containers printed is kept at all.
pub(super) fn redact(snapshot: &mut Snapshot, logs: bool) {
    let redactor = snapshot.redactor();
    for node in &mut snapshot.nodes {
        conditions(&mut node.status.conditions, &redactor);
    }
    for state in snapshot.namespaces.values_mut() {
        redact_state(state, &redactor, logs);
    }
}

/// Redacts why workloads have not settled or never will.
pub(super) fn redact_settle(settle: &mut Settle, redactor: &Redactor) {
    for reason in settle
        .unsettled
        .values_mut()
        .chain(settle.failed.values_mut())
    {
        *reason = redactor.text(reason);
    }
}

fn redact_state(state: &mut NamespaceState, redactor: &Redactor, logs: bool) {
    let secrets: BTreeMap<String, Redactor> = state
        .pods
        .iter()
        .map(|pod| {
            let values = pod
                .spec
                .every()
                .flat_map(|container| secrets_of(state, container));
            let hiding = redactor.hiding(values);
            (pod.metadata.name.clone(), hiding)
        })
        .collect();
    let of = |pod: &str| secrets.get(pod).unwrap_or(redactor);
    for pod in &mut state.pods {
        let redactor = of(&pod.metadata.name);
        redact_pod(pod, redactor, logs);
    }
    for workload in &mut state.workloads {
        conditions(&mut workload.status.conditions, redactor);
    }
    for event in &mut state.events {
        event.message = of(&event.involved_object.name).text(&event.message);
    }
    if !logs {
        state.crash_logs.clear();
    }
    for (key, log) in &mut state.crash_logs {
        let pod = key.split('/').next().unwrap_or_default();
        *log = last_lines(&of(pod).text(log));
    }
}

fn redact_pod(pod: &mut Pod, redactor: &Redactor, logs: bool) {
    let status = &mut pod.status;
    status.message = redactor.text(&status.message);
    conditions(&mut status.conditions, redactor);
    for container in status
        .container_statuses
        .iter_mut()
        .chain(&mut status.init_container_statuses)
    {
        redact_container(container, redactor, logs);
    }
}

fn redact_container(status: &mut ContainerStatus, redactor: &Redactor, logs: bool) {
    for state in [&mut status.state, &mut status.last_state] {
        if let Some(waiting) = &mut state.waiting {
            waiting.message = redactor.text(&waiting.message);
        }
        if let Some(ended) = &mut state.terminated {
            // With terminationMessagePolicy FallbackToLogsOnError it is the end of the log.
            ended.message = if logs {
                redactor.text(&ended.message)
            } else {
                String::new()
            };
        }
    }
}

fn conditions(conditions: &mut [Condition], redactor: &Redactor) {
    for condition in conditions {
        condition.message = redactor.text(&condition.message);
    }
}

/// The last lines, each of limited length.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..]
        .iter()
        .map(|line| match line.char_indices().nth(LINE_LENGTH) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => (*line).to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn state_names(state: &NamespaceState, names: &mut BTreeSet<String>) {
    fn add<T>(names: &mut BTreeSet<String>, objects: &[T], metadata: fn(&T) -> &Metadata) {
        names.extend(objects.iter().map(|object| metadata(object).name.clone()));
    }
    add(names, &state.pods, |object| &object.metadata);
    add(names, &state.workloads, |object| &object.metadata);
    add(names, &state.services, |object| &object.metadata);
    add(names, &state.endpoint_slices, |object| &object.metadata);
    add(names, &state.network_policies, |object| &object.metadata);
    add(names, &state.ingresses, |object| &object.metadata);
    add(names, &state.http_routes, |object| &object.metadata);
    add(names, &state.volume_claims, |object| &object.metadata);
    add(names, &state.config_maps, |object| &object.metadata);
    add(names, &state.disruption_budgets, |object| &object.metadata);
    add(names, &state.limit_ranges, |object| &object.metadata);
    for pod in &state.pods {
        pod_names(&pod.spec, names);
        names.extend(
            pod.status
                .container_statuses
                .iter()
                .map(|status| status.image.clone()),
        );
    }
    for workload in &state.workloads {
        pod_names(&workload.spec.template.spec, names);
    }
}

/// What a Pod's specification names.
fn pod_names(spec: &PodSpec, names: &mut BTreeSet<String>) {
    names.insert(spec.node_name.clone());
    names.insert(spec.service_account_name.clone());
    for volume in &spec.volumes {
        names.insert(volume.name.clone());
        let secret = volume.secret.iter().map(|secret| &secret.secret_name);
        let map = volume.config_map.iter().map(|map| &map.name);
        let claim = volume
            .persistent_volume_claim
            .iter()
            .map(|claim| &claim.claim_name);
        names.extend(secret.chain(map).chain(claim).cloned());
    }
    for container in spec.every() {
        names.insert(container.name.clone());
        names.insert(container.image.clone());
        names.extend(container.ports.iter().map(|port| port.name.clone()));
        for from in &container.env_from {
            let references = from.config_map_ref.iter().chain(&from.secret_ref);
            names.extend(references.map(|reference| reference.name.clone()));
        }
        for variable in &container.env {
            names.insert(variable.name.clone());
            let source = variable.value_from.as_ref();
            let references = source
                .and_then(|source| source.secret_key_ref.as_ref())
                .into_iter()
                .chain(source.and_then(|source| source.config_map_key_ref.as_ref()));
            for reference in references {
                names.insert(reference.name.clone());
                names.insert(reference.key.clone());
            }
            names.extend(
                variable
                    .value
                    .as_deref()
                    .and_then(|value| host(&variable.name, value)),
            );
        }
    }
}

/// The host that a variable holds by its name: graphs show it too.
fn host(name: &str, value: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let holds = [
        "host", "hostname", "addr", "address", "endpoint", "server", "servers",
    ]
    .iter()
    .any(|end| name.ends_with(end));
    let host = value.split([':', ',']).next()?;
    let looks = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    (holds && looks).then(|| host.to_owned())
}

/// The literal values of the container's variables, those of ConfigMaps included: any of them may be a secret.
fn secrets_of<'a>(state: &'a NamespaceState, container: &'a Container) -> Vec<&'a str> {
    let literal = container.env.iter().filter_map(|env| {
        let from_map = || {
            let reference = env.value_from.as_ref()?.config_map_key_ref.as_ref()?;
            Some(
                state
                    .config_map(&reference.name)?
                    .data
                    .get(&reference.key)?
                    .as_str(),
            )
        };
        let value = env.value.as_deref().or_else(from_map)?;
        Some((env.name.as_str(), value))
    });
    let whole = container
        .whole_maps()
        .filter_map(|name| state.config_map(name))
        .flat_map(|map| {
            map.data
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
        });
    literal
        .chain(whole)
        .filter(|(name, value)| may_be_secret(name, value))
        .map(|(_, value)| value)
        .collect()
}

/// Hosts, ports and flags explain a crash and stay readable; whatever else a variable holds is masked.
fn may_be_secret(name: &str, value: &str) -> bool {
    const SECRET: &[&str] = &[
        "pass",
        "pwd",
        "secret",
        "token",
        "key",
        "credential",
        "auth",
        "private",
        "salt",
        "cookie",
        "dsn",
    ];
    const PLAIN: &[&str] = &[
        "host", "hostname", "port", "addr", "address", "endpoint", "server", "servers", "level",
        "mode", "env", "path", "dir", "name",
    ];
    let name = name.to_ascii_lowercase();
    let last = name.rsplit('_').next().unwrap_or_default();
    let plain_value = value.parse::<f64>().is_ok()
        || [
            "true",
            "false",
            "none",
            "null",
            "production",
            "development",
            "localhost",
        ]
        .contains(&value.to_ascii_lowercase().as_str());
    value.len() >= MIN_SECRET
        && (SECRET.iter().any(|word| name.contains(word))
            || !(plain_value || PLAIN.contains(&last)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state() -> NamespaceState {
        serde_json::from_value(json!({
            "config_maps": [{"metadata": {"name": "c"}, "data": {"k": "from-map", "API_KEY": "key-of-map"}}],
            "pods": [{"metadata": {"name": "ap-x7k2p", "namespace": "shop"},
                "spec": {"containers": [{"name": "ap", "image": "ghcr.io/shop/ap:4f2a91c",
                    "env": [{"name": "DB_PASS", "value": "sunshine"}, {"name": "DB_HOST", "value": "mysql-7"}, {"name": "FEATURE", "value": "xyzzy"},
                        {"name": "PORT", "value": "30000"}, {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}],
                    "envFrom": [{"configMapRef": {"name": "c"}}]}]},
                "status": {"message": "at sunshine", "conditions": [{"type": "Ready", "message": "pw=s3cretX"}],
                    "containerStatuses": [{"name": "ap", "state": {"waiting": {"message": "mysqladmin -ps3cretX"}},
                        "lastState": {"terminated": {"exitCode": 1, "message": "token s3cretX"}}}]}}],
            "workloads": [{"metadata": {"name": "ap"}, "status": {"conditions": [{"message": "Bearer s3cretX"}]}}],
            "events": [{"involvedObject": {"name": "ap-x7k2p"}, "message": "Readiness probe failed: mysql://app:s3cretX@mysql-7 sunshine ap-x7k2p"}],
            "crash_logs": {"ap-x7k2p/ap": "from-map at xyzzy\nkey-of-map to mysql-7:3306\nghcr.io/shop/ap:4f2a91c ended, s3cretX"},
        }))
        .unwrap()
    }

    fn redacted(logs: bool) -> (String, NamespaceState) {
        let mut snapshot = Snapshot {
            namespace: "shop".to_owned(),
            namespaces: [("shop".to_owned(), state())].into(),
            ..Snapshot::default()
        };
        redact(&mut snapshot, logs);
        let state = snapshot.namespaces.remove("shop").unwrap();
        let mut shown = state.clone();
        shown.config_maps.clear();
        for pod in &mut shown.pods {
            pod.spec = PodSpec::default();
        }
        (format!("{shown:?}"), state)
    }

    #[test]
    fn every_text_of_the_cluster_comes_in_without_secrets() {
        let (text, state) = redacted(true);
        for secret in ["s3cretX", "sunshine", "xyzzy", "from-map", "key-of-map"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(
            state.events[0].message,
            "Readiness probe failed: mysql://***@mysql-7 *** ap-x7k2p"
        );
        assert_eq!(
            state.crash_logs["ap-x7k2p/ap"],
            "*** at ***\n*** to mysql-7:3306\nghcr.io/shop/ap:4f2a91c ended, ***"
        );
    }

    #[test]
    fn without_logs_nothing_that_a_container_printed_is_kept() {
        let (_, state) = redacted(false);
        assert!(state.crash_logs.is_empty());
        let ended = &state.pods[0].status.container_statuses[0].last_state;
        assert_eq!(ended.terminated.as_ref().unwrap().message, "");
    }

    #[test]
    fn only_the_last_lines_stay_and_none_is_endless() {
        let lines: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
        let kept = last_lines(&lines.join("\n"));
        assert_eq!(kept.lines().count(), LINES);
        assert!(kept.ends_with("line 99"));
        assert_eq!(
            last_lines(&"ö".repeat(1000)).chars().count(),
            LINE_LENGTH + 1
        );
    }
}
