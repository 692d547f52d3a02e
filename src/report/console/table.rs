//! The edge table of the console report: a line per edge, a column per step of the ladder, only as wide as what stands in it. Pure.

use unicode_width::UnicodeWidthStr;

use crate::probe::wire::{StepName, StepStatus};
use crate::report::words::{self, deciding, short_error};
use crate::report::{EdgeReport, StepReport};
use crate::sanitise::{cut, line};
use crate::terminal::{Mark, Paint, Style, fit, wrap};

const COLUMNS: usize = 7;
const HEAD: [&str; COLUMNS] = ["edge", "dns", "service", "pods", "protocol", "login", "ms"];
/// The column of the numbers, which stand at its right.
const TIME: usize = 6;
const PODS: usize = 3;
/// The narrowest that the first column becomes, in columns of the terminal.
const NARROWEST_EDGE: usize = 20;

type Cell = (String, Paint);

struct Row {
    mark: Mark,
    cells: [Cell; COLUMNS],
    cause: String,
    steps: Vec<String>,
}

/// The table; with `-v` every step below its edge.
pub(super) fn render(edges: &[&EdgeReport], style: Style) -> String {
    let mut rows: Vec<Row> = edges.iter().map(|edge| row(edge, style)).collect();
    let widths = widths(&mut rows, style);
    let head = HEAD.map(|title| (title.to_owned(), Paint::Plain));
    let mut lines = vec![style.paint(
        Paint::Dim,
        format!("  {}", cells(&head, &widths, style)).trim_end(),
    )];
    let table = total(&widths);
    for row in rows {
        let body = cells(&row.cells, &widths, style);
        let mark = style.painted(row.mark);
        if row.cause.is_empty() {
            lines.push(format!("{mark} {}", body.trim_end()));
        } else if table + 2 + row.cause.width() <= style.width {
            let cause = style.paint(Paint::Dim, &row.cause);
            lines.push(format!("{mark} {body}  {cause}"));
        } else {
            lines.push(format!("{mark} {}", body.trim_end()));
            lines.push(style.paint(Paint::Dim, &wrap(&row.cause, style.width, "    ")));
        }
        lines.extend(row.steps);
    }
    lines.join("\n")
}

/// Widths of the columns; 0 for one in which nothing stands. If all of them are too wide, the first is cut.
fn widths(rows: &mut [Row], style: Style) -> [usize; COLUMNS] {
    let mut widths = [0; COLUMNS];
    for (column, width) in widths.iter_mut().enumerate() {
        let widest = rows.iter().map(|row| row.cells[column].0.width()).max();
        *width = match widest {
            None | Some(0) => 0,
            Some(widest) => widest.max(HEAD[column].width()),
        };
    }
    // On a narrow terminal the less important columns go first, then the end of the names.
    for column in [TIME, PODS] {
        if total(&widths) - widths[0] + NARROWEST_EDGE > style.width {
            widths[column] = 0;
        }
    }
    let all = total(&widths);
    if all > style.width {
        widths[0] = widths[0]
            .saturating_sub(all - style.width)
            .max(NARROWEST_EDGE);
        for row in rows {
            row.cells[0].0 = fit(&row.cells[0].0, widths[0], style.unicode);
        }
    }
    widths
}

/// With the mark and the gaps.
fn total(widths: &[usize; COLUMNS]) -> usize {
    widths
        .iter()
        .filter(|width| **width > 0)
        .map(|width| width + 2)
        .sum()
}

fn cells(cells: &[Cell; COLUMNS], widths: &[usize; COLUMNS], style: Style) -> String {
    cells
        .iter()
        .zip(widths)
        .enumerate()
        .filter(|(_, (_, width))| **width > 0)
        .map(|(index, ((text, paint), width))| {
            let pad = " ".repeat(width.saturating_sub(text.width()));
            let text = style.paint(*paint, text);
            if index == TIME {
                format!("{pad}{text}")
            } else {
                format!("{text}{pad}")
            }
        })
        .collect::<Vec<_>>()
        .join("  ")
}

