//! What there is in the end: views that can be read, and on every member the same tables, engines, rows and checksums. IO: connections.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::session::Connection;
use super::{Runner, quoted};
use crate::probe::wire::sql::{SqlRecord, StatementOutcome, TableState};

/// How long members may take to have what the first one has.
const CONVERGENCE: Duration = Duration::from_secs(10);
/// Pause between looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Tables that are compared.
const TABLES: usize = 200;

/// Looks at the address of the run, and at every member.
pub(super) async fn compare(runner: &mut Runner<'_, '_, '_>, galera: bool) -> io::Result<()> {
    let Some(address) = runner.address else {
        return Ok(());
    };
    let mut connection = match runner.door.open(address).await {
        Ok(connection) => connection,
        Err(failure) => return member(runner, "", address, Err(failure.detail)),
    };
    let wanted = Wanted::of(runner, &mut connection).await;
    views(runner, &mut connection, &wanted).await?;
    let mut reference = tables(&mut connection, &wanted).await;
    let members = &runner.door.setting.sql.members;
    let mut found = Vec::new();
    for endpoint in members {
        let address = SocketAddr::from((endpoint.address, endpoint.port.get()));
        let state = match runner.door.open(address).await {
            Ok(mut other) => {
                if galera {
                    // A read waits for what the group has agreed on.
                    other.send(b"SET SESSION wsrep_sync_wait = 1").await;
                }
                let end = Instant::now() + CONVERGENCE;
                let mut state = tables(&mut other, &wanted).await;
                while state != reference && Instant::now() < end && !other.lost {
                    tokio::time::sleep(PAUSE).await;
                    reference = tables(&mut connection, &wanted).await;
                    state = tables(&mut other, &wanted).await;
                }
                other.close().await;
                Ok(state)
            }
            Err(failure) => Err(failure.detail),
        };
        found.push((endpoint.pod.clone(), address, state));
    }
    connection.close().await;
    member(runner, "", address, Ok(reference))?;
    for (pod, address, state) in found {
        member(runner, &pod, address, state)?;
    }
    Ok(())
}

fn member(
    runner: &mut Runner<'_, '_, '_>,
    pod: &str,
    address: SocketAddr,
    state: Result<Vec<TableState>, String>,
) -> io::Result<()> {
    let (error, mut tables) = match state {
        Ok(tables) => (None, tables),
        Err(error) => (Some(error), Vec::new()),
    };
    for table in &mut tables {
        table.schema = runner.shown(&table.schema);
    }
    runner.recorder.sql(SqlRecord::Member {
        member: pod.to_owned(),
        address: address.to_string(),
        error,
        tables,
    })
}

/// Which schemas and tables are of interest.
struct Wanted {
    schemas: BTreeSet<String>,
    /// In place: only these.
    tables: Option<BTreeSet<(String, String)>>,
}

impl Wanted {
    async fn of(runner: &Runner<'_, '_, '_>, connection: &mut Connection) -> Self {
        if let Some(prefix) = &runner.script.prefix {
            let all = connection.rows("SHOW DATABASES").await;
            let ours = all.into_iter().flatten();
            return Self {
                schemas: ours
                    .filter(|schema| schema.starts_with(prefix.as_str()))
                    .collect(),
                tables: None,
            };
        }
        let first = match &runner.start {
            Some(start) => start.clone(),
            None => connection
                .rows("SELECT DATABASE()")
                .await
                .into_iter()
                .flatten()
                .next()
                .unwrap_or_default(),
        };
        let tables: BTreeSet<(String, String)> = runner
            .script
            .tables
            .iter()
            .map(|(schema, table)| {
                let schema = if schema.is_empty() { &first } else { schema };
                (schema.clone(), table.clone())
            })
            .collect();
        Self {
            schemas: tables.iter().map(|(schema, _)| schema.clone()).collect(),
            tables: Some(tables),
        }
    }
}

/// A text as a literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The tables of the schemas, with rows and checksum.
async fn tables(connection: &mut Connection, wanted: &Wanted) -> Vec<TableState> {
    let mut found = Vec::new();
    for schema in &wanted.schemas {
        let sql = format!(
            "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME",
            literal(schema)
        );
        for row in connection.rows(&sql).await {
            let [name, engine] = row.as_slice() else {
                continue;
            };
            let wanted = wanted
                .tables
                .as_ref()
                .is_none_or(|tables| tables.contains(&(schema.clone(), name.clone())));
            if wanted && found.len() < TABLES {
                found.push(TableState {
                    schema: schema.clone(),
                    name: name.clone(),
                    engine: engine.clone(),
                    ..TableState::default()
                });
            }
        }
    }
    for table in &mut found {
        let name = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
        let count = connection
            .rows(&format!("SELECT COUNT(*) FROM {name}"))
            .await;
        table.rows = count.first().and_then(|row| row.first()?.parse().ok());
        let sum = connection.rows(&format!("CHECKSUM TABLE {name}")).await;
        table.checksum = sum.first().and_then(|row| row.get(1).cloned());
    }
    found
}

/// Views that were taken and cannot be read.
async fn views(
    runner: &mut Runner<'_, '_, '_>,
    connection: &mut Connection,
    wanted: &Wanted,
) -> io::Result<()> {
    if wanted.tables.is_some() {
        return Ok(());
    }
    for schema in &wanted.schemas {
        let sql = format!(
            "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {}",
            literal(schema)
        );
        for name in connection.rows(&sql).await.into_iter().flatten() {
            let sql = format!("SELECT 1 FROM {}.{} LIMIT 0", quoted(schema), quoted(&name));
            let answer = connection.send(sql.as_bytes()).await;
            if answer.outcome == StatementOutcome::Refused {
                let object = format!("view {}.{name}", runner.shown(schema));
                runner
                    .recorder
                    .sql(SqlRecord::Unusable { object, answer })?;
            }
        }
    }
    Ok(())
}
