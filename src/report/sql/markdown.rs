//! As Markdown for job summaries and merge requests. Pure.

use super::{
    FileReport, SqlReport, SqlStatus, class, not_reached, noteworthy, place, sentence, way, words,
};
use crate::report::markdown::{code, escape, sign};
use crate::report::words::seconds;

/// Most hosts refuse comments of more characters.
const MOST: usize = 60_000;

/// The report as GitHub-flavoured Markdown.
pub fn render(report: &SqlReport) -> String {
    let mark = sign(report.verdict);
    let mut text = format!(
        "## {mark} k8sverify: sql {}: {}\n\n{} · {}\n",
        escape(&report.candidate),
        escape(&sentence(report)),
        escape(&place(report).join(" · ")),
        seconds(report.duration_ms),
    );
    for finding in &report.findings {
        text += &format!(
            "\n### {} {}\n\n{}\n\n",
            finding.code,
            code(&finding.object),
            escape(&finding.message)
        );
        for evidence in &finding.evidence {
            text += &format!("- {}\n", code(evidence));
        }
        text += &format!("\n{}\n", escape(&finding.fix));
    }
    for file in &report.files {
        text += &table(file);
    }
    if !report.workload.is_empty() {
        text += "\n#### Workload\n\n| query | status | outside a transaction | inside |\n|---|---|---|---|\n";
        for query in &report.workload {
            text += &format!(
                "| {}{} | {} | {} | {} |\n",
                escape(&query.name),
                if query.required { " (required)" } else { "" },
                query.status.name(),
                code(&way(&query.outside)),
                code(&way(&query.inside))
            );
        }
    }
    for note in &report.notes {
        text += &format!("\n> {}\n", escape(note));
    }
    if text.chars().count() > MOST {
        let cut: String = text.chars().take(MOST).collect();
        let end = cut.rfind('\n').unwrap_or(cut.len());
        text = format!(
            "{}\n\nThe rest is left out here for its length; the other reports have it.\n",
            &cut[..end]
        );
    }
    text
}

/// What was not accepted of a file.
fn table(file: &FileReport) -> String {
    let rows: Vec<String> = noteworthy(file)
        .map(|statement| {
            format!(
                "| {} | {} | {} | {} | {} |\n",
                statement.line,
                statement.status.name(),
                if statement.status == SqlStatus::NotRun {
                    String::new()
                } else {
                    escape(&class(&statement.said))
                },
                code(&statement.shown),
                code(&words(&statement.said))
            )
        })
        .collect();
    let mut text = format!(
        "\n#### {} ({} statements, {} not accepted)\n",
        escape(&file.name),
        file.statements.len(),
        rows.len()
    );
    if !rows.is_empty() {
        text += "\n| line | status | class | statement | said |\n|---|---|---|---|---|\n";
        text += &rows.concat();
    }
    if let Some(rest) = not_reached(file) {
        text += &format!("\n{rest}\n");
    }
    text
}
