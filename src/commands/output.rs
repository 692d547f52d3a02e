//! Where reports go: files that are opened before the run and written atomically at its end. IO.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::Failure;

/// A file that will be written at the end, and either whole or not at all.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    /// Put in the place of `path` when it is whole.
    Beside(NamedTempFile),
    /// A pipe or a device (`/dev/stderr`), which must not be replaced by a file.
    Direct(File),
}

impl OutputFile {
    /// Opens a temporary file beside `path`, so that a path that cannot be written is known before the long run.
    ///
    /// # Errors
    /// [`Failure::Usage`] if the folder does not exist or cannot be written, or if `path` is a folder.
    pub fn open(path: &Path, option: &str) -> Result<Self, Failure> {
        let refuse = |what: String| Failure::Usage(format!("{option} {}: {what}", path.display()));
        if path.as_os_str() == "-" {
            let format = option.trim_start_matches('-');
            return Err(refuse(format!(
                "standard output carries what --format says; use --format {format}"
            )));
        }
        if path.is_dir() {
            return Err(refuse("is a folder; name a file in it".to_owned()));
        }
        // What a link leads to is written, not the link.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if is_special(&path) {
            let file = File::options()
                .append(true)
                .open(&path)
                .map_err(|error| refuse(format!("cannot write to it: {error}")))?;
            return Ok(Self {
                path,
                sink: Sink::Direct(file),
            });
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".k8sverify-")
            .tempfile_in(folder)
            .map_err(|error| {
                refuse(format!(
                    "cannot write to this folder: {error}; make it, or name another path"
                ))
            })?;
        Ok(Self {
            path,
            sink: Sink::Beside(file),
        })
    }

    /// Where it will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the bytes and puts the file in its place.
    ///
    /// # Errors
    /// [`Failure::Output`] if the disk is full or the rename is refused.
    pub fn write(self, bytes: &[u8]) -> Result<(), Failure> {
        let Self { path, sink } = self;
        let failed = |error: std::io::Error| {
            Failure::Output(format!("cannot write {}: {error}", path.display()))
        };
        match sink {
            Sink::Direct(mut file) => file
                .write_all(bytes)
                .and_then(|()| file.flush())
                .map_err(failed),
            Sink::Beside(mut file) => {
                file.write_all(bytes)
                    .and_then(|()| file.flush())
                    .and_then(|()| readable_by_others(&file))
                    .map_err(failed)?;
                file.persist(&path).map_err(|error| failed(error.error))?;
                Ok(())
            }
        }
    }
}

/// Whether it is there and no ordinary file. What a shell has opened (`/dev/stderr` of `2> log`) is written through, too.
fn is_special(path: &Path) -> bool {
    path.starts_with("/dev")
        || path.starts_with("/proc")
        || std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
}

/// Temporary files are the owner's alone; a report is read by the CI server's other users too.
#[cfg(unix)]
fn readable_by_others(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_others(_: &NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

/// Writes to standard output; a reader that went away (`| head`) is no error.
///
/// # Errors
/// [`Failure::Output`] for anything else.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Output(
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let output = OutputFile::open(&path, "--json").unwrap();
        assert!(!path.exists());
        output.write(b"{}").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{}");
        drop(OutputFile::open(&path, "--json").unwrap());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "an unused temporary file goes away"
        );
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            OutputFile::open(&folder.path().join("no/such/report.json"), "--json").unwrap_err();
        assert!(error.to_string().starts_with("--json "), "{error}");
        assert!(OutputFile::open(folder.path(), "--json").is_err());
        let error = OutputFile::open(Path::new("-"), "--junit").unwrap_err();
        assert!(error.to_string().contains("--format junit"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_through_and_a_link_stays_a_link() {
        use std::os::unix::fs::FileTypeExt;
        OutputFile::open(Path::new("/dev/null"), "--json")
            .unwrap()
            .write(b"{}")
            .unwrap();
        let kind = std::fs::metadata("/dev/null").unwrap().file_type();
        assert!(kind.is_char_device());
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        OutputFile::open(&link, "--json")
            .unwrap()
            .write(b"new")
            .unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
