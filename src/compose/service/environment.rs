//! `environment` and `env_file` of a service → what its container gets. Env files are read through `Files`; pure.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::compose::env_file::{parse_after, parse_raw};
use crate::compose::environment::{EnvText, unset_in_file};
use crate::compose::error::ComposeError;
use crate::compose::merge::key_values;
use crate::compose::model::{EnvironmentValue, Location, Warning, WarningKind};
use crate::compose::node::Value;
use crate::compose::paths;
use crate::compose::reader::Reader;
use crate::compose::shape::Field;
use crate::compose::veil::hides_host;

impl Reader<'_> {
    /// `env_file` below `environment`; and the names that pass a variable through which no one sets.
    pub(super) fn environment(
        &mut self,
        service: &Field<'_>,
        active: bool,
    ) -> Result<(BTreeMap<String, EnvironmentValue>, BTreeSet<String>), ComposeError> {
        let mut own: BTreeMap<String, Option<EnvironmentValue>> = BTreeMap::new();
        if let Some(field) = service.get("environment") {
            let node = key_values(field.node.clone())?;
            let field = Field::new(&node, field.path);
            for (name, entry) in field.entries("a mapping, or a list of `KEY=value`")? {
                let value = match &entry.node.value {
                    Value::Null => self.environment.get(name).cloned(),
                    _ => Some(entry.scalar()?),
                };
                let value = value.map(|value| EnvironmentValue {
                    value,
                    location: entry.node.place().location(),
                    from_env_file: false,
                });
                own.insert(name.clone(), value);
            }
        }
        let mut all = BTreeMap::new();
        if let Some(field) = service.get("env_file") {
            for file in env_files(&field)? {
                self.env_file(&file, &own, &mut all, active)?;
            }
        }
        let mut unset = BTreeSet::new();
        for (name, value) in own {
            if let Some(value) = value {
                if hides_host(&name, &value) {
                    self.warnings.push(withheld(&name, &value));
                }
                all.insert(name, value);
            } else {
                all.remove(&name);
                unset.insert(name);
            }
        }
        Ok((all, unset))
    }

    fn env_file(
        &mut self,
        file: &EnvFile,
        own: &BTreeMap<String, Option<EnvironmentValue>>,
        all: &mut BTreeMap<String, EnvironmentValue>,
        active: bool,
    ) -> Result<(), ComposeError> {
        let path = paths::join(self.working_directory, &file.path);
        let shown = paths::shown(&path, self.working_directory);
        let text = match self.files.read(&path) {
            Ok(text) => text,
            Err(_) if !active => return Ok(()),
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && (!file.required || self.without_env_files) =>
            {
                let (kind, what) = if file.required {
                    (WarningKind::EnvFileMissing, "the env file")
                } else {
                    (WarningKind::FileMissing, "the optional env file")
                };
                self.warnings.push(Warning {
                    kind,
                    message: format!("{what} {shown} is not here"),
                    location: file.location.clone(),
                });
                return Ok(());
            }
            Err(source) => {
                return Err(ComposeError::Unreadable {
                    needed_by: file.location.to_string(),
                    file: shown,
                    expected: "an env file (or `required: false`)".to_owned(),
                    source,
                });
            }
        };
        let lines = if file.raw {
            parse_raw(&text)
        } else {
            let environment = self.environment;
            let lookup = |name: &str| {
                let own = || Some(own.get(name)?.as_ref()?.value.clone());
                environment.get(name).cloned().or_else(own)
            };
            let earlier = all
                .iter()
                .map(|(name, value)| (name.clone(), value.value.clone()))
                .collect();
            let mut unset = BTreeSet::new();
            let lines = parse_after(&shown, &text, earlier, &lookup, &mut |name| {
                unset.insert(name.to_owned());
            })?;
            self.warnings
                .extend(unset.iter().map(|name| unset_in_file(name, &shown)));
            lines
        };
        let read = EnvText::new(self.files, &path, &shown, &text);
        for line in lines {
            let value = EnvironmentValue {
                value: read.value(&line.name, line.value),
                location: Location {
                    file: shown.clone(),
                    line: line.line,
                    column: 1,
                },
                from_env_file: true,
            };
            all.insert(line.name, value);
        }
        Ok(())
    }
}

/// No address is made of what may be a secret.
fn withheld(name: &str, value: &EnvironmentValue) -> Warning {
    Warning {
        kind: WarningKind::Withheld,
        message: format!(
            "{name} would make an address of a variable of this process whose name or form is that of a secret; it is not used"
        ),
        location: value.location.clone(),
    }
}

struct EnvFile {
    path: String,
    required: bool,
    raw: bool,
    location: Location,
}

fn env_files(field: &Field<'_>) -> Result<Vec<EnvFile>, ComposeError> {
    let items = match &field.node.value {
        Value::List(_) => field.items("a list")?,
        Value::Text(_) => vec![field.clone()],
        _ => return Err(field.wrong("a path or a list of paths")),
    };
    let mut out: Vec<EnvFile> = Vec::new();
    for item in items {
        let file = if let Value::Text(path) = &item.node.value {
            EnvFile {
                path: path.clone(),
                required: true,
                raw: false,
                location: item.node.at.location(),
            }
        } else {
            item.map("a path, or a mapping with `path`")?;
            let path = item.required("path", "the env file")?.text()?;
            let format = item.read("format", Field::text)?;
            if format
                .as_deref()
                .is_some_and(|format| format != "raw" && !format.is_empty())
            {
                return Err(item.error("an unknown `format`", "`raw`, or no format"));
            }
            EnvFile {
                path,
                required: item.read("required", Field::boolean)?.unwrap_or(true),
                raw: format.is_some_and(|format| format == "raw"),
                location: item.node.at.location(),
            }
        };
        match out.iter_mut().find(|known| known.path == file.path) {
            Some(known) => *known = file,
            None => out.push(file),
        }
    }
    Ok(out)
}
