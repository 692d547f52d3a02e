//! Every report that was asked for: says from the start that the run has not finished, and is replaced at its end. IO.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::cli::{Color, Format, OutputArgs};
use crate::commands::output::{OutputFile, guarded, note, print};
use crate::commands::start::Start;
use crate::commands::{CommandError, EXIT_UNKNOWN};
use crate::report::unfinished::{self, Begun};
use crate::report::words::{INTERRUPTED, UNFINISHED};
use crate::report::{
    Report, VerdictValue, console, drill, github, html, json, junit, markdown, sql,
};
use crate::terminal::Style;

/// Time for files that are being written when the process must end.
const WRITING: Duration = Duration::from_secs(1);

/// A report of any kind.
pub(crate) trait Document: Clone + PartialEq + Send + 'static {
    /// The report of a run that did not finish.
    fn unfinished(begun: &Begun, note: &str) -> Self;
    /// Whether there is such a report of this kind.
    fn has(_format: Format) -> bool {
        true
    }
    /// Verdict, exit code and notes, to be changed.
    fn end(&mut self) -> (&mut VerdictValue, &mut u8, &mut Vec<String>);
    /// Its bytes.
    ///
    /// # Errors
    /// In words, why it cannot be rendered.
    fn bytes(&self, format: Format, style: Style) -> Result<Vec<u8>, String>;
}

impl Document for Report {
    fn unfinished(begun: &Begun, note: &str) -> Self {
        unfinished::unfinished(begun, note)
    }

    fn end(&mut self) -> (&mut VerdictValue, &mut u8, &mut Vec<String>) {
        (&mut self.verdict, &mut self.exit_code, &mut self.notes)
    }

    fn bytes(&self, format: Format, style: Style) -> Result<Vec<u8>, String> {
        Ok(match format {
            Format::Console => console::render(self, style).into_bytes(),
            Format::Json => json::render(self).map_err(|error| error.to_string())?,
            Format::Junit => junit::render(self).map_err(|error| error.to_string())?,
            Format::Github => github::render(self).into_bytes(),
            Format::Markdown => markdown::render(self).into_bytes(),
            Format::Html => html::render(self),
        })
    }
}

impl Document for sql::SqlReport {
    fn unfinished(begun: &Begun, note: &str) -> Self {
        sql::unfinished(begun, note)
    }

    fn end(&mut self) -> (&mut VerdictValue, &mut u8, &mut Vec<String>) {
        (&mut self.verdict, &mut self.exit_code, &mut self.notes)
    }

    fn bytes(&self, format: Format, style: Style) -> Result<Vec<u8>, String> {
        Ok(match format {
            Format::Console => sql::console(self, style).into_bytes(),
            Format::Json => sql::json(self).map_err(|error| error.to_string())?,
            Format::Junit => sql::junit(self).map_err(|error| error.to_string())?,
            Format::Github => sql::github(self).into_bytes(),
            Format::Markdown => sql::markdown(self).into_bytes(),
            Format::Html => sql::html(self),
        })
    }
}

impl Document for drill::DrillReport {
    fn unfinished(begun: &Begun, note: &str) -> Self {
        drill::unfinished(begun, note)
    }

    fn has(format: Format) -> bool {
        format != Format::Github
    }

    fn end(&mut self) -> (&mut VerdictValue, &mut u8, &mut Vec<String>) {
        (&mut self.verdict, &mut self.exit_code, &mut self.notes)
    }

    fn bytes(&self, format: Format, style: Style) -> Result<Vec<u8>, String> {
        Ok(match format {
            // `has` keeps the other one out.
            Format::Console | Format::Github => drill::console(self, style).into_bytes(),
            Format::Json => drill::json(self).map_err(|error| error.to_string())?,
            Format::Junit => drill::junit(self).map_err(|error| error.to_string())?,
            Format::Markdown => drill::markdown(self).into_bytes(),
            Format::Html => drill::html(self),
        })
    }
}

/// The files, and what standard output carries.
pub(crate) struct Outputs<D = Report> {
    args: OutputArgs,
    begun: Begun,
    start: Start,
    files: Vec<(Format, OutputFile)>,
    /// The lock is held while anything is written.
    written: Mutex<Written<D>>,
}

