//! The report of a run that has not come to its end: no edge was checked, and why. Also how a report of ours is known from other files. Pure.

use super::words::UNFINISHED;
use super::{Report, SCHEMA, VerdictValue};

/// What is known of a run before it has read anything.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    /// The tool's version.
    pub tool_version: String,
    /// The namespace, as far as the command line says it.
    pub namespace: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took so far, in milliseconds.
    pub duration_ms: u64,
}

/// A kind of report can stand for a run that did not finish.
macro_rules! can_be_unfinished {
    ($report:ident) => {
        /// The report of a run that did not finish.
        pub fn unfinished(begun: &$crate::report::unfinished::Begun, note: &str) -> $report {
            $report {
                schema: SCHEMA.to_owned(),
                tool_version: begun.tool_version.clone(),
                exit_code: VerdictValue::Unknown.exit_code(),
                namespace: begun.namespace.clone(),
                started_at: begun.started_at.clone(),
                duration_ms: begun.duration_ms,
                notes: vec![note.to_owned()],
                ..$report::default()
            }
        }
    };
}
pub(super) use can_be_unfinished;

can_be_unfinished!(Report);

/// The note of [`unfinished`] for a run that is under way, or was killed.
pub fn under_way() -> String {
    format!(
        "{UNFINISHED}this report is replaced when the run ends; where it is not, the run was killed: run it again"
    )
}

/// Whether a file that begins like this is a report of this tool, in any format.
pub fn is_report(head: &str) -> bool {
    let first_line = head.lines().next().unwrap_or_default();
    head.contains("\"schema\": \"k8sverify/")
        || head.contains("<testsuite ") && head.contains("\"k8sverify.")
        || head.contains("k8sverify</title>")
        || first_line.starts_with("## ") && first_line.contains(" k8sverify: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{html, json, junit, markdown};

    #[test]
    fn every_format_of_an_unfinished_run_is_known_again_and_red() {
        let report = unfinished(&Begun::default(), &under_way());
        let junit = String::from_utf8(junit::render(&report).unwrap()).unwrap();
        assert!(
            junit.contains("errors=\"1\"") && junit.contains("not finished"),
            "{junit}"
        );
        let all = [
            String::from_utf8(json::render(&report).unwrap()).unwrap(),
            junit,
            String::from_utf8(html::render(&report)).unwrap(),
            markdown::render(&report),
        ];
        for text in all {
            let head: String = text.chars().take(4000).collect();
            assert!(is_report(&head), "{head}");
            assert!(text.contains("not finished"), "{text}");
        }
        for other in [
            "",
            "{}",
            "<html>",
            "# k8sverify: notes",
            "<testsuite name=\"a\">",
        ] {
            assert!(!is_report(other), "{other}");
        }
    }
}
