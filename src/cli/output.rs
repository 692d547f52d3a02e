//! The options of what is written where. Pure.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::finding::Severity;

/// What is written where.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Output format on standard output
    #[arg(long, value_enum, default_value_t = Format::Console)]
    pub format: Format,
    /// Write the JSON report to this file
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    /// Write the JUnit report to this file
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// Write the HTML report to this file
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
    /// Write the Markdown report to this file
    #[arg(long, value_name = "PATH")]
    pub markdown: Option<PathBuf>,
    /// The severity from which a finding fails the run; without it that of the user's file, else error
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,
    /// Colours on the console
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Show every step; twice: log what is done to standard error
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print only the verdict
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// Output format on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Human-readable report
    #[default]
    Console,
    /// The canonical report
    Json,
    /// For Jenkins and GitLab
    Junit,
    /// GitHub annotations
    Github,
    /// For job summaries and merge requests
    Markdown,
    /// One self-contained page
    Html,
}

/// The severity from which a finding fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// Everything
    Info,
}

impl From<FailOn> for Severity {
    fn from(value: FailOn) -> Self {
        match value {
            FailOn::Error => Self::Error,
            FailOn::Warning => Self::Warning,
            FailOn::Info => Self::Info,
        }
    }
}

/// When the console is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
