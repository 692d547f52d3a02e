//! `k8sverify drill`: what happens to a database when a member is taken away. Reads the plan's facts, asks for the keys, prints the plan or
//! follows it. IO.

mod conducting;
mod undo;

use std::io::{BufRead, IsTerminal};

use super::cluster::{self, connect, observing};
use super::input::{self, Input};
use super::signals::Signals;
use super::verify::options;
use super::{CommandError, log, output};
use crate::catalog::Catalog;
use crate::cli::{DrillArgs, Format};
use crate::config::CandidateRule;
use crate::drill::model::{Fault, Plan};
use crate::drill::plan::{self, DrillRequest, Subject, VictimRule};
use crate::graph::TierGraph;
use crate::observe::{self, Api, Snapshot};
use crate::spelling;

/// Runs `drill`.
///
/// # Errors
/// [`CommandError::Usage`] for bad input, [`CommandError::Unverified`] where the cluster cannot be asked.
pub fn command(args: &DrillArgs, signals: &Signals) -> Result<u8, CommandError> {
    log::start(args.run.output.verbose);
    if args.undo {
        return undo::command(args, signals);
    }
    let input = input::read(&args.run.compose)?;
    let wanted = candidates(args, &input)?;
    cluster::ask(run(args, &input, &wanted, signals))
}

/// The candidates that were asked for, each with its name.
fn candidates(
    args: &DrillArgs,
    input: &Input,
) -> Result<Vec<(String, CandidateRule)>, CommandError> {
    let known = &input.config.candidates;
    if let Some(tier) = &args.tier {
        return Ok(vec![(tier.clone(), CandidateRule::of_tier(tier))]);
    }
    if args.candidates.is_empty() {
        if known.is_empty() {
            return Err(CommandError::Usage(
                "drill: no candidate is known; name a tier of the application with --tier, or candidates: in k8sverify.yaml".to_owned(),
            ));
        }
        return Ok(known
            .iter()
            .map(|(name, candidate)| (name.clone(), candidate.clone()))
            .collect());
    }
    args.candidates
        .iter()
        .map(|name| match known.get(name) {
            Some(candidate) => Ok((name.clone(), candidate.clone())),
            None => Err(CommandError::Usage(format!(
                "drill {name}: no candidate is called so; {}",
                match spelling::meant(name, known.keys().map(String::as_str)) {
                    Some(meant) => format!("was {meant} meant?"),
                    None if known.is_empty() =>
                        "k8sverify.yaml names none under candidates:".to_owned(),
                    None => format!(
                        "there are {}",
                        known.keys().cloned().collect::<Vec<_>>().join(", ")
                    ),
                }
            ))),
        })
        .collect()
}

/// What is known of the cluster before anything is done.
struct DrillInput {
    api: Api,
    snapshot: Snapshot,
    graph: TierGraph,
    wanted: Vec<(String, CandidateRule)>,
    subjects: Vec<Subject>,
}

async fn run(
    args: &DrillArgs,
    input: &Input,
    wanted: &[(String, CandidateRule)],
    signals: &Signals,
) -> Result<u8, CommandError> {
    let seen = tokio::select! {
        seen = Box::pin(see(args, input, wanted)) => seen?,
        signal = signals.wait() => return Err(CommandError::Interrupted(format!("{signal}; nothing had been done"))),
    };
    let mut request = request(args);
    let run = options::run_label();
    let mut made = plan_drill(&seen, &request, &run);
    if request.person.is_none() && !args.plan && only_person_missing(&made) {
        request.person = ask(&made);
        made = plan_drill(&seen, &request, &run);
    }
    let code = plan::exit_code(&made.candidates);
    if args.plan || code != 0 {
        let text = shown(&made, &seen.api, args)?;
        match args.run.output.format {
            Format::Json => output::print_json(&text)?,
            _ => output::print_text(&text)?,
        }
        return Ok(code);
    }
    Box::pin(conducting::run(
        args, input, &seen, &request, &made, signals,
    ))
    .await
}

async fn see(
    args: &DrillArgs,
    input: &Input,
    wanted: &[(String, CandidateRule)],
) -> Result<DrillInput, CommandError> {
    let (api, namespace) = connect(&args.run.cluster).await?;
    let options = observing(namespace, &input.config, true);
    let snapshot = Box::pin(observe::observe(&api, &options)).await?;
    let graph = input.graph(&snapshot, &Catalog::embedded());
    let subjects = wanted
        .iter()
        .map(|(name, candidate)| plan::subject(name, candidate, &graph, &snapshot))
        .collect::<Result<Vec<_>, String>>()
        .map_err(|what| CommandError::Usage(format!("drill: {what}")))?;
    Ok(DrillInput {
        api,
        snapshot,
        graph,
        wanted: wanted.to_vec(),
        subjects,
    })
}

fn request(args: &DrillArgs) -> DrillRequest {
    DrillRequest {
        faults: match args.watch {
            Some(_) => vec![Fault::Watch],
            None => args.fault.clone(),
        },
        victim: VictimRule::from_word(&args.victim),
        rounds: args.rounds,
        seed: args.seed,
        patience: args.patience,
        accept_data_loss: args.accept_data_loss,
        spelt_out: args.allow_namespace.clone(),
        person: args.yes.then(|| "--yes".to_owned()),
        hook: args.hook.clone(),
    }
}

fn plan_drill(seen: &DrillInput, request: &DrillRequest, run: &str) -> Plan {
    Plan {
        run: run.to_owned(),
        seed: request.seed,
        rounds: request.rounds,
        patience_ms: u64::try_from(request.patience.as_millis()).unwrap_or(u64::MAX),
        candidates: seen
            .subjects
            .iter()
            .map(|subject| {
                let mut candidate = plan::candidate(subject, request, &seen.snapshot);
                let left = plan::left_before(&seen.snapshot);
                candidate.refusals.splice(0..0, left);
                candidate
            })
            .collect(),
    }
}

/// Whether all that is missing is the person's word.
fn only_person_missing(plan: &Plan) -> bool {
    plan.candidates
        .iter()
        .all(|candidate| candidate.refusals.len() == 1 && candidate.keys.person.is_none())
}

/// Asks the person at a terminal to type the candidate's name.
fn ask(plan: &Plan) -> Option<String> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let names: Vec<&str> = plan
        .candidates
        .iter()
        .map(|candidate| candidate.name.as_str())
        .collect();
    let wanted = names.join(" ");
    output::ask(&format!(
        "{}\nThis takes members of it away. Type {wanted} to go on: ",
        plan::text(plan, "this cluster")
    ));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    (read.is_ok() && answer.trim() == wanted).then(|| format!("typed {wanted}"))
}

fn shown(plan: &Plan, api: &Api, args: &DrillArgs) -> Result<String, CommandError> {
    match args.run.output.format {
        Format::Json => serde_json::to_string_pretty(plan)
            .map(|text| format!("{text}\n"))
            .map_err(|error| CommandError::Output(format!("cannot print the plan: {error}"))),
        _ => Ok(plan::text(plan, api.cluster())),
    }
}
