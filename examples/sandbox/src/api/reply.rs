//! Answers that are whole: objects, lists in pages, errors as the API server words them, discovery. Pure.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::call::Call;
use crate::kinds::{KINDS, Resource};
use crate::selector::Selector;
use crate::store::Store;

/// A body, whole or streamed.
pub(super) type Body = BoxBody<Bytes, io::Error>;

/// An error of the API.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(code: u16, message: &str) -> Self {
        Self {
            code,
            reason: reason(code),
            message: message.to_owned(),
        }
    }

    pub(super) fn no_path() -> Self {
        Self::new(404, "the server could not find the requested resource")
    }

    pub(super) fn not_found(kind: &Resource, name: &str) -> Self {
        Self::new(404, &format!("{} \"{name}\" not found", kind.qualified()))
    }

    pub(super) fn exists(kind: &Resource, name: &str) -> Self {
        Self {
            reason: "AlreadyExists",
            ..Self::new(
                409,
                &format!("{} \"{name}\" already exists", kind.qualified()),
            )
        }
    }

    pub(super) fn invalid(kind: &Resource, name: &str, what: &str) -> Self {
        Self::new(422, &format!("{} \"{name}\" is invalid: {what}", kind.kind))
    }

    /// A fault that was asked for, in the words of a real server.
    pub(super) fn injected(code: u16, call: &Call) -> Self {
        let resource = call.resource();
        let message = match code {
            401 => "Unauthorized".to_owned(),
            403 => format!(
                "{resource} is forbidden: User \"sandbox\" cannot {} resource \"{resource}\"",
                call.verb
            ),
            404 => "the server could not find the requested resource".to_owned(),
            409 => {
                format!("Operation cannot be fulfilled on {resource}: the object has been modified")
            }
            410 => "the provided continue parameter is too old".to_owned(),
            422 => format!("{resource} is invalid: spec: Invalid value"),
            429 => "the server has received too many requests and has asked us to try again later"
                .to_owned(),
            _ => "an error on the server has prevented the request from succeeding".to_owned(),
        };
        Self::new(code, &message)
    }
}

fn reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        409 => "Conflict",
        410 => "Expired",
        413 => "RequestEntityTooLarge",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    }
}

/// The error as a Status object.
pub(super) fn status(refusal: &Refusal) -> Response<Body> {
    let code = StatusCode::from_u16(refusal.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    object(code, &status_value(refusal))
}

pub(super) fn status_value(refusal: &Refusal) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": refusal.message, "reason": refusal.reason, "code": refusal.code})
}

/// One object.
pub(super) fn object(code: StatusCode, value: &Value) -> Response<Body> {
    body(code, "application/json", value.to_string())
}

/// Plain text.
pub(super) fn text(text: &str) -> Response<Body> {
    body(StatusCode::OK, "text/plain", text.to_owned())
}

fn body(code: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed());
    *response.status_mut() = code;
    let kind = http::HeaderValue::from_static(kind);
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, kind);
    response
}

/// A list, or a page of it. The token of the next page says where it begins.
pub(super) fn list(
    store: &Store,
    call: &Call,
    kind: &'static Resource,
    namespace: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let selector = Selector::parse(
        call.parameter("labelSelector"),
        call.parameter("fieldSelector"),
    );
    let (mut items, version) = store.list(kind, namespace);
    items.retain(|item| selector.takes(item));
    let number = |name: &str| match call.parameter(name) {
        "" => Ok(0),
        text => text
            .parse::<usize>()
            .map_err(|_| Refusal::new(400, &format!("{name}: `{text}` is no number"))),
    };
    let (limit, from) = (number("limit")?, number("continue")?);
    let mut metadata = json!({"resourceVersion": version.to_string()});
    let mut page: Vec<Value> = items.into_iter().skip(from).collect();
    if limit > 0 && page.len() > limit {
        metadata["continue"] = json!((from + limit).to_string());
        metadata["remainingItemCount"] = json!(page.len() - limit);
        page.truncate(limit);
    }
    let list = json!({"kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": metadata, "items": page});
    Ok(object(StatusCode::OK, &list))
}

/// `/api`, `/apis`, `/api/v1`, `/apis/GROUP`, `/apis/GROUP/VERSION`.
pub(super) fn discovery(path: &[String], serves: &dyn Fn(&Resource) -> bool) -> Option<Value> {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let offered: Vec<&Resource> = KINDS.iter().filter(|kind| serves(kind)).collect();
    match words.as_slice() {
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["apis"] => {
            let groups: BTreeSet<(&str, &str)> = offered
                .iter()
                .map(|kind| (kind.group, kind.version))
                .filter(|(group, _)| !group.is_empty())
                .collect();
            let groups: Vec<Value> = groups
                .into_iter()
                .map(|(name, version)| group(name, version))
                .collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] => {
            let one = offered.iter().find(|kind| kind.group == *name)?;
            let mut value = group(name, one.version);
            value["kind"] = json!("APIGroup");
            value["apiVersion"] = json!("v1");
            Some(value)
        }
        ["api", version] => resources(&offered, "", version),
        ["apis", group, version] => resources(&offered, group, version),
        _ => None,
    }
}

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(offered: &[&Resource], group: &str, version: &str) -> Option<Value> {
    let of_group: Vec<&&Resource> = offered
        .iter()
        .filter(|kind| kind.group == group && kind.version == version)
        .collect();
    let first = of_group.first()?;
    let resources: Vec<Value> = of_group
        .iter()
        .map(|kind| json!({"name": kind.plural, "singularName": kind.kind.to_ascii_lowercase(), "namespaced": kind.namespaced, "kind": kind.kind, "verbs": ["create", "delete", "get", "list", "patch", "watch"]}))
        .collect();
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(), "resources": resources}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_lists_what_is_served() {
        let path = |text: &str| {
            let words: Vec<String> = text.split('/').map(str::to_owned).collect();
            discovery(&words, &Resource::everywhere)
        };
        let apps = path("apis/apps/v1").unwrap();
        let names: Vec<&str> = apps["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["daemonsets", "deployments", "replicasets", "statefulsets"]
        );
        assert_eq!(
            path("apis/batch").unwrap()["preferredVersion"]["version"],
            "v1"
        );
        assert!(path("apis/cilium.io").is_none());
        assert!(path("apis/apps/v2").is_none());
    }

    #[test]
    fn refusals_are_worded_as_a_server_words_them() {
        let missing = Refusal::not_found(crate::kinds::of("jobs"), "j");
        assert_eq!(missing.message, "jobs.batch \"j\" not found");
        assert_eq!(missing.reason, "NotFound");
        assert_eq!(
            Refusal::exists(crate::kinds::of("pods"), "p").reason,
            "AlreadyExists"
        );
    }
}
