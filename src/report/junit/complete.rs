//! What the crate does not write: the suites' properties, the number of skipped cases, the totals of the whole. Pure.

use junit_report::{Duration, ReportBuilder, TestSuite};
use quick_xml::escape::escape;

use super::JunitError;
use crate::sanitise::line;

/// The suites as one file: within a suite what the crate writes, and around it properties, the number of skipped cases, totals. It names no package, which
/// Jenkins would put before every name.
pub(super) fn complete(
    suites: &[TestSuite],
    timestamp: &str,
    properties: &[(&str, String)],
) -> Result<String, JunitError> {
    // The schema of Jenkins knows no `skipped` at the root.
    let mut text = format!(
        r#"<?xml version="1.0" encoding="utf-8"?><testsuites name="k8sverify" {} time="{}">"#,
        counts(suites),
        seconds(suites)
    );
    for (id, suite) in suites.iter().enumerate() {
        let one = std::slice::from_ref(suite);
        text += &format!(
            r#"<testsuite id="{id}" name="{}" hostname="{}" timestamp="{timestamp}" {} skipped="{}" time="{}"><properties>"#,
            escape(&suite.name),
            escape(&suite.hostname),
            counts(one),
            suite.skipped(),
            seconds(one)
        );
        for (name, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
            let value = line(value);
            text += &format!(r#"<property name="{name}" value="{}"/>"#, escape(&value));
        }
        text += "</properties>";
        text += &inside(suite.clone())?;
        text += "</testsuite>";
    }
    Ok(text + "</testsuites>\n")
}

/// What the crate writes between the start and the end of a suite.
fn inside(suite: TestSuite) -> Result<String, JunitError> {
    let mut raw = Vec::new();
    let mut report = ReportBuilder::new();
    report.add_testsuite(suite).build().write_xml(&mut raw)?;
    let raw = String::from_utf8_lossy(&raw);
    // A `>` within an attribute is escaped, so the first one ends the start.
    let inside = raw
        .split_once("<testsuite ")
        .and_then(|(_, suite)| suite.split_once('>'))
        .and_then(|(_, rest)| rest.rsplit_once("</testsuite>"));
    Ok(inside.map_or_else(String::new, |(inside, _)| inside.to_owned()))
}

fn counts(suites: &[TestSuite]) -> String {
    let sum = |count: fn(&TestSuite) -> usize| suites.iter().map(count).sum::<usize>();
    format!(
        r#"tests="{}" failures="{}" errors="{}""#,
        sum(TestSuite::tests),
        sum(TestSuite::failures),
        sum(TestSuite::errors)
    )
}

fn seconds(suites: &[TestSuite]) -> String {
    let time: Duration = suites.iter().map(TestSuite::time).sum();
    format!("{:.3}", time.as_seconds_f64())
}
