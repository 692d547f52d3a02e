//! Compose files → one merged, untyped tree: read, interpolate, `extends`, `include`, merge. Pure: files come through [`Files`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::environment::Variables;
use super::error::ComposeError;
use super::interpolate::interpolate_tree;
use super::merge::{merge_files, merge_service, settle_tags};
use super::model::{Files, Warning, WarningKind};
use super::node::{Map, Node, Place, Value};
use super::paths;
use super::refuse;
use super::shape::Field;
use super::tree::parse;

/// Longer chains of `extends` are refused.
const MAX_EXTENDS: usize = 32;
/// More files are refused.
const MAX_FILES: usize = 512;
/// More values in what `extends` repeats are refused.
const MAX_EXTENDED: usize = 500_000;

/// What reading several files needs and gathers.
pub(super) struct Loader<'a> {
    /// Where files come from.
    pub(super) files: &'a dyn Files,
    /// Where the user stands.
    pub(super) working_directory: &'a Path,
    /// What was noticed.
    pub(super) warnings: Vec<Warning>,
    /// Variables without a value, with the first place of each.
    pub(super) unset: BTreeMap<String, Place>,
    /// Every compose file that was read, as it is shown.
    pub(super) sources: Vec<String>,
    /// What the files name by a path of their own folder.
    pub(super) relative: BTreeSet<PathBuf>,
    extended: usize,
}

/// The setting in which a set of files is read; an `include` has its own.
pub(super) struct Scope<'s> {
    /// The project's folder.
    pub(super) directory: PathBuf,
    /// The variables.
    pub(super) environment: &'s Variables,
    /// The files that led here.
    pub(super) including: Vec<PathBuf>,
}

impl<'a> Loader<'a> {
    /// A loader that has read nothing yet.
    pub(super) fn new(files: &'a dyn Files, working_directory: &'a Path) -> Self {
        Self {
            files,
            working_directory,
            warnings: Vec::new(),
            unset: BTreeMap::new(),
            sources: Vec::new(),
            relative: BTreeSet::new(),
            extended: 0,
        }
    }

    /// The top-level `name` of the last file that has one, interpolated.
    pub(super) fn name(
        &self,
        files: &[PathBuf],
        environment: &Variables,
    ) -> Result<Option<String>, ComposeError> {
        let mut name = None;
        for file in files {
            for document in self.documents(file, "the command line")? {
                if let Some(found) = document.get("name").filter(|node| !node.is_null()) {
                    let mut found = found.clone();
                    interpolate_tree(&mut found, environment, &mut BTreeMap::new())?;
                    name = Some(Field::new(&found, "name").text()?);
                }
            }
        }
        Ok(name)
    }

    /// Reads and merges the files of a project.
    pub(super) fn project(
        &mut self,
        files: &[PathBuf],
        directory: &Path,
        environment: &Variables,
    ) -> Result<Node, ComposeError> {
        let scope = Scope {
            directory: directory.to_path_buf(),
            environment,
            including: Vec::new(),
        };
        self.merged(files, &scope, "the command line")
    }

    /// How a path is shown to the user.
    pub(super) fn shown(&self, path: &Path) -> String {
        paths::shown(path, self.working_directory)
    }

    fn documents(&self, file: &Path, needed_by: &str) -> Result<Vec<Node>, ComposeError> {
        let shown = self.shown(file);
        let text = self
            .files
            .read(file)
            .map_err(|source| ComposeError::Unreadable {
                needed_by: needed_by.to_owned(),
                file: shown.clone(),
                expected: "a compose file".to_owned(),
                source,
            })?;
        let documents = parse(&shown, text.strip_prefix('\u{feff}').unwrap_or(&text))?;
        let mut out = Vec::new();
        for document in documents {
            match &document.value {
                Value::Map(map) => {
                    refuse::other_file(map)?;
                    out.push(document);
                }
                Value::Null => {}
                _ => {
                    return Err(document
                        .at
                        .error(document.kind(), "a mapping with `services`"));
                }
            }
        }
        if out.is_empty() {
            return Err(Place::file(&shown).error("an empty file", "a mapping with `services`"));
        }
        Ok(out)
    }

    /// Reads and merges the files of one scope.
    pub(super) fn merged(
        &mut self,
        files: &[PathBuf],
        scope: &Scope<'_>,
        needed_by: &str,
    ) -> Result<Node, ComposeError> {
        let mut merged: Option<Node> = None;
        for file in files {
            if self.sources.len() >= MAX_FILES {
                return Err(Place::file(needed_by)
                    .error("too many files", format!("at most {MAX_FILES} files")));
            }
            let shown = self.shown(file);
            self.sources.push(shown);
            for mut document in self.documents(file, needed_by)? {
                self.prepare(&mut document, scope, &scope.directory)?;
                refuse::refuse_invalid_names(&document)?;
                self.extends(&mut document, file, scope)?;
                self.include(&mut document, file, scope)?;
                merged = Some(if let Some(base) = merged {
                    merge_files(base, document)?
                } else {
                    settle_tags(&mut document);
                    document
                });
            }
        }
        merged.ok_or_else(|| Place::file(needed_by).error("no file", "at least one compose file"))
    }

    fn prepare(
        &mut self,
        document: &mut Node,
        scope: &Scope<'_>,
        base: &Path,
    ) -> Result<(), ComposeError> {
        interpolate_tree(document, scope.environment, &mut self.unset)?;
        let home = scope.environment.get("HOME").map(String::as_str);
        self.relative
            .extend(paths::resolve_paths(document, base, home));
        Ok(())
    }

