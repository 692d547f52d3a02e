//! Triples for the judgement of rollouts: settled, under way, failed for certain.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::observe::Observed;

const NOW: &str = "2026-11-25T10:10:00Z";
const LONG_AGO: &str = "2026-11-25T10:00:00Z";
const JUST_NOW: &str = "2026-11-25T10:09:57Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn key(kind: &str, name: &str) -> WorkloadKey {
    WorkloadKey::new("shop", kind, name)
}

fn deployment(name: &str, status: &Value) -> Value {
    json!({"kind": "Deployment", "metadata": {"name": name, "generation": 2}, "spec": {"replicas": 1}, "status": status})
}

fn available() -> Value {
    json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1})
}

fn unavailable() -> Value {
    json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1})
}

/// A Pod of deployment `name`, by its ReplicaSet.
fn pod(name: &str, status: &Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": format!("{name}-1-x"), "namespace": "shop", "labels": {"app": name},
            "ownerReferences": [{"kind": "ReplicaSet", "name": format!("{name}-1"), "controller": true}]},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "readinessProbe": {"tcpSocket": {"port": 80}}}]},
        "status": {"phase": "Running", "startTime": LONG_AGO},
    });
    for (field, value) in status.as_object().unwrap() {
        pod["status"][field] = value.clone();
    }
    pod
}

fn ready(since: &str) -> Value {
    json!({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}],
        "containerStatuses": [{"name": "c", "ready": true, "state": {"running": {"startedAt": since}}}]})
}

fn container(status: &Value) -> Value {
    let mut status = status.clone();
    status["name"] = json!("c");
    json!({"conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [status]})
}

fn waiting(reason: &str, message: &str) -> Value {
    container(&json!({"state": {"waiting": {"reason": reason, "message": message}}}))
}

fn snapshot(workloads: Vec<Value>, pods: &[Value], events: &[Value]) -> Snapshot {
    let sets = workloads.iter().map(|workload| {
        let name = workload["metadata"]["name"].as_str().unwrap();
        json!({"kind": "ReplicaSet", "metadata": {"name": format!("{name}-1"),
            "ownerReferences": [{"kind": "Deployment", "name": name, "controller": true}]}})
    });
    let all: Vec<Value> = sets
        .collect::<Vec<_>>()
        .into_iter()
        .chain(workloads)
        .collect();
    let state =
        serde_json::from_value(json!({"workloads": all, "pods": pods, "events": events})).unwrap();
    Snapshot {
        namespace: "shop".into(),
        namespaces: BTreeMap::from([("shop".into(), state)]),
        ..Snapshot::default()
    }
}

fn event(kind: &str, name: &str, reason: &str, message: &str, count: i32) -> Value {
    json!({"involvedObject": {"kind": kind, "name": name}, "reason": reason, "message": message, "count": count,
        "firstTimestamp": LONG_AGO, "lastTimestamp": JUST_NOW})
}

fn one(pod_status: &Value, events: &[Value]) -> &'static str {
    let snapshot = snapshot(
        vec![deployment("db", &unavailable())],
        &[pod("db", pod_status)],
        events,
    );
    word(&state_of(&snapshot, &key("deployment", "db")))
}

fn state_of(snapshot: &Snapshot, key: &WorkloadKey) -> State {
    let view = View {
        snapshot,
        now: now(),
        patience_seconds: i64::MAX,
    };
    workload_state(view, key)
}

fn word(state: &State) -> &'static str {
    match state {
        State::Settled => "settled",
        State::Underway(_) => "underway",
        State::Suffers(_) => "suffers",
        State::Failed(_) => "failed",
    }
}

fn of_status(status: &Value, pods: &[Value]) -> &'static str {
    let snapshot = snapshot(vec![deployment("db", status)], pods, &[]);
    word(&state_of(&snapshot, &key("deployment", "db")))
}

