//! `k8sverify probe`: the agent in the Pod. Its spec and the tier's variables come by environment, its records go to standard output. It is
//! PID 1 of its container, so it handles SIGTERM itself and ends at once. IO.

use std::collections::BTreeMap;
use std::process::ExitCode;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::commands::{EXIT_PASS, EXIT_UNKNOWN, EXIT_USAGE};
use crate::probe::wire::ENVIRONMENT_PREFIX;
use crate::probe::{ProbeError, drill, report_error, run, spec};

/// Runs the agent to its end.
pub fn command() -> ExitCode {
    // A panic's text may hold what a peer or the environment said, and standard error is the Pod's log too: the record of the edge reports it.
    std::panic::set_hook(Box::new(|_| {}));
    open_as_many_files_as_allowed();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(work()),
        Err(error) => Err(ProbeError::Output(error)),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // If even this cannot be written, the exit code is all that is left.
            let _ = report_error(&error, &mut std::io::stdout().lock());
            ExitCode::from(match error {
                ProbeError::Output(_) => EXIT_UNKNOWN,
                _ => EXIT_USAGE,
            })
        }
    }
}

/// Every connection is a file, and what a system allows unasked is often a small part of what it allows.
fn open_as_many_files_as_allowed() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where this is refused, fewer edges are walked at a time.
    let _ = setrlimit(Resource::Nofile, limit);
}

async fn work() -> Result<u8, ProbeError> {
    let (own, tier) = environment();
    let spec = spec(&own)?;
    drop(own);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut out = std::io::stdout();
    if spec.drill.is_some() {
        // A runner that is terminated removes its ledger first.
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        return Box::pin(drill::run(spec, tier, &mut out, stop))
            .await
            .map(|()| EXIT_PASS);
    }
    let has_to_clean_up = spec.sql.is_some();
    let (sender, stop) = watch::channel(false);
    let mut work = std::pin::pin!(run(spec, tier, &mut out, stop));
    tokio::select! {
        outcome = &mut work => return outcome.map(|()| EXIT_PASS),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if has_to_clean_up {
        // The work itself receives it.
        let _ = sender.send(true);
        work.await?;
    }
    Ok(EXIT_UNKNOWN)
}

/// The agent's own variables, and those of the tier without their prefix. What is not UTF-8 cannot be a host, a port or a password that
/// travels as text.
fn environment() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let mut own = BTreeMap::new();
    let mut tier = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else {
            continue;
        };
        match name.strip_prefix(ENVIRONMENT_PREFIX) {
            Some(name) => tier.insert(name.to_owned(), value),
            None => own.insert(name, value),
        };
    }
    (own, tier)
}
