//! What keeps a probe from running, from the API's answers, Pod status and events. Pure.

use crate::finding::{Code, ObjectRef};
use crate::observe::kinds::{Condition, ContainerStatus, Pod, StateWaiting};
use crate::observe::{Denied, WaitReason, grant, held};
use crate::plan::ProbeFailure;
use crate::redact::Redactor;

use super::records::Log;
use super::remove::JobName;
use super::room;

/// How many edges that were open at the probe's end are named.
const OPEN_SHOWN: usize = 8;

/// What a Pod's status says of the Pod as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PodSays {
    /// Not bound to a node yet.
    Unbound,
    /// No node takes it, in the scheduler's (or the kubelet's) words.
    Unschedulable(String),
    /// Bound; its containers show the rest.
    Bound,
    /// It will never run, or runs no more.
    Failed(ProbeFailure),
}

/// What a container's status says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ContainerSays {
    /// It may still start, with what it waits for.
    Waiting,
    /// An image pull that may succeed when tried again.
    PullTrouble(ProbeFailure),
    /// It runs.
    Running,
    /// It has ended; its log is all there is.
    Ended,
    /// It will never run.
    Failed(ProbeFailure),
}

/// A failure of this Job.
pub(super) fn failure(
    job: &JobName,
    code: Code,
    message: impl Into<String>,
    evidence: Vec<String>,
) -> ProbeFailure {
    let redactor = Redactor::with_names([job.name.clone(), job.namespace.clone()]);
    ProbeFailure {
        code,
        // The Job is gone when this is read, and its name is another in every run: findings and test cases keep their names.
        object: ObjectRef::new("job", "k8sverify", job.namespace.clone()),
        message: message.into(),
        evidence: evidence
            .into_iter()
            .map(|line| redactor.text(&line))
            .collect(),
        passing: false,
    }
}

/// A failure that the same probe may not meet again.
fn passing(failure: ProbeFailure) -> ProbeFailure {
    ProbeFailure {
        passing: true,
        ..failure
    }
}

/// No node takes the Pod, in the scheduler's or the kubelet's words.
pub(super) fn unschedulable(job: &JobName, words: String) -> ProbeFailure {
    ProbeFailure {
        passing: room::nodes_may_pass(&words),
        ..failure(
            job,
            Code::ProbeUnschedulable,
            "no node takes the probe's Pod; make room, or allow others with --probe-toleration or --probe-node-selector",
            vec![words],
        )
    }
}

/// How an error about what was denied ends.
pub(super) fn granting(denied: &Denied) -> String {
    grant(std::slice::from_ref(denied)).map_or_else(String::new, |how| format!("; grant it: {how}"))
}

/// An init container that an admission webhook put into the probe's Pod ended badly: nothing after it will run.
fn injected(job: &JobName, pod: &Pod) -> Option<ProbeFailure> {
    pod.status.init_container_statuses.iter().find_map(|status| {
        let ended = status.state.terminated.as_ref()?;
        (ended.exit_code != 0 && pod.status.phase == "Failed").then(|| {
            failure(
                job,
                Code::ProbeForbidden,
                format!(
                    "the init container {}, which the cluster put into the probe's Pod, failed with exit code {}; fix it, or exempt the probe's Pod from it with --probe-label or --probe-annotation",
                    status.name, ended.exit_code
                ),
                ended_words(Some(status)),
            )
        })
    })
}

/// What a Pod's status says as a whole.
pub(super) fn pod(job: &JobName, pod: &Pod) -> PodSays {
    let status = &pod.status;
    let words = |fallback: &str| {
        let text = [status.reason.as_str(), status.message.as_str()]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
        if text.is_empty() {
            fallback.to_owned()
        } else {
            text
        }
    };
    if let Some(failure) = injected(job, pod) {
        return PodSays::Failed(failure);
    }
    if status.phase == "Failed" && status.container_statuses.is_empty() {
        // The kubelet turned it away (OutOfcpu, NodeAffinity, …), or it was evicted before it began.
        return match status.reason.as_str() {
            "DeadlineExceeded" => PodSays::Failed(failure(
                job,
                Code::ProbeTimeout,
                "the Job's deadline ended the probe's Pod before any of its containers had started",
                vec![words("DeadlineExceeded")],
            )),
            "Evicted" | "Preempting" | "NodeShutdown" | "Terminated" | "Shutdown" => {
                PodSays::Failed(passing(failure(
                    job,
                    Code::ProbeLost,
                    "the probe's Pod was evicted from its node before it said anything",
                    vec![words("Evicted")],
                )))
            }
            _ => PodSays::Unschedulable(words("the kubelet turned the Pod away")),
        };
    }
    if !pod.spec.node_name.is_empty() {
        return PodSays::Bound;
    }
    Condition::with(&status.conditions, "PodScheduled", "False")
        .filter(|condition| condition.reason == "Unschedulable")
        .map_or(PodSays::Unbound, |condition| {
            PodSays::Unschedulable(condition.message.clone())
        })
}

