//! Tests of `containers`.

use super::super::tests::{event, pod, troubles_in, troubles_of};
use super::Trouble;
use crate::diagnose::fixtures;
use crate::finding::Code;

const SPEC: &str = "{containers: [{name: db, image: 'registry.invalid/db:1'}]}";

fn one(status: &str, events: &str) -> Option<Trouble> {
    let mut troubles = troubles_of(&(pod(SPEC, status) + events));
    assert!(troubles.len() <= 1, "{troubles:?}");
    troubles.pop()
}

fn code(state: &str, events: &str) -> Option<Code> {
    let status = format!("{{phase: Running, containerStatuses: [{{name: db, {state}}}]}}");
    one(&status, events).map(|trouble| trouble.code)
}

#[test]
fn each_way_of_not_running_has_its_code() {
    for (state, wanted) in [
        (
            "state: {waiting: {reason: ImagePullBackOff}}",
            Code::ImagePullFailed,
        ),
        (
            "state: {waiting: {reason: ErrImageNeverPull}}",
            Code::ImagePullFailed,
        ),
        (
            "state: {waiting: {reason: CreateContainerConfigError, message: 'secret \"db\" not found'}}",
            Code::ContainerConfigError,
        ),
        (
            "state: {waiting: {reason: RunContainerError, message: 'exec: redisd'}}",
            Code::ContainerStartFailed,
        ),
        (
            "restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 128, reason: StartError}}",
            Code::ContainerStartFailed,
        ),
        (
            "restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}",
            Code::ContainerOutOfMemory,
        ),
        (
            "restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}",
            Code::ContainerCrashLooping,
        ),
        (
            "restartCount: 3, state: {terminated: {exitCode: 1, reason: Error}}",
            Code::ContainerCrashLooping,
        ),
    ] {
        assert_eq!(code(state, ""), Some(wanted), "{state}");
    }
    assert_eq!(code("ready: true, state: {running: {}}", ""), None);
    assert_eq!(
        code(
            "ready: true, restartCount: 2, state: {running: {}}, lastState: {terminated: {exitCode: 1}}",
            ""
        ),
        None
    );
    assert_eq!(
        code("state: {waiting: {reason: ContainerCreating}}", ""),
        None
    );
}

#[test]
fn only_an_exit_of_the_program_itself_may_follow_from_a_target() {
    let status = |code: i32| {
        format!(
            "{{phase: Running, containerStatuses: [{{name: db, restartCount: 3, state: {{waiting: {{reason: CrashLoopBackOff}}}}, lastState: {{terminated: {{exitCode: {code}, reason: Error}}}}}}]}}"
        )
    };
    assert!(one(&status(1), "").unwrap().dependent);
    assert!(!one(&status(127), "").unwrap().dependent);
    assert!(!one(&status(0), "").unwrap().dependent);
}

#[test]
fn a_kill_by_liveness_is_distinguished_from_a_crash() {
    let state = "restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: Error, finishedAt: '2026-11-23T10:00:02Z'}}";
    let kill = event(
        "Killing",
        "Container db failed liveness probe, will be restarted",
    );
    assert_eq!(code(state, &kill), Some(Code::LivenessProbeFailing));
    let kill = event(
        "Killing",
        "Container db failed startup probe, will be restarted",
    );
    assert_eq!(code(state, &kill), Some(Code::StartupProbeFailing));
}

#[test]
fn what_readiness_says_of_the_same_question_shows_why_liveness_kills() {
    const STATUS: &str = "{phase: Running, containerStatuses: [{name: db, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: Error, finishedAt: '2026-11-23T10:00:02Z'}}}]}";
    let remedy = |liveness: &str| {
        let spec = format!(
            "{{containers: [{{name: db, image: a, readinessProbe: {{tcpSocket: {{port: 80}}}}, livenessProbe: {liveness}}}]}}"
        );
        let events = event(
            "Killing",
            "Container db failed liveness probe, will be restarted",
        ) + &event(
            "Unhealthy",
            "Readiness probe failed: dial tcp 10.244.0.9:80: connect: connection refused",
        );
        let troubles = troubles_of(&(pod(&spec, STATUS) + &events));
        troubles
            .into_iter()
            .find(|one| one.code == Code::LivenessProbeFailing)
            .unwrap()
            .remedy
    };
    assert!(remedy("{tcpSocket: {port: 80}}").starts_with("nothing listens on the port"));
    assert!(remedy("{tcpSocket: {port: 81}}").starts_with("correct port, path"));
}

#[test]
fn a_mount_that_fails_is_read_from_the_event() {
    let status = "{phase: Pending, containerStatuses: [{name: db, state: {waiting: {reason: ContainerCreating}}}]}";
    let trouble = one(
        status,
        &event(
            "FailedMount",
            "MountVolume.SetUp failed for volume \"src\" : configmap \"ap-src\" not found",
        ),
    )
    .unwrap();
    assert_eq!(trouble.code, Code::ContainerConfigError);
    assert!(trouble.message.contains("configmap \"ap-src\" not found"));
}

