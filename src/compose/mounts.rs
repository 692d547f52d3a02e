//! Text files that a container sees: bind mounts, `configs` and `secrets`. Pure: files come through `Files`.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::Path;

use super::error::ComposeError;
use super::model::{Files, MountedFile, Service, Warning, WarningKind};
use super::node::{Map, Node, Value};
use super::paths;
use super::reader::Reader;
use super::shape::Field;
use crate::redact::Redactor;

/// Larger files are no configuration.
const MAX_BYTES: usize = 256 * 1024;
/// Of a mounted folder no more files are read.
const MAX_FILES: usize = 200;
/// Nor more of those in it that a variable or the command names.
const MAX_NAMED: usize = 16;
/// Nor what lies deeper in it: frameworks keep settings some folders deep.
const MAX_DEPTH: usize = 6;
/// Nor more than that of it looked at.
const MAX_SEEN: usize = 4000;
/// Folders that hold no configuration.
pub(super) const SKIPPED: [&str; 7] = [
    "node_modules",
    "vendor",
    "venv",
    "__pycache__",
    "target",
    "dist",
    "data",
];
/// Where a host keeps no configuration of an application, but files that never end.
const SYSTEM: [&str; 6] = ["/proc", "/sys", "/dev", "/run", "/var", "/etc"];

/// One mount of a file or a folder.
struct Mount {
    source: String,
    target: String,
}

/// Reads what the service mounts.
pub(super) fn read(
    reader: &mut Reader<'_>,
    service: &Field<'_>,
    out: &mut Service,
) -> Result<(), ComposeError> {
    if let Some(field) = service.get("volumes") {
        let mut mounts: Vec<(Mount, Field<'_>)> = Vec::new();
        for item in field.items("a list of volumes")? {
            if let Some(name) = named(&item)? {
                declared(&item, "volume", &name, reader.volumes)?;
            }
            let Some(mount) = bind(&item)? else {
                continue;
            };
            // A later mount at the same place replaces the earlier one.
            mounts.retain(|(earlier, _)| earlier.target != mount.target);
            mounts.push((mount, item));
        }
        for (mount, item) in mounts {
            if mount.source.ends_with("docker.sock") {
                out.docker_socket = true;
            } else {
                bound(reader, &mount, &item, out);
            }
        }
    }
    if let Some(field) = service.get("secrets") {
        for item in field.items("a list of secrets")? {
            let name = match item.get("source") {
                Some(source) => source.text()?,
                None => item.text()?,
            };
            let target = item.read("target", Field::text)?;
            let entry = declared(&item, "secret", &name, reader.secrets)?;
            secret(reader, entry, (&name, target), out)?;
        }
    }
    if let Some(field) = service.get("configs") {
        for item in field.items("a list of configs")? {
            config(reader, &item, out)?;
        }
    }
    Ok(())
}

/// No one makes what is named only where it is used: compose refuses such a file.
fn declared<'a>(
    item: &Field<'_>,
    kind: &str,
    name: &str,
    all: Option<&'a Map>,
) -> Result<&'a Node, ComposeError> {
    all.and_then(|all| all.get(name)).ok_or_else(|| {
        item.error(
            &format!("the {kind} `{name}`"),
            &format!("a {kind} that the top-level `{kind}s` declares"),
        )
    })
}

/// The name of a volume that the project declares; an anonymous one has none.
fn named(item: &Field<'_>) -> Result<Option<String>, ComposeError> {
    let name = match &item.node.value {
        Value::Text(text) => {
            let windows = text.as_bytes().get(1) == Some(&b':');
            text.split_once(':')
                .map(|(source, _)| source.to_owned())
                .filter(|source| !windows && !paths::is_host_path(source))
        }
        Value::Map(_) => {
            let text = |key: &str| item.read(key, Field::text);
            text("source")?.filter(|_| matches!(text("type"), Ok(Some(kind)) if kind == "volume"))
        }
        _ => None,
    };
    Ok(name.filter(|name| !name.is_empty()))
}

