//! Has a rollout settled, will it for certain never, or is it still under way? Pure functions over a [`Snapshot`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::kinds::{Condition, Pod, Workload};
use super::pod_state::{self, State};
use super::{Settle, Snapshot, WorkloadKey, is_ready};

/// A container without a readiness probe counts as up after this time: until then no one has asked it anything.
const UNPROBED_SECONDS: i64 = 8;
/// A Pod of a Job that has run this long is a worker, not a step of the rollout.
const WORKER_SECONDS: i64 = 30;
/// All Pods of a StatefulSet ready for this long: it is not going to update more of them (a partition, `OnDelete`).
const STEADY_SECONDS: i64 = 30;
/// EndpointSlices follow their Pods within this time.
const ENDPOINTS_SECONDS: i64 = 10;

/// Which workloads hold the wait, and what is known of how they depend on each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Those that matter; `None`: all of the run's namespace.
    pub matter: Option<BTreeSet<WorkloadKey>>,
    /// Client → its targets; `None`: not known, so that any may need any.
    pub depends: Option<BTreeMap<WorkloadKey, BTreeSet<WorkloadKey>>>,
    /// Clients one of whose edges cannot work whatever the Pods do (no Service has the name): they are not waited for.
    pub broken: BTreeSet<WorkloadKey>,
    /// A container that has run this long and is not ready has had its wait before this run began; `None`: there is no such time.
    pub patience: Option<Duration>,
}

impl Scope {
    fn patience_seconds(&self) -> i64 {
        self.patience
            .and_then(|patience| i64::try_from(patience.as_secs()).ok())
            .unwrap_or(i64::MAX)
    }
}

/// What a judgement is made of.
#[derive(Clone, Copy)]
struct View<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
    patience_seconds: i64,
}

/// Judges every workload in scope. Nothing is unsettled: waiting is over.
pub fn judge(snapshot: &Snapshot, now: Timestamp, scope: &Scope) -> Settle {
    let keys: BTreeSet<WorkloadKey> = match &scope.matter {
        Some(matter) => matter.clone(),
        None => snapshot
            .workloads(&snapshot.namespace)
            .into_iter()
            .collect(),
    };
    let view = View {
        snapshot,
        now,
        patience_seconds: scope.patience_seconds(),
    };
    let states: BTreeMap<WorkloadKey, State> = keys
        .into_iter()
        .map(|key| {
            let state = workload_state(view, &key);
            (key, state)
        })
        .collect();
    let behind_a_failure = behind_a_failure(&states, scope);
    let mut settle = Settle::default();
    for (key, state) in states {
        match state {
            State::Settled => {}
            State::Failed(reason) => {
                settle.failed.insert(key, reason);
            }
            // What it needs never comes: it suffers for good.
            State::Suffers(_) if behind_a_failure.contains(&key) => {}
            State::Suffers(reason) | State::Underway(reason) => {
                settle.unsettled.insert(key, reason);
            }
        }
    }
    settle
}

