//! Texts that the user names on the command line: files, pipes, `-` for standard input; never without bound. IO.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::CommandError;
use crate::compose::{Files, ProjectFiles};
use crate::config::words;
use crate::reason;

/// More is no report and no set of manifests.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads what was named; a pipe is waited for.
pub(super) fn named(path: &Path) -> io::Result<String> {
    if path.as_os_str() == "-" {
        return bounded(io::stdin().lock());
    }
    if fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    bounded(File::open(path)?)
}

/// A report that `tool --json PATH` wrote, which `command` is to read.
///
/// # Errors
/// [`CommandError::Usage`] if the file cannot be read or is none.
pub(super) fn report<R: DeserializeOwned>(
    path: &Path,
    command: &str,
    tool: &str,
) -> Result<R, CommandError> {
    let name = path.display();
    let text = named(path).map_err(|error| {
        let why = reason::unreadable(&error);
        CommandError::Usage(format!(
            "{command} {name}: cannot read it: {why}; name a report that `{tool} --json PATH` wrote"
        ))
    })?;
    serde_json::from_str(&text).map_err(|error| {
        let error = words::plain(&error.to_string());
        CommandError::Usage(format!(
            "{command} {name}: {error}; expected a report that `{tool} --json PATH` wrote"
        ))
    })
}

fn bounded(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(reason::too_large(MAX_BYTES));
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The file system, where the named paths may also be pipes or `-`.
pub(super) struct NamedFiles<'a> {
    named: &'a [PathBuf],
    project: ProjectFiles,
}

impl<'a> NamedFiles<'a> {
    /// With these paths, which count from the folder in which the user stands.
    pub(super) fn new(named: &'a [PathBuf]) -> Self {
        // Without a folder to stand in no relative path is known.
        let folder = std::env::current_dir().unwrap_or_default();
        Self {
            named,
            project: ProjectFiles::around(&folder, named),
        }
    }
}

impl Files for NamedFiles<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if self.named.iter().any(|named| named == path) {
            named(path)
        } else {
            self.project.read(path)
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.project.list(directory)
    }

    fn exists(&self, path: &Path) -> bool {
        self.project.exists(path)
    }

    fn is_foreign(&self, path: &Path) -> bool {
        self.project.is_foreign(path)
    }
}
