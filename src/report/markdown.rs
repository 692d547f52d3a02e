//! The report as Markdown for job summaries and merge requests: verdict, causes with their fix, an edge table, the rest folded. Pure.

use super::sanitise::{clean, cut, line};
use super::{EdgeReport, FindingReport, Report, VerdictValue};
use crate::finding::Severity;
use crate::graph::Confidence;
use crate::probe::wire::StepStatus;

/// Most hosts refuse comments of more characters.
const MOST: usize = 60_000;
/// Edges that are listed before those that work are left out.
const MOST_EDGES: usize = 60;

/// The report as GitHub-flavoured Markdown.
#[must_use]
pub fn render(report: &Report) -> String {
    let (mark, word) = match report.verdict {
        VerdictValue::Pass => ("✅", "verified"),
        VerdictValue::Fail => ("❌", "unhealthy"),
        VerdictValue::Unknown => ("⚠️", "could not verify"),
    };
    let edges = &report.summary.edges;
    let mut text = format!(
        "## {mark} k8sverify: {word}\n\nnamespace {} on {} · {} pass, {} fail, {} unknown, {} skipped · {}.{} s\n",
        code(&report.namespace),
        code(&report.cluster),
        edges.pass,
        edges.fail,
        edges.unknown,
        edges.skipped,
        report.duration_ms / 1000,
        report.duration_ms % 1000 / 100
    );
    let shown = |finding: &&FindingReport| !finding.ignored;
    for finding in report
        .findings
        .iter()
        .filter(shown)
        .filter(|finding| finding.severity == Severity::Error && finding.caused_by.is_none())
    {
        text += &cause(report, finding);
    }
    text += &table(report);
    let rest: Vec<String> = report
        .findings
        .iter()
        .filter(shown)
        .filter(|finding| finding.severity != Severity::Error || finding.caused_by.is_some())
        .map(|finding| rest(report, finding))
        .collect();
    if !rest.is_empty() {
        text += &format!(
            "\n<details><summary>{} more: consequences and warnings</summary>\n\n{}\n</details>\n",
            rest.len(),
            rest.concat()
        );
    }
    if !report.notes.is_empty() {
        text += "\n";
        text.extend(
            report
                .notes
                .iter()
                .map(|note| format!("- {}\n", escape(&line(note)))),
        );
    }
    if text.chars().count() > MOST {
        cut(&text, MOST) + "\n\nThe rest is left out here; see the other reports.\n"
    } else {
        text
    }
}

fn cause(report: &Report, finding: &FindingReport) -> String {
    let mut text = format!(
        "\n### {} {}\n\n{}\n",
        finding.code,
        code(&object(report, finding)),
        escape(&line(&finding.message))
    );
    for evidence in &finding.evidence {
        text += &format!("- {}\n", code(&line(evidence)));
    }
    if let Some(fix) = &finding.fix {
        text += &format!("\n**Fix:** {}\n", escape(&line(&fix.text)));
        if let Some(command) = &fix.command {
            text += &fenced("sh", command);
        }
        if let Some(manifest) = &fix.manifest {
            text += &format!(
                "\n<details><summary>manifest</summary>\n{}\n</details>\n",
                fenced("yaml", manifest)
            );
        }
    }
    text
}

fn object(report: &Report, finding: &FindingReport) -> String {
    if finding.namespace.is_empty() || finding.namespace == report.namespace {
        finding.object.clone()
    } else {
        format!("{}@{}", finding.object, finding.namespace)
    }
}

fn rest(report: &Report, finding: &FindingReport) -> String {
    let because = finding.caused_by.as_ref().map_or(String::new(), |cause| {
        format!(" (because of {})", code(&cause.0))
    });
    format!(
        "- {} **{}** {}: {}{because}\n",
        finding.severity,
        finding.code,
        code(&object(report, finding)),
        escape(&line(&finding.message))
    )
}

fn table(report: &Report) -> String {
    let all = report.edges.len() <= MOST_EDGES;
    let shown: Vec<&EdgeReport> = report
        .edges
        .iter()
        .filter(|edge| all || edge.status != StepStatus::Pass)
        .collect();
    if shown.is_empty() {
        return String::new();
    }
    let mut text =
        "\n| | edge | host | protocol | depth | cause |\n|---|---|---|---|---|---|\n".to_owned();
    for edge in &shown {
        let mark = match edge.status {
            StepStatus::Pass => "✔",
            StepStatus::Fail => "✗",
            StepStatus::Unknown => "?",
            StepStatus::Skipped => "·",
        };
        let cause = edge.cause.as_ref().map_or_else(
            || edge.reason.clone().unwrap_or_default(),
            |cause| cause.0.clone(),
        );
        let weak = if edge.confidence == Confidence::Weak {
            " (depends_on only)"
        } else {
            ""
        };
        text += &format!(
            "| {mark} | {} → {} | {} | {} | {} | {}{weak} |\n",
            escape(&line(&edge.from)),
            escape(&line(&edge.to)),
            code(&format!("{}:{}", edge.host, edge.port)),
            edge.protocol,
            edge.depth.name(),
            escape(&line(&cause))
        );
    }
    if shown.len() < report.edges.len() {
        text += &format!(
            "\n{} edges that work are not listed.\n",
            report.edges.len() - shown.len()
        );
    }
    text
}

/// Text that Markdown would read as markup stays text; `@name` mentions nobody.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(
            character,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '@' | '&'
        ) {
            out.push_str(&format!("&#{};", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

/// An inline code span, also inside a table.
fn code(text: &str) -> String {
    let text = line(text);
    if text.is_empty() {
        return String::new();
    }
    if text.contains(['`', '|']) {
        format!("<code>{}</code>", escape(&text))
    } else {
        format!("`{text}`")
    }
}

/// A fence that is longer than any run of backquotes in the text.
fn fenced(language: &str, text: &str) -> String {
    let text = clean(text);
    let longest = text
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("\n{fence}{language}\n{}\n{fence}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_the_cluster_stays_text() {
        assert_eq!(escape("<b>@all|"), "&#60;b&#62;&#64;all&#124;");
        assert_eq!(code("a`b"), "<code>a&#96;b</code>");
        assert!(fenced("yaml", "x ```` y").starts_with("\n`````yaml\n"));
    }
}