#[test]
fn a_deployment_is_settled_under_way_or_stalled() {
    let up = [pod("db", &ready(LONG_AGO))];
    assert_eq!(of_status(&available(), &up), "settled");
    let mut unseen = available();
    unseen["observedGeneration"] = json!(1);
    assert_eq!(of_status(&unseen, &up), "underway");
    let mut old = available();
    old["replicas"] = json!(2);
    assert_eq!(of_status(&old, &up), "underway");
    assert_eq!(of_status(&unavailable(), &[]), "underway");
    let mut stalled = unavailable();
    stalled["conditions"] =
        json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    assert_eq!(of_status(&stalled, &up), "failed");
    let mut refused = unavailable();
    refused["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "pods \"x\" is forbidden: exceeded quota: q"}]);
    assert_eq!(of_status(&refused, &[]), "failed");
}

#[test]
fn scaled_to_zero_and_paused_are_settled() {
    let mut zero = deployment("db", &json!({"observedGeneration": 2}));
    zero["spec"]["replicas"] = json!(0);
    let snapshot = snapshot(vec![zero], &[], &[]);
    assert_eq!(
        state_of(&snapshot, &key("deployment", "db")),
        State::Settled
    );
}

#[test]
fn pulls_fail_for_certain_only_when_denied_or_not_found_twice() {
    let failed = |count, message: &str| event("Pod", "db-1-x", "Failed", message, count);
    let not_found = "Failed to pull image \"x\": not found";
    assert_eq!(one(&waiting("InvalidImageName", ""), &[]), "failed");
    assert_eq!(one(&waiting("ErrImageNeverPull", ""), &[]), "failed");
    assert_eq!(one(&waiting("ContainerCreating", ""), &[]), "underway");
    for word in [
        "ErrImagePull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    ] {
        let pull = waiting(word, "no");
        assert_eq!(one(&pull, &[failed(2, not_found)]), "failed", "{word}");
        assert_eq!(one(&pull, &[]), "underway", "{word}");
    }
    let back_off = waiting("ImagePullBackOff", "Back-off pulling image \"x\"");
    assert_eq!(one(&back_off, &[failed(2, not_found)]), "failed");
    let mut fresh = back_off.clone();
    fresh["startTime"] = json!(JUST_NOW);
    assert_eq!(one(&fresh, &[failed(1, not_found)]), "underway");
    assert_eq!(
        one(
            &back_off,
            &[failed(
                9,
                "Failed to pull image \"x\": 429 Too Many Requests"
            )]
        ),
        "underway"
    );
}

#[test]
fn missing_configuration_has_ten_seconds_to_appear() {
    let missing = waiting("CreateContainerConfigError", "secret \"db\" not found");
    assert_eq!(one(&missing, &[]), "failed");
    let mut fresh = missing;
    fresh["startTime"] = json!(JUST_NOW);
    assert_eq!(one(&fresh, &[]), "underway");
    for (word, message) in [
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root",
        ),
        ("CreateContainerError", "no command specified"),
    ] {
        let mut never = waiting(word, message);
        never["startTime"] = json!(JUST_NOW);
        assert_eq!(one(&never, &[]), "failed", "{message}");
    }
    let creating = waiting("ContainerCreating", "");
    let mount = |message: &str| event("Pod", "db-1-x", "FailedMount", message, 4);
    assert_eq!(
        one(
            &creating,
            &[mount("MountVolume.SetUp failed: configmap \"c\" not found")]
        ),
        "failed"
    );
    assert_eq!(
        one(&creating, &[mount("timed out waiting for the device")]),
        "underway"
    );
}

