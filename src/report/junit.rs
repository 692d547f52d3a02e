//! The report as JUnit XML for Jenkins and GitLab: crate junit-report behind a sanitiser, then the suites' properties, which the crate does not know. Pure.
//!
//! Suites: `connectivity` (a case per edge and per DNS name), `workloads` (a case per workload, and one for each other object with a finding), `probes` (the
//! kubelet's probes of each workload). A failure's text holds cause, evidence and fix, since GitLab shows nothing else. A consequence is skipped with its
//! cause; what could not be verified is an error.

use std::collections::{BTreeMap, BTreeSet};

use junit_report::{
    Duration, OffsetDateTime, ReportBuilder, TestCase, TestCaseBuilder, TestSuiteBuilder,
};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};
use thiserror::Error;

use super::sanitise::{self, line};
use super::{EdgeReport, FindingReport, Report, VerdictValue};
use crate::finding::FindingId;
use crate::graph::Confidence;
use crate::probe::wire::StepStatus;

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
        whole.add_testsuite(suite.build());
    }
    let mut raw = Vec::new();
    whole.build().write_xml(&mut raw)?;
    complete(&raw, report)
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
                    TestCaseBuilder::skipped_with_cause(&title, name_of(name.status), &text),
                    &class,
                    None,
                ),
            });
        }
    }
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.code.section() == 7 && !finding.ignored)
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
    let cause = edge.cause.as_ref().map_or_else(
        || edge.reason.clone().unwrap_or_default(),
        |cause| cause.0.clone(),
    );
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
        "{} reaches {}:{} by {}: proven to depth {}\n",
        edge.from,
        edge.host,
        edge.port,
        edge.protocol,
        edge.depth.name()
    );
    if let Some(reason) = &edge.reason {
        text += &format!("{reason}\n");
    }
    if let Some(finding) = edge
        .cause
        .as_ref()
        .and_then(|cause| report.findings.iter().find(|finding| finding.id == *cause))
    {
        text += &finding_text(finding);
    }
    for step in &edge.steps {
        let on = step
            .endpoint
            .as_ref()
            .map_or(String::new(), |endpoint| format!(" on {endpoint}"));
        let from = step
            .vantage
            .as_ref()
            .map_or(String::new(), |vantage| format!(" from {}", vantage.node));
        text += &format!(
            "{} {}{on}{from}: {} {} ({} ms)\n",
            name_of(step.status),
            step_name(step),
            step.target,
            step.detail,
            step.duration_ms
        );
    }
    clean(&text)
}

fn step_name(step: &super::StepReport) -> String {
    // A unit variant always serialises to its name.
    serde_json::to_value(step.name)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

const fn name_of(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pass => "pass",
        StepStatus::Fail => "fail",
        StepStatus::Unknown => "unknown",
        StepStatus::Skipped => "skipped",
    }
}

fn code_of(id: &FindingId) -> &str {
    id.0.split(' ').next().unwrap_or(&id.0)
}

fn finding_text(finding: &FindingReport) -> String {
    let mut text = format!("{} {}\n{}\n", finding.code, finding.object, finding.message);
    for evidence in &finding.evidence {
        text += &format!("seen: {evidence}\n");
    }
    if let Some(cause) = &finding.caused_by {
        text += &format!("because of: {cause}\n");
    }
    if let Some(fix) = &finding.fix {
        text += &format!("fix: {}\n", fix.text);
        for more in [&fix.command, &fix.manifest].into_iter().flatten() {
            text += &format!("{more}\n");
        }
    }
    text
}

