//! The report as JUnit XML for Jenkins and GitLab: crate junit-report behind a sanitiser, then the suites' properties, which the crate does not know. Pure.
//!
//! Suites: `connectivity` (a case per edge and per DNS name), `workloads` (a case per workload, and one for each other object with a finding), `probes` (the
//! kubelet's probes of each workload). A failure's text holds cause, evidence and fix, since GitLab shows nothing else. One cause is one failure, at the case
//! that speaks for it ([`causes`]); what else it breaks is skipped and names it. What could not be verified is an error. Exit code 1 is at least one failure,
//! 3 at least one error and no failure, 0 neither.

use std::collections::BTreeMap;

use junit_report::{OffsetDateTime, ReportBuilder, TestCase, TestSuiteBuilder};
use thiserror::Error;

use super::sanitise;
use super::words;
use super::{Report, VerdictValue};
use crate::shell::is_hidden;

mod case;
mod causes;
mod complete;
mod connectivity;
mod objects;

use case::{Case, Outcome, clean};
use causes::Causes;
use complete::complete;

/// Why the XML could not be written.
#[derive(Debug, Error)]
pub enum JunitError {
    /// The crate's writer failed.
    #[error("writing the JUnit report: {0}")]
    Write(#[from] junit_report::Error),
    /// The crate wrote something that does not parse.
    #[error("reading the JUnit report back: {0}")]
    Parse(#[from] quick_xml::Error),
    /// An attribute of it does not parse.
    #[error("reading an attribute of the JUnit report back: {0}")]
    Attribute(#[from] quick_xml::events::attributes::AttrError),
    /// Writing to memory failed.
    #[error("writing the JUnit report: {0}")]
    Io(#[from] std::io::Error),
}

/// The report as JUnit XML.
///
/// # Errors
/// If writing to memory or reading it back fails, which no report content causes.
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
    let timestamp = timestamp(report);
    let mut whole = ReportBuilder::new();
    for (name, own) in [
        ("connectivity", connectivity),
        ("workloads", workloads),
        ("probes", probes),
    ] {
        let built = own.into_iter().map(|case| case.build(report.verdict));
        let mut suite = TestSuiteBuilder::new(&format!("k8sverify.{name}"));
        suite
            .set_timestamp(timestamp)
            .add_testcases(unique(built.collect()));
        if name == "connectivity" {
            suite.set_system_out(&clean(&remarks(report)));
        }
        whole.add_testsuite(suite.build());
    }
    let mut raw = Vec::new();
    whole.build().write_xml(&mut raw)?;
    let whole = complete(&raw, report)?;
    // Attributes too: a reader of the log sees them, and XML forbids some characters.
    let text: String = String::from_utf8_lossy(&whole)
        .chars()
        .map(|letter| match letter {
            '\n' | '\t' => letter,
            _ if is_hidden(letter) => '·',
            _ => letter,
        })
        .collect();
    Ok(sanitise::without_commands(&text).into_bytes())
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

fn timestamp(report: &Report) -> OffsetDateTime {
    // A report always carries its start; an unreadable one costs the timestamp, not the report.
    let seconds = report
        .started_at
        .parse::<jiff::Timestamp>()
        .map_or(0, jiff::Timestamp::as_second);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
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
        Outcome::error("interrupted", note),
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
        VerdictValue::Fail => Outcome::fail("unhealthy", &sentence),
        _ => Outcome::error("unknown", &sentence),
    };
    Case::new("k8sverify.run", "verdict", outcome, &text)
}
