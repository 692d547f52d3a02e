//! Is a Pod up, on its way, or never to come up? Pure functions over Pod status and events.

use jiff::Timestamp;

use super::kinds::{Condition, Container, ContainerStatus, Event, Pod, Probe, StateWaiting};
use super::{Snapshot, WaitReason, WorkloadKey, held, is_ready, volumes};

/// A ConfigMap, Secret or key may still be applied within this time.
const MISSING_SECONDS: i64 = 10;
/// No node takes it for this long, and no autoscaler is at work: none will.
const UNSCHEDULABLE_SECONDS: i64 = 30;
/// An HTTP server that answers 4xx for this long answers from its routes, not from its start.
const WRONG_ANSWER_SECONDS: i64 = 10;
/// A server may take this long to come up, whatever its probes say.
const LEAST_BUDGET_SECONDS: i64 = 60;
/// The controller of a readiness gate (a balancer's, that checks the Pod's health first) or of a scheduling gate may take this long.
const GATE_SECONDS: i64 = 60;
/// A server that is not ready after this time may lack something; before, it just starts.
const STARTING_SECONDS: i64 = 15;
/// A node that has been away this long does not just restart its kubelet.
const NODE_AWAY_SECONDS: i64 = 30;
/// A restart within this time belongs to a crash loop.
const RECENT_SECONDS: i64 = 360;
/// Restarts after which a crash is a loop.
const LOOP: i32 = 2;
/// A pull that failed for this long has been tried more than once.
const PULLED_TWICE_SECONDS: i64 = 25;

/// How one workload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// As wanted.
    Settled,
    /// Under way, with the reason in words.
    Underway(String),
    /// Not up for a reason that may lie in what it needs (it crashes, or is not ready).
    Suffers(String),
    /// It will not come up, with the reason.
    Failed(String),
}

impl State {
    /// That it will never come up where that is certain, else that it is on its way.
    fn failed_if(certain: bool, words: String) -> Self {
        if certain {
            Self::Failed(words)
        } else {
            Self::Underway(words)
        }
    }
}

/// Seconds since; 0 where it is not known or lies ahead.
pub(super) fn age(now: Timestamp, since: Option<Timestamp>) -> i64 {
    since.map_or(0, |since| now.duration_since(since).as_secs().max(0))
}

/// How a live Pod stands.
pub(super) fn pod_state(
    snapshot: &Snapshot,
    pod: &Pod,
    now: Timestamp,
    patience_seconds: i64,
) -> State {
    let name = &pod.metadata.name;
    if is_ready(pod) {
        return State::Settled;
    }
    if pod.spec.node_name.is_empty() {
        return unscheduled(snapshot, pod, now);
    }
    if let Some(reason) = node_is_away(snapshot, pod, now) {
        return State::Failed(format!("pod/{name}: {reason}"));
    }
    if age(now, pod.status.start_time) >= MISSING_SECONDS
        && let Some(reason) = volumes::mount_fails(pod, &events_of(snapshot, pod))
    {
        return State::Failed(format!("pod/{name}: {reason}"));
    }
    if let Some(state) = gate_state(pod, now) {
        return state;
    }
    let mut worst = State::Underway(format!("pod/{name} starts"));
    for status in pod.status.every().filter(|status| !status.ready) {
        let mut state = container_state(snapshot, pod, status, now);
        let runs = status.state.running.as_ref();
        if let Some(State::Suffers(reason)) = &state
            && runs.is_some_and(|running| {
                let limit = match patience_seconds {
                    i64::MAX => i64::MAX,
                    patience => patience.min(budget_seconds(pod, &status.name)),
                };
                age(now, running.started_at) >= limit
            })
        {
            state = Some(State::Failed(reason.clone()));
        }
        match state {
            Some(State::Failed(reason)) => {
                return State::Failed(format!("pod/{name}: {reason}"));
            }
            Some(State::Suffers(reason)) => {
                worst = State::Suffers(format!("pod/{name}: {reason}"));
            }
            Some(State::Underway(reason)) if !matches!(worst, State::Suffers(_)) => {
                worst = State::Underway(format!("pod/{name}: {reason}"));
            }
            _ => {}
        }
    }
    worst
}

