//! Tests of `kubelet_probes`.

use super::*;
use crate::diagnose::fixtures;

const OBJECTS: &str = "
kind: Deployment
metadata: {name: db}
spec: {replicas: 1, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, ports: [{containerPort: 3306}]PROBES}, {name: sidecar}]}}}
---
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306}]}
";

fn codes(probes: &str, offline: bool, one_shot: bool) -> Vec<(Code, Severity)> {
    let probes = if probes.is_empty() {
        String::new()
    } else {
        format!(", {probes}")
    };
    let mut snapshot = fixtures::snapshot(&OBJECTS.replace("PROBES", &probes));
    snapshot.offline = offline;
    let mut graph = fixtures::graph(&["AP->DB:3306/mysql"]);
    graph.tiers.get_mut("DB").unwrap().one_shot = one_shot;
    let context = Context::new(&graph, &snapshot, None);
    RULES
        .iter()
        .flat_map(|rule| rule.raise(&context))
        .filter(|finding| finding.object.name == "db")
        .map(|finding| (finding.code, finding.severity))
        .collect()
}

const GOOD: &str = "readinessProbe: {tcpSocket: {port: 3306}}, livenessProbe: {exec: {command: [mysqladmin, ping]}}";

#[test]
fn a_tier_with_both_probes_is_silent_and_a_one_shot_needs_none() {
    assert!(codes(GOOD, false, false).is_empty());
    assert!(codes("", false, true).is_empty());
}

#[test]
fn a_probe_that_can_never_be_run_is_fixed_by_a_command() {
    for (probe, code, says) in [
        (
            "exec: {command: ['curl -f http://localhost/']}",
            Code::ProbeCommandInvalid,
            r#"["sh","-c","curl -f http://localhost/"]"#,
        ),
        (
            "httpGet: {port: http}",
            Code::ProbePortUnknown,
            r#"containers/0/readinessProbe/httpGet/port","value":3306"#,
        ),
    ] {
        let probes = format!(", readinessProbe: {{{probe}}}");
        let snapshot = fixtures::snapshot(&OBJECTS.replace("PROBES", &probes));
        let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
        let context = Context::new(&graph, &snapshot, None);
        let subject = context
            .subjects
            .iter()
            .find(|subject| subject.key.name == "db")
            .unwrap();
        let command = command_for(subject, code).unwrap();
        assert!(command.contains(says), "{command}");
        assert_eq!(command_for(subject, Code::ReadinessProbeFailing), None);
    }
}

#[test]
fn what_the_kubelet_never_restarts_needs_no_liveness_probe() {
    let text = OBJECTS.replace("PROBES", "").replace(
        "containers: [{name: db,",
        "restartPolicy: Never, containers: [{name: db,",
    );
    let snapshot = fixtures::snapshot(&text);
    let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
    let context = Context::new(&graph, &snapshot, None);
    let raised = RULES.iter().flat_map(|rule| rule.raise(&context));
    let codes: Vec<Code> = raised
        .filter(|finding| finding.object.name == "db")
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, [Code::ReadinessProbeMissing]);
}

#[test]
fn missing_probes_are_warnings() {
    assert_eq!(
        codes("", false, false),
        [
            (Code::ReadinessProbeMissing, Severity::Warning),
            (Code::LivenessProbeMissing, Severity::Warning)
        ]
    );
}

#[test]
fn a_probe_that_can_never_be_run_is_worse_as_readiness_than_as_liveness() {
    let line = "exec: {command: ['curl -f http://localhost/ || exit 1']}";
    let liveness =
        format!("readinessProbe: {{tcpSocket: {{port: 3306}}}}, livenessProbe: {{{line}}}");
    assert_eq!(
        codes(&liveness, false, false),
        [(Code::ProbeCommandInvalid, Severity::Warning)]
    );
    let readiness =
        format!("livenessProbe: {{tcpSocket: {{port: 3306}}}}, readinessProbe: {{{line}}}");
    assert_eq!(
        codes(&readiness, true, false),
        [(Code::ProbeCommandInvalid, Severity::Error)]
    );
    let named = "livenessProbe: {tcpSocket: {port: 3306}}, readinessProbe: {httpGet: {port: http}}";
    assert_eq!(
        codes(named, true, false),
        [(Code::ProbePortUnknown, Severity::Error)]
    );
}

#[test]
fn readiness_on_another_port_than_the_service_uses_is_a_warning() {
    let other = GOOD.replace("{port: 3306}", "{port: 9104}");
    assert_eq!(
        codes(&other, false, false),
        [(Code::ProbeTargetDiffers, Severity::Warning)]
    );
    let readiness = |path: &str| {
        let http = format!("readinessProbe: {{httpGet: {{path: {path}, port: 9000}}}}");
        codes(
            &format!("livenessProbe: {{tcpSocket: {{port: 3306}}}}, {http}"),
            false,
            false,
        )
    };
    // The program's own word, on a port that it keeps for management.
    assert!(readiness("/health/ready").is_empty());
    assert_eq!(readiness("/live").len(), 1);
}

#[test]
fn a_liveness_probe_that_kills_before_the_first_ready_is_too_impatient() {
    let objects = |changed: &str| {
        format!("
kind: Deployment
metadata: {{name: db}}
spec: {{replicas: 1, template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: db, {GOOD}}}]}}}}}}
---
kind: ReplicaSet
metadata: {{name: db-1, ownerReferences: [{{kind: Deployment, name: db, controller: true}}]}}
---
kind: Pod
metadata: {{name: db-x, ownerReferences: [{{kind: ReplicaSet, name: db-1, controller: true}}]}}
spec: {{containers: [{{name: db, {GOOD}}}]}}
status: {{phase: Running, startTime: '2026-11-23T10:00:00Z', conditions: [{{type: Ready, status: 'False', lastTransitionTime: '{changed}'}}], containerStatuses: [{{name: db, restartCount: 2, state: {{waiting: {{reason: CrashLoopBackOff}}}}, lastState: {{terminated: {{exitCode: 137, reason: Error}}}}}}]}}
---
kind: Event
metadata: {{name: e}}
involvedObject: {{kind: Pod, name: db-x, fieldPath: 'spec.containers{{db}}'}}
reason: Killing
message: Container db failed liveness probe, will be restarted
")
    };
    let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
    let early = fixtures::snapshot(&objects("2026-11-23T10:00:01Z"));
    let found = Rule::Workload(too_impatient).raise(&Context::new(&graph, &early, None));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Warning);
    let later = fixtures::snapshot(&objects("2026-11-23T10:05:00Z"));
    assert!(
        Rule::Workload(too_impatient)
            .raise(&Context::new(&graph, &later, None))
            .is_empty()
    );
}
