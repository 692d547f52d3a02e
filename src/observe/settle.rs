//! Waits until rollouts have settled or cannot settle any more: lists once, then watches. IO; what counts as settled is
//! [`judge`]'s business.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use futures::future::{Either, join_all, select};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::client::Api;
use super::collect::{ObserveOptions, drop_own, observe};
use super::error::ObserveError;
use super::follow::{Change, follow};
use super::judge::{Scope, judge};
use super::kinds::{EndpointSlice, Event, Metadata, Pod, Service, Workload};
use super::redacted::redact_settle;
use super::resources::{
    DAEMON_SETS, DEPLOYMENTS, ENDPOINT_SLICES, EVENTS, JOBS, PODS, REPLICA_SETS, Resource,
    SERVICES, STATEFUL_SETS,
};
use super::trim::Trim;
use super::{NamespaceState, Settle, Snapshot};

/// How often the state is judged: changes come in bursts, and some reasons ripen by time alone.
const JUDGE_EVERY: Duration = Duration::from_millis(200);
/// A watch that says nothing for this long is begun again from a list.
const QUIET: Duration = Duration::from_secs(15);
/// So many of what is waited for are named.
const NAMED: usize = 8;
/// What looks settled must look so twice: status lags behind.
const CALM_ROUNDS: u32 = 2;

/// Waits, from a snapshot and its scope on and at most `wait`, until every workload in scope has settled or has failed for certain. Returns what
/// is there then, with how waiting ended in [`Snapshot::settle`]; where nothing is under way the API is not asked at all.
///
/// # Errors
/// As [`observe`], when it looks once more after waiting.
pub async fn settle(
    api: &Api,
    options: &ObserveOptions,
    (first, first_scope): (Snapshot, Scope),
    wait: Duration,
    scope: &(dyn Fn(&Snapshot) -> Scope + Sync),
    on_progress: &(dyn Fn(&str) + Sync),
) -> Result<Snapshot, ObserveError> {
    let waiting = Waiting {
        api,
        wait,
        scope,
        on_progress,
    };
    let mut settle = waiting.settle(&first, first_scope).await;
    let mut snapshot = if settle.waited_ms > 0 {
        Box::pin(observe(api, options)).await?
    } else {
        first
    };
    redact_settle(&mut settle, &snapshot.redactor());
    snapshot.settle = settle;
    Ok(snapshot)
}

struct Waiting<'a> {
    api: &'a Api,
    wait: Duration,
    scope: &'a (dyn Fn(&Snapshot) -> Scope + Sync),
    on_progress: &'a (dyn Fn(&str) + Sync),
}

impl Waiting<'_> {
    async fn settle(&self, first: &Snapshot, scope: Scope) -> Settle {
        let now = first.taken_at.unwrap_or_else(|| self.api.now());
        let mut state = judge(first, now, &scope);
        if state.unsettled.is_empty() || self.wait.is_zero() {
            state.timed_out = !state.unsettled.is_empty();
            return state;
        }
        self.report(&state);
        let mut namespaces: BTreeSet<String> = scope
            .matter
            .iter()
            .flatten()
            .map(|key| key.namespace.clone())
            .collect();
        namespaces.insert(first.namespace.clone());
        let (sender, updates) = mpsc::channel();
        let feeds = join_all(
            namespaces
                .iter()
                .map(|namespace| feed(self.api, namespace, &sender)),
        );
        let until = self.until(first.clone(), scope, &updates, state);
        match select(Box::pin(until), Box::pin(feeds)).await {
            Either::Left((settle, _)) => settle,
            // Nothing may be followed: time alone is left.
            Either::Right((_, until)) => until.await,
        }
    }

    async fn until(
        &self,
        mut snapshot: Snapshot,
        mut scope: Scope,
        updates: &mpsc::Receiver<Update>,
        mut last: Settle,
    ) -> Settle {
        let start = Instant::now();
        let mut calm = 0;
        loop {
            tokio::time::sleep(JUDGE_EVERY).await;
            let mut changed = false;
            for update in updates.try_iter() {
                apply(&mut snapshot, update);
                changed = true;
            }
            if changed {
                for state in snapshot.namespaces.values_mut() {
                    drop_own(state);
                }
                snapshot.changed();
                // Manifests that are being applied right now add Services and workloads.
                scope = (self.scope)(&snapshot);
            }
            let mut settle = judge(&snapshot, self.api.now(), &scope);
            if settle.unsettled.keys().ne(last.unsettled.keys()) {
                self.report(&settle);
            }
            calm = if settle.unsettled.is_empty() {
                calm + 1
            } else {
                0
            };
            if start.elapsed() >= self.wait || calm >= CALM_ROUNDS {
                settle.timed_out = !settle.unsettled.is_empty();
                settle.waited_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                return settle;
            }
            last = settle;
        }
    }

    fn report(&self, settle: &Settle) {
        let all = settle.unsettled.keys();
        let names: Vec<String> = all.take(NAMED).map(ToString::to_string).collect();
        let more = match settle.unsettled.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (self.on_progress)(&format!("waiting for {}{more}", names.join(", ")));
    }
}

/// One change of one namespace.
struct Update {
    namespace: String,
    what: What,
}

