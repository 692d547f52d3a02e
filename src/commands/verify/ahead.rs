//! What is ready is walked while the rest is waited for; how much of that stands at the end. IO.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::watch;

use super::{ClusterGraph, Run, options};
use crate::diagnose::walk;
use crate::finding::EdgeId;
use crate::graph::TierGraph;
use crate::jobs;
use crate::observe::{Api, Cancel, ObserveError, Snapshot};
use crate::plan::{self, Outcomes, PlanOptions, ProbePlan};
use crate::probe::wire::StepStatus;
use crate::report::Report;
use crate::report::words::INTERRUPTED;
use crate::verdict::VerdictOptions;

/// A look at part of the edges, and the state that it was made in.
pub(super) struct Ahead {
    pub(super) snapshot: Snapshot,
    pub(super) plan: ProbePlan,
    pub(super) outcomes: Outcomes,
}

impl Ahead {
    /// The edges that passed and at which nothing has changed since, with what was said of them alone. What failed then is walked
    /// again: it may have been a start that no probe shows.
    pub(super) fn proven(
        mut self,
        graph: &TierGraph,
        now: &Snapshot,
        options: &PlanOptions,
    ) -> (BTreeSet<EdgeId>, Outcomes) {
        let all = plan::plan(graph, now, options);
        let stands = plan::SameWalk::new(graph, (&self.snapshot, &self.plan), (now, &all));
        let proven: BTreeSet<EdgeId> = walk::evidence(graph, &self.snapshot, Some(&self.outcomes))
            .into_values()
            .filter(|evidence| {
                let whole =
                    |walk: &walk::Walk<'_>| walk.status == StepStatus::Pass && walk.probe.complete;
                !evidence.walks.is_empty()
                    && evidence.walks.iter().all(whole)
                    && stands.holds(evidence.edge)
            })
            .map(|evidence| evidence.edge.id.clone())
            .collect();
        let is_kept = |task: &String| proven.contains(&EdgeId(task.clone()));
        for probe in &mut self.outcomes.probes {
            probe.tasks.retain(is_kept);
            probe.steps.retain(|step| is_kept(&step.task));
        }
        self.outcomes.probes.retain(|probe| !probe.tasks.is_empty());
        (proven, self.outcomes)
    }
}

impl Run<'_> {
    /// Waits for rollouts, and walks meanwhile what they do not concern, unless a look was made already. What has not ended when they
    /// have settled is given up: the next look takes it.
    pub(super) async fn wait(
        &mut self,
        api: &Api,
        seen: ClusterGraph,
        ahead: &mut Option<Ahead>,
    ) -> ControlFlow<Report, ClusterGraph> {
        let patience = self.patience(&seen.snapshot);
        let options = options::of_plan(&self.args.probe, self.args.timeout);
        let plan = match &ahead {
            None if !patience.is_zero() => plan::ahead(&seen.graph, &seen.snapshot, &options),
            _ => ProbePlan::default(),
        };
        let (over, cancel) = watch::channel(false);
        let waited = if plan.vantages.is_empty() {
            self.settled(api, seen, patience, over).await
        } else {
            let snapshot = seen.snapshot.clone();
            let (waited, (outcomes, left)) = tokio::join!(
                Box::pin(self.settled(api, seen, patience, over)),
                Box::pin(self.walk(api, &plan, &options.run, cancel)),
            );
            self.notes.extend(left);
            *ahead = Some(Ahead {
                snapshot,
                plan,
                outcomes,
            });
            waited
        };
        match waited {
            Ok(Ok(seen)) => ControlFlow::Continue(seen),
            Ok(Err(error)) => ControlFlow::Break(self.blocked(&error)),
            Err(signal) => ControlFlow::Break(match ahead.take() {
                Some(ahead) => self.cut_short(&ahead, &signal),
                None => self.interrupted(&signal),
            }),
        }
    }

    /// The state once it has settled, or the signal that ended the wait; says that it is over.
    async fn settled(
        &self,
        api: &Api,
        seen: ClusterGraph,
        patience: Duration,
        over: watch::Sender<bool>,
    ) -> Result<Result<ClusterGraph, ObserveError>, String> {
        let waited = tokio::select! {
            waited = Box::pin(self.settle(api, seen, patience)) => Ok(waited),
            signal = self.signals.wait() => Err(signal),
        };
        over.send_replace(true);
        waited
    }

    /// Runs a plan in silence, since what is waited for is what a person wants to know, and sees its Jobs gone.
    async fn walk(
        &self,
        api: &Api,
        plan: &ProbePlan,
        run: &str,
        cancel: Cancel,
    ) -> (Outcomes, Vec<String>) {
        let options = self.job_options(run);
        let session = jobs::JobSession::new(api, &options, cancel);
        self.open(plan);
        let outcomes = session.run(plan, &|_| {}).await;
        (outcomes, self.clean_up(session).await)
    }

    /// What was walked by then, for a run that was asked to end while it waited.
    fn cut_short(&mut self, ahead: &Ahead, signal: &str) -> Report {
        self.progress.done();
        self.notes.push(format!(
            "{INTERRUPTED}{signal}: what had not ended by then is unknown"
        ));
        let options = VerdictOptions {
            skipped: ahead.plan.skipped.clone(),
            ..self.verdict_options()
        };
        let graph = self.graph(&ahead.snapshot);
        self.report(&graph, &ahead.snapshot, Some(&ahead.outcomes), &options)
    }
}
