//! A drill that is done: candidate after candidate, round after round; what was recorded is measured and printed. IO.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::DrillInput;
use crate::cli::DrillArgs;
use crate::commands::cluster::observing;
use crate::commands::input::Input;
use crate::commands::signals::Signals;
use crate::commands::sql::{SqlFiles, SqlRun};
use crate::commands::start::Start;
use crate::commands::verify::options;
use crate::commands::verify::outputs::Outputs;
use crate::commands::verify::progress::Progress;
use crate::commands::{CommandError, EXIT_UNKNOWN, output};
use crate::drill::conduct::{ConductError, Conducted, Conductor};
use crate::drill::judge::{Recorded, RunFacts, judge};
use crate::drill::limit::LimitSet;
use crate::drill::model::{Candidate, Engine, Plan, Round};
use crate::drill::plan::{self, DrillRequest, Subject};
use crate::plan::PlanOptions;
use crate::report::drill::{self, DrillReport};
use crate::report::unfinished;

/// What a round takes in addition to its patience: baseline, settling, reading.
const ROUND: Duration = Duration::from_mins(4);
/// How long a statement of the application's may take.
const STATEMENT: Duration = Duration::from_secs(30);
/// Time for one Job of the SQL.
const TIMEOUT: Duration = Duration::from_mins(1);
/// What a run that is asked to end may take to put everything back: scales, the runners' last words, the ledger, Jobs.
const PUTTING_BACK: Duration = Duration::from_secs(50);

/// A drill on its way.
struct Drilling<'a> {
    args: &'a DrillArgs,
    input: &'a Input,
    seen: &'a DrillInput,
    wish: &'a DrillRequest,
    plan: &'a Plan,
    signals: &'a Signals,
    outputs: Arc<Outputs<DrillReport>>,
    progress: Progress,
    start: Start,
    /// The application's SQL.
    files: SqlFiles,
    /// What was recorded so far.
    recorded: Mutex<Recorded>,
}

/// Drills every candidate of the plan.
///
/// # Errors
/// Another drill is under way, or an interrupted one has left something.
pub(super) async fn run(
    args: &DrillArgs,
    input: &Input,
    seen: &DrillInput,
    wish: &DrillRequest,
    laid: &Plan,
    signals: &Signals,
) -> Result<u8, CommandError> {
    let namespace = seen.snapshot.namespace.clone();
    let files = SqlFiles::named(&args.sql, args.workload.as_deref())?;
    let outputs = Arc::new(Outputs::open(&args.run.output, &namespace)?);
    signals.patient(PUTTING_BACK);
    let last_words = Arc::clone(&outputs);
    signals.end_gracefully(move |cause| {
        output::note(&format!(
            "k8sverify: what the drill had changed may be left; put it back with: k8sverify drill -n {namespace} --undo"
        ));
        last_words.give_up(cause);
        EXIT_UNKNOWN
    });
    let drilling = Drilling {
        args,
        input,
        seen,
        wish,
        plan: laid,
        signals,

        outputs: Arc::clone(&outputs),
        progress: Progress::new(args.run.output.quiet || args.run.output.verbose > 1),
        start: Start::now(),
        files,
        recorded: Mutex::new(Recorded {
            left_behind: seen
                .subjects
                .iter()
                .map(|subject| {
                    let left = plan::left_behind(subject, &seen.snapshot);
                    (subject.name.clone(), left)
                })
                .collect(),
            ..Recorded::default()
        }),
    };
    let ended = drilling.all().await;
    drilling.progress.done();
    ended.inspect_err(|failure| outputs.failed(&failure.to_string()))?;
    let report = drilling.report(|recorded| recorded.interrupted |= signals.fired().is_some());
    outputs.write(&report)?;
    Ok(report.exit_code)
}

