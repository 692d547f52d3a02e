//! What the readers of a project's services share. Pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::environment::Variables;
use super::model::{Files, Warning};
use super::node::Map;

/// What the services of one project share.
pub(super) struct Reader<'a> {
    /// Where files come from.
    pub(super) files: &'a dyn Files,
    /// An `env_file` that is not here is a warning.
    pub(super) without_env_files: bool,
    /// The variables of the project.
    pub(super) environment: &'a Variables,
    /// The folder of the project.
    pub(super) directory: &'a Path,
    /// Where the user stands.
    pub(super) working_directory: &'a Path,
    /// What the files name by a path of their own folder.
    pub(super) relative: &'a BTreeSet<PathBuf>,
    /// The top-level `configs`.
    pub(super) configs: Option<&'a Map>,
    /// The top-level `volumes`.
    pub(super) volumes: Option<&'a Map>,
    /// The top-level `secrets`.
    pub(super) secrets: Option<&'a Map>,
    /// How many ports the services may still declare.
    pub(super) room: usize,
    /// What was noticed.
    pub(super) warnings: Vec<Warning>,
}
