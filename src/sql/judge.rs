//! What agents recorded of a script → the report: status, class and advice of each statement, findings, verdict. Pure.

mod members;
mod refusals;

use std::collections::BTreeMap;

use super::classify::{Class, Classes, StatementRefusal, Weight};
use super::script::{Query, Script, Statement, Transaction};
use super::show;
use super::token::tokens;
use crate::finding::Severity;
use crate::plan::ProbeFailure;
use crate::probe::wire::sql::{Answer, SqlRecord, StatementOutcome};
use crate::report::VerdictValue;
use crate::report::sql::{
    FileReport, NOT_REACHED, QueryReport, SCHEMA, ServerAnswer, SqlPlace, SqlReport, SqlStatus,
    SqlSummary, StatementReport, WayReport,
};

/// What the run was.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The tool's version.
    pub tool_version: String,
    /// Namespace.
    pub namespace: String,
    /// Cluster.
    pub cluster: String,
    /// The candidate or tier.
    pub candidate: String,
    /// The address.
    pub address: String,
    /// When it began.
    pub started_at: String,
    /// How long it took.
    pub duration_ms: u64,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct SqlResults {
    /// Records, in the order in which they were written.
    pub records: Vec<SqlRecord>,
    /// Whether all of them were read.
    pub complete: bool,
    /// Why the Pod never ran or was lost.
    pub failure: Option<ProbeFailure>,
}

/// The report.
pub fn judge(script: &Script, seen: &SqlResults, run: Run) -> SqlReport {
    let judge = Judge::new(script, seen);
    let statements = judge.statements();
    let workload: Vec<QueryReport> = script
        .queries
        .iter()
        .enumerate()
        .map(|(id, query)| judge.query(id, query))
        .collect();
    let members = members::reports(&seen.records);
    let object = format!("candidate/{}", run.candidate);
    let mut findings = judge.refusals(&statements, &workload, &object);
    findings.extend(members::findings(script, &seen.records, &members, &object));
    let (troubles, mut notes) = judge.troubles();
    findings.extend(judge.unusable(&object));
    notes.extend(run.notes);
    let summary = summary(&statements, &workload);
    let verdict = if findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        VerdictValue::Fail
    } else if !troubles.is_empty()
        || summary.unknown > 0
        || !seen.complete
        || members.iter().any(|member| member.error.is_some())
        || summary.accepted + summary.cosmetic == 0
    {
        VerdictValue::Unknown
    } else {
        VerdictValue::Pass
    };
    notes.splice(0..0, troubles);
    let files = files(script, statements);
    SqlReport {
        schema: SCHEMA.to_owned(),
        tool_version: run.tool_version,
        verdict,
        exit_code: verdict.exit_code(),
        namespace: run.namespace,
        cluster: run.cluster,
        candidate: run.candidate,
        address: run.address,
        product: judge.product.to_owned(),
        version: judge.version.to_owned(),
        place: if script.scratch.prefix.is_some() {
            SqlPlace::Scratch
        } else {
            SqlPlace::InPlace
        },
        started_at: run.started_at,
        duration_ms: run.duration_ms,
        summary,
        files,
        workload,
        members,
        findings,
        notes,
    }
}

struct Judge<'s> {
    script: &'s Script,
    seen: &'s SqlResults,
    product: &'s str,
    version: &'s str,
    answers: BTreeMap<usize, &'s Answer>,
    ways: BTreeMap<(usize, bool), &'s Answer>,
}

impl<'s> Judge<'s> {
    fn new(script: &'s Script, seen: &'s SqlResults) -> Self {
        let mut judge = Self {
            script,
            seen,
            product: "",
            version: "",
            answers: BTreeMap::new(),
            ways: BTreeMap::new(),
        };
        for record in &seen.records {
            match record {
                SqlRecord::Server {
                    product, version, ..
                } => (judge.product, judge.version) = (product, version),
                SqlRecord::Statement { id, answer } => {
                    judge.answers.insert(*id, answer);
                }
                SqlRecord::Query { id, inside, answer } => {
                    judge.ways.insert((*id, *inside), answer);
                }
                _ => {}
            }
        }
        // A vtgate in front of MariaDB greets as that, and answers as itself.
        let gate = |answer: &&&Answer| answer.message.starts_with("vtgate:");
        if judge
            .answers
            .values()
            .chain(judge.ways.values())
            .any(|answer| gate(&answer))
        {
            judge.product = "vitess";
        }
        judge
    }