#[test]
fn a_volume_whose_disk_is_gone_ends_the_wait_and_one_that_may_come_does_not() {
    let state = |since: &str, reason: &str, message: &str, count: i32| {
        let mut creating = waiting("ContainerCreating", "");
        creating["startTime"] = json!(since);
        one(&creating, &[event("Pod", "db-1-x", reason, message, count)])
    };
    let gone = "MountVolume.SetUp failed for volume \"pv-1\" : hostPath type check failed: /data/x is not a directory";
    assert_eq!(state(LONG_AGO, "FailedMount", gone, 4), "failed");
    assert_eq!(state(LONG_AGO, "FailedMount", gone, 1), "underway");
    assert_eq!(state(JUST_NOW, "FailedMount", gone, 4), "underway");
    let deleted = "AttachVolume.Attach failed for volume \"pv-1\" : rpc error: code = NotFound desc = volume vol-1 not found";
    assert_eq!(state(LONG_AGO, "FailedAttachVolume", deleted, 2), "failed");
    for passing in [
        "Multi-Attach error for volume \"pv-1\" Volume is already used by pod(s) db-0",
        "MountVolume.MountDevice failed: driver name ebs.csi.aws.com not found in the list of registered CSI drivers",
        "AttachVolume.Attach failed: rpc error: code = DeadlineExceeded desc = context deadline exceeded",
    ] {
        assert_eq!(state(LONG_AGO, "FailedMount", passing, 9), "underway");
    }
}

#[test]
fn a_readiness_gate_that_stays_unmet_ends_the_wait() {
    let state = |since: &str, gate: &str| {
        let mut pod = pod("db", &ready(LONG_AGO));
        pod["spec"]["readinessGates"] = json!([{"conditionType": "lb/ready"}]);
        pod["status"]["conditions"] = json!([
            {"type": "Ready", "status": "False"},
            {"type": "ContainersReady", "status": "True", "lastTransitionTime": since},
            {"type": "lb/ready", "status": gate},
        ]);
        let snapshot = snapshot(vec![deployment("db", &unavailable())], &[pod], &[]);
        word(&state_of(&snapshot, &key("deployment", "db")))
    };
    assert_eq!(state(LONG_AGO, "False"), "failed");
    assert_eq!(state(JUST_NOW, "False"), "underway");
}

#[test]
fn ready_pods_that_do_not_count_as_available_yet_serve() {
    let state = |min_ready: i32, ready_replicas: i32| {
        let mut deployment = deployment(
            "db",
            &json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready_replicas}),
        );
        deployment["spec"]["minReadySeconds"] = json!(min_ready);
        let snapshot = snapshot(vec![deployment], &[pod("db", &ready(LONG_AGO))], &[]);
        word(&state_of(&snapshot, &key("deployment", "db")))
    };
    assert_eq!(state(3600, 1), "settled");
    assert_eq!(state(3600, 0), "underway");
    assert_eq!(state(0, 1), "underway");
}

#[test]
fn no_node_is_certain_only_without_an_autoscaler() {
    let unscheduled = |reason: &str, since: &str, events: &[Value]| {
        let mut pod = pod(
            "db",
            &json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": reason, "message": "0/2 nodes", "lastTransitionTime": since}]}),
        );
        pod["spec"]["nodeName"] = json!("");
        let snapshot = snapshot(vec![deployment("db", &unavailable())], &[pod], events);
        word(&state_of(&snapshot, &key("deployment", "db")))
    };
    // A gate is left to its controller for a while, and no longer.
    assert_eq!(unscheduled("SchedulingGated", JUST_NOW, &[]), "underway");
    assert_eq!(unscheduled("SchedulingGated", LONG_AGO, &[]), "failed");
    let unbound = |since: &str, events: &[Value]| unscheduled("Unschedulable", since, events);
    assert_eq!(unbound(LONG_AGO, &[]), "failed");
    assert_eq!(unbound(JUST_NOW, &[]), "underway");
    let scaling = event(
        "Pod",
        "db-1-x",
        "TriggeredScaleUp",
        "pod triggered scale-up",
        1,
    );
    assert_eq!(unbound(LONG_AGO, &[scaling]), "underway");
}

