//! The last words of containers that crashed, redacted. IO at the edge, redaction pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use futures::future::join_all;
use regex::Regex;

use super::client::{Api, encode};
use super::kinds::{Container, ContainerStatus, Pod};
use super::{NamespaceState, Snapshot};

/// Lines of a log that are kept.
const LINES: usize = 20;
/// Bytes of a line that are kept.
const LINE_LENGTH: usize = 400;
/// Containers whose log is fetched, at most, in all namespaces.
const MAX_LOGS: usize = 16;
/// Shorter values of variables are words, ports and flags.
const MIN_SECRET: usize = 4;

/// Fetches the logs of crashed containers, by namespace, keyed `POD/CONTAINER`. Where logs may not be read there are none.
pub(super) async fn crash_logs(
    api: &Api,
    snapshot: &Snapshot,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let crashed: Vec<(&str, &NamespaceState, &Pod, &ContainerStatus)> = snapshot
        .namespaces
        .iter()
        .flat_map(|(namespace, state)| {
            state.pods.iter().flat_map(move |pod| {
                pod.status
                    .init_container_statuses
                    .iter()
                    .chain(&pod.status.container_statuses)
                    .filter(|status| has_crashed(status))
                    .map(move |status| (namespace.as_str(), state, pod, status))
            })
        })
        .take(MAX_LOGS)
        .collect();
    let texts = join_all(
        crashed
            .iter()
            .map(|(namespace, state, pod, status)| last_words(api, namespace, state, pod, status)),
    )
    .await;
    let mut logs: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for ((namespace, _, pod, status), text) in crashed.into_iter().zip(texts) {
        if let Some(text) = text {
            logs.entry(namespace.to_owned())
                .or_default()
                .insert(format!("{}/{}", pod.metadata.name, status.name), text);
        }
    }
    logs
}

/// Whether a container's last end was a failure.
fn has_crashed(status: &ContainerStatus) -> bool {
    let failed = |ended: &super::kinds::StateTerminated| ended.exit_code != 0;
    status.state.terminated.as_ref().is_some_and(failed)
        || (status.restart_count > 0 && status.last_state.terminated.as_ref().is_some_and(failed))
}

async fn last_words(
    api: &Api,
    namespace: &str,
    state: &NamespaceState,
    pod: &Pod,
    status: &ContainerStatus,
) -> Option<String> {
    // A container that runs again has its last words in the log before.
    let previous = status.state.terminated.is_none();
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines={LINES}&previous={previous}",
        encode(namespace),
        encode(&pod.metadata.name),
        encode(&status.name)
    );
    match api.text(&path).await {
        Ok(text) => Some(redact(&text, &secrets_of(state, pod, &status.name)))
            .filter(|text| !text.trim().is_empty()),
        Err(error) => {
            tracing::debug!("failed to read the log of {}: {error}", pod.metadata.name);
            None
        }
    }
}

/// The literal values of the container's variables, those of ConfigMaps included: any of them may be a secret.
fn secrets_of(state: &NamespaceState, pod: &Pod, container: &str) -> BTreeSet<String> {
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    containers
        .filter(|found| found.name == container)
        .flat_map(|container| variables(state, container))
        .filter(|(name, value)| may_be_secret(name, value))
        .map(|(_, value)| value.to_owned())
        .collect()
}

fn variables<'a>(
    state: &'a NamespaceState,
    container: &'a Container,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let maps = move |name: &str| {
        state
            .config_maps
            .iter()
            .find(|map| map.metadata.name == name)
    };
    let literal = container.env.iter().filter_map(move |env| {
        let from_map = || {
            let reference = env.value_from.as_ref()?.config_map_key_ref.as_ref()?;
            Some(maps(&reference.name)?.data.get(&reference.key)?.as_str())
        };
        let value = env.value.as_deref().or_else(from_map)?;
        Some((env.name.as_str(), value))
    });
    let whole = container
        .env_from
        .iter()
        .filter_map(|from| from.config_map_ref.as_ref())
        .filter_map(move |reference| maps(&reference.name))
        .flat_map(|map| {
            map.data
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
        });
    literal.chain(whole)
}

/// Hosts, ports and flags explain a crash and stay readable; whatever else a variable holds is masked.
fn may_be_secret(name: &str, value: &str) -> bool {
    static PLAIN_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)(^|_)(host|hostname|port|addr|address|endpoint|server|servers|level|mode|env|path|dir|name)$").ok()
    });
    if value.len() < MIN_SECRET {
        return false;
    }
    let plain_value = value.parse::<f64>().is_ok()
        || matches!(
            value.to_ascii_lowercase().as_str(),
            "true" | "false" | "none" | "null" | "production" | "development" | "localhost"
        );
    let sounds_secret = SECRET_NAME
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(name));
    let sounds_plain = PLAIN_NAME
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(name));
    sounds_secret || !(plain_value || sounds_plain)
}

