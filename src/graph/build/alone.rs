//! The graph from the cluster alone: every workload that serves or calls is a tier. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::address;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::graph::deployed;
use crate::graph::{Note, NoteKind, Tier, TierGraph};
use crate::observe::{Snapshot, WorkloadKey, is_live};
use crate::protocol::Protocol;

use super::{Known, merge, tiers};

/// The graph of the run's namespace, with what its workloads reach in other ones.
pub(super) fn build(
    snapshot: &Snapshot,
    config: &Config,
    catalog: &Catalog,
) -> (TierGraph, Vec<Known>) {
    let mut graph = TierGraph {
        notes: vec![Note {
            kind: NoteKind::Information,
            message: "no compose file: the graph comes from the deployed workloads alone"
                .to_owned(),
        }],
        ..TierGraph::default()
    };
    let keys = workloads(snapshot, config);
    let names = names(&keys, &snapshot.namespace);
    let mut all: BTreeMap<String, Tier> = keys
        .into_iter()
        .zip(names)
        .map(|(key, name)| {
            let tier = Tier {
                name: name.clone(),
                one_shot: matches!(key.kind.as_str(), "job" | "cronjob"),
                expected: true,
                workloads: vec![key],
                ..Tier::default()
            };
            (name, tier)
        })
        .collect();
    apply_rules(&mut all, config, snapshot, &mut graph);
    let facts = tiers::describe_all(&mut all, snapshot, catalog);
    graph.tiers = all;
    bindings(&graph.tiers, snapshot, &mut graph.notes);
    own_hosts(&graph.tiers, snapshot, &mut graph.notes);
    let shared = BTreeSet::new();
    let known = vec![facts];
    let sources = merge::Sources {
        shared: &shared,
        compose: None,
        known: &known,
        snapshot,
        catalog,
    };
    merge::merge(&mut graph, Vec::new(), &sources);
    uncalled(&mut graph, snapshot);

    let ends: BTreeSet<&String> = graph
        .edges
        .iter()
        .flat_map(|edge| [&edge.from, &edge.to])
        .collect();
    let idle: Vec<String> = graph
        .tiers
        .values()
        .filter(|tier| !ends.contains(&tier.name))
        .filter(|tier| tier.services.is_empty() && tier.server.is_none())
        .map(|tier| tier.name.clone())
        .collect();
    for name in idle {
        graph.tiers.remove(&name);
    }
    (graph, known)
}

/// The workloads of the run's namespace and of those that the user names; and what hosts of theirs lead to elsewhere.
fn workloads(snapshot: &Snapshot, config: &Config) -> Vec<WorkloadKey> {
    let mut found: BTreeSet<WorkloadKey> = std::iter::once(&snapshot.namespace)
        .chain(&config.namespaces)
        .flat_map(|namespace| snapshot.workloads(namespace))
        .filter(|key| !is_leftover(key, snapshot))
        .collect();
    // Many workloads name the same host.
    let hosts: BTreeSet<(String, String)> = found
        .iter()
        .flat_map(|key| {
            let hosts = hosts(key, snapshot).into_iter();
            hosts.map(|host| (key.namespace.clone(), host))
        })
        .collect();
    for (namespace, host) in hosts {
        let behind = snapshot.way(&host, &namespace).workloads(snapshot);
        found.extend(behind.into_iter().filter(|key| !is_leftover(key, snapshot)));
    }
    found.into_iter().collect()
}

/// The hosts in a workload's variables.
fn hosts(key: &WorkloadKey, snapshot: &Snapshot) -> BTreeSet<String> {
    deployed::containers(snapshot, key)
        .iter()
        .flat_map(|container| address::families(&container.environment.known()))
        .map(|family| family.target.host)
        .collect()
}

/// A bare Pod that has ended is no tier, nor what is suspended and calls no one.
fn is_leftover(key: &WorkloadKey, snapshot: &Snapshot) -> bool {
    let workload = snapshot.workload(key);
    if workload.is_some_and(|workload| workload.spec.suspend) {
        return true;
    }
    key.kind == "pod"
        && snapshot
            .pod(&key.namespace, &key.name)
            .is_some_and(|pod| !is_live(pod))
}

/// The workloads' names; the kind, and the namespace, are added where those alone would repeat.
fn names(keys: &[WorkloadKey], own: &str) -> Vec<String> {
    let long = |key: &WorkloadKey| {
        if key.namespace == own {
            key.name.clone()
        } else {
            format!("{}@{}", key.name, key.namespace)
        }
    };
    let mut short_names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut long_names: BTreeMap<String, usize> = BTreeMap::new();
    for key in keys {
        *short_names.entry(&key.name).or_default() += 1;
        *long_names.entry(long(key)).or_default() += 1;
    }
    keys.iter()
        .map(|key| {
            if short_names.get(key.name.as_str()) == Some(&1) {
                return key.name.clone();
            }
            let name = long(key);
            if long_names.get(&name) == Some(&1) {
                return name;
            }
            format!("{}/{name}", key.kind)
        })
        .collect()
}

