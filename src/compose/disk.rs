//! The compose stage's one IO file: [`Files`] on the real file system, which never blocks on a pipe and never reads without bound.

use std::fs;
use std::io;
use std::io::Read as _;
use std::path::Path;

use super::model::Files;

/// Files beyond this size are no compose, env or configuration file.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        // A named pipe or a device would block for ever.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a regular file",
            ));
        }
        let mut text = String::new();
        let read = fs::File::open(path)?
            .take(MAX_BYTES + 1)
            .read_to_string(&mut text)?;
        if read as u64 > MAX_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("larger than {MAX_BYTES} bytes"),
            ));
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
        assert_eq!(kind("."), io::ErrorKind::InvalidData);
        assert_eq!(kind("none"), io::ErrorKind::NotFound);
        assert!(files.list(&folder.path().join("b.txt")).is_err());
    }
}
