//! Tests of `workloads`.

use super::*;
use crate::diagnose::{diagnose, fixtures};
use crate::observe::Snapshot;
use crate::probe::wire::StepName;

fn deployment(replicas: usize) -> String {
    format!(
            "
kind: Deployment
metadata: {{name: db}}
spec: {{replicas: {replicas}, selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: db}}]}}}}}}
"
        )
}

fn pod(name: &str, revision: &str, created: &str, state: &str, ready: &str) -> String {
    format!(
            "---
kind: ReplicaSet
metadata: {{name: db-{revision}, ownerReferences: [{{kind: Deployment, name: db, controller: true}}]}}
spec: {{replicas: 1}}
---
kind: Pod
metadata: {{name: {name}, creationTimestamp: '{created}', labels: {{app: db, pod-template-hash: {revision}}}, ownerReferences: [{{kind: ReplicaSet, name: db-{revision}, controller: true}}]}}
spec: {{containers: [{{name: db, image: 'db:1'}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: '{ready}'}}], containerStatuses: [{{name: db, ready: {}, state: {state}}}]}}
",
            ready == "True"
        )
}

const RUNS: &str = "{running: {}}";
const PULLS: &str = "{waiting: {reason: ImagePullBackOff, message: Back-off pulling image}}";
const EARLY: &str = "2026-11-23T09:00:00Z";
const LATE: &str = "2026-11-23T10:00:00Z";

fn raised(snapshot: &Snapshot) -> Vec<(Code, Severity)> {
    let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
    let context = Context::new(&graph, snapshot, None);
    RULES
        .iter()
        .flat_map(|rule| rule.raise(&context))
        .map(|finding| (finding.code, finding.severity))
        .collect()
}

#[test]
fn a_workload_that_serves_is_silent() {
    let snapshot = fixtures::snapshot(&(deployment(1) + &pod("db-1", "a", EARLY, RUNS, "True")));
    assert!(raised(&snapshot).is_empty());
}

#[test]
fn one_bad_pod_of_two_is_a_warning_with_its_reason() {
    let snapshot = fixtures::snapshot(
        &(deployment(2)
            + &pod("db-1", "a", EARLY, RUNS, "True")
            + &pod("db-2", "a", LATE, PULLS, "False")),
    );
    assert_eq!(
        raised(&snapshot),
        [
            (Code::ImagePullFailed, Severity::Warning),
            (Code::WorkloadDegraded, Severity::Warning)
        ]
    );
}

#[test]
fn a_new_revision_that_cannot_be_pulled_is_a_stalled_rollout() {
    let snapshot = fixtures::snapshot(
        &(deployment(1)
            + &pod("db-1", "a", EARLY, RUNS, "True")
            + &pod("db-2", "b", LATE, PULLS, "False")),
    );
    assert_eq!(
        raised(&snapshot),
        [
            (Code::ImagePullFailed, Severity::Error),
            (Code::RolloutStalled, Severity::Error)
        ]
    );
}

#[test]
fn what_no_tier_needs_is_a_warning_at_most() {
    let other = (deployment(1) + &pod("db-1", "a", EARLY, PULLS, "False"))
        .replace("name: db", "name: reporting");
    let snapshot = fixtures::snapshot(&other.replace("db-a", "reporting-a"));
    assert_eq!(
        raised(&snapshot),
        [(Code::ImagePullFailed, Severity::Warning)]
    );
}

#[test]
fn a_broken_target_explains_the_edges_that_lead_to_it_and_only_those_that_fail() {
    let snapshot = fixtures::snapshot(&(deployment(1) + &pod("db-1", "a", EARLY, PULLS, "False")));
    let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
    let found = diagnose(&Context::new(&graph, &snapshot, None));
    let pull = found
        .iter()
        .find(|finding| finding.code == Code::ImagePullFailed)
        .unwrap();
    assert_eq!(pull.edges.len(), 1);
    assert_eq!(pull.object, ObjectRef::new("deployment", "db", "default"));
    let passes = fixtures::outcomes(vec![fixtures::probe(
        "AP",
        "node-1",
        vec![
            fixtures::pass("AP->DB:3306/mysql", StepName::Dns),
            fixtures::pass("AP->DB:3306/mysql", StepName::Service),
        ],
    )]);
    let context = Context::new(&graph, &snapshot, Some(&passes));
    assert!(
        Rule::WorkloadMany(pods_in_trouble).raise(&context)[0]
            .edges
            .is_empty()
    );
}

