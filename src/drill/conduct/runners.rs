//! The runners' Jobs: created, and given their orders by an annotation of their Pods. IO.

use http::Method;
use serde_json::{Value, json};

use super::books::CALL;
use crate::drill::orders::{ANNOTATION, Orders};
use crate::drill::plan::runners::Runner;
use crate::jobs::{JobName, create_job, create_pod};
use crate::observe::resources::PODS;
use crate::observe::{Api, CallError, retrying};

/// Makes a runner: its Job, or where a `PodDisruptionBudget` would count the Job's Pod, a Job that makes none and a Pod that goes with it.
pub(super) async fn start(api: &Api, namespace: &str, runner: &Runner) -> Result<(), CallError> {
    let name = JobName::new(namespace, &runner.job);
    let made = create_job(api, &name, &runner.manifest, runner.bare).await?;
    if runner.bare {
        create_pod(api, &name, &runner.manifest, made).await?;
    }
    Ok(())
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
