//! What the conductor sees: the members' Pods, the write Service's endpoints, the runners' records; and the last orders to the runners. IO: the
//! watches.

mod seen;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};

use super::ConductError;
use super::books::CALL;
use super::live::Live;
use super::runners::{send, start};
use crate::drill::model::{
    AuditAnswer, Batch, Candidate, ClockMap, End, Event, EventKind, Lane, RunnerLog, RunnerRecord,
};
use crate::drill::orders::{Act, Orders};
use crate::drill::plan::Subject;
use crate::drill::plan::runners::{Runner, Runners};
use crate::observe::kinds::{EndpointSlice, Pod};
use crate::observe::resources::{ENDPOINT_SLICES, PODS, labelled};
use crate::observe::{Api, Cancel, Change, Snapshot, WorkloadKey, follow};
use crate::shell::Command;
use seen::Inner;
pub(super) use seen::SeenPod;

/// The pause between tries of a log.
const PAUSE: Duration = Duration::from_millis(200);
/// A watch that says nothing for so long is begun again from a list.
const QUIET: Duration = Duration::from_secs(3);
/// How long a runner may take to start.
const START: Duration = Duration::from_mins(1);
/// How wrong the map of a runner's clock may be: what a line of the log takes to come here varies by so much.
const CLOCK_ERROR_MS: u64 = 100;
/// An order that is not followed for so long is given again.
const TELL_AGAIN: Duration = Duration::from_secs(8);
/// How often things are looked at.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A runner's Pod.
#[derive(Debug, Clone)]
struct RunnerPod {
    name: String,
    /// Why it is over, once it is.
    over: Option<String>,
}

/// One runner, as far as its log was read.
#[derive(Debug, Clone, Default)]
struct RunnerState {
    pod: Option<RunnerPod>,
    greeted: bool,
    lanes: Vec<Lane>,
    batches: Vec<Batch>,
    /// Milliseconds to add to its clock for the conductor's.
    offset: Option<i64>,
    audits: Vec<Vec<AuditAnswer>>,
    end: Option<End>,
    lost: Option<String>,
}

