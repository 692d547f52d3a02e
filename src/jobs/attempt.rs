//! One vantage: create its Job, wait for its Pod, read the logs of its containers, delete it. IO.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::finding::Code;
use crate::observe::kinds::{Event, Pod};
use crate::observe::resources::{EVENTS, with_field};
use crate::observe::{Api, Cancel};
use crate::plan::{ProbeFailure, ProbeOutcome, Vantage};

use super::JobSession;
use super::admission;
use super::classify::{self, PodSays};
use super::counts::Counts;
use super::create::create;
use super::feed::{Feeds, Pods};
use super::late::{self, AtDeadline};
use super::outcome::outcomes;
use super::reader::{Reader, taken};
use super::records::Log;
use super::remove::{JobName, delete_job};
use super::slots::Slots;

/// What a Job may live beyond its deadline before it is given up here.
const MARGIN: Duration = Duration::from_secs(5);
/// Time for a request that is under way when the run is cancelled.
const REQUEST_GRACE: Duration = Duration::from_millis(1500);
/// The controller's clock has whole seconds.
const DEADLINE_TOLERANCE: Duration = Duration::from_secs(1);
/// Until then a Job without a Pod is nothing strange.
const POD_PATIENCE: Duration = Duration::from_millis(700);
/// Pause between looks at the events of a Job without a Pod.
const EVENT_PAUSE: Duration = Duration::from_millis(500);
/// How long the last node may turn the Pod away for another reason than being full: a taint may be about to go.
const LAST_NODE_PATIENCE: Duration = Duration::from_secs(8);
/// How long a quota or the last node may be full, within the deadline: other Pods, of another run perhaps, may be leaving it.
const FULL_PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two tries of what is full.
const FULL_PAUSE: Duration = Duration::from_secs(1);

/// How one attempt ended.
enum Attempt {
    /// Whatever was said, per container, and why there is no more.
    Done {
        node: String,
        logs: Vec<(Log, Option<ProbeFailure>)>,
    },
    /// No node takes it.
    Unschedulable(ProbeFailure),
    /// The cluster refuses it.
    Refused(ProbeFailure),
}

/// Probes from one vantage: on its node, or the next best one. What is full for a moment is tried again, and so is, once, a probe that was lost.
pub(super) async fn probe(
    session: &JobSession<'_>,
    feeds: &Feeds,
    counts: &Counts<'_>,
    slots: &Slots,
    vantage: &Vantage,
) -> Vec<ProbeOutcome> {
    let containers = vantage.by_container().count();
    let deadline = Duration::from_secs(session.options.deadline_seconds);
    let end_of_patience = Instant::now() + FULL_PATIENCE.min(deadline);
    let mut nodes = vantage.fallback_nodes.iter();
    let mut current = vantage.clone();
    let (mut attempts, mut repeated) = (0, false);
    let (node, mut logs) = loop {
        let began = Instant::now();
        let slot = slots.take(current.identity.node.as_deref()).await;
        let job = Job::new(session, &current);
        let last = (nodes.len() == 0).then_some(end_of_patience);
        let failure = match job.run(feeds, counts, &current, last).await {
            Attempt::Done { node, logs } => {
                let again = !repeated
                    && vantage.payload.is_none()
                    && !*session.cancel.borrow()
                    && began.elapsed() < deadline / 2
                    && logs.iter().any(|(_, failure)| is_passing(failure.as_ref()));
                if !again {
                    break (node, logs);
                }
                repeated = true;
                None
            }
            Attempt::Unschedulable(failure) => match nodes.next() {
                Some(node) => {
                    current.identity.node = Some(node.clone());
                    None
                }
                None => Some(failure),
            },
            Attempt::Refused(failure) => Some(failure),
        };
        drop(slot);
        if let Some(failure) = failure {
            let waits = failure.passing && Instant::now() + FULL_PAUSE < end_of_patience;
            let mut cancel = session.cancel.clone();
            let goes_on = waits
                && tokio::select! {
                    () = sleep(FULL_PAUSE) => true,
                    () = cancelled(&mut cancel) => false,
                };
            if !goes_on {
                let logs = vec![(Log::default(), Some(failure)); containers];
                break (String::new(), logs);
            }
        }
        attempts += 1;
        current.id = format!("{}-{attempts}", vantage.id);
    };
    if repeated {
        for failure in logs.iter_mut().filter_map(|(_, failure)| failure.as_mut()) {
            if failure.passing {
                failure.message += "; it was tried twice";
            }
        }
    }
    counts.finish(vantage);
    let mut found = Vec::new();
    for (probes, (log, failure)) in vantage.by_container().zip(logs) {
        for probe in probes {
            let log = if probes.len() > 1 {
                log.of(&probe.spec)
            } else {
                log.clone()
            };
            let failure = failure.clone();
            found.extend(outcomes(
                vantage,
                &current.identity,
                &node,
                probe,
                log,
                failure,
            ));
        }
    }
    found
}

