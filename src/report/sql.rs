//! The report of `k8sverify sql`: [`SqlReport`] (serialisable) → bytes, one function per format. Pure.

mod console;
mod github;
mod html;
mod junit;
mod markdown;
mod model;

pub use super::json::render as json;
pub use console::render as console;
pub use github::render as github;
pub use html::render as html;
pub use junit::render as junit;
pub use markdown::render as markdown;
pub use model::*;

use super::VerdictValue;
use super::unfinished::can_be_unfinished;
use super::words::count;

can_be_unfinished!(SqlReport);

/// `accepted: all of the 50 statements`
fn sentence(report: &SqlReport) -> String {
    let SqlSummary {
        accepted,
        cosmetic,
        refused,
        not_run,
        unknown,
    } = report.summary;
    let all = accepted + cosmetic + refused + not_run + unknown;
    match report.verdict {
        VerdictValue::Pass if cosmetic + not_run == 0 => {
            format!("accepted: {}", count(all, "statement"))
        }
        VerdictValue::Pass => {
            format!("accepted: {accepted} of {all}, {cosmetic} cosmetic, {not_run} not run")
        }
        VerdictValue::Fail => format!("refused: {refused} of {}", count(all, "statement")),
        VerdictValue::Unknown => format!(
            "could not decide: {} without an answer of {all}",
            count(unknown, "statement")
        ),
    }
}

/// `mysql:3306 · mysql 9.7.4 · in scratch schemas`
fn place(report: &SqlReport) -> Vec<String> {
    let mut parts = vec![format!("namespace {}", report.namespace)];
    if !report.cluster.is_empty() {
        parts.push(format!("cluster {}", report.cluster));
    }
    if !report.address.is_empty() {
        parts.push(report.address.clone());
    }
    if !report.product.is_empty() {
        parts.push(format!("{} {}", report.product, report.version));
    }
    parts.push(
        match report.place {
            SqlPlace::Scratch => "in scratch schemas",
            SqlPlace::InPlace => "in place",
        }
        .to_owned(),
    );
    parts
}

/// `57: ERROR 1419 (HY000): You do not …`; what stands in the place of a code where there is none.
fn words(said: &ServerAnswer) -> String {
    match (said.code, &said.state) {
        (Some(code), Some(state)) => format!("ERROR {code} ({state}): {}", said.message),
        (Some(code), None) => format!("ERROR {code}: {}", said.message),
        _ => said.message.clone(),
    }
}

/// The class with what it follows from.
fn class(said: &ServerAnswer) -> String {
    let class = said.class.as_deref().unwrap_or("other");
    match said.caused_by {
        Some(line) => format!("{class}, follows from line {line}"),
        None => class.to_owned(),
    }
}

/// Statements that a reader has to see: all but those that were accepted or never reached.
fn noteworthy(file: &FileReport) -> impl Iterator<Item = &StatementReport> {
    file.statements.iter().filter(|statement| {
        statement.status != SqlStatus::Accepted && statement.said.message != NOT_REACHED
    })
}

/// `51 statements were not reached`, where there are some.
fn not_reached(file: &FileReport) -> Option<String> {
    let reached = |statement: &&StatementReport| statement.said.message == NOT_REACHED;
    let number = file.statements.iter().filter(reached).count();
    (number > 0).then(|| format!("not reached: {}", count(number, "statement")))
}

/// `accepted`, `ERROR 1105 …`
fn way(way: &WayReport) -> String {
    match way.status {
        SqlStatus::Accepted => "accepted".to_owned(),
        SqlStatus::NotRun => format!("not run: {}", way.said.message),
        _ => words(&way.said),
    }
}

#[cfg(test)]
mod tests;