/// A Pod whose containers are all ready, and that waits for a readiness gate: its controller has a while to set it.
fn gate_state(pod: &Pod, now: Timestamp) -> Option<State> {
    let condition = |kind: &str| Condition::with(&pod.status.conditions, kind, "True");
    let ready = condition("ContainersReady")?;
    let gate = pod
        .spec
        .readiness_gates
        .iter()
        .find(|gate| condition(&gate.condition_type).is_none())?;
    let words = format!(
        "pod/{}: readiness gate {} is not met",
        pod.metadata.name, gate.condition_type
    );
    let for_long = age(now, ready.last_transition_time) >= GATE_SECONDS;
    Some(State::failed_if(for_long, words))
}

/// How long a container may take until it is ready, by its own probes: its author also says with a liveness probe when it is to serve at
/// the latest.
fn budget_seconds(pod: &Pod, name: &str) -> i64 {
    let of = |probe: &Option<Probe>| {
        let or = |value: i32, usual: i64| if value == 0 { usual } else { i64::from(value) };
        probe.as_ref().map_or(0, |probe| {
            i64::from(probe.initial_delay_seconds)
                + or(probe.failure_threshold, 3) * or(probe.period_seconds, 10)
        })
    };
    let own = pod.spec.container(name).map_or(0, |container| {
        let serves = of(&container.readiness_probe).max(of(&container.liveness_probe));
        of(&container.startup_probe) + serves
    });
    own.max(LEAST_BUDGET_SECONDS)
}

/// Whether its node has not been ready for so long that nothing on it comes up now.
fn node_is_away(snapshot: &Snapshot, pod: &Pod, now: Timestamp) -> Option<String> {
    let unready = snapshot.unready_node(&pod.spec.node_name)?;
    // An age that is not known is none.
    let away = age(now, unready.last_transition_time) >= NODE_AWAY_SECONDS;
    away.then(|| {
        format!(
            "its node {} is not ready: {}",
            pod.spec.node_name, unready.message
        )
    })
}

fn unscheduled(snapshot: &Snapshot, pod: &Pod, now: Timestamp) -> State {
    let name = &pod.metadata.name;
    if let Some(gated) = Condition::of(&pod.status.conditions, "PodScheduled")
        .filter(|condition| condition.reason == "SchedulingGated")
    {
        let since = gated
            .last_transition_time
            .or(pod.metadata.creation_timestamp);
        let words = format!("pod/{name}: {}", gated.message);
        return State::failed_if(age(now, since) >= GATE_SECONDS, words);
    }
    let Some(condition) =
        pod.status.conditions.iter().find(|condition| {
            condition.kind == "PodScheduled" && condition.reason == "Unschedulable"
        })
    else {
        return State::Underway(format!("pod/{name} waits for a node"));
    };
    let events = events_of(snapshot, pod);
    let said = |reasons: &[&str]| {
        events
            .iter()
            .any(|event| reasons.contains(&event.reason.as_str()))
    };
    // Pods that leave make room.
    let leaving = snapshot.namespaces.values().any(|state| {
        state
            .pods
            .iter()
            .any(|pod| pod.metadata.deletion_timestamp.is_some())
    });
    let words = format!("pod/{name}: {}", condition.message);
    if said(&["TriggeredScaleUp", "Nominated"]) || leaving {
        return State::Underway(words);
    }
    let patience = if said(&["NotTriggerScaleUp"]) {
        MISSING_SECONDS
    } else {
        UNSCHEDULABLE_SECONDS
    };
    State::failed_if(age(now, condition.last_transition_time) >= patience, words)
}

