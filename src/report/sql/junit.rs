//! As JUnit XML for Jenkins and GitLab: a case for each statement that was not simply accepted, one for all that were, one for each query and member. Pure.

use junit_report::{
    Duration, OffsetDateTime, ReportBuilder, TestCase, TestCaseBuilder, TestSuiteBuilder,
};

use super::{MemberReport, Said, SqlReport, SqlStatus, class, place, sentence, way, words};
use crate::report::VerdictValue;
use crate::report::junit::JunitError;
use crate::report::sanitise::{clean, line};
use crate::report::words::count;

/// The report as JUnit XML.
///
/// # Errors
/// If writing to memory fails, which no report content causes.
pub fn render(report: &SqlReport) -> Result<Vec<u8>, JunitError> {
    let cases = cases(report);
    let seconds = report
        .started_at
        .parse::<jiff::Timestamp>()
        .map_or(0, jiff::Timestamp::as_second);
    let out = format!(
        "{}\n{}\n{}\n",
        sentence(report),
        place(report).join(" · "),
        report.notes.join("\n")
    );
    let mut suite = TestSuiteBuilder::new("k8sverify.sql");
    suite
        .set_timestamp(
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        )
        .add_testcases(cases)
        .set_system_out(&safe(&out));
    let mut bytes = Vec::new();
    ReportBuilder::new()
        .add_testsuite(suite.build())
        .build()
        .write_xml(&mut bytes)?;
    Ok(bytes)
}

/// All of them; at least one is red where the verdict is not good.
fn cases(report: &SqlReport) -> Vec<TestCase> {
    let class = format!("k8sverify.sql.{}", line(&report.candidate));
    let mut cases = Vec::new();
    for file in &report.files {
        let accepted = file
            .statements
            .iter()
            .filter(|statement| statement.status == SqlStatus::Accepted)
            .count();
        let name = format!(
            "{} {} accepted",
            line(&file.name),
            count(accepted, "statement")
        );
        cases.push(TestCaseBuilder::success(&name, Duration::ZERO).build());
        for statement in super::noteworthy(file) {
            let name = format!(
                "{}:{} {}",
                line(&file.name),
                statement.line,
                line(&statement.shown)
            );
            cases.push(case(&name, statement.status, &statement.said));
        }
        if let Some(rest) = super::not_reached(file) {
            let name = format!("{} {rest}", line(&file.name));
            let one = TestCaseBuilder::error(&name, Duration::ZERO, "no answer", &rest);
            cases.push(one.build());
        }
    }
    for query in &report.workload {
        let name = format!("query {}", line(&query.name));
        let said = if query.outside.status == query.status {
            &query.outside.said
        } else {
            &query.inside.said
        };
        let mut one = case(&name, query.status, said);
        one.system_out = Some(safe(&format!(
            "outside a transaction: {}\ninside: {}\n",
            way(&query.outside),
            way(&query.inside)
        )));
        cases.push(one);
    }
    cases.extend(report.members.iter().map(of_member));
    let red = cases
        .iter()
        .any(|case| case.is_failure() || case.is_error());
    if report.verdict != VerdictValue::Pass && !red {
        let notes = safe(&format!(
            "{}\n{}",
            sentence(report),
            report.notes.join("\n")
        ));
        let one = match report.verdict {
            VerdictValue::Fail => {
                TestCaseBuilder::failure("verdict", Duration::ZERO, "fail", &notes)
            }
            _ => TestCaseBuilder::error("verdict", Duration::ZERO, "unknown", &notes),
        };
        cases.push(one.build());
    }
    for case in &mut cases {
        case.classname = Some(class.clone());
    }
    cases
}

fn case(name: &str, status: SqlStatus, said: &Said) -> TestCase {
    let time = Duration::milliseconds(i64::try_from(said.duration_ms).unwrap_or(i64::MAX));
    let text = safe(&format!(
        "{}\n{}",
        words(said),
        said.advice.as_deref().unwrap_or_default()
    ));
    let mut builder = match status {
        SqlStatus::Accepted => TestCaseBuilder::success(name, time),
        SqlStatus::Refused => TestCaseBuilder::failure(name, time, &class(said), &text),
        SqlStatus::Unknown => TestCaseBuilder::error(name, time, "no answer", &text),
        SqlStatus::Cosmetic | SqlStatus::NotRun => TestCaseBuilder::skipped(name),
    };
    if matches!(status, SqlStatus::Cosmetic | SqlStatus::NotRun) {
        builder.set_system_out(&text);
    }
    builder.build()
}

/// Text for a CDATA section, which `]]>` would end.
fn safe(text: &str) -> String {
    clean(text).replace("]]>", "]] >")
}

/// Whether a member has what the others have.
fn of_member(member: &MemberReport) -> TestCase {
    let name = format!("member {} {}", line(&member.name), line(&member.address));
    let one = match (&member.error, member.differences.as_slice()) {
        (Some(error), _) => {
            TestCaseBuilder::error(&name, Duration::ZERO, "not asked", &safe(error))
        }
        (None, []) => TestCaseBuilder::success(&name, Duration::ZERO),
        (None, differences) => TestCaseBuilder::failure(
            &name,
            Duration::ZERO,
            "sql-not-replicated",
            &safe(&differences.join("; ")),
        ),
    };
    one.build()
}
