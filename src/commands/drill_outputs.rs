//! Where a drill's reports go: files that are checked before the run, and standard output. IO.

use super::Failure;
use super::output::{OutputFile, guarded, print};
use super::verify::outputs::{files, style};
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
        Ok(Self {
            args: args.clone(),
            files: files(args)?,
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
        let bytes = match format {
            Format::Console | Format::Github => {
                drill::console(report, style(&self.args)).into_bytes()
            }
            Format::Json => drill::json(report).map_err(|error| failed(&error))?,
            Format::Junit => drill::junit(report).map_err(|error| failed(&error))?,
            Format::Markdown => drill::markdown(report).into_bytes(),
            Format::Html => drill::html(report),
        };
        Ok(guarded(format, bytes))
    }
}
