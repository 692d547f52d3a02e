//! What a logged-in client may ask without altering anything: `SELECT 1`, read-only, replica and Galera state. IO: the connection.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use tokio::time::Instant;

use crate::probe::ask::{ANSWER, Ask};
use crate::probe::found::{Failure, Found};
use crate::probe::mysql::failure;
use crate::probe::mysql::replication::{Following, columns, text};
use crate::probe::wire::{StepError, StepName, StepStatus};

/// Server variables that forbid writes; what a server does not know is passed over.
const READ_ONLY: [&str; 4] = [
    "super_read_only",
    "innodb_read_only",
    "transaction_read_only",
    "read_only",
];

/// The harmless query, and what the server says of its own state.
pub(super) async fn query(connection: &mut Conn, ask: &Ask<'_>) -> Found {
    let begun = Instant::now();
    let step = match run(connection, ask).await {
        Ok(facts) => judge(&facts, ask.task.replica),
        Err(failure) => Found::fail(StepName::Query, failure),
    };
    step.asked("SELECT 1").since(begun)
}

async fn run(connection: &mut Conn, ask: &Ask<'_>) -> Result<BTreeMap<String, String>, Failure> {
    if rows(connection, ask, "SELECT 1").await?.is_empty() {
        return Err(Failure::new(
            StepError::Broken,
            "the login works, and `SELECT 1` is answered without a row",
        ));
    }
    let mut facts = BTreeMap::new();
    for variable in READ_ONLY {
        if let Some(value) = value(connection, ask, &format!("SELECT @@{variable}")).await {
            let on = matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "TRUE");
            facts.insert(
                variable.to_owned(),
                if on { "yes" } else { "no" }.to_owned(),
            );
        }
    }
    if let Ok(rows) = rows(connection, ask, "SHOW STATUS LIKE 'wsrep_%'").await {
        for row in rows {
            if let (Some(name), Some(value)) = (text(&row, 0), text(&row, 1))
                && matches!(
                    name.as_str(),
                    "wsrep_ready"
                        | "wsrep_cluster_status"
                        | "wsrep_local_state_comment"
                        | "wsrep_provider_name"
                        | "wsrep_cluster_state_uuid"
                        | "wsrep_cluster_size"
                )
            {
                facts.insert(name, value);
            }
        }
    }
    if on(&facts, "read_only")
        && !on(&facts, "super_read_only")
        && may_write_anyway(connection, ask).await
    {
        facts.insert("writes_anyway".to_owned(), "yes".to_owned());
    }
    for question in ["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"] {
        // Most users may not ask this; then it stays unknown.
        if let Ok(rows) = rows(connection, ask, question).await {
            let replica = if rows.is_empty() { "no" } else { "yes" };
            facts.insert("replica".to_owned(), replica.to_owned());
            let mut sources = rows.iter().map(|row| Following::of(&columns(row)));
            if let Some(why) = sources.find_map(|source| source.stopped()) {
                facts.insert("replication_stopped".to_owned(), why);
            }
            break;
        }
    }
    if let Some(query) = &ask.task.query {
        rows(connection, ask, query)
            .await
            .map_err(|failure| Failure::new(StepError::QueryFailed, failure.detail))?;
        facts.insert("query".to_owned(), "yes".to_owned());
    }
    Ok(facts)
}

fn on(facts: &BTreeMap<String, String>, name: &str) -> bool {
    facts.get(name).is_some_and(|value| value == "yes")
}

/// Whether the user's own rights lift `read_only`.
async fn may_write_anyway(connection: &mut Conn, ask: &Ask<'_>) -> bool {
    let Ok(rows) = rows(connection, ask, "SHOW GRANTS").await else {
        return false;
    };
    rows.iter().filter_map(|row| text(row, 0)).any(|grant| {
        let grant = grant.to_ascii_uppercase();
        let everywhere = grant.contains(" ON *.* ");
        everywhere
            && [
                "ALL PRIVILEGES",
                "SUPER",
                "READ_ONLY ADMIN",
                "READ ONLY ADMIN",
                "CONNECTION_ADMIN",
            ]
            .iter()
            .any(|right| grant.contains(right))
    })
}