#[test]
fn a_crash_loop_is_certain_once_everything_else_was_up() {
    let crash = |restarts: i32, reason: &str| {
        container(
            &json!({"restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": reason, "startedAt": "2026-11-25T10:09:00Z", "finishedAt": "2026-11-25T10:09:01Z"}}}),
        )
    };
    assert_eq!(one(&crash(1, "Error"), &[]), "underway");
    assert_eq!(one(&crash(2, "Error"), &[]), "failed");
    let with_other = |since: &str| {
        let snapshot = snapshot(
            vec![
                deployment("db", &unavailable()),
                deployment("kvs", &available()),
            ],
            &[pod("db", &crash(3, "Error")), pod("kvs", &ready(since))],
            &[],
        );
        word(&state_of(&snapshot, &key("deployment", "db")))
    };
    assert_eq!(with_other(LONG_AGO), "failed");
    assert_eq!(with_other(JUST_NOW), "suffers");
    assert_eq!(one(&crash(2, "OOMKilled"), &[]), "failed");
}

#[test]
fn an_unready_pod_suffers_until_its_probe_can_never_pass() {
    let runs = |since: &str| container(&json!({"state": {"running": {"startedAt": since}}}));
    let unhealthy = |message: &str| event("Pod", "db-1-x", "Unhealthy", message, 5);
    let refused = "Readiness probe failed: dial tcp 10.0.0.1:80: connect: connection refused";
    let not_found = "Readiness probe failed: HTTP probe failed with statuscode: 404";
    assert_eq!(one(&runs(LONG_AGO), &[unhealthy(refused)]), "suffers");
    assert_eq!(one(&runs(LONG_AGO), &[unhealthy(not_found)]), "failed");
    assert_eq!(one(&runs(JUST_NOW), &[unhealthy(not_found)]), "underway");
    let scheme = "Readiness probe failed: Get \"https://10.0.0.1:80/\": http: server gave HTTP response to HTTPS client";
    assert_eq!(one(&runs(JUST_NOW), &[unhealthy(scheme)]), "failed");
    let no_such = "Readiness probe errored: exec: \"curl\": executable file not found in $PATH";
    assert_eq!(one(&runs(JUST_NOW), &[unhealthy(no_such)]), "failed");
}

#[test]
fn a_pod_on_a_node_that_is_away_is_not_waited_for() {
    let running = container(
        &json!({"ready": false, "started": true, "state": {"running": {"startedAt": LONG_AGO}}}),
    );
    let mut snapshot = snapshot(
        vec![deployment("ap", &unavailable())],
        &[pod("ap", &running)],
        &[],
    );
    for (status, since, expected) in [
        ("Unknown", LONG_AGO, "failed"),
        ("Unknown", JUST_NOW, "suffers"),
        ("True", LONG_AGO, "suffers"),
    ] {
        let condition = json!({"type": "Ready", "status": status, "lastTransitionTime": since, "message": "Kubelet stopped posting node status."});
        let node = json!({"metadata": {"name": "node-1"}, "status": {"conditions": [condition]}});
        snapshot.nodes = vec![serde_json::from_value(node).unwrap()];
        snapshot.changed();
        let state = state_of(&snapshot, &key("deployment", "ap"));
        assert_eq!(word(&state), expected, "{status} since {since}: {state:?}");
    }
}

#[test]
fn a_container_that_no_one_probes_must_run_a_while() {
    let with = |since: &str| {
        let mut pod = pod("db", &ready(since));
        pod["spec"]["containers"][0]["readinessProbe"] = Value::Null;
        of_status(&available(), &[pod])
    };
    assert_eq!(with(LONG_AGO), "settled");
    assert_eq!(with(JUST_NOW), "underway");
}

