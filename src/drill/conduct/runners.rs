//! The runners' Jobs: made, given their orders by an annotation of their Pods, their logs followed to the end. IO.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::stage::Stage;
use crate::drill::model::Record;
use crate::drill::orders::{ANNOTATION, Orders};
use crate::drill::plan::runners::Runner;
use crate::observe::resources::{JOBS, PODS};
use crate::observe::{Api, CallError, encode, retrying};
use crate::plan::job;

/// Time for one call.
const CALL: Duration = Duration::from_secs(10);
/// The pause between tries of a log.
const PAUSE: Duration = Duration::from_millis(200);

/// Makes a runner: its Job, or where a `PodDisruptionBudget` would count the Job's Pod, a Job that makes none and a Pod that goes with it.
pub(super) async fn start(api: &Api, namespace: &str, runner: &Runner) -> Result<(), CallError> {
    if !runner.bare {
        return create(api, namespace, &runner.manifest).await;
    }
    create(api, namespace, &job::holder(&runner.manifest)).await?;
    let path = format!(
        "{}/{}",
        JOBS.path(Some(&encode(namespace))),
        encode(&runner.job)
    );
    let holder: Value = api.get(&path).await?;
    let uid = holder.pointer("/metadata/uid").and_then(Value::as_str);
    let pod = job::pod(&runner.manifest, uid.unwrap_or_default());
    post(api, &PODS.path(Some(&encode(namespace))), &pod).await
}

/// Makes a Job.
pub(super) async fn create(api: &Api, namespace: &str, manifest: &Value) -> Result<(), CallError> {
    post(api, &JOBS.path(Some(&encode(namespace))), manifest).await
}

async fn post(api: &Api, path: &str, manifest: &Value) -> Result<(), CallError> {
    let mut tries = 0;
    let made = retrying(|| {
        tries += 1;
        api.call::<Value>(Method::POST, path, Some(manifest), CALL)
    })
    .await;
    match made {
        // An earlier try had come through after all: names are unique to the run.
        Err(error) if error.status() == Some(409) && tries > 1 => Ok(()),
        made => made.map(|_| ()),
    }
}

/// Deletes a Job with its Pods; one that is not there is deleted.
pub(super) async fn delete(api: &Api, namespace: &str, job: &str) -> Result<(), CallError> {
    let path = format!("{}/{}", JOBS.path(Some(&encode(namespace))), encode(job));
    let body = json!({"propagationPolicy": "Background"});
    let gone = retrying(|| api.call::<Value>(Method::DELETE, &path, Some(&body), CALL)).await;
    match gone {
        Err(error) if error.is_not_found() => Ok(()),
        gone => gone.map(|_| ()),
    }
}

/// Tells a runner its orders.
pub(super) async fn tell(
    api: &Api,
    namespace: &str,
    pod: &str,
    orders: &Orders,
) -> Result<(), CallError> {
    let path = format!("{}/{}", PODS.path(Some(&encode(namespace))), encode(pod));
    let body = json!({"metadata": {"annotations": {ANNOTATION: orders.text()}}});
    retrying(|| api.call::<Value>(Method::PATCH, &path, Some(&body), CALL))
        .await
        .map(|_| ())
}

/// Follows the log of a runner to its end record; what breaks off is read again from the beginning, and numbers tell what is new.
pub(super) async fn listen(stage: &Stage<'_>, runner: &Runner) {
    loop {
        let Some(pod) = stage.runner_pod(&runner.name) else {
            sleep(PAUSE).await;
            continue;
        };
        let path = format!(
            "{}/{}/log?follow=true",
            PODS.path(Some(&encode(&stage.namespace))),
            encode(&pod.name)
        );
        match stage.api.stream(&path, CALL).await {
            Ok(mut lines) => {
                while let Ok(Some(line)) = lines.next().await {
                    let now = Instant::now();
                    if let Ok(record) = serde_json::from_str::<Record>(line.trim()) {
                        stage.record(&runner.name, record, now);
                    }
                }
            }
            Err(error) => tracing::debug!("failed to read the log of {}: {error}", runner.job),
        }
        if stage.has_ended(&runner.name) {
            return;
        }
        if let Some(why) = pod.over {
            stage.lost(&runner.name, why);
            return;
        }
        sleep(PAUSE).await;
    }
}
