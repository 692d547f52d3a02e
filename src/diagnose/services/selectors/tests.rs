//! Tests of `selectors`.

use super::super::of_each;
use super::*;
use crate::diagnose::fixtures::{self, at, fail, outcomes, pass, probe};
use crate::observe::ServiceKey;
use crate::plan::Outcomes;

const ID: &str = "AP->DB:3306/mysql";
const OBJECTS: &str = "
kind: Deployment
metadata: {name: db}
spec: {replicas: 1, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db, shop: a}}, spec: {containers: [{name: db}]}}}
---
kind: Deployment
metadata: {name: ap}
spec: {replicas: 1, selector: {matchLabels: {app: ap}}, template: {metadata: {labels: {app: ap, shop: a}}, spec: {containers: [{name: ap}]}}}
---
kind: ReplicaSet
metadata: {name: db-1, ownerReferences: [{kind: Deployment, name: db, controller: true}]}
---
kind: ReplicaSet
metadata: {name: ap-1, ownerReferences: [{kind: Deployment, name: ap, controller: true}]}
---
kind: Pod
metadata: {name: db-x, labels: {app: db, shop: a}, ownerReferences: [{kind: ReplicaSet, name: db-1, controller: true}]}
status: {phase: Running, podIP: 10.244.0.1}
---
kind: Pod
metadata: {name: ap-x, labels: {app: ap, shop: a}, ownerReferences: [{kind: ReplicaSet, name: ap-1, controller: true}]}
status: {phase: Running, podIP: 10.244.0.2}
---
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.9, selector: SELECTOR, ports: [{port: 3306}]}
";

fn found(selector: &str, outcomes: Option<&Outcomes>) -> Vec<Finding> {
    let snapshot = fixtures::snapshot(&OBJECTS.replace("SELECTOR", selector));
    let graph = fixtures::graph(&[ID]);
    let context = Context::new(&graph, &snapshot, outcomes);
    let mut findings = of_each(&context, &[mismatch]);
    findings.extend(mixed(&context));
    findings
}

#[test]
fn a_selector_that_fits_is_silent() {
    assert!(found("{app: db}", None).is_empty());
}

