//! `include`: whole files with their own folder and variables, brought into the file that names them. Pure.

use std::path::{Path, PathBuf};

use super::environment::{self, EnvText, Variables};
use super::error::ComposeError;
use super::load::{Loader, Scope};
use super::node::{Map, Node, Value};
use super::paths;
use super::shape::Field;

/// Deeper `include`s are refused.
const MAX_DEPTH: usize = 16;

/// The parts of a file that `include` brings in.
const IMPORTED: [&str; 6] = [
    "services", "networks", "volumes", "configs", "secrets", "models",
];

impl Loader<'_> {
    /// Replaces `include` of a document by what the included files declare.
    pub(super) fn include(
        &mut self,
        document: &mut Node,
        file: &Path,
        scope: &Scope<'_>,
    ) -> Result<(), ComposeError> {
        let Value::Map(top) = &mut document.value else {
            return Ok(());
        };
        let Some(include) = top.remove("include").filter(|node| !node.is_null()) else {
            return Ok(());
        };
        for item in Field::new(&include, "include").items("a list of files")? {
            let entry = Included::read(&item, &scope.directory)?;
            let mut including = scope.including.clone();
            including.push(paths::clean(file));
            let again = entry.files.iter().any(|file| including.contains(file));
            if again || including.len() > MAX_DEPTH {
                return Err(item.error("a file that includes itself", "includes that end"));
            }
            let needed_by = item.node.place().location().to_string();
            let environment = self.included_environment(&entry, scope, &needed_by)?;
            let inner = Scope {
                directory: entry.directory,
                environment: &environment,
                including,
            };
            let tree = self.merged(&entry.files, &inner, &needed_by)?;
            import(top, tree)?;
        }
        Ok(())
    }

    /// The variables of an include: those outside win over its own `.env` or `env_file`.
    fn included_environment(
        &mut self,
        entry: &Included,
        scope: &Scope<'_>,
        needed_by: &str,
    ) -> Result<Variables, ComposeError> {
        let mut variables = scope.environment.clone();
        let default = entry.directory.join(".env");
        let files = match &entry.env_files {
            Some(files) => files.clone(),
            None if self.files.exists(&default) => vec![default],
            None => Vec::new(),
        };
        for file in &files {
            let shown = self.shown(file);
            let text = match self.files.read(file) {
                Ok(text) => text,
                // A folder or a device named `.env` says nothing.
                Err(error) if entry.env_files.is_none() && environment::is_no_text(&error) => {
                    continue;
                }
                Err(source) => {
                    return Err(ComposeError::Unreadable {
                        needed_by: needed_by.to_owned(),
                        file: shown,
                        expected: "an env file".to_owned(),
                        source,
                    });
                }
            };
            let mut unset = Vec::new();
            let file = EnvText::new(self.files, file, &shown, &text);
            environment::add_file(&mut variables, scope.environment, &file, &mut unset)?;
            self.warnings.extend(unset);
        }
        Ok(variables)
    }
}

/// One entry of `include`.
struct Included {
    files: Vec<PathBuf>,
    directory: PathBuf,
    env_files: Option<Vec<PathBuf>>,
}

impl Included {
    fn read(item: &Field<'_>, base: &Path) -> Result<Self, ComposeError> {
        let join = |texts: Vec<String>| -> Vec<PathBuf> {
            texts.iter().map(|text| paths::join(base, text)).collect()
        };
        let (files, directory, env_files) = match &item.node.value {
            Value::Text(text) => (vec![paths::join(base, text)], None, None),
            Value::Map(_) => {
                let path = item.required("path", "the file to include")?;
                let directory = item.read("project_directory", Field::text)?;
                let env_files = item.read("env_file", Field::texts)?;
                (join(path.texts()?), directory, env_files.map(join))
            }
            _ => return Err(item.wrong("a path, or a mapping with `path`")),
        };
        let Some(first) = files.first() else {
            return Err(item.error("an empty `path`", "the file to include"));
        };
        Ok(Self {
            directory: directory.map_or_else(|| paths::folder(first), |d| paths::join(base, &d)),
            files,
            env_files,
        })
    }
}

/// Brings what an include declares into the file that includes it; both may say the same, but not different things.
fn import(top: &mut Map, tree: Node) -> Result<(), ComposeError> {
    let Value::Map(imported) = tree.value else {
        return Ok(());
    };
    for (section, node) in imported {
        if !IMPORTED.contains(&section.as_str()) || node.is_null() {
            continue;
        }
        let Value::Map(entries) = node.value else {
            return Err(node
                .at
                .error(format!("{} in `{section}`", node.kind()), "a mapping"));
        };
        let target = top
            .entry(section.clone())
            .or_insert_with(|| Node::new(Value::Map(Map::new()), node.at.clone()));
        if target.is_null() {
            target.value = Value::Map(Map::new());
        }
        let Value::Map(target) = &mut target.value else {
            return Err(target
                .at
                .error(format!("{} in `{section}`", target.kind()), "a mapping"));
        };
        for (name, entry) in entries {
            match target.get(&name) {
                None => {
                    target.insert(name, entry);
                }
                Some(existing) if *existing == entry => {}
                Some(existing) => {
                    return Err(existing.place().error(
                        format!(
                            "`{section}.{name}` is declared here and in the included {}",
                            entry.place().location()
                        ),
                        "one declaration (change an included one in a file given with -f)",
                    ));
                }
            }
        }
    }
    Ok(())
}
