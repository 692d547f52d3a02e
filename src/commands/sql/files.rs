//! The SQL files of a run: those that are named, else those that compose mounts where the images run them, in their order. IO.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::cli::SqlArgs;
use crate::commands::CommandError;
use crate::compose::{ComposeFile, MountedFile};
use crate::sql::script::SqlText;

/// Where the images of MySQL and MariaDB run files at their first start.
const FOLDER: &str = "/docker-entrypoint-initdb.d/";
/// Unpacked files of more are refused.
const MOST: u64 = 64 * 1024 * 1024;

/// What was found.
#[derive(Debug, Default)]
pub(in crate::commands) struct SqlFiles {
    /// The files, in order.
    pub(super) sources: Vec<SqlText>,
    /// The application's queries.
    pub(super) workload: Option<SqlText>,
    /// The tier that mounts them.
    pub(super) tier: Option<String>,
    /// What is there and not run.
    pub(super) notes: Vec<String>,
}

impl SqlFiles {
    /// The files that are named, and no others.
    ///
    /// # Errors
    /// [`CommandError::Usage`] for what cannot be read.
    pub(in crate::commands) fn named(
        paths: &[PathBuf],
        workload: Option<&Path>,
    ) -> Result<Self, CommandError> {
        let read = |path: &Path| source(path, &path.display().to_string());
        Ok(Self {
            sources: paths
                .iter()
                .map(|path| read(path))
                .collect::<Result<_, _>>()?,
            workload: workload.map(read).transpose()?,
            ..Self::default()
        })
    }

    /// Whether there is nothing to run.
    pub(in crate::commands) const fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.workload.is_none()
    }
}

/// Reads them.
///
/// # Errors
/// [`CommandError::Usage`] for what cannot be read, or if there is nothing to run.
pub(super) fn read(
    args: &SqlArgs,
    compose: Option<&ComposeFile>,
) -> Result<SqlFiles, CommandError> {
    let mut files = SqlFiles::named(&args.files, args.workload.as_deref())?;
    if !args.files.is_empty() {
        return Ok(files);
    }
    mounted(args, compose, &mut files)?;
    if files.is_empty() {
        return Err(CommandError::Usage(format!(
            "no SQL to run: name a FILE, or mount one at {FOLDER} of the database in the compose file{}",
            if compose.is_none() {
                " (there is none here)"
            } else {
                ""
            }
        )));
    }
    Ok(files)
}

/// Files that a service mounts at [`FOLDER`], by name, as the image's shell sorts them.
fn mounted(
    args: &SqlArgs,
    compose: Option<&ComposeFile>,
    files: &mut SqlFiles,
) -> Result<(), CommandError> {
    let services = compose.into_iter().flat_map(|file| file.services.values());
    let with_mounts: Vec<_> = services
        .filter(|service| {
            let mut mounts = service.mounts.iter();
            mounts.any(|mount| mount.target.starts_with(FOLDER))
        })
        .filter(|service| args.tier.as_ref().is_none_or(|tier| *tier == service.name))
        .collect();
    let service = match with_mounts.as_slice() {
        [] => return Ok(()),
        [service] => service,
        several => {
            let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
            return Err(CommandError::Usage(format!(
                "{} mount files at {FOLDER}: name the one that is meant with --tier, or the files",
                names.join(" and ")
            )));
        }
    };
    files.tier = Some(service.name.clone());
    let mut mounts: Vec<&MountedFile> = service
        .mounts
        .iter()
        .filter(|mount| mount.target.starts_with(FOLDER))
        .collect();
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    for mount in mounts {
        let name = mount.source.as_str();
        let target = mount.target.as_str();
        let is = |end: &str| target.ends_with(end);
        if is(".sql") || is(".sql.gz") {
            let path = Path::new(&mount.source);
            // A file of `configs` has no path of its own.
            files.sources.push(if path.is_file() {
                source(path, name)?
            } else {
                SqlText {
                    name: name.to_owned(),
                    text: mount.text.clone().into_bytes(),
                }
            });
        } else {
            files.notes.push(format!(
                "{name} is not run: only .sql and .sql.gz are, and what a script does cannot be determined"
            ));
        }
    }
    Ok(())
}

fn source(path: &Path, name: &str) -> Result<SqlText, CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::Usage(format!(
            "{name}: cannot read it: {error}; name a readable file of SQL"
        ))
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    let read = if path.extension().is_some_and(|end| end == "gz") {
        GzDecoder::new(file).take(MOST + 1).read_to_end(&mut text)
    } else {
        file.take(MOST + 1).read_to_end(&mut text)
    };
    read.map_err(failed)?;
    if text.len() as u64 > MOST {
        return Err(CommandError::Usage(format!(
            "{name}: it holds more than {} MiB; leave out the rows (mysqldump --no-data)",
            MOST / 1024 / 1024
        )));
    }
    Ok(SqlText {
        name: name.to_owned(),
        text,
    })
}