fn row(edge: &EdgeReport, style: Style) -> Row {
    let aside = words::aside(edge);
    let mark = match edge.status {
        StepStatus::Fail if aside.is_some() => Mark::Weak,
        status => Mark::from(status),
    };
    let mut cause = words::because(edge);
    if let Some(why) = aside.filter(|_| edge.status != StepStatus::Pass) {
        let space = if cause.is_empty() { "" } else { " " };
        cause += &format!("{space}({why})");
    }
    if edge.forbidden {
        cause = match cause.as_str() {
            "" => "must not work".to_owned(),
            cause => format!("must not work; {cause}"),
        };
    }
    let milliseconds = words::milliseconds(edge);
    Row {
        mark,
        cells: [
            (name(edge, style), Paint::Plain),
            cell(deciding(edge, StepName::Dns), style),
            cell(deciding(edge, StepName::Service), style),
            pods(edge),
            protocol(edge, style),
            login(edge, style),
            if edge.steps.is_empty() {
                (String::new(), Paint::Plain)
            } else {
                (milliseconds.to_string(), Paint::Dim)
            },
        ],
        cause,
        steps: if style.verbose > 0 {
            edge.steps.iter().map(|one| step(one, style)).collect()
        } else {
            Vec::new()
        },
    }
}

/// `AP → DB:3306`; `AP → DB at db-read.data:3306` where the client's host is not the tier's name.
fn name(edge: &EdgeReport, style: Style) -> String {
    let way = format!("{} {} {}", line(&edge.from), style.arrow(), line(&edge.to));
    if edge.host.eq_ignore_ascii_case(&edge.to) {
        format!("{way}:{}", edge.port)
    } else {
        format!("{way} at {}:{}", cut(&line(&edge.host), 40), edge.port)
    }
}

fn cell(step: Option<&StepReport>, style: Style) -> Cell {
    let Some(step) = step else {
        return (String::new(), Paint::Plain);
    };
    match step.status {
        StepStatus::Pass => (style.mark(Mark::Good).to_owned(), Paint::Green),
        StepStatus::Fail => (short_error(step), Paint::Red),
        StepStatus::Unknown => (short_error(step), Paint::Yellow),
        StepStatus::Skipped => (style.mark(Mark::Weak).to_owned(), Paint::Dim),
    }
}

/// `2/3`: endpoints that accept a connection, of those that were walked.
fn pods(edge: &EdgeReport) -> Cell {
    match words::endpoints(edge) {
        None => (String::new(), Paint::Plain),
        Some((good, all)) if good == all => (format!("{good}/{all}"), Paint::Green),
        Some((good, all)) => (format!("{good}/{all}"), Paint::Red),
    }
}

/// The protocol's name, with the answer of an HTTP server; what failed in it or in TLS.
fn protocol(edge: &EdgeReport, style: Style) -> Cell {
    let name = edge.protocol.name();
    let failed = [StepName::Tls, StepName::Protocol]
        .into_iter()
        .filter_map(|step| deciding(edge, step))
        .find(|step| matches!(step.status, StepStatus::Fail | StepStatus::Unknown));
    if let Some(step) = failed {
        return cell(Some(step), style);
    }
    match deciding(edge, StepName::Protocol) {
        Some(step) if step.status == StepStatus::Pass => {
            let detail = line(&step.detail);
            // `HTTP 200` says more than `http`.
            if matches!(name, "http" | "https") && detail.starts_with("HTTP ") {
                (cut(&detail, 8), Paint::Green)
            } else {
                (name.to_owned(), Paint::Green)
            }
        }
        _ => (name.to_owned(), Paint::Dim),
    }
}

/// How the login ended, or the query after it.
fn login(edge: &EdgeReport, style: Style) -> Cell {
    let query = deciding(edge, StepName::Query)
        .filter(|step| matches!(step.status, StepStatus::Fail | StepStatus::Unknown));
    cell(query.or_else(|| deciding(edge, StepName::Login)), style)
}

fn step(step: &StepReport, style: Style) -> String {
    let mark = Mark::from(step.status);
    let from = step.vantage.as_ref().map_or(String::new(), |from| {
        let look = from
            .look
            .as_ref()
            .map_or(String::new(), |look| format!(", {look}"));
        format!(" from {}{}", line(&from.node), line(&look))
    });
    let on = step
        .at()
        .map_or(String::new(), |endpoint| format!(" on {}", line(endpoint)));
    let detail = line(&step.detail);
    let detail = if detail.is_empty() {
        detail
    } else {
        format!(": {detail}")
    };
    let text = format!(
        "{}{on}{from}{detail} ({} ms)",
        line(&step.target),
        step.duration_ms
    );
    let indent = " ".repeat(15);
    let wrapped = wrap(&text, style.width, &indent);
    format!(
        "    {} {:<8} {}",
        style.painted(mark),
        words::step_name(step.name),
        wrapped.trim_start()
    )
}
