//! A drill that is done: candidate after candidate, round after round; what was recorded is measured and printed. IO.

use std::time::{Duration, Instant};

use super::{Seen, observing};
use crate::cli::{DrillArgs, VerifyArgs};
use crate::commands::drill_outputs::DrillOutputs;
use crate::commands::input::Input;
use crate::commands::signals::Signals;
use crate::commands::verify::options;
use crate::commands::verify::progress::Progress;
use crate::commands::{EXIT_UNKNOWN, Failure, output};
use crate::drill::conduct::{ConductError, Conducted, Conductor};
use crate::drill::judge::{About, Recorded, judge};
use crate::drill::limit::LimitSet;
use crate::drill::model::Plan;
use crate::drill::plan::Wish;
use crate::plan::PlanOptions;

/// What a round takes beside its patience: baseline, settling, reading.
const ROUND: Duration = Duration::from_mins(4);

/// Drills every candidate of the plan.
///
/// # Errors
/// Another drill is under way, or an interrupted one has left something.
pub(super) async fn run(
    args: &DrillArgs,
    input: &Input,
    seen: &Seen,
    wish: &Wish,
    plan: &Plan,
    signals: &Signals,
) -> Result<u8, Failure> {
    let verify = VerifyArgs {
        probe: args.probe.clone(),
        ..VerifyArgs::default()
    };
    let patch = options::patch(&verify)?;
    let outputs = DrillOutputs::open(&args.output)?;
    let (started, started_at) = (Instant::now(), jiff::Timestamp::now());
    let progress = Progress::new(args.output.quiet || args.output.verbose > 1);
    let namespace = seen.snapshot.namespace.clone();
    let last_words = namespace.clone();
    signals.attend(move |_| {
        output::tell(&format!(
            "k8sverify: what the drill had changed may be left; put it back with: k8sverify drill -n {last_words} --undo"
        ));
        EXIT_UNKNOWN
    });
    let observe = observing(namespace.clone(), input);
    let rounds = u32::try_from(wish.faults.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(wish.rounds);
    let length = (wish.patience + ROUND + args.watch.unwrap_or_default()).saturating_mul(rounds);
    let mut all = Vec::new();
    for (index, (subject, planned)) in seen.subjects.iter().zip(&plan.candidates).enumerate() {
        // Each candidate has runners, a ledger and a journal of its own.
        let run = if index == 0 {
            plan.run.clone()
        } else {
            options::run_label()
        };
        let plan_options = PlanOptions {
            run: run.clone(),
            deadline_ms: u64::try_from(length.as_millis()).unwrap_or(u64::MAX),
            nodes: 1,
            ..options::of_plan(&verify)
        };
        let mut jobs = options::jobs(&verify, &run, &patch);
        jobs.deadline_seconds = length.as_secs().saturating_add(60);
        signals.open([namespace.clone()].into_iter());
        let conductor = Conductor {
            api: &seen.api,
            graph: &seen.graph,
            wish,
            observe: &observe,
            options: &plan_options,
            jobs: &jobs,
            watch: args.watch,
            folder: std::env::current_dir().unwrap_or_default(),
            cancel: signals.cancel(),
            tell: &|what| progress.stage(what),
        };
        let conducted = Box::pin(conductor.drill(subject, planned, &seen.snapshot)).await;
        signals.closed(&[]);
        match conducted {
            Ok(conducted) => all.push((planned.name.clone(), conducted)),
            Err(error) if all.is_empty() => {
                progress.done();
                return Err(match error {
                    ConductError::Busy(why) => Failure::Usage(format!("drill: {why}")),
                    error => Failure::Unverified(format!("drill: {error}")),
                });
            }
            Err(error) => all.push((
                planned.name.clone(),
                Conducted {
                    stopped: Some(error.to_string()),
                    ..Conducted::default()
                },
            )),
        }
        if signals.fired().is_some() {
            break;
        }
    }
    progress.done();
    let recorded = recorded(all, signals.fired().is_some());
    let about = About {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        namespace,
        cluster: seen.api.cluster().to_owned(),
        started_at: started_at
            .round(jiff::Unit::Second)
            .unwrap_or(started_at)
            .to_string(),
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let limits = LimitSet::default().with(&args.limit);
    let report = judge(plan, &recorded, &about, &limits);
    outputs.write(&report)?;
    Ok(report.exit_code)
}

/// What was recorded, as the judge takes it. What was not put back, or not done, is no pass.
fn recorded(all: Vec<(String, Conducted)>, interrupted: bool) -> Recorded {
    let mut recorded = Recorded {
        interrupted,
        ..Recorded::default()
    };
    for (name, conducted) in all {
        recorded.rounds.extend(conducted.rounds);
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
    recorded
}
