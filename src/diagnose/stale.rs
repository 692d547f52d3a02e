//! Section 2: values that changed after the client's containers started. What a probe is given is made now; what the client has was made then. Pure.

mod pods;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::subject::WorkloadFacts;
use super::{Context, Rule, variables};
use crate::address;
use crate::finding::{Code, Finding, Fix, Severity};
use crate::graph::{Edge, OriginKind};
use crate::observe::kinds::{Container, Metadata, Volume};
use crate::observe::{NamespaceState, config_map_file, is_live, service_link};
use crate::shell::Command;

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::WorkloadMany(configuration_stale)];

/// A value that a container has from before its last change.
struct Stale {
    variable: String,
    /// `configmap/settings`, `secret/db`, `service/db`.
    object: String,
    changed: Timestamp,
    started: Timestamp,
    /// Whether the value then cannot have been that of now.
    certain: bool,
    /// How it came into the container.
    how: ValueSource,
}

/// How a value came into the container when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueSource {
    /// As a variable.
    Variable,
    /// As a file, by subPath.
    File,
    /// As a file that follows its source, and that the program reads when it starts or reloads.
    Read,
    /// As the address of a name that the client resolved.
    Name,
}

fn configuration_stale(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Vec<Finding> {
    let namespaces = &context.snapshot.namespaces;
    let state = namespaces.get(&subject.key.namespace);
    let Some(state) = state.filter(|_| !context.snapshot.offline) else {
        return Vec::new();
    };
    let edges = context.graph.edges.iter();
    edges
        .filter(|edge| !edge.forbidden && subject.runs(&edge.from))
        .filter_map(|edge| {
            pods::older_than_template(context, subject, edge).or_else(|| {
                let old =
                    of_edge(subject, state, edge).or_else(|| of_name(context, subject, edge))?;
                Some(finding(context, subject, edge, &old))
            })
        })
        .collect()
}

fn finding(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    edge: &Edge,
    stale: &Stale,
) -> Finding {
    let Stale {
        variable,
        object,
        changed,
        started,
        certain,
        how,
    } = stale;
    let name = subject.name(&context.snapshot.namespace);
    let fails = *certain || variables::suffers(context, subject);
    let restart = subject.key.is_rolled_out().then(|| {
        let object = subject.key.to_string();
        Command::kubectl(&subject.key.namespace, &["rollout", "restart", &object])
    });
    Finding::new(
        Code::ConfigurationStale,
        subject.scoped(Severity::error_if(fails)),
        subject.key.object(),
        match how {
            ValueSource::Variable | ValueSource::File | ValueSource::Read => format!(
                "{name} started before {object} changed, from which it has {variable}: its Pods may have another value than the one that is proven here"
            ),
            ValueSource::Name => format!(
                "{name} resolves {variable} once, when it starts or reloads, and {object} is younger: its Pods may dial an address that no one has any more, in place of the one that is proven here"
            ),
        },
    )
    .on([&edge.id])
    .overruling(fails.then_some(&edge.id))
    .because([format!(
        "{variable}: container started {started}, {object} changed {changed}"
    )])
    .fix(
        Fix::text(match how {
            ValueSource::File => format!("restart the Pods of {name}: a file that is mounted by subPath stays as it was when the container started"),
            ValueSource::Read => format!("restart the Pods of {name}, or let it reload: the file is the new one, and the program reads it when it starts or reloads"),
            ValueSource::Variable => {
                format!("restart the Pods of {name}: variables are read when a container starts")
            }
            ValueSource::Name => format!("restart the Pods of {name}. So that it does not happen again, give {variable} a Service with a ClusterIP that stays, or let the proxy resolve the name while it runs (`resolver` and a variable in the address, or `resolvers`)"),
        })
        .run(restart),
    )
}

/// The first variable of an edge whose source changed after the client's container started.
fn of_edge(subject: &WorkloadFacts<'_>, state: &NamespaceState, edge: &Edge) -> Option<Stale> {
    let mut names: BTreeSet<&str> = edge.variable.as_deref().into_iter().collect();
    names.extend(edge.login.iter().flat_map(|login| login.variables()));
    let template = subject.template?;
    let linked = template.spec.enable_service_links != Some(false);
    for container in &template.spec.containers {
        let Some(started) = started(subject, &container.name) else {
            continue;
        };
        for name in &names {
            for source in sources(container, name, state, linked, 0) {
                let object = format!("{}/{}", source.kind, source.metadata.name);
                if let Some(changed) = source.changed().filter(|changed| *changed > started) {
                    return Some(Stale {
                        variable: (*name).to_owned(),
                        object,
                        changed,
                        started,
                        certain: source.kind == "service",
                        how: ValueSource::Variable,
                    });
                }
            }
        }
        if let Some(stale) = of_files(container, &template.spec.volumes, state, edge, started) {
            return Some(stale);
        }
    }
    None
}

/// A file from which the edge is known, and of which the program may have an older text: mounted by subPath it stays as it was; other mounts
/// follow their ConfigMap, and a proxy reads them when it starts.
fn of_files(
    container: &Container,
    volumes: &[Volume],
    state: &NamespaceState,
    edge: &Edge,
    started: Timestamp,
) -> Option<Stale> {
    for mount in &container.volume_mounts {
        let how = match mount.sub_path.as_str() {
            "" if edge.at_start => ValueSource::Read,
            "" => continue,
            _ => ValueSource::File,
        };
        let volume = volumes.iter().find(|volume| volume.name == mount.name);
        let Some(map) = volume.and_then(|volume| volume.config_map.as_ref()) else {
            continue;
        };
        let Some(found) = state.config_map(&map.name) else {
            continue;
        };
        let path = mount.sub_path.trim_matches('/');
        let item = map.items.iter().find(|item| item.path == path);
        let by_path = item.map_or(path, |item| item.key.as_str());
        let mut keys: Vec<&str> = match how {
            ValueSource::File => vec![by_path],
            _ => found.data.keys().map(String::as_str).collect(),
        };
        keys.retain(|key| {
            let spelling = config_map_file(&map.name, key);
            mounted(edge).any(|(_, source)| *source == spelling)
        });
        let Some(key) = keys.first() else {
            continue;
        };
        let source = Source {
            kind: "configmap",
            metadata: &found.metadata,
            key: (*key).to_owned(),
        };
        let changed = source.changed();
        if let Some(changed) = changed.filter(|changed| *changed > started) {
            return Some(Stale {
                variable: mount.mount_path.clone(),
                object: format!("configmap/{}", map.name),
                changed,
                started,
                certain: false,
                how,
            });
        }
    }
    None
}

/// The mounted files from which an edge is known: path, and the object that holds each.
fn mounted(edge: &Edge) -> impl Iterator<Item = (&String, &String)> {
    edge.origin.iter().filter_map(|origin| match &origin.kind {
        OriginKind::Mounted { path, source } => Some((path, source)),
        _ => None,
    })
}

/// A name that the client resolved when it started, to an address that is younger now: that of a Service made again, or, without a
/// ClusterIP, those of its Pods.
fn of_name(context: &Context<'_>, subject: &WorkloadFacts<'_>, edge: &Edge) -> Option<Stale> {
    if !edge.at_start {
        return None;
    }
    let way = context.snapshot.way(&edge.host, &subject.key.namespace);
    let (key, service) = way.last()?;
    let mut containers = subject.template?.spec.containers.iter();
    let started = containers.find_map(|container| {
        let mut mounts = container.volume_mounts.iter();
        let has_file =
            mounts.any(|mount| mounted(edge).any(|(path, _)| path.starts_with(&mount.mount_path)));
        started(subject, &container.name).filter(|_| has_file)
    })?;
    let (object, changed) = if service.spec.is_headless() {
        let pods = context
            .snapshot
            .pods_selected(&key.namespace, &service.spec.selector);
        let oldest = pods
            .into_iter()
            .filter(|pod| is_live(pod))
            .min_by_key(|pod| pod.metadata.creation_timestamp)?;
        let name = format!("pod/{}", oldest.metadata.name);
        (name, oldest.metadata.creation_timestamp)
    } else {
        let name = format!("service/{}", key.name);
        (name, service.metadata.creation_timestamp)
    };
    let changed = changed.filter(|changed| *changed > started)?;
    Some(Stale {
        variable: edge.host.clone(),
        object,
        changed,
        started,
        certain: false,
        how: ValueSource::Name,
    })
}

/// When the container that has run longest started.
fn started(subject: &WorkloadFacts<'_>, container: &str) -> Option<Timestamp> {
    let statuses = subject
        .pods
        .iter()
        .flat_map(|pod| &pod.status.container_statuses)
        .filter(|status| status.name == container);
    statuses
        .filter_map(|status| status.state.running.as_ref()?.started_at)
        .min()
}

/// An object that a variable's value comes from.
struct Source<'a> {
    kind: &'static str,
    metadata: &'a Metadata,
    key: String,
}

