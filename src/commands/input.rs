//! What the user's files say: compose files and `k8sverify.yaml`, read before anything else happens. IO.

use std::path::{Path, PathBuf};

use super::CommandError;
use crate::catalog::Catalog;
use crate::cli::{ComposeArgs, OutputArgs};
use crate::compose::{self, ComposeFile, Files, LoadOptions, ProjectFiles};
use crate::config::{self, Config};
use crate::graph::{self, TierGraph};
use crate::observe::Snapshot;
use crate::reason;
use crate::verdict::VerdictOptions;

/// The user's files, read and checked.
#[derive(Debug)]
pub struct Input {
    /// The compose model; `None`: the graph comes from the cluster alone.
    pub compose: Option<ComposeFile>,
    /// The explicit answer of the user.
    pub config: Config,
    /// What the graph comes from, for the report's header.
    pub names: Vec<String>,
}

impl Input {
    /// The tier graph of what they say and of what was observed.
    /// What decides the verdict: the command line first, then the user's file.
    pub fn verdict_options(&self, output: &OutputArgs) -> VerdictOptions {
        let fail_on = output.fail_on.map(Into::into).or(self.config.fail_on);
        VerdictOptions {
            fail_on: fail_on.unwrap_or_default(),
            severity: self.config.severity.clone(),
            ignore: self.config.ignore.clone(),
            config_file: self.config.file.clone(),
            ..VerdictOptions::default()
        }
    }

    /// The tier graph of it and of the snapshot.
    pub fn graph(&self, snapshot: &Snapshot, catalog: &Catalog) -> TierGraph {
        graph::build(self.compose.as_ref(), snapshot, &self.config, catalog)
    }
}

/// Reads them. An `env_file` that is not here, as where it is not committed, ends nothing: the deployed Pods show what it would set.
///
/// # Errors
/// [`CommandError::Usage`] with file, line, column and what was expected.
pub fn read(args: &ComposeArgs) -> Result<Input, CommandError> {
    read_files(args, true)
}

/// Reads them as Docker Compose does, which needs every `env_file`.
///
/// # Errors
/// As [`read`].
pub fn read_strictly(args: &ComposeArgs) -> Result<Input, CommandError> {
    read_files(args, false)
}

fn read_files(args: &ComposeArgs, without_env_files: bool) -> Result<Input, CommandError> {
    let folder = std::env::current_dir()
        .map_err(|error| CommandError::Usage(format!("cannot read the current folder: {error}")))?;
    let named = args.compose.iter().chain(&args.env_file);
    let named: Vec<PathBuf> = named.chain(&args.config).cloned().collect();
    let mut files = ProjectFiles::around(&folder, &named);
    let config = read_config(args.config.as_deref(), &folder, &files)?;
    let mut options = LoadOptions {
        files: args.compose.clone(),
        project_name: args.project_name.clone(),
        profiles: args.profile.clone(),
        env_files: args.env_file.clone(),
        without_env_files,
        working_directory: folder.clone(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .map(|(name, value)| {
                let value = compose::veiled(&name, &value);
                (name, value)
            })
            .collect(),
    };
    let nothing = |config| Input {
        compose: None,
        config,
        names: Vec::new(),
    };
    if args.infer {
        return Ok(nothing(config));
    }
    let wrong = |error: compose::ComposeError| CommandError::Usage(error.to_string());
    if options.files.is_empty() {
        match compose::find(&options, &files).map_err(wrong)? {
            Some(found) => {
                // A search upwards ends in the project's folder; what a `.env` names may lie anywhere.
                let mut above = found.clone();
                above.retain(|file| file.parent().is_some_and(|home| folder.starts_with(home)));
                files = ProjectFiles::around(&folder, &[named, above].concat());
                options.files = found;
            }
            None => return Ok(nothing(config)),
        }
    }
    let file = compose::load(&options, &files).map_err(wrong)?;
    Ok(Input {
        names: file.sources.clone(),
        compose: Some(file),
        config,
    })
}

/// Nothing is verified with half of the user's own file: names in it that stand for nothing end the run, all of them at once.
///
/// # Errors
/// [`CommandError::Usage`] with every line that is wrong.
pub fn no_errors(graph: &TierGraph) -> Result<(), CommandError> {
    if graph.errors.is_empty() {
        Ok(())
    } else {
        Err(CommandError::Usage(graph.errors.join("\n")))
    }
}

fn read_config(
    named: Option<&Path>,
    folder: &Path,
    files: &ProjectFiles,
) -> Result<Config, CommandError> {
    let path: PathBuf = match named {
        Some(path) => path.to_owned(),
        None => match config::FILE_NAMES
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
        {
            Some(path) => path,
            None => return Ok(Config::default()),
        },
    };
    let shown = path
        .strip_prefix(folder)
        .unwrap_or(&path)
        .display()
        .to_string();
    let text = files.read(&path).map_err(|error| {
        CommandError::Usage(format!(
            "{shown}: cannot read it: {}; name a readable file with --config",
            reason::unreadable(&error)
        ))
    })?;
    config::parse(&text, &shown).map_err(|error| {
        let is_foreign = files.is_foreign(&path);
        let error = if is_foreign { error.unquoted() } else { error };
        CommandError::Usage(error.to_string())
    })
}