fn container_state(
    snapshot: &Snapshot,
    pod: &Pod,
    status: &ContainerStatus,
    now: Timestamp,
) -> Option<State> {
    let last = status
        .state
        .terminated
        .as_ref()
        .or(status.last_state.terminated.as_ref());
    if let Some(waiting) = &status.state.waiting
        && let Some(state) = waiting_state(snapshot, pod, status, waiting, now)
    {
        return Some(state);
    }
    if let Some(ended) = last
        && status.restart_count >= LOOP
        && age(now, ended.finished_at) <= RECENT_SECONDS
    {
        let words = format!(
            "container {} ended {} times, last with exit code {} ({})",
            status.name, status.restart_count, ended.exit_code, ended.reason
        );
        // No target in the world gives it more memory.
        let waits =
            ended.reason != "OOMKilled" && has_targets_to_wait_for(snapshot, pod, ended.started_at);
        return Some(if waits {
            State::Suffers(words)
        } else {
            State::Failed(words)
        });
    }
    if let Some(running) = &status.state.running {
        return Some(not_ready(
            snapshot,
            pod,
            status,
            age(now, running.started_at),
        ));
    }
    None
}

/// A crash counts once everything else was up when that run began: until then another workload may be what it wants.
fn has_targets_to_wait_for(snapshot: &Snapshot, pod: &Pod, run: Option<Timestamp>) -> bool {
    let Some(run) = run else {
        return true;
    };
    let own = snapshot.workload_of(pod);
    let Some(state) = snapshot.namespaces.get(&pod.metadata.namespace) else {
        return false;
    };
    state
        .pods
        .iter()
        .filter(|other| super::is_live(other) && snapshot.workload_of(other) != own)
        .any(|other| {
            let ready = Condition::with(&other.status.conditions, "Ready", "True");
            ready.is_none_or(|condition| {
                condition
                    .last_transition_time
                    .is_some_and(|since| since > run)
            })
        })
}

fn waiting_state(
    snapshot: &Snapshot,
    pod: &Pod,
    status: &ContainerStatus,
    waiting: &StateWaiting,
    now: Timestamp,
) -> Option<State> {
    let StateWaiting { reason, message } = waiting;
    let words = format!("container {}: {reason}: {message}", status.name);
    let for_long = age(now, pod.status.start_time) >= MISSING_SECONDS;
    let certain = match held(waiting)? {
        WaitReason::ImageName
        | WaitReason::ImageAbsent
        | WaitReason::AsRoot
        | WaitReason::NoCommand => true,
        WaitReason::ImagePull => pull_fails(snapshot, pod, message, now),
        WaitReason::Config | WaitReason::Create | WaitReason::Start => for_long,
        // Judged by how the container ended.
        WaitReason::CrashLoop => return None,
    };
    Some(State::failed_if(certain, words))
}

/// Not found or denied, seen twice. A registry that is busy or out of reach may come back.
fn pull_fails(snapshot: &Snapshot, pod: &Pod, message: &str, now: Timestamp) -> bool {
    let events = events_of(snapshot, pod);
    let failed: Vec<&&Event> = events
        .iter()
        .filter(|event| event.reason == "Failed" && event.message.contains("pull"))
        .collect();
    let tries: i32 = failed
        .iter()
        .filter(|event| event.message.starts_with("Failed to pull"))
        .map(|event| event.count.max(1))
        .sum();
    let words = failed
        .iter()
        .map(|event| event.message.as_str())
        .chain([message])
        .collect::<Vec<_>>()
        .join("\n")
        .to_ascii_lowercase();
    let says = |list: &[&str]| list.iter().any(|word| words.contains(word));
    if says(&[
        "429",
        "toomanyrequests",
        "rate limit",
        "500 internal",
        "502 bad",
        "503 service",
        "504 gateway",
    ]) {
        return false;
    }
    let definite = says(&[
        "not found",
        "manifest unknown",
        "does not exist",
        "denied",
        "unauthorized",
        "authentication required",
        "forbidden",
        "no such host",
        "dial tcp: lookup",
        "no match for platform",
        "server gave http response to https client",
    ]);
    definite && (tries >= 2 || age(now, pod.status.start_time) >= PULLED_TWICE_SECONDS)
}

