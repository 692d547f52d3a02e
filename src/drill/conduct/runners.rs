//! The runners' Jobs: made, deleted, and given their orders by an annotation of their Pods. IO.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::drill::orders::{ANNOTATION, Orders};
use crate::drill::plan::runners::Runner;
use crate::observe::resources::{JOBS, PODS};
use crate::observe::{Api, CallError, retrying};
use crate::plan::job;

/// Time for one call.
pub(super) const CALL: Duration = Duration::from_secs(10);

/// Makes a runner: its Job, or where a `PodDisruptionBudget` would count the Job's Pod, a Job that makes none and a Pod that goes with it.
pub(super) async fn start(api: &Api, namespace: &str, runner: &Runner) -> Result<(), CallError> {
    if !runner.bare {
        return create(api, namespace, &runner.manifest).await;
    }
    create(api, namespace, &job::holder(&runner.manifest)).await?;
    let path = JOBS.object(namespace, &runner.job);
    let holder: Value = api.get(&path).await?;
    let uid = holder.pointer("/metadata/uid").and_then(Value::as_str);
    let pod = job::pod(&runner.manifest, uid.unwrap_or_default());
    let path = PODS.path(Some(namespace));
    api.create(&path, &pod).await.map(|_| ())
}

/// Makes a Job.
pub(super) async fn create(api: &Api, namespace: &str, manifest: &Value) -> Result<(), CallError> {
    let path = JOBS.path(Some(namespace));
    api.create(&path, manifest).await.map(|_| ())
}

/// Deletes a Job with its Pods; one that is not there is deleted.
pub(super) async fn delete(api: &Api, namespace: &str, job: &str) -> Result<(), CallError> {
    let path = JOBS.object(namespace, job);
    let body = json!({"propagationPolicy": "Background"});
    let gone = retrying(|| api.call::<Value>(Method::DELETE, &path, Some(&body), CALL)).await;
    match gone {
        Err(error) if error.is_not_found() => Ok(()),
        gone => gone.map(|_| ()),
    }
}

/// Sends a runner its orders.
pub(super) async fn send(
    api: &Api,
    namespace: &str,
    pod: &str,
    orders: &Orders,
) -> Result<(), CallError> {
    let path = PODS.object(namespace, pod);
    let body = json!({"metadata": {"annotations": {ANNOTATION: orders.text()}}});
    retrying(|| api.call::<Value>(Method::PATCH, &path, Some(&body), CALL))
        .await
        .map(|_| ())
}