#[test]
fn a_typo_is_reported_with_the_label_that_differs_and_the_patch() {
    let found = found("{app: bd}", None);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].id("default").0,
        "service-selector-mismatch service/db"
    );
    assert_eq!(found[0].severity, Severity::Error);
    assert!(
        found[0].message.contains("app=db instead of app=bd"),
        "{}",
        found[0].message
    );
    let command = found[0].fix.as_ref().unwrap().command.clone().unwrap();
    assert!(command.contains(r#""value":{"app":"db"}"#), "{command}");
}

#[test]
fn a_name_that_only_an_order_of_start_leads_to_may_be_another_ones() {
    let objects = OBJECTS.replace("SELECTOR", "{app: ap}");
    let main = "---\nkind: Service\nmetadata: {name: db-main}\nspec: {clusterIP: 10.96.0.8, selector: {app: db}, ports: [{port: 3306}]}\n";
    let snapshot = fixtures::snapshot(&format!("{objects}{main}"));
    let failed = outcomes(vec![probe(
        "AP",
        "node-1",
        vec![
            pass(ID, StepName::Dns),
            fail(ID, StepName::Service, StepError::Timeout),
        ],
    )]);
    let mut graph = fixtures::graph(&[ID, "WEB->DB:3306/mysql"]);
    graph.edges[0].confidence = Confidence::Weak;
    let raised = |graph: &crate::graph::TierGraph| {
        of_each(&Context::new(graph, &snapshot, Some(&failed)), &[mismatch]).len()
    };
    assert_eq!(raised(&graph), 1, "WEB asks for it as well");
    graph.edges[1].host = "db-main".to_owned();
    assert_eq!(raised(&graph), 0);
    graph.edges[0].confidence = Confidence::Declared;
    assert_eq!(raised(&graph), 1);
}

#[test]
fn manifests_do_not_say_which_pod_a_controller_labels() {
    let objects = OBJECTS.replace("SELECTOR", "{statefulset.kubernetes.io/pod-name: db-0}");
    let mut snapshot = fixtures::snapshot(&objects);
    let graph = fixtures::graph(&[ID]);
    assert_eq!(
        of_each(&Context::new(&graph, &snapshot, None), &[mismatch]).len(),
        1
    );
    snapshot.offline = true;
    assert!(of_each(&Context::new(&graph, &snapshot, None), &[mismatch]).is_empty());
}

#[test]
fn a_leftover_service_and_a_tier_without_workload_are_no_mismatch() {
    let snapshot = fixtures::snapshot(
        &OBJECTS
            .replace("SELECTOR", "{app: db}")
            .replace(
                "name: db}\nspec: {clusterIP",
                "name: mysql-old}\nspec: {clusterIP",
            )
            .replace("selector: {app: db}, ports", "selector: {app: old}, ports"),
    );
    let graph = fixtures::graph(&[ID]);
    assert!(of_each(&Context::new(&graph, &snapshot, None), &[mismatch]).is_empty());
    let service = OBJECTS
        .rsplit_once("---")
        .unwrap()
        .1
        .replace("SELECTOR", "{app: db}");
    let snapshot = fixtures::snapshot(&service);
    let mut graph = fixtures::graph(&[ID]);
    graph.tiers.get_mut("DB").unwrap().workloads.clear();
    let found = of_each(&Context::new(&graph, &snapshot, None), &[mismatch]);
    assert_eq!(found[0].id("default").0, "workload-missing tier/DB");
}

fn two(second: crate::probe::wire::Step) -> Outcomes {
    outcomes(vec![probe(
        "AP",
        "node-1",
        vec![
            pass(ID, StepName::Dns),
            pass(ID, StepName::Service),
            at("10.244.0.1:3306", pass(ID, StepName::Endpoint)),
            at("10.244.0.2:3306", second),
        ],
    )])
}

#[test]
fn a_stranger_among_the_endpoints_makes_the_selector_too_broad() {
    let refused = two(fail(ID, StepName::Endpoint, StepError::Refused));
    let broad = found("{shop: a}", Some(&refused));
    assert_eq!(broad.len(), 1, "{broad:?}");
    assert_eq!(broad[0].code, Code::ServiceSelectorTooBroad);
    assert!(broad[0].message.contains("deployment/ap"));
    assert_eq!(broad[0].edges.len(), 1);
    // A second database is one too many as well, though it speaks the protocol.
    let mut second = two(pass(ID, StepName::Endpoint));
    let login = fail(ID, StepName::Login, StepError::LoginDenied);
    second.probes[0].steps.push(at("10.244.0.2:3306", login));
    let broad = found("{shop: a}", Some(&second));
    assert_eq!(broad[0].code, Code::ServiceSelectorTooBroad, "{broad:?}");
    let works = two(pass(ID, StepName::Endpoint));
    assert!(found("{shop: a}", Some(&works)).is_empty());
    // All of them answer, and the stranger has a Service that is its alone: two tiers answer by turns.
    let own = "---\nkind: Service\nmetadata: {name: ap}\nspec: {clusterIP: 10.96.0.8, selector: {app: ap}, ports: [{port: 80}]}\n";
    let objects = OBJECTS.replace("SELECTOR", "{shop: a}") + own;
    let snapshot = fixtures::snapshot(&objects);
    let mut graph = fixtures::graph(&[ID]);
    let shared = mixed(&Context::new(&graph, &snapshot, Some(&works)));
    assert_eq!(
        shared[0].id("default").0,
        "service-selector-too-broad service/db"
    );
    assert_eq!(shared[0].severity, Severity::Warning);
    graph.tiers.get_mut("AP").unwrap().in_compose = false;
    assert!(mixed(&Context::new(&graph, &snapshot, Some(&works))).is_empty());
    // A tier stands behind every Service that takes its Pods, and still does not belong to this one.
    let snapshot = fixtures::snapshot(&OBJECTS.replace("SELECTOR", "{shop: a}"));
    let mut graph = fixtures::graph(&[ID]);
    let key = ServiceKey::new("default", "db");
    graph.tiers.get_mut("AP").unwrap().services.push(key);
    let found = mixed(&Context::new(&graph, &snapshot, Some(&refused)));
    assert_eq!(found[0].code, Code::ServiceSelectorTooBroad);
}

#[test]
fn a_bad_pod_of_the_same_tier_makes_the_endpoints_partial() {
    let refused = two(fail(ID, StepName::Endpoint, StepError::Refused));
    let objects = OBJECTS.replace("SELECTOR", "{shop: a}").replace(
        "{kind: ReplicaSet, name: ap-1",
        "{kind: ReplicaSet, name: db-1",
    );
    let snapshot = fixtures::snapshot(&objects);
    let graph = fixtures::graph(&[ID]);
    let found = mixed(&Context::new(&graph, &snapshot, Some(&refused)));
    assert_eq!(found[0].code, Code::ServiceEndpointsPartial);
    assert!(found[0].message.contains("ap-x"));
}
