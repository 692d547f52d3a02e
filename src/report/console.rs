//! The report for people: causes first, what they break, the evidence, the fix; a compact edge table; a one-line verdict last. Pure.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use super::sanitise::{clean, cut, line};
use super::{Depth, EdgeReport, FindingReport, Report, StepReport, VerdictValue};
use crate::finding::{EdgeId, Severity};
use crate::graph::Confidence;
use crate::probe::wire::{StepError, StepName, StepStatus};

mod table;

/// How the console looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Marks and arrows beyond ASCII.
    pub unicode: bool,
    /// Columns; at least 40 are assumed.
    pub width: usize,
    /// 0: causes and failed edges; 1: every edge and step.
    pub verbose: u8,
    /// The verdict alone.
    pub quiet: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            unicode: true,
            width: 100,
            verbose: 0,
            quiet: false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Paint {
    Red,
    Green,
    Yellow,
    Dim,
    Bold,
}

impl Style {
    fn paint(self, paint: Paint, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Red => "1;31",
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Dim => "2",
            Paint::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    const fn mark(self, status: Mark) -> &'static str {
        match (status, self.unicode) {
            (Mark::Good, true) => "✔",
            (Mark::Good, false) => "+",
            (Mark::Bad, true) => "✗",
            (Mark::Bad, false) => "x",
            (Mark::Warn, _) => "!",
            (Mark::Unknown, _) => "?",
            (Mark::Weak, true) => "·",
            (Mark::Weak, false) => "-",
            (Mark::Info, true) => "ℹ",
            (Mark::Info, false) => "i",
        }
    }

    const fn arrow(self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    const fn dot(self) -> &'static str {
        if self.unicode { " · " } else { " - " }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Good,
    Bad,
    Warn,
    Unknown,
    Weak,
    Info,
}

/// The report as text for a terminal or a log, with a final newline.
#[must_use]
pub fn render(report: &Report, style: Style) -> String {
    let style = Style {
        width: style.width.max(40),
        ..style
    };
    if style.quiet {
        return verdict_line(report, style) + "\n";
    }
    let mut blocks = vec![header(report, style)];
    blocks.extend(findings(report, style));
    let edges = edges(report, style);
    if !edges.is_empty() {
        blocks.push(edges);
    }
    let notes = notes(report, style);
    if !notes.is_empty() {
        blocks.push(notes);
    }
    blocks.push(verdict_line(report, style));
    blocks.join("\n\n") + "\n"
}

fn header(report: &Report, style: Style) -> String {
    let mut parts = vec![format!("k8sverify {}", report.tool_version)];
    if !report.cluster.is_empty() {
        parts.push(format!("cluster {}", line(&report.cluster)));
    }
    parts.push(format!("namespace {}", line(&report.namespace)));
    parts.push(if report.input.is_empty() {
        "graph from the cluster".to_owned()
    } else {
        report
            .input
            .iter()
            .map(|input| line(input))
            .collect::<Vec<_>>()
            .join(" + ")
    });
    parts.push(format!(
        "{}, {}",
        count(report.coverage.tiers, "tier"),
        count(report.edges.len(), "edge")
    ));
    style.paint(Paint::Dim, &wrap(&parts.join(style.dot()), style.width, ""))
}

/// `1 tier`, `2 tiers`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn findings(report: &Report, style: Style) -> Vec<String> {
    let shown: Vec<&FindingReport> = report
        .findings
        .iter()
        .filter(|finding| !finding.ignored)
        .collect();
    let mut blocks = Vec::new();
    for finding in shown
        .iter()
        .filter(|finding| finding.severity == Severity::Error && finding.caused_by.is_none())
    {
        blocks.push(block(report, finding, style));
    }
    let follow: Vec<String> = shown
        .iter()
        .filter(|finding| finding.caused_by.is_some() && finding.severity <= Severity::Warning)
        .map(|finding| {
            let cause = finding
                .caused_by
                .as_ref()
                .map_or(String::new(), |id| format!("because of {}", line(&id.0)));
            one_liner(
                style,
                Mark::Weak,
                Paint::Dim,
                &format!("{} {}", finding.code, with_namespace(report, finding)),
                &cause,
            )
        })
        .collect();
    if !follow.is_empty() {
        blocks.push(follow.join("\n"));
    }
    let warnings = grouped(report, &shown, Severity::Warning, style);
    if !warnings.is_empty() {
        blocks.push(warnings.join("\n"));
    }
    if style.verbose > 0 {
        let information = grouped(report, &shown, Severity::Info, style);
        if !information.is_empty() {
            blocks.push(information.join("\n"));
        }
    }
    blocks
}