/// Turns the facts into the step.
fn judge(facts: &BTreeMap<String, String>, replica_is_fine: bool) -> Found {
    let says = |name: &str, value: &str| facts.get(name).is_some_and(|said| said == value);
    // A server that is built with Galera and does not use it is `Disconnected` too, has no provider, and no cluster to lose.
    let member = facts
        .get("wsrep_provider_name")
        .is_some_and(|name| !name.is_empty() && name != "none");
    let lost = says("wsrep_cluster_status", "non-Primary")
        || (member && (says("wsrep_ready", "OFF") || says("wsrep_cluster_status", "Disconnected")));
    let mut step = if lost {
        Found::failed(
            StepName::Query,
            StepError::GaleraNotPrimary,
            format!(
                "WSREP has not yet prepared this node: wsrep_ready {}, wsrep_cluster_status {}",
                facts.get("wsrep_ready").map_or("?", String::as_str),
                facts
                    .get("wsrep_cluster_status")
                    .map_or("?", String::as_str)
            ),
        )
    } else if let Some(variable) = READ_ONLY.iter().find(|name| on(facts, name)) {
        let writes = *variable == "read_only" && on(facts, "writes_anyway");
        if writes || replica_is_fine {
            Found::pass(
                StepName::Query,
                if writes {
                    format!("@@{variable} is on, and this user's rights lift it")
                } else {
                    format!("@@{variable} is on, as befits a read replica")
                },
            )
        } else {
            Found::failed(
                StepName::Query,
                StepError::ReadOnly,
                format!("the login works, and @@{variable} is on: every write is refused"),
            )
        }
    } else {
        Found::pass(StepName::Query, "")
    };
    if let (StepStatus::Pass, Some(why)) = (step.status, facts.get("replication_stopped")) {
        step.error = Some(StepError::ReplicationStopped);
        step.detail =
            format!("the login works, and the server follows its source no longer: {why}");
    }
    step.facts.extend(facts.clone());
    step
}

async fn rows(connection: &mut Conn, ask: &Ask<'_>, query: &str) -> Result<Vec<Row>, Failure> {
    match ask.clock.within(ANSWER, connection.query(query)).await {
        Ok(Ok(rows)) => Ok(rows),
        Ok(Err(error)) => {
            let mut failure = failure(&error);
            if failure.error == StepError::Broken && matches!(error, mysql_async::Error::Server(_))
            {
                failure.error = StepError::QueryFailed;
            }
            Err(failure)
        }
        Err(late) => Err(Failure::late(
            late,
            StepError::Silent,
            format!("the login works, and `{query}` gets no answer"),
        )),
    }
}

async fn value(connection: &mut Conn, ask: &Ask<'_>, query: &str) -> Option<String> {
    // An unknown variable (1193) is a server that does not have it.
    let rows = rows(connection, ask, query).await.ok()?;
    text(rows.first()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_read_only_server_fails_unless_reads_are_all_or_rights_lift_it() {
        assert_eq!(judge(&facts(&[("read_only", "no")]), false).error, None);
        let on = facts(&[("read_only", "yes")]);
        assert_eq!(judge(&on, false).error, Some(StepError::ReadOnly));
        assert_eq!(judge(&on, true).error, None);
        let lifted = facts(&[("read_only", "yes"), ("writes_anyway", "yes")]);
        assert_eq!(judge(&lifted, false).error, None);
    }

    #[test]
    fn a_replica_that_stands_still_answers_and_is_said() {
        let stopped = [
            ("read_only", "yes"),
            ("replication_stopped", "Yes/No (1062)"),
        ];
        let step = judge(&facts(&stopped), true);
        assert_eq!(step.status, StepStatus::Pass);
        assert_eq!(step.error, Some(StepError::ReplicationStopped));
        assert!(step.detail.contains("1062"));
        // That every write is refused is worse.
        assert_eq!(
            judge(&facts(&stopped), false).error,
            Some(StepError::ReadOnly)
        );
    }

    #[test]
    fn galera_counts_only_where_there_is_a_cluster() {
        let none = facts(&[
            ("wsrep_ready", "OFF"),
            ("wsrep_cluster_status", "Disconnected"),
            ("wsrep_provider_name", ""),
        ]);
        assert_eq!(judge(&none, false).error, None);
        let lost = facts(&[
            ("wsrep_ready", "OFF"),
            ("wsrep_cluster_status", "non-Primary"),
        ]);
        assert_eq!(judge(&lost, false).error, Some(StepError::GaleraNotPrimary));
    }
}
