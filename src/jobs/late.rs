//! Why a probe had not said all when its deadline came: from its Pod, the events of Pod and Job, and what reading its log met. Each reason is named as
//! what it is; more time is only advised where the probe was at work. Pure.

use crate::finding::Code;
use crate::observe::kinds::{ContainerStatus, Event, Pod};
use crate::plan::ProbeFailure;
use crate::shell::Command;

use super::admission;
use super::classify::{self, failure};
use super::remove::JobName;

/// Events that are quoted.
const QUOTED: usize = 4;

/// What is known when the deadline comes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AtDeadline<'a> {
    /// The Pod, if one was seen.
    pub(super) pod: Option<&'a Pod>,
    /// Events of the Pod; without one, of the Job.
    pub(super) events: &'a [Event],
    /// What reading the log met last.
    pub(super) log_error: Option<&'a str>,
    /// The deadline, in seconds.
    pub(super) seconds: u64,
}

/// Why there is no more.
pub(super) fn too_late(job: &JobName, late: &AtDeadline<'_>) -> ProbeFailure {
    let Some(pod) = late.pod else {
        return without_pod(job, late);
    };
    if let classify::PodSays::Unschedulable(words) = classify::pod(job, pod) {
        return classify::unschedulable(job, words);
    }
    let seconds = late.seconds;
    let timeout = |what: String| failure(job, Code::ProbeTimeout, what, quoted(late.events));
    if pod.spec.node_name.is_empty() {
        return timeout(format!(
            "no scheduler bound the probe's Pod to a node within {seconds} s: is the scheduler{} running?",
            match pod.spec.scheduler_name.as_str() {
                "" => String::new(),
                name => format!(" {name}"),
            }
        ));
    }
    if let Some(status) = init_container(pod) {
        let evidence = [vec![state(status)], quoted(late.events)].concat();
        let what = format!(
            "the init container {}, which the cluster put into the probe's Pod, had not ended after {seconds} s; fix it, or exempt the probe's Pod from it with --probe-label or --probe-annotation",
            status.name
        );
        return failure(job, Code::ProbeForbidden, what, evidence);
    }
    let running = pod
        .status
        .container_statuses
        .iter()
        .any(|status| status.state.running.is_some() || status.state.terminated.is_some());
    if !running && !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
        return not_started(job, pod, late);
    }
    if let Some(error) = late.log_error {
        let evidence = [vec![error.to_owned()], quoted(late.events)].concat();
        return failure(
            job,
            Code::ProbeLost,
            format!(
                "the probe ran on {}, but its log could not be read: {error}",
                pod.spec.node_name
            ),
            evidence,
        );
    }
    timeout(format!(
        "the probe was still at work after {seconds} s on {}; give it more with --timeout",
        pod.spec.node_name
    ))
}

fn without_pod(job: &JobName, late: &AtDeadline<'_>) -> ProbeFailure {
    if let Some(refused) = late
        .events
        .iter()
        .rev()
        .find_map(|event| admission::refused_pod(job, event))
    {
        return refused;
    }
    failure(
        job,
        Code::ProbeTimeout,
        format!(
            "the Job's controller made no Pod within {} s, and no event says why: is kube-controller-manager running, and are the Pods of Jobs shown to this user?",
            late.seconds
        ),
        quoted(late.events),
    )
}

/// Bound, and nothing runs: the image, what the kubelet says, or a kubelet that says nothing.
fn not_started(job: &JobName, pod: &Pod, late: &AtDeadline<'_>) -> ProbeFailure {
    let (node, seconds) = (&pod.spec.node_name, late.seconds);
    let said = |reason: &str| late.events.iter().any(|event| event.reason == reason);
    let images: Vec<&str> = pod
        .spec
        .containers
        .iter()
        .map(|container| container.image.as_str())
        .collect();
    if said("Pulling") && !said("Pulled") {
        return failure(
            job,
            Code::ProbeImageFailed,
            format!(
                "the probe image {} was still being pulled on {node} after {seconds} s: its registry is slow or does not answer; load the image on the nodes, or name a nearer one with --image",
                images.first().copied().unwrap_or_default()
            ),
            quoted(late.events),
        );
    }
    let warning = late
        .events
        .iter()
        .rev()
        .find(|event| event.kind == "Warning");
    if let Some(warning) = warning {
        return failure(
            job,
            Code::ProbeForbidden,
            format!(
                "the kubelet of {node} could not start the probe's Pod within {seconds} s: {}",
                warning.reason
            ),
            quoted(late.events),
        );
    }
    let silent = pod.status.container_statuses.is_empty() && pod.status.start_time.is_none();
    let what = if silent {
        format!(
            "the kubelet of {node} said nothing of the probe's Pod within {seconds} s: the node may be lost; see {}",
            Command::kubectl("", &["get", "node", node])
        )
    } else {
        format!(
            "the probe's Pod had not started on {node} after {seconds} s, and no event says why; see {}",
            Command::kubectl("", &["describe", "node", node])
        )
    };
    failure(job, Code::ProbeTimeout, what, quoted(late.events))
}

/// An init container that has not ended well: all of them are put in by the cluster.
fn init_container(pod: &Pod) -> Option<&ContainerStatus> {
    let restarts = |name: &str| {
        let container = pod.spec.container(name);
        container.is_some_and(|container| container.restart_policy == "Always")
    };
    pod.status.init_container_statuses.iter().find(|status| {
        let ended = status.state.terminated.as_ref();
        let done = ended.is_some_and(|ended| ended.exit_code == 0);
        // A sidecar has done its part once it has started.
        let stands = restarts(&status.name) && status.started == Some(true);
        !done && !stands
    })
}

