//! What members have in the end: tables that are missing, engines that were replaced, rows that did not arrive. Pure.

use std::collections::BTreeMap;

use crate::finding::{Code, Severity};
use crate::probe::wire::sql::{SqlRecord, TableState};
use crate::report::sql::{MemberReport, SqlFinding};
use crate::sql::classify::Classes;
use crate::sql::script::Script;
use crate::sql::token::tokens;

/// A member as it was recorded.
struct Member<'r> {
    name: &'r str,
    address: &'r str,
    error: &'r Option<String>,
    tables: BTreeMap<(&'r str, &'r str), &'r TableState>,
}

fn members(records: &[SqlRecord]) -> Vec<Member<'_>> {
    records
        .iter()
        .filter_map(|record| match record {
            SqlRecord::Member {
                member,
                address,
                error,
                tables,
            } => Some(Member {
                name: member,
                address,
                error,
                tables: tables
                    .iter()
                    .map(|table| ((table.schema.as_str(), table.name.as_str()), table))
                    .collect(),
            }),
            _ => None,
        })
        .collect()
}

/// Every member, compared with the address of the run, which comes first.
pub(super) fn reports(records: &[SqlRecord]) -> Vec<MemberReport> {
    let members = members(records);
    let Some(reference) = members.first() else {
        return Vec::new();
    };
    members
        .iter()
        .map(|member| MemberReport {
            name: member.name.to_owned(),
            address: member.address.to_owned(),
            error: member.error.clone(),
            tables: member.tables.len(),
            differences: if member.error.is_some() || reference.error.is_some() {
                Vec::new()
            } else {
                differences(reference, member)
            },
        })
        .collect()
}

fn differences(reference: &Member<'_>, member: &Member<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for ((schema, name), wanted) in &reference.tables {
        let table = format!("{schema}.{name}");
        let Some(there) = member.tables.get(&(*schema, *name)) else {
            found.push(format!("{table} is missing"));
            continue;
        };
        if there.engine != wanted.engine {
            found.push(format!(
                "{table} has engine {} instead of {}",
                there.engine, wanted.engine
            ));
        }
        match (there.rows, wanted.rows) {
            (Some(rows), Some(expected)) if rows != expected => {
                found.push(format!("{table} has {rows} rows instead of {expected}"));
            }
            (Some(_), Some(_))
                if there.checksum != wanted.checksum
                    && there.checksum.is_some()
                    && wanted.checksum.is_some() =>
            {
                found.push(format!("{table} has as many rows, with other content"));
            }
            _ => {}
        }
    }
    for (schema, name) in member.tables.keys() {
        if !reference.tables.contains_key(&(*schema, *name)) {
            found.push(format!("{schema}.{name} is on this member alone"));
        }
    }
    found
}

/// `sql-not-replicated` and engines that were replaced.
pub(super) fn findings(
    script: &Script,
    records: &[SqlRecord],
    reports: &[MemberReport],
    object: &str,
) -> Vec<SqlFinding> {
    let mut findings = Vec::new();
    let differing: Vec<&MemberReport> = reports
        .iter()
        .filter(|member| !member.differences.is_empty())
        .collect();
    let engines = foreign_engines(records);
    if !differing.is_empty() {
        let advice = Classes::embedded().named("engine-not-replicated");
        let fix = match advice.filter(|_| !engines.is_empty()) {
            Some(class) => class.advice.clone(),
            None => "Look at the member's replication: SHOW REPLICA STATUS, or wsrep_cluster_status and wsrep_ready; what it misses is lost when it takes over.".to_owned(),
        };
        findings.push(SqlFinding {
            code: Code::SqlNotReplicated,
            severity: Severity::Error,
            object: object.to_owned(),
            message: format!(
                "what was written is not the same on every member: {} {}",
                differing.len(),
                if differing.len() == 1 {
                    "member differs"
                } else {
                    "members differ"
                }
            ),
            evidence: differing
                .iter()
                .map(|member| {
                    let mut shown = member.differences.clone();
                    shown.truncate(5);
                    format!("{} ({}): {}", member.name, member.address, shown.join(", "))
                })
                .chain(engines.iter().cloned())
                .collect(),
            fix,
        });
    }
    let replaced = replaced(script, records);
    if !replaced.is_empty() {
        let class = Classes::embedded().named("engine-substituted");
        findings.push(SqlFinding {
            code: Code::SqlRefused,
            severity: Severity::Warning,
            object: object.to_owned(),
            message:
                "tables were made with another engine than the file names (engine-substituted)"
                    .to_owned(),
            evidence: replaced,
            fix: class.map(|class| class.advice.clone()).unwrap_or_default(),
        });
    }
    findings
}

/// Tables of engines that Galera does not replicate.
fn foreign_engines(records: &[SqlRecord]) -> Vec<String> {
    let galera = records
        .iter()
        .any(|record| matches!(record, SqlRecord::Server { galera: true, .. }));
    if !galera {
        return Vec::new();
    }
    let Some(reference) = members(records).into_iter().next() else {
        return Vec::new();
    };
    reference
        .tables
        .values()
        .filter(|table| !table.engine.eq_ignore_ascii_case("InnoDB"))
        .map(|table| {
            format!(
                "{}.{} has engine {}, which Galera does not replicate",
                table.schema, table.name, table.engine
            )
        })
        .collect()
}

/// Tables whose engine is not the one that their statement names.
fn replaced(script: &Script, records: &[SqlRecord]) -> Vec<String> {
    let all = members(records);
    let Some(reference) = all.first() else {
        return Vec::new();
    };
    let wanted = script.statements.iter().filter_map(|statement| {
        let (_, table) = statement.mapped.creates_table.as_ref()?;
        Some((table, engine(&statement.text)?, statement.line))
    });
    wanted
        .filter_map(|(table, engine, line)| {
            let there = reference
                .tables
                .values()
                .find(|there| there.name == *table)?;
            (!there.engine.is_empty() && !there.engine.eq_ignore_ascii_case(&engine))
                .then(|| format!("line {line}: {table} is {} and not {engine}", there.engine))
        })
        .collect()
}

/// `ENGINE = NAME`
fn engine(text: &[u8]) -> Option<String> {
    let all = tokens(text);
    let at = all.iter().rposition(|token| token.is(text, "ENGINE"))? + 1;
    let at = if all.get(at)?.is_sign(text, b'=') {
        at + 1
    } else {
        at
    };
    all.get(at)?.name(text)
}
