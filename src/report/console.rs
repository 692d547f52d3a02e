//! The report for people: causes first, what they break, the evidence, the fix; a compact edge table; a one-line verdict last. Pure.

use std::borrow::Cow;

use super::words::{self, count};
use super::{EdgeCounts, EdgeReport, Report, VerdictValue};
use crate::probe::wire::StepStatus;
use crate::sanitise::{line, without_commands};

pub(in crate::report) mod ascii;
mod findings;
mod table;

pub use crate::terminal::Style;
use crate::terminal::{Mark, Paint, wrap};

/// More edges than this are listed only if they do not work.
const MOST_EDGES: usize = 24;

impl Style {
    /// The last line: the verdict, how long it took, the exit code.
    pub(in crate::report) fn end(
        self,
        verdict: VerdictValue,
        sentence: &str,
        milliseconds: u64,
        exit_code: u8,
    ) -> String {
        let mark = Mark::from(verdict);
        format!(
            "{} {}{dot}{}{dot}exit {exit_code}",
            self.painted(mark),
            self.paint(mark.paint(), sentence),
            words::seconds(milliseconds),
            dot = self.dot(),
        )
    }
}

impl From<VerdictValue> for Mark {
    fn from(verdict: VerdictValue) -> Self {
        match verdict {
            VerdictValue::Pass => Self::Good,
            VerdictValue::Fail => Self::Bad,
            VerdictValue::Unknown => Self::Unknown,
        }
    }
}

impl From<StepStatus> for Mark {
    fn from(status: StepStatus) -> Self {
        match status {
            StepStatus::Pass => Self::Good,
            StepStatus::Fail => Self::Bad,
            StepStatus::Unknown => Self::Unknown,
            StepStatus::Skipped => Self::Weak,
        }
    }
}

/// The report as text for a terminal or a log, with a final newline.
pub fn render(report: &Report, style: Style) -> String {
    let style = Style {
        width: style.width.max(40),
        ..style
    };
    let report: Cow<'_, Report> = if style.unicode {
        Cow::Borrowed(report)
    } else {
        Cow::Owned(ascii::report(report))
    };
    let verdict = verdict_line(&report, style);
    if style.quiet {
        return verdict + "\n";
    }
    let mut blocks = vec![header(&report, style)];
    blocks.extend(findings::blocks(&report, style));
    blocks.extend(edges(&report, style));
    blocks.extend(entries(&report, style));
    blocks.extend(remarks(&report, style));
    blocks.push(verdict);
    // Marks of our own may be beyond ASCII.
    ascii::shown(without_commands(&(blocks.join("\n\n") + "\n")), style)
}

fn header(report: &Report, style: Style) -> String {
    let mut parts = vec![format!("k8sverify {}", line(&report.tool_version))];
    if !report.cluster.is_empty() {
        parts.push(format!(
            "{} {}",
            words::place(report),
            line(&report.cluster)
        ));
    }
    parts.push(format!("namespace {}", line(&report.namespace)));
    parts.push(if report.input.is_empty() {
        "graph from the cluster".to_owned()
    } else {
        line(&report.input.join(" + "))
    });
    parts.push(format!(
        "{}, {}",
        count(report.coverage.tiers, "tier"),
        words::edges(&EdgeCounts::of(&report.edges))
    ));
    style.paint(Paint::Dim, &wrap(&parts.join(style.dot()), style.width, ""))
}

/// The table, where there is something to see in it. A hundred edges stay readable: those that work are counted, not listed, unless asked for.
fn edges(report: &Report, style: Style) -> Option<String> {
    let is_noteworthy = |edge: &&EdgeReport| {
        edge.status != StepStatus::Pass && (words::is_firm(edge) || edge.cause.is_some())
    };
    let broken = report
        .edges
        .iter()
        .any(|edge| is_noteworthy(&edge) && words::is_firm(edge));
    let all = style.verbose > 0 || broken && report.edges.len() <= MOST_EDGES;
    let asked = report
        .edges
        .iter()
        .any(|edge| edge.status != StepStatus::Skipped);
    if !asked && style.verbose == 0 {
        return None;
    }
    let shown: Vec<&EdgeReport> = report
        .edges
        .iter()
        .filter(|edge| all || is_noteworthy(edge))
        .collect();
    if shown.is_empty() {
        return None;
    }
    let mut text = table::render(&shown, style);
    let left = report.edges.len() - shown.len();
    if left > 0 {
        let more = match left {
            1 => "1 edge that works is not listed; -v lists every edge and step".to_owned(),
            _ => format!("{left} edges that work are not listed; -v lists every edge and step"),
        };
        text += &format!("\n  {}", style.paint(Paint::Dim, &more));
    }
    Some(text)
}

/// A line for each way in from outside.
fn entries(report: &Report, style: Style) -> Option<String> {
    let all = style.verbose > 0 || report.entries.len() <= MOST_EDGES;
    let lines: Vec<String> = report
        .entries
        .iter()
        .filter(|entry| all || entry.status != StepStatus::Pass)
        .map(|entry| {
            let mark = Mark::from(entry.status);
            let text = format!(
                "{} {} {}: {}",
                line(&entry.id),
                style.arrow(),
                line(&entry.to),
                line(&words::entry_reason(entry))
            );
            remark(mark, Paint::Plain, &text, style)
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn remarks(report: &Report, style: Style) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(note) = words::interruption(report) {
        lines.push(remark(Mark::Warn, Paint::Yellow, &line(note), style));
    }
    lines.extend(
        words::remarks(report)
            .iter()
            .map(|text| remark(Mark::Info, Paint::Dim, text, style)),
    );
    if style.verbose > 0 {
        lines.extend(report.outside.iter().map(|outside| {
            let text = format!("outside, not checked: {}", line(outside));
            remark(Mark::Info, Paint::Dim, &text, style)
        }));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn remark(mark: Mark, paint: Paint, text: &str, style: Style) -> String {
    let wrapped = wrap(text, style.width, "  ");
    format!(
        "{} {}",
        style.painted(mark),
        style.paint(paint, wrapped.trim_start())
    )
}

fn verdict_line(report: &Report, style: Style) -> String {
    let sentence = words::sentence(report);
    style.end(
        report.verdict,
        &sentence,
        report.duration_ms,
        report.exit_code,
    )
}
