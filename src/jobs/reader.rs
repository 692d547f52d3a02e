//! The log of one container of a probe, read as soon as it can be. IO.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::finding::{Code, ObjectRef};
use crate::observe::kinds::Pod;
use crate::observe::resources::{PODS, encode};
use crate::observe::{Api, CallError, Denied};
use crate::plan::ProbeFailure;

use super::classify::{self, ContainerSays, PodSays};
use super::counts::{Counts, LOG_PAUSE};
use super::feed::{ObservedPod, Pods};
use super::records::Log;
use super::remove::JobName;

/// The pause where the API server or the kubelet is in trouble.
const TROUBLE_PAUSE: Duration = Duration::from_millis(250);
/// Time for a log to be opened.
const LOG_OPEN: Duration = Duration::from_secs(10);
/// How long an image pull may be in trouble that may pass.
const PULL_PATIENCE: Duration = Duration::from_secs(12);
/// How often a log that breaks off is followed again.
const LOG_TRIES: usize = 5;

/// What was read so far.
pub(super) fn taken(log: &Mutex<Log>) -> Log {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Until a Job's own Pod is another than it was: those of other Jobs change much more often.
async fn changed(pods: &mut watch::Receiver<Pods>, job: &str, before: &ObservedPod) {
    let is_other = |pods: &Pods| match pods.get(job) {
        Some(now) => now.gone != before.gone || !Arc::ptr_eq(&now.pod, &before.pod),
        None => true,
    };
    if pods.wait_for(is_other).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Reads the log of one container.
pub(super) struct Reader<'a> {
    /// The way to the API.
    pub(super) api: &'a Api,
    /// The Job.
    pub(super) job: &'a JobName,
    /// The container.
    pub(super) container: &'a str,
    /// Pause between two tries.
    pub(super) pause: Duration,
    /// Where the records go.
    pub(super) log: &'a Mutex<Log>,
}

impl Reader<'_> {
    /// Until its end record, or why there is none.
    pub(super) async fn read(
        &self,
        mut pods: watch::Receiver<Pods>,
        counts: &Counts<'_>,
    ) -> Result<(), ProbeFailure> {
        let name = self.job;
        let mut trouble: Option<(Instant, ProbeFailure)> = None;
        let mut tries = 0;
        let mut started = false;
        loop {
            let seen = pods.borrow_and_update().get(&name.name).cloned();
            let Some(seen) = seen else {
                return Err(classify::cut_off(
                    name,
                    None,
                    self.container,
                    &taken(self.log),
                ));
            };
            if let PodSays::Failed(failure) = classify::pod(name, &seen.pod) {
                return Err(failure);
            }
            let says = classify::container(name, &seen.pod, self.container);
            match &says {
                ContainerSays::Failed(failure) => return Err(failure.clone()),
                ContainerSays::PullTrouble(failure) => {
                    let (since, _) =
                        trouble.get_or_insert_with(|| (Instant::now(), failure.clone()));
                    if since.elapsed() >= PULL_PATIENCE {
                        return Err(failure.clone());
                    }
                }
                // The Job's deadline came while the image was still being pulled.
                ContainerSays::Ended if trouble.is_some() && !started => {
                    let pulled = trouble.take().map(|(_, failure)| failure);
                    return pulled.map_or(Ok(()), Err);
                }
                ContainerSays::Waiting | ContainerSays::Running | ContainerSays::Ended => {}
            }
            match self.follow(&seen.pod, counts, &mut started).await {
                Ok(()) if taken(self.log).is_over() => return self.judge(&seen.pod).await,
                // It broke off: once more from the beginning, unless there is nothing more to come.
                Ok(()) => {
                    tries += 1;
                    let over = matches!(says, ContainerSays::Ended) || seen.gone;
                    if over || tries >= LOG_TRIES {
                        return self.judge(&self.latest(&pods, &seen.pod)).await;
                    }
                }
                Err(error) if matches!(error.status(), Some(401 | 403)) => {
                    return Err(self.forbidden(&error));
                }
                Err(_) if seen.gone => {
                    return Err(classify::cut_off(
                        name,
                        Some(&seen.pod),
                        self.container,
                        &taken(self.log),
                    ));
                }
                // 400: not started yet. All else (the kubelet is out of reach, say) has until the deadline.
                Err(error) => {
                    if error.status() != Some(400) {
                        tracing::debug!("failed to read the log of job/{}: {error}", name.name);
                        self.trouble(&error);
                        // A server that is busy, or a kubelet that is away, is not asked twenty times a second.
                        sleep(error.retry_after().unwrap_or(TROUBLE_PAUSE)).await;
                    }
                }
            }
            let _ = timeout(self.pause, changed(&mut pods, &name.name, &seen)).await;
        }
    }

    fn latest(&self, pods: &watch::Receiver<Pods>, before: &Arc<Pod>) -> Arc<Pod> {
        pods.borrow()
            .get(&self.job.name)
            .map_or_else(|| before.clone(), |seen| seen.pod.clone())
    }

    fn path(&self, pod: &Pod, follow: bool) -> String {
        format!(
            "{}/log?container={}&follow={follow}",
            PODS.object(&self.job.namespace, &pod.metadata.name),
            encode(self.container)
        )
    }

    /// Follows the log from its beginning until its end record or the end of the stream.
    async fn follow(
        &self,
        pod: &Pod,
        counts: &Counts<'_>,
        started: &mut bool,
    ) -> Result<(), CallError> {
        let mut lines = self.api.stream(&self.path(pod, true), LOG_OPEN).await?;
        *started = true;
        let mut behind = Some(Log::default());
        // A stream that breaks ends like one that is over: the records show which.
        while let Ok(Some(line)) = lines.next().await {
            let (new, over) = self.push(&mut behind, &line);
            if new > 0 {
                counts.change(|now| now.steps += new);
            }
            if over {
                break;
            }
        }
        Ok(())
    }

    /// Takes a line of a reading, which is what is kept as soon as it has come as far as the one before. Says how many records are new, and
    /// whether it is over.
    fn push(&self, behind: &mut Option<Log>, line: &str) -> (usize, bool) {
        let mut kept = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = behind.as_mut().unwrap_or(&mut *kept);
        let before = reading.records();
        reading.push(line);
        let said = (reading.records() - before, reading.is_over());
        if let Some(fresh) = behind.take_if(|fresh| fresh.is_further_than(&kept)) {
            *kept = fresh;
        }
        said
    }

    /// Keeps why there is no log, for the deadline's sake.
    fn trouble(&self, error: &CallError) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.trouble = Some(error.to_string());
    }

    /// A second reading replaces the first one only when it has come further.
    fn keep(&self, fresh: Log) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh.is_further_than(&log) {
            *log = fresh;
        }
    }

    /// What is there when nothing more comes; a log that is not whole is read once more, not following.
    async fn judge(&self, pod: &Pod) -> Result<(), ProbeFailure> {
        let name = self.job;
        if !taken(self.log).is_whole() && taken(self.log).refused.is_none() {
            sleep(LOG_PAUSE).await;
            match self.api.text(&self.path(pod, false)).await {
                Ok(text) => self.keep(Log::read(&text)),
                Err(error) => {
                    tracing::debug!("failed to read the log of job/{} again: {error}", name.name);
                }
            }
        }
        let log = taken(self.log);
        if let Some(message) = log.refused {
            return Err(classify::failure(
                name,
                Code::ProbeImageFailed,
                format!(
                    "the probe image does not fit this k8sverify: {message}; use the image of the same version"
                ),
                Vec::new(),
            ));
        }
        if log.is_whole() {
            return Ok(());
        }
        Err(classify::cut_off(name, Some(pod), self.container, &log))
    }

    fn forbidden(&self, error: &CallError) -> ProbeFailure {
        let name = self.job;
        let denied = Denied {
            verb: "get".to_owned(),
            group: String::new(),
            resource: "pods/log".to_owned(),
            namespace: name.namespace.clone(),
            message: error.to_string(),
        };
        let mut failure = classify::failure(
            name,
            Code::ApiForbidden,
            format!(
                "not allowed to {denied}, so the probe's results cannot be read{}",
                classify::granting(&denied)
            ),
            vec![denied.message.clone()],
        );
        failure.object = ObjectRef::new("resource", "pods/log", name.namespace.clone());
        failure
    }
}
