//! Creates what one vantage needs: its Job, or a Job that makes no Pod and a Pod that goes with it. IO.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::observe::resources::{JOBS, PODS, SECRETS, with_field};
use crate::observe::{Api, CallError};
use crate::plan::{Vantage, job};

use super::JobSession;
use super::remove::{JobName, delete_job};

/// Time for one creation.
const CREATE_TIMEOUT: Duration = Duration::from_secs(10);

/// Creates it; what was made of it is deleted where the rest is refused.
pub(super) async fn create(
    session: &JobSession<'_>,
    name: &JobName,
    vantage: &Vantage,
) -> Result<(), CallError> {
    let JobSession { api, options, .. } = *session;
    let manifest = job::manifest(vantage, options);
    let held = vantage.bare && session.may_create_pods(&name.namespace).await;
    let made = create_job(api, name, &manifest, held).await?;
    let rest = async {
        if held {
            create_pod(api, name, &manifest, made.clone()).await?;
        }
        create_secret(session, name, vantage, made).await
    };
    if let Err(error) = rest.await {
        // What fails here is tried again when the session finishes.
        if let Err(error) = delete_job(api, name).await {
            session.register(name.clone());
            tracing::debug!("failed to delete job/{}: {error}", name.name);
        }
        return Err(error);
    }
    Ok(())
}

/// Creates a Job, as the API returns it; `held`: one that makes no Pod, for [`create_pod`].
pub(crate) async fn create_job(
    api: &Api,
    name: &JobName,
    manifest: &Value,
    held: bool,
) -> Result<Option<Value>, CallError> {
    let path = JOBS.path(Some(&name.namespace));
    if held {
        return api.create(&path, &job::holder(manifest)).await;
    }
    api.create(&path, manifest).await
}

/// Creates the Pod that goes with a Job which makes none: a `PodDisruptionBudget` would count one that the Job makes.
pub(crate) async fn create_pod(
    api: &Api,
    name: &JobName,
    manifest: &Value,
    holder: Option<Value>,
) -> Result<(), CallError> {
    let uid = uid(api, name, holder).await?;
    let path = PODS.path(Some(&name.namespace));
    api.create(&path, &job::pod(manifest, &uid)).await?;
    Ok(())
}

/// Creates the Secret with the payload, for which the Job's Pod waits; it belongs to the Job.
async fn create_secret(
    session: &JobSession<'_>,
    name: &JobName,
    vantage: &Vantage,
    made: Option<Value>,
) -> Result<(), CallError> {
    let Some(payload) = &vantage.payload else {
        return Ok(());
    };
    let api = session.api;
    let uid = uid(api, name, made).await?;
    let manifest = job::secret(vantage, payload, &session.options.run, &uid);
    let path = SECRETS.path(Some(&name.namespace));
    api.create(&path, &manifest).await.map(|_| ())
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
        let path = JOBS.path(Some(&name.namespace));
        let query = with_field(&format!("metadata.name={}", name.name));
        let listed = api.list::<Value>(&path, &query).await?;
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