fn is_passing(failure: Option<&ProbeFailure>) -> bool {
    failure.is_some_and(|failure| failure.passing)
}

/// One Job.
struct Job<'a> {
    session: &'a JobSession<'a>,
    api: &'a Api,
    name: JobName,
}

impl<'a> Job<'a> {
    fn new(session: &'a JobSession<'a>, vantage: &Vantage) -> Self {
        Self {
            session,
            api: session.api,
            name: JobName::new(
                &vantage.identity.namespace,
                &crate::plan::job::name(&session.options.run, &vantage.id),
            ),
        }
    }

    /// Creates, reads, deletes. A creation that was sent is waited for: it may have made the Job.
    async fn run(
        &self,
        feeds: &Feeds,
        counts: &Counts<'_>,
        vantage: &Vantage,
        last: Option<Instant>,
    ) -> Attempt {
        let mut cancel = self.session.cancel.clone();
        if *cancel.borrow() {
            return all(vantage, &self.interrupted());
        }
        self.session.register(self.name.clone());
        let created = tokio::select! {
            created = create(self.session, &self.name, vantage) => created,
            () = soon_after(&mut cancel) => return all(vantage, &self.interrupted()),
        };
        if let Err(error) = created {
            if matches!(error.status(), Some(400..=499)) {
                self.session.forget(&self.name);
            }
            return Attempt::Refused(admission::refused(&self.name, self.api.server(), &error));
        }
        let logs: Vec<Mutex<Log>> = vantage.by_container().map(|_| Mutex::default()).collect();
        let pods = feeds.of(&self.name.namespace);
        let attempt = tokio::select! {
            attempt = self.until_deadline(pods.clone(), counts, vantage, &logs, last) => attempt,
            () = cancelled(&mut cancel) => {
                self.so_far(vantage, pods.as_ref(), &logs, &self.interrupted())
            }
        };
        // A Pod that has to take back what it made is not cut off.
        let gently = vantage.payload.is_some() && !logs.iter().all(|log| taken(log).is_over());
        tokio::select! {
            () = self.delete(if gently { None } else { pods }) => {}
            () = soon_after(&mut cancel) => {}
        }
        attempt
    }

    async fn until_deadline(
        &self,
        pods: Option<watch::Receiver<Pods>>,
        counts: &Counts<'_>,
        vantage: &Vantage,
        logs: &[Mutex<Log>],
        last: Option<Instant>,
    ) -> Attempt {
        let deadline = Instant::now() + Duration::from_secs(self.session.options.deadline_seconds);
        let attempt = tokio::select! {
            attempt = self.read(pods.clone(), counts, vantage, logs, last) => attempt,
            () = sleep_until(deadline + MARGIN) => {
                let failure = self.too_late(pods.as_ref(), logs).await;
                self.so_far(vantage, pods.as_ref(), logs, &failure)
            }
        };
        self.with_deadline(attempt, deadline, pods.as_ref(), logs)
            .await
    }

