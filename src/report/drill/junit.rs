//! A drill's report as JUnit XML: one case per candidate, fault and limit; what could not be measured is an error. Pure.

use super::words;
use super::{CandidateReport, DrillReport, FaultReport};
use crate::report::VerdictValue;
use crate::report::junit::{Case, CaseOutcome, JunitError, Suite, write};
use crate::sanitise::line;

/// The report as Jenkins and GitLab read it.
///
/// # Errors
/// If writing to memory fails.
pub fn junit(report: &DrillReport) -> Result<Vec<u8>, JunitError> {
    let limits = report.limits.iter();
    let limits: Vec<String> = limits
        .map(|(metric, most)| format!("{}={most}", metric.name()))
        .collect();
    let properties = [
        ("k8sverify.version", report.tool_version.clone()),
        ("k8sverify.cluster", report.cluster.clone()),
        ("k8sverify.namespace", report.namespace.clone()),
        ("k8sverify.drill.run", report.run.clone()),
        ("k8sverify.drill.seed", report.seed.to_string()),
        ("k8sverify.drill.limits", limits.join(" ")),
    ];
    let suite = Suite {
        name: "k8sverify.drill".to_owned(),
        cases: cases(report),
        out: remarks(report),
    };
    write(&report.started_at, [suite], &properties)
}

/// A case by the status of what it stands for.
fn case(
    class: &str,
    name: &str,
    (status, kind): (VerdictValue, &str),
    message: &str,
    text: &str,
) -> Case {
    let outcome = match status {
        VerdictValue::Pass => CaseOutcome::Pass,
        VerdictValue::Fail => CaseOutcome::fail(kind, message),
        VerdictValue::Unknown => CaseOutcome::error(kind, message),
    };
    Case::new(class, name, outcome, &format!("{message}\n{text}"))
}

fn cases(report: &DrillReport) -> Vec<Case> {
    let mut cases = Vec::new();
    for candidate in &report.candidates {
        let own = class(candidate, None);
        for (index, refusal) in candidate.refusals.iter().enumerate() {
            let name = format!("may be drilled ({})", index + 1);
            let ended = (VerdictValue::Unknown, "refused");
            cases.push(case(&own, &name, ended, refusal, refusal));
        }
        for (name, sql) in [
            ("init SQL", &candidate.init_sql),
            ("workload", &candidate.workload),
        ] {
            let Some(sql) = sql else { continue };
            let status = if sql.required > 0 {
                VerdictValue::Fail
            } else {
                VerdictValue::Pass
            };
            let message = format!(
                "{} of {} statements that the application needs are refused",
                sql.required, sql.statements
            );
            let detail = sql.detail.join("\n");
            cases.push(case(&own, name, (status, "sql-refused"), &message, &detail));
        }
        for fault in &candidate.faults {
            for limit in &fault.limits {
                let kind = match limit.status {
                    VerdictValue::Unknown => "not-measured",
                    _ => &limit.name,
                };
                cases.push(case(
                    &class(candidate, Some(fault)),
                    &limit.name,
                    (limit.status, kind),
                    &limit.detail,
                    &text(report, candidate, fault),
                ));
            }
        }
    }
    // A CI server reads nothing but the cases: a run that is no pass has a red one among them.
    let red = cases.iter().any(Case::is_bad);
    if report.verdict != VerdictValue::Pass && !red || cases.is_empty() {
        let ended = (report.verdict, "verdict");
        let sentence = words::sentence(report);
        cases.push(case(
            "k8sverify.drill",
            "verdict",
            ended,
            &sentence,
            &remarks(report),
        ));
    }
    cases
}

fn class(candidate: &CandidateReport, fault: Option<&FaultReport>) -> String {
    // Jenkins reads dots as folders.
    let name = line(&candidate.name).replace('.', "_");
    match fault {
        Some(fault) => format!("k8sverify.drill.{name}.{}", fault.title()),
        None => format!("k8sverify.drill.{name}"),
    }
}

/// The numbers of the fault, and the findings of the candidate: GitLab shows nothing else.
fn text(report: &DrillReport, candidate: &CandidateReport, fault: &FaultReport) -> String {
    let mut text = format!("{} · {}\n", candidate.name, words::fault_line(fault));
    for (metric, spread) in words::known(fault) {
        text += &format!("{}: {}\n", metric.title(), words::spread(metric, spread));
    }
    for round in &fault.rounds {
        text += &format!("round {}: {}\n", round.number, round.ended);
    }
    if let Some(not) = &fault.not_excluded {
        text += &format!("{not}\n");
    }
    let mine = report
        .findings
        .iter()
        .filter(|finding| finding.candidate == candidate.name);
    for finding in mine {
        text += &format!("{}: {}\n", finding.id, finding.message);
        for seen in &finding.evidence {
            text += &format!("  seen: {seen}\n");
        }
        match (&finding.caused_by, &finding.fix) {
            (Some(cause), _) => text += &format!("  because of: {cause}\n"),
            (None, Some(fix)) => text += &format!("  fix: {}\n", fix.text),
            (None, None) => {}
        }
    }
    text
}

fn remarks(report: &DrillReport) -> String {
    let mut text = format!("{}\n", words::sentence(report));
    for note in &report.notes {
        text += &format!("{note}\n");
    }
    text
}
