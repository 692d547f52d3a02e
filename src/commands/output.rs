//! Where reports go: files that are checked before the run and replaced as wholes. IO.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::CommandError;
use crate::cli::Format;
use crate::reason;
use crate::report::unfinished;
use crate::sanitise::{clean, json_without_commands, without_commands};

/// So much of a file shows whether it is a report.
const HEAD: u64 = 4096;

/// A file that a report goes to, each time either whole or not at all.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    option: String,
    /// A pipe or a device (`/dev/stderr`), which must not be replaced by a file.
    direct: Option<File>,
}

impl OutputFile {
    /// Makes sure that it can be written, and that nothing of the user's is lost by it; changes nothing yet.
    ///
    /// # Errors
    /// [`CommandError::Usage`] if the folder does not exist, if `path` is a folder, or if a file is there that is no report of this tool.
    pub fn open(path: &Path, option: &str) -> Result<Self, CommandError> {
        let refuse =
            |what: String| CommandError::Usage(format!("{option} {}: {what}", path.display()));
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
        let direct = if is_special(&path) {
            let file = File::options().append(true).open(&path);
            Some(
                file.map_err(|error| {
                    refuse(format!("cannot write to it: {}", reason::said(&error)))
                })?,
            )
        } else {
            match is_foreign(&path) {
                Ok(false) => {}
                Ok(true) => {
                    return Err(refuse(
                        "a file is there that is no report of k8sverify, and it was left as it is; delete it, or name another path".to_owned(),
                    ));
                }
                Err(error) => {
                    return Err(refuse(format!(
                        "cannot read the file that is there: {}; delete it, or name another path",
                        reason::said(&error)
                    )));
                }
            }
            None
        };
        Ok(Self {
            path,
            option: option.to_owned(),
            direct,
        })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a pipe or a device: what is written there stays.
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// Writes the first bytes, so that a path that cannot be written is known before the long run.
    ///
    /// # Errors
    /// [`CommandError::Usage`] if they cannot be written.
    pub fn begin(&self, bytes: &[u8]) -> Result<(), CommandError> {
        self.replace(bytes).map_err(|error| {
            CommandError::Usage(format!(
                "{} {}: cannot write to this folder: {}; name another path",
                self.option,
                self.path.display(),
                reason::unwritable(&error)
            ))
        })
    }

    /// Writes the bytes in the place of what is there.
    ///
    /// # Errors
    /// [`CommandError::Output`] if the disk is full or the rename is refused.
    pub fn write(&self, bytes: &[u8]) -> Result<(), CommandError> {
        let written = match &self.direct {
            Some(file) => {
                let mut file: &File = file;
                file.write_all(bytes).and_then(|()| file.flush())
            }
            None => self.replace(bytes),
        };
        written.map_err(|error| {
            CommandError::Output(format!(
                "cannot write {}: {}",
                self.path.display(),
                reason::said(&error)
            ))
        })
    }

    /// By a file beside it, which lives no longer than this call.
    fn replace(&self, bytes: &[u8]) -> std::io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::Builder::new()
            .prefix(".k8sverify-")
            .tempfile_in(folder)
            // The temporary name that stands in tempfile's words says nothing to the user.
            .map_err(|error| std::io::Error::from(error.kind()))?;
        file.write_all(bytes)
            .and_then(|()| file.flush())
            .map_err(|error| std::io::Error::from(error.kind()))?;
        readable_by_others(&file)?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Whether something is there that this tool did not write; an empty file is no one's.
fn is_foreign(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(HEAD).read_to_end(&mut head)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(!head.is_empty() && !unfinished::is_report(&String::from_utf8_lossy(&head)))
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

/// A report as it may stand in a log: a CI server reads its own commands in one, but for the format that consists of them.
pub fn guarded(format: Format, bytes: Vec<u8>) -> Vec<u8> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return error.into_bytes(),
    };
    match format {
        Format::Github => text,
        Format::Json => json_without_commands(&text),
        Format::Console | Format::Junit | Format::Markdown | Format::Html => {
            without_commands(&text)
        }
    }
    .into_bytes()
}

/// Writes a note for the user to standard error.
pub fn note(text: &str) {
    // There is nowhere left to write it where standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", without_commands(&clean(text)));
}

/// Asks the person at the terminal, on standard error, and stays in the line.
pub fn ask(question: &str) {
    // A terminal that cannot be written to gives no answer either.
    let _ = write!(std::io::stderr(), "{}", without_commands(&clean(question)));
}

/// Writes a text without colours to standard output, made fit for a terminal, see [`print`].
///
/// # Errors
/// As [`print`].
pub fn print_text(text: &str) -> Result<(), CommandError> {
    print_painted(&clean(text))
}

/// Writes a text that may hold the tool's own colours, and nothing else that a terminal obeys, to standard output, see [`print`].
///
/// # Errors
/// As [`print`].
pub fn print_painted(text: &str) -> Result<(), CommandError> {
    print(without_commands(text).as_bytes())
}

/// Writes a document in JSON to standard output, see [`print`].
///
/// # Errors
/// As [`print`].
pub fn print_json(text: &str) -> Result<(), CommandError> {
    print(json_without_commands(text).as_bytes())
}

/// Writes to standard output; a reader that went away (`| head`) is no error.
///
/// # Errors
/// [`CommandError::Output`] for anything else.
pub fn print(bytes: &[u8]) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CommandError::Output(
            format!("cannot write to standard output: {}", reason::said(&error)),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_its_style_and_script_and_loses_commands() {
        let page = crate::report::html::render(&unfinished::unfinished(
            &unfinished::Begun::default(),
            "no",
        ));
        assert_eq!(guarded(Format::Html, page.clone()), page);
        let attribute = b"<a title=\"x\n::stop-commands::y ##[z]\">".to_vec();
        let text = String::from_utf8(guarded(Format::Html, attribute)).unwrap();
        assert!(!text.contains("\n::") && !text.contains("##["), "{text}");
        let commands = b"::error::x\n".to_vec();
        assert_eq!(guarded(Format::Github, commands.clone()), commands);
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let output = OutputFile::open(&path, "--json").unwrap();
        assert!(!path.exists());
        output.begin(b"{}").unwrap();
        output.write(b"[]").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"[]");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_the_tool_did_not_write_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compose.yaml");
        std::fs::write(&path, "services: {}").unwrap();
        let error = OutputFile::open(&path, "--json").unwrap_err();
        assert!(
            error.to_string().contains("no report of k8sverify"),
            "{error}"
        );
        assert_eq!(error.exit_code(), 2);
        assert_eq!(std::fs::read(&path).unwrap(), b"services: {}");
        for free in ["", "{\n  \"schema\": \"k8sverify/report/v1\"}"] {
            std::fs::write(&path, free).unwrap();
            OutputFile::open(&path, "--json").unwrap();
        }
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let error = OutputFile::open(&folder.path().join("no/such/report.json"), "--json")
            .and_then(|output| output.begin(b"{}"))
            .unwrap_err();
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
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        OutputFile::open(&link, "--json")
            .unwrap()
            .write(b"new")
            .unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
