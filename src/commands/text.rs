//! Texts that the user names on the command line: files, pipes, `-` for standard input; never without bound. IO.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::compose::{DiskFiles, Files};
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

fn bounded(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(reason::too_large(MAX_BYTES));
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The file system, where these paths may also be pipes or `-`.
pub(super) struct NamedFiles<'a>(pub(super) &'a [PathBuf]);

impl Files for NamedFiles<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if self.0.iter().any(|named| named == path) {
            named(path)
        } else {
            DiskFiles.read(path)
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        DiskFiles.list(directory)
    }

    fn exists(&self, path: &Path) -> bool {
        DiskFiles.exists(path)
    }
}
