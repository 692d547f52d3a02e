//! What the watches report, kept: members' Pods by unique id, the write Service's endpoints, the runners' Pods; each change is an event. IO: none but
//! the clock.

use std::collections::BTreeMap;

use super::{RunnerPod, RunnerState, Stage};
use crate::drill::conduct::live::Live;
use crate::drill::model::{Address, Event, EventKind, PodChange, PodEvent, PodIdentity};
use crate::drill::orders::Orders;
use crate::drill::plan::member_name;
use crate::observe::kinds::{EndpointSlice, Pod};
use crate::observe::{Change, WorkloadKey, is_ready};

/// A member's Pod as it was last seen.
#[derive(Debug, Clone)]
pub(crate) struct SeenPod {
    pub(crate) member: String,
    pub(crate) identity: PodIdentity,
    pub(crate) address: String,
    pub(crate) running: bool,
    pub(crate) ready: bool,
    pub(crate) leaving: bool,
    restarts: i32,
}

/// Everything that is known; a lock guards it.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) events: Vec<Event>,
    /// By unique id; what is gone is not here.
    pub(super) pods: BTreeMap<String, SeenPod>,
    pub(super) slices: BTreeMap<String, Vec<String>>,
    pub(super) endpoints: Option<Vec<String>>,
    pub(super) runners: BTreeMap<String, RunnerState>,
    pub(super) live: Live,
    pub(super) orders: Orders,
    pub(super) sent: BTreeMap<String, Orders>,
}

impl Stage<'_> {
    pub(super) fn pods(&self, change: Change<Pod>) {
        let at_ms = self.now();
        let mut inner = self.inner();
        match change {
            Change::All(items) => {
                let there: Vec<&str> = items.iter().map(|pod| pod.metadata.uid.as_str()).collect();
                let gone: Vec<String> = inner
                    .pods
                    .keys()
                    .filter(|uid| !there.contains(&uid.as_str()))
                    .cloned()
                    .collect();
                for uid in gone {
                    inner.pod_gone(&uid, at_ms);
                }
                for pod in &items {
                    self.pod(&mut inner, pod, at_ms, false);
                }
            }
            Change::Set(pod) => self.pod(&mut inner, &pod, at_ms, false),
            Change::Gone(pod) => self.pod(&mut inner, &pod, at_ms, true),
        }
    }

    fn pod(&self, inner: &mut Inner, pod: &Pod, at_ms: i64, gone: bool) {
        if let Some(job) = pod.metadata.labels.get("job-name") {
            let runner = self.runners.iter().find(|runner| runner.job == *job);
            if let Some(state) = runner.and_then(|runner| inner.runners.get_mut(&runner.name)) {
                state.pod = Some(RunnerPod {
                    name: pod.metadata.name.clone(),
                    over: why_over(pod, gone),
                });
            }
            return;
        }
        let workload = self.snapshot.workload_of(pod);
        if !self.workloads.contains(&workload) {
            return;
        }
        if gone {
            inner.pod_gone(&pod.metadata.uid, at_ms);
        } else {
            inner.member_pod(&workload, pod, self.port, at_ms);
        }
    }

    pub(super) fn slices(&self, change: Change<EndpointSlice>) {
        let ready = |slice: &EndpointSlice| -> Vec<String> {
            slice
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.conditions.ready.unwrap_or(true))
                .filter_map(|endpoint| {
                    let pod = endpoint
                        .target_ref
                        .as_ref()
                        .map(|target| target.name.clone());
                    pod.filter(|name| !name.is_empty())
                        .or_else(|| endpoint.addresses.first().cloned())
                })
                .collect()
        };
        let at_ms = self.now();
        let mut inner = self.inner();
        match change {
            Change::All(items) => {
                inner.slices = items
                    .iter()
                    .map(|slice| (slice.metadata.name.clone(), ready(slice)))
                    .collect();
            }
            Change::Set(slice) => {
                inner
                    .slices
                    .insert(slice.metadata.name.clone(), ready(&slice));
            }
            Change::Gone(slice) => {
                inner.slices.remove(&slice.metadata.name);
            }
        }
        let mut now: Vec<String> = inner.slices.values().flatten().cloned().collect();
        now.sort();
        now.dedup();
        if inner.endpoints.as_ref() != Some(&now) {
            inner.endpoints = Some(now.clone());
            inner.events.push(Event {
                at_ms,
                what: EventKind::Endpoints(now),
            });
        }
    }
}

