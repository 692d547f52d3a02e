//! Waits until the rollouts of the workloads that matter have ended, well or for good. [`judge`] is pure; [`settle`] is IO: it watches Pods and looks anew when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};

use super::kinds::{ContainerStatus, Pod, Workload};
use super::resources::collection;
use super::{
    Api, ObserveError, ObserveOptions, Settle, Snapshot, WorkloadKey, encode, follow, is_ready,
    observe,
};

/// A missing ConfigMap, Secret or key, or a Pod that finds no node, counts as certain when it has stood for so long.
const STANDING_SECONDS: i64 = 10;
/// An answer below 500 to a readiness probe for so long is the server's final word.
const WRONG_ANSWER_SECONDS: i64 = 25;
/// Restarts after which a container crashes for good.
const CRASHES: i32 = 2;
/// Between two looks, at least: changes come in swarms.
const CALM: Duration = Duration::from_millis(700);
/// A look without a change, for what only time makes certain.
const TICK: Duration = Duration::from_secs(4);

/// What one workload is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// As wanted, or nothing to wait for.
    Settled,
    /// Still under way, in words.
    Moving(String),
    /// It crashes: whether for good depends on whether those it needs are there.
    Crashing(String),
    /// It will not come up.
    Failed(String),
}

/// Where every rollout stands. A workload that crashes has failed once nothing else is under way, and it crashed since then (`crashes`: restarts when that was first so).
#[must_use]
pub fn judge(
    snapshot: &Snapshot,
    matter: Option<&BTreeSet<WorkloadKey>>,
    patience: Duration,
    now: Timestamp,
) -> Settle {
    let mut settle = Settle::default();
    let mut crashing = BTreeMap::new();
    for key in keys(snapshot, matter) {
        match state(snapshot, &key, patience, now) {
            State::Settled => {}
            State::Moving(why) => {
                settle.unsettled.insert(key, why);
            }
            State::Crashing(why) => {
                crashing.insert(key, why);
            }
            State::Failed(why) => {
                settle.failed.insert(key, why);
            }
        }
    }
    if settle.unsettled.is_empty() {
        settle.failed.extend(crashing);
    } else {
        settle.unsettled.extend(crashing);
    }
    settle
}

fn keys(snapshot: &Snapshot, matter: Option<&BTreeSet<WorkloadKey>>) -> Vec<WorkloadKey> {
    match matter {
        Some(keys) => keys.iter().cloned().collect(),
        None => snapshot.workloads(&snapshot.namespace),
    }
}

fn state(snapshot: &Snapshot, key: &WorkloadKey, patience: Duration, now: Timestamp) -> State {
    let progress = match (key.kind.as_str(), snapshot.workload(key)) {
        (_, Some(workload)) => rollout(&key.kind, workload),
        ("pod", None) => bare_pod(snapshot, key),
        // A kind that nobody taught us: its Pods tell.
        (_, None) => snapshot
            .pods_of(key)
            .iter()
            .all(|pod| is_ready(pod))
            .then_some(())
            .ok_or_else(|| "not all Pods are ready".to_owned()),
    };
    let Err(why) = progress else {
        return State::Settled;
    };
    if let Some(workload) = snapshot.workload(key)
        && workload
            .status
            .conditions
            .iter()
            .any(|condition| condition.reason == "ProgressDeadlineExceeded")
    {
        return State::Failed(format!("{why}; the progress deadline is exceeded"));
    }
    if let Some(message) = refused(snapshot, key) {
        return State::Failed(message);
    }
    let mut crash = None;
    for pod in snapshot.pods_of(key) {
        match pod_state(snapshot, pod, patience, now) {
            State::Failed(reason) => return State::Failed(reason),
            State::Crashing(reason) => crash = Some(reason),
            State::Settled | State::Moving(_) => {}
        }
    }
    crash.map_or(State::Moving(why), State::Crashing)
}

/// `Err`: what is missing, in words.
fn rollout(kind: &str, workload: &Workload) -> Result<(), String> {
    let (spec, status) = (&workload.spec, &workload.status);
    let wanted = spec.replicas.unwrap_or(1);
    let (wanted, updated, ready) = match kind {
        "daemonset" => (
            status.desired_number_scheduled,
            status.updated_number_scheduled,
            status.number_ready,
        ),
        "deployment" | "statefulset" => (wanted, status.updated_replicas, status.ready_replicas),
        "job" => {
            let ended = status.conditions.iter().any(|condition| {
                matches!(condition.kind.as_str(), "Complete" | "Failed" | "Suspended")
                    && condition.status == "True"
            });
            return if ended || spec.suspend {
                Ok(())
            } else {
                Err("the Job has not ended".to_owned())
            };
        }
        "replicaset" => (wanted, wanted, status.ready_replicas),
        _ => return Ok(()),
    };
    if spec.paused {
        return Ok(());
    }
    if kind != "replicaset" && status.observed_generation < workload.metadata.generation {
        return Err("the controller has not seen the newest revision".to_owned());
    }
    if updated < wanted {
        return Err(format!(
            "{updated} of {wanted} Pods are of the newest revision"
        ));
    }
    if ready < wanted {
        return Err(format!("{ready} of {wanted} Pods are ready"));
    }
    if kind == "deployment" && status.replicas > wanted {
        return Err(format!(
            "{} Pods of an old revision have not ended",
            status.replicas - wanted
        ));
    }
    Ok(())
}

