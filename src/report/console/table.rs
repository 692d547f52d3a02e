//! The edge table of the console report: a line per edge, a column per step of the ladder, only as wide as what stands in it. Pure.

use unicode_width::UnicodeWidthStr;

use super::{Mark, Paint, Style, deciding, short_error};
use crate::graph::Confidence;
use crate::probe::wire::{StepName, StepStatus};
use crate::report::EdgeReport;
use crate::report::sanitise::{cut, line};

const HEAD: [&str; 7] = ["edge", "dns", "service", "pods", "protocol", "login", "ms"];

struct Row {
    mark: Mark,
    cells: [String; 7],
    cause: String,
    steps: Vec<String>,
}

/// The table; with `-v` every step below its edge.
pub(super) fn render(edges: &[&EdgeReport], style: Style) -> String {
    let rows: Vec<Row> = edges.iter().map(|edge| row(edge, style)).collect();
    let mut widths = HEAD.map(UnicodeWidthStr::width);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.width());
        }
    }
    let mut lines = vec![style.paint(
        Paint::Dim,
        format!("  {}", cells(&HEAD.map(str::to_owned), &widths)).trim_end(),
    )];
    for row in rows {
        let paint = match row.mark {
            Mark::Good => Paint::Green,
            Mark::Bad => Paint::Red,
            Mark::Unknown | Mark::Warn => Paint::Yellow,
            Mark::Weak | Mark::Info => Paint::Dim,
        };
        let body = cells(&row.cells, &widths);
        let line = format!(
            "{} {}",
            style.paint(paint, style.mark(row.mark)),
            body.trim_end()
        );
        if row.cause.is_empty() {
            lines.push(line);
        } else if body.width() + 4 + row.cause.width() <= style.width {
            lines.push(format!(
                "{} {body}  {}",
                style.paint(paint, style.mark(row.mark)),
                style.paint(Paint::Dim, &row.cause)
            ));
        } else {
            lines.push(line);
            lines.push(format!("    {}", style.paint(Paint::Dim, &row.cause)));
        }
        lines.extend(row.steps);
    }
    lines.join("\n")
}

fn cells(cells: &[String; 7], widths: &[usize; 7]) -> String {
    cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(index, (cell, width))| {
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            if index == 6 {
                format!("{pad}{cell}")
            } else {
                format!("{cell}{pad}")
            }
        })
        .collect::<Vec<_>>()
        .join("  ")
}

fn row(edge: &EdgeReport, style: Style) -> Row {
    let weak = edge.confidence == Confidence::Weak || edge.optional;
    let mark = match edge.status {
        StepStatus::Pass => Mark::Good,
        StepStatus::Fail if weak => Mark::Weak,
        StepStatus::Fail => Mark::Bad,
        StepStatus::Unknown => Mark::Unknown,
        StepStatus::Skipped => Mark::Weak,
    };
    let name = format!(
        "{} {} {}:{}",
        line(&edge.from),
        style.arrow(),
        line(&edge.to),
        edge.port
    );
    let cell = |names: &[StepName]| deciding(edge, names).map_or(String::new(), short_error);
    let pods = pods(edge);
    let protocol = match deciding(edge, &[StepName::Protocol]) {
        Some(step) if step.status == StepStatus::Pass => {
            match (edge.protocol.name(), step.detail.is_empty()) {
                ("http" | "https", false) => cut(&line(&step.detail), 16),
                (name, _) => name.to_owned(),
            }
        }
        Some(step) => short_error(step),
        None => String::new(),
    };
    let login = match deciding(edge, &[StepName::Query])
        .filter(|step| step.status != StepStatus::Skipped)
    {
        Some(step) if step.status != StepStatus::Pass => short_error(step),
        _ => cell(&[StepName::Login]),
    };
    let milliseconds: u64 = edge
        .steps
        .iter()
        .filter(|step| {
            step.endpoint.is_none() && step.vantage.as_ref().is_none_or(|from| from.look.is_none())
        })
        .map(|step| step.duration_ms)
        .sum();
    let mut cause = edge.cause.as_ref().map_or_else(
        || edge.reason.as_deref().map(line).unwrap_or_default(),
        |cause| line(&cause.0),
    );
    if weak && edge.status == StepStatus::Fail {
        cause = format!(
            "{cause} ({})",
            if edge.optional {
                "optional"
            } else {
                "weak: depends_on only"
            }
        );
    }
    Row {
        mark,
        cells: [
            cut(&name, 44),
            cell(&[StepName::Dns]),
            cell(&[StepName::Service]),
            pods,
            protocol,
            login,
            milliseconds.to_string(),
        ],
        cause,
        steps: if style.verbose > 0 {
            steps(edge, style)
        } else {
            Vec::new()
        },
    }
}

/// `2/3`: endpoints that accept a connection, of those that were walked.
fn pods(edge: &EdgeReport) -> String {
    let walked: Vec<_> = edge
        .steps
        .iter()
        .filter(|step| step.name == StepName::Endpoint && step.status != StepStatus::Skipped)
        .collect();
    if walked.is_empty() {
        return String::new();
    }
    format!(
        "{}/{}",
        walked
            .iter()
            .filter(|step| step.status == StepStatus::Pass)
            .count(),
        walked.len()
    )
}

fn steps(edge: &EdgeReport, style: Style) -> Vec<String> {
    edge.steps
        .iter()
        .map(|step| {
            let (mark, paint) = match step.status {
                StepStatus::Pass => (Mark::Good, Paint::Green),
                StepStatus::Fail => (Mark::Bad, Paint::Red),
                StepStatus::Unknown => (Mark::Unknown, Paint::Yellow),
                StepStatus::Skipped => (Mark::Weak, Paint::Dim),
            };
            let name = serde_json::to_value(step.name)
                .ok()
                .and_then(|value| value.as_str().map(str::to_owned))
                .unwrap_or_default();
            let from = step.vantage.as_ref().map_or(String::new(), |from| {
                format!(
                    " from {}{}",
                    from.node,
                    from.look
                        .as_ref()
                        .map_or(String::new(), |look| format!(", {look}"))
                )
            });
            let on = step
                .endpoint
                .as_ref()
                .filter(|endpoint| **endpoint != step.target)
                .map_or(String::new(), |endpoint| format!(" on {endpoint}"));
            let text = format!(
                "{name:<8} {}{on}{from}: {} ({} ms)",
                line(&step.target),
                line(&step.detail),
                step.duration_ms
            );
            format!(
                "    {} {}",
                style.paint(paint, style.mark(mark)),
                cut(&text, style.width.saturating_sub(6).max(60))
            )
        })
        .collect()
}