impl Source<'_> {
    /// When the value may have changed last: the last write of someone who owns the key. Labels and annotations are no value.
    fn changed(&self) -> Option<Timestamp> {
        if self.kind == "service" {
            return self.metadata.creation_timestamp;
        }
        let writes = self.metadata.managed_fields.iter();
        writes
            .filter(|write| write.holds(&self.key))
            .filter_map(|write| write.time)
            .chain(self.metadata.creation_timestamp)
            .max()
    }
}

/// How deep references are followed.
const DEPTH: u8 = 4;

/// Everything that a variable's value is made of.
fn sources<'a>(
    container: &Container,
    name: &str,
    state: &'a NamespaceState,
    linked: bool,
    depth: u8,
) -> Vec<Source<'a>> {
    let map = |wanted: &str, key: &str| {
        Some(Source {
            kind: "configmap",
            metadata: &state.config_map(wanted)?.metadata,
            key: key.to_owned(),
        })
    };
    let secret = |wanted: &str, key: &str| {
        let found = state
            .secrets
            .iter()
            .find(|secret| secret.metadata.name == wanted)?;
        Some(Source {
            kind: "secret",
            metadata: &found.metadata,
            key: key.to_owned(),
        })
    };
    if let Some(variable) = container.variable(name) {
        if let Some(from) = &variable.value_from {
            let of_map = from.config_map_key_ref.as_ref();
            let of_secret = from.secret_key_ref.as_ref();
            return of_map
                .and_then(|one| map(&one.name, &one.key))
                .into_iter()
                .chain(of_secret.and_then(|one| secret(&one.name, &one.key)))
                .collect();
        }
        let literal = variable.value.as_deref().unwrap_or_default();
        return address::references(literal)
            .into_iter()
            .filter(|other| *other != name && depth < DEPTH)
            .flat_map(|other| sources(container, other, state, linked, depth + 1))
            .collect();
    }
    for from in container.env_from.iter().rev() {
        let Some(key) = name.strip_prefix(&from.prefix) else {
            continue;
        };
        if let Some(reference) = &from.config_map_ref {
            let found = state.config_map(&reference.name);
            if found.is_some_and(|map| map.data.contains_key(key)) {
                return map(&reference.name, key).into_iter().collect();
            }
        }
        if let Some(reference) = &from.secret_ref
            && let Some(source) = secret(&reference.name, key)
            && source
                .metadata
                .managed_fields
                .iter()
                .any(|write| write.holds(key))
        {
            return vec![source];
        }
    }
    let makes = |service: &&crate::observe::kinds::Service| {
        linked && service_link(std::slice::from_ref(*service), name).is_some()
    };
    let service = state.services.iter().find(makes);
    service
        .map(|service| Source {
            kind: "service",
            metadata: &service.metadata,
            key: String::new(),
        })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{graph, snapshot};
    use super::*;
    use crate::graph::Origin;
    use crate::observe::Snapshot;

    const EDGE: &str = "AP->KVS:6379/redis";

    /// What runs of AP since ten o'clock.
    const RUNNING: &str = "---
