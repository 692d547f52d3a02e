//! The variables with which files are interpolated: those of the process, then `--env-file` or `.env`. Pure.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::LoadOptions;
use super::env_file::parse_env_file;
use super::error::ComposeError;
use super::model::{Files, Location, Warning, WarningKind};
use super::paths;
use super::scalar;
use super::veil::veiled;

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// The variables of a project; `.env` is looked for in these folders, the first wins.
pub(super) fn of_project(
    options: &LoadOptions,
    files: &dyn Files,
    folders: &[PathBuf],
    warnings: &mut Vec<Warning>,
) -> Result<Variables, ComposeError> {
    let mut variables = options.environment.clone();
    let mut named: Vec<PathBuf> = options
        .env_files
        .iter()
        .map(|file| paths::clean(&options.working_directory.join(file)))
        .collect();
    if named.is_empty()
        && let Some(list) = options.environment.get("COMPOSE_ENV_FILES")
    {
        named.extend(
            list.split(',')
                .filter(|file| !file.is_empty())
                .map(|file| paths::join(&options.working_directory, file)),
        );
    }
    if !named.is_empty() {
        for file in &named {
            let shown = paths::shown(file, &options.working_directory);
            let text = files
                .read(file)
                .map_err(|source| ComposeError::Unreadable {
                    needed_by: "--env-file".to_owned(),
                    file: shown.clone(),
                    expected: "an env file".to_owned(),
                    source,
                })?;
            let file = EnvText::new(files, file, &shown, &text);
            add_file(&mut variables, &options.environment, &file, warnings)?;
        }
        return Ok(variables);
    }
    let disabled = options
        .environment
        .get("COMPOSE_DISABLE_ENV_FILE")
        .and_then(|value| scalar::boolean(value));
    if disabled == Some(true) {
        return Ok(variables);
    }
    for folder in folders {
        let path = folder.join(".env");
        if !files.exists(&path) {
            continue;
        }
        let shown = paths::shown(&path, &options.working_directory);
        let text = match files.read(&path) {
            Ok(text) => text,
            // A folder named `.env` (a Python environment) says nothing.
            Err(error) if is_no_text(&error) => continue,
            Err(source) => {
                return Err(ComposeError::Unreadable {
                    needed_by: "the project".to_owned(),
                    file: shown,
                    expected: "an env file".to_owned(),
                    source,
                });
            }
        };
        let above = variables.clone();
        let file = EnvText::new(files, &path, &shown, &text);
        add_file(&mut variables, &above, &file, warnings)?;
    }
    Ok(variables)
}

/// A folder (a Python environment), a device or no text: such a `.env` is nothing of compose's.
pub(super) fn is_no_text(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::IsADirectory
    )
}

/// An env file that was read.
pub(super) struct EnvText<'a> {
    shown: &'a str,
    text: &'a str,
    is_foreign: bool,
}

impl<'a> EnvText<'a> {
    /// The text of the file at that path.
    pub(super) fn new(files: &dyn Files, path: &Path, shown: &'a str, text: &'a str) -> Self {
        Self {
            shown,
            text,
            is_foreign: files.is_foreign(path),
        }
    }

    /// A value of it as the project may use it.
    pub(super) fn value(&self, name: &str, value: String) -> String {
        if self.is_foreign {
            veiled(name, &value)
        } else {
            value
        }
    }
}

/// Adds the variables of a file below those of `above`; a later file wins over an earlier one.
pub(super) fn add_file(
    variables: &mut Variables,
    above: &Variables,
    file: &EnvText<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<(), ComposeError> {
    let mut unset = Vec::new();
    let lookup = |name: &str| variables.get(name).cloned();
    let lines = parse_env_file(file.shown, file.text, &lookup, &mut |name| {
        unset.push(name.to_owned());
    })?;
    for line in lines {
        if !above.contains_key(&line.name) {
            let value = file.value(&line.name, line.value);
            variables.insert(line.name, value);
        }
    }
    warnings.extend(unset.iter().map(|name| unset_in_file(name, file.shown)));
    Ok(())
}

/// The warning about a variable without a value in an env file.
pub(super) fn unset_in_file(name: &str, shown: &str) -> Warning {
    Warning {
        kind: WarningKind::UnsetVariable,
        message: format!("the variable {name} has no value and no default; it counts as empty"),
        location: Location {
            file: shown.to_owned(),
            ..Location::default()
        },
    }
}

/// The project's name where no one gave one: from a folder, in compose's alphabet.
pub(super) fn project_name(directory: &Path) -> Option<String> {
    let name = directory.file_name()?.to_string_lossy().into_owned();
    Some(normal_name(&name)).filter(|name| !name.is_empty())
}

/// Lower case, and only what compose allows.
pub(super) fn normal_name(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        .collect::<String>()
        .trim_start_matches(['-', '_'])
        .to_owned()
}