/// One line per code: warnings are many and alike.
fn grouped(
    report: &Report,
    shown: &[&FindingReport],
    severity: Severity,
    style: Style,
) -> Vec<String> {
    let mine: Vec<&&FindingReport> = shown
        .iter()
        .filter(|finding| finding.severity == severity && finding.caused_by.is_none())
        .collect();
    let codes: BTreeSet<_> = mine.iter().map(|finding| finding.code).collect();
    let (mark, paint) = if severity == Severity::Warning {
        (Mark::Warn, Paint::Yellow)
    } else {
        (Mark::Info, Paint::Dim)
    };
    codes
        .into_iter()
        .map(|code| {
            let of_code: Vec<&&&FindingReport> =
                mine.iter().filter(|finding| finding.code == code).collect();
            let objects: Vec<String> = of_code
                .iter()
                .map(|finding| with_namespace(report, finding))
                .collect();
            let text = match of_code.as_slice() {
                [only] => line(&only.message),
                _ => format!("k8sverify explain {code}"),
            };
            one_liner(
                style,
                mark,
                paint,
                &format!("{code}  {}", objects.join(", ")),
                &text,
            )
        })
        .collect()
}

fn one_liner(style: Style, mark: Mark, paint: Paint, left: &str, right: &str) -> String {
    let room = style.width.saturating_sub(left.width() + 6);
    let head = format!("{} {}", style.paint(paint, style.mark(mark)), left);
    if right.is_empty() {
        head
    } else if right.width() <= room {
        format!("{head}   {}", style.paint(Paint::Dim, right))
    } else {
        format!(
            "{head}\n{}",
            style.paint(Paint::Dim, &wrap(right, style.width, "  "))
        )
    }
}

fn with_namespace(report: &Report, finding: &FindingReport) -> String {
    if finding.namespace.is_empty() || finding.namespace == report.namespace {
        line(&finding.object)
    } else {
        format!("{}@{}", line(&finding.object), line(&finding.namespace))
    }
}

fn block(report: &Report, finding: &FindingReport, style: Style) -> String {
    let unverified = finding.code.section() == 7;
    let (mark, paint) = if unverified {
        (Mark::Unknown, Paint::Yellow)
    } else {
        (Mark::Bad, Paint::Red)
    };
    let title = format!("{}  {}", finding.code, with_namespace(report, finding));
    let breaks = breaks(report, finding, style);
    let gap = style
        .width
        .saturating_sub(title.width() + breaks.width() + 3);
    let mut lines = if breaks.is_empty() || gap < 2 {
        vec![format!(
            "{} {}",
            style.paint(paint, style.mark(mark)),
            style.paint(Paint::Bold, &title)
        )]
    } else {
        vec![format!(
            "{} {}{}{breaks}",
            style.paint(paint, style.mark(mark)),
            style.paint(Paint::Bold, &title),
            " ".repeat(gap)
        )]
    };
    if !breaks.is_empty() && gap < 2 {
        lines.push(wrap(&breaks, style.width, "  "));
    }
    lines.push(wrap(&line(&finding.message), style.width, "  "));
    let most = if style.verbose > 0 { usize::MAX } else { 4 };
    for evidence in finding.evidence.iter().take(most) {
        lines.push(labelled("seen", &line(evidence), style));
    }
    if let Some(fix) = &finding.fix {
        let text = fix
            .command
            .as_ref()
            .map_or_else(|| line(&fix.text), |command| clean(command));
        lines.push(labelled("fix", &text, style));
        if fix.command.is_some() && style.verbose > 0 {
            lines.push(labelled("", &line(&fix.text), style));
        }
        if let Some(manifest) = &fix.manifest {
            if style.verbose > 0 {
                lines.extend(
                    clean(manifest)
                        .lines()
                        .map(|text| format!("         {text}")),
                );
            } else {
                lines.push(labelled(
                    "",
                    "manifest: -v, or --json and `k8sverify fix`",
                    style,
                ));
            }
        }
    }
    lines.join("\n")
}

fn labelled(label: &str, text: &str, style: Style) -> String {
    let indent = "         ";
    let wrapped = wrap(text, style.width, indent);
    format!(
        "  {}{}",
        style.paint(Paint::Dim, &format!("{label:<7}")),
        &wrapped[indent.len().min(wrapped.len())..]
    )
}