struct Written<D> {
    /// The newest report whose files are written.
    newest: Option<D>,
    /// What standard output has: how many notes a report had that people read before the clean-up, or the last one.
    printed: Printed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Printed {
    Nothing,
    Early { notes: usize },
    Last,
}

impl<D: Document> Outputs<D> {
    /// Puts a report that says that the run has not finished in the place of each.
    pub(crate) fn open(args: &OutputArgs, namespace: &str) -> Result<Self, CommandError> {
        if !D::has(args.format) {
            return Err(CommandError::Usage(
                "--format github: a drill has no such report; expected console, json, junit, markdown or html".to_owned(),
            ));
        }
        let files = files(args)?;
        let start = Start::now();
        let outputs = Self {
            args: args.clone(),
            begun: Begun {
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
                namespace: namespace.to_owned(),
                started_at: start.text(),
                duration_ms: 0,
            },
            start,
            files,
            written: Mutex::new(Written {
                newest: None,
                printed: Printed::Nothing,
            }),
        };
        let report = D::unfinished(&outputs.begun, &unfinished::under_way());
        for (format, file) in outputs.files.iter().filter(|(_, file)| !file.is_direct()) {
            file.begin(&bytes(&report, *format, args)?)?;
        }
        Ok(outputs)
    }

    /// Writes the files; one that fails does not keep the others from being written. Pipes and devices wait for the last report.
    pub(crate) fn write_files(&self, report: &D) -> Result<(), CommandError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        self.files(&mut written, report, false)
    }

    /// Writes the files, and prints what people read: the clean-up holds no verdict back. What a program reads has to be whole, and waits.
    /// What fails here fails at the end again, and is reported then.
    pub(crate) fn write_early(&self, report: &D) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let printed =
            self.files(&mut written, report, false)
                .and_then(|()| match self.args.format {
                    Format::Console => {
                        print(&bytes(report, self.args.format, &self.args)?)?;
                        let notes = report.clone().end().2.len();
                        Ok(Printed::Early { notes })
                    }
                    _ => Ok(Printed::Nothing),
                });
        written.printed = printed.unwrap_or(Printed::Nothing);
    }

    /// Writes everything, standard output last.
    pub(crate) fn write(&self, report: &D) -> Result<(), CommandError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        self.all(&mut written, report)
    }

    fn all(&self, written: &mut Written<D>, report: &D) -> Result<(), CommandError> {
        let files = self.files(written, report, true);
        let mut noted = match &files {
            Ok(()) => report.clone(),
            Err(failure) => self.add_note(written, report, failure),
        };
        let printed = match std::mem::replace(&mut written.printed, Printed::Last) {
            // People have read it: what the clean-up left is all that is new.
            Printed::Early { notes } if files.is_ok() => {
                for text in noted.end().2.iter().skip(notes) {
                    note(&format!("k8sverify: {text}"));
                }
                Ok(())
            }
            _ => bytes(&noted, self.args.format, &self.args).and_then(|bytes| print(&bytes)),
        };
        if let (Ok(()), Err(failure)) = (&files, &printed) {
            self.add_note(written, report, failure);
        }
        files.and(printed)
    }

    /// What can be written names what cannot, and the code with which the run ends by that. What was written to a pipe stays.
    fn add_note(&self, written: &mut Written<D>, report: &D, failure: &CommandError) -> D {
        let mut report = report.clone();
        let (verdict, code, notes) = report.end();
        *code = failure.exit_code();
        // What no one can read is no pass.
        if *verdict == VerdictValue::Pass {
            *verdict = VerdictValue::Unknown;
        }
        notes.insert(0, format!("{UNFINISHED}{failure}"));
        // The file that failed fails once more.
        let _ = self.files(written, &report, false);
        report
    }

    fn files(&self, written: &mut Written<D>, report: &D, last: bool) -> Result<(), CommandError> {
        let is_new = written.newest.as_ref() != Some(report);
        let mut first = Ok(());
        for (format, file) in &self.files {
            if if file.is_direct() { last } else { is_new } {
                let ended = bytes(report, *format, &self.args).and_then(|bytes| file.write(&bytes));
                first = first.and(ended);
            }
        }
        if first.is_ok() {
            written.newest = Some(report.clone());
        }
        first
    }

    /// The end of a run that came to no report: the files say why.
    pub(crate) fn failed(&self, why: &str) {
        let report = self.unfinished(&format!("{UNFINISHED}{why}"));
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // What keeps a file from being written is no more important than the failure itself.
        let _ = self.files(&mut written, &report, true);
    }

    /// The end of a run whose pipeline does not end: the newest report is the last one, or one that says what happened. Returns the
    /// exit code.
    pub(crate) fn give_up(&self, cause: &str) -> u8 {
        let end = Instant::now() + WRITING;
        let mut written = loop {
            match self.written.try_lock() {
                Ok(written) => break written,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                // The pipeline is writing: it has come to its end, or no one reads what it prints.
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    std::thread::sleep(WRITING / 50);
                }
                Err(TryLockError::WouldBlock) => return EXIT_UNKNOWN,
            }
        };
        let mut report = written.newest.clone().unwrap_or_else(|| {
            self.unfinished(&format!("{INTERRUPTED}{cause} before the run had a result"))
        });
        if written.printed == Printed::Nothing && self.all(&mut written, &report).is_err() {
            return EXIT_UNKNOWN;
        }
        *report.end().1
    }

    fn unfinished(&self, note: &str) -> D {
        let begun = Begun {
            duration_ms: self.start.elapsed_ms(),
            ..self.begun.clone()
        };
        D::unfinished(&begun, note)
    }
}