    fn statements(&self) -> Vec<StatementReport> {
        let mut reports: Vec<StatementReport> = Vec::new();
        for (id, statement) in self.script.statements.iter().enumerate() {
            let beyond = statement.mapped.beyond.as_deref();
            let (status, mut said) = self.said(&statement.text, self.answers.get(&id), beyond);
            if status == SqlStatus::Refused
                && let Some(cause) = self.cause(&statement.text, statement.file, &said, &reports)
            {
                said.caused_by = Some(cause);
                said.take(Classes::embedded().named("dependent"));
            }
            reports.push(StatementReport {
                line: statement.line,
                shown: show::statement(&statement.text),
                status,
                said,
            });
        }
        reports
    }

    fn said(
        &self,
        text: &[u8],
        answer: Option<&&Answer>,
        beyond: Option<&str>,
    ) -> (SqlStatus, ServerAnswer) {
        let Some(answer) = answer else {
            let said = ServerAnswer {
                message: NOT_REACHED.to_owned(),
                ..ServerAnswer::default()
            };
            return (SqlStatus::Unknown, said);
        };
        let mut said = ServerAnswer {
            duration_ms: answer.ms,
            warnings: answer.warnings,
            message: match beyond {
                Some(beyond) if answer.outcome == StatementOutcome::NotRun => beyond.to_owned(),
                _ => answer.message.clone(),
            },
            ..ServerAnswer::default()
        };
        let status = match answer.outcome {
            StatementOutcome::Accepted => SqlStatus::Accepted,
            StatementOutcome::NotRun => SqlStatus::NotRun,
            StatementOutcome::Unknown => SqlStatus::Unknown,
            StatementOutcome::Refused => {
                said.code = Some(answer.code);
                said.state = Some(answer.state.clone());
                let shape = show::shape(text);
                let class = Classes::embedded().of(&StatementRefusal {
                    product: self.product,
                    code: answer.code,
                    state: &answer.state,
                    message: &answer.message,
                    shape: &shape,
                });
                said.take(class);
                if said.weight == Some(Weight::Cosmetic) {
                    SqlStatus::Cosmetic
                } else {
                    SqlStatus::Refused
                }
            }
        };
        (status, said)
    }

    /// The line of an earlier refusal that made what this one misses.
    fn cause(
        &self,
        text: &[u8],
        file: usize,
        said: &ServerAnswer,
        earlier: &[StatementReport],
    ) -> Option<usize> {
        if said.class.as_deref() != Some("missing") {
            return None;
        }
        let names = names(text);
        let statements = self.script.statements.iter().zip(earlier);
        let made = |statement: &Statement| {
            tokens(&statement.text)
                .first()
                .is_some_and(|token| token.is(&statement.text, "CREATE"))
                && names_of_made(&statement.text)
                    .is_some_and(|name| names.iter().any(|one| one.eq_ignore_ascii_case(&name)))
        };
        statements
            .filter(|(statement, report)| {
                matches!(report.status, SqlStatus::Refused | SqlStatus::NotRun)
                    && statement.file == file
                    && made(statement)
            })
            .map(|(statement, _)| statement.line)
            .next_back()
    }

    fn query(&self, id: usize, query: &Query) -> QueryReport {
        let way = |inside: bool| {
            let answer = self.ways.get(&(id, inside));
            let beyond = query.mapped.beyond.as_deref();
            let (status, said) = self.said(&query.text, answer, beyond);
            let rows = answer.and_then(|answer| answer.rows);
            WayReport { status, rows, said }
        };
        let (mut outside, mut inside) = (way(false), way(true));
        for way in [&mut outside, &mut inside] {
            if let (SqlStatus::Accepted, Some(wanted)) = (way.status, query.rows)
                && way.rows != Some(wanted)
            {
                way.status = SqlStatus::Refused;
                way.said.message = format!(
                    "it returned {} rows, and {wanted} are expected",
                    way.rows.unwrap_or(0)
                );
                way.said.take(Classes::embedded().named("rows"));
            }
        }
        if outside.status == SqlStatus::Refused
            && inside.status == SqlStatus::Accepted
            && outside.said.class.is_none()
        {
            let class = Classes::embedded().named("locking-read-outside-transaction");
            outside.said.take(class);
        }
        for way in [&mut outside, &mut inside] {
            if query.required && way.status == SqlStatus::Refused {
                way.said.weight = Some(Weight::Required);
            }
        }
        let status = match query.transaction {
            Transaction::In => inside.status,
            Transaction::Out => outside.status,
            Transaction::Both => outside.status.max(inside.status),
        };
        QueryReport {
            name: query.name.clone(),
            line: query.line,
            shown: show::statement(&query.text),
            required: query.required,
            status,
            outside,
            inside,
        }
    }