/// Why a runner's Pod is over, in the words of its container; none while it may run.
fn why_over(pod: &Pod, gone: bool) -> Option<String> {
    let phase = pod.status.phase.as_str();
    if !gone && !matches!(phase, "Succeeded" | "Failed") {
        return None;
    }
    let said = pod.status.container_statuses.iter().find_map(|status| {
        let ended = status.state.terminated.as_ref()?;
        let words = [ended.reason.as_str(), ended.message.as_str()].join(" ");
        Some(words.trim().chars().take(300).collect::<String>())
    });
    let said = said.filter(|said| !said.is_empty());
    let said = said.unwrap_or_else(|| if gone { "it was deleted" } else { phase }.to_owned());
    Some(format!("pod/{} has ended: {said}", pod.metadata.name))
}

impl Inner {
    fn pod_event(&mut self, seen: &SeenPod, change: PodChange, at_ms: i64) {
        self.events.push(Event {
            at_ms,
            what: EventKind::Pod(PodEvent {
                member: seen.member.clone(),
                pod: seen.identity.name.clone(),
                uid: seen.identity.uid.clone(),
                change,
            }),
        });
    }

    fn pod_gone(&mut self, uid: &str, at_ms: i64) {
        if let Some(seen) = self.pods.remove(uid) {
            self.pod_event(&seen, PodChange::Gone, at_ms);
        }
    }

    /// A member's Pod is new or has changed.
    fn member_pod(&mut self, workload: &WorkloadKey, pod: &Pod, port: u16, at_ms: i64) {
        let uid = &pod.metadata.uid;
        let statuses = &pod.status.container_statuses;
        let before = self.pods.get(uid).cloned();
        let taken = |name: &str| {
            self.pods
                .values()
                .any(|seen| seen.member == name && !seen.leaving)
        };
        let member = before.as_ref().map_or_else(
            || member_name(workload, pod, &taken),
            |seen| seen.member.clone(),
        );
        let now = SeenPod {
            member,
            identity: PodIdentity {
                name: pod.metadata.name.clone(),
                uid: uid.clone(),
                node: pod.spec.node_name.clone(),
            },
            address: pod.status.pod_ip.clone(),
            running: !statuses.is_empty()
                && statuses.len() >= pod.spec.containers.len()
                && statuses.iter().all(|status| status.state.running.is_some()),
            ready: is_ready(pod),
            leaving: pod.metadata.deletion_timestamp.is_some(),
            restarts: statuses.iter().map(|status| status.restart_count).sum(),
        };
        let was = |look: fn(&SeenPod) -> bool| before.as_ref().is_some_and(look);
        let mut changes = Vec::new();
        if before.is_none() {
            changes.push(PodChange::Created);
        }
        if before
            .as_ref()
            .is_some_and(|before| now.restarts > before.restarts)
        {
            changes.push(PodChange::Restarted);
        }
        if now.running && !was(|seen| seen.running) {
            changes.push(PodChange::Running);
        }
        if now.ready && !was(|seen| seen.ready) {
            changes.push(PodChange::Ready);
        }
        if !now.ready && was(|seen| seen.ready) {
            changes.push(PodChange::NotReady);
        }
        if now.leaving && !was(|seen| seen.leaving) {
            changes.push(PodChange::Leaving);
        }
        for change in changes {
            self.pod_event(&now, change, at_ms);
        }
        if !now.address.is_empty() && !now.leaving {
            let address = Address {
                host: now.address.clone(),
                port,
            };
            if self.orders.members.get(&now.member) != Some(&address) {
                self.orders.members.insert(now.member.clone(), address);
                self.orders.number += 1;
            }
        }
        self.pods.insert(uid.clone(), now);
    }
}
