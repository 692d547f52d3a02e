//! For people: what was refused first, the class and what to do; counts; a one-line verdict last. Pure.

use super::{
    FileReport, MemberReport, NOT_REACHED, QueryReport, ServerAnswer, SqlReport, SqlStatus, class,
    not_reached, noteworthy, place, sentence, way, words,
};
use crate::report::console::ascii;
use crate::report::words::count;
use crate::sanitise::line;
use crate::terminal::{Mark, Paint, Style};

/// Statements of a file that are listed before the rest is counted.
const MOST: usize = 40;

/// The report as text for a terminal or a log, with a final newline.
pub fn render(report: &SqlReport, style: Style) -> String {
    let verdict = style.end(
        report.verdict,
        &sentence(report),
        report.duration_ms,
        report.exit_code,
    );
    if style.quiet {
        return verdict + "\n";
    }
    let head = format!(
        "k8sverify sql {}{dot}{}",
        line(&report.candidate),
        line(&place(report).join(style.dot())),
        dot = style.dot(),
    );
    let mut blocks = vec![style.paint(Paint::Dim, &head)];
    blocks.extend(report.files.iter().map(|file| file_block(file, style)));
    if !report.workload.is_empty() {
        let mut lines = vec![style.paint(
            Paint::Bold,
            &format!("workload: {} queries", report.workload.len()),
        )];
        let all = style.verbose > 0;
        let shown = report.workload.iter().filter(|query| {
            let ways = [&query.outside, &query.inside];
            let quiet = ways
                .iter()
                .all(|way| way.status == SqlStatus::Accepted || way.said.message == NOT_REACHED);
            all || !quiet
        });
        lines.extend(shown.map(|query| query_lines(query, style)));
        blocks.push(lines.join("\n"));
    }
    if !report.members.is_empty() {
        let lines: Vec<String> = report
            .members
            .iter()
            .map(|member| member_line(member, style))
            .collect();
        blocks.push(format!(
            "{}\n{}",
            style.paint(Paint::Bold, "members"),
            lines.join("\n")
        ));
    }
    let notes: Vec<String> = report
        .findings
        .iter()
        .map(|finding| {
            format!(
                "{} {}: {}",
                style.painted(Mark::Bad),
                finding.code,
                line(&finding.message)
            )
        })
        .chain(
            report
                .notes
                .iter()
                .map(|note| format!("{} {}", style.painted(Mark::Info), line(note))),
        )
        .collect();
    if !notes.is_empty() {
        blocks.push(notes.join("\n"));
    }
    blocks.push(verdict);
    ascii::shown(blocks.join("\n\n") + "\n", style)
}

fn file_block(file: &FileReport, style: Style) -> String {
    let accepted = file
        .statements
        .iter()
        .filter(|statement| statement.status == SqlStatus::Accepted)
        .count();
    let mut title = format!(
        "{}: {} of {} accepted",
        line(&file.name),
        accepted,
        count(file.statements.len(), "statement")
    );
    if let Some(stops) = file.stops_at {
        title += &format!("; the client without --force stops at line {stops}");
    }
    let mut lines = vec![style.paint(Paint::Bold, &title)];
    let all: Vec<_> = if style.verbose > 0 {
        file.statements.iter().collect()
    } else {
        noteworthy(file).collect()
    };
    for statement in all
        .iter()
        .take(MOST.max(usize::from(style.verbose) * 100_000))
    {
        let said = match statement.status {
            SqlStatus::Accepted if statement.said.warnings > 0 => {
                count(usize::from(statement.said.warnings), "warning")
            }
            SqlStatus::Accepted => String::new(),
            SqlStatus::NotRun => "not run".to_owned(),
            SqlStatus::Unknown => "no answer".to_owned(),
            _ => class(&statement.said),
        };
        lines.push(format!(
            "  {} line {:<4} {said}{}{}",
            style.painted(mark(statement.status)),
            statement.line,
            if said.is_empty() { "" } else { style.dot() },
            line(&statement.shown)
        ));
        lines.extend(said_lines(&statement.said, style));
    }
    if style.verbose == 0 && all.len() > MOST {
        lines.push(format!(
            "  and {} more; -v lists every statement",
            all.len() - MOST
        ));
    }
    lines
        .extend(not_reached(file).map(|text| format!("  {} {text}", style.painted(Mark::Unknown))));
    lines.extend(
        file.remarks
            .iter()
            .map(|remark| format!("  {} {}", style.painted(Mark::Info), line(remark))),
    );
    lines.join("\n")
}

fn said_lines(said: &ServerAnswer, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    if !said.message.is_empty() {
        lines.push(format!("      {}", line(&words(said))));
    }
    if let Some(advice) = said.advice.as_deref().filter(|_| said.caused_by.is_none()) {
        let text = format!("      {} {}", style.arrow(), line(advice));
        lines.push(style.paint(Paint::Cyan, &text));
    }
    lines
}

fn query_lines(query: &QueryReport, style: Style) -> String {
    let required = if query.required { " (required)" } else { "" };
    let mut lines = vec![format!(
        "  {} {}{required} line {}{}{}",
        style.painted(mark(query.status)),
        line(&query.name),
        query.line,
        style.dot(),
        line(&query.shown)
    )];
    for (name, one) in [("outside", &query.outside), ("inside", &query.inside)] {
        lines.push(format!("      {name} a transaction: {}", line(&way(one))));
        if let Some(advice) = &one.said.advice {
            let text = format!("      {} {}", style.arrow(), line(advice));
            lines.push(style.paint(Paint::Cyan, &text));
        }
    }
    lines.join("\n")
}

fn member_line(member: &MemberReport, style: Style) -> String {
    let name = if member.name.is_empty() {
        "the run's address"
    } else {
        &member.name
    };
    let (mark, text) = match (&member.error, member.differences.as_slice()) {
        (Some(error), _) => (Mark::Unknown, format!("not asked: {error}")),
        (None, []) => (Mark::Good, count(member.tables, "table")),
        (None, differences) => (Mark::Bad, differences.join("; ")),
    };
    format!(
        "  {} {} {}: {}",
        style.painted(mark),
        line(name),
        line(&member.address),
        line(&text)
    )
}

const fn mark(status: SqlStatus) -> Mark {
    match status {
        SqlStatus::Accepted => Mark::Good,
        SqlStatus::Cosmetic => Mark::Warn,
        SqlStatus::Refused => Mark::Bad,
        SqlStatus::NotRun => Mark::Weak,
        SqlStatus::Unknown => Mark::Unknown,
    }
}
