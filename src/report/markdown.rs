//! The report as Markdown for job summaries and merge requests: verdict, causes with their fix, an edge table, the rest folded. Pure.

use super::{EdgeCounts, EdgeReport, FindingReport, Report, VerdictValue, words};
use crate::probe::wire::StepStatus;
use crate::sanitise::{clean, cut, line, without_commands};

/// Most hosts refuse comments of more characters.
const MOST: usize = 60_000;
/// Edges that are listed before those that work are left out.
const MOST_EDGES: usize = 60;

/// Characters of a manifest or command that are shown.
const MOST_OF_FIX: usize = 6_000;

/// The report as GitHub-flavoured Markdown.
pub fn render(report: &Report) -> String {
    let mut text = head(report);
    let (mut length, mut left_out) = (text.chars().count(), 0);
    let blocks = words::causes(report)
        .map(|finding| cause(report, finding))
        .chain([table(report), entries(report), rest(report), notes(report)]);
    for block in blocks {
        let more = block.chars().count();
        // A block is shown whole or not at all, so that no fence and no fold stays open.
        if length + more > MOST {
            left_out += 1;
            continue;
        }
        length += more;
        text += &block;
    }
    if left_out > 0 {
        text += &format!(
            "\n{} left out here for their length; the other reports have them.\n",
            words::count(left_out, "part")
        );
    }
    without_commands(&text)
}

fn head(report: &Report) -> String {
    let mark = sign(report.verdict);
    let mut place = format!("namespace {}", code(&report.namespace));
    if !report.cluster.is_empty() {
        place += &format!(" on {}", code(&report.cluster));
    }
    let interruption = words::interruption(report).map_or(String::new(), |note| {
        format!("\n> **{}**\n", escape(&line(note)))
    });
    format!(
        "## {mark} k8sverify: {}\n\n{place} · {} · {}\n{interruption}",
        escape(&words::sentence(report)),
        words::by_status(&EdgeCounts::of(&report.edges)),
        words::seconds(report.duration_ms),
    )
}

/// The sign of a verdict.
pub(in crate::report) const fn sign(verdict: VerdictValue) -> &'static str {
    match verdict {
        VerdictValue::Pass => "✅",
        VerdictValue::Fail => "❌",
        VerdictValue::Unknown => "⚠️",
    }
}

fn cause(report: &Report, finding: &FindingReport) -> String {
    let breaks: Vec<String> = words::broken_edges(report, finding)
        .iter()
        .map(|edge| escape(&format!("{} → {}", line(&edge.from), line(&edge.to))))
        .collect();
    let breaks = if breaks.is_empty() {
        String::new()
    } else {
        format!(" breaks {}", words::some(&breaks, 8))
    };
    let mut text = format!(
        "\n### {} {}{breaks}\n\n{}\n\n",
        finding.code,
        code(&words::object(report, finding)),
        prose(&finding.message)
    );
    for evidence in &finding.evidence {
        text += &format!("- {}\n", code(&line(evidence)));
    }
    if let Some(fix) = &finding.fix {
        text += &format!("\n**Fix:** {}\n", prose(&fix.text));
        if let Some(command) = &fix.command {
            text += &fenced("sh", &cut(command, MOST_OF_FIX));
        }
        if let Some(manifest) = &fix.manifest {
            text += &format!(
                "\n<details><summary>manifest</summary>\n{}\n</details>\n",
                fenced("yaml", &cut(manifest, MOST_OF_FIX))
            );
        }
    }
    text
}

/// Consequences, warnings and the rest, folded.
fn rest(report: &Report) -> String {
    let lines: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| !finding.ignored && !words::is_cause(report, finding))
        .map(|finding| {
            let because = finding.caused_by.as_ref().map_or(String::new(), |cause| {
                format!(" (because of {})", code(&cause.0))
            });
            format!(
                "- {} **{}** {}: {}{because}\n",
                finding.severity,
                finding.code,
                code(&words::object(report, finding)),
                escape(&line(&finding.message))
            )
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "\n<details><summary>{} more: consequences, warnings, information</summary>\n\n{}\n</details>\n",
        lines.len(),
        lines.concat()
    )
}

fn notes(report: &Report) -> String {
    let outside = report
        .outside
        .iter()
        .map(|outside| format!("outside, not checked: {}", line(outside)));
    let lines: Vec<String> = words::remarks(report)
        .into_iter()
        .chain(outside)
        .map(|note| format!("- {}\n", escape(&note)))
        .collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("\n{}", lines.concat())
    }
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
        let mark = mark(edge.status);
        let cause = words::because(edge);
        let weak = words::aside(edge).map_or_else(String::new, |why| format!(" ({why})"));
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

/// The ways in from outside.
fn entries(report: &Report) -> String {
    if report.entries.is_empty() {
        return String::new();
    }
    let mut text = "\n| | way in | to | |\n|---|---|---|---|\n".to_owned();
    for entry in &report.entries {
        text += &format!(
            "| {} | {} | {} | {} |\n",
            mark(entry.status),
            code(&entry.id),
            escape(&line(&entry.to)),
            escape(&line(&words::entry_reason(entry)))
        );
    }
    text
}

const fn mark(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pass => "✔",
        StepStatus::Fail => "✗",
        StepStatus::Unknown => "?",
        StepStatus::Skipped => "·",
    }
}

/// Text that Markdown would read as markup stays text: `@name` mentions no one, `http://…` is no link, `/word` at the start no command to GitLab,
/// `$…$` no formula.
pub(in crate::report) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, character) in text.char_indices() {
        let is_special = match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '@' | '&' | '$'
            | '!' | '%' => true,
            ':' => text[index..].starts_with("://"),
            '/' | '-' | '+' | '=' => index == 0,
            '.' => text[..index].to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        if is_special {
            out.push_str(&format!("&#{};", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

/// One line of text in which what stands between backquotes is code.
fn prose(text: &str) -> String {
    let text = line(text);
    let parts: Vec<&str> = text.split('`').collect();
    // A backquote without its partner is a backquote.
    if parts.len().is_multiple_of(2) {
        return escape(&text);
    }
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            if index % 2 == 1 {
                code(part)
            } else {
                escape(part)
            }
        })
        .collect()
}

/// An inline code span, also inside a table.
pub(in crate::report) fn code(text: &str) -> String {
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
        assert_eq!(prose("add `<b>` to *x*"), "add `<b>` to &#42;x&#42;");
        assert_eq!(prose("a ` b"), "a &#96; b");
        assert_eq!(code("a`b"), "<code>a&#96;b</code>");
        assert!(fenced("yaml", "x ```` y").starts_with("\n`````yaml\n"));
    }
}
