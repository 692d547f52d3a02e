//! One file per subcommand, each a readable list of stage calls. IO.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use thiserror::Error;

use crate::cli::{Cli, CliCommand};
use signals::Signals;

pub mod check;
mod children;
mod cluster;
pub mod compare;
pub mod demo;
pub mod drill;
pub mod explain;
pub mod fix;
pub mod graph;
pub mod input;
mod log;
pub mod man;
pub mod output;
pub mod probe;
pub mod rbac;
pub mod signals;
pub mod sql;
mod start;
mod text;
pub mod verify;

/// Exit code: verified.
pub const EXIT_PASS: u8 = 0;
/// Exit code: unhealthy.
pub const EXIT_FAIL: u8 = 1;
/// Exit code: bad usage or input.
pub const EXIT_USAGE: u8 = 2;
/// Exit code: could not verify.
pub const EXIT_UNKNOWN: u8 = 3;

/// Why a command ended without a verdict.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The command line or an input file is wrong.
    #[error("{0}")]
    Usage(String),
    /// A report could not be written.
    #[error("{0}")]
    Output(String),
    /// The cluster could not be asked.
    #[error("{0}")]
    Unverified(String),
    /// Ended by a signal; everything is cleaned up.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

impl CommandError {
    /// The exit code that it stands for.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => EXIT_USAGE,
            Self::Output(_) | Self::Unverified(_) | Self::Interrupted(_) => EXIT_UNKNOWN,
        }
    }
}

/// Reads the command line, runs the command, and says why it failed.
pub fn main() -> ExitCode {
    // The agent is the first process of its container and has its own; else nothing comes before this.
    let is_agent = std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == "probe");
    let signals = (!is_agent).then(Signals::install);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap's own exit code for usage is 2, and 0 for --help and --version.
        Err(error) => error.exit(),
    };
    // One TLS provider for every crate; a second installation of the same one changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if matches!(cli.command, Some(CliCommand::Probe)) {
        return probe::command();
    }
    let ended = match signals {
        Some(signals) => signals.and_then(|signals| run(cli, &signals)),
        None => Err(CommandError::Usage("probe: takes no options".to_owned())),
    };
    children::end();
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::note(&format!("k8sverify: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli, signals: &Signals) -> Result<u8, CommandError> {
    match cli.command {
        None => return verify::command(&cli.verify, signals),
        Some(CliCommand::Verify(args)) => return verify::command(&args, signals),
        Some(CliCommand::Check(args)) => return check::command(&args),
        Some(CliCommand::Sql(args)) => return sql::command(&args, signals),
        Some(CliCommand::Drill(args)) => return drill::command(&args, signals),
        Some(CliCommand::Compare(args)) => return compare::command(&args),
        Some(CliCommand::Graph(args)) => graph::command(&args)?,
        Some(CliCommand::Probe) => {}
        Some(CliCommand::Explain(args)) => {
            let style = verify::outputs::style(args.color);
            output::print(explain::text(&args, style)?.as_bytes())?;
        }
        Some(CliCommand::Fix(args)) => return fix::command(&args),
        Some(CliCommand::Demo(args)) => demo::command(&args)?,
        Some(CliCommand::Rbac(args)) => output::print(rbac::manifest(&args).as_bytes())?,
        Some(CliCommand::Completions(args)) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut shown(), "k8sverify", &mut script);
            output::print(&script)?;
        }
        Some(CliCommand::Man(args)) => output::print(&man::page(&args)?)?,
    }
    Ok(EXIT_PASS)
}

/// The command line without what is not for people: some shells complete hidden commands too.
fn shown() -> clap::Command {
    let full = Cli::command();
    let commands = full.get_subcommands().filter(|one| !one.is_hide_set());
    clap::Command::new("k8sverify")
        .version(env!("CARGO_PKG_VERSION"))
        .args(full.get_arguments().cloned())
        .subcommands(commands.cloned())
}
