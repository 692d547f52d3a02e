//! The Lease (one drill per namespace) and the journal: what is to be put back is written down before it is done. IO.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::ConductError;
use crate::drill::model::Candidate;
use crate::drill::plan::runners::Runners;
use crate::drill::plan::{JOURNAL, Scale};
use crate::observe::resources::{CONFIG_MAPS, LEASES};
use crate::observe::{Api, CallError, Snapshot, retrying};
use crate::plan::job::run_labels;
use crate::shell::Command;

/// The name of the Lease.
pub const LEASE: &str = "k8sverify-drill";
/// A Lease that is not renewed is held no longer than this.
pub const HELD: Duration = Duration::from_secs(30);
/// It is renewed every so often.
const RENEW: Duration = Duration::from_secs(8);
/// The key in it.
const KEY: &str = "journal";
/// Time for one call.
pub(super) const CALL: Duration = Duration::from_secs(10);

/// What an interrupted run leaves to be put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Journal {
    /// The run.
    pub(super) run: String,
    /// The candidate.
    pub(super) candidate: String,
    /// When it was begun.
    pub(super) begun: String,
    /// Jobs that it makes.
    pub(super) jobs: Vec<String>,
    /// The Job that removes the ledger.
    pub(super) remover: Value,
    /// Scales that were set to zero.
    #[serde(default)]
    pub(super) scales: Vec<Scale>,
    /// A hook that was begun.
    #[serde(default)]
    pub(super) hook: Option<String>,
}

/// The run's own books.
pub(super) struct RunRecords<'a> {
    pub(super) api: &'a Api,
    pub(super) namespace: String,
    pub(super) journal: Mutex<Journal>,
}

/// A time as Leases have it.
fn micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// How long the Lease is still held, and by whom.
pub(super) fn held(lease: &Value, now: Timestamp) -> Option<(Duration, String)> {
    let spec = lease.get("spec")?;
    let renewed: Timestamp = spec.get("renewTime")?.as_str()?.parse().ok()?;
    let seconds = spec.get("leaseDurationSeconds")?.as_i64()?;
    let age = now.duration_since(renewed).as_secs();
    let left = u64::try_from(seconds.saturating_sub(age))
        .ok()
        .filter(|left| *left > 0)?;
    let holder = spec.get("holderIdentity").and_then(Value::as_str);
    Some((
        Duration::from_secs(left),
        holder.unwrap_or("somebody").to_owned(),
    ))
}

