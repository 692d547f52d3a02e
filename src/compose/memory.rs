//! A file system made of texts, for the tests of this stage.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::model::Files;

/// Files by their absolute path.
#[derive(Debug, Default)]
pub(crate) struct MemoryFiles(BTreeMap<PathBuf, String>);

impl MemoryFiles {
    /// The files with these paths and texts.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let entry = |(path, text): &(&str, &str)| (PathBuf::from(path), (*text).to_owned());
        Self(files.iter().map(entry).collect())
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        self.0.get(path).cloned().ok_or_else(missing)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let inside = self
            .0
            .keys()
            .filter_map(|path| path.strip_prefix(directory).ok());
        let mut names: Vec<String> = inside
            .filter_map(|rest| rest.components().next())
            .map(|name| name.as_os_str().to_string_lossy().into_owned())
            .collect();
        names.dedup();
        if names.is_empty() || self.0.contains_key(directory) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.keys().any(|known| known.starts_with(path))
    }
}
