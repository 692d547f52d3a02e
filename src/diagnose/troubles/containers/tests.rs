//! Tests of `containers`.

use super::super::tests::{event, pod, troubles_of};
use super::Trouble;
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
fn a_kill_by_liveness_is_told_from_a_crash() {
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
fn an_init_container_that_fails_is_told_from_a_native_sidecar() {
    let spec = |policy: &str| {
        format!("{{initContainers: [{{name: migrate{policy}}}], containers: [{{name: db}}]}}")
    };
    let failing = "{phase: Pending, initContainerStatuses: [{name: migrate, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}], containerStatuses: [{name: db, state: {waiting: {reason: PodInitializing}}}]}";
    let troubles = troubles_of(&pod(&spec(""), failing));
    assert_eq!(troubles[0].code, Code::InitContainerFailing);
    let running = "{phase: Running, initContainerStatuses: [{name: migrate, ready: true, started: true, state: {running: {}}}], containerStatuses: [{name: db, ready: true, state: {running: {}}}]}";
    assert!(troubles_of(&pod(&spec(", restartPolicy: Always"), running)).is_empty());
}