    /// Why not everything could be run, and what a reader should know.
    fn troubles(&self) -> (Vec<String>, Vec<String>) {
        let (mut troubles, mut notes) = (Vec::new(), Vec::new());
        if let Some(failure) = &self.seen.failure {
            troubles.push(format!("{}: {}", failure.code, failure.message));
            troubles.extend(failure.evidence.iter().cloned());
        }
        let mut scratch = Vec::new();
        let mut dropped = Vec::new();
        for record in &self.seen.records {
            match record {
                SqlRecord::Failed { at, message } => {
                    troubles.push(format!("the {at} failed: {message}"));
                }
                SqlRecord::Scratch { schema, answer } if answer.outcome == StatementOutcome::Accepted => {
                    scratch.push(schema);
                }
                SqlRecord::Scratch { schema, answer } => troubles.push(format!(
                    "the scratch schema `{schema}` could not be made: ERROR {} ({}): {}; grant the account ALL on `k8sverify\\_%`.*, name an account that has it in the candidate's login, or say `fresh: true` of a candidate that holds nothing that matters, to run in place",
                    answer.code, answer.state, answer.message
                )),
                SqlRecord::Dropped { schema, answer } if answer.outcome == StatementOutcome::Accepted => {
                    dropped.push(schema);
                }
                SqlRecord::Dropped { schema, answer } => troubles.push(format!(
                    "the scratch schema `{schema}` could not be dropped: {}; drop it with: DROP DATABASE `{schema}`",
                    answer.message
                )),
                SqlRecord::Server { left, .. } if !left.is_empty() => notes.push(format!(
                    "an earlier run left schemas, which no one uses any more; drop them: {}",
                    left.iter()
                        .map(|schema| format!("DROP DATABASE `{schema}`;"))
                        .collect::<Vec<_>>()
                        .join(" ")
                )),
                _ => {}
            }
        }
        scratch.retain(|schema| !dropped.contains(schema));
        let reported = troubles
            .iter()
            .any(|text| text.contains("could not be dropped"));
        if !scratch.is_empty() && !reported {
            let names: Vec<String> = scratch.iter().map(|schema| format!("`{schema}`")).collect();
            troubles.push(format!(
                "the Pod did not say that it dropped the scratch schemas {}: drop them if they are there",
                names.join(", ")
            ));
        }
        (troubles, notes)
    }
}

impl ServerAnswer {
    fn take(&mut self, class: Option<&Class>) {
        if let Some(class) = class {
            self.class = Some(class.name.clone());
            self.weight = Some(class.weight);
            self.advice = Some(class.advice.clone());
        } else {
            self.weight = Some(Weight::Real);
        }
    }
}

/// All names of a statement.
fn names(text: &[u8]) -> Vec<String> {
    tokens(text)
        .iter()
        .filter_map(|token| token.name(text))
        .collect()
}

/// The name of what CREATE makes: the one behind the kind of object, its schema left out.
fn names_of_made(text: &[u8]) -> Option<String> {
    let all = tokens(text);
    let kinds = [
        "TABLE",
        "VIEW",
        "TRIGGER",
        "PROCEDURE",
        "FUNCTION",
        "EVENT",
        "DATABASE",
        "SCHEMA",
    ];
    let at = all
        .iter()
        .position(|token| kinds.iter().any(|kind| token.is(text, kind)))?
        + 1;
    let at = (at..all.len()).find(|at| {
        !["IF", "NOT", "EXISTS"]
            .iter()
            .any(|word| all[*at].is(text, word))
    })?;
    if all
        .get(at + 1)
        .is_some_and(|token| token.is_sign(text, b'.'))
    {
        return all.get(at + 2)?.name(text);
    }
    all[at].name(text)
}

fn files(script: &Script, statements: Vec<StatementReport>) -> Vec<FileReport> {
    let mut files: Vec<FileReport> = script
        .files
        .iter()
        .map(|file| FileReport {
            name: file.name.clone(),
            stops_at: None,
            remarks: file
                .remarks
                .iter()
                .map(|(line, text)| format!("line {line}: {text}"))
                .collect(),
            statements: Vec::new(),
        })
        .collect();
    for (statement, report) in script.statements.iter().zip(statements) {
        let file = &mut files[statement.file];
        if file.stops_at.is_none()
            && matches!(report.status, SqlStatus::Refused | SqlStatus::Cosmetic)
        {
            file.stops_at = Some(report.line);
        }
        file.statements.push(report);
    }
    files
}

fn summary(statements: &[StatementReport], workload: &[QueryReport]) -> SqlSummary {
    let mut summary = SqlSummary::default();
    let statuses = statements.iter().map(|report| report.status);
    for status in statuses.chain(workload.iter().map(|query| query.status)) {
        match status {
            SqlStatus::Accepted => summary.accepted += 1,
            SqlStatus::Cosmetic => summary.cosmetic += 1,
            SqlStatus::Refused => summary.refused += 1,
            SqlStatus::NotRun => summary.not_run += 1,
            SqlStatus::Unknown => summary.unknown += 1,
        }
    }
    summary
}

#[cfg(test)]
mod tests;
