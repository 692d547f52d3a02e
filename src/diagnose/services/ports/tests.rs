//! Tests of `ports`.

use super::super::of_each;
use super::*;
use crate::diagnose::fixtures;
use crate::plan::Outcomes;
use crate::probe::wire::{StepError, StepName};

const ID: &str = "AP->DB:3306/mysql";
const DB: &str = "
kind: Deployment
metadata: {name: db}
spec: {replicas: 1, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, ports: [{containerPort: 3306, name: mysql}]}]}}}
---
kind: Service
metadata: {name: db}
spec: {clusterIP: ADDRESS, selector: {app: db}, ports: PORTS}
";

fn objects(ports: &str) -> String {
    DB.replace("PORTS", ports).replace("ADDRESS", "10.96.0.9")
}

fn found(objects: &str, outcomes: Option<&Outcomes>) -> Vec<Finding> {
    let snapshot = fixtures::snapshot(objects);
    let graph = fixtures::graph(&[ID]);
    let context = Context::new(&graph, &snapshot, outcomes);
    let mut findings = not_offered(&context);
    findings.extend(of_each(&context, &[target_port_unknown]));
    findings
}

fn only(objects: &str) -> Finding {
    let mut findings = found(objects, None);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

#[test]
fn a_service_that_offers_the_port_is_silent() {
    for ports in [
        "[{port: 3306}]",
        "[{port: 3306, targetPort: mysql}]",
        "[{port: 3306, targetPort: '3306'}]",
        "[{name: a, port: 3306, targetPort: 3306}, {name: b, port: 3306, protocol: UDP}]",
    ] {
        assert!(found(&objects(ports), None).is_empty(), "{ports}");
    }
}

#[test]
fn the_published_port_in_place_of_the_containers_is_reported_with_the_patch() {
    let finding = only(&objects("[{port: 3307, targetPort: 3306}]"));
    assert_eq!(finding.id("default").0, "service-port-missing service/db");
    assert_eq!(finding.edges.len(), 1);
    let command = finding.fix.unwrap().command.unwrap();
    assert!(command.contains(r#""port":3306"#), "{command}");
    assert!(command.contains(r#""targetPort":3306"#), "{command}");
    assert!(command.contains("/spec/ports/0/name"), "{command}");
}

#[test]
fn another_transport_and_an_unknown_name_have_their_own_codes() {
    assert_eq!(
        only(&objects("[{port: 3306, protocol: UDP}]")).code,
        Code::ServicePortProtocol
    );
    let finding = only(&objects("[{port: 3306, targetPort: db}]"));
    assert_eq!(finding.code, Code::ServiceTargetPortUnknown);
    assert_eq!(finding.edges.len(), 1);
    assert!(finding.evidence[0].contains("mysql:3306"));
}

#[test]
fn a_name_that_probes_need_too_is_declared_by_the_fix() {
    for (ports, patch) in [
        (
            "",
            r#""path":"/spec/template/spec/containers/0/ports","value":[{"containerPort":3306,"name":"main"}]"#,
        ),
        (
            "ports: [{containerPort: 9104}, {containerPort: 9105}], ",
            r#""path":"/spec/template/spec/containers/0/ports/-""#,
        ),
        (
            "ports: [{containerPort: 3306}], ",
            r#""path":"/spec/template/spec/containers/0/ports/0/name","value":"main""#,
        ),
    ] {
        let probed = format!("{ports}readinessProbe: {{tcpSocket: {{port: main}}}}");
        let service = "[{port: 3306, targetPort: main}]";
        let probed =
            objects(service).replace("ports: [{containerPort: 3306, name: mysql}]", &probed);
        let command = only(&probed).fix.unwrap().command.unwrap();
        assert!(command.contains(patch), "{command}");
    }
}

#[test]
fn a_headless_service_has_no_port_to_miss_and_a_passing_edge_no_fault() {
    let headless = DB
        .replace("PORTS", "[{port: 55555}]")
        .replace("ADDRESS", "None");
    assert!(found(&headless, None).is_empty());
    let outcomes = fixtures::outcomes(vec![fixtures::probe(
        "AP",
        "node-1",
        vec![
            fixtures::pass(ID, StepName::Dns),
            fixtures::pass(ID, StepName::Service),
        ],
    )]);
    assert!(found(&objects("[{port: 3307}]"), Some(&outcomes)).is_empty());
    let fails = fixtures::outcomes(vec![fixtures::probe(
        "AP",
        "node-1",
        vec![
            fixtures::pass(ID, StepName::Dns),
            fixtures::fail(ID, StepName::Service, StepError::Timeout),
        ],
    )]);
    assert_eq!(found(&objects("[{port: 3307}]"), Some(&fails)).len(), 1);
}
