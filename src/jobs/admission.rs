//! What the cluster says where it admits no Job or no Pod, and what to do about it. Pure.

use crate::finding::Code;
use crate::observe::kinds::Event;
use crate::observe::{CallError, Denied};
use crate::plan::ProbeFailure;

use super::classify::{failure, granting};
use super::remove::JobName;
use super::room;

/// The Job could not be created.
pub(super) fn refused(job: &JobName, server: &str, error: &CallError) -> ProbeFailure {
    let evidence = vec![error.to_string()];
    let namespace = &job.namespace;
    let failed = |code, message: String| failure(job, code, message, evidence.clone());
    match error {
        CallError::Status {
            status: 403,
            message,
            ..
        } if message.contains("cannot create resource") => {
            let denied = Denied {
                verb: "create".to_owned(),
                group: "batch".to_owned(),
                resource: "jobs".to_owned(),
                namespace: namespace.clone(),
                message: message.clone(),
            };
            failed(
                Code::ProbeForbidden,
                format!(
                    "not allowed to create Jobs in namespace {namespace}{}",
                    granting(&denied)
                ),
            )
        }
        CallError::Status { status: 404, .. } => failed(
            Code::NamespaceNotFound,
            format!("namespace {namespace} is gone, so no probe can run in it"),
        ),
        CallError::Status {
            status: 400..=499, ..
        } => ProbeFailure {
            passing: room::quota_may_pass(&error.to_string()),
            ..failed(
                Code::ProbeForbidden,
                format!(
                    "the cluster refused the probe Job: {}",
                    admission(&error.to_string())
                ),
            )
        },
        _ => failed(
            Code::ApiUnreachable,
            format!("failed to create the probe Job at {server}: {error}"),
        ),
    }
}

/// A `FailedCreate` event of the Job: its controller may not create the Pod.
pub(super) fn event(job: &JobName, event: &Event) -> Option<ProbeFailure> {
    // A webhook or an API server that cannot be reached now may be later; the controller tries again.
    let may_pass = ["failed calling webhook", "timeout", "etcdserver", "Timeout"]
        .iter()
        .any(|words| event.message.contains(words));
    if may_pass && event.count < 3 {
        return None;
    }
    refused_pod(job, event)
}

/// What a `FailedCreate` event of the Job says, whether or not it may pass.
pub(super) fn refused_pod(job: &JobName, event: &Event) -> Option<ProbeFailure> {
    if event.reason != "FailedCreate" || event.involved_object.name != job.name {
        return None;
    }
    Some(ProbeFailure {
        passing: room::quota_may_pass(&event.message),
        ..failure(
            job,
            Code::ProbeForbidden,
            format!(
                "the cluster refused the probe's Pod: {}",
                admission(&event.message)
            ),
            vec![format!("FailedCreate: {}", event.message)],
        )
    })
}

/// What to do about a refusal by admission.
fn admission(message: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|one| message.contains(one));
    let what = if says(&["exceeded quota", "must specify"]) {
        "a ResourceQuota leaves no room for it; raise the quota, or set requests and limits with --probe-resources"
    } else if says(&["PodSecurity"]) {
        "Pod Security admission does not allow it; the tier's host network or mesh annotations may be the reason"
    } else if says(&["failed calling webhook", "failed to call webhook"]) {
        "an admission webhook could not be called; bring it up, or exempt the namespace from it"
    } else if says(&["webhook", "denied the request", "denied request"]) {
        "an admission policy denied it; satisfy it with --probe-label, --probe-annotation, --probe-resources, --probe-runtime-class or --probe-patch, or exempt the namespace from it"
    } else if says(&["service account", "serviceaccount"]) {
        "its service account does not exist; choose one with --probe-service-account"
    } else if says(&["LimitRange", "usage per", "limit to request ratio"]) {
        "a LimitRange does not allow its requests or limits; set them with --probe-resources"
    } else if says(&["PriorityClass"]) {
        "its priority class does not exist, or may not be used; choose one with --probe-priority-class"
    } else if says(&["RuntimeClass"]) {
        "its runtime class does not exist, or may not be used; choose one with --probe-runtime-class"
    } else {
        return format!("{message}; change its Pod with --probe-patch");
    };
    what.to_owned()
}