/// The workloads that suffer and have, directly or through others that suffer, a target that failed, or a broken edge.
fn behind_a_failure(states: &BTreeMap<WorkloadKey, State>, scope: &Scope) -> BTreeSet<WorkloadKey> {
    let suffers = |key: &WorkloadKey| matches!(states.get(key), Some(State::Suffers(_)));
    let failed = |key: &WorkloadKey| matches!(states.get(key), Some(State::Failed(_)));
    let mut found: BTreeSet<WorkloadKey> = scope
        .broken
        .iter()
        .filter(|key| suffers(key))
        .cloned()
        .collect();
    let Some(depends) = &scope.depends else {
        // Any may need any: one that failed for certain may be what the others want.
        if states.keys().any(failed) {
            found.extend(states.keys().filter(|key| suffers(key)).cloned());
        }
        return found;
    };
    loop {
        let more: Vec<WorkloadKey> = depends
            .iter()
            .filter(|(client, targets)| {
                suffers(client)
                    && !found.contains(client)
                    && targets
                        .iter()
                        .any(|target| failed(target) || found.contains(target))
            })
            .map(|(client, _)| client.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// How one workload stands.
fn workload_state(view: View<'_>, key: &WorkloadKey) -> State {
    let Some(workload) = view.snapshot.workload(key) else {
        return pods_state(view, key, 1).unwrap_or(State::Settled);
    };
    match key.kind.as_str() {
        "cronjob" => State::Settled,
        "job" => job_state(view, key, workload),
        _ => controller_state(view, key, workload),
    }
}

fn controller_state(view: View<'_>, key: &WorkloadKey, workload: &Workload) -> State {
    let View { snapshot, now, .. } = view;
    let status = &workload.status;
    if status.observed_generation < workload.metadata.generation {
        return State::Underway("its controller has not seen the change yet".to_owned());
    }
    let wanted = wanted(key, Some(workload)).unwrap_or(1);
    if wanted == 0 || workload.spec.paused {
        return State::Settled;
    }
    if let Some(state) = controller_conditions(snapshot, key, &status.conditions) {
        return state;
    }
    if let Some(reason) = pod_state::create_refused(snapshot, key, now) {
        return State::Failed(reason);
    }
    if let Some(state) = pods_state(view, key, wanted) {
        return state;
    }
    match rollout_gap(view, key, workload, wanted) {
        Some(reason) => State::Underway(reason),
        None => State::Settled,
    }
}

/// What a Deployment's controller says for certain.
fn controller_conditions(
    snapshot: &Snapshot,
    key: &WorkloadKey,
    conditions: &[Condition],
) -> Option<State> {
    let of = |kind: &str, status: &str| Condition::with(conditions, kind, status);
    if let Some(condition) = of("Progressing", "False")
        && condition.reason == "ProgressDeadlineExceeded"
    {
        return Some(State::Failed(condition.message.clone()));
    }
    // While old Pods still leave, a quota may yet make room.
    let leaving = snapshot
        .all_pods_of(key)
        .iter()
        .any(|pod| pod.metadata.deletion_timestamp.is_some());
    of("ReplicaFailure", "True")
        .filter(|condition| !leaving && pod_state::is_refusal(&condition.message))
        .map(|condition| State::Failed(condition.message.clone()))
}

/// What is missing although no Pod says so.
fn rollout_gap(
    view: View<'_>,
    key: &WorkloadKey,
    workload: &Workload,
    wanted: i32,
) -> Option<String> {
    let status = &workload.status;
    match key.kind.as_str() {
        "deployment" if status.updated_replicas < wanted => {
            Some(format!("{} of {wanted} updated", status.updated_replicas))
        }
        "deployment" if status.replicas > status.updated_replicas => Some(format!(
            "{} old to go",
            status.replicas - status.updated_replicas
        )),
        // A ready Pod serves, however long it has to be ready before it counts as available.
        "deployment"
            if status.available_replicas < wanted
                && (workload.spec.min_ready_seconds == 0 || status.ready_replicas < wanted) =>
        {
            Some(format!(
                "{} of {wanted} available",
                status.available_replicas
            ))
        }
        "daemonset" if status.updated_number_scheduled < wanted => Some(format!(
            "{} of {wanted} updated",
            status.updated_number_scheduled
        )),
        "daemonset" if status.number_ready < wanted => {
            Some(format!("{} of {wanted} ready", status.number_ready))
        }
        "statefulset" | "replicaset" if status.ready_replicas < wanted => {
            Some(format!("{} of {wanted} ready", status.ready_replicas))
        }
        "statefulset"
            if status.update_revision != status.current_revision
                && status.updated_replicas < wanted
                && !is_steady(view.snapshot, view.now, key) =>
        {
            Some(format!("{} of {wanted} updated", status.updated_replicas))
        }
        _ => None,
    }
}

fn is_steady(snapshot: &Snapshot, now: Timestamp, key: &WorkloadKey) -> bool {
    snapshot.pods_of(key).iter().all(|pod| {
        pod.status.conditions.iter().any(|condition| {
            condition.kind == "Ready"
                && condition.status == "True"
                && pod_state::age(now, condition.last_transition_time) >= STEADY_SECONDS
        })
    })
}

fn job_state(view: View<'_>, key: &WorkloadKey, workload: &Workload) -> State {
    let View { snapshot, now, .. } = view;
    let ended = |kind: &str| Condition::with(&workload.status.conditions, kind, "True");
    if ended("Complete").is_some() || ended("SuccessCriteriaMet").is_some() || workload.spec.suspend
    {
        return State::Settled;
    }
    if let Some(failed) = ended("Failed").or_else(|| ended("FailureTarget")) {
        return State::Failed(format!("{}: {}", failed.reason, failed.message));
    }
    if let Some(reason) = pod_state::create_refused(snapshot, key, now) {
        return State::Failed(reason);
    }
    let pods = snapshot.pods_of(key);
    let works = |pod: &&Pod| {
        pod.status.phase == "Running"
            && pod_state::age(now, pod.status.start_time) >= WORKER_SECONDS
    };
    if !pods.is_empty() && pods.iter().all(works) {
        return State::Settled;
    }
    pods_state(view, key, 1).unwrap_or_else(|| State::Underway("the Job has not ended".to_owned()))
}

/// The worst that its Pods say; `None`: all that there are, are up and long enough.
fn pods_state(view: View<'_>, key: &WorkloadKey, wanted: i32) -> Option<State> {
    let View {
        snapshot,
        now,
        patience_seconds,
    } = view;
    let pods = newest_pods(snapshot, key);
    if pods.is_empty() {
        // A bare Pod that ended is as it should be; a controller makes its Pods in a moment.
        return (snapshot.workload(key).is_some() && wanted > 0)
            .then(|| State::Underway("it has no Pod yet".to_owned()));
    }
    let mut worst: Option<State> = None;
    for pod in pods {
        let state = match pod_state::pod_state(snapshot, pod, now, patience_seconds) {
            State::Settled if young(pod, now) => {
                State::Underway(format!("pod/{} has just started", pod.metadata.name))
            }
            State::Settled if lacks_endpoint(snapshot, pod, now) => State::Underway(format!(
                "pod/{} is ready, and the endpoints of its Service do not show it yet",
                pod.metadata.name
            )),
            State::Settled => continue,
            state => state,
        };
        if worst
            .as_ref()
            .is_none_or(|worst| weight(&state) > weight(worst))
        {
            worst = Some(state);
        }
    }
    worst
}

/// The Pods of the revision that is being rolled out: an old one may fail, that is why there is a new one.
fn newest_pods<'a>(snapshot: &'a Snapshot, key: &WorkloadKey) -> Vec<&'a Pod> {
    let of_newest = pods_of_newest(snapshot, key);
    // A StatefulSet goes no further while its old Pod is broken: then that one counts.
    if of_newest.is_empty() && key.kind == "statefulset" {
        snapshot.pods_of(key)
    } else {
        of_newest
    }
}

/// How many Pods a workload wants, where that can be determined.
pub fn wanted(key: &WorkloadKey, workload: Option<&Workload>) -> Option<i32> {
    if key.kind == "pod" {
        return Some(1);
    }
    let workload = workload?;
    match key.kind.as_str() {
        "daemonset" => Some(workload.status.desired_number_scheduled),
        "job" | "cronjob" => None,
        _ => Some(workload.spec.replicas.unwrap_or(1)),
    }
}

/// The Pods that are made from the template as it is now; all where nothing distinguishes them.
pub(crate) fn pods_of_newest<'a>(snapshot: &'a Snapshot, key: &WorkloadKey) -> Vec<&'a Pod> {
    let mut pods = snapshot.pods_of(key);
    match (key.kind.as_str(), snapshot.workload(key)) {
        ("deployment", Some(_)) => {
            if let Some(newest) = newest_replica_set(snapshot, key) {
                pods.retain(|pod| is_owned_by(pod, newest));
            }
        }
        ("statefulset", Some(workload)) if !workload.status.update_revision.is_empty() => {
            pods.retain(|pod| {
                pod.metadata.labels.get("controller-revision-hash")
                    == Some(&workload.status.update_revision)
            });
        }
        _ => {}
    }
    pods
}

