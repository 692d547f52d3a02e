//! PostgreSQL for a drill. Logs in as the probe does; whether it is a standby every login may ask. IO: the connections.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::engine::{Broken, Engine, Holds, Limit, Session};
use super::open::Dialler;
use crate::drill::ledger::{RowFold, Statements, span};
use crate::drill::model::{
    AttemptStep, Engine as Kind, ExpectedTable, LaneRows, MemberState, Role, RunnerSpec, Server,
    Span,
};
use crate::probe::postgres as protocol;

/// The engine.
pub(super) struct Postgres<'a> {
    dialler: &'a Dialler<'a>,
    spec: &'a RunnerSpec,
    statements: Statements,
}

/// A session.
pub(super) struct Talk<'a> {
    engine: &'a Postgres<'a>,
    client: Client,
}

impl<'a> Postgres<'a> {
    pub(super) fn new(dialler: &'a Dialler<'a>, spec: &'a RunnerSpec) -> Self {
        Self {
            dialler,
            spec,
            statements: spec.ledger.statements(Kind::Postgres),
        }
    }
}

impl<'a> Engine for &'a Postgres<'a> {
    type Session = Talk<'a>;

    async fn connect(
        &self,
        address: SocketAddr,
        host: &str,
        login: Limit,
    ) -> Result<Talk<'a>, Broken> {
        let engine: &'a Postgres<'a> = self;
        let connect = Limit(Duration::from_millis(engine.spec.limits.connect_ms));
        let client = engine
            .dialler
            .log_in(address, host, connect, login, async |stream, ask| {
                protocol::session(stream, ask).await
            })
            .await?;
        Ok(Talk { engine, client })
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Broken> {
        self.dialler.resolve(host).await
    }
}

impl Talk<'_> {
    async fn rows_of(&self, query: &str, step: AttemptStep) -> Result<Vec<SimpleQueryRow>, Broken> {
        let messages = self
            .client
            .simple_query(query)
            .await
            .map_err(|error| self.engine.dialler.broken(step, &protocol::failure(&error)))?;
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .collect())
    }

    async fn run(&self, query: &str, step: AttemptStep) -> Result<(), Broken> {
        self.rows_of(query, step).await.map(|_| ())
    }

    async fn first(&self, query: &str, step: AttemptStep) -> Result<Option<String>, Broken> {
        let rows = self.rows_of(query, step).await?;
        Ok(rows.first().and_then(|row| text(row, 0)))
    }

    fn insert(&self, lane: &str, seq: u64, half: u8) -> String {
        let spec = self.engine.spec;
        spec.ledger
            .insert(Kind::Postgres, lane, seq, half, &spec.runner)
    }

    async fn table(&mut self, table: &ExpectedTable) -> Result<Holds, Broken> {
        if let Some(question) = &table.query {
            self.run("BEGIN READ ONLY", AttemptStep::Statement).await?;
            let rows = self.rows_of(question, AttemptStep::Statement).await;
            self.run("ROLLBACK", AttemptStep::Statement).await?;
            return Ok(Holds::brought(!rows?.is_empty()));
        }
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let name: Vec<String> = table.name.split('.').map(quote).collect();
        let name = name.join(".");
        let Some(fresh) = &table.fresh else {
            let query = format!("SELECT 1 FROM {name} LIMIT 1");
            self.first(&query, AttemptStep::Statement).await?;
            return Ok(Holds::Yes);
        };
        let column = quote(&fresh.column);
        let query = format!("SELECT extract(epoch from now() - max({column}))::bigint FROM {name}");
        let age = self.first(&query, AttemptStep::Statement).await?;
        Ok(Holds::aged(age.as_deref(), fresh.within_ms))
    }
}