impl Drilling<'_> {
    async fn all(&self) -> Result<(), CommandError> {
        for (index, (subject, planned)) in self
            .seen
            .subjects
            .iter()
            .zip(&self.plan.candidates)
            .enumerate()
        {
            // Each candidate has runners, a ledger and a journal of its own.
            let run = if index == 0 {
                self.plan.run.clone()
            } else {
                options::run_label()
            };
            if !self.takes_sql(subject, planned).await? {
                continue;
            }
            match self.candidate(subject, planned, &run).await {
                Ok(conducted) => self.ended(&planned.name, conducted),
                Err(error) if index == 0 => {
                    return Err(match error {
                        ConductError::Busy(why) => CommandError::Usage(format!("drill: {why}")),
                        error => CommandError::Unverified(format!("drill: {error}")),
                    });
                }
                Err(error) => {
                    let stopped = Some(error.to_string());
                    self.ended(
                        &planned.name,
                        Conducted {
                            stopped,
                            ..Conducted::default()
                        },
                    );
                }
            }
            if self.signals.fired().is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Runs the application's SQL on a candidate; whether it is drilled after that.
    async fn takes_sql(
        &self,
        subject: &Subject,
        planned: &Candidate,
    ) -> Result<bool, CommandError> {
        if self.files.is_empty() {
            return Ok(true);
        }
        let name = &planned.name;
        if subject.engine != Engine::Mysql {
            self.note(format!(
                "{name}: SQL is run on MySQL, MariaDB, Galera and Vitess only"
            ));
            return Ok(true);
        }
        self.progress
            .stage(&format!("{name}: the application's SQL"));
        let patch = options::patch(&self.args.run.probe)?;
        let plan = options::of_plan(&self.args.run.probe, TIMEOUT);
        let bench = SqlRun {
            api: &self.seen.api,
            snapshot: &self.seen.snapshot,
            graph: &self.seen.graph,
            files: &self.files,
            job: &options::jobs(&self.args.run.probe, TIMEOUT, &plan.run, &patch),
            plan: &plan,
            statement_timeout: STATEMENT,
            signals: self.signals,
            start: Start::now(),
        };
        let known = self.seen.wanted.iter().find(|(known, _)| known == name);
        let Some((_, candidate)) = known else {
            return Ok(true);
        };
        let report = Box::pin(bench.run(name, candidate)).await?;
        let (init, workload) = drill::summaries(&report);
        let refused = init.as_ref().is_some_and(|sql| sql.required > 0);
        for note in report.notes {
            self.note(format!("{name}: SQL: {note}"));
        }
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if report.product.is_empty() {
            recorded.interrupted = true;
        }
        recorded
            .init_sql
            .extend(init.map(|sql| (name.clone(), sql)));
        recorded
            .workload
            .extend(workload.map(|sql| (name.clone(), sql)));
        if refused && !self.args.keep_going {
            recorded.notes.push(format!(
                "{name} refuses SQL that the application needs, and is not drilled; --keep-going drills it all the same"
            ));
            return Ok(false);
        }
        Ok(true)
    }

    fn note(&self, note: String) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.notes.push(note);
    }

    async fn candidate(
        &self,
        subject: &Subject,
        planned: &Candidate,
        run: &str,
    ) -> Result<Conducted, ConductError> {
        let patch = options::patch(&self.args.run.probe)
            .map_err(|failure| ConductError::Runners(failure.to_string()))?;
        let rounds = u32::try_from(self.wish.faults.len())
            .unwrap_or(u32::MAX)
            .saturating_mul(self.wish.rounds);
        let length = (self.wish.patience + ROUND + self.args.watch.unwrap_or_default())
            .saturating_mul(rounds);
        let plan_options = PlanOptions {
            run: run.to_owned(),
            deadline_ms: u64::try_from(length.as_millis()).unwrap_or(u64::MAX),
            nodes: 1,
            ..options::of_plan(&self.args.run.probe, TIMEOUT)
        };
        let lives = length.saturating_add(Duration::from_mins(1));
        let jobs = options::jobs(&self.args.run.probe, lives, run, &patch);
        let namespace = &self.seen.snapshot.namespace;
        self.signals.open([namespace.clone()].into_iter());
        let conductor = Conductor {
            api: &self.seen.api,
            graph: &self.seen.graph,
            wish: self.wish,
            observe: &observing(namespace.clone(), &self.input.config, true),
            options: &plan_options,
            jobs: &jobs,
            watch: self.args.watch,
            folder: std::env::current_dir().unwrap_or_default(),
            cancel: self.signals.cancel(),
            on_progress: &|what| self.progress.stage(what),
            keep: &|round| self.keep(round),
        };
        let conducted = Box::pin(conductor.drill(subject, planned, &self.seen.snapshot)).await;
        self.signals.closed(&[]);
        conducted
    }

    /// A round is over: the files say what is known so far, should the run be killed.
    fn keep(&self, round: Round) {
        if let Some(path) = &self.args.record
            && let Err(error) = add_line(path, &round)
        {
            tracing::warn!("--record {}: {error}", path.display());
        }
        self.recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rounds
            .push(round);
        let so_far = self.report(|recorded| {
            recorded.interrupted = true;
            recorded.notes.push(unfinished::under_way());
        });
        if let Err(failure) = self.outputs.write_files(&so_far) {
            tracing::warn!("{failure}");
        }
    }

    /// What was not put back, or not done, is no pass.
    fn ended(&self, name: &str, conducted: Conducted) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &conducted.stopped {
            recorded.interrupted = true;
            recorded
                .notes
                .push(format!("{name}: the drill ended early: {why}"));
        }
        for left in conducted.left {
            recorded.interrupted = true;
            recorded.notes.push(format!("{name}: {left}"));
        }
    }

    /// The report of what was recorded, and of what is to be said besides.
    fn report(&self, besides: impl FnOnce(&mut Recorded)) -> DrillReport {
        let mut recorded = self
            .recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        besides(&mut recorded);
        let about = RunFacts {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            namespace: self.seen.snapshot.namespace.clone(),
            cluster: self.seen.api.cluster().to_owned(),
            started_at: self.start.text(),
            duration_ms: self.start.elapsed_ms(),
        };
        let limits = LimitSet::default().with(&self.args.limit);
        judge(self.plan, &recorded, &about, &limits)
    }
}

/// One round as a line of JSON at the end of a file.
fn add_line(path: &std::path::Path, round: &Round) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(round)?;
    line.push(b'\n');
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(&line)
}
