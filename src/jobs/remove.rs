//! Deletes probe Jobs and sees their Pods gone. IO.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::observe::kinds::{Metadata, Pod};
use crate::observe::resources::{JOBS, PODS, labelled};
use crate::observe::{
    Api, CallError, Change, MANAGED_BY, MANAGED_BY_LABEL, OWN_PREFIX, RUN_LABEL, follow,
};
use crate::shell::Command;

/// Time for one delete.
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);
/// Waits between tries of one delete: an API server that restarts is back by then.
const BACKOFF_MS: [u64; 6] = [100, 300, 700, 1500, 3000, 5000];
/// Time for the Pods to go on their own.
const GOING: Duration = Duration::from_secs(5);
/// The grace of a Pod that has said all or must end now, in seconds: the agent ends at once when it is asked to. Without any the Pod would be
/// gone from the API before its node has ended it, and kubelets have crashed on that.
const SOON: u8 = 1;
/// Time for Pods that were deleted without grace.
const FORCED: Duration = Duration::from_secs(2);
/// A watch of going Pods that says nothing for this long is begun again from a list: a proxy may hold it back.
const QUIET: Duration = Duration::from_millis(500);
/// A Job this long past its deadline belongs to no run that still lives.
const SWEEP_SECONDS: i64 = 60;

/// A Job's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobName {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl JobName {
    /// The Job of that name.
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// The Jobs of a run, each with whether its deletion was answered well.
pub(super) type Made = BTreeMap<JobName, bool>;

/// What to say of a Job when the API server does not answer its deletion.
pub(super) fn unanswered(job: &JobName, limit: Duration) -> String {
    let JobName { namespace, name } = job;
    format!(
        "job/{name} may still be there: the API server did not answer its deletion within {} s; it ends by its deadline and goes after its time to live, or: {}",
        limit.as_secs(),
        Command::kubectl(namespace, &["delete", "job", name])
    )
}

/// Deletes one Job with its Pods; one that is not there is deleted.
///
/// # Errors
/// The last try's error.
pub(crate) async fn delete_job(api: &Api, job: &JobName) -> Result<(), CallError> {
    // The API's default for Jobs orphans their Pods.
    let options = json!({"propagationPolicy": "Background"});
    let path = JOBS.object(&job.namespace, &job.name);
    delete(api, &path, &options).await
}

/// Deletes the Pod of a deleted Job, which is much sooner than the garbage collector would; `false` if that is not allowed. Only for
/// probes that have said all, or must end now.
pub(super) async fn delete_pod(api: &Api, namespace: &str, pod: &str) -> bool {
    delete_within(api, namespace, pod, SOON).await
}

async fn delete_within(api: &Api, namespace: &str, pod: &str, seconds: u8) -> bool {
    let path = PODS.object(namespace, pod);
    let options = json!({"gracePeriodSeconds": seconds, "propagationPolicy": "Background"});
    let result = api
        .call::<Value>(Method::DELETE, &path, Some(&options), DELETE_TIMEOUT)
        .await;
    match result {
        Err(error) if error.is_forbidden() => false,
        Err(error) => {
            tracing::debug!("failed to delete pod/{pod}: {error}");
            true
        }
        Ok(_) => true,
    }
}

async fn delete(api: &Api, path: &str, options: &Value) -> Result<(), CallError> {
    let mut waits = BACKOFF_MS.into_iter();
    let mut was_hung = false;
    loop {
        let result = api
            .call::<Value>(Method::DELETE, path, Some(options), DELETE_TIMEOUT)
            .await;
        let hung = matches!(result, Err(CallError::Timeout(_)));
        match result {
            Ok(_) => return Ok(()),
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) if !error.is_transient() => return Err(error),
            // A server that hangs is not asked seven times over: the Job ends by its deadline, and goes after its time to live.
            Err(error) if hung && was_hung => return Err(error),
            Err(error) => match waits.next() {
                Some(wait) => tokio::time::sleep(Duration::from_millis(wait)).await,
                None => return Err(error),
            },
        }
        was_hung = hung;
    }
}

/// Deletes the Jobs that are not deleted yet in parallel, waits until the Pods of all are gone, and forces those that stay.
pub(super) async fn remove_all(api: &Api, made: &Made) -> Vec<String> {
    let jobs: BTreeSet<JobName> = made.keys().cloned().collect();
    let open = || made.iter().filter(|(_, deleted)| !**deleted);
    let results = join_all(open().map(|(job, _)| delete_job(api, job))).await;
    let mut left: Vec<String> = open()
        .map(|(job, _)| job)
        .zip(results)
        .filter_map(|(job, result)| {
            let JobName { namespace, name } = job;
            let error = result.err()?;
            Some(format!(
                "failed to delete job/{name}: {error}; delete it with: {}",
                Command::kubectl(namespace, &["delete", "job", name])
            ))
        })
        .collect();
    let namespaces: BTreeSet<&str> = jobs.iter().map(|job| job.namespace.as_str()).collect();
    let pods = join_all(
        namespaces
            .into_iter()
            .map(|namespace| see_gone(api, namespace, &jobs)),
    )
    .await;
    left.extend(pods.into_iter().flatten());
    left
}