fn workloads(report: &Report) -> Vec<TestCase> {
    let mut left: BTreeSet<usize> = (0..report.findings.len())
        .filter(|index| {
            !matches!(report.findings[*index].code.section(), 3 | 7)
                && !report.findings[*index].ignored
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
                    finding.code.section() == 3 && !finding.ignored && is_about(finding, workload)
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
            .map(|finding| finding_text(finding))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let counts = |finding: &&&FindingReport| finding.severity <= report.fail_on;
    let worst = findings
        .iter()
        .find(|finding| counts(finding) && finding.caused_by.is_none());
    let consequence = findings.iter().find(|finding| counts(finding));
    let mut builder = match (worst, consequence) {
        (Some(finding), _) if finding.code.section() == 7 => TestCaseBuilder::error(
            name,
            Duration::ZERO,
            finding.code.name(),
            &line(&finding.message),
        ),
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

/// A CI server reads nothing but the cases: a run that is no pass must have a failure or an error among them.
fn verdict_case(report: &Report) -> TestCase {
    let text = clean(
        &report
            .findings
            .iter()
            .map(finding_text)
            .collect::<Vec<_>>()
            .join("\n"),
    );
    let mut builder = match report.verdict {
        VerdictValue::Fail => {
            TestCaseBuilder::failure("verdict", Duration::ZERO, "unhealthy", "the run failed")
        }
        _ => TestCaseBuilder::error("verdict", Duration::ZERO, "unknown", "could not verify"),
    };
    builder.set_classname("k8sverify.run");
    builder.set_trace(if text.is_empty() {
        "no edge could be verified"
    } else {
        &text
    });
    builder.build()
}

/// Adds what the crate does not write: properties, the number of skipped cases, totals; and takes the package away, which Jenkins would put before every name.
fn complete(raw: &[u8], report: &Report) -> Result<Vec<u8>, JunitError> {
    let totals = totals(raw)?;
    let mut reader = Reader::from_reader(raw);
    let mut writer = Writer::new(Vec::with_capacity(raw.len() + 4096));
    let (mut suite, mut buffer) = (0, Vec::new());
    loop {
        match reader.read_event_into(&mut buffer)? {
            Event::Eof => break,
            Event::Start(start) if start.name().as_ref() == b"testsuites" => {
                let all = totals.iter().fold(Totals::default(), Totals::plus);
                let mut element = BytesStart::new("testsuites");
                element.push_attribute(("name", "k8sverify"));
                all.push_to(&mut element);
                writer.write_event(Event::Start(element))?;
            }
            Event::Start(start) if start.name().as_ref() == b"testsuite" => {
                writer.write_event(Event::Start(suite_start(&start, &totals[suite])?))?;
                properties(&mut writer, report)?;
                suite += 1;
            }
            Event::Empty(start) if start.name().as_ref() == b"testsuite" => {
                writer.write_event(Event::Start(suite_start(&start, &totals[suite])?))?;
                properties(&mut writer, report)?;
                writer.write_event(Event::End(quick_xml::events::BytesEnd::new("testsuite")))?;
                suite += 1;
            }
            event => writer.write_event(event)?,
        }
        buffer.clear();
    }
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn suite_start(start: &BytesStart<'_>, totals: &Totals) -> Result<BytesStart<'static>, JunitError> {
    let mut element = BytesStart::new("testsuite");
    for attribute in start.attributes() {
        let attribute = attribute?;
        if matches!(
            attribute.key.as_ref(),
            b"id" | b"name" | b"hostname" | b"timestamp"
        ) {
            element.push_attribute((attribute.key.as_ref(), attribute.value.as_ref()));
        }
    }
    totals.push_to(&mut element);
    Ok(element)
}

fn properties(writer: &mut Writer<Vec<u8>>, report: &Report) -> Result<(), JunitError> {
    let input = report.input.join(", ");
    let overrides = report
        .severity_overrides
        .iter()
        .map(|(code, severity)| format!("{code}={severity}"))
        .collect::<Vec<_>>()
        .join(" ");
    let verdict = match report.verdict {
        VerdictValue::Pass => "pass",
        VerdictValue::Fail => "fail",
        VerdictValue::Unknown => "unknown",
    };
    let fail_on = report.fail_on.to_string();
    let pairs = [
        ("k8sverify.version", report.tool_version.as_str()),
        ("k8sverify.cluster", &report.cluster),
        ("k8sverify.namespace", &report.namespace),
        ("k8sverify.input", &input),
        ("k8sverify.verdict", verdict),
        ("k8sverify.fail_on", &fail_on),
        ("k8sverify.severity_overrides", &overrides),
    ];
    writer
        .create_element("properties")
        .write_inner_content(|writer| {
            for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
                writer
                    .create_element("property")
                    .with_attributes([("name", *name), ("value", line(value).as_str())])
                    .write_empty()?;
            }
            Ok(())
        })?;
    Ok(())
}

#[derive(Debug, Clone, Default)]
struct Totals {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    seconds: f64,
}

impl Totals {
    fn plus(mut self, other: &Self) -> Self {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
        self.seconds += other.seconds;
        self
    }

    fn push_to(&self, element: &mut BytesStart<'_>) {
        for (name, value) in [
            ("tests", self.tests),
            ("failures", self.failures),
            ("errors", self.errors),
            ("skipped", self.skipped),
        ] {
            element.push_attribute((name, value.to_string().as_str()));
        }
        element.push_attribute(("time", format!("{:.3}", self.seconds).as_str()));
    }
}

/// Counts the cases of each suite as they stand in the file, so that the totals are right by construction.
fn totals(raw: &[u8]) -> Result<Vec<Totals>, JunitError> {
    let mut reader = Reader::from_reader(raw);
    let (mut all, mut buffer) = (Vec::<Totals>::new(), Vec::new());
    loop {
        let event = reader.read_event_into(&mut buffer)?;
        let (Event::Start(start) | Event::Empty(start)) = &event else {
            if matches!(event, Event::Eof) {
                return Ok(all);
            }
            continue;
        };
        match (start.name().as_ref(), all.last_mut()) {
            (b"testsuite", _) => all.push(Totals::default()),
            (b"testcase", Some(last)) => {
                last.tests += 1;
                if let Some(time) = start.try_get_attribute("time")? {
                    last.seconds += String::from_utf8_lossy(&time.value)
                        .parse::<f64>()
                        .unwrap_or(0.0);
                }
            }
            (b"failure", Some(last)) => last.failures += 1,
            (b"error", Some(last)) => last.errors += 1,
            (b"skipped", Some(last)) => last.skipped += 1,
            _ => {}
        }
        buffer.clear();
    }
}