fn bare_pod(snapshot: &Snapshot, key: &WorkloadKey) -> Result<(), String> {
    match snapshot.pod(&key.namespace, &key.name) {
        Some(pod)
            if matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") || is_ready(pod) =>
        {
            Ok(())
        }
        Some(pod) => Err(format!("the Pod is {}, not ready", pod.status.phase)),
        None => Ok(()),
    }
}

/// The controller may not make Pods, and has none of the newest revision.
fn refused(snapshot: &Snapshot, key: &WorkloadKey) -> Option<String> {
    let state = snapshot.namespaces.get(&key.namespace)?;
    let owns = |name: &str| {
        name == key.name
            || name
                .strip_prefix(key.name.as_str())
                .is_some_and(|rest| rest.starts_with('-') && !rest[1..].contains('-'))
    };
    let event = state
        .events
        .iter()
        .find(|event| event.reason == "FailedCreate" && owns(&event.involved_object.name))?;
    let missing = snapshot.pods_of(key).iter().all(|pod| is_ready(pod));
    missing.then(|| format!("its Pods may not be created: {}", event.message))
}

fn pod_state(snapshot: &Snapshot, pod: &Pod, patience: Duration, now: Timestamp) -> State {
    if is_ready(pod) {
        return State::Settled;
    }
    let age =
        |since: Option<Timestamp>| since.map_or(0, |since| now.as_second() - since.as_second());
    let started = age(pod.status.start_time.or(pod.metadata.creation_timestamp));
    for status in pod
        .status
        .init_container_statuses
        .iter()
        .chain(&pod.status.container_statuses)
    {
        let found = container_state(snapshot, pod, status, started);
        if !matches!(found, State::Settled) {
            return found;
        }
    }
    let events = snapshot.events_of("Pod", &pod.metadata.namespace, &pod.metadata.name);
    if let Some(condition) =
        pod.status.conditions.iter().find(|condition| {
            condition.kind == "PodScheduled" && condition.reason == "Unschedulable"
        })
    {
        let grows = events
            .iter()
            .any(|event| event.reason == "TriggeredScaleUp");
        let standing = age(condition.last_transition_time) >= STANDING_SECONDS;
        return if standing && !grows {
            State::Failed(format!("no node takes it: {}", condition.message))
        } else {
            State::Moving("waits for a node".to_owned())
        };
    }
    let mount = events
        .iter()
        .find(|event| event.reason == "FailedMount" && event.message.contains("not found"));
    if let Some(event) = mount.filter(|_| started >= STANDING_SECONDS) {
        return State::Failed(event.message.clone());
    }
    let running = pod
        .status
        .container_statuses
        .iter()
        .filter_map(|status| status.state.running.as_ref())
        .map(|running| age(running.started_at))
        .min();
    let Some(running) = running else {
        return State::Moving("starts".to_owned());
    };
    if i128::from(running) * 1000 >= i128::try_from(patience.as_millis()).unwrap_or(i128::MAX) {
        return State::Failed(
            "it has run for longer than the wait without getting ready".to_owned(),
        );
    }
    let answer = events.iter().find(|event| {
        event.reason == "Unhealthy"
            && event
                .message
                .contains("Readiness probe failed: HTTP probe failed with statuscode: 4")
    });
    match answer {
        Some(event) if running >= WRONG_ANSWER_SECONDS && event.count > 2 => {
            State::Failed(event.message.clone())
        }
        _ => State::Moving("not ready yet".to_owned()),
    }
}

