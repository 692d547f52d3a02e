//! The Pods of the run's Jobs, kept up to date by one watch per namespace. IO.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;

use crate::observe::kinds::Pod;
use crate::observe::resources::PODS;
use crate::observe::{Api, Change};

/// A watch that says nothing for this long is begun again from a list: a proxy may hold it back.
const QUIET: Duration = Duration::from_secs(2);

/// A Pod as it was last seen.
#[derive(Debug, Clone)]
pub(super) struct ObservedPod {
    /// The Pod.
    pub(super) pod: Arc<Pod>,
    /// Whether it is no more.
    pub(super) gone: bool,
}

/// By job name.
pub(super) type Pods = BTreeMap<String, ObservedPod>;

/// The Pods of the run's Jobs by job name, kept up to date by one watch per namespace.
pub(super) struct Feeds(BTreeMap<String, watch::Sender<Pods>>);

impl Feeds {
    pub(super) fn new(namespaces: impl Iterator<Item = String>) -> Self {
        Self(
            namespaces
                .map(|namespace| (namespace, watch::channel(Pods::new()).0))
                .collect(),
        )
    }

    /// Those of a namespace.
    pub(super) fn of(&self, namespace: &str) -> Option<watch::Receiver<Pods>> {
        self.0.get(namespace).map(watch::Sender::subscribe)
    }

    /// Follows all of them; ends only where no namespace can be followed.
    pub(super) async fn follow(&self, api: &Api, job_prefix: &str) {
        join_all(self.0.iter().map(|(namespace, sender)| async move {
            let path = PODS.path(Some(namespace));
            let mut on = |change: Change<Pod>| apply(sender, job_prefix, change);
            let error =
                crate::observe::follow(api, &path, "labelSelector=job-name", QUIET, &mut on).await;
            tracing::warn!("failed to follow the probes' Pods in namespace {namespace}: {error}");
        }))
        .await;
    }
}

fn apply(sender: &watch::Sender<Pods>, job_prefix: &str, change: Change<Pod>) {
    let job_of = |pod: &Pod| {
        pod.metadata
            .labels
            .get("job-name")
            .filter(|name| name.starts_with(job_prefix))
            .cloned()
    };
    sender.send_if_modified(|pods| match change {
        Change::All(items) => {
            let mut changed = false;
            let mut there = BTreeSet::new();
            for pod in items {
                if let Some(job) = job_of(&pod) {
                    there.insert(job.clone());
                    let pod = Arc::new(pod);
                    pods.insert(job, ObservedPod { pod, gone: false });
                    changed = true;
                }
            }
            for (job, seen) in pods.iter_mut() {
                if !there.contains(job) && !seen.gone {
                    seen.gone = true;
                    changed = true;
                }
            }
            changed
        }
        Change::Set(pod) => job_of(&pod).is_some_and(|job| {
            let pod = Arc::new(pod);
            pods.insert(job, ObservedPod { pod, gone: false });
            true
        }),
        Change::Gone(pod) => job_of(&pod).is_some_and(|job| {
            let pod = Arc::new(pod);
            pods.insert(job, ObservedPod { pod, gone: true });
            true
        }),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(job: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": format!("{job}-x"), "labels": {"job-name": job}}, "status": {"phase": phase}})).unwrap()
    }

    #[test]
    fn a_feed_keeps_the_last_state_of_the_runs_own_pods() {
        let (sender, receiver) = watch::channel(Pods::new());
        let prefix = "k8sverify-r-";
        let state = || -> Vec<(String, String, bool)> {
            receiver
                .borrow()
                .iter()
                .map(|(job, seen)| (job.clone(), seen.pod.status.phase.clone(), seen.gone))
                .collect()
        };
        apply(
            &sender,
            prefix,
            Change::All(vec![
                pod("backup", "Running"),
                pod("k8sverify-r-v1", "Pending"),
            ]),
        );
        assert_eq!(
            state(),
            [("k8sverify-r-v1".into(), "Pending".into(), false)]
        );
        apply(
            &sender,
            prefix,
            Change::Set(pod("k8sverify-r-v1", "Running")),
        );
        apply(
            &sender,
            prefix,
            Change::Set(pod("k8sverify-other-v1", "Running")),
        );
        assert_eq!(
            state(),
            [("k8sverify-r-v1".into(), "Running".into(), false)]
        );
        apply(&sender, prefix, Change::All(vec![]));
        assert_eq!(state(), [("k8sverify-r-v1".into(), "Running".into(), true)]);
        apply(
            &sender,
            prefix,
            Change::Set(pod("k8sverify-r-v1", "Running")),
        );
        apply(
            &sender,
            prefix,
            Change::Gone(pod("k8sverify-r-v1", "Failed")),
        );
        assert_eq!(state(), [("k8sverify-r-v1".into(), "Failed".into(), true)]);
    }
}