fn is_owned_by(pod: &Pod, owner: &str) -> bool {
    pod.metadata
        .owner_references
        .iter()
        .any(|reference| reference.name == owner)
}

/// By the revision that the Deployment's controller counts; none where it is not written.
fn newest_replica_set<'a>(snapshot: &'a Snapshot, key: &WorkloadKey) -> Option<&'a str> {
    snapshot
        .made_by(key)
        .into_iter()
        .filter(|workload| workload.kind == "ReplicaSet")
        .filter_map(|workload| {
            let revision = workload
                .metadata
                .annotations
                .get("deployment.kubernetes.io/revision")?;
            Some((
                revision.parse::<u64>().ok()?,
                workload.metadata.name.as_str(),
            ))
        })
        .max()
        .map(|(_, name)| name)
}

fn weight(state: &State) -> u8 {
    match state {
        State::Settled => 0,
        State::Suffers(_) => 1,
        State::Underway(_) => 2,
        State::Failed(_) => 3,
    }
}

/// Whether a container that no one probes runs since a moment only.
fn young(pod: &Pod, now: Timestamp) -> bool {
    pod.unprobed_since()
        .any(|started| pod_state::age(now, Some(started)) < UNPROBED_SECONDS)
}

/// Whether a Pod that became ready a moment ago is missing from the slices of a Service that selects it.
fn lacks_endpoint(snapshot: &Snapshot, pod: &Pod, now: Timestamp) -> bool {
    let since = Condition::of(&pod.status.conditions, "Ready")
        .and_then(|condition| condition.last_transition_time);
    if !snapshot.knows("endpointslices")
        || !is_ready(pod)
        || pod.metadata.namespace != snapshot.namespace
        || pod_state::age(now, since) > ENDPOINTS_SECONDS
    {
        return false;
    }
    let namespace = &pod.metadata.namespace;
    snapshot
        .services_selecting(namespace, &pod.metadata.labels)
        .iter()
        .any(|service| {
            let key = super::ServiceKey::new(namespace.clone(), service.metadata.name.clone());
            !snapshot.slices_of(&key).iter().any(|slice| {
                slice.endpoints.iter().any(|endpoint| {
                    endpoint.conditions.ready.unwrap_or(true)
                        && endpoint
                            .target_ref
                            .as_ref()
                            .is_some_and(|target| target.name == pod.metadata.name)
                })
            })
        })
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
