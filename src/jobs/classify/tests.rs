//! Tests of `classify`.

use serde_json::{Value, json};

use super::super::admission::{self, refused};
use super::*;
use crate::observe::CallError;
use crate::observe::kinds::Event;

fn job() -> JobName {
    JobName::new("shop", "k8sverify-r1-v1")
}

fn status(status: u16, message: &str) -> CallError {
    CallError::Status {
        status,
        reason: String::new(),
        message: message.into(),
        retry_after: None,
    }
}

fn pod_with(status: &Value, node: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "k8sverify-r1-v1-abcde"},
        "spec": {"nodeName": node, "containers": [{"name": "t1", "image": "reg/k8sverify:1"}]},
        "status": status,
    }))
    .unwrap()
}

fn in_state(state: &Value) -> Pod {
    pod_with(
        &json!({"phase": "Pending", "containerStatuses": [{"name": "t1", "state": state}]}),
        "node-1",
    )
}

#[test]
fn a_refused_job_says_who_refused_it() {
    for (error, code, words) in [
        (
            status(
                403,
                "jobs.batch is forbidden: User \"system:serviceaccount:ci:bot\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"shop\"",
            ),
            Code::ProbeForbidden,
            "--service-account ci:bot",
        ),
        (
            status(
                403,
                "jobs.batch \"x\" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1, used: count/jobs.batch=0, limited: count/jobs.batch=0",
            ),
            Code::ProbeForbidden,
            "ResourceQuota",
        ),
        (
            status(
                400,
                "admission webhook \"policy.example\" denied the request: no",
            ),
            Code::ProbeForbidden,
            "--probe-label",
        ),
        (
            status(
                422,
                "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            ),
            Code::ProbeForbidden,
            "--probe-patch",
        ),
        (
            status(404, "namespaces \"shop\" not found"),
            Code::NamespaceNotFound,
            "gone",
        ),
        (status(503, "busy"), Code::ApiUnreachable, "https://api"),
    ] {
        let failure = refused(&job(), "https://api", &error);
        assert_eq!(failure.code, code, "{error}");
        assert!(failure.message.contains(words), "{}", failure.message);
        assert_eq!(failure.object.to_string(), "job/k8sverify");
    }
}

#[test]
fn a_failed_create_event_is_distinguished_from_others() {
    let of = |reason: &str, name: &str, message: &str| {
        let event: Event = serde_json::from_value(json!({"reason": reason, "message": message, "count": 1, "involvedObject": {"kind": "Job", "name": name}})).unwrap();
        admission::event(&job(), &event)
    };
    let message = "Error creating: pods \"k8sverify-r1-v1-x\" is forbidden: violates PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true)";
    let failure = of("FailedCreate", "k8sverify-r1-v1", message).unwrap();
    assert_eq!(failure.code, Code::ProbeForbidden);
    assert!(failure.message.contains("Pod Security"));
    assert!(of("SuccessfulCreate", "k8sverify-r1-v1", message).is_none());
    assert!(of("FailedCreate", "other", message).is_none());
    assert!(
        of(
            "FailedCreate",
            "k8sverify-r1-v1",
            "Internal error occurred: failed calling webhook"
        )
        .is_none()
    );
}

#[test]
fn pods_are_unbound_unschedulable_bound_or_failed() {
    let unschedulable = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available: 1 Insufficient cpu"}]});
    assert_eq!(
        pod(&job(), &pod_with(&json!({"phase": "Pending"}), "")),
        PodSays::Unbound
    );
    assert_eq!(
        pod(&job(), &pod_with(&unschedulable, "")),
        PodSays::Unschedulable("0/2 nodes are available: 1 Insufficient cpu".into())
    );
    assert_eq!(
        pod(&job(), &pod_with(&json!({"phase": "Pending"}), "node-1")),
        PodSays::Bound
    );
    assert_eq!(
        pod(
            &job(),
            &pod_with(
                &json!({"phase": "Failed", "reason": "OutOfcpu", "message": "no cpu"}),
                "node-1"
            )
        ),
        PodSays::Unschedulable("OutOfcpu: no cpu".into())
    );
    let late = pod(
        &job(),
        &pod_with(
            &json!({"phase": "Failed", "reason": "DeadlineExceeded"}),
            "node-1",
        ),
    );
    assert!(matches!(late, PodSays::Failed(failure) if failure.code == Code::ProbeTimeout));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a case to each few lines")]
fn waiting_containers_fail_for_good_may_pass_or_just_wait() {
    let says = |reason: &str, message: &str| {
        container(
            &job(),
            &in_state(&json!({"waiting": {"reason": reason, "message": message}})),
            "t1",
        )
    };
    let code = |says: ContainerSays| match says {
        ContainerSays::Failed(failure) => failure.code.name(),
        ContainerSays::PullTrouble(_) => "trouble",
        ContainerSays::Waiting => "waiting",
        ContainerSays::Running => "running",
        ContainerSays::Ended => "ended",
    };
    for (reason, message, wanted) in [
        ("ContainerCreating", "", "waiting"),
        ("PodInitializing", "", "waiting"),
        (
            "ErrImageNeverPull",
            "Container image \"x\" is not present with pull policy of Never",
            "probe-image-failed",
        ),
        (
            "InvalidImageName",
            "couldn't parse image name",
            "probe-image-failed",
        ),
        (
            "ErrImagePull",
            "failed to resolve reference \"registry.invalid/x:0\": dial tcp: lookup registry.invalid: no such host",
            "probe-image-failed",
        ),
        (
            "ImagePullBackOff",
            "Back-off pulling image \"x\": ErrImagePull: not found",
            "probe-image-failed",
        ),
        (
            "ImagePullBackOff",
            "Back-off pulling image \"x\"",
            "trouble",
        ),
        ("ErrImagePull", "429 Too Many Requests", "trouble"),
        (
            "ErrImagePull",
            "dial tcp: lookup registry.invalid on 10.0.0.1:53: read udp: i/o timeout",
            "probe-image-failed",
        ),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root",
            "probe-image-failed",
        ),
        (
            "CreateContainerConfigError",
            "secret \"x\" not found",
            "probe-forbidden",
        ),
        (
            "RunContainerError",
            "exec: \"/k8sverify\": no such file",
            "probe-image-failed",
        ),
    ] {
        assert_eq!(code(says(reason, message)), wanted, "{reason} {message}");
    }
    let of = |state| code(container(&job(), &in_state(&state), "t1"));
    assert_eq!(of(json!({"running": {}})), "running");
    assert_eq!(
        of(json!({"terminated": {"exitCode": 0, "reason": "Completed"}})),
        "ended"
    );
    assert_eq!(
        of(
            json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": "exec format error"}})
        ),
        "probe-image-failed"
    );
    assert_eq!(
        code(container(&job(), &in_state(&json!({})), "other")),
        "waiting"
    );
}

#[test]
fn a_log_without_its_end_is_explained_by_how_the_container_ended() {
    let ended = |code: i32, reason: &str| {
        in_state(&json!({"terminated": {"exitCode": code, "reason": reason}}))
    };
    let greeted = Log {
        greeted: true,
        ..Log::default()
    };
    let format = Log {
        other: vec!["exec /k8sverify: exec format error".into()],
        ..Log::default()
    };
    let code = |pod: Option<&Pod>, log: &Log| cut_off(&job(), pod, "t1", log).code;
    assert_eq!(
        code(Some(&ended(1, "Error")), &Log::default()),
        Code::ProbeImageFailed
    );
    assert_eq!(
        code(Some(&ended(1, "Error")), &format),
        Code::ProbeImageFailed
    );
    assert_eq!(
        code(Some(&ended(137, "OOMKilled")), &greeted),
        Code::ProbeLost
    );
    assert_eq!(code(Some(&ended(143, "Error")), &greeted), Code::ProbeLost);
    assert_eq!(
        code(Some(&ended(137, "ContainerStatusUnknown")), &Log::default()),
        Code::ProbeLost
    );
    assert_eq!(code(None, &Log::default()), Code::ProbeLost);
    let evidence = cut_off(&job(), Some(&ended(143, "Error")), "t1", &greeted).evidence;
    assert_eq!(evidence, ["Error with exit code 143"]);
}

#[test]
fn an_injected_init_container_that_failed_is_named() {
    let mut state = json!({"phase": "Failed",
        "initContainerStatuses": [{"name": "mesh-init", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}],
        "containerStatuses": [{"name": "t1", "state": {"waiting": {"reason": "PodInitializing"}}}]});
    let PodSays::Failed(failure) = pod(&job(), &pod_with(&state, "node-1")) else {
        panic!("it will never run");
    };
    assert!(
        failure.message.contains("mesh-init") && failure.message.contains("exit code 1"),
        "{}",
        failure.message
    );
    state["phase"] = json!("Pending");
    assert_eq!(pod(&job(), &pod_with(&state, "node-1")), PodSays::Bound);
}

#[test]
fn a_probe_that_broke_down_blames_the_edges_that_were_open_and_no_node() {
    let log = Log::read(concat!(
        r#"{"record":"hello","version":3,"tool":"0.1.0","nameservers":[],"search":[],"ndots":5}"#,
        "\n",
        r#"{"record":"started","task":"AP->KVS:6379/redis"}"#,
        "\n",
        r#"{"record":"started","task":"AP->DB:3306/mysql"}"#,
        "\n",
        r#"{"record":"finished","task":"AP->KVS:6379/redis"}"#,
    ));
    for (code, reason, words) in [
        (137, "OOMKilled", "for want of memory"),
        (134, "Error", "crashed with exit code 134"),
        (101, "Error", "crashed with exit code 101"),
    ] {
        let pod = in_state(&json!({"terminated": {"exitCode": code, "reason": reason}}));
        let failure = cut_off(&job(), Some(&pod), "t1", &log);
        assert_eq!(failure.code, Code::ProbeLost);
        let message = &failure.message;
        assert!(message.contains(words), "{message}");
        assert!(message.contains("AP->DB:3306/mysql"), "{message}");
        assert!(!message.contains("KVS"), "{message}");
        assert!(!message.contains("evicted"), "{message}");
    }
}