fn bind(item: &Field<'_>) -> Result<Option<Mount>, ComposeError> {
    match &item.node.value {
        Value::Text(text) => {
            let mut parts = text.splitn(3, ':');
            let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
                return Ok(None);
            };
            Ok(paths::is_host_path(source).then(|| Mount {
                source: source.to_owned(),
                target: target.to_owned(),
            }))
        }
        Value::Map(_) => {
            let text = |key: &str| item.read(key, Field::text);
            let kind = text("type")?;
            let (source, target) = (text("source")?, text("target")?);
            match (kind.as_deref(), source, target) {
                (Some("bind"), Some(source), Some(target)) => Ok(Some(Mount { source, target })),
                (None, ..) => Err(item.error("no `type`", "bind, volume, tmpfs …")),
                _ => Ok(None),
            }
        }
        _ => Err(item.wrong("SOURCE:TARGET, or a mapping with `type`")),
    }
}

fn bound(reader: &mut Reader<'_>, mount: &Mount, item: &Field<'_>, out: &mut Service) {
    let path = paths::join(reader.working_directory, &mount.source);
    let inside = path.starts_with(paths::join(
        reader.working_directory,
        &reader.directory.display().to_string(),
    )) || !Path::new(&mount.source).is_absolute()
        || reader.relative.contains(Path::new(&mount.source));
    if !inside && (path.parent().is_none() || SYSTEM.iter().any(|system| path.starts_with(system)))
    {
        return;
    }
    if !reader.files.exists(&path) {
        if inside {
            let shown = paths::shown(&path, reader.working_directory);
            reader.warnings.push(Warning {
                kind: WarningKind::FileMissing,
                message: format!("{shown}, which is mounted at {}, is not here", mount.target),
                location: item.node.at.location(),
            });
        }
        return;
    }
    // Folders elsewhere on the host hold data, not what belongs to the application.
    let names = if inside {
        reader.files.list(&path).ok()
    } else {
        None
    };
    let Some(names) = names else {
        file(reader, &path, (mount.target.clone(), true), out);
        return;
    };
    // The whole project is code of all its services: only what lies at its top is looked at.
    let depth = if path == reader.working_directory {
        1
    } else {
        MAX_DEPTH
    };
    named_within(reader, (&path, &mount.target), out);
    let limit = out.mounts.len() + MAX_FILES;
    folder(reader, (&path, &mount.target), (names, depth, limit), out);
    let mut seen = BTreeSet::new();
    out.mounts.retain(|file| seen.insert(file.target.clone()));
}

/// The files of a mounted folder that a variable or the command names, however deep they lie.
fn named_within(reader: &Reader<'_>, (path, target): (&Path, &str), out: &mut Service) {
    let values = out.environment.values().map(|value| value.value.as_str());
    let words = out.entrypoint.iter().chain(&out.command).flatten();
    let start = format!("{}/", target.trim_end_matches('/'));
    let named: BTreeSet<String> = values
        .chain(words.map(String::as_str))
        .flat_map(|text| text.split(|c: char| c.is_whitespace() || matches!(c, '=' | ',' | ';')))
        .filter_map(|word| word.trim_matches(['"', '\'']).strip_prefix(&start))
        .filter(|inner| !inner.is_empty() && !inner.split('/').any(|part| part == ".."))
        .map(str::to_owned)
        .collect();
    for inner in named.into_iter().take(MAX_NAMED) {
        let path = path.join(&inner);
        if reader.files.exists(&path) && reader.files.list(&path).is_err() {
            file(reader, &path, (format!("{start}{inner}"), true), out);
        }
    }
}

