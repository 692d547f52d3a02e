//! One vantage: create its Job, wait for its Pod, read the logs of its containers, delete it. IO.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::finding::Code;
use crate::observe::kinds::{Event, Pod};
use crate::observe::resources::EVENTS;
use crate::observe::{Api, encode};
use crate::plan::{Identity, ProbeFailure, ProbeOutcome, TierProbe, Vantage};

use super::classify::{self, PodSays};
use super::counts::Counts;
use super::create::create;
use super::feed::{Feeds, Pods};
use super::reader::{Reader, taken};
use super::records::Log;
use super::remove::{JobName, delete_job};
use super::slots::Slots;
use super::{Cancel, Session};

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
/// How long the last node may be full: Pods of an earlier look may still be leaving it.
const LAST_NODE_PATIENCE: Duration = Duration::from_secs(8);

/// How one attempt ended.
enum Attempt {
    /// Whatever was said, per container, and why there is no more.
    Done {
        node: String,
        logs: Vec<(Log, Option<ProbeFailure>)>,
    },
    /// No node takes it.
    Unschedulable(ProbeFailure),
}

/// Probes from one vantage: on its node, or the next best one.
pub(super) async fn probe(
    session: &Session<'_>,
    feeds: &Feeds,
    counts: &Counts<'_>,
    slots: &Slots,
    vantage: &Vantage,
) -> Vec<ProbeOutcome> {
    let containers = vantage.by_container().count();
    let mut nodes = vantage.fallback_nodes.iter();
    let mut current = vantage.clone();
    let mut attempts = 0;
    let (node, logs) = loop {
        let last = nodes.len() == 0;
        let _slot = slots.take(current.identity.node.as_deref()).await;
        let job = Job::new(session, &current);
        let ended = job.run(feeds, counts, &current, last).await;
        match ended {
            Attempt::Done { node, logs } => break (node, logs),
            Attempt::Unschedulable(failure) => {
                let Some(node) = nodes.next() else {
                    let logs = vec![(Log::default(), Some(failure)); containers];
                    break (String::new(), logs);
                };
                attempts += 1;
                current.id = format!("{}-{attempts}", vantage.id);
                current.identity.node = Some(node.clone());
            }
        }
    };
    counts.change(|now| now.finished += containers);
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

/// What one container said of one tier: one outcome, or two where its log broke off and some edges were finished before.
fn outcomes(
    vantage: &Vantage,
    identity: &Identity,
    node: &str,
    probe: &TierProbe,
    log: Log,
    failure: Option<ProbeFailure>,
) -> Vec<ProbeOutcome> {
    let names = probe.spec.names.iter().map(|task| task.id.clone());
    let edges = probe.spec.edges.iter().map(|task| task.id.clone());
    let complete = log.is_whole() && failure.is_none();
    let outcome = ProbeOutcome {
        vantage: vantage.id.clone(),
        tier: probe.tier.clone(),
        identity: identity.clone(),
        node: node.to_owned(),
        look: vantage.look,
        complete,
        nameservers: log.nameservers,
        search: log.search,
        steps: log.steps,
        sql: log.sql,
        failure,
        tasks: names.chain(edges).collect(),
    };
    if complete || log.finished.is_empty() {
        return vec![outcome];
    }
    let mut finished = outcome.clone();
    finished.complete = true;
    finished.failure = None;
    finished.tasks.retain(|task| log.finished.contains(task));
    finished
        .steps
        .retain(|step| log.finished.contains(&step.task));
    let mut rest = outcome;
    rest.tasks.retain(|task| !log.finished.contains(task));
    rest.steps.retain(|step| !log.finished.contains(&step.task));
    // With nothing left to say, what broke off was only the end record.
    if rest.tasks.is_empty() {
        vec![finished]
    } else {
        vec![finished, rest]
    }
}

/// One Job.
struct Job<'a> {
    session: &'a Session<'a>,
    api: &'a Api,
    name: JobName,
}

impl<'a> Job<'a> {
    fn new(session: &'a Session<'a>, vantage: &Vantage) -> Self {
        Self {
            session,
            api: session.api,
            name: JobName {
                namespace: vantage.identity.namespace.clone(),
                name: crate::plan::job::name(&session.options.run, &vantage.id),
            },
        }
    }

    /// Creates, reads, deletes. A creation that was sent is waited for: it may have made the Job.
    async fn run(
        &self,
        feeds: &Feeds,
        counts: &Counts<'_>,
        vantage: &Vantage,
        last: bool,
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
            return all(
                vantage,
                &classify::refused(&self.name, self.api.server(), &error),
            );
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
        last: bool,
    ) -> Attempt {
        let deadline = Instant::now() + Duration::from_secs(self.session.options.deadline_seconds);
        let attempt = tokio::select! {
            attempt = self.read(pods.clone(), counts, vantage, logs, last) => attempt,
            () = sleep_until(deadline + MARGIN) => {
                let failure = self.too_late(pods.as_ref()).await;
                self.so_far(vantage, pods.as_ref(), logs, &failure)
            }
        };
        self.with_deadline(attempt, deadline, pods.as_ref()).await
    }

