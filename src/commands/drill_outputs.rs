//! Where a drill's reports go: files that are checked before the run, and standard output. IO.

use std::path::PathBuf;

use super::Failure;
use super::output::{OutputFile, print};
use super::verify::outputs::style;
use crate::cli::{Format, OutputArgs};
use crate::report::drill::{self, DrillReport};

/// The files, and what standard output carries.
pub(crate) struct DrillOutputs {
    args: OutputArgs,
    files: Vec<(Format, OutputFile)>,
}

impl DrillOutputs {
    /// Makes sure that each file can be written, and that nothing of the user's is lost by it; changes nothing yet.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a path that cannot be written, or a format that a drill does not have.
    pub(crate) fn open(args: &OutputArgs) -> Result<Self, Failure> {
        if args.format == Format::Github {
            return Err(Failure::Usage(
                "--format github: a drill has no such report; expected console, json, junit, markdown or html".to_owned(),
            ));
        }
        let asked: [(Format, &Option<PathBuf>, &str); 4] = [
            (Format::Json, &args.json, "--json"),
            (Format::Junit, &args.junit, "--junit"),
            (Format::Html, &args.html, "--html"),
            (Format::Markdown, &args.markdown, "--markdown"),
        ];
        let mut files: Vec<(Format, OutputFile)> = Vec::new();
        for (format, path, option) in asked {
            let Some(path) = path else { continue };
            let file = OutputFile::open(path, option)?;
            if files.iter().any(|(_, other)| other.path() == file.path()) {
                return Err(Failure::Usage(format!(
                    "{option} {}: another report goes to this file; name one file for each",
                    path.display()
                )));
            }
            files.push((format, file));
        }
        Ok(Self {
            args: args.clone(),
            files,
        })
    }

    /// Writes everything, standard output last; one file that fails does not keep the others from being written.
    ///
    /// # Errors
    /// [`Failure::Output`] for the first that cannot be written.
    pub(crate) fn write(&self, report: &DrillReport) -> Result<(), Failure> {
        let mut first = Ok(());
        for (format, file) in &self.files {
            let ended = self
                .bytes(report, *format)
                .and_then(|bytes| file.write(&bytes));
            first = first.and(ended);
        }
        first.and(print(&self.bytes(report, self.args.format)?))
    }

    fn bytes(&self, report: &DrillReport, format: Format) -> Result<Vec<u8>, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::Output(format!("cannot render the report of the drill: {error}"))
        };
        Ok(match format {
            Format::Console | Format::Github => {
                drill::console(report, style(&self.args)).into_bytes()
            }
            Format::Json => drill::json(report).map_err(|error| failed(&error))?,
            Format::Junit => drill::junit(report).map_err(|error| failed(&error))?,
            Format::Markdown => drill::markdown(report).into_bytes(),
            Format::Html => drill::html(report),
        })
    }
}
