//! Tests of `endpoints`.

use super::super::{OfService, of_each};
use super::*;
use crate::diagnose::fixtures::{self, at, fail, outcomes, pass, probe};
use crate::plan::Outcomes;
use crate::probe::wire::StepName;

const ID: &str = "AP->DB:3306/mysql";
const DB: &str = "
kind: Deployment
metadata: {name: db}
spec: {replicas: 1, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, ports: [{containerPort: 3306}], readinessProbe: {tcpSocket: {port: 3306}}}]}}}
---
kind: ReplicaSet
metadata: {name: db-1, ownerReferences: [{kind: Deployment, name: db, controller: true}]}
---
kind: Pod
metadata: {name: db-x, labels: {app: db}, ownerReferences: [{kind: ReplicaSet, name: db-1, controller: true}]}
spec: {nodeName: node-1, containers: [{name: db, readinessProbe: {tcpSocket: {port: 3306}}}]}
status: {phase: Running, podIP: 10.244.0.1, conditions: [{type: Ready, status: 'READY', reason: ContainersNotReady}], containerStatuses: [{name: db, ready: true, state: {running: {}}}]}
---
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.9, SPEC}
";
const SLICE: &str = "---
kind: EndpointSlice
metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints: [{addresses: [10.244.0.1], nodeName: node-1}]
ports: [{port: 3306}]
";

fn found(
    rule: OfService,
    spec: &str,
    ready: &str,
    slice: &str,
    outcomes: Option<&Outcomes>,
) -> Vec<Finding> {
    let objects = DB.replace("SPEC", spec).replace("READY", ready) + slice;
    let snapshot = fixtures::snapshot(&objects);
    let graph = fixtures::graph(&[ID]);
    of_each(&Context::new(&graph, &snapshot, outcomes), &[rule])
}

const SELECTS: &str = "selector: {app: db}, ports: [{port: 3306, targetPort: TARGET}]";

fn refused(node: &str, endpoint: &str) -> Outcomes {
    outcomes(vec![probe(
        "AP",
        node,
        vec![
            pass(ID, StepName::Dns),
            fail(ID, StepName::Service, StepError::Refused),
            at(endpoint, fail(ID, StepName::Endpoint, StepError::Refused)),
        ],
    )])
}

#[test]
fn a_readiness_gate_that_no_one_sets_is_the_cause_itself() {
    let objects = DB
        .replace("SPEC", &SELECTS.replace("TARGET", "3306"))
        .replace("READY", "False")
        .replace(
            "reason: ContainersNotReady}]",
            "reason: ReadinessGatesNotReady}, {type: ContainersReady, status: 'True'}]",
        )
        .replace(
            "spec: {nodeName",
            "spec: {readinessGates: [{conditionType: lb/ready}], nodeName",
        );
    let snapshot = fixtures::snapshot(&objects);
    let graph = fixtures::graph(&[ID]);
    let found = of_each(&Context::new(&graph, &snapshot, None), &[not_ready]);
    assert!(
        found[0]
            .message
            .contains("readiness gate lb/ready is not met"),
        "{}",
        found[0].message
    );
    assert!(found[0].caused_by.is_empty(), "{:?}", found[0].caused_by);
}

#[test]
fn pods_of_which_none_is_ready_leave_the_service_without_endpoints() {
    let spec = SELECTS.replace("TARGET", "3306");
    assert!(found(not_ready, &spec, "True", "", None).is_empty());
    let found = found(not_ready, &spec, "False", "", None);
    assert_eq!(
        found[0].id("default").0,
        "service-endpoints-not-ready service/db"
    );
    assert_eq!(found[0].edges.len(), 1);
    assert!(found[0].evidence[0].contains("ContainersNotReady"));
}

#[test]
fn a_port_that_every_endpoint_refuses_is_reported_with_the_one_that_answers() {
    let spec = SELECTS.replace("TARGET", "8080");
    let outcomes = refused("node-1", "10.244.0.1:8080");
    let found_closed = found(target_port_closed, &spec, "True", "", Some(&outcomes));
    assert_eq!(
        found_closed[0].id("default").0,
        "service-target-port-closed service/db"
    );
    let command = found_closed[0]
        .fix
        .as_ref()
        .unwrap()
        .command
        .clone()
        .unwrap();
    assert!(command.contains(r#""value":3306"#), "{command}");
    assert!(
        found(target_port_closed, &spec, "True", "", None).is_empty(),
        "no one dialled"
    );
}

#[test]
fn a_refusal_that_a_policy_may_explain_says_nothing_of_the_port() {
    let spec = SELECTS.replace("TARGET", "8080");
    let outcomes = refused("node-1", "10.244.0.1:8080");
    let policy = "---\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}\n---\nkind: Deployment\nmetadata: {name: ap}\nspec: {template: {metadata: {labels: {app: ap}}, spec: {containers: [{name: ap}]}}}\n";
    assert!(found(target_port_closed, &spec, "True", policy, Some(&outcomes)).is_empty());
}

#[test]
fn a_service_without_selector_needs_endpoints_that_answer() {
    let spec = "ports: [{port: 3306}]";
    let none = found(by_hand, spec, "True", "", None);
    assert_eq!(none[0].code, Code::ServiceNoEndpoints);
    let command = none[0].fix.as_ref().unwrap().command.clone().unwrap();
    assert!(command.contains(r#"{"app":"db"}"#), "{command}");
    let stale = refused("node-1", "10.244.0.1:3306");
    // The address of a Pod that serves another port is right, that of one that is not ready tells nothing.
    let closed = found(by_hand, spec, "True", SLICE, Some(&stale));
    assert_eq!(closed[0].code, Code::ServiceTargetPortClosed);
    assert!(
        closed[0].message.contains("port 3306 of Pod db-"),
        "{closed:?}"
    );
    let found_stale = found(by_hand, spec, "False", SLICE, Some(&stale));
    assert_eq!(found_stale[0].code, Code::ServiceEndpointsStale);
    assert!(found(by_hand, spec, "True", SLICE, None).is_empty());
    let other_port = "ports: [{port: 13306, targetPort: 3306}]";
    assert!(found(by_hand, other_port, "True", SLICE, None).is_empty());
    let unready = SLICE.replace("nodeName: node-1", "conditions: {ready: false}");
    let unready = found(by_hand, spec, "True", &unready, None);
    assert_eq!(unready[0].code, Code::ServiceEndpointsNotReady);
    assert!(unready[0].message.contains("10.244.0.1"), "{unready:?}");
}

#[test]
fn local_traffic_policy_fails_where_the_client_has_no_endpoint_beside_it() {
    let spec = format!(
        "internalTrafficPolicy: Local, {}",
        SELECTS.replace("TARGET", "3306")
    );
    let far = refused("node-2", "10.244.0.1:3306");
    let found_far = found(local_traffic_policy, &spec, "True", SLICE, Some(&far));
    assert_eq!(found_far[0].code, Code::ServiceTrafficPolicyLocal);
    assert!(found_far[0].message.contains("node-2"));
    let near = refused("node-1", "10.244.0.1:3306");
    assert!(found(local_traffic_policy, &spec, "True", SLICE, Some(&near)).is_empty());
    let spec = SELECTS.replace("TARGET", "3306");
    assert!(found(local_traffic_policy, &spec, "True", SLICE, Some(&far)).is_empty());
}
