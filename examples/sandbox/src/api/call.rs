//! A request's method, path and query → what is asked. Pure.

use std::collections::BTreeMap;

use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::kinds::{self, Resource};

/// What a request asks.
#[derive(Debug)]
pub(super) struct Call {
    /// `list`, `get`, `watch`, `create`, `delete`, `patch`, `log`, `discover`.
    pub(super) verb: &'static str,
    /// Of what.
    pub(super) target: Target,
    query: BTreeMap<String, String>,
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `/version`.
    Version,
    /// `/api`, `/apis` and what lists resources.
    Discovery(Vec<String>),
    /// `/healthz`, `/readyz`, `/livez`.
    Health,
    /// Objects, or one of them.
    Objects {
        /// Of which resource.
        kind: &'static Resource,
        /// In which namespace; `None`: in all, or of none.
        namespace: Option<String>,
        /// Which one.
        name: Option<String>,
        /// Its log.
        log: bool,
    },
    /// Nothing that is served.
    Nothing,
}

impl Call {
    pub(super) fn read(parts: &Parts) -> Self {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let path: Vec<String> = parts
            .uri
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect();
        let query: BTreeMap<String, String> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decode(&value.replace('+', " "))))
            .collect();
        let target = target(&path);
        let verb = verb(&parts.method, &target, &query);
        Self {
            verb,
            target,
            query,
        }
    }

    /// A parameter; empty if it is not there.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// The plural, or `version`, `apis`.
    pub(super) fn resource(&self) -> &str {
        match &self.target {
            Target::Objects { kind, .. } => kind.plural,
            Target::Version => "version",
            Target::Discovery(_) => "apis",
            Target::Health | Target::Nothing => "",
        }
    }
}

fn verb(method: &Method, target: &Target, query: &BTreeMap<String, String>) -> &'static str {
    let Target::Objects { name, log, .. } = target else {
        return "discover";
    };
    let watches = query
        .get("watch")
        .is_some_and(|value| value == "true" || value == "1");
    match *method {
        Method::GET if *log => "log",
        Method::GET if name.is_some() => "get",
        Method::GET if watches => "watch",
        Method::GET => "list",
        Method::POST => "create",
        Method::DELETE => "delete",
        Method::PATCH => "patch",
        _ => "update",
    }
}

fn target(path: &[String]) -> Target {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["version"] => Target::Version,
        ["healthz" | "readyz" | "livez", ..] => Target::Health,
        ["api" | "apis"] | ["api" | "apis", _] | ["apis", _, _] => Target::Discovery(path.to_vec()),
        ["api", version, rest @ ..] => objects("", version, rest),
        ["apis", group, version, rest @ ..] => objects(group, version, rest),
        _ => Target::Nothing,
    }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Target {
    let (namespace, rest) = match rest {
        // A Namespace is an object of its own, and the place of others.
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        _ => (None, rest),
    };
    let (plural, name, log) = match rest {
        [plural] => (*plural, None, false),
        [plural, name] => (*plural, Some(*name), false),
        ["pods", name, "log"] => ("pods", Some(*name), true),
        _ => return Target::Nothing,
    };
    match kinds::find(group, version, plural) {
        Some(kind) if kind.namespaced || namespace.is_none() => Target::Objects {
            kind,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            log,
        },
        _ => Target::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: Method, uri: &str) -> Call {
        let request = http::Request::builder().method(method).uri(uri).body(());
        Call::read(&request.unwrap().into_parts().0)
    }

    #[test]
    fn paths_are_read_as_the_api_server_reads_them() {
        for (method, uri, verb, resource) in [
            (
                Method::GET,
                "/api/v1/namespaces/a/pods?limit=5",
                "list",
                "pods",
            ),
            (Method::GET, "/api/v1/pods?watch=true", "watch", "pods"),
            (Method::GET, "/api/v1/namespaces/a", "get", "namespaces"),
            (Method::GET, "/api/v1/namespaces", "list", "namespaces"),
            (
                Method::GET,
                "/api/v1/namespaces/a/pods/p/log?follow=true",
                "log",
                "pods",
            ),
            (
                Method::POST,
                "/apis/batch/v1/namespaces/a/jobs",
                "create",
                "jobs",
            ),
            (
                Method::DELETE,
                "/apis/batch/v1/namespaces/a/jobs/j",
                "delete",
                "jobs",
            ),
            (Method::GET, "/apis/apps/v1", "discover", "apis"),
            (Method::GET, "/version", "discover", "version"),
            (
                Method::GET,
                "/apis/example.io/v1/namespaces/a/widgets",
                "discover",
                "",
            ),
            (Method::GET, "/api/v1/namespaces/a/secrets", "discover", ""),
        ] {
            let call = read(method, uri);
            assert_eq!((call.verb, call.resource()), (verb, resource), "{uri}");
        }
        let call = read(Method::GET, "/api/v1/pods?labelSelector=a%3Db%2Cc");
        assert_eq!(call.parameter("labelSelector"), "a=b,c");
        assert_eq!(call.parameter("limit"), "");
    }
}