#[test]
fn scaled_to_zero_is_a_fault_only_of_what_is_called() {
    let snapshot = fixtures::snapshot(&deployment(0));
    assert_eq!(
        raised(&snapshot),
        [(Code::WorkloadScaledToZero, Severity::Error)]
    );
    let snapshot = fixtures::snapshot(&deployment(0).replace("name: db}", "name: batch}"));
    assert!(raised(&snapshot).is_empty());
}

#[test]
fn a_dead_node_is_named_where_an_edge_suffers_only() {
    let objects = deployment(1)
        + &pod("db-1", "a", EARLY, RUNS, "False").replace(
            "{containers: [{name: db, image: 'db:1'}]}",
            "{nodeName: node-2, containers: [{name: db}]}",
        )
        + "---\nkind: Node\nmetadata: {name: node-2}\nstatus: {conditions: [{type: Ready, status: Unknown, reason: NodeStatusUnknown}]}\n";
    let snapshot = fixtures::snapshot(&objects);
    let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
    let id = "AP->DB:3306/mysql";
    let fails = fixtures::outcomes(vec![fixtures::probe(
        "AP",
        "node-1",
        vec![
            fixtures::pass(id, StepName::Dns),
            fixtures::fail(id, StepName::Service, StepError::Refused),
        ],
    )]);
    let found = nodes_not_ready(&Context::new(&graph, &snapshot, Some(&fails)));
    assert_eq!(found[0].object, ObjectRef::new("node", "node-2", ""));
    assert_eq!(found[0].edges.len(), 1);
    let passes = fixtures::outcomes(vec![fixtures::probe(
        "AP",
        "node-1",
        vec![
            fixtures::pass(id, StepName::Dns),
            fixtures::pass(id, StepName::Service),
        ],
    )]);
    assert!(nodes_not_ready(&Context::new(&graph, &snapshot, Some(&passes))).is_empty());
}

#[test]
fn a_client_that_is_down_has_the_certificates_that_were_not_proven_as_evidence() {
    const EDGE: &str = "AP->DB:5432/postgres";
    let graph = fixtures::graph(&[EDGE]);
    let snapshot = fixtures::snapshot("");
    let mut tls = fixtures::pass(EDGE, StepName::Tls);
    tls.error = Some(StepError::TrustNotProven);
    tls.detail = "trust not proven: it does not come from a public CA".to_owned();
    let steps = vec![fixtures::pass(EDGE, StepName::Service), tls];
    let outcomes = fixtures::outcomes(vec![fixtures::probe("AP", "n1", steps)]);
    let context = Context::new(&graph, &snapshot, Some(&outcomes));
    let object = ObjectRef::new("deployment", "ap", "default");
    let new = || {
        let code = Code::ReadinessProbeFailing;
        Finding::new(code, Severity::Error, object.clone(), "it is not ready")
    };
    let mut other = new();
    note_unproven(&context, &mut other);
    assert!(other.evidence.is_empty());
    let mut finding = new().following([&graph.edges[0].id]);
    note_unproven(&context, &mut finding);
    assert!(finding.evidence[0].contains("not proven"), "{finding:?}");
}

#[test]
fn a_crash_follows_from_no_edge_to_the_pod_itself() {
    let crash = "{waiting: {reason: CrashLoopBackOff, message: back-off}}, restartCount: 3, lastState: {terminated: {exitCode: 1, reason: Error}}";
    let snapshot = fixtures::snapshot(&(deployment(1) + &pod("db-1", "a", EARLY, crash, "False")));
    let follows = |edge: &str, beside: &str| {
        let mut graph = fixtures::graph(&[edge]);
        let own = crate::observe::WorkloadKey::new("default", "deployment", "db");
        if let Some(tier) = graph.tiers.get_mut(beside) {
            tier.workloads = vec![own];
        }
        let outcomes = fixtures::outcomes(Vec::new());
        let context = Context::new(&graph, &snapshot, Some(&outcomes));
        let found: Vec<Finding> = RULES.iter().flat_map(|rule| rule.raise(&context)).collect();
        let mut crashes = found
            .iter()
            .filter(|finding| finding.code == Code::ContainerCrashLooping);
        crashes.next().unwrap().follows.len()
    };
    assert_eq!(follows("DB->KVS:6379/redis", ""), 1);
    assert_eq!(follows("DB->KVS:6379/redis", "KVS"), 0);
}
