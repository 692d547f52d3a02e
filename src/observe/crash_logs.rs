//! The last words of containers that crashed. IO.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::Snapshot;
use super::client::Api;
use super::kinds::{ContainerStatus, Pod};
use super::resources::{PODS, encode};

/// Lines of a log that are asked for.
const LINES: usize = 20;
/// Containers whose log is fetched, at most, in all namespaces.
const MAX_LOGS: usize = 16;

/// Fetches the logs of crashed containers, by namespace, keyed `POD/CONTAINER`. Where logs may not be read there are none.
pub(super) async fn crash_logs(
    api: &Api,
    snapshot: &Snapshot,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let crashed: Vec<(&str, &Pod, &ContainerStatus)> = snapshot
        .namespaces
        .iter()
        .flat_map(|(namespace, state)| {
            state.pods.iter().flat_map(move |pod| {
                pod.status
                    .every()
                    .filter(|status| has_crashed(status))
                    .map(move |status| (namespace.as_str(), pod, status))
            })
        })
        .take(MAX_LOGS)
        .collect();
    let texts = join_all(
        crashed
            .iter()
            .map(|(namespace, pod, status)| last_words(api, namespace, pod, status)),
    )
    .await;
    let mut logs: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for ((namespace, pod, status), text) in crashed.into_iter().zip(texts) {
        if let Some(text) = text {
            logs.entry(namespace.to_owned())
                .or_default()
                .insert(format!("{}/{}", pod.metadata.name, status.name), text);
        }
    }
    logs
}

/// Whether a container's last end was a failure.
fn has_crashed(status: &ContainerStatus) -> bool {
    let failed = |ended: &super::kinds::StateTerminated| ended.exit_code != 0;
    status.state.terminated.as_ref().is_some_and(failed)
        || (status.restart_count > 0 && status.last_state.terminated.as_ref().is_some_and(failed))
}

async fn last_words(
    api: &Api,
    namespace: &str,
    pod: &Pod,
    status: &ContainerStatus,
) -> Option<String> {
    // A container that runs again has its last words in the log before.
    let previous = status.state.terminated.is_none();
    let path = format!(
        "{}/log?container={}&tailLines={LINES}&previous={previous}",
        PODS.object(namespace, &pod.metadata.name),
        encode(&status.name)
    );
    match api.text(&path).await {
        Ok(text) => Some(text).filter(|text| !text.trim().is_empty()),
        Err(error) => {
            tracing::debug!("failed to read the log of {}: {error}", pod.metadata.name);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_that_ended_well_has_not_crashed() {
        let status = |value| serde_json::from_value::<ContainerStatus>(value).unwrap();
        assert!(has_crashed(&status(
            json!({"restartCount": 2, "lastState": {"terminated": {"exitCode": 1}}})
        )));
        assert!(has_crashed(&status(
            json!({"state": {"terminated": {"exitCode": 137}}})
        )));
        assert!(!has_crashed(&status(
            json!({"state": {"terminated": {"exitCode": 0}}})
        )));
        assert!(!has_crashed(&status(json!({"state": {"running": {}}}))));
    }
}