/// `breaks AP → DB, WEB → DB`: the edges that it explains, the firm ones first.
fn breaks(report: &Report, finding: &FindingReport, style: Style) -> String {
    let mine: Vec<&EdgeReport> = finding
        .edges
        .iter()
        .filter_map(|id: &EdgeId| report.edges.iter().find(|edge| edge.id == *id))
        .collect();
    let failed: Vec<String> = mine
        .iter()
        .filter(|edge| {
            edge.status == StepStatus::Fail
                && edge.cause.as_ref() == Some(&finding.id)
                && edge.confidence != Confidence::Weak
        })
        .map(|edge| format!("{} {} {}", line(&edge.from), style.arrow(), line(&edge.to)))
        .collect();
    match failed.len() {
        0 => String::new(),
        1..=4 => format!("breaks {}", failed.join(", ")),
        more => format!("breaks {}, and {} more", failed[..3].join(", "), more - 3),
    }
}

fn edges(report: &Report, style: Style) -> String {
    let broken = report.edges.iter().any(|edge| {
        edge.status != StepStatus::Pass
            && !(edge.confidence == Confidence::Weak && edge.cause.is_none())
    });
    if report.edges.is_empty() {
        return String::new();
    }
    if !broken && style.verbose == 0 {
        return format!(
            "{} {}",
            style.paint(Paint::Green, style.mark(Mark::Good)),
            proven(report)
        );
    }
    // A hundred edges stay readable: those that work are counted, not listed, unless asked for.
    let all = style.verbose > 0 || report.edges.len() <= 24;
    let shown: Vec<&EdgeReport> = report
        .edges
        .iter()
        .filter(|edge| all || edge.status != StepStatus::Pass)
        .collect();
    let mut text = table::render(&shown, style);
    if shown.len() < report.edges.len() {
        text += &format!(
            "\n  {} that work are not listed; -v lists them",
            count(report.edges.len() - shown.len(), "edge")
        );
    }
    text
}

/// `4 edges verified: 3 by query, 1 by protocol`.
fn proven(report: &Report) -> String {
    let passed: Vec<&EdgeReport> = report
        .edges
        .iter()
        .filter(|edge| edge.status == StepStatus::Pass)
        .collect();
    let mut parts = Vec::new();
    for depth in [
        Depth::Query,
        Depth::Login,
        Depth::Protocol,
        Depth::Tcp,
        Depth::Dns,
        Depth::None,
    ] {
        let number = passed.iter().filter(|edge| edge.depth == depth).count();
        if number > 0 {
            let how = match depth {
                Depth::Query => "by login and query",
                Depth::Login => "by login",
                Depth::Protocol => "by protocol",
                Depth::Tcp => "by connection only",
                Depth::Dns => "by name only",
                Depth::None => "without depth",
            };
            parts.push(format!("{number} {how}"));
        }
    }
    format!(
        "{} verified: {}",
        count(passed.len(), "edge"),
        parts.join(", ")
    )
}

fn notes(report: &Report, style: Style) -> String {
    let mut lines: Vec<String> = report
        .notes
        .iter()
        .map(|note| one_liner(style, Mark::Info, Paint::Dim, "", &line(note)))
        .collect();
    let unseen: Vec<&str> = report
        .observed
        .iter()
        .filter(|(_, observed)| **observed == crate::observe::Observed::Forbidden)
        .map(|(name, _)| name.as_str())
        .collect();
    if !unseen.is_empty() {
        lines.push(one_liner(
            style,
            Mark::Info,
            Paint::Dim,
            "",
            &format!("not observed (forbidden): {}", unseen.join(", ")),
        ));
    }
    let changed: Vec<String> = report
        .severity_overrides
        .iter()
        .map(|(code, severity)| format!("{code}: {severity}"))
        .collect();
    if !changed.is_empty() {
        lines.push(one_liner(
            style,
            Mark::Info,
            Paint::Dim,
            "",
            &format!("severities of the user's file: {}", changed.join(", ")),
        ));
    }
    let ignored = report
        .findings
        .iter()
        .filter(|finding| finding.ignored)
        .count();
    if ignored > 0 {
        lines.push(one_liner(
            style,
            Mark::Info,
            Paint::Dim,
            "",
            &format!("{} ignored by the user's file", count(ignored, "finding")),
        ));
    }
    if style.verbose > 0 {
        lines.extend(report.outside.iter().map(|outside| {
            one_liner(
                style,
                Mark::Info,
                Paint::Dim,
                "",
                &format!("outside, not checked: {}", line(outside)),
            )
        }));
    }
    lines.join("\n")
}