/// The files that are asked for, each checked; nothing is changed yet.
///
/// # Errors
/// [`CommandError::Usage`] for a path that cannot be written, or that two reports share.
fn files(args: &OutputArgs) -> Result<Vec<(Format, OutputFile)>, CommandError> {
    let asked = [
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
            return Err(CommandError::Usage(format!(
                "{option} {}: another report goes to this file; name one file for each",
                path.display()
            )));
        }
        files.push((format, file));
    }
    Ok(files)
}

/// The report in a format, as it goes to a file or to standard output.
pub(crate) fn bytes<D: Document>(
    report: &D,
    format: Format,
    args: &OutputArgs,
) -> Result<Vec<u8>, CommandError> {
    report
        .bytes(format, asked(args))
        .map(|bytes| guarded(format, bytes))
        .map_err(|error| CommandError::Output(format!("cannot render the report: {error}")))
}

/// How the console looks as the options of outputs say.
fn asked(args: &OutputArgs) -> Style {
    Style {
        verbose: args.verbose,
        quiet: args.quiet,
        ..style(args.color)
    }
}

/// How standard output looks: a terminal's width, its colours if they are wanted.
pub(crate) fn style(color: Color) -> Style {
    let terminal = std::io::stdout().is_terminal();
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            terminal
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    };
    Style {
        color,
        unicode: unicode(terminal),
        width: width(terminal),
        ..Style::default()
    }
}

/// Whether the locale says UTF-8. Where it says nothing or `C`, as in most CI jobs, logs are UTF-8 all the same; a terminal is believed.
pub(crate) fn unicode(terminal: bool) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8")
            || locale.contains("utf8")
            || !terminal && (locale == "c" || locale == "posix")
    })
}

/// Columns of the console: what `COLUMNS` says, else the terminal's, else 120.
pub(crate) fn width(terminal: bool) -> usize {
    let asked = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse::<usize>().ok());
    let real = terminal
        .then(|| usize::from(::console::Term::stdout().size().1))
        .filter(|columns| *columns > 0);
    asked.or(real).unwrap_or(120).clamp(40, 180)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_that_is_killed_leaves_a_report_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drill.json");
        let args = OutputArgs {
            json: Some(path.clone()),
            ..OutputArgs::default()
        };
        let outputs = Outputs::<drill::DrillReport>::open(&args, "shop").unwrap();
        let read = || -> drill::DrillReport {
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
        };
        let report = read();
        assert_eq!((report.exit_code, report.namespace.as_str()), (3, "shop"));
        assert!(report.notes[0].starts_with(UNFINISHED), "{report:?}");
        outputs.failed("a drill is under way");
        assert!(read().notes[0].contains("under way"));
        let github = OutputArgs {
            format: Format::Github,
            ..args
        };
        assert!(Outputs::<drill::DrillReport>::open(&github, "shop").is_err());
    }

    #[test]
    fn two_reports_never_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let args = OutputArgs {
            json: Some(path.clone()),
            html: Some(path),
            ..OutputArgs::default()
        };
        let Err(error) = Outputs::<Report>::open(&args, "") else {
            panic!("both were opened");
        };
        assert!(error.to_string().starts_with("--html "), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
