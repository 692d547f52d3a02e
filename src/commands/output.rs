//! Where reports go: files that are opened before the run and written atomically at its end. IO.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::Failure;

/// A file that will be written at the end, and either whole or not at all.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl OutputFile {
    /// Opens a temporary file beside `path`, so that a path that cannot be written is known before the long run.
    ///
    /// # Errors
    /// [`Failure::Usage`] if the folder does not exist or cannot be written, or if `path` is a folder.
    pub fn open(path: &Path, option: &str) -> Result<Self, Failure> {
        let refuse = |what: String| Failure::Usage(format!("{option} {}: {what}", path.display()));
        if path.is_dir() {
            return Err(refuse("is a folder; name a file in it".to_owned()));
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
            path: path.to_owned(),
            file,
        })
    }

    /// Writes the bytes and puts the file in its place.
    ///
    /// # Errors
    /// [`Failure::Output`] if the disk is full or the rename is refused.
    pub fn write(mut self, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path.clone();
        let failed = |error: std::io::Error| {
            Failure::Output(format!("cannot write {}: {error}", path.display()))
        };
        self.file.write_all(bytes).map_err(failed)?;
        self.file.flush().map_err(failed)?;
        readable_by_others(&self.file).map_err(failed)?;
        self.file
            .persist(&self.path)
            .map_err(|error| failed(error.error))?;
        Ok(())
    }
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
    }
}
