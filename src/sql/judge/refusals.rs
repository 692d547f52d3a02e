//! Refusals → findings, one for each class; what was accepted and cannot be used. Pure.

use super::Judge;
use crate::finding::{Code, Severity};
use crate::probe::wire::sql::SqlRecord;
use crate::report::sql::{QueryReport, ServerAnswer, SqlFinding, SqlStatus, StatementReport};

impl Judge<'_> {
    /// Every refusal that is no consequence of another: what was said, where, and whether the application requires it.
    fn refused<'r>(
        &self,
        statements: &'r [StatementReport],
        workload: &'r [QueryReport],
    ) -> Vec<(&'r ServerAnswer, String, bool)> {
        let mut all = Vec::new();
        for (statement, report) in self.script.statements.iter().zip(statements) {
            if report.status == SqlStatus::Refused && report.said.caused_by.is_none() {
                let file = &self.script.files[statement.file].name;
                let place = format!("{file}:{} {}", report.line, report.shown);
                all.push((&report.said, place, false));
            }
        }
        for query in workload {
            let worst = [(&query.outside, "outside"), (&query.inside, "inside")]
                .into_iter()
                .find(|(way, _)| way.status == SqlStatus::Refused);
            if let (SqlStatus::Refused, Some((way, place))) = (query.status, worst) {
                let place = format!(
                    "query {} (line {}, {place} a transaction) {}",
                    query.name, query.line, query.shown
                );
                all.push((&way.said, place, query.required));
            }
        }
        all
    }

    /// One finding for each class of refusals.
    pub(super) fn refusals(
        &self,
        statements: &[StatementReport],
        workload: &[QueryReport],
        object: &str,
    ) -> Vec<SqlFinding> {
        let mut groups: Vec<(String, Group<'_>)> = Vec::new();
        for (said, place, required) in self.refused(statements, workload) {
            let class = said.class.clone().unwrap_or_else(|| "other".to_owned());
            let line = match said.code {
                Some(code) => format!(
                    "{place}: ERROR {code} ({}): {}",
                    said.state.as_deref().unwrap_or_default(),
                    said.message
                ),
                None => format!("{place}: {}", said.message),
            };
            match groups.iter_mut().find(|(name, _)| *name == class) {
                Some((_, group)) => {
                    group.places.push(line);
                    group.required |= required;
                }
                None => groups.push((
                    class,
                    Group {
                        first: said,
                        places: vec![line],
                        required,
                    },
                )),
            }
        }
        groups
            .into_iter()
            .map(|(class, group)| group.finding(&class, object))
            .collect()
    }

    pub(super) fn unusable(&self, object: &str) -> Vec<SqlFinding> {
        let found = self.seen.records.iter().filter_map(|record| match record {
            SqlRecord::Unusable { object, answer } => Some((object, answer)),
            _ => None,
        });
        found
            .map(|(what, answer)| SqlFinding {
                code: Code::SqlObjectUnusable,
                severity: Severity::Error,
                object: object.to_owned(),
                message: format!("{what} was accepted, and cannot be used"),
                evidence: vec![format!("ERROR {} ({}): {}", answer.code, answer.state, answer.message)],
                fix: "Create what it needs first: its tables, its functions, and the account of its definer.".to_owned(),
            })
            .collect()
    }
}

/// Refusals of one class.
struct Group<'g> {
    first: &'g ServerAnswer,
    places: Vec<String>,
    required: bool,
}

impl Group<'_> {
    fn finding(self, class: &str, object: &str) -> SqlFinding {
        let number = self.places.len();
        let are = if number == 1 {
            "statement is"
        } else {
            "statements are"
        };
        let required = if self.required {
            ", one that the application requires among them"
        } else {
            ""
        };
        SqlFinding {
            code: Code::SqlRefused,
            severity: Severity::Error,
            object: object.to_owned(),
            message: format!("{number} {are} refused ({class}){required}"),
            evidence: shortened(self.places, 10),
            fix: self.first.advice.clone().unwrap_or_else(|| {
                "Nothing is known of this refusal: read the server's words, and its manual on the code.".to_owned()
            }),
        }
    }
}

fn shortened(mut lines: Vec<String>, most: usize) -> Vec<String> {
    let more = lines.len().saturating_sub(most);
    if more > 0 {
        lines.truncate(most);
        lines.push(format!("and {more} more"));
    }
    lines
}