static SECRET_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(pass|pwd|secret|token|key|credential|auth|private|salt|cookie|dsn)").ok()
});
/// `scheme://user:password@`
static URL_LOGIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@]*:[^\s@]*@").ok());
/// `password=…`, `"token": "…"`, `api_key …`
static KEY_VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)([\w.-]*(?:passwd|password|pwd|secret|token|api[_-]?key|access[_-]?key|credential|authorization|private[_-]?key)[\w.-]*["']?\s*(?:[=:]|\bis\b)\s*)("[^"]*"|'[^']*'|(?:bearer\s+|basic\s+)?[^\s,;&]+)"#,
    )
    .ok()
});

/// Masks what may be a secret, and anything that a terminal would obey; keeps the last lines, each of bounded length.
#[must_use]
pub fn redact(text: &str, secrets: &BTreeSet<String>) -> String {
    // Longest first, so that a secret inside another leaves no rest.
    let mut ordered: Vec<&String> = secrets.iter().collect();
    ordered.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let lines: Vec<&str> = text.lines().collect();
    let kept = &lines[lines.len().saturating_sub(LINES)..];
    kept.iter()
        .map(|line| redact_line(line, &ordered))
        .collect::<Vec<_>>()
        .join("\n")
}

fn redact_line(line: &str, secrets: &[&String]) -> String {
    let mut line: String = line
        .chars()
        .filter(|letter| !letter.is_control() || *letter == '\t')
        .collect();
    for secret in secrets {
        line = line.replace(secret.as_str(), "***");
    }
    for (pattern, mask) in [(&URL_LOGIN, "$1***@"), (&KEY_VALUE, "$1***")] {
        match pattern.as_ref() {
            Some(pattern) => line = pattern.replace_all(&line, mask).into_owned(),
            // Better nothing than a secret.
            None => return String::new(),
        }
    }
    match line.char_indices().nth(LINE_LENGTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_can_be_read() {
        let secrets = BTreeSet::from(["s3cret".to_owned(), "s3cret-long".to_owned()]);
        for (line, wanted) in [
            (
                "Access denied for user 'app' (s3cret)",
                "Access denied for user 'app' (***)",
            ),
            ("x s3cret-long y", "x *** y"),
            (
                "connect mysql://app:p%40ss@db:3306/x failed",
                "connect mysql://***@db:3306/x failed",
            ),
            ("redis://:hunter2@kvs", "redis://***@kvs"),
            ("DB_PASSWORD=hunter2 rest", "DB_PASSWORD=*** rest"),
            (r#"{"token": "a b c", "n": 1}"#, r#"{"token": ***, "n": 1}"#),
            ("Authorization: Bearer abc.def", "Authorization: ***"),
            (
                "Unknown MySQL server host 'DB' (-2)",
                "Unknown MySQL server host 'DB' (-2)",
            ),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred[0m"),
        ] {
            assert_eq!(redact(line, &secrets), wanted);
        }
    }

    #[test]
    fn only_the_last_lines_stay_and_none_is_endless() {
        let lines: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
        let kept = redact(&lines.join("\n"), &BTreeSet::new());
        assert_eq!(kept.lines().count(), LINES);
        assert!(kept.ends_with("line 99"));
        assert_eq!(
            redact(&"ö".repeat(1000), &BTreeSet::new()).chars().count(),
            LINE_LENGTH + 1
        );
    }

    #[test]
    fn values_of_variables_are_secrets_unless_they_plainly_are_none() {
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": [{"name": "ap",
            "env": [{"name": "DB_PASS", "value": "12345"}, {"name": "DB_HOST", "value": "mysql-host"}, {"name": "FEATURE", "value": "xyzzy"},
                    {"name": "PORT", "value": "30000"}, {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}],
            "envFrom": [{"configMapRef": {"name": "c"}}]}]}}))
        .unwrap();
        let state: NamespaceState = serde_json::from_value(
            json!({"config_maps": [{"metadata": {"name": "c"}, "data": {"k": "from-map", "API_KEY": "key-of-map"}}]}),
        )
        .unwrap();
        let found: Vec<String> = secrets_of(&state, &pod, "ap").into_iter().collect();
        assert_eq!(found, ["12345", "from-map", "key-of-map", "xyzzy"]);
        assert!(secrets_of(&state, &pod, "other").is_empty());
    }

    #[test]
    fn a_container_that_ended_well_has_not_crashed() {
        let status = |value| serde_json::from_value::<ContainerStatus>(value).unwrap();
        assert!(has_crashed(&status(
            json!({"restartCount": 2, "lastState": {"terminated": {"exitCode": 1}}})
        )));
        assert!(has_crashed(&status(
            json!({"state": {"terminated": {"exitCode": 137}}})
        )));
        assert!(!has_crashed(&status(
            json!({"state": {"terminated": {"exitCode": 0}}})
        )));
        assert!(!has_crashed(&status(json!({"state": {"running": {}}}))));
    }
}