    /// What fails here is tried again when the session finishes.
    async fn delete(&self, pods: Option<watch::Receiver<Pods>>) {
        match delete_job(self.api, &self.name).await {
            Ok(()) => self.session.deleted(&self.name),
            Err(error) => tracing::debug!("failed to delete job/{}: {error}", self.name.name),
        }
        let pod = pods.and_then(|pods| {
            let seen = pods.borrow().get(&self.name.name).cloned()?;
            (!seen.gone).then(|| seen.pod.metadata.name.clone())
        });
        if let Some(pod) = pod {
            self.session.delete_pod(&self.name.namespace, &pod).await;
        }
    }

    /// At the Job's deadline its controller deletes the Pod: what broke off then was too late, not lost.
    async fn with_deadline(
        &self,
        attempt: Attempt,
        deadline: Instant,
        pods: Option<&watch::Receiver<Pods>>,
        read: &[Mutex<Log>],
    ) -> Attempt {
        let Attempt::Done { node, mut logs } = attempt else {
            return attempt;
        };
        let lost = |failure: &Option<ProbeFailure>| {
            failure
                .as_ref()
                .is_some_and(|failure| matches!(failure.code, Code::ProbeLost | Code::ProbeTimeout))
        };
        if Instant::now() + DEADLINE_TOLERANCE >= deadline
            && !*self.session.cancel.borrow()
            && logs.iter().any(|(_, failure)| lost(failure))
        {
            let late = self.too_late(pods, read).await;
            for (_, failure) in &mut logs {
                if lost(failure) {
                    *failure = Some(late.clone());
                }
            }
        }
        Attempt::Done { node, logs }
    }

    async fn read(
        &self,
        pods: Option<watch::Receiver<Pods>>,
        counts: &Counts<'_>,
        vantage: &Vantage,
        logs: &[Mutex<Log>],
        last: Option<Instant>,
    ) -> Attempt {
        let Some(pods) = pods else {
            let failure = classify::failure(
                &self.name,
                Code::ProbeLost,
                "no one follows the probe's Pod",
                Vec::new(),
            );
            return all(vantage, &failure);
        };
        let pod = match self.bound(pods.clone(), last).await {
            Ok(pod) => pod,
            Err(attempt) => return attempt.unwrap_or_else(|failure| all(vantage, &failure)),
        };
        let containers = vantage.by_container().filter_map(<[_]>::first).zip(logs);
        let failures = join_all(containers.map(|(probe, log)| {
            let reader = Reader {
                api: self.api,
                job: &self.name,
                container: &probe.container,
                pause: counts.pause(logs.len()),
                log,
            };
            let pods = pods.clone();
            async move { reader.read(pods, counts).await.err() }
        }))
        .await;
        Attempt::Done {
            node: pod.spec.node_name.clone(),
            logs: logs.iter().map(taken).zip(failures).collect(),
        }
    }

    /// Waits until the Pod is bound to a node.
    async fn bound(
        &self,
        mut pods: watch::Receiver<Pods>,
        last: Option<Instant>,
    ) -> Result<Arc<Pod>, Result<Attempt, ProbeFailure>> {
        let mut full_since: Option<Instant> = None;
        let mut look_at_events = Instant::now() + POD_PATIENCE;
        loop {
            let seen = pods.borrow_and_update().get(&self.name.name).cloned();
            match seen.as_ref() {
                None => {}
                Some(seen) if seen.gone => {
                    return Err(Err(classify::cut_off(
                        &self.name,
                        Some(&seen.pod),
                        "",
                        &Log::default(),
                    )));
                }
                Some(seen) => match classify::pod(&self.name, &seen.pod) {
                    PodSays::Bound => return Ok(seen.pod.clone()),
                    PodSays::Failed(failure) => return Err(Err(failure)),
                    PodSays::Unschedulable(words) => {
                        let since = *full_since.get_or_insert_with(Instant::now);
                        let failure = classify::unschedulable(&self.name, words);
                        // A Pod that the kubelet has turned away stays so; another one may be taken.
                        let over = seen.pod.status.phase == "Failed"
                            || last.is_none_or(|end| {
                                if failure.passing {
                                    Instant::now() >= end
                                } else {
                                    since.elapsed() >= LAST_NODE_PATIENCE
                                }
                            });
                        if over {
                            return Err(Ok(Attempt::Unschedulable(failure)));
                        }
                    }
                    PodSays::Unbound => full_since = None,
                },
            }
            if seen.is_none() && Instant::now() >= look_at_events {
                if let Some(failure) = self.why_no_pod().await {
                    return Err(Ok(Attempt::Refused(failure)));
                }
                look_at_events = Instant::now() + EVENT_PAUSE;
            }
            // A change wakes it at once; time alone must too.
            let _ = timeout(EVENT_PAUSE, pods.changed()).await;
        }
    }

