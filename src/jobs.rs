//! Creates probe Jobs, follows their logs, classifies what keeps them from running, always deletes them. IO.
//!
//! [`ProbePlan`] → [`Outcomes`], one entry per container whatever happens. Results are read from the logs as soon as those can
//! be read: nothing waits for a Job to complete.

mod admission;
mod attempt;
mod classify;
mod counts;
mod create;
mod feed;
mod late;
mod outcome;
mod reader;
mod records;
mod remove;
mod room;
mod slots;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{join_all, select};

use crate::observe::{Api, Cancel};
use crate::plan::{JobOptions, Outcomes, ProbePlan};

pub(crate) use create::{create_job, create_pod};
use feed::Feeds;
use remove::Made;
pub use remove::sweep;
pub(crate) use remove::{JobName, delete_job};
use slots::Slots;

/// How far the probes are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobsProgress {
    /// Containers in all.
    pub containers: usize,
    /// Containers that are done, well or not.
    pub finished: usize,
    /// Steps that came in.
    pub steps: usize,
    /// The tiers whose probes are not done, for people.
    pub waiting: Arc<str>,
}

/// Called with every change of [`JobsProgress`].
pub type OnProgress<'a> = &'a (dyn Fn(JobsProgress) + Sync);

/// Probe Jobs of one run: what it creates it deletes.
///
/// `run` may be called several times (the second look); `finish` sees everything gone and must be called at the end.
pub struct JobSession<'a> {
    api: &'a Api,
    options: &'a JobOptions,
    cancel: Cancel,
    made: Mutex<Made>,
    may_delete_pods: AtomicBool,
    /// By namespace.
    may_create_pods: tokio::sync::Mutex<BTreeMap<String, bool>>,
}

impl<'a> JobSession<'a> {
    /// Nothing is created yet.
    pub fn new(api: &'a Api, options: &'a JobOptions, cancel: Cancel) -> Self {
        Self {
            api,
            options,
            cancel,
            made: Mutex::default(),
            may_delete_pods: AtomicBool::new(true),
            may_create_pods: tokio::sync::Mutex::default(),
        }
    }

    /// Runs all Jobs of a plan, as many at a time as a node and the cluster bear; each is deleted as soon as it has said all. One outcome per container, in the order
    /// of the plan.
    pub async fn run(&self, plan: &ProbePlan, progress: OnProgress<'_>) -> Outcomes {
        let counts = counts::Counts::new(&plan.vantages, progress);
        let slots = Slots::default();
        let feeds = Feeds::new(
            plan.vantages
                .iter()
                .map(|vantage| vantage.identity.namespace.clone()),
        );
        let job_prefix = crate::plan::job::name(&self.options.run, "");
        let work = join_all(
            plan.vantages
                .iter()
                .map(|vantage| attempt::probe(self, &feeds, &counts, &slots, vantage)),
        );
        let follow = feeds.follow(self.api, &job_prefix);
        // The feeds never end; they are dropped with the last Job.
        let outcomes = match select(Box::pin(work), Box::pin(follow)).await {
            futures::future::Either::Left((outcomes, _)) => outcomes,
            futures::future::Either::Right(((), work)) => work.await,
        };
        Outcomes {
            probes: outcomes.into_iter().flatten().collect(),
        }
    }

    /// Deletes what is left and sees the Pods gone, within that time. Says what could not be deleted, for the user.
    pub async fn finish(self, limit: Duration) -> Vec<String> {
        let made = self.made().clone();
        match tokio::time::timeout(limit, remove::remove_all(self.api, &made)).await {
            Ok(left) => left,
            Err(_) => made
                .iter()
                .filter(|(_, deleted)| !**deleted)
                .map(|(job, _)| remove::unanswered(job, limit))
                .collect(),
        }
    }

    /// A Job that was refused for certain.
    fn forget(&self, job: &JobName) {
        self.made().remove(job);
    }

    /// A Job that may exist from now on.
    fn register(&self, job: JobName) {
        self.made().insert(job, false);
    }

    /// A Job whose deletion was answered well.
    fn deleted(&self, job: &JobName) {
        self.made().insert(job.clone(), true);
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether Pods without a controller can be had; asked once for each namespace.
    async fn may_create_pods(&self, namespace: &str) -> bool {
        let mut known = self.may_create_pods.lock().await;
        if let Some(may) = known.get(namespace) {
            return *may;
        }
        let may = create::may_create_pods(self.api, namespace).await;
        if !may {
            tracing::warn!(
                "not allowed to create pods in namespace {namespace}: PodDisruptionBudgets that select the labels of a probe cannot be computed while it runs"
            );
        }
        known.insert(namespace.to_owned(), may);
        may
    }

    /// Hastens the end of a deleted Job's Pod. The tool does not ask for that permission: it tries, once.
    async fn delete_pod(&self, namespace: &str, pod: &str) {
        if self.may_delete_pods.load(Ordering::Relaxed)
            && !remove::delete_pod(self.api, namespace, pod).await
        {
            self.may_delete_pods.store(false, Ordering::Relaxed);
        }
    }
}
