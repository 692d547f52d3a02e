//! `k8sverify`: the pipeline, from the user's files to the exit code. IO.

mod ahead;
mod blocked;
mod early;
pub(crate) mod options;
pub(crate) mod outputs;
pub(super) mod progress;
mod scope;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::input::{self, Input};
use super::log;
use super::signals::Signals;
use super::start::Start;
use super::{CommandError, cluster};
use crate::catalog::Catalog;
use crate::cli::{Switch, VerifyArgs};
use crate::diagnose::dialled::as_dialled;
use crate::diagnose::{Context, diagnose};
use crate::finding::EdgeId;
use crate::graph::{self, TierGraph};
use crate::jobs;
use crate::observe::{self, Api, ObserveError, ObserveOptions, Snapshot};
use crate::plan::{self, JobOptions, Outcomes, PlanOptions, ProbePlan};
use crate::report::Report;
use crate::report::words::INTERRUPTED;
use crate::verdict::{self, ReportMeta, VerdictOptions};
use ahead::Ahead;
use outputs::Outputs;
use progress::Progress;

/// Time for the clean-up: an API server that restarts is back by then.
const CLEAN_UP: Duration = Duration::from_secs(20);
/// The same for a run that is asked to end.
const CLEAN_UP_TOLD: Duration = Duration::from_secs(3);

/// Runs `verify`.
///
/// # Errors
/// [`CommandError::Usage`] for bad input, [`CommandError::Output`] for a report that cannot be written. What keeps the cluster from being asked is a report
/// with exit code 3, no error.
pub fn command(args: &VerifyArgs, signals: &Signals) -> Result<u8, CommandError> {
    log::start(args.output.verbose);
    let namespace = args.cluster.namespace.as_deref().unwrap_or_default();
    let outputs = Arc::new(Outputs::open(&args.output, namespace)?);
    let last_words = Arc::clone(&outputs);
    signals.end_gracefully(move |cause| last_words.give_up(cause));
    let limit = options::deadline(args);
    signals.end_after(
        limit,
        format!("the deadline of {} s (--deadline)", limit.as_secs()),
    );
    let report = verify(args, &outputs, signals)
        .inspect_err(|failure| outputs.failed(&failure.to_string()))?;
    outputs.write(&report)?;
    Ok(report.exit_code)
}

fn verify(args: &VerifyArgs, outputs: &Outputs, signals: &Signals) -> Result<Report, CommandError> {
    let patch = options::patch(&args.probe)?;
    let input = input::read(&args.compose)?;
    cluster::ask(run(args, &input, patch, outputs, signals))
}

/// What a run carries from stage to stage.
struct Run<'a> {
    args: &'a VerifyArgs,
    input: &'a Input,
    /// The user's patch of the probe Pods.
    patch: Value,
    outputs: &'a Outputs,
    catalog: Catalog,
    start: Start,
    signals: Signals,
    progress: Progress,
    notes: Vec<String>,
}

/// The cluster, and who must reach whom in it.
struct ClusterGraph {
    snapshot: Snapshot,
    graph: TierGraph,
}

/// What the first look was made by.
#[derive(Clone, Copy)]
struct First<'a> {
    graph: &'a TierGraph,
    plan: &'a ProbePlan,
    options: &'a PlanOptions,
}

async fn run(
    args: &VerifyArgs,
    input: &Input,
    patch: Value,
    outputs: &Outputs,
    signals: &Signals,
) -> Result<Report, CommandError> {
    let mut run = Run {
        args,
        input,
        patch,
        outputs,
        catalog: Catalog::embedded(),
        start: Start::now(),
        signals: signals.clone(),
        progress: Progress::new(args.output.quiet || args.output.verbose > 1),
        notes: Vec::new(),
    };
    if input.compose.is_some() {
        // Tiers are compose's: a name that is none of them needs no cluster to be wrong.
        input::no_errors(&run.graph(&Snapshot::default()))?;
    }
    let observed = tokio::select! {
        observed = Box::pin(run.observe()) => observed,
        signal = signals.wait() => return Ok(run.interrupted(&signal)),
    };
    match observed {
        Ok((api, seen)) => {
            input::no_errors(&seen.graph)?;
            Ok(Box::pin(run.verify(&api, seen)).await)
        }
        Err(error) if error.code().is_none() => Err(CommandError::Usage(error.to_string())),
        Err(error) => Ok(run.blocked(&error)),
    }
}