    /// The Job's controller says by an event why it makes no Pod.
    async fn why_no_pod(&self) -> Option<ProbeFailure> {
        self.events(&self.name.name)
            .await
            .iter()
            .find_map(|event| admission::event(&self.name, event))
    }

    async fn events(&self, object: &str) -> Vec<Event> {
        let path = EVENTS.path(Some(&self.name.namespace));
        let query = with_field(&format!("involvedObject.name={object}"));
        match self.api.list::<Event>(&path, &query).await {
            Ok(listed) => listed.items,
            Err(error) => {
                tracing::debug!("failed to read events of {object}: {error}");
                Vec::new()
            }
        }
    }

    fn interrupted(&self) -> ProbeFailure {
        classify::failure(
            &self.name,
            Code::ProbeLost,
            "the run was interrupted before the probe had ended",
            Vec::new(),
        )
    }

    async fn too_late(
        &self,
        pods: Option<&watch::Receiver<Pods>>,
        logs: &[Mutex<Log>],
    ) -> ProbeFailure {
        let seen = pods.and_then(|pods| pods.borrow().get(&self.name.name).cloned());
        let object = seen
            .as_ref()
            .map_or(self.name.name.as_str(), |seen| &seen.pod.metadata.name);
        let events = self.events(object).await;
        let trouble = logs.iter().find_map(|log| taken(log).trouble);
        late::too_late(
            &self.name,
            &AtDeadline {
                pod: seen.as_ref().map(|seen| seen.pod.as_ref()),
                events: &events,
                log_error: trouble.as_deref(),
                seconds: self.session.options.deadline_seconds,
            },
        )
    }

    /// What was read until it was cut short.
    fn so_far(
        &self,
        vantage: &Vantage,
        pods: Option<&watch::Receiver<Pods>>,
        logs: &[Mutex<Log>],
        failure: &ProbeFailure,
    ) -> Attempt {
        debug_assert_eq!(vantage.by_container().count(), logs.len());
        let node = pods
            .and_then(|pods| {
                Some(
                    pods.borrow()
                        .get(&self.name.name)?
                        .pod
                        .spec
                        .node_name
                        .clone(),
                )
            })
            .unwrap_or_default();
        let logs = logs.iter().map(taken).map(|log| {
            let failure = (!log.is_whole()).then(|| failure.clone());
            (log, failure)
        });
        Attempt::Done {
            node,
            logs: logs.collect(),
        }
    }
}

/// The same failure for every container.
fn all(vantage: &Vantage, failure: &ProbeFailure) -> Attempt {
    Attempt::Done {
        node: String::new(),
        logs: vec![(Log::default(), Some(failure.clone())); vantage.by_container().count()],
    }
}

/// Until a request that is under way had its time once the run is cancelled.
async fn soon_after(cancel: &mut Cancel) {
    cancelled(cancel).await;
    sleep(REQUEST_GRACE).await;
}

/// Until the run is cancelled; without end where no one can cancel it any more.
async fn cancelled(cancel: &mut Cancel) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}
