//! Builders for the tests of rules and verdict: a graph of a few tiers, their edges, and what probes say. Tests only.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;

use crate::compose::memory::MemoryFiles;
use crate::compose::{ComposeFile, LoadOptions};
use crate::finding::EdgeId;
use crate::graph::{Edge, Tier, TierGraph};
use crate::observe::{ServiceKey, Snapshot, WorkloadKey};
use crate::plan::{Identity, Look, Outcomes, ProbeOutcome};
use crate::probe::wire::{Step, StepError, StepName, StepStatus};
use crate::protocol::Protocol;

/// A compose file of that text.
pub(crate) fn compose(text: &str) -> ComposeFile {
    let options = LoadOptions {
        files: vec![PathBuf::from("/app/compose.yaml")],
        working_directory: PathBuf::from("/app"),
        ..LoadOptions::default()
    };
    let files = MemoryFiles::new(&[("/app/compose.yaml", text)]);
    crate::compose::load(&options, &files).unwrap()
}

/// `FROM->TO:PORT/PROTOCOL` as a declared edge; the host is the target's name.
pub(crate) fn edge(id: &str) -> Edge {
    let (from, rest) = id.split_once("->").unwrap();
    let (to, rest) = rest.split_once(':').unwrap();
    let (port, protocol) = rest.split_once('/').unwrap();
    let port = NonZeroU16::new(port.parse().unwrap()).unwrap();
    let protocol = Protocol::from_name(protocol).unwrap();
    Edge {
        id: EdgeId(id.to_owned()),
        origin: vec![format!("compose services.{from}.links")],
        ..Edge::new(from, to, to, port, protocol)
    }
}

/// A tier graph of those edges: every tier is a Deployment of its name in lower case in `default`, with a Service so called.
pub(crate) fn graph(ids: &[&str]) -> TierGraph {
    let edges: Vec<Edge> = ids.iter().map(|id| edge(id)).collect();
    let mut tiers = BTreeMap::new();
    for name in edges.iter().flat_map(|edge| [&edge.from, &edge.to]) {
        let lower = name.to_lowercase();
        tiers.insert(
            name.clone(),
            Tier {
                name: name.clone(),
                in_compose: true,
                workloads: vec![WorkloadKey::new("default", "deployment", lower.clone())],
                services: vec![ServiceKey {
                    namespace: "default".to_owned(),
                    name: lower,
                }],
                names: vec![name.clone()],
                expected: true,
                ..Tier::default()
            },
        );
    }
    TierGraph {
        tiers,
        edges,
        from_compose: true,
        ..TierGraph::default()
    }
}

/// A snapshot from YAML objects separated by `---`, all in `default` unless they say otherwise; every resource was read.
pub(crate) fn snapshot(objects: &str) -> Snapshot {
    let mut snapshot = Snapshot {
        namespace: "default".to_owned(),
        ..Snapshot::default()
    };
    for resource in [
        "pods",
        "services",
        "endpointslices",
        "networkpolicies",
        "namespaces",
        "nodes",
        "events",
        "deployments",
        "ingresses",
        "persistentvolumeclaims",
        "configmaps",
    ] {
        snapshot
            .observed
            .insert(resource.to_owned(), crate::observe::Observed::Ok);
    }
    snapshot.namespaces.entry("default".to_owned()).or_default();
    for text in objects
        .split("\n---")
        .filter(|text| !text.trim().is_empty())
    {
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        let namespace = value["metadata"]["namespace"].as_str().unwrap_or("default");
        let state = snapshot.namespaces.entry(namespace.to_owned()).or_default();
        let kind = value["kind"].as_str().unwrap().to_owned();
        let mut value = value.clone();
        value["metadata"]["namespace"] = namespace.into();
        match kind.as_str() {
            "Pod" => state.pods.push(serde_json::from_value(value).unwrap()),
            "Service" => state.services.push(serde_json::from_value(value).unwrap()),
            "EndpointSlice" => state
                .endpoint_slices
                .push(serde_json::from_value(value).unwrap()),
            "NetworkPolicy" => state
                .network_policies
                .push(serde_json::from_value(value).unwrap()),
            "Ingress" => state.ingresses.push(serde_json::from_value(value).unwrap()),
            "Event" => {
                value["involvedObject"]["namespace"] = namespace.into();
                state.events.push(serde_json::from_value(value).unwrap());
            }
            "PersistentVolumeClaim" => state
                .volume_claims
                .push(serde_json::from_value(value).unwrap()),
            "ConfigMap" => state
                .config_maps
                .push(serde_json::from_value(value).unwrap()),
            "Namespace" => {
                let name = value["metadata"]["name"].as_str().unwrap().to_owned();
                snapshot.namespaces.entry(name).or_default().object =
                    Some(serde_json::from_value(value).unwrap());
            }
            "Node" => snapshot.nodes.push(serde_json::from_value(value).unwrap()),
            _ => state.workloads.push(serde_json::from_value(value).unwrap()),
        }
    }
    snapshot
}

/// A step of a task.
pub(crate) fn step(task: &str, name: StepName, status: StepStatus) -> Step {
    Step {
        task: task.to_owned(),
        name,
        target: String::new(),
        endpoint: None,
        status,
        error: None,
        detail: String::new(),
        duration_ms: 3,
        tries: 1,
        facts: BTreeMap::new(),
    }
}

/// A step that passed.
pub(crate) fn pass(task: &str, name: StepName) -> Step {
    step(task, name, StepStatus::Pass)
}

/// A step that failed.
pub(crate) fn fail(task: &str, name: StepName, error: StepError) -> Step {
    Step {
        error: Some(error),
        ..step(task, name, StepStatus::Fail)
    }
}

/// The same step on an endpoint.
pub(crate) fn at(endpoint: &str, step: Step) -> Step {
    Step {
        endpoint: Some(endpoint.to_owned()),
        ..step
    }
}

/// What a first look of a tier from a node says; its tasks are those of its steps.
pub(crate) fn probe(tier: &str, node: &str, steps: Vec<Step>) -> ProbeOutcome {
    let mut tasks: Vec<String> = steps.iter().map(|step| step.task.clone()).collect();
    tasks.sort();
    tasks.dedup();
    ProbeOutcome {
        vantage: format!("v-{tier}-{node}").to_lowercase(),
        tier: tier.to_owned(),
        identity: Identity {
            namespace: "default".to_owned(),
            node: Some(node.to_owned()),
            ..Identity::default()
        },
        node: node.to_owned(),
        look: Look::First,
        nameservers: vec!["10.96.0.10".to_owned()],
        search: vec!["default.svc.cluster.local".to_owned()],
        steps,
        complete: true,
        failure: None,
        tasks,
        sql: Vec::new(),
    }
}

/// The same probe as another look.
pub(crate) fn look(look: Look, probe: ProbeOutcome) -> ProbeOutcome {
    ProbeOutcome { look, ..probe }
}

/// Outcomes of those probes.
pub(crate) fn outcomes(probes: Vec<ProbeOutcome>) -> Outcomes {
    Outcomes { probes }
}
