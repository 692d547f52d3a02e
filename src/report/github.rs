//! The report as GitHub workflow commands: an annotation for each cause, a warning for each warning. Pure.

use super::Report;
use super::sanitise::line;
use crate::finding::Severity;

/// One `::error …` or `::warning …` line per finding that stands on its own, and a notice with the verdict.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.caused_by.is_none() && !finding.ignored)
    {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let mut message = finding.message.clone();
        for evidence in &finding.evidence {
            message += &format!("\nseen: {evidence}");
        }
        if let Some(fix) = &finding.fix {
            message += &format!("\nfix: {}", fix.command.as_ref().unwrap_or(&fix.text));
        }
        text += &format!(
            "::{level} title={}::{}\n",
            property(&finding.id.0),
            data(&message)
        );
    }
    let edges = &report.summary.edges;
    text += &format!(
        "::notice title=k8sverify::{}\n",
        data(&format!(
            "exit {}: {} edges pass, {} fail, {} unknown",
            report.exit_code, edges.pass, edges.fail, edges.unknown
        ))
    );
    text
}

/// The escapes of a command's message.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(line).collect();
    lines
        .join("\n")
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The escapes of a command's property.
fn property(text: &str) -> String {
    data(&line(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_cluster_ends_the_command_early() {
        assert_eq!(data("100%\n::error::x"), "100%25%0A::error::x");
        assert_eq!(property("a:b,c\u{1b}[31m"), "a%3Ab%2Cc");
    }
}