/// The image that a container runs.
fn image_of<'a>(pod: &'a Pod, name: &str) -> &'a str {
    let container = pod.spec.container(name);
    container.map_or("", |container| container.image.as_str())
}

/// What one container's status says.
pub(super) fn container(job: &JobName, pod: &Pod, name: &str) -> ContainerSays {
    let Some(status) = pod.status.container(name) else {
        return ContainerSays::Waiting;
    };
    let image = image_of(pod, name);
    if let Some(waiting) = &status.state.waiting {
        return self::waiting(job, image, waiting);
    }
    if let Some(ended) = &status.state.terminated {
        let words = format!("{}: {}", ended.reason, ended.message);
        return match ended.reason.as_str() {
            "StartError" | "ContainerCannotRun" => ContainerSays::Failed(failure(
                job,
                Code::ProbeImageFailed,
                start_error(image, &words),
                vec![words],
            )),
            _ => ContainerSays::Ended,
        };
    }
    if status.state.running.is_some() {
        ContainerSays::Running
    } else {
        ContainerSays::Waiting
    }
}

fn waiting(job: &JobName, image: &str, waiting: &StateWaiting) -> ContainerSays {
    let StateWaiting { reason, message } = waiting;
    let evidence = vec![if message.is_empty() {
        reason.clone()
    } else {
        format!("{reason}: {message}")
    }];
    let image_failed =
        |message: String| failure(job, Code::ProbeImageFailed, message, evidence.clone());
    match held(waiting) {
        Some(WaitReason::ImageAbsent) => ContainerSays::Failed(image_failed(format!(
            "the probe image {image} is not on the node and may not be pulled (imagePullPolicy Never): load it, or change --image-pull-policy"
        ))),
        Some(WaitReason::ImageName) => ContainerSays::Failed(image_failed(format!(
            "the probe image's name {image} is not valid; correct --image"
        ))),
        Some(WaitReason::ImagePull) => {
            let failed = image_failed(format!(
                "the probe image {image} cannot be pulled: push it to a registry that the nodes reach, or name another with --image (and --image-pull-secret)"
            ));
            if may_pass(message) {
                ContainerSays::PullTrouble(failed)
            } else {
                ContainerSays::Failed(failed)
            }
        }
        Some(WaitReason::AsRoot) => ContainerSays::Failed(image_failed(format!(
            "the probe image {image} would run as root, which Pod Security forbids: use the published image"
        ))),
        Some(WaitReason::Config) => ContainerSays::Failed(failure(
            job,
            Code::ProbeForbidden,
            "the kubelet cannot build the probe's environment; its message is in the evidence",
            evidence,
        )),
        Some(WaitReason::NoCommand | WaitReason::Create | WaitReason::Start) => {
            ContainerSays::Failed(image_failed(start_error(image, message)))
        }
        Some(WaitReason::CrashLoop) | None => ContainerSays::Waiting,
    }
}

/// Whether the registry may answer otherwise a moment later.
fn may_pass(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    // A name that the node cannot resolve will not be there a moment later.
    if message.contains("dial tcp: lookup") {
        return false;
    }
    [
        "429",
        "toomanyrequests",
        "too many requests",
        "rate limit",
        " 500 ",
        " 502 ",
        " 503 ",
        " 504 ",
        "500 internal",
        "502 bad",
        "503 service",
        "504 gateway",
        "i/o timeout",
        "tls handshake timeout",
        "deadline exceeded",
        "connection reset",
        "unexpected eof",
        "qps exceeded",
    ]
    .iter()
    .any(|words| message.contains(words))
        // Older kubelets say only this; the reason stood in the status before.
        || message.starts_with("back-off pulling image") && !message.contains(": err")
}