impl Run<'_> {
    /// The cluster as it is once its rollouts have settled.
    async fn observe(&mut self) -> Result<(Api, ClusterGraph), ObserveError> {
        self.progress.stage("connecting");
        let (api, namespace) = cluster::connect(&self.args.cluster).await?;
        let options = self.observe_options(namespace);
        self.progress.stage("observing");
        // Jobs of a run that was killed are swept meanwhile; what cannot be swept has its TTL.
        let (snapshot, ()) = tokio::join!(
            Box::pin(observe::observe(&api, &options)),
            jobs::sweep(&api, &options.namespace)
        );
        let snapshot = snapshot?;
        let seen = ClusterGraph {
            graph: self.graph(&snapshot),
            snapshot,
        };
        if seen.graph.absent.is_some() || !seen.graph.errors.is_empty() {
            // Nothing of the application is there to wait for, or the user's file does not fit.
            return Ok((api, seen));
        }
        let early = options::wait(self.args).min(early::EARLY);
        let seen = self.settle(&api, seen, early).await?;
        Ok((api, seen))
    }

    /// Waits for rollouts, at most for that long.
    async fn settle(
        &self,
        api: &Api,
        seen: ClusterGraph,
        at_most: Duration,
    ) -> Result<ClusterGraph, ObserveError> {
        let ClusterGraph { snapshot, graph } = seen;
        let first = scope::of(&graph, &snapshot, self.args.wait);
        let scope = |snapshot: &Snapshot| {
            let graph = self.graph(snapshot);
            scope::of(&graph, snapshot, self.args.wait)
        };
        let options = self.observe_options(snapshot.namespace.clone());
        let before = snapshot.settle.waited_ms;
        let on_progress = |text: &str| self.progress.stage(text);
        let start = (snapshot, first);
        let mut snapshot =
            observe::settle(api, &options, start, at_most, &scope, &on_progress).await?;
        let graph = if snapshot.settle.waited_ms > 0 {
            self.graph(&snapshot)
        } else {
            graph
        };
        snapshot.settle.waited_ms += before;
        Ok(ClusterGraph { snapshot, graph })
    }

    /// How much longer rollouts may be waited for.
    fn patience(&self, snapshot: &Snapshot) -> Duration {
        if snapshot.settle.unsettled.is_empty() {
            return Duration::ZERO;
        }
        options::wait(self.args).saturating_sub(self.start.elapsed())
    }

    fn graph(&self, snapshot: &Snapshot) -> TierGraph {
        let mut graph = self.input.graph(snapshot, &self.catalog);
        if self.args.check_isolation {
            graph::forbid_between_networks(&mut graph);
        }
        if self.args.entries == Switch::Off {
            graph.entries.clear();
            graph.unreached.clear();
        }
        graph
    }

    /// Looks, and where rollouts have not settled and the look does not show why, waits for them and looks again at what is not proven.
    async fn verify(&mut self, api: &Api, mut seen: ClusterGraph) -> Report {
        let mut early = !self.patience(&seen.snapshot).is_zero();
        let mut ahead = None;
        loop {
            let ClusterGraph {
                mut snapshot,
                graph,
            } = seen;
            if graph.absent.is_some() {
                self.progress.done();
                let options = self.verdict_options();
                return self.report(&graph, &snapshot, Some(&Outcomes::default()), &options);
            }
            if !early || early::all_suffer(&graph, &snapshot, api.now()) {
                match Box::pin(self.look(api, &graph, snapshot, early, ahead.take())).await {
                    ControlFlow::Break(report) => return report,
                    ControlFlow::Continue(looked) => {
                        snapshot = looked.snapshot.clone();
                        ahead = Some(looked);
                    }
                }
            }
            early = false;
            seen = match Box::pin(self.wait(api, ClusterGraph { snapshot, graph }, &mut ahead))
                .await
            {
                ControlFlow::Break(report) => return report,
                ControlFlow::Continue(seen) => seen,
            };
        }
    }

    /// Who ends the run from now on has the Jobs of this plan to name.
    fn open(&self, plan: &ProbePlan) {
        let namespaces = plan.vantages.iter();
        let namespaces = namespaces.map(|one| one.identity.namespace.clone());
        self.signals.open(namespaces);
    }

    /// One look at every edge that was not proven ahead, and the second one at what failed; `early`: only if the first shows why what has
    /// not settled never will; else what it said is given back.
    async fn look(
        &mut self,
        api: &Api,
        graph: &TierGraph,
        snapshot: Snapshot,
        early: bool,
        ahead: Option<Ahead>,
    ) -> ControlFlow<Report, Ahead> {
        let plan_options = options::of_plan(&self.args.probe, self.args.timeout);
        let job_options = self.job_options(&plan_options.run);
        let mut notes = ahead
            .iter()
            .flat_map(|ahead| ahead.plan.notes.clone())
            .collect::<BTreeSet<_>>();
        let (proven, stands) = ahead
            .map(|ahead| ahead.proven(graph, &snapshot, &plan_options))
            .unwrap_or_default();
        let plan = plan::rest(graph, &snapshot, &plan_options, &proven);
        let session = jobs::JobSession::new(api, &job_options, self.signals.cancel());
        self.open(&plan);
        let progress = &self.progress;
        let mut outcomes = session
            .run(&plan, &|state| progress.jobs("probing", &state))
            .await;
        let is_over = !early
            || self.signals.fired().is_some()
            || early::is_explained(graph, &snapshot, api.now(), &outcomes);
        if !is_over {
            let left = self.clean_up(session).await;
            self.notes.extend(left);
            return ControlFlow::Continue(Ahead {
                snapshot,
                plan,
                outcomes,
            });
        }
        outcomes.probes.extend(stands.probes);
        notes.extend(plan.notes.iter().cloned());
        self.notes.extend(notes);
        let mut seen = (snapshot, BTreeSet::new());
        if self.signals.fired().is_none() && has_failures(&outcomes) {
            let first = First {
                graph,
                plan: &plan,
                options: &plan_options,
            };
            seen = Box::pin(self.look_again(api, &session, &first, seen.0, &mut outcomes)).await;
        }
        if let Some(signal) = self.signals.fired() {
            self.notes.push(format!(
                "{INTERRUPTED}{signal}: what had not ended by then is unknown"
            ));
        }
        let (snapshot, changing) = seen;
        let options = VerdictOptions {
            skipped: plan.skipped.clone(),
            changing,
            ..self.verdict_options()
        };
        let mut report = self.report(graph, &snapshot, Some(&outcomes), &options);
        // Who is killed while cleaning up has its report.
        self.progress
            .interrupted_by(|| self.outputs.write_early(&report));
        self.progress.stage("cleaning up");
        report.notes.extend(self.clean_up(session).await);
        self.progress.done();
        ControlFlow::Break(report)
    }

    /// Sees everything of ours gone; what could not be deleted is said.
    async fn clean_up(&self, session: jobs::JobSession<'_>) -> Vec<String> {
        let limit = match self.signals.fired() {
            Some(_) => CLEAN_UP_TOLD,
            None => CLEAN_UP,
        };
        let left = session.finish(limit).await;
        self.signals.closed(&left);
        left
    }

    /// The cluster once more; nothing where it cannot be read now, or the run is to end.
    async fn observe_again(&self, api: &Api, options: &ObserveOptions) -> Option<Snapshot> {
        tokio::select! {
            observed = Box::pin(observe::observe(api, options)) => observed.ok(),
            _ = self.signals.wait() => None,
        }
    }

    /// The second look at what failed, and the same look once more where something changed meanwhile. Returns the newest state, and the edges under which
    /// it changed again.
    async fn look_again(
        &self,
        api: &Api,
        session: &jobs::JobSession<'_>,
        first: &First<'_>,
        snapshot: Snapshot,
        outcomes: &mut Outcomes,
    ) -> (Snapshot, BTreeSet<EdgeId>) {
        let First {
            graph,
            plan,
            options,
        } = *first;
        let progress = &self.progress;
        let on_progress = |state: jobs::JobsProgress| progress.jobs("second look", &state);
        let mut second = plan::second_look(graph, &snapshot, plan, outcomes, options);
        let observe_options = self.observe_options(snapshot.namespace.clone());
        // A list that fails now takes nothing from what was seen before.
        let Some(mut after) = self.observe_again(api, &observe_options).await else {
            outcomes
                .probes
                .extend(session.run(&second, &on_progress).await.probes);
            return (snapshot, BTreeSet::new());
        };
        after.settle = snapshot.settle.clone();
        let again = plan::again(graph, &snapshot, &after, outcomes, options);
        let repeated: BTreeSet<String> = again
            .vantages
            .iter()
            .flat_map(|vantage| &vantage.containers)
            .flat_map(|probe| &probe.spec.edges)
            .map(|edge| edge.id.clone())
            .collect();
        second.vantages.extend(again.vantages);
        if !second.vantages.is_empty() {
            outcomes
                .probes
                .extend(session.run(&second, &on_progress).await.probes);
        }
        if repeated.is_empty() {
            return (after, BTreeSet::new());
        }
        let Some(mut last) = self.observe_again(api, &observe_options).await else {
            return (after, BTreeSet::new());
        };
        last.settle = after.settle.clone();
        let still_changes = |edge: &&graph::Edge| {
            repeated.contains(&edge.id.0) && plan::changed(graph, &after, &last, edge)
        };
        let changing = graph
            .edges
            .iter()
            .filter(still_changes)
            .map(|edge| edge.id.clone())
            .collect();
        (last, changing)
    }

    fn observe_options(&self, namespace: String) -> ObserveOptions {
        cluster::observing(namespace, &self.input.config, self.args.no_logs)
    }

    fn job_options(&self, run: &str) -> JobOptions {
        options::jobs(&self.args.probe, self.args.timeout, run, &self.patch)
    }

    fn verdict_options(&self) -> VerdictOptions {
        self.input.verdict_options(&self.args.output)
    }

    fn report(
        &self,
        graph: &TierGraph,
        snapshot: &Snapshot,
        outcomes: Option<&Outcomes>,
        options: &VerdictOptions,
    ) -> Report {
        let dialled = outcomes.and_then(|outcomes| as_dialled(graph, snapshot, outcomes));
        let Some((dialled, outcomes)) = dialled.zip(outcomes) else {
            return self.judge(graph, snapshot, outcomes, options);
        };
        let changing = options.changing.iter();
        let options = VerdictOptions {
            changing: changing.map(|edge| dialled.name(edge)).collect(),
            ..options.clone()
        };
        let outcomes = dialled.outcomes(outcomes);
        self.judge(&dialled.graph, snapshot, Some(&outcomes), &options)
    }

    fn judge(
        &self,
        graph: &TierGraph,
        snapshot: &Snapshot,
        outcomes: Option<&Outcomes>,
        options: &VerdictOptions,
    ) -> Report {
        let context =
            Context::new(graph, snapshot, outcomes).with_compose(self.input.compose.as_ref());
        let verdict = verdict::judge(&context, diagnose(&context), options);
        verdict::report(&context, &verdict, options, self.meta())
    }

    fn meta(&self) -> ReportMeta {
        self.start
            .meta(self.input.names.clone(), self.notes.clone())
    }
}

fn has_failures(outcomes: &Outcomes) -> bool {
    outcomes
        .probes
        .iter()
        .filter(|probe| probe.look != plan::Look::Entry)
        .flat_map(|probe| &probe.steps)
        .any(|step| step.status == crate::probe::wire::StepStatus::Fail)
}