fn container_state(
    snapshot: &Snapshot,
    pod: &Pod,
    status: &ContainerStatus,
    started: i64,
) -> State {
    let waiting = status.state.waiting.as_ref();
    let reason = waiting.map_or("", |waiting| waiting.reason.as_str());
    let message = || {
        waiting.map_or(String::new(), |waiting| {
            format!("{}: {}", waiting.reason, waiting.message)
        })
    };
    match reason {
        "InvalidImageName" | "ErrImageNeverPull" => State::Failed(message()),
        "ErrImagePull" | "ImagePullBackOff" => {
            let events = snapshot.events_of("Pod", &pod.metadata.namespace, &pod.metadata.name);
            let words: Vec<&str> = events
                .iter()
                .filter(|event| event.message.contains("pull"))
                .map(|event| event.message.as_str())
                .collect();
            let passing = |text: &str| {
                [
                    "429",
                    "toomanyrequests",
                    " 500 ",
                    " 502 ",
                    " 503 ",
                    " 504 ",
                    "timeout",
                    "deadline",
                ]
                .iter()
                .any(|word| text.to_lowercase().contains(word))
            };
            let transient = passing(&message()) || words.iter().any(|text| passing(text));
            // The back-off says that it was tried and failed; a second look makes it two.
            if reason == "ImagePullBackOff" && !transient {
                State::Failed(message())
            } else {
                State::Moving(message())
            }
        }
        "CreateContainerConfigError" | "CreateContainerError" if started >= STANDING_SECONDS => {
            State::Failed(message())
        }
        "RunContainerError" | "CrashLoopBackOff" if status.restart_count >= CRASHES => {
            State::Crashing(message())
        }
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "CrashLoopBackOff" => State::Moving(message()),
        _ if status.restart_count > CRASHES && status.state.terminated.is_some() => {
            State::Crashing("it ends again and again".to_owned())
        }
        _ => State::Settled,
    }
}

/// Waits, at most `wait`, until what matters has settled or failed for good. Returns the last look, with how the wait ended in [`Snapshot::settle`].
///
/// # Errors
/// As [`observe`]; a look that fails while waiting is made again.
pub async fn settle(
    api: &Api,
    options: &ObserveOptions,
    snapshot: Snapshot,
    wait: Duration,
    matter: Option<&BTreeSet<WorkloadKey>>,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Snapshot, ObserveError> {
    let begun = Instant::now();
    let deadline = begun + wait;
    let changed = tokio::sync::Notify::new();
    let pods = collection("", "v1", "pods", Some(&encode(&options.namespace)));
    let mut on_change = |_: super::Change<Pod>| changed.notify_one();
    let watch = follow::<Pod>(api, &pods, "", &mut on_change);
    let look = async {
        let mut snapshot = snapshot;
        let mut others_ready: Option<BTreeMap<WorkloadKey, i32>> = None;
        let mut first = true;
        loop {
            let now = snapshot.taken_at.unwrap_or_else(|| api.now());
            let mut state = judge(&snapshot, matter, wait, now);
            // What others lacked when this crashed may be there now: then it gets one more start.
            if state.unsettled.is_empty() {
                let before = others_ready.get_or_insert_with(|| {
                    if first {
                        BTreeMap::new()
                    } else {
                        restarts(&snapshot, state.failed.keys())
                    }
                });
                let waiting: Vec<WorkloadKey> = state
                    .failed
                    .keys()
                    .filter(|key| {
                        before.get(*key).is_some_and(|count| {
                            *count >= restarts_of(&snapshot, key) && is_crash(&snapshot, key)
                        })
                    })
                    .cloned()
                    .collect();
                for key in waiting {
                    if let Some(why) = state.failed.remove(&key) {
                        state.unsettled.insert(key, why);
                    }
                }
            } else {
                others_ready = None;
            }
            first = false;
            state.waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            state.timed_out = !state.unsettled.is_empty() && Instant::now() >= deadline;
            let done = state.unsettled.is_empty() || state.timed_out;
            tell(&format!(
                "waiting for rollouts: {} under way",
                state.unsettled.len()
            ));
            snapshot.settle = state;
            if done {
                return Ok(snapshot);
            }
            sleep(CALM).await;
            // Either a change or the tick; both lead to another look.
            let _ = timeout_at((Instant::now() + TICK).min(deadline), changed.notified()).await;
            match Box::pin(observe(api, options)).await {
                Ok(next) => snapshot = next,
                Err(error)
                    if error.code() == Some(crate::finding::Code::ApiUnreachable)
                        && Instant::now() < deadline =>
                {
                    sleep(TICK).await;
                }
                Err(error) => return Err(error),
            }
        }
    };
    tokio::select! {
        snapshot = look => snapshot,
        // Without the watch the tick goes on alone.
        never = async { watch.await; std::future::pending().await } => never,
    }
}

fn restarts<'k>(
    snapshot: &Snapshot,
    keys: impl Iterator<Item = &'k WorkloadKey>,
) -> BTreeMap<WorkloadKey, i32> {
    keys.map(|key| (key.clone(), restarts_of(snapshot, key)))
        .collect()
}