async fn see_gone(api: &Api, namespace: &str, jobs: &BTreeSet<JobName>) -> Vec<String> {
    let mut pods = wait_gone(api, namespace, jobs, GOING).await;
    if pods.is_empty() {
        return Vec::new();
    }
    // Deleting Pods is no permission that the tool asks for: where it is missing, the garbage collector goes on alone.
    // What is still there does not end by being asked.
    let forced = pods.iter().map(|pod| delete_within(api, namespace, pod, 0));
    join_all(forced).await;
    pods = wait_gone(api, namespace, jobs, FORCED).await;
    pods.into_iter()
        .map(|pod| {
            format!(
                "pod/{pod} of a deleted probe Job is still there; the cluster's garbage collector removes it, or: {}",
                Command::kubectl(namespace, &["delete", "pod", &pod])
            )
        })
        .collect()
}

/// The Pods that are still there after `limit`; none where they cannot be seen.
async fn wait_gone(
    api: &Api,
    namespace: &str,
    jobs: &BTreeSet<JobName>,
    limit: Duration,
) -> BTreeSet<String> {
    let path = PODS.path(Some(namespace));
    let (sender, mut left) = watch::channel(None::<BTreeSet<String>>);
    let ours = |pod: &Pod| is_of(&pod.metadata, namespace, jobs);
    let mut on = |change: Change<Pod>| {
        sender.send_modify(|left| match change {
            Change::All(pods) => {
                let ours = pods.into_iter().filter(ours);
                *left = Some(ours.map(|pod| pod.metadata.name).collect());
            }
            Change::Set(pod) if ours(&pod) => {
                left.get_or_insert_default().insert(pod.metadata.name);
            }
            Change::Set(_) => {}
            Change::Gone(pod) => {
                left.get_or_insert_default().remove(&pod.metadata.name);
            }
        });
    };
    tokio::select! {
        error = follow(api, &path, "labelSelector=job-name", QUIET, &mut on) => {
            tracing::debug!("failed to see whether the Pods are gone: {error}");
        }
        _ = left.wait_for(|left| left.as_ref().is_some_and(BTreeSet::is_empty)) => {}
        () = sleep(limit) => {}
    }
    left.borrow().clone().unwrap_or_default()
}

fn is_of(metadata: &Metadata, namespace: &str, jobs: &BTreeSet<JobName>) -> bool {
    metadata
        .labels
        .get("job-name")
        .is_some_and(|name| jobs.contains(&JobName::new(namespace, name)))
}

/// Deletes Jobs that a run which was killed left behind: those well past their own deadline. Returns their names; what may not
/// be read or deleted is left to its time to live.
pub async fn sweep(api: &Api, namespace: &str) {
    let query = labelled(&format!("{MANAGED_BY_LABEL}={MANAGED_BY},{RUN_LABEL}"));
    let path = JOBS.path(Some(namespace));
    let listed = match api.list::<Value>(&path, &query).await {
        Ok(listed) => listed.items,
        Err(error) => {
            tracing::debug!("failed to look for left-over probe Jobs: {error}");
            return;
        }
    };
    let now = api.now();
    let old: Vec<JobName> = listed
        .iter()
        .filter(|job| is_left_over(job, now))
        .filter_map(|job| job.pointer("/metadata/name")?.as_str())
        .map(|name| JobName::new(namespace, name))
        .collect();
    let results = join_all(old.iter().map(|job| delete_job(api, job))).await;
    for (job, result) in old.iter().zip(results) {
        if let Err(error) = result {
            tracing::debug!("failed to delete the left-over job/{}: {error}", job.name);
        }
    }
}

/// Whether one of our Jobs outlived its deadline; a Job without one is not ours.
fn is_left_over(job: &Value, now: jiff::Timestamp) -> bool {
    let text = |pointer: &str| job.pointer(pointer).and_then(Value::as_str);
    let ours = text("/metadata/name").is_some_and(|name| name.starts_with(OWN_PREFIX));
    let made =
        text("/metadata/creationTimestamp").and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let deadline = job
        .pointer("/spec/activeDeadlineSeconds")
        .and_then(Value::as_i64);
    match (ours, made, deadline) {
        (true, Some(made), Some(deadline)) => {
            now.duration_since(made).as_secs() > deadline.saturating_add(SWEEP_SECONDS)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_jobs_past_their_deadline_are_swept() {
        let now = "2026-11-25T10:10:00Z".parse().unwrap();
        let job = |name: &str, made: &str, deadline: Value| json!({"metadata": {"name": name, "creationTimestamp": made}, "spec": {"activeDeadlineSeconds": deadline}});
        let swept = |job: Value| is_left_over(&job, now);
        assert!(swept(job(
            "k8sverify-r-v1",
            "2026-11-25T10:00:00Z",
            json!(90)
        )));
        assert!(!swept(job(
            "k8sverify-r-v1",
            "2026-11-25T10:09:00Z",
            json!(90)
        )));
        assert!(!swept(job(
            "k8sverify-r-v1",
            "2026-11-25T10:00:00Z",
            Value::Null
        )));
        assert!(!swept(job("backup", "2026-11-25T10:00:00Z", json!(90))));
        assert!(!swept(json!({})));
    }

    #[test]
    fn pods_are_known_by_their_jobs_name() {
        let jobs = BTreeSet::from([JobName::new("a", "k8sverify-r-v1")]);
        let pod = |name: &str| Metadata {
            labels: [("job-name".to_owned(), name.to_owned())].into(),
            ..Metadata::default()
        };
        assert!(is_of(&pod("k8sverify-r-v1"), "a", &jobs));
        assert!(!is_of(&pod("k8sverify-r-v1"), "b", &jobs));
        assert!(!is_of(&Metadata::default(), "a", &jobs));
    }
}