fn verdict_line(report: &Report, style: Style) -> String {
    let seconds = format!(
        "{}.{} s",
        report.duration_ms / 1000,
        report.duration_ms % 1000 / 100
    );
    let firm = report
        .edges
        .iter()
        .filter(|edge| edge.confidence != Confidence::Weak)
        .count();
    let causes = report
        .findings
        .iter()
        .filter(|finding| {
            !finding.ignored
                && finding.caused_by.is_none()
                && finding.severity <= report.fail_on
                && finding.code.section() != 7
        })
        .count();
    let failed = report
        .edges
        .iter()
        .filter(|edge| {
            edge.status == StepStatus::Fail && edge.confidence != Confidence::Weak && !edge.optional
        })
        .count();
    let (paint, text) = match report.verdict {
        VerdictValue::Pass => (
            Paint::Green,
            format!(
                "verified: {}",
                proven(report).replacen(" verified:", " work:", 1)
            ),
        ),
        VerdictValue::Fail if failed > 0 => (
            Paint::Red,
            format!(
                "unhealthy: {} {} {failed} of {}",
                count(causes, "cause"),
                if causes == 1 { "breaks" } else { "break" },
                count(firm, "edge")
            ),
        ),
        VerdictValue::Fail => (
            Paint::Red,
            format!(
                "unhealthy: {}, {} checked",
                count(causes, "cause"),
                count(firm, "edge")
            ),
        ),
        VerdictValue::Unknown => {
            let unknown = report
                .edges
                .iter()
                .filter(|edge| edge.status == StepStatus::Unknown)
                .count();
            (
                Paint::Yellow,
                format!(
                    "could not verify: {} of {} without a result",
                    unknown,
                    count(firm, "edge")
                ),
            )
        }
    };
    format!(
        "{}{}{seconds}{}exit {}",
        style.paint(paint, &text),
        style.dot(),
        style.dot(),
        report.exit_code
    )
}

/// Breaks text into lines of at most `width` columns, each behind `indent`; a word longer than a line stands alone.
fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut current = String::new();
        for word in paragraph.split(' ') {
            if !current.is_empty() && indent.width() + current.width() + 1 + word.width() > width {
                lines.push(format!("{indent}{current}"));
                current.clear();
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current += word;
        }
        lines.push(format!("{indent}{current}"));
    }
    lines.join("\n")
}

/// What a failed step is called in the table: short, the word that people search for.
fn short_error(step: &StepReport) -> String {
    let text = match step.error {
        Some(StepError::Nxdomain) => "NXDOMAIN",
        Some(StepError::Nodata) => "no address",
        Some(StepError::Servfail) => "SERVFAIL",
        Some(StepError::DnsTimeout) => "no DNS answer",
        Some(StepError::DnsInvalid) => "no DNS name",
        Some(StepError::Refused) => "refused",
        Some(StepError::Timeout) => "timeout",
        Some(StepError::Unreachable) => "unreachable",
        Some(StepError::Reset) => "reset",
        Some(StepError::Closed) => "closed",
        Some(StepError::Silent) => "silent",
        Some(StepError::Mismatch) => "other protocol",
        Some(StepError::LoginDenied) => "denied",
        Some(StepError::DatabaseMissing) => "no database",
        Some(StepError::ReadOnly) => "read-only",
        Some(StepError::HttpServerError | StepError::HttpNotFound | StepError::HttpStatus) => {
            return cut(&line(&step.detail), 16);
        }
        Some(StepError::HttpTimeout) => "no answer",
        Some(error) => {
            return serde_json::to_value(error)
                .ok()
                .and_then(|value| value.as_str().map(|text| text.replace('-', " ")))
                .unwrap_or_default();
        }
        None => match step.status {
            StepStatus::Pass => "ok",
            StepStatus::Fail => "failed",
            StepStatus::Unknown => "unknown",
            StepStatus::Skipped => "",
        },
    };
    text.to_owned()
}

/// The steps of one name that decide its cell: a failure before anything else.
fn deciding<'a>(edge: &'a EdgeReport, names: &[StepName]) -> Option<&'a StepReport> {
    let mine = || {
        edge.steps.iter().filter(|step| {
            names.contains(&step.name)
                && step
                    .vantage
                    .as_ref()
                    .is_none_or(|vantage| vantage.look.is_none())
        })
    };
    mine()
        .find(|step| step.status == StepStatus::Fail)
        .or_else(|| mine().find(|step| step.status == StepStatus::Unknown))
        .or_else(|| mine().find(|step| step.status == StepStatus::Pass))
        .or_else(|| mine().next())
}