impl<'a> RunRecords<'a> {
    /// Takes the Lease and writes the journal's first page.
    pub(super) async fn open(
        api: &'a Api,
        snapshot: &Snapshot,
        run: &str,
        candidate: &Candidate,
        plan: &Runners,
    ) -> Result<Self, ConductError> {
        let namespace = snapshot.namespace.clone();
        take_lease(api, &namespace, run).await?;
        let journal = Journal {
            run: run.to_owned(),
            candidate: candidate.name.clone(),
            begun: micro(api.now()),
            jobs: plan
                .lanes
                .iter()
                .chain([&plan.remover])
                .map(|runner| runner.job.clone())
                .collect(),
            remover: plan.remover.manifest.clone(),
            scales: Vec::new(),
            hook: None,
        };
        let body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": JOURNAL, "labels": run_labels(run)},
            "data": {KEY: text(&journal)},
        });
        let path = CONFIG_MAPS.path(Some(&namespace));
        let made = api
            .call::<Value>(Method::POST, &path, Some(&body), CALL)
            .await;
        if let Err(error) = made {
            let busy = error.status() == Some(409);
            release(api, &namespace).await;
            return Err(if busy {
                ConductError::Busy(format!(
                    "an interrupted drill has left its journal configmap/{JOURNAL} in namespace {namespace}; take it back first: k8sverify drill -n {namespace} --undo"
                ))
            } else {
                ConductError::call(format!("write the journal configmap/{JOURNAL}"))(error)
            });
        }
        Ok(Self {
            api,
            namespace,
            journal: Mutex::new(journal),
        })
    }

    /// What an earlier run has left.
    pub(super) async fn found(api: &'a Api, namespace: &str) -> Result<Option<Self>, ConductError> {
        let found: Result<Value, CallError> =
            api.get(&CONFIG_MAPS.object(namespace, JOURNAL)).await;
        let map = match found {
            Ok(map) => map,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => {
                return Err(ConductError::call(format!(
                    "read the journal configmap/{JOURNAL}"
                ))(error));
            }
        };
        let page = map
            .pointer(&format!("/data/{KEY}"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let journal = serde_json::from_str(page).map_err(|error| {
            ConductError::Busy(format!(
                "the journal configmap/{JOURNAL} in namespace {namespace} cannot be read ({error}); put back by hand what it names, and delete it"
            ))
        })?;
        Ok(Some(Self {
            api,
            namespace: namespace.to_owned(),
            journal: Mutex::new(journal),
        }))
    }

    pub(super) fn read(&self) -> Journal {
        self.journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes a change down before it is made; what cannot be written is not done.
    pub(super) async fn note(&self, change: impl Fn(&mut Journal)) -> Result<(), ConductError> {
        let mut page = self.read();
        change(&mut page);
        let body = json!({"data": {KEY: text(&page)}});
        let path = CONFIG_MAPS.object(&self.namespace, JOURNAL);
        retrying(|| {
            self.api
                .call::<Value>(Method::PATCH, &path, Some(&body), CALL)
        })
        .await
        .map_err(ConductError::call(format!(
            "write the journal configmap/{JOURNAL}"
        )))?;
        *self.journal.lock().unwrap_or_else(PoisonError::into_inner) = page;
        Ok(())
    }

    /// Renews the Lease for ever; ends with the reason when it is lost.
    pub(super) async fn keep(&self) -> String {
        let run = self.read().run;
        let mut failures: u32 = 0;
        loop {
            sleep(RENEW).await;
            let lease = self
                .api
                .get::<Value>(&LEASES.object(&self.namespace, LEASE))
                .await;
            let holder = lease
                .as_ref()
                .ok()
                .and_then(|lease| lease.pointer("/spec/holderIdentity")?.as_str());
            if let Some(other) = holder.filter(|holder| *holder != run) {
                return format!("{other} has taken the Lease {LEASE}");
            }
            let body = json!({"spec": {"renewTime": micro(self.api.now())}});
            let path = LEASES.object(&self.namespace, LEASE);
            let renewed = self
                .api
                .call::<Value>(Method::PATCH, &path, Some(&body), CALL)
                .await;
            match renewed {
                Ok(_) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::warn!("failed to renew the Lease {LEASE}: {error}");
                    if failures >= 3 {
                        return format!("the Lease {LEASE} cannot be renewed: {error}");
                    }
                }
            }
        }
    }

    /// The journal goes, and with it the Lease.
    pub(super) async fn close(self) -> Vec<String> {
        let path = CONFIG_MAPS.object(&self.namespace, JOURNAL);
        let gone = retrying(|| self.api.call::<Value>(Method::DELETE, &path, None, CALL)).await;
        release(self.api, &self.namespace).await;
        match gone {
            Err(error) if !error.is_not_found() => vec![format!(
                "failed to delete the journal configmap/{JOURNAL}: {error}; {}",
                Command::kubectl(&self.namespace, &["delete", "configmap", JOURNAL])
            )],
            _ => Vec::new(),
        }
    }
}

fn text(journal: &Journal) -> String {
    // Maps, numbers and words always have a JSON form.
    serde_json::to_string(journal).unwrap_or_default()
}

/// Takes the Lease where no one holds it.
pub(super) async fn take_lease(api: &Api, namespace: &str, run: &str) -> Result<(), ConductError> {
    let spec = json!({
        "holderIdentity": run,
        "leaseDurationSeconds": HELD.as_secs(),
        "acquireTime": micro(api.now()),
        "renewTime": micro(api.now()),
    });
    let failed = || ConductError::call(format!("take the Lease {LEASE}"));
    let object = LEASES.object(namespace, LEASE);
    let (method, path, body) = match api.get::<Value>(&object).await {
        Ok(lease) => {
            if let Some((left, holder)) = held(&lease, api.now()) {
                return Err(ConductError::Busy(format!(
                    "another drill ({holder}) runs in namespace {namespace}: it holds the Lease {LEASE} for {} s more unless it renews it; wait for its end, or if it was killed: k8sverify drill -n {namespace} --undo",
                    left.as_secs()
                )));
            }
            // With its version: of two that take it over, one does.
            let version = lease.pointer("/metadata/resourceVersion");
            let body = json!({"metadata": {"resourceVersion": version}, "spec": spec});
            (Method::PATCH, object, body)
        }
        Err(error) if error.is_not_found() => {
            let body = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": LEASE, "labels": run_labels(run)},
                "spec": spec,
            });
            (Method::POST, LEASES.path(Some(namespace)), body)
        }
        Err(error) => return Err(failed()(error)),
    };
    let taken = api.call::<Value>(method, &path, Some(&body), CALL).await;
    taken.map(drop).map_err(failed())
}

pub(super) async fn release(api: &Api, namespace: &str) {
    let path = LEASES.object(namespace, LEASE);
    let gone = api.call::<Value>(Method::DELETE, &path, None, CALL).await;
    if let Err(error) = gone
        && !error.is_not_found()
    {
        tracing::warn!("failed to release the Lease {LEASE}: {error}; it ends by itself");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_held_until_it_was_not_renewed_for_its_time() {
        let renewed: Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
        let lease = json!({"spec": {"holderIdentity": "abc", "leaseDurationSeconds": 30, "renewTime": micro(renewed)}});
        assert_eq!(micro(renewed), "2026-11-29T10:00:00.000000Z");
        let at = |seconds: i64| held(&lease, renewed + jiff::SignedDuration::from_secs(seconds));
        assert_eq!(at(10), Some((Duration::from_secs(20), "abc".to_owned())));
        assert_eq!(at(31), None);
        assert_eq!(held(&json!({}), renewed), None);
    }
}
