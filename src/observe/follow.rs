//! A collection of the API, listed once and then followed by a watch for ever. IO.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::{Api, WatchEvent};
use super::error::CallError;
use super::kinds::typed;

/// The server ends a watch after this time; it is then begun again.
const WATCH_SECONDS: u64 = 60;
/// Time for a watch to be opened.
const OPEN: Duration = Duration::from_secs(10);
/// The pause between lists where watching is not allowed.
const POLL: Duration = Duration::from_millis(500);
/// The pause after something broke.
const PAUSE: Duration = Duration::from_millis(250);

/// What happened to a collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<T> {
    /// These are all, now.
    All(Vec<T>),
    /// One is new or has changed.
    Set(T),
    /// One is gone.
    Gone(T),
}

/// Reports every change to `on`, the whole list first. Goes on until it is dropped; a broken or expired watch is begun again, and
/// where watching is not allowed, or a watch says nothing for `quiet` (a proxy may hold it back), the list is read again.
///
/// # Errors
/// The list is refused or not served: then there is nothing to follow.
pub async fn follow<T: DeserializeOwned>(
    api: &Api,
    path: &str,
    query: &str,
    quiet: Duration,
    on: &mut (dyn FnMut(Change<T>) + Send),
) -> CallError {
    loop {
        let listed = match api.list::<T>(path, query).await {
            Ok(listed) => listed,
            Err(error) if error.is_transient() => {
                tracing::debug!("failed to list {path}: {error}");
                tokio::time::sleep(error.retry_after().unwrap_or(PAUSE)).await;
                continue;
            }
            Err(error) => return error,
        };
        let version = listed.resource_version;
        on(Change::All(listed.items));
        match watch(api, path, query, version, quiet, on).await {
            Err(error) if matches!(error.status(), Some(403 | 405)) => {
                tokio::time::sleep(POLL).await;
            }
            Err(error) => {
                tracing::debug!("the watch of {path} broke: {error}");
                tokio::time::sleep(error.retry_after().unwrap_or(PAUSE)).await;
            }
            Ok(()) => {}
        }
    }
}

/// Watches from a version until the server ends it. A watch that ended well goes on where it was.
async fn watch<T: DeserializeOwned>(
    api: &Api,
    path: &str,
    query: &str,
    mut version: String,
    quiet: Duration,
    on: &mut (dyn FnMut(Change<T>) + Send),
) -> Result<(), CallError> {
    loop {
        let separator = if query.is_empty() { "" } else { "&" };
        let url = format!(
            "{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}{separator}{query}"
        );
        let mut lines = api.stream(&url, OPEN).await?;
        let mut seen = false;
        loop {
            let line = match tokio::time::timeout(quiet, lines.next()).await {
                Ok(Ok(Some(line))) => line,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(CallError::Transport(error.to_string())),
                // Nothing happened, or a proxy holds it back: the list shows which.
                Err(_) => return Ok(()),
            };
            if line.is_empty() {
                continue;
            }
            match understand(&line)? {
                Line::Change(change, now) => {
                    version = now;
                    on(change);
                }
                Line::Bookmark(now) => version = now,
            }
            seen = true;
        }
        if !seen {
            // A proxy that cuts or holds back watches: the list shows what happened, and is not asked in a tight loop.
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        }
    }
}

enum Line<T> {
    Change(Change<T>, String),
    Bookmark(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
    reason: String,
    message: String,
}

fn understand<T: DeserializeOwned>(line: &str) -> Result<Line<T>, CallError> {
    let malformed = |error: serde_json::Error| CallError::Malformed(error.to_string());
    let WatchEvent { kind, object } = serde_json::from_str(line).map_err(malformed)?;
    let version = object
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    match kind.as_str() {
        "ADDED" | "MODIFIED" => Ok(Line::Change(
            Change::Set(typed(&object).map_err(malformed)?),
            version,
        )),
        "DELETED" => Ok(Line::Change(
            Change::Gone(typed(&object).map_err(malformed)?),
            version,
        )),
        "BOOKMARK" => Ok(Line::Bookmark(version)),
        "ERROR" => {
            let status: Status = typed(&object).map_err(malformed)?;
            Err(CallError::Status {
                status: status.code,
                reason: status.reason,
                message: status.message,
                retry_after: None,
            })
        }
        other => Err(CallError::Malformed(format!("watch event of type {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::kinds::Pod;

    #[test]
    fn watch_lines_are_changes_bookmarks_or_errors() {
        let line = |kind: &str| {
            format!(
                r#"{{"type":"{kind}","object":{{"metadata":{{"name":"p","resourceVersion":"7"}}}}}}"#
            )
        };
        let is = |line: &str| match understand::<Pod>(line) {
            Ok(Line::Change(Change::Set(pod), version)) => {
                format!("set {} {version}", pod.metadata.name)
            }
            Ok(Line::Change(Change::Gone(pod), version)) => {
                format!("gone {} {version}", pod.metadata.name)
            }
            Ok(Line::Change(Change::All(_), _)) => "all".into(),
            Ok(Line::Bookmark(version)) => format!("bookmark {version}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(is(&line("ADDED")), "set p 7");
        assert_eq!(is(&line("MODIFIED")), "set p 7");
        assert_eq!(is(&line("DELETED")), "gone p 7");
        assert_eq!(is(&line("BOOKMARK")), "bookmark 7");
        assert_eq!(
            is(
                r#"{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"too old resource version"}}"#
            ),
            "too old resource version (410 Expired)"
        );
        assert!(is("{").contains("unexpected answer"));
        assert!(is(&line("NEW")).contains("NEW"));
    }
}
