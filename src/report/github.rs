//! The report as GitHub workflow commands: an annotation for each cause, one for each kind of warning, and the verdict. Pure.

use std::collections::BTreeMap;

use super::words;
use super::{EdgeCounts, FindingReport, Report, VerdictValue};
use crate::finding::{Code, Severity};
use crate::sanitise::line;

/// GitHub shows ten annotations of a level per step and drops the rest; the verdict is one of them.
const MOST: usize = 9;

/// The name under which manifests from a pipe are reported.
const STANDARD_INPUT: &str = "standard input";

/// The verdict first, then a line for each cause, and one for each code of the other warnings and of what is worth knowing.
pub fn render(report: &Report) -> String {
    let mut text = verdict(report);
    let causes: Vec<&FindingReport> = words::causes(report).collect();
    let shown = if causes.len() > MOST { MOST - 1 } else { MOST };
    for finding in causes.iter().take(shown) {
        // Whatever is a cause fails the run.
        text += &annotation("error", finding);
    }
    if causes.len() > shown {
        let ids: Vec<String> = causes[shown..]
            .iter()
            .map(|finding| line(&finding.id.0))
            .collect();
        let title = format!("{} more causes", causes.len() - shown);
        text += &command("error", &title, &words::some(&ids, 40));
    }
    let mut rest: BTreeMap<(Severity, Code), Vec<&FindingReport>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| {
        !finding.ignored && finding.caused_by.is_none() && !words::is_cause(report, finding)
    }) {
        rest.entry((finding.severity, finding.code))
            .or_default()
            .push(finding);
    }
    for ((severity, code), findings) in rest.iter().take(MOST) {
        let level = if *severity == Severity::Info {
            "notice"
        } else {
            "warning"
        };
        text += &match findings.as_slice() {
            [only] => annotation(level, only),
            several => {
                let objects: Vec<String> = several
                    .iter()
                    .map(|finding| words::object(report, finding))
                    .collect();
                let body = format!(
                    "{}\n{}\nk8sverify explain {code}",
                    words::some(&objects, 20),
                    line(&several[0].message)
                );
                command(level, code.name(), &body)
            }
        };
    }
    text
}

fn verdict(report: &Report) -> String {
    let level = match report.verdict {
        VerdictValue::Pass => "notice",
        VerdictValue::Fail | VerdictValue::Unknown => "error",
    };
    let mut message = format!(
        "{}\nedges: {}; exit {}",
        words::sentence(report),
        words::by_status(&EdgeCounts::of(&report.edges)),
        report.exit_code
    );
    let interruption = words::interruption(report).map(line);
    for remark in interruption.into_iter().chain(words::remarks(report)) {
        message += &format!("\n{remark}");
    }
    command(level, "k8sverify", &message)
}

fn message(finding: &FindingReport) -> String {
    let mut message = line(&finding.message);
    for evidence in &finding.evidence {
        message += &format!("\nseen: {}", line(evidence));
    }
    if let Some(fix) = &finding.fix {
        let how = fix.command.as_deref().unwrap_or(&fix.text);
        message += &format!("\nfix: {}", line(how));
    }
    message
}

/// A finding as an annotation, at the line that a person would change where that is known.
fn annotation(level: &str, finding: &FindingReport) -> String {
    // What came through a pipe is no file of the repository.
    let place = finding
        .place
        .as_ref()
        .filter(|place| place.file != STANDARD_INPUT);
    let at = place.map_or_else(String::new, |place| {
        format!("file={},line={},", property(&place.file), place.line)
    });
    let title = property(&finding.id.0);
    format!("::{level} {at}title={title}::{}\n", data(&message(finding)))
}

/// A workflow command with its line break.
pub(in crate::report) fn command(level: &str, title: &str, message: &str) -> String {
    format!("::{level} title={}::{}\n", property(title), data(message))
}

/// The escapes of a command's message.
pub(in crate::report) fn data(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(line).collect();
    lines
        .join("\n")
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The escapes of a command's property.
pub(in crate::report) fn property(text: &str) -> String {
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
