//! Builders for the tests of rules and verdict: a graph of a few tiers, their edges, and what probes say. Tests only.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;

use crate::compose::memory::MemoryFiles;
use crate::compose::{ComposeFile, LoadOptions};
use crate::finding::EdgeId;
use crate::graph::{Edge, Origin, Tier, TierGraph};
use crate::observe::{self, Observed, ServiceKey, Snapshot, WorkloadKey};
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
        origin: vec![Origin::link(from)],
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
                services: vec![ServiceKey::new("default", lower)],
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
    let mut snapshot = observe::fixture::snapshot("default", objects);
    let read = [
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
    ];
    let read = read.map(|resource| (resource.to_owned(), Observed::Ok));
    snapshot.observed.extend(read);
    snapshot
}

/// A snapshot of those objects and of `deployment/ap` with one Pod: its spec, the status of its one container, and what that wrote before it
/// crashed.
pub(crate) fn deployed(objects: &str, spec: &str, container: &str, log: &str) -> Snapshot {
    let mut snapshot = snapshot(&format!(
        "{objects}---
kind: Deployment
metadata: {{name: ap}}
spec: {{replicas: 1, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{{spec}}}}}}}
---
kind: ReplicaSet
metadata: {{name: ap-1, ownerReferences: [{{kind: Deployment, name: ap, controller: true}}]}}
spec: {{replicas: 1}}
---
kind: Pod
metadata: {{name: ap-1-x, ownerReferences: [{{kind: ReplicaSet, name: ap-1, controller: true}}]}}
spec: {{{spec}}}
status: {{phase: Running, containerStatuses: [{{name: ap, {container}}}]}}
"
    ));
    let own = snapshot.namespaces.get_mut("default").unwrap();
    if !log.is_empty() {
        own.crash_logs.insert("ap-1-x/ap".into(), log.into());
    }
    snapshot
}

/// The status of a container that crashes again and again.
pub(crate) const CRASHES: &str = "restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}";

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
