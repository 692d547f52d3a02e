//! `k8sverify drill --undo`: puts back what a drill that was killed has left. IO.

use crate::cli::DrillArgs;
use crate::commands::cluster::{ask, connect};
use crate::commands::signals::Signals;
use crate::commands::verify::progress::Progress;
use crate::commands::{CommandError, EXIT_PASS, EXIT_UNKNOWN, output};
use crate::drill::conduct::undo;

/// Runs it.
///
/// # Errors
/// A drill is still under way, or the cluster cannot be asked.
pub(super) fn command(args: &DrillArgs, signals: &Signals) -> Result<u8, CommandError> {
    ask(async {
        tokio::select! {
            ended = Box::pin(run(args)) => ended,
            signal = signals.wait() => Err(CommandError::Interrupted(format!("{signal}; run --undo again"))),
        }
    })
}

async fn run(args: &DrillArgs) -> Result<u8, CommandError> {
    let (api, namespace) = connect(&args.run.cluster).await?;
    let progress = Progress::new(args.run.output.quiet || args.run.output.verbose > 1);
    let folder = std::env::current_dir().unwrap_or_default();
    let on_progress = |what: &str| progress.stage(what);
    let ended = undo(
        &api,
        &namespace,
        args.hook.as_deref(),
        &folder,
        &on_progress,
    )
    .await;
    progress.done();
    let (done, left) =
        ended.map_err(|error| CommandError::Unverified(format!("drill --undo: {error}")))?;
    let mut text = String::new();
    if done.is_empty() && left.is_empty() {
        text.push_str(&format!(
            "namespace {namespace}: no drill has left anything\n"
        ));
    }
    for line in &done {
        text.push_str(&format!("{line}\n"));
    }
    for line in &left {
        text.push_str(&format!("left: {line}\n"));
    }
    output::print_text(&text)?;
    Ok(if left.is_empty() {
        EXIT_PASS
    } else {
        EXIT_UNKNOWN
    })
}