    fn extends(
        &mut self,
        document: &mut Node,
        file: &Path,
        scope: &Scope<'_>,
    ) -> Result<(), ComposeError> {
        let Some(services) = document.get("services") else {
            return Ok(());
        };
        let services = Field::new(services, "services");
        if services.node.is_null() {
            return Ok(());
        }
        let services = services.map("a mapping of services")?;
        if !services.values().any(|node| node.get("extends").is_some()) {
            return Ok(());
        }
        let mut bases = BTreeMap::new();
        let mut done = Map::new();
        for name in services.keys() {
            let mut chain = Vec::new();
            let service = self.extended(name, services, file, scope, &mut bases, &mut chain)?;
            done.insert(name.clone(), service);
        }
        if let Value::Map(top) = &mut document.value
            && let Some(services) = top.get_mut("services")
        {
            services.value = Value::Map(done);
        }
        Ok(())
    }

    fn extended(
        &mut self,
        name: &str,
        services: &Map,
        file: &Path,
        scope: &Scope<'_>,
        bases: &mut BTreeMap<PathBuf, Rc<Map>>,
        chain: &mut Vec<(PathBuf, String)>,
    ) -> Result<Node, ComposeError> {
        let Some(node) = services.get(name) else {
            return Err(Place::file(&self.shown(file)).error(
                format!("no service `{name}`, which another one extends"),
                format!("a service `{name}`"),
            ));
        };
        let mut service = node.clone();
        let Value::Map(map) = &mut service.value else {
            return Ok(service);
        };
        let Some(extends) = map.remove("extends").filter(|node| !node.is_null()) else {
            return Ok(service);
        };
        let link = (file.to_path_buf(), name.to_owned());
        if chain.contains(&link) {
            return Err(extends.place().error(
                format!("`extends` goes round in a circle through `{name}`"),
                "a chain of services that ends",
            ));
        }
        if chain.len() >= MAX_EXTENDS {
            return Err(extends.place().error(
                format!("`extends` goes too deep at `{name}`"),
                format!("a chain of at most {MAX_EXTENDS} services"),
            ));
        }
        chain.push(link);
        let (base_name, base_file) = self.base_of(&extends, name)?;
        let base = if let Some(path) = base_file.filter(|path| path != file) {
            let others = if let Some(known) = bases.get(&path) {
                Rc::clone(known)
            } else {
                let read = Rc::new(self.base_services(&path, scope, &extends)?);
                bases.insert(path.clone(), Rc::clone(&read));
                read
            };
            if !others.contains_key(&base_name) {
                return Err(missing_base(&extends, &base_name, &self.shown(&path)));
            }
            self.extended(&base_name, &others, &path, scope, bases, chain)?
        } else {
            if !services.contains_key(&base_name) {
                return Err(missing_base(&extends, &base_name, &self.shown(file)));
            }
            self.extended(&base_name, services, file, scope, bases, chain)?
        };
        chain.pop();
        self.extended += weight(&base);
        if self.extended > MAX_EXTENDED {
            return Err(extends.place().error(
                "too much text once `extends` is followed",
                format!("at most {MAX_EXTENDED} values"),
            ));
        }
        let location = service.key.clone();
        let mut merged = merge_service(base, service)?;
        merged.key = location;
        Ok(merged)
    }

    fn base_of(
        &self,
        extends: &Node,
        name: &str,
    ) -> Result<(String, Option<PathBuf>), ComposeError> {
        let field = Field::new(extends, format!("services.{name}.extends"));
        match &extends.value {
            Value::Text(service) => Ok((service.clone(), None)),
            Value::Map(_) => {
                let service = field.required("service", "the service that it extends")?;
                let service = service.text()?;
                let file = field.read("file", Field::text)?;
                let file = file.map(|file| paths::join(self.working_directory, &file));
                Ok((service, file))
            }
            _ => Err(field.wrong("a service's name, or `service` and `file`")),
        }
    }

    /// The services of a file that `extends` names; nothing else of it counts.
    fn base_services(
        &mut self,
        path: &Path,
        scope: &Scope<'_>,
        extends: &Node,
    ) -> Result<Map, ComposeError> {
        let needed_by = extends.place().location().to_string();
        let folder = paths::folder(path);
        let mut merged: Option<Node> = None;
        for mut document in self.documents(path, &needed_by)? {
            self.prepare(&mut document, scope, &folder)?;
            merged = Some(match merged {
                Some(base) => merge_files(base, document)?,
                None => document,
            });
        }
        self.sources.push(self.shown(path));
        let services = merged.as_ref().and_then(|tree| tree.get("services"));
        match services.map(|node| &node.value) {
            Some(Value::Map(services)) => Ok(services.clone()),
            _ => Err(extends.place().error(
                format!(
                    "`extends` names {}, which has no services",
                    self.shown(path)
                ),
                "a compose file with `services`",
            )),
        }
    }
}

fn missing_base(extends: &Node, name: &str, file: &str) -> ComposeError {
    extends.place().error(
        format!("`extends` names the service `{name}`"),
        format!("a service that {file} declares"),
    )
}

fn weight(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(weight).sum(),
        Value::Map(map) => map.values().map(weight).sum(),
        _ => 0,
    }
}

/// The warnings about variables that have neither a value nor a default.
pub(super) fn unset_warnings(unset: &BTreeMap<String, Place>) -> Vec<Warning> {
    unset
        .iter()
        .map(|(name, at)| Warning {
            kind: WarningKind::UnsetVariable,
            message: format!("the variable {name} has no value and no default; it counts as empty"),
            location: at.location(),
        })
        .collect()
}
