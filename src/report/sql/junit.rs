//! As JUnit XML for Jenkins and GitLab: a case for each statement that was not simply accepted, one for all that were, one for each query and member. Pure.

use super::{MemberReport, ServerAnswer, SqlReport, SqlStatus, class, place, sentence, way, words};
use crate::report::VerdictValue;
use crate::report::junit::{Case, CaseOutcome, JunitError, Suite, write};
use crate::report::words::count;

/// The report as JUnit XML.
///
/// # Errors
/// If writing to memory fails, which no report content causes.
pub fn render(report: &SqlReport) -> Result<Vec<u8>, JunitError> {
    let properties = [
        ("k8sverify.version", report.tool_version.clone()),
        ("k8sverify.cluster", report.cluster.clone()),
        ("k8sverify.namespace", report.namespace.clone()),
        ("k8sverify.sql.candidate", report.candidate.clone()),
    ];
    let suite = Suite {
        name: "k8sverify.sql".to_owned(),
        cases: cases(report),
        out: format!(
            "{}\n{}\n{}",
            sentence(report),
            place(report).join(" · "),
            notes(report)
        ),
    };
    write(&report.started_at, [suite], &properties)
}

fn notes(report: &SqlReport) -> String {
    report.notes.join("\n") + "\n"
}

/// All of them; at least one is red where the verdict is not good.
fn cases(report: &SqlReport) -> Vec<Case> {
    let own = format!("k8sverify.sql.{}", report.candidate);
    let case = |name: &str, outcome: CaseOutcome, text: &str| Case::new(&own, name, outcome, text);
    let mut cases = Vec::new();
    for file in &report.files {
        let accepted =
            |statement: &&super::StatementReport| statement.status == SqlStatus::Accepted;
        let accepted = file.statements.iter().filter(accepted).count();
        let name = format!("{} {} accepted", file.name, count(accepted, "statement"));
        cases.push(case(&name, CaseOutcome::Pass, ""));
        for statement in super::noteworthy(file) {
            let name = format!("{}:{} {}", file.name, statement.line, statement.shown);
            let said = &statement.said;
            let one = case(&name, outcome(statement.status, said), &text(said));
            cases.push(one.took(said.duration_ms));
        }
        if let Some(rest) = super::not_reached(file) {
            let name = format!("{} {rest}", file.name);
            cases.push(case(&name, CaseOutcome::error("no answer", &rest), &rest));
        }
    }
    for query in &report.workload {
        let said = if query.outside.status == query.status {
            &query.outside.said
        } else {
            &query.inside.said
        };
        let text = format!(
            "{}outside a transaction: {}\ninside: {}\n",
            text(said),
            way(&query.outside),
            way(&query.inside)
        );
        let name = format!("query {}", query.name);
        let one = case(&name, outcome(query.status, said), &text);
        cases.push(one.took(said.duration_ms));
    }
    for member in &report.members {
        let name = format!("member {} {}", member.name, member.address);
        cases.push(case(&name, of_member(member), ""));
    }
    if report.verdict != VerdictValue::Pass && !cases.iter().any(Case::is_bad) {
        let sentence = sentence(report);
        let outcome = match report.verdict {
            VerdictValue::Fail => CaseOutcome::fail("fail", &sentence),
            _ => CaseOutcome::error("unknown", &sentence),
        };
        cases.push(case("verdict", outcome, &notes(report)));
    }
    cases
}

fn outcome(status: SqlStatus, said: &ServerAnswer) -> CaseOutcome {
    match status {
        SqlStatus::Accepted => CaseOutcome::Pass,
        SqlStatus::Refused => CaseOutcome::fail(&class(said), &words(said)),
        SqlStatus::Unknown => CaseOutcome::error("no answer", &words(said)),
        SqlStatus::Cosmetic => CaseOutcome::skip(&class(said), &words(said)),
        SqlStatus::NotRun => CaseOutcome::skip("not run", &words(said)),
    }
}

fn text(said: &ServerAnswer) -> String {
    let advice = said.advice.as_deref().unwrap_or_default();
    format!("{}\n{advice}\n", words(said))
}

/// Whether a member has what the others have.
fn of_member(member: &MemberReport) -> CaseOutcome {
    match (&member.error, member.differences.as_slice()) {
        (Some(error), _) => CaseOutcome::error("not asked", error),
        (None, []) => CaseOutcome::Pass,
        (None, differences) => CaseOutcome::fail("sql-not-replicated", &differences.join("; ")),
    }
}