impl Session for Talk<'_> {
    async fn identify(&mut self) -> Result<Server, Broken> {
        let query = "SELECT coalesce(host(inet_server_addr()), ''), \
                     extract(epoch from pg_postmaster_start_time())::bigint, current_setting('server_version')";
        let rows = self.rows_of(query, AttemptStep::Identify).await?;
        let word = |column| rows.first().and_then(|row| text(row, column));
        let (hostname, started) = (word(0).unwrap_or_default(), word(1).unwrap_or_default());
        Ok(Server {
            key: format!("{hostname}/{started}"),
            hostname,
            started: started
                .parse::<i64>()
                .ok()
                .map(|at| at.saturating_mul(1000)),
            id: started,
            version: word(2).unwrap_or_default(),
        })
    }

    async fn started(&mut self) -> Option<i64> {
        // Said with the identity already.
        None
    }

    async fn make(&mut self) -> Result<(), Broken> {
        let query = &self.engine.statements.create;
        self.run(query, AttemptStep::Statement).await
    }

    async fn remove(&mut self) -> Result<(), Broken> {
        let query = &self.engine.statements.drop;
        self.run(query, AttemptStep::Statement).await
    }

    async fn write(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        let query = self.insert(lane, seq, 0);
        self.run(&query, AttemptStep::Statement).await
    }

    async fn write_both(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        let written = async {
            self.run("BEGIN", AttemptStep::Statement).await?;
            for half in [1, 2] {
                let query = self.insert(lane, seq, half);
                self.run(&query, AttemptStep::Statement).await?;
            }
            self.run("COMMIT", AttemptStep::Commit).await
        }
        .await;
        if written.is_err() && !self.client.is_closed() {
            // The half that is there must not stay open in a session that is kept.
            let _ = self.run("ROLLBACK", AttemptStep::Statement).await;
        }
        written
    }

    async fn tip(&mut self) -> Result<BTreeMap<String, Span>, Broken> {
        let query = &self.engine.statements.tip;
        let rows = self.rows_of(query, AttemptStep::Statement).await?;
        let spans = rows
            .iter()
            .filter_map(|row| span(|column| text(row, column)));
        Ok(spans.collect())
    }

    async fn rows(&mut self) -> Result<BTreeMap<String, LaneRows>, Broken> {
        let query = &self.engine.statements.rows;
        let mut fold = RowFold::default();
        for row in self.rows_of(query, AttemptStep::Statement).await? {
            fold.columns(|column| text(&row, column));
        }
        Ok(fold.finish())
    }

    async fn state(&mut self, state: &mut MemberState) -> Result<(), Broken> {
        let standby = self
            .first("SELECT pg_is_in_recovery()", AttemptStep::Statement)
            .await?
            .is_some_and(|value| value == "t");
        state.role = Some(if standby {
            Role::Replica
        } else {
            Role::Primary
        });
        state.writable = Some(!standby);
        if !standby {
            state.joined = Some(true);
            return Ok(());
        }
        // Whether it follows anyone, where the login may see it.
        let query = "SELECT status FROM pg_stat_wal_receiver";
        if let Ok(Some(status)) = self.first(query, AttemptStep::Statement).await {
            state.joined = Some(status == "streaming");
            state.says = format!("standby, {status}");
        } else {
            "standby".clone_into(&mut state.says);
        }
        Ok(())
    }

    async fn holds(&mut self, table: &ExpectedTable) -> Result<Holds, Broken> {
        match self.table(table).await {
            Err(broken) if matches!(broken.code.as_str(), "42P01" | "3F000") => {
                Ok(Holds::No(format!("it is not there ({})", broken.code)))
            }
            Err(broken) if broken.code == "42501" => Ok(Holds::Untold(format!(
                "the login may not read it ({})",
                broken.code
            ))),
            // The question itself is refused: the server answers, and the row does not come.
            Err(broken) if table.query.is_some() && broken.code.len() == 5 => {
                Ok(Holds::No(format!("{} ({})", broken.words, broken.code)))
            }
            told => told,
        }
    }

    async fn close(self) {
        // The driver says goodbye when the client is dropped.
        drop(self);
    }
}

fn text(row: &SimpleQueryRow, column: usize) -> Option<String> {
    row.try_get(column).ok().flatten().map(str::to_owned)
}
