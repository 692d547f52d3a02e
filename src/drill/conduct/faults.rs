//! The faults: each on the Pod that the plan names, by its unique id, and nothing that is not in the journal. IO.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::books::{CALL, Entry};
use crate::drill::model::{Fault, PodIdentity};
use crate::observe::resources::PODS;
use crate::observe::{Api, CallError, retrying};

/// Takes a Pod away. A refusal is the API's answer; where none came, the Pod may be gone.
pub(super) async fn take(
    api: &Api,
    namespace: &str,
    pod: &PodIdentity,
    fault: Fault,
) -> Result<(), CallError> {
    let path = PODS.object(namespace, &pod.name);
    let only = json!({"uid": pod.uid});
    let (method, path, body) = match fault {
        Fault::Evict => (
            Method::POST,
            format!("{path}/eviction"),
            json!({
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": pod.name, "namespace": namespace},
                "deleteOptions": {"preconditions": only},
            }),
        ),
        Fault::DeleteHard => (
            Method::DELETE,
            path,
            json!({"gracePeriodSeconds": 1, "preconditions": only}),
        ),
        _ => (Method::DELETE, path, json!({"preconditions": only})),
    };
    // Once, not again: a second try could meet what the first has done.
    api.call::<Value>(method, &path, Some(&body), CALL)
        .await
        .map(|_| ())
}

/// Sets a scale; only of the very object that the plan names.
pub(super) async fn scale(
    api: &Api,
    namespace: &str,
    entry: &Entry,
    replicas: i32,
) -> Result<(), CallError> {
    let body = json!({"metadata": {"uid": entry.uid}, "spec": {"replicas": replicas}});
    let path = entry.path(namespace);
    retrying(|| api.call::<Value>(Method::PATCH, &path, Some(&body), CALL))
        .await
        .map(|_| ())
}

/// Runs `COMMAND begin|end NAME` in a shell of the person's folder.
pub(super) async fn hook(
    command: &str,
    word: &str,
    candidate: &str,
    folder: &Path,
    limit: Duration,
) -> Result<(), String> {
    let shown = format!("{command} {word} {candidate}");
    let child = tokio::process::Command::new("sh")
        .args(["-c", &format!("{command} \"$@\""), "hook", word, candidate])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(limit, child).await {
        Err(_) => Err(format!(
            "the hook `{shown}` did not end within {} s",
            limit.as_secs()
        )),
        Ok(Err(error)) => Err(format!("the hook `{shown}` could not be run: {error}")),
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last: String = said
                .lines()
                .last()
                .unwrap_or_default()
                .chars()
                .take(200)
                .collect();
            Err(format!(
                "the hook `{shown}` failed: {}: {last}",
                output.status
            ))
        }
    }
}
