//! The command line of `fix`. IO: none but clap's own.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// The options of `fix`.
#[derive(Debug, Args, Clone)]
pub struct FixArgs {
    /// A JSON report; `-` reads standard input
    #[arg(value_name = "REPORT", default_value = "-")]
    pub report: PathBuf,
    /// A command that gets the manifests on its standard input; with nothing to apply it is not run, and the exit code is 0
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
