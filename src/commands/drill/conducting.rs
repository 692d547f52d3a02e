//! A drill that is done: candidate after candidate, round after round; what was recorded is measured and printed. IO.

use std::time::Duration;

use serde_json::json;

use super::{Seen, observing};
use crate::cli::{DrillArgs, Format, VerifyArgs};
use crate::commands::input::Input;
use crate::commands::signals::Signals;
use crate::commands::verify::options;
use crate::commands::verify::progress::Progress;
use crate::commands::{EXIT_PASS, EXIT_UNKNOWN, EXIT_USAGE, Failure, output};
use crate::drill::conduct::{ConductError, Conducted, Conductor};
use crate::drill::measure::measure;
use crate::drill::model::{Plan, Round, RoundEnd, Value};
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
    let progress = Progress::new(args.output.quiet || args.output.verbose > 1);
    let namespace = seen.snapshot.namespace.clone();
    let last_words = namespace.clone();
    signals.attend(move |_| {
        let text = format!(
            "k8sverify: what the drill had changed may be left; put it back with: k8sverify drill -n {last_words} --undo\n"
        );
        // Nothing is left to tell it to where standard error is closed.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
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
        signals.closed();
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
    output::print(shown(&all, args)?.as_bytes())?;
    Ok(all
        .iter()
        .map(|(_, conducted)| exit_code(conducted))
        .max()
        .unwrap_or(EXIT_USAGE))
}

fn exit_code(conducted: &Conducted) -> u8 {
    let is_measured =
        |round: &Round| matches!(round.ended, RoundEnd::Whole | RoundEnd::PatienceOver(_));
    if conducted.stopped.is_some()
        || !conducted.left.is_empty()
        || conducted.rounds.is_empty()
        || !conducted.rounds.iter().all(is_measured)
    {
        return EXIT_UNKNOWN;
    }
    EXIT_PASS
}

fn shown(all: &[(String, Conducted)], args: &DrillArgs) -> Result<String, Failure> {
    if args.output.format == Format::Json {
        let candidates: Vec<_> = all
            .iter()
            .map(|(name, conducted)| {
                let rounds: Vec<_> = conducted
                    .rounds
                    .iter()
                    .map(|round| json!({"round": round, "result": measure(round)}))
                    .collect();
                json!({"candidate": name, "rounds": rounds, "stopped": conducted.stopped, "left": conducted.left})
            })
            .collect();
        return serde_json::to_string(&json!({"candidates": candidates}))
            .map(|text| format!("{text}\n"))
            .map_err(|error| Failure::Output(format!("cannot print the rounds: {error}")));
    }
    let mut text = String::new();
    for (name, conducted) in all {
        for round in &conducted.rounds {
            text.push_str(&line(name, round));
        }
        if let Some(why) = &conducted.stopped {
            text.push_str(&format!("{name}: stopped: {why}\n"));
        }
        for left in &conducted.left {
            text.push_str(&format!("{name}: left: {left}\n"));
        }
    }
    Ok(text)
}

/// One round in a line.
fn line(name: &str, round: &Round) -> String {
    let result = measure(round);
    let victims: Vec<&str> = round
        .victims
        .iter()
        .map(|victim| victim.member.as_str())
        .collect();
    let ended = match &round.ended {
        RoundEnd::Whole => "whole".to_owned(),
        RoundEnd::PatienceOver(why) => format!("not whole before patience was over: {why}"),
        RoundEnd::NotBegun(why) => format!("not begun: {why:?}"),
        RoundEnd::Spoilt(why) => format!("proves nothing: {why:?}"),
    };
    let numbers: Vec<String> = result
        .numbers
        .iter()
        .map(|(metric, value)| {
            let name = serde_json::to_value(metric)
                .ok()
                .and_then(|value| value.as_str().map(str::to_owned))
                .unwrap_or_default();
            let value = match value {
                Value::Known { number, resolution } => format!("{number}±{resolution}"),
                Value::Over { number } => format!(">{number}"),
                Value::Unknown { reason } => format!("? ({reason})"),
            };
            format!("{name} {value}")
        })
        .collect();
    format!(
        "{name} {} {} [{}]: {ended}; acked {}, unknown {}; {}\n",
        round.fault,
        round.number,
        victims.join(", "),
        result.acked,
        result.unknown,
        numbers.join(", ")
    )
}