kind: ReplicaSet
metadata: {name: ap-1, ownerReferences: [{kind: Deployment, name: ap, controller: true}]}
---
kind: Pod
metadata: {name: ap-1-x, ownerReferences: [{kind: ReplicaSet, name: ap-1, controller: true}]}
spec: {containers: [{name: ap}]}
status: {phase: Running, conditions: [{type: Ready, status: 'True'}], containerStatuses: [{name: ap, ready: true, state: {running: {startedAt: '2026-11-23T10:00:00Z'}}}]}
";

    fn cluster(env: &str, map: &str) -> Snapshot {
        snapshot(&format!(
            "
kind: Deployment
metadata: {{name: ap}}
spec: {{replicas: 1, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{containers: [{{name: ap, env: [{env}]}}]}}}}}}
{RUNNING}---
kind: Service
metadata: {{name: kvs, creationTimestamp: '2026-11-23T11:00:00Z'}}
spec: {{clusterIP: 10.96.0.7, selector: {{app: kvs}}, ports: [{{port: 6379}}]}}
---
kind: ConfigMap
metadata: {{name: c, creationTimestamp: '2026-11-23T09:00:00Z', managedFields: [{map}]}}
data: {{HOST: kvs}}
"
        ))
    }

    fn found(env: &str, map: &str) -> Option<Finding> {
        let mut graph = graph(&[EDGE]);
        graph.edges[0].variable = Some("URL".to_owned());
        let snapshot = cluster(env, map);
        RULES[0].raise(&Context::new(&graph, &snapshot, None)).pop()
    }

    const BY_KEY: &str = "{name: HOST, valueFrom: {configMapKeyRef: {name: c, key: HOST}}}, {name: URL, value: 'redis://$(HOST):6379'}";

    #[test]
    fn a_value_that_changed_after_the_start_is_stale_and_a_label_is_no_value() {
        let after = "{time: '2026-11-23T10:30:00Z', fieldsV1: {'f:data': {'f:HOST': {}}}}";
        let stale = found(BY_KEY, after).unwrap();
        assert_eq!(stale.severity, Severity::Warning);
        assert!(stale.overrules.is_empty());
        assert!(stale.message.contains("configmap/c"), "{}", stale.message);
        for fine in [
            "{time: '2026-11-23T09:30:00Z', fieldsV1: {'f:data': {'f:HOST': {}}}}",
            "{time: '2026-11-23T10:30:00Z', fieldsV1: {'f:data': {'f:OTHER': {}}}}",
            "{time: '2026-11-23T10:30:00Z', fieldsV1: {'f:metadata': {'f:labels': {}}}}",
            "",
        ] {
            assert!(found(BY_KEY, fine).is_none(), "{fine}");
        }
    }

    #[test]
    fn a_file_by_sub_path_stays_as_it_was_and_a_whole_volume_follows() {
        let mounted = |sub_path: &str, at_start: bool| {
            let objects = format!(
                "
kind: Deployment
metadata: {{name: ap}}
spec: {{replicas: 1, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{volumes: [{{name: v, configMap: {{name: c}}}}], containers: [{{name: ap, volumeMounts: [{{name: v, mountPath: /etc/x.conf, subPath: '{sub_path}'}}]}}]}}}}}}
{RUNNING}---
kind: ConfigMap
metadata: {{name: c, managedFields: [{{time: '2026-11-23T10:30:00Z', fieldsV1: {{'f:data': {{'f:x.conf': {{}}}}}}}}]}}
data: {{x.conf: 'host kvs'}}
"
            );
            let mut graph = graph(&[EDGE]);
            graph.edges[0].origin = vec![Origin::mounted(
                "/etc/x.conf",
                "configmap/c x.conf",
                &"deployment/ap",
            )];
            graph.edges[0].at_start = at_start;
            RULES[0]
                .raise(&Context::new(&graph, &snapshot(&objects), None))
                .pop()
        };
        let stale = mounted("x.conf", false).unwrap();
        assert_eq!(stale.severity, Severity::Warning);
        assert!(stale.message.contains("/etc/x.conf"), "{}", stale.message);
        assert!(stale.fix.unwrap().text.contains("subPath"));
        assert!(mounted("", false).is_none() && mounted("y.conf", false).is_none());
        let stale = mounted("", true).unwrap();
        assert_eq!(stale.severity, Severity::Warning);
        assert!(stale.fix.unwrap().text.contains("reload"));
    }

    #[test]
    fn a_proxy_keeps_the_address_that_its_name_had_when_it_started() {
        let proxy = |made: &str, ip: &str, pod: &str, at_start: bool| {
            let objects = format!(
                "
kind: Deployment
metadata: {{name: ap}}
spec: {{replicas: 1, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{volumes: [{{name: v, configMap: {{name: c}}}}], containers: [{{name: ap, volumeMounts: [{{name: v, mountPath: /etc/x}}]}}]}}}}}}
{RUNNING}---
kind: Service
metadata: {{name: kvs, creationTimestamp: '2026-11-23T{made}:00:00Z'}}
spec: {{clusterIP: {ip}, selector: {{app: kvs}}, ports: [{{port: 6379}}]}}
---
kind: Pod
metadata: {{name: kvs-1, labels: {{app: kvs}}, creationTimestamp: '2026-11-23T{pod}:00:00Z'}}
status: {{phase: Running}}
"
            );
            let mut graph = graph(&[EDGE]);
            graph.edges[0].host = "kvs".to_owned();
            graph.edges[0].at_start = at_start;
            graph.edges[0].origin = vec![Origin::mounted(
                "/etc/x/proxy.conf",
                "configmap/c proxy.conf",
                &"deployment/ap",
            )];
            RULES[0]
                .raise(&Context::new(&graph, &snapshot(&objects), None))
                .pop()
        };
        let stale = proxy("11", "10.96.0.7", "09", true).unwrap();
        assert_eq!(stale.severity, Severity::Warning);
        assert!(stale.message.contains("service/kvs"), "{}", stale.message);
        assert!(stale.fix.unwrap().command.is_some());
        let member = proxy("08", "None", "11", true).unwrap();
        assert!(member.message.contains("pod/kvs-1"), "{}", member.message);
        assert!(proxy("11", "10.96.0.7", "09", false).is_none());
        assert!(proxy("08", "10.96.0.7", "11", true).is_none());
        assert!(proxy("08", "None", "09", true).is_none());
    }

    #[test]
    fn the_address_of_a_younger_service_cannot_be_what_the_client_has() {
        let stale = found("{name: URL, value: 'redis://$(KVS_SERVICE_HOST):6379'}", "").unwrap();
        assert_eq!(stale.severity, Severity::Error);
        assert_eq!(stale.overrules, stale.edges);
        assert!(found("{name: URL, value: 'redis://kvs:6379'}", "").is_none());
    }

    #[test]
    fn pods_that_no_one_replaces_keep_the_variable_of_their_own_template() {
        let raised = |kind: &str, strategy: &str, paused: bool, old: &str| {
            let env = |host: &str| format!("[{{name: URL, value: 'redis://{host}:6379'}}]");
            let objects = format!(
                "
kind: {kind}
metadata: {{name: ap}}
spec: {{replicas: 1, paused: {paused}, updateStrategy: {{type: {strategy}}}, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{containers: [{{name: ap, env: {}}}]}}}}}}
---
kind: Pod
metadata: {{name: ap-0, ownerReferences: [{{kind: {kind}, name: ap, controller: true}}]}}
spec: {{containers: [{{name: ap, env: {}}}]}}
status: {{phase: Running}}
---
kind: Service
metadata: {{name: kvs}}
spec: {{clusterIP: 10.96.0.7, selector: {{app: kvs}}, ports: [{{port: 6379}}]}}
",
                env("kvs"),
                env(old)
            );
            let mut graph = graph(&[EDGE]);
            graph.edges[0].variable = Some("URL".to_owned());
            let workload = &mut graph.tiers.get_mut("AP").unwrap().workloads[0];
            workload.kind = kind.to_lowercase();
            let snapshot = snapshot(&objects);
            RULES[0]
                .raise(&Context::new(&graph, &snapshot, None))
                .pop()
                .map(|finding| (finding.severity, finding.overrules.len()))
        };
        assert_eq!(
            raised("StatefulSet", "OnDelete", false, "cache"),
            Some((Severity::Error, 1))
        );
        assert_eq!(
            raised("Deployment", "null", true, "cache"),
            Some((Severity::Error, 1))
        );
        assert_eq!(
            raised("StatefulSet", "OnDelete", false, "KVS"),
            Some((Severity::Warning, 0))
        );
        assert_eq!(raised("StatefulSet", "OnDelete", false, "kvs"), None);
        for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
            let found = raised(kind, "RollingUpdate", false, "cache");
            assert_eq!(found, None, "{kind} is being replaced");
        }
    }
}
