//! One case of the JUnit report: how it ended, and its text. Pure.

use junit_report::{Duration, TestCase, TestCaseBuilder};

use crate::report::{FindingReport, Report, VerdictValue, words};
use crate::sanitise::{self, line};

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::report) enum CaseOutcome {
    /// Well.
    Pass,
    /// Type and sentence: it counts, if the run as a whole is unhealthy.
    Fail(String, String),
    /// Type and sentence: it could not be verified.
    Error(String, String),
    /// Type and sentence: it does not count, or another case speaks for it.
    Skip(String, String),
}

impl CaseOutcome {
    pub(in crate::report) fn fail(kind: &str, message: &str) -> Self {
        Self::Fail(line(kind), line(message))
    }

    pub(in crate::report) fn error(kind: &str, message: &str) -> Self {
        Self::Error(line(kind), line(message))
    }

    pub(in crate::report) fn skip(kind: &str, message: &str) -> Self {
        Self::Skip(line(kind), line(message))
    }

    /// The exit code rules: only an unhealthy run has failures, and a verified one no errors.
    fn under(self, verdict: VerdictValue) -> Self {
        match self {
            Self::Fail(kind, message) if verdict != VerdictValue::Fail => Self::Skip(kind, message),
            Self::Error(kind, message) if verdict == VerdictValue::Pass => {
                Self::Skip(kind, message)
            }
            other => other,
        }
    }
}

/// A case.
#[derive(Debug, Clone)]
pub(in crate::report) struct Case {
    class: String,
    name: String,
    time: Duration,
    outcome: CaseOutcome,
    text: String,
}

impl Case {
    pub(in crate::report) fn new(
        class: &str,
        name: &str,
        outcome: CaseOutcome,
        text: &str,
    ) -> Self {
        Self {
            class: line(class),
            name: line(name),
            time: Duration::ZERO,
            outcome,
            text: clean(text),
        }
    }

    /// With what it took, in milliseconds.
    pub(in crate::report) fn took(self, milliseconds: u64) -> Self {
        let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
        Self {
            time: Duration::milliseconds(milliseconds),
            ..self
        }
    }

    /// Whether it is no success and no skip.
    pub(in crate::report) fn is_bad(&self) -> bool {
        matches!(self.outcome, CaseOutcome::Fail(..) | CaseOutcome::Error(..))
    }

    /// Whether it says what the verdict says: a failure of an unhealthy run, an error of one that could not be verified.
    pub(super) fn is_red(&self, verdict: VerdictValue) -> bool {
        match self.outcome {
            CaseOutcome::Fail(..) => verdict == VerdictValue::Fail,
            CaseOutcome::Error(..) => verdict == VerdictValue::Unknown,
            CaseOutcome::Pass | CaseOutcome::Skip(..) => false,
        }
    }

    /// As the verdict lets it count.
    pub(super) fn under(self, verdict: VerdictValue) -> Self {
        Self {
            outcome: self.outcome.under(verdict),
            ..self
        }
    }

    pub(super) fn build(self) -> TestCase {
        let Self {
            class,
            name,
            time,
            outcome,
            text,
        } = self;
        let mut builder = match &outcome {
            CaseOutcome::Pass => TestCaseBuilder::success(&name, time),
            CaseOutcome::Fail(kind, message) => {
                TestCaseBuilder::failure(&name, time, kind, message)
            }
            CaseOutcome::Error(kind, message) => TestCaseBuilder::error(&name, time, kind, message),
            CaseOutcome::Skip(kind, message) => {
                TestCaseBuilder::skipped_with_cause(&name, kind, message)
            }
        };
        builder.set_classname(&class);
        match outcome {
            _ if text.is_empty() => {}
            CaseOutcome::Fail(..) | CaseOutcome::Error(..) => {
                builder.set_trace(&text);
            }
            CaseOutcome::Pass | CaseOutcome::Skip(..) => {
                builder.set_system_out(&text);
            }
        }
        builder.build()
    }
}

/// Text for a CDATA section, which `]]>` would end.
pub(super) fn clean(text: &str) -> String {
    sanitise::clean(text).replace("]]>", "]] >")
}

/// A finding as the text of a case.
pub(super) fn finding_text(report: &Report, finding: &FindingReport) -> String {
    let mut text = format!(
        "{} {}\n{}\n",
        finding.code,
        words::object(report, finding),
        finding.message
    );
    for evidence in &finding.evidence {
        text += &format!("seen: {evidence}\n");
    }
    for edge in words::broken_edges(report, finding) {
        text += &format!(
            "breaks: {} → {} at {}:{} by {}\n",
            edge.from, edge.to, edge.host, edge.port, edge.protocol
        );
    }
    if let Some(cause) = &finding.caused_by {
        text += &format!("because of: {cause}\n");
    }
    if let Some(fix) = &finding.fix {
        text += &format!("fix: {}\n", fix.text);
        for more in [fix.command.as_deref(), fix.manifest.as_deref()]
            .into_iter()
            .flatten()
        {
            text += &format!("{more}\n");
        }
    }
    text
}