/// The files of a mounted folder, those that lie deeper after all that do not.
fn folder(
    reader: &Reader<'_>,
    (path, target): (&Path, &str),
    (names, depth, limit): (Vec<String>, usize, usize),
    out: &mut Service,
) {
    let mut left = MAX_SEEN;
    let mut waiting = VecDeque::from([(path.to_path_buf(), target.to_owned(), names, depth)]);
    while let Some((path, target, names, depth)) = waiting.pop_front() {
        for name in names {
            left -= 1;
            if out.mounts.len() >= limit || left == 0 {
                return;
            }
            let inner = path.join(&name);
            let seen = format!("{}/{name}", target.trim_end_matches('/'));
            let skipped = name.starts_with('.') || SKIPPED.contains(&name.as_str());
            match reader.files.list(&inner) {
                Ok(names) if depth > 1 && !skipped => {
                    waiting.push_back((inner, seen, names, depth - 1));
                }
                Ok(_) => {}
                // No folder.
                Err(_) => file(reader, &inner, (seen, false), out),
            }
        }
    }
}

fn file(reader: &Reader<'_>, path: &Path, (target, direct): (String, bool), out: &mut Service) {
    out.mounts
        .extend(text(reader.files, path).map(|text| MountedFile {
            target,
            source: paths::shown(path, reader.working_directory),
            direct,
            text,
        }));
}

/// The text of a file; what cannot be read, is large or no text, is none of the files that say whom a service calls.
pub(super) fn text(files: &dyn Files, path: &Path) -> Option<String> {
    let mut text = files.read(path).ok()?;
    if files.is_foreign(path) {
        text = Redactor::default().text(&text);
    }
    (text.len() <= MAX_BYTES && !text.contains('\0')).then_some(text)
}

/// What a secret holds, kept apart: its file is no configuration that is read for addresses.
fn secret(
    reader: &Reader<'_>,
    entry: &Node,
    (name, target): (&str, Option<String>),
    out: &mut Service,
) -> Result<(), ComposeError> {
    let declared = Field::new(entry, format!("secrets.{name}"));
    let of = |key: &str| declared.read(key, Field::text);
    let value = of("environment")?.and_then(|variable| reader.environment.get(&variable).cloned());
    let file = of("file")?.map(|source| paths::join(reader.working_directory, &source));
    let text = value.or_else(|| text(reader.files, &file?));
    let target = target.unwrap_or_else(|| name.to_owned());
    out.secrets.extend(text.map(|text| MountedFile {
        target: if target.starts_with('/') {
            target
        } else {
            format!("/run/secrets/{target}")
        },
        source: format!("secrets.{name}"),
        direct: true,
        text,
    }));
    Ok(())
}

fn config(
    reader: &mut Reader<'_>,
    item: &Field<'_>,
    out: &mut Service,
) -> Result<(), ComposeError> {
    let (name, target) = if let Value::Text(name) = &item.node.value {
        (name.clone(), None)
    } else {
        item.map("a config's name, or a mapping with `source`")?;
        let source = item.required("source", "a config's name")?;
        (source.text()?, item.read("target", Field::text)?)
    };
    let target = target.unwrap_or_else(|| format!("/{name}"));
    let entry = declared(item, "config", &name, reader.configs)?;
    let declared = Field::new(entry, format!("configs.{name}"));
    let said = |key: &str| declared.read(key, Field::text);
    let content = said("content")?;
    let variable = said("environment")?;
    if content.is_some() || variable.is_some() {
        let content = content.filter(|text| text.len() <= MAX_BYTES);
        let text = content.or_else(|| reader.environment.get(&variable?).cloned());
        out.mounts.extend(text.map(|text| MountedFile {
            target,
            source: format!("configs.{name}"),
            direct: true,
            text,
        }));
        return Ok(());
    }
    let Some(source) = said("file")? else {
        return Ok(());
    };
    let path = paths::join(reader.working_directory, &source);
    match reader.files.read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let shown = paths::shown(&path, reader.working_directory);
            reader.warnings.push(Warning {
                kind: WarningKind::FileMissing,
                message: format!("{shown}, the file of the config `{name}`, is not here"),
                location: declared.node.place().location(),
            });
        }
        _ => file(reader, &path, (target, true), out),
    }
    Ok(())
}
