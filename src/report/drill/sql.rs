//! The report of `sql` → what the drill's table says of it. Pure.

use super::CandidateSql;
use crate::report::sql::{QueryReport, ServerAnswer, SqlReport, SqlStatus, StatementReport};
use crate::sql::classify::Weight;

/// The init SQL and the workload, each where there was one.
pub fn summaries(report: &SqlReport) -> (Option<CandidateSql>, Option<CandidateSql>) {
    let mut init = CandidateSql::default();
    for file in &report.files {
        for statement in &file.statements {
            add_statement(&mut init, &file.name, statement);
        }
    }
    let mut workload = CandidateSql::default();
    for query in &report.workload {
        add_query(&mut workload, query);
    }
    let asked = |summary: CandidateSql| (summary.statements > 0).then_some(summary);
    (asked(init), asked(workload))
}

fn add_statement(summary: &mut CandidateSql, file: &str, statement: &StatementReport) {
    let weight = statement.said.weight.unwrap_or(Weight::Real);
    let place = format!("{file}:{}", statement.line);
    add(summary, statement.status, weight, &place, &statement.said);
}

/// Refused is what is refused the way in which the application runs it.
fn add_query(summary: &mut CandidateSql, query: &QueryReport) {
    let weight = if query.required {
        Weight::Required
    } else {
        Weight::Real
    };
    let bad = |status| matches!(status, SqlStatus::Refused | SqlStatus::Unknown);
    let way = [&query.outside, &query.inside]
        .into_iter()
        .find(|way| bad(way.status))
        .unwrap_or(&query.outside);
    add(summary, query.status, weight, &query.name, &way.said);
}

fn add(
    summary: &mut CandidateSql,
    status: SqlStatus,
    weight: Weight,
    place: &str,
    said: &ServerAnswer,
) {
    summary.statements += 1;
    match status {
        SqlStatus::Accepted => return,
        SqlStatus::Cosmetic => summary.cosmetic += 1,
        SqlStatus::NotRun => summary.not_run += 1,
        SqlStatus::Unknown => summary.unknown += 1,
        SqlStatus::Refused => match weight {
            Weight::Cosmetic => summary.cosmetic += 1,
            Weight::Real => summary.real += 1,
            Weight::Required => summary.required += 1,
        },
    }
    let code = said.code.map(|code| format!(" {code}")).unwrap_or_default();
    let class = said.class.as_deref();
    let class = class.map(|class| format!(" ({class})")).unwrap_or_default();
    summary
        .detail
        .push(format!("{place}: {}{code}{class}", status.name()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_counts_by_its_weight_and_no_answer_is_none() {
        let statement = |line, status, weight| StatementReport {
            line,
            shown: String::new(),
            status,
            said: ServerAnswer {
                code: Some(1064),
                class: Some("syntax".to_owned()),
                weight,
                ..ServerAnswer::default()
            },
        };
        let mut summary = CandidateSql::default();
        for one in [
            statement(1, SqlStatus::Accepted, None),
            statement(2, SqlStatus::Refused, Some(Weight::Real)),
            statement(3, SqlStatus::Refused, Some(Weight::Required)),
            statement(4, SqlStatus::Cosmetic, Some(Weight::Cosmetic)),
            statement(5, SqlStatus::NotRun, None),
            statement(6, SqlStatus::Unknown, None),
        ] {
            add_statement(&mut summary, "init.sql", &one);
        }
        let CandidateSql {
            statements,
            required,
            real,
            cosmetic,
            not_run,
            unknown,
            detail,
        } = summary;
        assert_eq!(
            (statements, required, real, cosmetic, not_run, unknown),
            (6, 1, 1, 1, 1, 1)
        );
        assert_eq!(detail.len(), 5);
        assert_eq!(detail[0], "init.sql:2: refused 1064 (syntax)");
    }
}
