//! The report as JUnit XML for Jenkins and GitLab: crate junit-report behind a sanitiser, then the suites' properties, which the crate does not know. Pure.
//!
//! Suites: `connectivity` (a case per edge and per DNS name), `workloads` (a case per workload, and one for each other object with a finding), `probes` (the
//! kubelet's probes of each workload). A failure's text holds cause, evidence and fix, since GitLab shows nothing else. A consequence is skipped with its
//! cause; what could not be verified is an error.

use std::collections::{BTreeMap, BTreeSet};

use junit_report::{
    Duration, OffsetDateTime, ReportBuilder, TestCase, TestCaseBuilder, TestSuiteBuilder,
};
use thiserror::Error;

use super::sanitise::{self, line};
use super::words::{self, status_name, step_name};
use super::{EdgeReport, FindingReport, Report, VerdictValue};
use crate::finding::{FindingId, Section};
use crate::graph::Confidence;
use crate::probe::wire::StepStatus;
use crate::shell::is_hidden;

mod complete;

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
    let (mut connectivity, workloads, probes) = (
        connectivity(report),
        workloads(report),
        kubelet_probes(report),
    );
    if report.verdict != VerdictValue::Pass {
        connectivity.extend(words::interruption(report).map(interrupted_case));
    }
    let red = [&connectivity, &workloads, &probes]
        .into_iter()
        .flatten()
        .any(|case| case.is_failure() || case.is_error());
    if report.verdict != VerdictValue::Pass && !red {
        connectivity.push(verdict_case(report));
    }
    let timestamp = timestamp(report);
    let mut whole = ReportBuilder::new();
    for (name, cases) in [
        ("connectivity", connectivity),
        ("workloads", workloads),
        ("probes", probes),
    ] {
        let mut suite = TestSuiteBuilder::new(&format!("k8sverify.{name}"));
        suite.set_timestamp(timestamp).add_testcases(unique(cases));
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

/// Text for a CDATA section, which `]]>` would end.
fn clean(text: &str) -> String {
    sanitise::clean(text).replace("]]>", "]] >")
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

fn connectivity(report: &Report) -> Vec<TestCase> {
    let mut cases: Vec<TestCase> = report
        .edges
        .iter()
        .map(|edge| edge_case(report, edge))
        .collect();
    for tier in &report.tiers {
        for name in &tier.names {
            let class = format!("k8sverify.names.{}", line(&tier.name));
            let text = format!("{} {}", line(&name.name), clean(&name.detail));
            let title = line(&name.name);
            cases.push(match name.status {
                StepStatus::Pass => with_output(
                    TestCaseBuilder::success(&title, Duration::ZERO),
                    &class,
                    Some(&text),
                ),
                // The finding that the name's absence leads to fails where it stands; here it would count twice.
                _ => with_output(
                    TestCaseBuilder::skipped_with_cause(&title, status_name(name.status), &text),
                    &class,
                    None,
                ),
            });
        }
    }
    for entry in &report.entries {
        let class = format!("k8sverify.entries.{}", line(&entry.to));
        let (title, text) = (line(&entry.id), clean(&words::entry_reason(entry)));
        // As for names: the finding fails where it stands.
        cases.push(match entry.status {
            StepStatus::Pass => with_output(
                TestCaseBuilder::success(&title, Duration::ZERO),
                &class,
                Some(&text),
            ),
            _ => with_output(
                TestCaseBuilder::skipped_with_cause(&title, status_name(entry.status), &text),
                &class,
                None,
            ),
        });
    }
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.code.section() == Section::NotVerified && !finding.ignored)
    {
        cases.push(finding_case(
            "k8sverify.run",
            &line(&finding.id.0),
            &[finding],
            report,
        ));
    }
    cases
}

fn edge_case(report: &Report, edge: &EdgeReport) -> TestCase {
    let class = format!("k8sverify.connectivity.{}", line(&edge.from));
    let name = line(&edge.id.0);
    let time = edge_time(edge);
    let tolerated = edge.optional || edge.confidence == Confidence::Weak;
    let text = edge_text(report, edge);
    let cause = words::because(edge);
    let mut builder = match edge.status {
        StepStatus::Pass => TestCaseBuilder::success(&name, time),
        StepStatus::Fail if tolerated => TestCaseBuilder::skipped_with_cause(
            &name,
            "tolerated",
            &line(&format!("fails, and does not count: {cause}")),
        ),
        StepStatus::Fail => TestCaseBuilder::failure(
            &name,
            time,
            edge.cause.as_ref().map_or("failed", |cause| code_of(cause)),
            &line(&cause),
        ),
        StepStatus::Unknown if tolerated => {
            TestCaseBuilder::skipped_with_cause(&name, "unknown", &line(&cause))
        }
        StepStatus::Unknown => TestCaseBuilder::error(&name, time, "unknown", &line(&cause)),
        StepStatus::Skipped => TestCaseBuilder::skipped_with_cause(&name, "skipped", &line(&cause)),
    };
    if matches!(edge.status, StepStatus::Fail | StepStatus::Unknown) && !tolerated {
        builder.set_trace(&text);
        builder.set_classname(&class);
        return builder.build();
    }
    with_output(builder, &class, Some(&text))
}

fn edge_time(edge: &EdgeReport) -> Duration {
    Duration::milliseconds(
        edge.steps
            .iter()
            .map(|step| i64::try_from(step.duration_ms).unwrap_or(i64::MAX))
            .fold(0, i64::saturating_add),
    )
}

fn edge_text(report: &Report, edge: &EdgeReport) -> String {
    let mut text = format!(
        "{} → {} at {}:{} by {}: {}, proven to depth {}\n",
        edge.from,
        edge.to,
        edge.host,
        edge.port,
        edge.protocol,
        status_name(edge.status),
        edge.depth.name()
    );
    if let Some(reason) = &edge.reason {
        text += &format!("{reason}\n");
    }
    if let Some(guess) = words::guess(edge) {
        text += &format!("{guess}: no more than the connection counts\n");
    }
    if let Some(finding) = edge
        .cause
        .as_ref()
        .and_then(|cause| report.findings.iter().find(|finding| finding.id == *cause))
    {
        text += &finding_text(report, finding);
    }
    for step in &edge.steps {
        let on = step
            .endpoint
            .as_ref()
            .filter(|endpoint| **endpoint != step.target)
            .map_or(String::new(), |endpoint| format!(" on {endpoint}"));
        let from = step
            .vantage
            .as_ref()
            .map_or(String::new(), |vantage| format!(" from {}", vantage.node));
        text += &format!(
            "{} {}{on}{from}: {} {} ({} ms)\n",
            status_name(step.status),
            step_name(step.name),
            step.target,
            step.detail,
            step.duration_ms
        );
    }
    clean(&text)
}

fn code_of(id: &FindingId) -> &str {
    id.0.split(' ').next().unwrap_or(&id.0)
}

fn finding_text(report: &Report, finding: &FindingReport) -> String {
    let mut text = format!(
        "{} {}\n{}\n",
        finding.code,
        words::object(report, finding),
        finding.message
    );
    for evidence in &finding.evidence {
        text += &format!("seen: {evidence}\n");
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

fn workloads(report: &Report) -> Vec<TestCase> {
    let mut left: BTreeSet<usize> = (0..report.findings.len())
        .filter(|index| {
            !matches!(
                report.findings[*index].code.section(),
                Section::Probes | Section::NotVerified
            ) && !report.findings[*index].ignored
        })
        .collect();
    let mut cases = Vec::new();
    for (tier, workload) in tier_workloads(report) {
        let mine: Vec<usize> = left
            .iter()
            .copied()
            .filter(|index| is_about(&report.findings[*index], workload))
            .collect();
        for index in &mine {
            left.remove(index);
        }
        let findings: Vec<&FindingReport> =
            mine.iter().map(|index| &report.findings[*index]).collect();
        cases.push(finding_case(
            &format!("k8sverify.workloads.{}", line(tier)),
            &line(workload),
            &findings,
            report,
        ));
    }
    let mut by_object: BTreeMap<(String, String), Vec<&FindingReport>> = BTreeMap::new();
    for index in left {
        let finding = &report.findings[index];
        by_object
            .entry((finding.object.clone(), finding.namespace.clone()))
            .or_default()
            .push(finding);
    }
    for ((object, namespace), findings) in by_object {
        let name = if namespace.is_empty() || namespace == report.namespace {
            object
        } else {
            format!("{object}@{namespace}")
        };
        cases.push(finding_case(
            "k8sverify.objects",
            &line(&name),
            &findings,
            report,
        ));
    }
    cases
}

fn kubelet_probes(report: &Report) -> Vec<TestCase> {
    tier_workloads(report)
        .map(|(tier, workload)| {
            let findings: Vec<&FindingReport> = report
                .findings
                .iter()
                .filter(|finding| {
                    finding.code.section() == Section::Probes
                        && !finding.ignored
                        && is_about(finding, workload)
                })
                .collect();
            finding_case(
                &format!("k8sverify.probes.{}", line(tier)),
                &line(workload),
                &findings,
                report,
            )
        })
        .collect()
}

fn tier_workloads(report: &Report) -> impl Iterator<Item = (&str, &str)> {
    report.tiers.iter().flat_map(|tier| {
        tier.workloads
            .iter()
            .map(|workload| (tier.name.as_str(), workload.as_str()))
    })
}

/// `workload` is `kind/name`, with `@namespace` where that is not the run's.
fn is_about(finding: &FindingReport, workload: &str) -> bool {
    match workload.split_once('@') {
        Some((object, namespace)) => finding.object == object && finding.namespace == namespace,
        None => finding.object == workload,
    }
}

/// One case for everything that was found about one object: the gravest decides.
fn finding_case(class: &str, name: &str, findings: &[&FindingReport], report: &Report) -> TestCase {
    let text = clean(
        &findings
            .iter()
            .map(|finding| finding_text(report, finding))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let counts = |finding: &&&FindingReport| finding.severity <= report.fail_on;
    let worst = findings
        .iter()
        .find(|finding| counts(finding) && finding.caused_by.is_none());
    let consequence = findings.iter().find(|finding| counts(finding));
    let mut builder = match (worst, consequence) {
        (Some(finding), _) if finding.code.section() == Section::NotVerified => {
            TestCaseBuilder::error(
                name,
                Duration::ZERO,
                finding.code.name(),
                &line(&finding.message),
            )
        }
        (Some(finding), _) => TestCaseBuilder::failure(
            name,
            Duration::ZERO,
            finding.code.name(),
            &line(&finding.message),
        ),
        (None, Some(finding)) => {
            let cause = finding.caused_by.as_ref().map_or(String::new(), |cause| {
                format!("because of {cause}: {}", finding.message)
            });
            TestCaseBuilder::skipped_with_cause(name, finding.code.name(), &line(&cause))
        }
        (None, None) => TestCaseBuilder::success(name, Duration::ZERO),
    };
    if worst.is_some() {
        builder.set_trace(&text);
        builder.set_classname(class);
        return builder.build();
    }
    with_output(builder, class, (!text.is_empty()).then_some(&text))
}

fn with_output(mut builder: TestCaseBuilder, class: &str, output: Option<&str>) -> TestCase {
    builder.set_classname(class);
    if let Some(output) = output {
        builder.set_system_out(output);
    }
    builder.build()
}

/// A run that was stopped before it knew enough says so among its cases.
fn interrupted_case(note: &str) -> TestCase {
    let mut builder =
        TestCaseBuilder::error("interrupted", Duration::ZERO, "interrupted", &line(note));
    builder.set_classname("k8sverify.run");
    builder.set_trace(&clean(note));
    builder.build()
}

/// A CI server reads nothing but the cases: a run that is no pass must have a failure or an error among them.
fn verdict_case(report: &Report) -> TestCase {
    let text = clean(
        &report
            .findings
            .iter()
            .map(|finding| finding_text(report, finding))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let sentence = words::sentence(report);
    let mut builder = match report.verdict {
        VerdictValue::Fail => {
            TestCaseBuilder::failure("verdict", Duration::ZERO, "unhealthy", &sentence)
        }
        _ => TestCaseBuilder::error("verdict", Duration::ZERO, "unknown", &sentence),
    };
    builder.set_classname("k8sverify.run");
    builder.set_trace(if text.is_empty() {
        "no edge could be verified"
    } else {
        &text
    });
    builder.build()
}
