//! Creates what one vantage needs: its Job, or a Job that makes no Pod and a Pod that goes with it. IO.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::observe::resources::{JOBS, PODS};
use crate::observe::{Api, CallError, encode, retrying};
use crate::plan::{Vantage, job};

use super::Session;
use super::remove::{JobName, delete_job};

/// Time for one creation.
const CREATE_TIMEOUT: Duration = Duration::from_secs(10);

/// Creates it; what was made of it is deleted where the rest is refused.
pub(super) async fn create(
    session: &Session<'_>,
    name: &JobName,
    vantage: &Vantage,
) -> Result<(), CallError> {
    let Session { api, options, .. } = *session;
    let manifest = job::manifest(vantage, options);
    let jobs = JOBS.path(Some(&encode(&name.namespace)));
    if !vantage.bare || !session.may_create_pods(&name.namespace).await {
        return post(api, &jobs, &manifest).await.map(|_| ());
    }
    let holder = post(api, &jobs, &job::holder(&manifest)).await?;
    let made = match uid(api, name, holder).await {
        Ok(uid) => {
            let path = PODS.path(Some(&encode(&name.namespace)));
            post(api, &path, &job::pod(&manifest, &uid)).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = made {
        // What fails here is tried again when the session finishes.
        if let Err(error) = delete_job(api, name).await {
            session.register(name.clone());
            tracing::debug!("failed to delete job/{}: {error}", name.name);
        }
        return Err(error);
    }
    Ok(())
}

/// The created object; nothing where an earlier try had come through after all: names are unique to the run.
async fn post(api: &Api, path: &str, manifest: &Value) -> Result<Option<Value>, CallError> {
    let mut tries = 0;
    let result = retrying(|| {
        tries += 1;
        api.call::<Value>(Method::POST, path, Some(manifest), CREATE_TIMEOUT)
    })
    .await;
    match result {
        Err(error) if error.status() == Some(409) && tries > 1 => Ok(None),
        result => result.map(Some),
    }
}

/// The identity of the Job that was created.
async fn uid(api: &Api, name: &JobName, made: Option<Value>) -> Result<String, CallError> {
    let uid = |job: &Value| {
        let uid = job.pointer("/metadata/uid")?.as_str()?;
        Some(uid.to_owned())
    };
    let job = if made.is_some() {
        made
    } else {
        let path = JOBS.path(Some(&encode(&name.namespace)));
        let selector = encode(&format!("metadata.name={}", name.name));
        let listed = api
            .list::<Value>(&path, &format!("fieldSelector={selector}"))
            .await?;
        listed.items.into_iter().next()
    };
    job.as_ref()
        .and_then(uid)
        .ok_or_else(|| CallError::Malformed(format!("job/{} has no uid", name.name)))
}

/// Whether this user may create Pods; where the API does not say, it may not.
pub(super) async fn may_create_pods(api: &Api, namespace: &str) -> bool {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": namespace, "verb": "create", "resource": "pods"}},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = api
        .call::<Value>(Method::POST, path, Some(&review), CREATE_TIMEOUT)
        .await;
    match answer {
        Ok(answer) => answer.pointer("/status/allowed") == Some(&Value::Bool(true)),
        Err(error) => {
            tracing::debug!("failed to ask whether Pods may be created: {error}");
            false
        }
    }
}
