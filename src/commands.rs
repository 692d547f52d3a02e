//! One file per subcommand, each a readable list of stage calls. IO.

use thiserror::Error;

pub mod output;
pub mod probe;
pub mod rbac;

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
pub enum Failure {
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

impl Failure {
    /// The exit code that it stands for.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => EXIT_USAGE,
            Self::Output(_) | Self::Unverified(_) | Self::Interrupted(_) => EXIT_UNKNOWN,
        }
    }
}
