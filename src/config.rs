//! The user's own file `k8sverify.yaml`: text in, [`Config`] out. Pure.
//!
//! The file is the user's last word on the graph (edges to add, drop or adjust, which workload runs a tier) and on what a
//! finding weighs. A key that is not known is an error with its place, never ignored: a typo in a rule must not make a
//! deployment look healthy.

mod candidates;
mod entries;
mod file;
mod model;
mod pattern;
mod values;
pub(crate) mod words;
mod workload;

use thiserror::Error;

use crate::reason::UNQUOTED;

pub use candidates::{
    CandidateRule, EngineName, Expectations, Freshness, HostPort, On, SecretLogin, TableRule, Word,
};
pub use entries::{AddedEntry, AdjustedEntry, DroppedEntry, EntryPattern, EntryRules, EntryUrl};
pub use file::parse;
pub use model::*;
pub use pattern::{EdgePattern, PatternError};
pub use workload::WorkloadName;

/// The names under which the file is looked for beside the compose file, in this order.
pub const FILE_NAMES: [&str; 2] = ["k8sverify.yaml", "k8sverify.yml"];

/// Why a `k8sverify.yaml` cannot be used: the place, what is wrong, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ConfigError {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1; 0 if unknown.
    pub line: u64,
    /// Column, from 1; 0 if unknown.
    pub column: u64,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl ConfigError {
    /// The same of a file of which nothing may be quoted.
    #[must_use]
    pub fn unquoted(self) -> Self {
        Self {
            message: format!("no configuration of k8sverify ({UNQUOTED})"),
            ..self
        }
    }
}