fn restarts_of(snapshot: &Snapshot, key: &WorkloadKey) -> i32 {
    snapshot
        .pods_of(key)
        .iter()
        .flat_map(|pod| {
            pod.status
                .container_statuses
                .iter()
                .chain(&pod.status.init_container_statuses)
        })
        .map(|status| status.restart_count)
        .sum()
}

fn is_crash(snapshot: &Snapshot, key: &WorkloadKey) -> bool {
    snapshot
        .pods_of(key)
        .iter()
        .flat_map(|pod| {
            pod.status
                .container_statuses
                .iter()
                .chain(&pod.status.init_container_statuses)
        })
        .any(|status| {
            status.state.waiting.as_ref().is_some_and(|waiting| {
                matches!(
                    waiting.reason.as_str(),
                    "CrashLoopBackOff" | "RunContainerError"
                )
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::NamespaceState;

    fn snapshot(deployment: &str, pods: &str, events: &str) -> Snapshot {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let state: NamespaceState = serde_json::from_value(serde_json::json!({"workloads": [read(deployment)], "pods": read(pods), "events": read(events)})).unwrap();
        Snapshot {
            namespace: "default".to_owned(),
            namespaces: [("default".to_owned(), state)].into(),
            ..Snapshot::default()
        }
    }

    fn deployment(ready: i32) -> String {
        format!(
            r#"{{"kind":"Deployment","metadata":{{"name":"ap","namespace":"default","generation":1}},"spec":{{"replicas":1,"selector":{{"matchLabels":{{"app":"ap"}}}}}},"status":{{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"readyReplicas":{ready}}}}}"#
        )
    }

    fn pod(status: &str) -> String {
        format!(
            r#"[{{"metadata":{{"name":"ap-1","namespace":"default","labels":{{"app":"ap"}},"ownerReferences":[{{"kind":"Deployment","name":"ap","controller":true}}]}},"status":{status}}}]"#
        )
    }

    fn judged(ready: i32, status: &str, events: &str) -> (usize, usize) {
        let settle = judge(
            &snapshot(&deployment(ready), &pod(status), events),
            None,
            Duration::from_mins(2),
            "2026-11-25T10:02:00Z".parse().unwrap(),
        );
        (settle.unsettled.len(), settle.failed.len())
    }

    #[test]
    fn a_ready_rollout_is_settled_and_a_starting_one_is_not() {
        let ready = r#"{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}"#;
        assert_eq!(judged(1, ready, "[]"), (0, 0));
        let starting = r#"{"phase":"Running","containerStatuses":[{"name":"ap","state":{"running":{"startedAt":"2026-11-25T10:01:30Z"}}}]}"#;
        assert_eq!(judged(0, starting, "[]"), (1, 0));
        let for_ever = r#"{"phase":"Running","containerStatuses":[{"name":"ap","state":{"running":{"startedAt":"2026-11-25T09:00:00Z"}}}]}"#;
        assert_eq!(judged(0, for_ever, "[]"), (0, 1));
    }

    #[test]
    fn certain_failures_end_the_wait_and_passing_ones_do_not() {
        let waiting = |reason: &str, message: &str, restarts: i32| {
            format!(
                r#"{{"phase":"Pending","startTime":"2026-11-25T10:01:00Z","containerStatuses":[{{"name":"ap","restartCount":{restarts},"state":{{"waiting":{{"reason":"{reason}","message":"{message}"}}}}}}]}}"#
            )
        };
        assert_eq!(
            judged(0, &waiting("ImagePullBackOff", "not found", 0), "[]"),
            (0, 1)
        );
        assert_eq!(
            judged(
                0,
                &waiting("ImagePullBackOff", "429 toomanyrequests", 0),
                "[]"
            ),
            (1, 0)
        );
        assert_eq!(
            judged(
                0,
                &waiting("CreateContainerConfigError", "secret not found", 0),
                "[]"
            ),
            (0, 1)
        );
        assert_eq!(
            judged(0, &waiting("CrashLoopBackOff", "back-off", 1), "[]"),
            (1, 0)
        );
        assert_eq!(
            judged(0, &waiting("CrashLoopBackOff", "back-off", 2), "[]"),
            (0, 1)
        );
    }

    #[test]
    fn a_refused_creation_is_only_an_event() {
        let events = r#"[{"involvedObject":{"kind":"ReplicaSet","name":"ap-5d8f"},"reason":"FailedCreate","message":"exceeded quota"}]"#;
        let settle = judge(
            &snapshot(&deployment(0), "[]", events),
            None,
            Duration::from_mins(2),
            Timestamp::UNIX_EPOCH,
        );
        assert!(
            settle
                .failed
                .values()
                .next()
                .unwrap()
                .contains("exceeded quota")
        );
    }
}
