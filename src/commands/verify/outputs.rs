//! Every report that was asked for, opened before the run and written at its end. IO.

use std::io::IsTerminal;

use crate::cli::{Color, Format, OutputArgs};
use crate::commands::Failure;
use crate::commands::output::{OutputFile, print};
use crate::report::{Report, console, github, html, json, junit, markdown};

/// The open files, and what standard output carries.
pub(crate) struct Outputs<'a> {
    args: &'a OutputArgs,
    files: Vec<(Format, OutputFile)>,
}

impl<'a> Outputs<'a> {
    /// Opens them.
    pub(crate) fn open(args: &'a OutputArgs) -> Result<Self, Failure> {
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
                return Err(Failure::Usage(format!(
                    "{option} {}: another report goes to this file; name one file for each",
                    path.display()
                )));
            }
            files.push((format, file));
        }
        Ok(Self { args, files })
    }

    /// Writes them; one that fails does not keep the others from being written.
    pub(crate) fn write(self, report: &Report) -> Result<(), Failure> {
        let mut first = Ok(());
        for (format, file) in self.files {
            let written = bytes(report, format, self.args).and_then(|bytes| file.write(&bytes));
            first = first.and(written);
        }
        first.and(print(&bytes(report, self.args.format, self.args)?))
    }
}

fn bytes(report: &Report, format: Format, args: &OutputArgs) -> Result<Vec<u8>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Output(format!("cannot render the report: {error}"))
    };
    Ok(match format {
        Format::Console => console::render(report, style(args)).into_bytes(),
        Format::Json => json::render(report).map_err(|error| failed(&error))?,
        Format::Junit => junit::render(report).map_err(|error| failed(&error))?,
        Format::Github => github::render(report).into_bytes(),
        Format::Markdown => markdown::render(report).into_bytes(),
        Format::Html => html::render(report),
    })
}

fn style(args: &OutputArgs) -> console::Style {
    let terminal = std::io::stdout().is_terminal();
    let color = match args.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            terminal
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    };
    console::Style {
        color,
        unicode: unicode(terminal),
        width: width(terminal),
        verbose: args.verbose,
        quiet: args.quiet,
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

fn width(terminal: bool) -> usize {
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
    fn two_reports_never_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let args = OutputArgs {
            json: Some(path.clone()),
            html: Some(path),
            ..OutputArgs::default()
        };
        let Err(error) = Outputs::open(&args) else {
            panic!("both were opened");
        };
        assert!(error.to_string().starts_with("--html "), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
