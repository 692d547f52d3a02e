//! The report as JUnit XML for Jenkins and GitLab: crate junit-report behind a sanitiser, then the suites' properties, which the crate does not know. Pure.
//!
//! Suites: `connectivity` (a case per edge and per DNS name), `workloads` (a case per workload, and one for each other object with a finding), `probes` (the
//! kubelet's probes of each workload). A failure's text holds cause, evidence and fix, since GitLab shows nothing else. One cause is one failure, at the case
//! that speaks for it ([`causes`]); what else it breaks is skipped and names it. What could not be verified is an error. Exit code 1 is at least one failure,
//! 3 at least one error and no failure, 0 neither.

use std::collections::BTreeMap;

use jiff::Timestamp;
use junit_report::{TestCase, TestSuite};
use thiserror::Error;

use super::words;
use super::{EdgeCounts, Report, VerdictValue};
use crate::sanitise;
use crate::shell::is_hidden;

mod case;
mod causes;
mod complete;
mod connectivity;
mod objects;

use case::clean;
pub(in crate::report) use case::{Case, CaseOutcome};
use causes::Causes;
use complete::complete;

/// Why the XML could not be written.
#[derive(Debug, Error)]
pub enum JunitError {
    /// The crate's writer failed.
    #[error("writing the JUnit report: {0}")]
    Write(#[from] junit_report::Error),
}

/// The report as JUnit XML.
///
/// # Errors
/// If writing to memory fails, which no report content causes.
pub fn render(report: &Report) -> Result<Vec<u8>, JunitError> {
    let causes = Causes::of(report);
    let mut connectivity = connectivity::cases(report, &causes);
    let (workloads, probes) = objects::cases(report, &causes);
    connectivity.extend(words::interruption(report).map(interrupted));
    let red = [&connectivity, &workloads, &probes]
        .into_iter()
        .flatten()
        .any(|case| case.is_red(report.verdict));
    if report.verdict != VerdictValue::Pass && !red {
        connectivity.push(verdict(report));
    }
    let suites = [
        ("connectivity", connectivity, remarks(report)),
        ("workloads", workloads, String::new()),
        ("probes", probes, String::new()),
    ];
    let suites = suites.map(|(name, cases, out)| Suite {
        name: format!("k8sverify.{name}"),
        cases: cases
            .into_iter()
            .map(|case| case.under(report.verdict))
            .collect(),
        out,
    });
    write(&report.started_at, suites, &properties(report))
}

/// Cases of one kind.
pub(in crate::report) struct Suite {
    pub(in crate::report) name: String,
    pub(in crate::report) cases: Vec<Case>,
    /// What is said beside them.
    pub(in crate::report) out: String,
}

/// Suites with the run's properties as JUnit XML.
pub(in crate::report) fn write(
    started_at: &str,
    suites: impl IntoIterator<Item = Suite>,
    properties: &[(&str, String)],
) -> Result<Vec<u8>, JunitError> {
    let suites: Vec<TestSuite> = suites
        .into_iter()
        .map(|Suite { name, cases, out }| {
            let mut suite = TestSuite::new(&name);
            suite.add_testcases(unique(cases.into_iter().map(Case::build).collect()));
            suite.system_out = (!out.is_empty()).then(|| clean(&out));
            suite
        })
        .collect();
    // Attributes too: a reader of the log sees them, and XML forbids some characters.
    let text: String = complete(&suites, &timestamp(started_at), properties)?
        .chars()
        .map(|letter| match letter {
            '\n' | '\t' => letter,
            _ if is_hidden(letter) => '·',
            _ => letter,
        })
        .collect();
    Ok(sanitise::without_commands(&text).into_bytes())
}

fn properties(report: &Report) -> [(&'static str, String); 8] {
    let overrides = report.severity_overrides.iter();
    let overrides: Vec<String> = overrides
        .map(|(code, severity)| format!("{code}={severity}"))
        .collect();
    [
        ("k8sverify.version", report.tool_version.clone()),
        ("k8sverify.cluster", report.cluster.clone()),
        ("k8sverify.namespace", report.namespace.clone()),
        ("k8sverify.input", report.input.join(", ")),
        (
            "k8sverify.verdict",
            words::verdict_name(report.verdict).to_owned(),
        ),
        (
            "k8sverify.edges",
            words::by_status(&EdgeCounts::of(&report.edges)),
        ),
        ("k8sverify.fail_on", report.fail_on.to_string()),
        ("k8sverify.severity_overrides", overrides.join(" ")),
    ]
}

/// The verdict in words, and what else a reader should know of the run.
fn remarks(report: &Report) -> String {
    let mut text = format!("{}\n", words::sentence(report));
    let interruption = words::interruption(report).map(str::to_owned);
    for remark in interruption.into_iter().chain(words::remarks(report)) {
        text += &format!("{remark}\n");
    }
    for outside in &report.outside {
        text += &format!("outside, not checked: {outside}\n");
    }
    text
}

fn timestamp(started_at: &str) -> String {
    // A report always carries its start; an unreadable one costs the timestamp, not the report.
    let seconds = started_at
        .parse::<Timestamp>()
        .map_or(0, Timestamp::as_second);
    Timestamp::from_second(seconds)
        .unwrap_or_default()
        .to_string()
}

/// GitLab keeps only the first of two cases with the same class and name.
fn unique(cases: Vec<TestCase>) -> Vec<TestCase> {
    let mut seen: BTreeMap<(Option<String>, String), usize> = BTreeMap::new();
    cases
        .into_iter()
        .map(|mut case| {
            let count = seen
                .entry((case.classname.clone(), case.name.clone()))
                .or_insert(0);
            *count += 1;
            if *count > 1 {
                case.name = format!("{} ({count})", case.name);
            }
            case
        })
        .collect()
}

/// A run that was stopped before it knew enough says so among its cases.
fn interrupted(note: &str) -> Case {
    Case::new(
        "k8sverify.run",
        "interrupted",
        CaseOutcome::error("interrupted", note),
        note,
    )
}

/// A CI server reads nothing but the cases: a run that is no pass must have a failure or an error among them.
fn verdict(report: &Report) -> Case {
    let text: Vec<String> = report
        .findings
        .iter()
        .map(|finding| case::finding_text(report, finding))
        .collect();
    let text = if text.is_empty() {
        "no edge could be verified".to_owned()
    } else {
        text.join("\n")
    };
    let sentence = words::sentence(report);
    let outcome = match report.verdict {
        VerdictValue::Fail => CaseOutcome::fail("unhealthy", &sentence),
        _ => CaseOutcome::error("unknown", &sentence),
    };
    Case::new("k8sverify.run", "verdict", outcome, &text)
}