fn start_error(image: &str, words: &str) -> String {
    if words.contains("exec format error") {
        format!(
            "the probe image {image} is of another architecture than the node; use an image that has the node's"
        )
    } else {
        format!(
            "the probe image {image} cannot be started; it must be a k8sverify image, whose entrypoint is the tool"
        )
    }
}

/// What was seen of a container that ended: its own end, its Pod's, and the lines that are no records.
fn seen(pod: Option<&Pod>, status: Option<&ContainerStatus>, log: &Log) -> Vec<String> {
    let mut evidence = ended_words(status);
    if let Some(pod) = pod.filter(|pod| !pod.status.reason.is_empty()) {
        evidence.push(format!("{}: {}", pod.status.reason, pod.status.message));
    }
    for line in &log.other {
        if !evidence.iter().any(|seen| seen.contains(line.as_str())) {
            evidence.push(line.clone());
        }
    }
    evidence
}

/// A container has ended (or its Pod is gone) and its log has no end record.
pub(super) fn cut_off(job: &JobName, pod: Option<&Pod>, name: &str, log: &Log) -> ProbeFailure {
    let status = pod.and_then(|pod| pod.status.container(name));
    let image = pod.map_or("", |pod| image_of(pod, name));
    let evidence = seen(pod, status, log);
    if log
        .other
        .iter()
        .any(|line| line.contains("exec format error"))
    {
        return failure(
            job,
            Code::ProbeImageFailed,
            start_error(image, "exec format error"),
            evidence,
        );
    }
    if pod.is_some_and(|pod| pod.status.reason == "DeadlineExceeded") {
        return failure(
            job,
            Code::ProbeTimeout,
            "the probe was still at work when the Job's deadline came; give it more with --timeout",
            evidence,
        );
    }
    let exited = status.and_then(|status| status.state.terminated.as_ref());
    if exited.is_some_and(|ended| ended.reason == "OOMKilled") {
        return failure(
            job,
            Code::ProbeLost,
            format!("the probe was killed for want of memory{}", while_open(log)),
            evidence,
        );
    }
    if let Some(ended) = exited.filter(|ended| log.greeted && is_crash(ended.exit_code)) {
        return failure(
            job,
            Code::ProbeLost,
            format!(
                "the probe crashed with exit code {}{}",
                ended.exit_code,
                while_open(log)
            ),
            evidence,
        );
    }
    // What says something else than records from its first line on is not the agent.
    // One that was killed had no time to.
    if !log.greeted && exited.is_some_and(|ended| !matches!(ended.exit_code, 0 | 137 | 143)) {
        return failure(
            job,
            Code::ProbeImageFailed,
            format!(
                "{} is no k8sverify image, or of another version: it ended without a word of the probe's format",
                if image.is_empty() {
                    "the probe image"
                } else {
                    image
                }
            ),
            evidence,
        );
    }
    passing(failure(
        job,
        Code::ProbeLost,
        "the probe's log broke off before its end: its Pod was deleted or evicted, or its node was lost",
        evidence,
    ))
}

/// Whether a process that ends so ended against its will: a panic, or a signal for a fault of its own. 137 and 143 are others' signals.
const fn is_crash(code: i32) -> bool {
    matches!(code, 101 | 132 | 134 | 135 | 136 | 139)
}

/// What the probe was about when it ended, and what is worth doing about it.
fn while_open(log: &Log) -> String {
    let open = log.open();
    if open.is_empty() {
        return " before its end; report it as a bug of k8sverify".to_owned();
    }
    let more = match open.len().saturating_sub(OPEN_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        " while it walked {}{more}: see what listens there, since something that it sends is the most likely cause; edges that were finished before keep their results",
        open.iter()
            .take(OPEN_SHOWN)
            .copied()
            .collect::<Vec<_>>()
            .join(", ")
    )
}

/// How the container ended; the runtime's message may be the end of the log, whose records say nothing to a person.
fn ended_words(status: Option<&ContainerStatus>) -> Vec<String> {
    let Some(ended) = status.and_then(|status| status.state.terminated.as_ref()) else {
        return Vec::new();
    };
    let reason = if ended.reason.is_empty() {
        "ended"
    } else {
        &ended.reason
    };
    let mut words = vec![format!("{reason} with exit code {}", ended.exit_code)];
    words.extend(
        ended
            .message
            .lines()
            .filter(|line| !line.contains("\"record\":") && !line.trim().is_empty())
            .map(str::to_owned),
    );
    words
}

#[cfg(test)]
mod tests;