enum What {
    Pods(Box<Change<Pod>>),
    /// Of one kind.
    Workloads(&'static str, Box<Change<Workload>>),
    Services(Change<Service>),
    Slices(Change<EndpointSlice>),
    Events(Change<Event>),
}

/// Follows what settling depends on; a resource that may not be read is left as it was first seen.
async fn feed(api: &Api, namespace: &str, sender: &mpsc::Sender<Update>) {
    let workloads = [DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, REPLICA_SETS, JOBS];
    let workloads = join_all(workloads.iter().map(|resource| {
        one(api, resource, namespace, sender, |change| {
            What::Workloads(resource.kind, Box::new(change))
        })
    }));
    tokio::join!(
        one(api, &PODS, namespace, sender, |change| What::Pods(
            Box::new(change)
        )),
        one(api, &SERVICES, namespace, sender, What::Services),
        one(api, &ENDPOINT_SLICES, namespace, sender, What::Slices),
        one(api, &EVENTS, namespace, sender, What::Events),
        workloads,
    );
}

async fn one<T: DeserializeOwned + Trim + Send>(
    api: &Api,
    resource: &Resource,
    namespace: &str,
    sender: &mpsc::Sender<Update>,
    wrap: impl Fn(Change<T>) -> What + Send,
) {
    let path = resource.path(Some(namespace));
    let sender = sender.clone();
    let mut on = move |change: Change<T>| {
        let change = match change {
            Change::All(mut items) => {
                items.iter_mut().for_each(Trim::trim);
                Change::All(items)
            }
            Change::Set(mut item) => {
                item.trim();
                Change::Set(item)
            }
            gone @ Change::Gone(_) => gone,
        };
        // The receiver outlives the feeds, but for the moment in which both end.
        let _ = sender.send(Update {
            namespace: namespace.to_owned(),
            what: wrap(change),
        });
    };
    let error = follow(api, &path, "", QUIET, &mut on).await;
    tracing::debug!("{} are not followed: {error}", resource.plural);
}

fn apply(snapshot: &mut Snapshot, update: Update) {
    let Update { namespace, what } = update;
    let state = snapshot.namespaces.entry(namespace).or_default();
    match what {
        What::Pods(change) => put(&mut state.pods, *change, |pod| &pod.metadata),
        What::Services(change) => put(&mut state.services, change, |service| &service.metadata),
        What::Slices(change) => put(&mut state.endpoint_slices, change, |slice| &slice.metadata),
        What::Events(change) => put(&mut state.events, change, |event| &event.metadata),
        What::Workloads(kind, change) => put_workloads(state, kind, *change),
    }
}

/// Workloads of all kinds stand in one list.
fn put_workloads(state: &mut NamespaceState, kind: &str, change: Change<Workload>) {
    let (mut of_kind, others): (Vec<Workload>, Vec<Workload>) =
        std::mem::take(&mut state.workloads)
            .into_iter()
            .partition(|workload| workload.kind == kind);
    put(&mut of_kind, change, |workload| &workload.metadata);
    for workload in &mut of_kind {
        // Items of a list do not say their kind.
        kind.clone_into(&mut workload.kind);
    }
    state.workloads = others;
    state.workloads.append(&mut of_kind);
}

fn put<T>(items: &mut Vec<T>, change: Change<T>, metadata: impl Fn(&T) -> &Metadata) {
    match change {
        Change::All(all) => *items = all,
        Change::Set(item) => {
            let name = metadata(&item).name.clone();
            match items.iter_mut().find(|old| metadata(old).name == name) {
                Some(old) => *old = item,
                None => items.push(item),
            }
        }
        Change::Gone(item) => {
            let name = metadata(&item).name.clone();
            items.retain(|old| metadata(old).name != name);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workload(kind: &str, name: &str, replicas: i32) -> Workload {
        serde_json::from_value(
            json!({"kind": kind, "metadata": {"name": name}, "spec": {"replicas": replicas}}),
        )
        .unwrap()
    }

    #[test]
    fn changes_of_one_kind_leave_the_others() {
        let mut snapshot = Snapshot::default();
        let mut change = |kind: &'static str, change| {
            apply(
                &mut snapshot,
                Update {
                    namespace: "a".into(),
                    what: What::Workloads(kind, Box::new(change)),
                },
            );
            let seen: Vec<String> = snapshot.namespaces["a"]
                .workloads
                .iter()
                .map(|workload| {
                    format!(
                        "{}/{}:{}",
                        workload.kind,
                        workload.metadata.name,
                        workload.spec.replicas.unwrap()
                    )
                })
                .collect();
            seen.join(" ")
        };
        let all = Change::All(vec![workload("", "db", 1)]);
        assert_eq!(change("Deployment", all), "Deployment/db:1");
        let set = Change::Set(workload("Job", "db", 2));
        assert_eq!(change("Job", set), "Deployment/db:1 Job/db:2");
        let set = Change::Set(workload("Deployment", "db", 3));
        assert_eq!(change("Deployment", set), "Job/db:2 Deployment/db:3");
        let gone = Change::Gone(workload("Job", "db", 2));
        assert_eq!(change("Job", gone), "Deployment/db:3");
    }
}