/// It runs, and its readiness or startup probe does not pass.
fn not_ready(snapshot: &Snapshot, pod: &Pod, status: &ContainerStatus, runs: i64) -> State {
    let container = pod.spec.container(&status.name);
    let events = events_of(snapshot, pod);
    let last = events
        .iter()
        .rfind(|event| event.reason == "Unhealthy" && !event.message.starts_with("Liveness"));
    let words = last.map_or_else(
        || format!("container {} is not ready", status.name),
        |event| event.message.clone(),
    );
    let seen = last.filter(|event| event.count.max(1) >= 2);
    let says = |texts: &[&str]| {
        seen.is_some_and(|event| texts.iter().any(|text| event.message.contains(text)))
    };
    let answers_wrong = runs >= WRONG_ANSWER_SECONDS
        && says(&[
            "statuscode: 404",
            "statuscode: 401",
            "statuscode: 403",
            "statuscode: 405",
        ]);
    let cannot_run = says(&[
        "no such file or directory",
        "executable file not found",
        "permission denied",
    ]);
    // The server speaks, in another way than the probe does.
    let wrong_scheme = says(&[
        "gave HTTP response to HTTPS client",
        "does not look like a TLS handshake",
        "malformed HTTP response",
    ]);
    let asks_elsewhere = says(&["connection refused"]) && container.is_some_and(asks_the_node);
    if answers_wrong
        || cannot_run
        || wrong_scheme
        || asks_elsewhere
        || container.is_some_and(asks_unknown_port)
    {
        return State::Failed(words);
    }
    if runs < STARTING_SECONDS {
        return State::Underway(words);
    }
    State::Suffers(words)
}

/// A probe that says `host: 127.0.0.1` asks the node, since it is the kubelet that dials.
fn asks_the_node(container: &Container) -> bool {
    [&container.readiness_probe, &container.startup_probe]
        .into_iter()
        .flatten()
        .filter_map(|probe| {
            let http = probe.http_get.as_ref().map(|http| &http.host);
            http.or(probe.tcp_socket.as_ref().map(|tcp| &tcp.host))
        })
        .any(|host| crate::address::is_local(host))
}

/// A probe that names a port which the container does not declare never passes.
fn asks_unknown_port(container: &Container) -> bool {
    [&container.readiness_probe, &container.startup_probe]
        .into_iter()
        .flatten()
        .filter_map(|probe| {
            let http = probe.http_get.as_ref().map(|http| &http.port);
            http.or(probe.tcp_socket.as_ref().map(|tcp| &tcp.port))
        })
        .filter_map(serde_json::Value::as_str)
        .filter(|port| port.parse::<u16>().is_err())
        .any(|port| container.ports.iter().all(|declared| declared.name != port))
}

fn events_of<'a>(snapshot: &'a Snapshot, pod: &Pod) -> Vec<&'a Event> {
    snapshot.events_of("Pod", &pod.metadata.namespace, &pod.metadata.name)
}

/// Whether a controller's message says that admission refused its Pods, and would again.
pub(super) fn is_refusal(message: &str) -> bool {
    [
        "exceeded quota",
        "violates PodSecurity",
        "denied the request",
        "usage per Container",
        "usage per Pod",
        "must specify",
        "no PriorityClass",
        "unable to validate against any security context constraint",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// The last event by which a controller says that it may not create Pods, if none could be created since.
pub(super) fn create_refused(
    snapshot: &Snapshot,
    key: &WorkloadKey,
    now: Timestamp,
) -> Option<String> {
    if !snapshot.pods_of(key).is_empty() {
        return None;
    }
    let mut events: Vec<&Event> = snapshot
        .made_by(key)
        .into_iter()
        .flat_map(|maker| snapshot.events_of(&maker.kind, &key.namespace, &maker.metadata.name))
        .chain(snapshot.events_of(&key.kind, &key.namespace, &key.name))
        .filter(|event| matches!(event.reason.as_str(), "FailedCreate" | "SuccessfulCreate"))
        .collect();
    events.sort_by_key(|event| event.seen_at());
    let last = events.last()?;
    // What the Pod names is not there: its account, its RuntimeClass. A webhook's own Service may take longer to come up.
    let absent = last.message.contains("not found") && !last.message.contains("webhook");
    let first = events
        .iter()
        .find(|event| event.reason == "FailedCreate")
        .and_then(|event| event.first_timestamp.or(event.seen_at()));
    let certain = is_refusal(&last.message)
        // It may be applied a moment later.
        || absent && age(now, first) >= MISSING_SECONDS;
    (last.reason == "FailedCreate" && certain).then(|| last.message.clone())
}
