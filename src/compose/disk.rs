//! The compose stage's one IO file: [`Files`] on the real file system, which never blocks on a pipe and never reads without bound.

use std::fs;
use std::io;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::model::Files;
use super::paths;
use crate::reason;

/// Files beyond this size are no compose, env or configuration file.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        // A named pipe or a device would block for ever.
        let metadata = fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is a pipe or a device, no regular file",
            ));
        }
        if metadata.len() > MAX_BYTES {
            return Err(reason::too_large(MAX_BYTES));
        }
        let mut text = String::new();
        let read = fs::File::open(path)?
            .take(MAX_BYTES + 1)
            .read_to_string(&mut text)?;
        if read as u64 > MAX_BYTES {
            return Err(reason::too_large(MAX_BYTES));
        }
        Ok(text)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

/// The files of a project that someone else may have written: the file system of this machine, which knows what lies outside of it.
#[derive(Debug, Clone, Default)]
pub struct ProjectFiles {
    roots: Vec<PathBuf>,
}

impl ProjectFiles {
    /// A project around the folder in which the user stands: the repository that the folder belongs to, else the folder. `named` are
    /// files that the user named: beside one that lies elsewhere is its project as well.
    pub fn around(folder: &Path, named: &[PathBuf]) -> Self {
        let repository = folder.ancestors().find(|above| above.join(".git").exists());
        let home = repository.unwrap_or(folder);
        let elsewhere = named
            .iter()
            .map(|file| paths::clean(&folder.join(file)))
            .filter(|file| !file.starts_with(home))
            .map(|file| paths::folder(&file));
        Self {
            roots: std::iter::once(home.to_owned())
                .chain(elsewhere)
                .filter_map(|root| fs::canonicalize(root).ok())
                .collect(),
        }
    }
}

impl Files for ProjectFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        DiskFiles.read(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        DiskFiles.list(directory)
    }

    fn exists(&self, path: &Path) -> bool {
        DiskFiles.exists(path)
    }

    fn is_foreign(&self, path: &Path) -> bool {
        // What is not here has no text. A repository's own folder holds what CI logs in with.
        fs::canonicalize(path).is_ok_and(|real| {
            let within = |root: &PathBuf| real.strip_prefix(root).ok();
            let inner = self.roots.iter().find_map(within);
            inner.is_none_or(|inner| inner.iter().any(|part| part == ".git"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_refuses_what_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.txt"), "text").unwrap();
        fs::write(folder.path().join("a.bin"), [0xff, 0xfe]).unwrap();
        let files = DiskFiles;
        assert_eq!(files.list(folder.path()).unwrap(), ["a.bin", "b.txt"]);
        assert_eq!(files.read(&folder.path().join("b.txt")).unwrap(), "text");
        let kind = |name: &str| files.read(&folder.path().join(name)).unwrap_err().kind();
        assert_eq!(kind("a.bin"), io::ErrorKind::InvalidData);
        assert_eq!(kind("."), io::ErrorKind::IsADirectory);
        assert_eq!(kind("none"), io::ErrorKind::NotFound);
        assert!(files.list(&folder.path().join("b.txt")).is_err());
    }
}