    /// What fails here is tried again when the session finishes.
    async fn delete(&self, pods: Option<watch::Receiver<Pods>>) {
        if let Err(error) = delete_job(self.api, &self.name).await {
            tracing::debug!("failed to delete job/{}: {error}", self.name.name);
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
    ) -> Attempt {
        let Attempt::Done { node, mut logs } = attempt else {
            return attempt;
        };
        let lost = |failure: &Option<ProbeFailure>| {
            failure
                .as_ref()
                .is_some_and(|failure| failure.code == Code::ProbeLost)
        };
        if Instant::now() + DEADLINE_TOLERANCE >= deadline
            && !*self.session.cancel.borrow()
            && logs.iter().any(|(_, failure)| lost(failure))
        {
            let late = self.too_late(pods).await;
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
        last: bool,
    ) -> Attempt {
        let Some(pods) = pods else {
            let failure = classify::failure(
                &self.name,
                Code::ProbeLost,
                "nobody follows the probe's Pod",
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
        last: bool,
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
                        if !last || since.elapsed() >= LAST_NODE_PATIENCE {
                            return Err(Ok(Attempt::Unschedulable(self.unschedulable(words))));
                        }
                    }
                    PodSays::Unbound => full_since = None,
                },
            }
            if seen.is_none() && Instant::now() >= look_at_events {
                if let Some(failure) = self.why_no_pod().await {
                    return Err(Err(failure));
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
            .find_map(|event| classify::event(&self.name, event))
    }

    async fn events(&self, object: &str) -> Vec<Event> {
        let path = EVENTS.path(Some(&encode(&self.name.namespace)));
        let query = format!(
            "fieldSelector={}",
            encode(&format!("involvedObject.name={object}"))
        );
        match self.api.list::<Event>(&path, &query).await {
            Ok(listed) => listed.items,
            Err(error) => {
                tracing::debug!("failed to read events of {object}: {error}");
                Vec::new()
            }
        }
    }

    fn unschedulable(&self, words: String) -> ProbeFailure {
        classify::failure(
            &self.name,
            Code::ProbeUnschedulable,
            "no node takes the probe's Pod; make room, or allow others with --probe-toleration or --probe-node-selector",
            vec![words],
        )
    }

    fn interrupted(&self) -> ProbeFailure {
        classify::failure(
            &self.name,
            Code::ProbeLost,
            "the run was interrupted before the probe had ended",
            Vec::new(),
        )
    }

    async fn too_late(&self, pods: Option<&watch::Receiver<Pods>>) -> ProbeFailure {
        let seen = pods.and_then(|pods| pods.borrow().get(&self.name.name).cloned());
        let object = seen
            .as_ref()
            .map_or(self.name.name.as_str(), |seen| &seen.pod.metadata.name);
        let mut evidence: Vec<String> = self
            .events(object)
            .await
            .iter()
            .filter(|event| event.kind == "Warning")
            .map(|event| format!("{}: {}", event.reason, event.message))
            .collect();
        evidence.sort();
        evidence.dedup();
        evidence.truncate(4);
        let state = match &seen {
            None => "its controller made no Pod",
            Some(seen) if seen.pod.spec.node_name.is_empty() => "its Pod was bound to no node",
            Some(seen) if seen.pod.status.phase == "Pending" => "its Pod did not start",
            Some(_) => "its Pod did not end",
        };
        classify::failure(
            &self.name,
            Code::ProbeTimeout,
            format!("the probe ran past its deadline: {state}; give it more with --timeout"),
            evidence,
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

/// Until the run is cancelled; for ever where nobody can cancel it any more.
async fn cancelled(cancel: &mut Cancel) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::Look;

    #[test]
    fn edges_that_were_finished_before_a_crash_stand() {
        let task = |id: &str| {
            json!({"id": id, "host": "h", "port": 1, "protocol": "redis", "endpoints": [],
                "skip_endpoints": null, "http": null, "tls": null, "login": null, "no_login_reason": "",
                "retry_not_found_ms": 0, "retry_until_ms": 0, "recheck_pass": false, "mesh": false,
                "replica": false, "query": null, "forbidden": false})
        };
        let probe = TierProbe {
            tier: "AP".to_owned(),
            workload: None,
            container: "t1".to_owned(),
            env: Vec::new(),
            env_from: Vec::new(),
            spec: serde_json::from_value(json!({"version": 1, "run": "r", "deadline_ms": 1,
                "names": [], "edges": [task("a"), task("b")]}))
            .unwrap(),
        };
        let vantage = Vantage {
            id: "v1".to_owned(),
            identity: Identity::default(),
            containers: vec![probe.clone()],
            look: Look::First,
            fallback_nodes: Vec::new(),
            bare: false,
            resources: crate::plan::Resources::default(),
            payload: None,
        };
        let step = |task: &str| {
            json!({"record": "step", "task": task, "name": "service", "target": "h",
                "status": "pass", "duration_ms": 1})
        };
        let log = Log::read(
            &[
                json!({"record": "started", "task": "a"}),
                json!({"record": "started", "task": "b"}),
                step("a"),
                step("b"),
                json!({"record": "finished", "task": "a"}),
            ]
            .map(|line| line.to_string())
            .join("\n"),
        );
        let job = JobName {
            namespace: "shop".to_owned(),
            name: "j".to_owned(),
        };
        let failure = classify::failure(&job, Code::ProbeLost, "crashed", Vec::new());
        let identity = Identity::default();
        let all = outcomes(&vantage, &identity, "n1", &probe, log, Some(failure));
        let [whole, rest] = all.as_slice() else {
            panic!("two outcomes: {all:?}");
        };
        assert!(whole.complete && whole.failure.is_none());
        assert_eq!(
            (&whole.tasks[..], whole.steps.len()),
            (&["a".to_owned()][..], 1)
        );
        assert!(!rest.complete && rest.failure.is_some());
        assert_eq!(
            (&rest.tasks[..], rest.steps.len()),
            (&["b".to_owned()][..], 1)
        );
    }
}
