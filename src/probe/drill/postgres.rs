//! PostgreSQL for a drill. Logs in as the probe does; whether it is a standby every login may ask. IO: the connections.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::engine::Broken;
use super::open::{Protocol, Servers};
use super::table::{Row, Sql, value};
use crate::drill::model::{AttemptStep, Engine, MemberRole, MemberState, RunnerSpec};
use crate::probe::ask::Ask;
use crate::probe::found::Failure;
use crate::probe::link::PeerLink;
use crate::probe::postgres as protocol;

/// `PostgreSQL`.
pub(super) struct Postgres;

/// A session.
pub(super) struct DrillSession<'a> {
    servers: &'a Servers<'a>,
    client: Client,
}

impl Protocol for Postgres {
    type Session<'a> = DrillSession<'a>;

    async fn log_in<'a>(
        servers: &'a Servers<'a>,
        stream: PeerLink,
        ask: &Ask<'_>,
    ) -> Result<DrillSession<'a>, Failure> {
        let client = protocol::session(stream, ask).await?;
        Ok(DrillSession { servers, client })
    }
}

impl Sql for DrillSession<'_> {
    const ENGINE: Engine = Engine::Postgres;
    const MARK: char = '"';
    const KEPT: &'static str = "SET idle_in_transaction_session_timeout = '30s'";
    const READ_ONLY: &'static str = "BEGIN READ ONLY";
    const MISSING: &'static [&'static str] = &["42P01", "3F000"];
    const DENIED: &'static [&'static str] = &["42501"];

    fn spec(&self) -> &RunnerSpec {
        self.servers.spec
    }

    async fn ask(&mut self, query: &str, step: AttemptStep) -> Result<Vec<Row>, Broken> {
        let messages = self.client.simple_query(query).await.map_err(|error| {
            let failure = protocol::failure(&error);
            self.servers.dialler.broken(step, &failure)
        })?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let words = rows.map(|row| {
            let columns = 0..row.len();
            columns
                .map(|column| row.get(column).map(str::to_owned))
                .collect()
        });
        Ok(words.collect())
    }

    fn age(column: &str) -> String {
        format!("extract(epoch from now() - max({column}))::bigint")
    }

    fn is_answer(code: &str) -> bool {
        code.len() == 5
    }

    fn goes_on(&self, _: &Broken) -> bool {
        !self.client.is_closed()
    }

    async fn who(&mut self) -> Result<String, Broken> {
        let query = "SELECT coalesce(host(inet_server_addr()), ''), extract(epoch from pg_postmaster_start_time())::bigint";
        let rows = self.ask(query, AttemptStep::Identify).await?;
        let word = |column| rows.first().and_then(|row| value(row, column));
        let (hostname, started) = (word(0).unwrap_or_default(), word(1).unwrap_or_default());
        Ok(format!("{hostname}/{started}"))
    }

    async fn describe(&mut self, state: &mut MemberState) -> Result<(), Broken> {
        let standby = self.first("SELECT pg_is_in_recovery()").await?;
        let standby = standby.is_some_and(|value| value == "t");
        state.role = Some(if standby {
            MemberRole::Replica
        } else {
            MemberRole::Primary
        });
        state.writable = Some(!standby);
        if !standby {
            state.joined = Some(true);
            return Ok(());
        }
        // Whether it follows anyone, where the login may see it.
        let query = "SELECT status FROM pg_stat_wal_receiver";
        if let Ok(Some(status)) = self.first(query).await {
            state.joined = Some(status == "streaming");
            state.says = format!("standby, {status}");
        } else {
            "standby".clone_into(&mut state.says);
        }
        Ok(())
    }

    async fn leave(self) {
        // The driver says goodbye when the client is dropped.
        drop(self);
    }
}