fn state(status: &ContainerStatus) -> String {
    let name = &status.name;
    if let Some(waiting) = &status.state.waiting {
        return format!("{name} waits: {} {}", waiting.reason, waiting.message)
            .trim_end()
            .to_owned();
    }
    match &status.state.terminated {
        Some(ended) => format!("{name} ended with exit code {}", ended.exit_code),
        None => format!(
            "{name} is running, restarted {} times",
            status.restart_count
        ),
    }
}

fn quoted(events: &[Event]) -> Vec<String> {
    let mut lines: Vec<String> = events
        .iter()
        .filter(|event| event.kind == "Warning")
        .map(|event| format!("{}: {}", event.reason, event.message))
        .collect();
    lines.sort();
    lines.dedup();
    lines.truncate(QUOTED);
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job() -> JobName {
        JobName::new("shop", "k8sverify-r-v1")
    }

    fn pod(spec: &Value, status: &Value) -> Pod {
        let mut object = json!({"metadata": {"name": "k8sverify-r-v1-x"},
            "spec": {"nodeName": "n1", "containers": [{"name": "t1", "image": "reg/k8sverify:1"}]}, "status": status});
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn event(kind: &str, reason: &str, message: &str) -> Event {
        serde_json::from_value(
            json!({"type": kind, "reason": reason, "message": message, "count": 1,
            "involvedObject": {"kind": "Job", "name": "k8sverify-r-v1"}}),
        )
        .unwrap()
    }

    fn why(pod: Option<&Pod>, events: &[Event], log_error: Option<&str>) -> (Code, String) {
        let late = AtDeadline {
            pod,
            events,
            log_error,
            seconds: 60,
        };
        let failure = too_late(&job(), &late);
        (failure.code, failure.message)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, a case to each few lines")]
    fn every_reason_is_named_and_time_is_only_advised_where_it_would_help() {
        let pending = json!({"phase": "Pending", "startTime": "2026-01-01T00:00:00Z",
            "containerStatuses": [{"name": "t1", "state": {"waiting": {"reason": "ContainerCreating"}}}]});
        let running = json!({"phase": "Running", "containerStatuses": [{"name": "t1", "state": {"running": {}}}]});
        let init = json!({"phase": "Pending", "initContainerStatuses": [{"name": "vault-agent-init",
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]});
        let full = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/2 nodes are available"}]});
        let (here, nowhere) = (json!({}), json!({"nodeName": ""}));
        let pulling = [event("Normal", "Pulling", "Pulling image \"reg/it:1\"")];
        let sandbox = [event("Warning", "FailedCreatePodSandBox", "cni: full")];
        let refused = [event(
            "Warning",
            "FailedCreate",
            "Error creating: exceeded quota: q, requested: pods=1, used: pods=4, limited: pods=4",
        )];
        for (seen, events, log_error, code, words) in [
            (
                None,
                &refused[..],
                None,
                Code::ProbeForbidden,
                "ResourceQuota",
            ),
            (
                None,
                &[],
                None,
                Code::ProbeTimeout,
                "made no Pod within 60 s",
            ),
            (
                Some(pod(&nowhere, &full)),
                &[],
                None,
                Code::ProbeUnschedulable,
                "no node takes",
            ),
            (
                Some(pod(&nowhere, &json!({"phase": "Pending"}))),
                &[],
                None,
                Code::ProbeTimeout,
                "no scheduler bound",
            ),
            (
                Some(pod(&here, &init)),
                &[],
                None,
                Code::ProbeForbidden,
                "init container vault-agent-init",
            ),
            (
                Some(pod(&here, &pending)),
                &pulling[..],
                None,
                Code::ProbeImageFailed,
                "still being pulled on n1",
            ),
            (
                Some(pod(&here, &pending)),
                &sandbox[..],
                None,
                Code::ProbeForbidden,
                "FailedCreatePodSandBox",
            ),
            (
                Some(pod(&here, &json!({"phase": "Pending"}))),
                &[],
                None,
                Code::ProbeTimeout,
                "the node may be lost",
            ),
            (
                Some(pod(&here, &running)),
                &[],
                Some("no answer within 10 s"),
                Code::ProbeLost,
                "its log could not be read: no answer",
            ),
            (
                Some(pod(&here, &running)),
                &[],
                None,
                Code::ProbeTimeout,
                "--timeout",
            ),
        ] {
            let (found, message) = why(seen.as_ref(), events, log_error);
            assert_eq!(found, code, "{message}");
            assert!(message.contains(words), "{message}");
            let advised = message.contains("--timeout");
            assert_eq!(advised, words == "--timeout", "{message}");
        }
    }

    #[test]
    fn a_sidecar_that_stands_is_no_init_container_that_hangs() {
        let spec = json!({"initContainers": [{"name": "istio-proxy", "restartPolicy": "Always"}]});
        let status = json!({"phase": "Running",
            "initContainerStatuses": [{"name": "istio-proxy", "started": true, "state": {"running": {}}}],
            "containerStatuses": [{"name": "t1", "state": {"running": {}}}]});
        let (code, message) = why(Some(&pod(&spec, &status)), &[], None);
        assert_eq!(code, Code::ProbeTimeout);
        assert!(message.contains("still at work"), "{message}");
    }
}