#[test]
fn an_init_container_that_fails_is_distinguished_from_a_native_sidecar() {
    let spec = |policy: &str| {
        format!("{{initContainers: [{{name: migrate{policy}}}], containers: [{{name: db}}]}}")
    };
    let failing = "{phase: Pending, initContainerStatuses: [{name: migrate, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}], containerStatuses: [{name: db, state: {waiting: {reason: PodInitializing}}}]}";
    let troubles = troubles_of(&pod(&spec(""), failing));
    assert_eq!(troubles[0].code, Code::InitContainerFailing);
    let running = "{phase: Running, initContainerStatuses: [{name: migrate, ready: true, started: true, state: {running: {}}}], containerStatuses: [{name: db, ready: true, state: {running: {}}}]}";
    assert!(troubles_of(&pod(&spec(", restartPolicy: Always"), running)).is_empty());
}

#[test]
fn a_hook_that_fails_is_no_crash_of_the_program() {
    let state = "restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: Error}}";
    let hook = event(
        "FailedPostStartHook",
        "PostStartHookError: command register exited with 3",
    );
    let status = format!("{{phase: Running, containerStatuses: [{{name: db, {state}}}]}}");
    let found = one(&status, &hook).unwrap();
    assert_eq!(found.code, Code::ContainerStartFailed);
    assert!(found.remedy.contains("postStart"), "{}", found.remedy);
}

#[test]
fn a_key_that_the_config_map_lacks_is_mounted_as_an_empty_folder() {
    let spec = "{containers: [{name: db, image: x, volumeMounts: [{name: c, mountPath: /etc/db.conf, subPath: db.conf}]}], volumes: [{name: c, configMap: {name: conf}}]}";
    let found = |key: &str, message: &str| {
        let status = format!(
            "{{phase: Running, containerStatuses: [{{name: db, restartCount: 3, state: {{waiting: {{reason: CrashLoopBackOff}}}}, lastState: {{terminated: {{exitCode: 1, reason: Error, message: '{message}'}}}}}}]}}"
        );
        let map = format!("---\nkind: ConfigMap\nmetadata: {{name: conf}}\ndata: {{{key}: x}}\n");
        troubles_of(&(pod(spec, &status) + &map)).pop().unwrap()
    };
    let missing = found(
        "other.conf",
        "pread() /etc/db.conf failed (21: Is a directory)",
    );
    assert_eq!(missing.code, Code::ContainerConfigError);
    assert!(
        missing
            .remedy
            .contains("add the key db.conf to configmap/conf"),
        "{}",
        missing.remedy
    );
    assert_eq!(
        found("db.conf", "Is a directory").code,
        Code::ContainerCrashLooping
    );
    assert_eq!(
        found("other.conf", "out of tea").code,
        Code::ContainerCrashLooping
    );
}

#[test]
fn an_init_container_that_waits_says_which_of_its_hosts_leads_nowhere() {
    let waits = |wait: &str| {
        let spec = format!(
            "{{initContainers: [{{name: wait, image: x, {wait}}}], containers: [{{name: db, image: x}}]}}"
        );
        let status = "{phase: Pending, initContainerStatuses: [{name: wait, state: {running: {startedAt: '2020-01-01T00:00:00Z'}}}]}";
        remedy(&spec, status, "")
    };
    let named = |host: &str| waits(&format!("env: [{{name: DB_HOST, value: {host}}}]"));
    assert!(named("mysql-primary").contains("correct variable DB_HOST"));
    assert!(!named("mysql").contains("DB_HOST"));
    for script in [
        "until nc -z -w 2 HOST 3306; do echo waiting for 3306; sleep 2; done",
        "/bin/wait-for-it.sh HOST:3306 -- true",
        "dockerize -wait tcp://HOST:3306",
    ] {
        let waits = |host: &str| {
            let script = script.replace("HOST", host);
            waits(&format!("command: [sh, -c, '{script}']"))
        };
        let lost = waits("database");
        assert!(lost.contains("no Service is called database"), "{lost}");
        for fine in ["mysql", "localhost", "127.0.0.1", "db.example.com"] {
            assert!(waits(fine).contains("see its log"), "{script} {fine}");
        }
    }
}

#[test]
fn a_container_that_listens_on_nothing_may_wait_for_a_name_that_is_not_there() {
    let of = |command: &str, env: &str| {
        let spec = format!(
            "{{containers: [{{name: db, image: x, args: {command}, env: {env}, readinessProbe: {{tcpSocket: {{port: 2000}}}}}}]}}"
        );
        let status = "{phase: Running, containerStatuses: [{name: db, started: true, state: {running: {startedAt: '2020-01-01T00:00:00Z'}}}]}";
        let refused = event(
            "Unhealthy",
            "Readiness probe failed: dial tcp 10.1.0.2:2000: connect: connection refused",
        );
        remedy(&spec, status, &refused)
    };
    let lost = of("[/wait-for-it.sh, 'redis:6379', --, app]", "[]");
    assert!(lost.contains("may wait for redis"), "{lost}");
    let plain = of("[/wait-for-it.sh, 'mysql:3306', --, app]", "[]");
    assert!(plain.contains("correct the port"), "{plain}");
    // A variable may be a leftover: the port is what the probe complains of.
    let leftover = of("[app]", "[{name: SMTP_HOST, value: mailhog}]");
    assert!(leftover.contains("correct the port"), "{leftover}");
}

fn remedy(spec: &str, status: &str, events: &str) -> String {
    let service = "---\nkind: Service\nmetadata: {name: mysql}\nspec: {clusterIP: 10.96.0.9, ports: [{port: 3306}]}\n";
    let mut snapshot = fixtures::snapshot(&(pod(spec, status) + service + events));
    snapshot.taken_at = "2020-01-01T01:00:00Z".parse().ok();
    let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
    troubles_in(&graph, &snapshot).pop().unwrap().remedy
}
