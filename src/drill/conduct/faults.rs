//! The faults: each on the Pod that the plan names, by its unique id, and nothing that is not in the journal. IO.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::books::CALL;
use crate::drill::model::{Fault, PodIdentity};
use crate::drill::plan::Scale;
use crate::observe::resources::{
    DAEMON_SETS, DEPLOYMENTS, PODS, Resource, STATEFUL_SETS, collection, encode, with_field,
};
use crate::observe::{Api, CallError, WorkloadKey, retrying};

/// Takes a Pod away. A refusal is the API's answer; where none came, the Pod may be gone.
pub(super) async fn take(
    api: &Api,
    namespace: &str,
    pod: &PodIdentity,
    fault: Fault,
) -> Result<(), CallError> {
    let path = PODS.object(namespace, &pod.name);
    let only = json!({"uid": pod.uid});
    let (method, path, body) = match fault {
        Fault::Evict => (
            Method::POST,
            format!("{path}/eviction"),
            json!({
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": pod.name, "namespace": namespace},
                "deleteOptions": {"preconditions": only},
            }),
        ),
        Fault::DeleteHard => (
            Method::DELETE,
            path,
            json!({"gracePeriodSeconds": 1, "preconditions": only}),
        ),
        _ => (Method::DELETE, path, json!({"preconditions": only})),
    };
    // Once, not again: a second try could meet what the first has done.
    api.call::<Value>(method, &path, Some(&body), CALL)
        .await
        .map(|_| ())
}

/// Sets a scale; only of the very object that the plan names.
pub(super) async fn scale(
    api: &Api,
    namespace: &str,
    entry: &Scale,
    replicas: i32,
) -> Result<(), CallError> {
    let body = json!({"metadata": {"uid": entry.uid}, "spec": {"replicas": replicas}});
    let plural = format!("{}s", entry.kind);
    let path = format!(
        "{}/{}/scale",
        collection("apps", "v1", &plural, Some(namespace)),
        encode(&entry.name)
    );
    retrying(|| api.call::<Value>(Method::PATCH, &path, Some(&body), CALL))
        .await
        .map(|_| ())
}

/// Generation by workload: it changes with the specification. Nothing of one that cannot be read, or where the fault may change it.
pub(super) async fn generations(
    api: &Api,
    fault: Fault,
    workloads: &[WorkloadKey],
) -> BTreeMap<WorkloadKey, i64> {
    let mut found = BTreeMap::new();
    if matches!(fault, Fault::ScaleZero | Fault::Hook | Fault::Watch) {
        return found;
    }
    for key in workloads {
        let kind = |resource: &&Resource| resource.kind.eq_ignore_ascii_case(&key.kind);
        let Some(resource) = [DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS]
            .iter()
            .find(kind)
            .map(|resource| resource.path(Some(&key.namespace)))
        else {
            continue;
        };
        let only = with_field(&format!("metadata.name={}", key.name));
        // What cannot be read is no evidence that someone changed it.
        if let Ok(list) = api.get::<Value>(&format!("{resource}?{only}")).await
            && let Some(number) = list["items"][0]["metadata"]["generation"].as_i64()
        {
            found.insert(key.clone(), number);
        }
    }
    found
}

/// The first workload whose specification was changed, in words.
pub(super) fn changed(
    before: &BTreeMap<WorkloadKey, i64>,
    after: &BTreeMap<WorkloadKey, i64>,
) -> Option<String> {
    before.iter().find_map(|(key, was)| {
        let is = after.get(key).filter(|is| *is != was)?;
        Some(format!(
            "the specification of {key} was changed (generation {was} before, {is} after)"
        ))
    })
}

/// One of several, by seed and round: the same each time.
pub(super) fn pick<T>(among: &[T], seed: u64, round: u32) -> Option<&T> {
    let mut state = seed ^ (u64::from(round) << 32) ^ 0x9E37_79B9_7F4A_7C15;
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^= state >> 31;
    let count = u64::try_from(among.len()).ok().filter(|count| *count > 0)?;
    among.get(usize::try_from(state % count).ok()?)
}

/// Runs `COMMAND begin|end NAME` in a shell of the person's folder.
pub(super) async fn hook(
    command: &str,
    word: &str,
    candidate: &str,
    folder: &Path,
    limit: Duration,
) -> Result<(), String> {
    let shown = format!("{command} {word} {candidate}");
    let child = tokio::process::Command::new("sh")
        .args(["-c", &format!("{command} \"$@\""), "hook", word, candidate])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(limit, child).await {
        Err(_) => Err(format!(
            "the hook `{shown}` did not end within {} s",
            limit.as_secs()
        )),
        Ok(Err(error)) => Err(format!("the hook `{shown}` could not be run: {error}")),
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last: String = said
                .lines()
                .last()
                .unwrap_or_default()
                .chars()
                .take(200)
                .collect();
            Err(format!(
                "the hook `{shown}` failed: {}: {last}",
                output.status
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_that_was_changed_is_named_and_one_that_was_not_read_is_not() {
        let db = WorkloadKey::new("shop", "statefulset", "db");
        let of = |number| BTreeMap::from([(db.clone(), number)]);
        assert_eq!(changed(&of(3), &of(3)), None);
        assert_eq!(changed(&of(3), &BTreeMap::new()), None);
        let seen = changed(&of(3), &of(4)).unwrap();
        assert!(
            seen.contains("statefulset/db") && seen.contains("4 after"),
            "{seen}"
        );
    }

    #[test]
    fn the_same_seed_takes_the_same_victims_and_all_have_their_turn() {
        let all = [1, 2, 3];
        let taken = |seed| -> Vec<i32> {
            (1..=20)
                .filter_map(|n| pick(&all, seed, n).copied())
                .collect()
        };
        assert_eq!(taken(1), taken(1));
        assert_ne!(taken(1), taken(2));
        assert!(all.iter().all(|one| taken(1).contains(one)));
        assert_eq!(pick::<i32>(&[], 1, 1), None);
    }
}