#[test]
fn endpoints_may_lag_behind_a_ready_pod() {
    let mut snapshot = snapshot(
        vec![deployment("db", &available())],
        &[pod("db", &ready(JUST_NOW))],
        &[],
    );
    snapshot
        .observed
        .insert("endpointslices".into(), Observed::Ok);
    let state = |snapshot: &Snapshot| word(&state_of(snapshot, &key("deployment", "db")));
    assert_eq!(state(&snapshot), "settled");
    let services = json!([{"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"}}}]);
    let own = snapshot.namespaces.get_mut("shop").unwrap();
    own.services = serde_json::from_value(services).unwrap();
    snapshot.changed();
    assert_eq!(state(&snapshot), "underway");
    let slices = json!([{"metadata": {"name": "db-a", "labels": {"kubernetes.io/service-name": "db"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "db-1-x"}}]}]);
    let own = snapshot.namespaces.get_mut("shop").unwrap();
    own.endpoint_slices = serde_json::from_value(slices).unwrap();
    snapshot.changed();
    assert_eq!(state(&snapshot), "settled");
}

#[test]
fn jobs_end_run_or_work() {
    let job = |status: Value, started: Option<&str>| {
        let state = json!({"workloads": [{"kind": "Job", "metadata": {"name": "m"}, "status": status}],
            "pods": started.iter().map(|started| json!({"metadata": {"name": "m-x", "namespace": "shop", "ownerReferences": [{"kind": "Job", "name": "m", "controller": true}]},
                "spec": {"nodeName": "n"}, "status": {"phase": "Running", "startTime": started}})).collect::<Vec<_>>()});
        let snapshot = Snapshot {
            namespace: "shop".into(),
            namespaces: BTreeMap::from([("shop".into(), serde_json::from_value(state).unwrap())]),
            ..Snapshot::default()
        };
        word(&state_of(&snapshot, &key("job", "m")))
    };
    let ended = |kind: &str| json!({"conditions": [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded"}]});
    assert_eq!(job(ended("Complete"), None), "settled");
    assert_eq!(job(ended("Failed"), None), "failed");
    assert_eq!(job(json!({}), Some(JUST_NOW)), "underway");
    assert_eq!(job(json!({}), Some(LONG_AGO)), "settled");
    assert_eq!(job(json!({}), None), "underway");
}

#[test]
fn a_refused_pod_is_known_from_events_alone() {
    let with = |reason: &str, message: &str| {
        let event = event("ReplicaSet", "db-1", reason, message, 3);
        let snapshot = snapshot(vec![deployment("db", &unavailable())], &[], &[event]);
        word(&state_of(&snapshot, &key("deployment", "db")))
    };
    assert_eq!(
        with(
            "FailedCreate",
            "Error creating: violates PodSecurity \"restricted\""
        ),
        "failed"
    );
    assert_eq!(
        with(
            "FailedCreate",
            "error looking up service account shop/x: serviceaccount \"x\" not found"
        ),
        "failed"
    );
    assert_eq!(
        with(
            "FailedCreate",
            "pods \"x\" is forbidden: pod rejected: RuntimeClass \"gvisor\" not found"
        ),
        "failed"
    );
    for message in [
        "etcdserver: request timed out",
        "failed calling webhook \"a.b\": service \"hook\" not found",
    ] {
        assert_eq!(with("FailedCreate", message), "underway", "{message}");
    }
    assert_eq!(with("SuccessfulCreate", "Created pod: x"), "underway");
}

#[test]
fn who_waits_for_what_never_comes_is_not_waited_for() {
    let suffers = container(&json!({"state": {"running": {"startedAt": LONG_AGO}}}));
    let snapshot = snapshot(
        vec![
            deployment("web", &unavailable()),
            deployment("ap", &unavailable()),
            deployment("db", &unavailable()),
        ],
        &[
            pod("web", &suffers),
            pod("ap", &suffers),
            pod("db", &waiting("InvalidImageName", "")),
        ],
        &[],
    );
    let unsettled = |scope: &Scope| -> Vec<String> {
        judge(&snapshot, now(), scope)
            .unsettled
            .keys()
            .map(|key| key.name.clone())
            .collect()
    };
    let edge = |from: &str, to: &str| {
        (
            key("deployment", from),
            BTreeSet::from([key("deployment", to)]),
        )
    };
    assert!(unsettled(&Scope::default()).is_empty());
    let chain = Scope {
        depends: Some([edge("web", "ap"), edge("ap", "db")].into()),
        ..Scope::default()
    };
    assert!(unsettled(&chain).is_empty());
    let apart = Scope {
        depends: Some([edge("ap", "db")].into()),
        ..Scope::default()
    };
    assert_eq!(unsettled(&apart), ["web"]);
    let broken = Scope {
        broken: [key("deployment", "web")].into(),
        ..apart.clone()
    };
    assert!(unsettled(&broken).is_empty());
    let narrow = Scope {
        matter: Some([key("deployment", "db")].into()),
        ..apart
    };
    assert!(unsettled(&narrow).is_empty());
    assert_eq!(judge(&snapshot, now(), &narrow).failed.len(), 1);
}

#[test]
fn an_old_revision_may_fail_while_a_new_one_comes() {
    let mut old = pod("db", &waiting("InvalidImageName", ""));
    let mut new = pod("db", &waiting("ContainerCreating", ""));
    new["metadata"]["name"] = json!("db-2-x");
    new["metadata"]["ownerReferences"][0]["name"] = json!("db-2");
    let mut snapshot = snapshot(
        vec![deployment("db", &unavailable())],
        &[old.take(), new],
        &[],
    );
    let set = |name: &str, revision: &str| {
        json!({"kind": "ReplicaSet", "metadata": {"name": name, "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"kind": "Deployment", "name": "db", "controller": true}]}})
    };
    let state = |snapshot: &Snapshot| word(&state_of(snapshot, &key("deployment", "db")));
    assert_eq!(state(&snapshot), "failed");
    let own = snapshot.namespaces.get_mut("shop").unwrap();
    own.workloads
        .retain(|workload| workload.kind != "ReplicaSet");
    for (name, revision) in [("db-1", "9"), ("db-2", "10")] {
        own.workloads
            .push(serde_json::from_value(set(name, revision)).unwrap());
    }
    snapshot.changed();
    assert_eq!(state(&snapshot), "underway");
}

#[test]
fn who_had_its_wait_before_the_run_is_not_waited_for_again() {
    let probed = |seconds, started: &str, liveness: Value| {
        let suffers = container(&json!({"state": {"running": {"startedAt": started}}}));
        let mut pod = pod("db", &suffers);
        pod["spec"]["containers"][0]["livenessProbe"] = liveness;
        let snapshot = snapshot(vec![deployment("db", &unavailable())], &[pod], &[]);
        let scope = Scope {
            patience: Some(Duration::from_secs(seconds)),
            ..Scope::default()
        };
        let settle = judge(&snapshot, now(), &scope);
        (settle.unsettled.len(), settle.failed.len())
    };
    let with = |seconds, started: &str| probed(seconds, started, Value::Null);
    let for_40_s = "2026-11-25T10:09:20Z";
    assert_eq!(with(120, for_40_s), (1, 0));
    assert_eq!(with(30, for_40_s), (0, 1));
    // Whatever the wait: a minute, or what its probes allow it, is enough for one that is not ready.
    assert_eq!(with(900, LONG_AGO), (0, 1));
    // A liveness probe that begins late says that it may take so long.
    let late = json!({"tcpSocket": {"port": 80}, "initialDelaySeconds": 60});
    let for_80_s = "2026-11-25T10:08:40Z";
    assert_eq!(with(900, for_80_s), (0, 1));
    assert_eq!(probed(900, for_80_s, late.clone()), (1, 0));
    assert_eq!(probed(900, LONG_AGO, late), (0, 1));
}