/// The user's `tiers:` give names to workloads and put several into one tier.
fn apply_rules(
    all: &mut BTreeMap<String, Tier>,
    config: &Config,
    snapshot: &Snapshot,
    graph: &mut TierGraph,
) {
    for (name, rule) in &config.tiers {
        let mut together: Option<Tier> = None;
        for workload in &rule.workloads {
            let namespace = workload.namespace.as_ref().unwrap_or(&snapshot.namespace);
            let key = WorkloadKey::new(namespace, &workload.kind, &workload.name);
            let holder = all
                .iter()
                .find(|(_, tier)| tier.workloads.contains(&key))
                .map(|(name, _)| name.clone());
            let Some(tier) = holder.and_then(|holder| all.remove(&holder)) else {
                let place = format!("{}:{}", config.file, rule.line);
                let sentence = crate::graph::mapping::is_gone(&place, name, &key);
                if crate::graph::mapping::gone(snapshot, &key) == Some(true) {
                    graph.unmapped.entry(name.clone()).or_insert(sentence);
                } else {
                    graph.questions.push(sentence);
                }
                continue;
            };
            match &mut together {
                None => together = Some(tier),
                Some(first) => first.workloads.extend(tier.workloads),
            }
        }
        if let Some(mut tier) = together {
            tier.name.clone_from(name);
            all.insert(name.clone(), tier);
        } else if rule.workloads.is_empty() {
            all.remove(name);
        }
    }
}

/// Databases, caches and brokers that no one is seen to call, where others take Secrets in as a whole, whose keys are not read.
fn uncalled(graph: &mut TierGraph, snapshot: &Snapshot) {
    let called: BTreeSet<&String> = graph.edges.iter().map(|edge| &edge.to).collect();
    let is_store = |tier: &Tier| tier.protocol().is_some_and(Protocol::is_store);
    let takes_whole = |tier: &&Tier| {
        let containers = tier
            .workloads
            .iter()
            .flat_map(|key| deployed::containers(snapshot, key));
        let mut running = containers.filter(|one| !one.init);
        !is_store(tier) && running.any(|one| one.environment.is_open())
    };
    let tiers = || graph.tiers.values();
    let clients: Vec<&str> = tiers()
        .filter(takes_whole)
        .map(|tier| tier.name.as_str())
        .collect();
    let uncalled = tiers().filter(|tier| is_store(tier) && !called.contains(&tier.name));
    let notes: Vec<Note> = uncalled
        .filter(|_| !clients.is_empty())
        .map(|tier| Note {
            kind: NoteKind::Incomplete,
            message: format!(
                "{} is called by no one as far as can be read, while {} take Secrets in as a whole, whose keys are not read: add the edge to k8sverify.yaml",
                tier.name,
                clients.join(", ")
            ),
        })
        .collect();
    graph.notes.extend(notes);
}

/// Service bindings: host, port and login of a server as files of a Secret, below the folder that this variable names.
fn bindings(tiers: &BTreeMap<String, Tier>, snapshot: &Snapshot, notes: &mut Vec<Note>) {
    const ROOT: &str = "SERVICE_BINDING_ROOT";
    for tier in tiers.values() {
        let templates = tier
            .workloads
            .iter()
            .filter_map(|key| snapshot.template(key));
        for container in templates.flat_map(|template| &template.spec.containers) {
            let root = container
                .variable(ROOT)
                .and_then(|root| root.value.as_deref());
            let mount = root.and_then(|root| {
                let mounts = &container.volume_mounts;
                mounts
                    .iter()
                    .find(|mount| mount.mount_path.starts_with(root))
            });
            if let Some(mount) = mount {
                notes.push(Note {
                    kind: NoteKind::Incomplete,
                    message: format!(
                        "{}: the binding in {} ({ROOT}) names a server in the files of a Secret, so where it leads is not known: add the edge to k8sverify.yaml",
                        tier.name, mount.mount_path
                    ),
                });
            }
        }
    }
}

/// Databases, caches and brokers that the only container of a Pod looks for in the Pod itself, and is not known to serve.
fn own_hosts(tiers: &BTreeMap<String, Tier>, snapshot: &Snapshot, notes: &mut Vec<Note>) {
    for tier in tiers.values() {
        for key in &tier.workloads {
            let alone = snapshot.template(key).is_some_and(|template| {
                template.spec.long_running().count() == 1 && !template.spec.host_network
            });
            let containers = deployed::containers(snapshot, key).into_iter();
            let container = containers
                .filter(|container| alone && !container.init)
                .flat_map(|container| container.environment.known());
            for (name, value) in container {
                let by_name = || {
                    address::words(&name)
                        .iter()
                        .find_map(|word| address::product(word))
                };
                let targets = address::local_targets(&name, &value).into_iter();
                let store = targets
                    .filter_map(|target| Some((target.port, target.protocol.or_else(by_name)?)))
                    .find(|(_, protocol)| protocol.is_store());
                let port = store.and_then(|(port, protocol)| port.or(protocol.default_port()));
                if let Some(port) = port.filter(|port| !tier.ports.contains(port)) {
                    notes.push(Note {
                        kind: NoteKind::Incomplete,
                        message: format!(
                            "{}: {name} leads to the Pod of {key} itself, whose only container is not known to listen on port {port}: whether anything answers there is not verified",
                            tier.name
                        ),
                    });
                }
            }
        }
    }
}