/// The stage of one candidate's drill.
pub(super) struct Stage<'a> {
    pub(super) api: &'a Api,
    pub(super) namespace: String,
    begun: Instant,
    snapshot: &'a Snapshot,
    workloads: Vec<WorkloadKey>,
    port: u16,
    service: Option<String>,
    size: usize,
    runners: &'a [Runner],
    inner: Mutex<Inner>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        api: &'a Api,
        subject: &Subject,
        candidate: &Candidate,
        snapshot: &'a Snapshot,
        plan: &'a Runners,
    ) -> Self {
        let inner = Inner {
            orders: Orders {
                number: 1,
                ..Orders::default()
            },
            runners: plan
                .lanes
                .iter()
                .map(|runner| {
                    let state = RunnerState {
                        lanes: runner.spec.lanes.clone(),
                        ..RunnerState::default()
                    };
                    (runner.name.clone(), state)
                })
                .collect(),
            live: Live::new(plan.lanes.iter().map(|runner| runner.spec.lanes.as_slice())),
            ..Inner::default()
        };
        Self {
            api,
            namespace: candidate.namespace.clone(),
            begun: Instant::now(),
            snapshot,
            workloads: subject.workloads.clone(),
            port: subject.member_port.get(),
            service: candidate.write_service.clone(),
            size: usize::try_from(candidate.size).unwrap_or(usize::MAX),
            runners: &plan.lanes,
            inner: Mutex::new(inner),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The conductor's time.
    pub(super) fn now(&self) -> i64 {
        self.at(Instant::now())
    }

    fn at(&self, instant: Instant) -> i64 {
        let since = instant.saturating_duration_since(self.begun).as_millis();
        i64::try_from(since).unwrap_or(i64::MAX)
    }

    /// How many members are a whole candidate.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Follows Pods, endpoints and the runners' logs, and brings them their orders; ends only with the reason why something cannot be followed.
    pub(super) async fn follow(&self) -> String {
        let pods_path = PODS.path(Some(&self.namespace));
        let pods = async {
            let mut on = |change: Change<Pod>| self.pods(change);
            let error = follow(self.api, &pods_path, "", QUIET, &mut on).await;
            format!(
                "failed to follow the Pods of namespace {}: {error}",
                self.namespace
            )
        };
        let endpoints = async {
            let Some(service) = &self.service else {
                return std::future::pending::<String>().await;
            };
            let path = ENDPOINT_SLICES.path(Some(&self.namespace));
            let query = labelled(&format!("kubernetes.io/service-name={service}"));
            let mut on = |change: Change<EndpointSlice>| self.slices(change);
            let error = follow(self.api, &path, &query, QUIET, &mut on).await;
            format!("failed to follow the endpoints of service/{service}: {error}")
        };
        let logs = async {
            join_all(self.runners.iter().map(|runner| self.listen(runner))).await;
            std::future::pending::<String>().await
        };
        let orders = self.bring_orders();
        tokio::select! {
            why = pods => why,
            why = endpoints => why,
            why = logs => why,
            why = orders => why,
        }
    }

    /// Makes the runners' Jobs and waits until all of them attempt something.
    pub(super) async fn start(&self, plan: &Runners, cancel: Cancel) -> Result<(), ConductError> {
        for runner in &plan.lanes {
            start(self.api, &self.namespace, runner)
                .await
                .map_err(ConductError::call(format!("create job/{}", runner.job)))?;
        }
        let end = Instant::now() + START;
        loop {
            {
                let inner = self.inner();
                if let Some(why) = inner.runners.values().find_map(|state| state.lost.clone()) {
                    return Err(ConductError::Runners(why));
                }
                let ready = |state: &RunnerState| state.greeted && !state.batches.is_empty();
                if inner.runners.values().all(ready) {
                    return Ok(());
                }
            }
            if *cancel.borrow() {
                return Err(ConductError::Runners("the run was interrupted".to_owned()));
            }
            if Instant::now() >= end {
                return Err(ConductError::Runners(format!(
                    "the runners did not start within {} s; see {}",
                    START.as_secs(),
                    Command::kubectl(
                        &self.namespace,
                        &["describe", "jobs", "-l", "k8sverify.io/run"]
                    )
                )));
            }
            sleep(TICK).await;
        }
    }

    /// Sends the runners the orders that they have not received yet; ends with the reason why they cannot be determined.
    async fn bring_orders(&self) -> String {
        loop {
            sleep(TICK).await;
            let due: Vec<(String, String, Orders)> = {
                let inner = self.inner();
                inner
                    .runners
                    .iter()
                    .filter(|(name, state)| {
                        inner.sent.get(*name) != Some(&inner.orders) && state.end.is_none()
                    })
                    .filter_map(|(name, state)| {
                        let pod = state.pod.as_ref().filter(|pod| pod.over.is_none())?;
                        Some((name.clone(), pod.name.clone(), inner.orders.clone()))
                    })
                    .collect()
            };
            for (runner, pod, orders) in due {
                // One of them reads everything; the other one is quiet meanwhile.
                let mut own = orders.clone();
                if own.act == Act::Audit && Some(&runner) != self.first().as_ref() {
                    own.act = Act::Quiet;
                }
                match send(self.api, &self.namespace, &pod, &own).await {
                    Ok(()) => {
                        self.inner().sent.insert(runner, orders);
                    }
                    Err(error) if error.is_forbidden() => {
                        return format!(
                            "not allowed to send the runners their orders (patch pods): {error}; grant it with: {}",
                            Command::new(&["k8sverify", "rbac", "-n", &self.namespace, "--drill"])
                        );
                    }
                    Err(error) => tracing::debug!("failed to send pod/{pod} its orders: {error}"),
                }
            }
        }
    }

    /// The runner that reads everything.
    fn first(&self) -> Option<String> {
        self.runners.first().map(|runner| runner.name.clone())
    }

    /// Gives new orders.
    pub(super) fn order(&self, act: Act) {
        let mut inner = self.inner();
        if inner.orders.act != act {
            inner.orders.act = act;
            inner.orders.number += 1;
        }
    }

    /// Orders everything to be read, and waits for the answers.
    pub(super) async fn audit(
        &self,
        limit: Duration,
        cancel: &Cancel,
    ) -> Option<(i64, Vec<AuditAnswer>)> {
        let first = self.first()?;
        let before = self.inner().runners.get(&first)?.audits.len();
        let begun = self.now();
        self.order(Act::Audit);
        let end = Instant::now() + limit;
        let mut again = Instant::now() + TELL_AGAIN;
        loop {
            // A kubelet that is busy may leave a file as it was; a number that changes makes it look again.
            if Instant::now() >= again {
                again += TELL_AGAIN;
                self.inner().orders.number += 1;
            }
            {
                let inner = self.inner();
                let state = inner.runners.get(&first)?;
                if state.audits.len() > before {
                    return Some((begun, state.audits.last().cloned().unwrap_or_default()));
                }
                if state.lost.is_some() || Instant::now() >= end || *cancel.borrow() {
                    return None;
                }
            }
            sleep(TICK).await;
        }
    }

    /// A round begins: what is watched stands at its head as it is now.
    pub(super) fn begin(&self) -> i64 {
        let at_ms = self.now();
        let mut inner = self.inner();
        if let Some(endpoints) = inner.endpoints.clone() {
            inner.events.push(Event {
                at_ms,
                what: EventKind::Endpoints(endpoints),
            });
        }
        at_ms
    }

    /// An event of the conductor's own.
    pub(super) fn event(&self, what: EventKind) {
        let at_ms = self.now();
        self.inner().events.push(Event { at_ms, what });
    }

    /// Everything since `from`: events, and the runners' logs.
    pub(super) fn since(&self, from: i64) -> (Vec<Event>, Vec<RunnerLog>) {
        let inner = self.inner();
        let mut events: Vec<Event> = inner
            .events
            .iter()
            .filter(|event| event.at_ms >= from)
            .cloned()
            .collect();
        for event in &mut events {
            event.at_ms -= from;
        }
        let runners = inner
            .runners
            .iter()
            .map(|(name, state)| {
                let offset = state.offset.unwrap_or(0);
                RunnerLog {
                    runner: name.clone(),
                    clock: ClockMap {
                        offset_ms: offset - from,
                        error_ms: CLOCK_ERROR_MS,
                    },
                    lanes: state.lanes.clone(),
                    batches: state
                        .batches
                        .iter()
                        .filter(|batch| batch.to_ms + offset >= from)
                        .cloned()
                        .collect(),
                    end: state.end.clone(),
                }
            })
            .collect();
        (events, runners)
    }

    /// A look at how things stand.
    pub(super) fn live<T>(&self, look: impl FnOnce(&Live) -> T) -> T {
        look(&self.inner().live)
    }

    /// Changes what counts for being whole.
    pub(super) fn change(&self, change: impl FnOnce(&mut Live)) {
        change(&mut self.inner().live);
    }

    /// The members' Pods that are there.
    pub(super) fn member_pods(&self) -> Vec<SeenPod> {
        self.inner().pods.values().cloned().collect()
    }

    /// Why a runner is of no more use.
    pub(super) fn any_lost(&self) -> Option<String> {
        let inner = self.inner();
        inner
            .runners
            .iter()
            .find_map(|(name, state)| Some(format!("runner {name}: {}", state.lost.as_ref()?)))
    }

    fn runner_pod(&self, runner: &str) -> Option<RunnerPod> {
        self.inner().runners.get(runner)?.pod.clone()
    }

    fn has_ended(&self, runner: &str) -> bool {
        let inner = self.inner();
        inner
            .runners
            .get(runner)
            .is_none_or(|state| state.end.is_some() || state.lost.is_some())
    }

    fn lost(&self, runner: &str, why: String) {
        if let Some(state) = self.inner().runners.get_mut(runner) {
            state.lost.get_or_insert(why);
        }
    }

    /// One line of a runner's log.
    fn record(&self, runner: &str, record: RunnerRecord, now: Instant) {
        let now = self.at(now);
        let mut inner = self.inner();
        let Inner { runners, live, .. } = &mut *inner;
        let Some(state) = runners.get_mut(runner) else {
            return;
        };
        match record {
            RunnerRecord::Hello { .. } => state.greeted = true,
            RunnerRecord::Error { message } => {
                state.lost.get_or_insert(message);
            }
            RunnerRecord::Batch(batch) => {
                // Read again from the beginning: what is known is passed over.
                if state
                    .batches
                    .last()
                    .is_some_and(|last| last.number >= batch.number)
                {
                    return;
                }
                // The smallest difference is the one with the least of the way in it.
                let ahead = now - batch.to_ms;
                let offset = state.offset.map_or(ahead, |known| known.min(ahead));
                state.offset = Some(offset);
                live.batch(&batch, offset);
                state.batches.push(batch);
            }
            RunnerRecord::Audit { answers } => {
                if state.audits.last() != Some(&answers) {
                    state.audits.push(answers);
                }
            }
            RunnerRecord::End(end) => state.end = Some(end),
        }
    }

    /// Follows the log of a runner to its end record; what breaks off is read again from the beginning, and numbers show what is new.
    async fn listen(&self, runner: &Runner) {
        loop {
            let Some(pod) = self.runner_pod(&runner.name) else {
                sleep(PAUSE).await;
                continue;
            };
            let path = format!(
                "{}/log?follow=true",
                PODS.object(&self.namespace, &pod.name)
            );
            match self.api.stream(&path, CALL).await {
                Ok(mut lines) => {
                    while let Ok(Some(line)) = lines.next().await {
                        let now = Instant::now();
                        if let Ok(record) = serde_json::from_str::<RunnerRecord>(line.trim()) {
                            self.record(&runner.name, record, now);
                        }
                    }
                }
                Err(error) => tracing::debug!("failed to read the log of {}: {error}", runner.job),
            }
            if self.has_ended(&runner.name) {
                return;
            }
            if let Some(why) = pod.over {
                self.lost(&runner.name, why);
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits for a moment, or until the run is asked to end.
    pub(super) async fn wait(&self, length: Duration, cancel: &Cancel) {
        let mut cancel = cancel.clone();
        let end = Instant::now() + length;
        tokio::select! {
            () = sleep_until(end) => {}
            _ = cancel.wait_for(|cancelled| *cancelled) => {}
        }
    }
}
