//! Compose text(s) and environment → [`ComposeFile`]: find, parse, interpolate, merge, resolve. Pure: files are read through [`Files`].
//!
//! The order is that of Docker Compose: YAML with anchors ([`tree`]) → variables ([`interpolate`]) → `extends` and `include`
//! ([`load`](mod@load)) → several files ([`merge`]) → the typed model ([`service`]) → profiles and networks ([`normalise`]).

mod disk;
mod dockerfile;
mod duration;
mod env_file;
mod environment;
mod error;
mod find;
mod include;
mod interpolate;
mod load;
#[cfg(test)]
pub(crate) mod memory;
mod merge;
mod model;
mod mounts;
mod normalise;
mod paths;
mod ports;
mod resolved;
mod scalar;
mod schema;
mod service;
mod shape;
mod tree;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use disk::DiskFiles;
pub use env_file::{EnvLine, parse_env_file};
pub use error::ComposeError;
pub use find::find;
pub use interpolate::{InterpolationError, interpolate};
pub use model::*;
pub use resolved::resolved;
pub use words::split_words;

use environment::{Variables, normal_name, of_project, project_name};
use load::{Loader, unset_warnings};
use service::Reader;
use shape::Field;
use tree::{Node, Place, Value};

/// What the user said about compose files, and the process' environment.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Files that were named; empty: search for them.
    pub files: Vec<PathBuf>,
    /// The project's name, if it was given.
    pub project_name: Option<String>,
    /// Active profiles; empty: `COMPOSE_PROFILES`. `*` means all.
    pub profiles: Vec<String>,
    /// Env files instead of `.env`.
    pub env_files: Vec<PathBuf>,
    /// Where the user stands, as an absolute path: relative names count from here, and the search for files begins here.
    pub working_directory: PathBuf,
    /// The environment of the process.
    pub environment: BTreeMap<String, String>,
}

/// Reads the application that the options name.
///
/// # Errors
/// No file, a file that cannot be read, and all that Docker Compose would refuse as well: with file, line, column, and what was expected.
pub fn load(options: &LoadOptions, files: &dyn Files) -> Result<ComposeFile, ComposeError> {
    let searched = options.files.is_empty();
    let Some(paths) = find(options, files)?.filter(|paths| !paths.is_empty()) else {
        return Err(ComposeError::NotFound {
            directory: options.working_directory.display().to_string(),
            names: find::NAMES.join(", "),
        });
    };
    let directory = paths::folder(&paths[0]);
    let mut warnings = Vec::new();
    // What stands in the folder of the search wins over what stands beside the file that was found.
    let folders = if searched && directory != options.working_directory {
        vec![options.working_directory.clone(), directory.clone()]
    } else {
        vec![directory.clone()]
    };
    let mut environment = of_project(options, files, &folders, &mut warnings)?;
    let mut loader = Loader::new(files, &options.working_directory);
    let project = name_of(options, &loader, &paths, &directory, &environment)?;
    environment.insert("COMPOSE_PROJECT_NAME".to_owned(), project.clone());

    let root = loader.project(&paths, &directory, &environment)?;
    warnings.extend(unset_warnings(&loader.unset));
    warnings.append(&mut loader.warnings);
    warnings.extend(schema::unknown_keys(&root));

    let mut model = ComposeFile {
        project,
        sources: loader.sources,
        ..ComposeFile::default()
    };
    let configs = match root.get("configs").map(|node| &node.value) {
        Some(Value::Map(configs)) => Some(configs),
        _ => None,
    };
    let mut reader = Reader {
        files,
        environment: &environment,
        directory: &directory,
        working_directory: &options.working_directory,
        configs,
        warnings,
    };
    services(
        &mut reader,
        &root,
        &active_profiles(options, &environment),
        &mut model,
    )?;
    model.warnings = reader.warnings;
    model.warnings.dedup();
    normalise::networks(&mut model, &root)?;
    normalise::check_dependencies(&model)?;
    Ok(model)
}

fn services(
    reader: &mut Reader<'_>,
    root: &Node,
    profiles: &BTreeSet<String>,
    model: &mut ComposeFile,
) -> Result<(), ComposeError> {
    let Some(node) = root.get("services").filter(|node| !node.is_null()) else {
        return Ok(());
    };
    let field = Field::new(node, "services");
    for (name, entry) in field.entries("a mapping of services")? {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(entry.node.place().error(
                format!("the service name `{name}`"),
                "letters, digits, `.`, `_` and `-`",
            ));
        }
        let own = entry
            .get("profiles")
            .map(|field| field.texts())
            .transpose()?
            .unwrap_or_default();
        let active = normalise::is_active(&own, profiles);
        let service = reader.service(name, entry.node, active)?;
        let target = if active {
            &mut model.services
        } else {
            &mut model.inactive
        };
        target.insert(name.clone(), service);
    }
    Ok(())
}

fn active_profiles(options: &LoadOptions, environment: &Variables) -> BTreeSet<String> {
    if !options.profiles.is_empty() {
        return options.profiles.iter().cloned().collect();
    }
    let list = environment
        .get("COMPOSE_PROFILES")
        .map_or("", String::as_str);
    list.split(',')
        .map(|profile| profile.trim().to_owned())
        .filter(|profile| !profile.is_empty())
        .collect()
}

/// `-p` and `COMPOSE_PROJECT_NAME` must be right; a `name` in the file and the folder's name are made right.
fn name_of(
    options: &LoadOptions,
    loader: &Loader<'_>,
    paths: &[PathBuf],
    directory: &std::path::Path,
    environment: &Variables,
) -> Result<String, ComposeError> {
    let given = options
        .project_name
        .as_ref()
        .or_else(|| environment.get("COMPOSE_PROJECT_NAME"))
        .filter(|name| !name.is_empty());
    if let Some(name) = given {
        if normal_name(name) != *name {
            return Err(Place::file("project name").error(
                format!("`{name}`"),
                "lower-case letters, digits, `-` and `_`, with a letter or digit first",
            ));
        }
        return Ok(name.clone());
    }
    let declared = loader
        .name(paths, environment)?
        .map(|name| normal_name(&name));
    let absolute = paths::clean(&options.working_directory.join(directory));
    let name = declared
        .filter(|name| !name.is_empty())
        .or_else(|| project_name(&absolute));
    // Only in the root folder, or with a relative one, is there no name to take.
    Ok(name.unwrap_or_else(|| "default".to_owned()))
}
