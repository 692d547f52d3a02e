//! Which compose files the user means: those named, `COMPOSE_FILE`, or the first of the usual names upwards. Pure.

use std::path::{Path, PathBuf};

use super::LoadOptions;
use super::environment;
use super::error::ComposeError;
use super::model::Files;
use super::paths;

/// The names that compose looks for, in its order.
pub(super) const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The compose files in compose's own order of search; none where there are none.
///
/// # Errors
/// An env file that is named but cannot be read or understood.
pub fn find(
    options: &LoadOptions,
    files: &dyn Files,
) -> Result<Option<Vec<PathBuf>>, ComposeError> {
    let directory = &options.working_directory;
    if !options.files.is_empty() {
        let named = options.files.iter();
        return Ok(Some(
            named
                .map(|file| paths::clean(&directory.join(file)))
                .collect(),
        ));
    }
    let folders = [directory.clone()];
    let variables = environment::of_project(options, files, &folders, &mut Vec::new())?;
    if let Some(list) = variables
        .get("COMPOSE_FILE")
        .filter(|list| !list.is_empty())
    {
        let default = if cfg!(windows) { ";" } else { ":" };
        let separator = variables
            .get("COMPOSE_PATH_SEPARATOR")
            .filter(|separator| !separator.is_empty())
            .map_or(default, String::as_str);
        return Ok(Some(
            list.split(separator)
                .filter(|file| !file.is_empty())
                .map(|file| paths::join(directory, file))
                .collect(),
        ));
    }
    let found = directory
        .ancestors()
        .find_map(|folder| in_folder(folder, files));
    Ok(found)
}

fn in_folder(folder: &Path, files: &dyn Files) -> Option<Vec<PathBuf>> {
    let first_of = |names: &[&str]| {
        names
            .iter()
            .map(|name| folder.join(name))
            .find(|path| files.exists(path))
    };
    let main = first_of(&NAMES)?;
    Some(std::iter::once(main).chain(first_of(&OVERRIDES)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryFiles;
    use super::*;

    fn names(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Option<Vec<String>> {
        let options = LoadOptions {
            working_directory: PathBuf::from("/a/b"),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..LoadOptions::default()
        };
        find(&options, &MemoryFiles::new(files))
            .unwrap()
            .map(|paths| paths.iter().map(|p| p.display().to_string()).collect())
    }

    #[test]
    fn compose_s_own_order() {
        let here = [
            ("/a/b/docker-compose.yml", ""),
            ("/a/b/compose.yml", ""),
            ("/a/compose.yaml", ""),
        ];
        assert_eq!(names(&here, &[]).unwrap(), ["/a/b/compose.yml"]);
        let above = [
            ("/a/compose.yaml", ""),
            ("/a/docker-compose.override.yml", ""),
        ];
        assert_eq!(
            names(&above, &[]).unwrap(),
            ["/a/compose.yaml", "/a/docker-compose.override.yml"]
        );
        assert_eq!(names(&[], &[]), None);
    }

    #[test]
    fn compose_file_from_the_environment_or_dot_env() {
        assert_eq!(
            names(&[], &[("COMPOSE_FILE", "x.yaml:../y.yaml")]).unwrap(),
            ["/a/b/x.yaml", "/a/y.yaml"]
        );
        let dot_env = [("/a/b/.env", "COMPOSE_FILE=x;y\nCOMPOSE_PATH_SEPARATOR=;\n")];
        assert_eq!(names(&dot_env, &[]).unwrap(), ["/a/b/x", "/a/b/y"]);
    }
}
