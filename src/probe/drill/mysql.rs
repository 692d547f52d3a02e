//! MySQL, MariaDB and Galera for a drill. Logs in as the probe does; state by what the login may ask. IO: the connections.

use std::collections::BTreeMap;

use mysql_async::Row;
use mysql_async::prelude::Queryable;

use super::engine::Broken;
use super::open::{Protocol, Servers};
use super::table::{self, Sql, value};
use crate::drill::model::{AttemptStep, Engine, MemberRole, MemberState, RunnerSpec};
use crate::probe::ask::Ask;
use crate::probe::found::Failure;
use crate::probe::link::PeerLink;
use crate::probe::mysql as protocol;
use crate::probe::mysql::replication::{Following, columns, text};

/// No right to ask.
const DENIED: [&str; 3] = ["1227", "1142", "1044"];

/// `MySQL` and the like.
pub(super) struct MySql;

/// A session.
pub(super) struct DrillSession<'a> {
    servers: &'a Servers<'a>,
    session: protocol::MysqlSession,
    mariadb: bool,
    /// Whether it is a member of a Galera cluster; none: not asked yet.
    galera: Option<bool>,
    /// The question for replication that it understands; none: it may not be asked.
    replication: Option<&'static str>,
}

impl Protocol for MySql {
    type Session<'a> = DrillSession<'a>;

    async fn log_in<'a>(
        servers: &'a Servers<'a>,
        stream: PeerLink,
        ask: &Ask<'_>,
    ) -> Result<DrillSession<'a>, Failure> {
        let session = protocol::open_on(stream, ask, true).await?;
        Ok(DrillSession {
            servers,
            mariadb: session.version.contains("MariaDB"),
            session,
            galera: None,
            replication: Some("SHOW REPLICA STATUS"),
        })
    }
}

impl DrillSession<'_> {
    async fn raw(&mut self, query: &str, step: AttemptStep) -> Result<Vec<Row>, Broken> {
        let rows = self.session.connection.query(query).await;
        rows.map_err(|error| {
            let failure = self.session.failure(&error);
            self.servers.dialler.broken(step, &failure)
        })
    }

    /// Galera's own words by name; empty where it is none.
    async fn wsrep(&mut self) -> Result<BTreeMap<String, String>, Broken> {
        if self.galera == Some(false) {
            return Ok(BTreeMap::new());
        }
        let query = "SHOW STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status', 'wsrep_cluster_size', 'wsrep_local_state', \
                     'wsrep_local_state_comment', 'wsrep_cluster_state_uuid', 'wsrep_provider_name')";
        let rows = self.ask(query, AttemptStep::Statement).await?;
        let words: BTreeMap<String, String> = rows
            .iter()
            .filter_map(|row| Some((value(row, 0)?, value(row, 1)?)))
            .collect();
        let provider = words.get("wsrep_provider_name");
        self.galera = Some(provider.is_some_and(|name| !name.is_empty()));
        if self.galera == Some(true) {
            Ok(words)
        } else {
            Ok(BTreeMap::new())
        }
    }

    /// What it says of its source, by column in lower case; none: it may not be asked.
    async fn replication(&mut self) -> Result<Option<BTreeMap<String, String>>, Broken> {
        while let Some(question) = self.replication {
            match self.raw(question, AttemptStep::Statement).await {
                Ok(rows) => return Ok(Some(rows.first().map(columns).unwrap_or_default())),
                Err(broken) if DENIED.contains(&broken.code.as_str()) => self.replication = None,
                // A syntax that it does not know: the older one.
                Err(broken) if broken.code == "1064" && question.contains("REPLICA") => {
                    self.replication = Some("SHOW SLAVE STATUS");
                }
                Err(broken) => return Err(broken),
            }
        }
        Ok(None)
    }

    async fn read_only(&mut self) -> Result<bool, Broken> {
        let query = if self.mariadb {
            "SELECT @@read_only"
        } else {
            "SELECT @@read_only | @@super_read_only"
        };
        let value = self.first(query).await?;
        Ok(value.is_some_and(|value| value != "0" && value != "OFF"))
    }
}

impl Sql for DrillSession<'_> {
    const ENGINE: Engine = Engine::Mysql;
    const MARK: char = '`';
    const KEPT: &'static str = "SET SESSION wait_timeout = 30";
    const READ_ONLY: &'static str = "START TRANSACTION READ ONLY";
    const MISSING: &'static [&'static str] = &["1146", "1049"];
    const DENIED: &'static [&'static str] = &DENIED;

    fn spec(&self) -> &RunnerSpec {
        self.servers.spec
    }

    async fn ask(&mut self, query: &str, step: AttemptStep) -> Result<Vec<table::Row>, Broken> {
        let rows = self.raw(query, step).await?;
        let words = |row: &Row| (0..row.len()).map(|column| text(row, column)).collect();
        Ok(rows.iter().map(words).collect())
    }

    fn age(column: &str) -> String {
        format!("TIMESTAMPDIFF(SECOND, MAX({column}), NOW())")
    }

    fn is_answer(code: &str) -> bool {
        code.chars().all(|letter| letter.is_ascii_digit())
    }

    fn goes_on(&self, broken: &Broken) -> bool {
        Self::is_answer(&broken.code)
    }

    async fn who(&mut self) -> Result<String, Broken> {
        let query = if self.mariadb {
            "SELECT @@hostname, @@server_id"
        } else {
            "SELECT @@hostname, @@server_uuid"
        };
        let rows = match self.ask(query, AttemptStep::Identify).await {
            // A proxy that knows no variables is one server.
            Err(broken) if broken.code == "1193" || broken.code == "1105" => Vec::new(),
            rows => rows?,
        };
        let word = |column| rows.first().and_then(|row| value(row, column));
        let (hostname, id) = (word(0).unwrap_or_default(), word(1).unwrap_or_default());
        let short: String = id.chars().take(8).collect();
        Ok(format!("{hostname}/{short}"))
    }

    async fn describe(&mut self, state: &mut MemberState) -> Result<(), Broken> {
        let read_only = self.read_only().await?;
        let wsrep = self.wsrep().await?;
        if !wsrep.is_empty() {
            galera(&wsrep, read_only, state);
            return Ok(());
        }
        state.writable = Some(!read_only);
        match self.replication().await? {
            // The login may not ask: only what it can do shows it.
            None => {
                state.role = Some(if read_only {
                    MemberRole::Replica
                } else {
                    MemberRole::Primary
                });
                "replication not reported".clone_into(&mut state.says);
            }
            Some(words) if words.is_empty() => {
                state.role = Some(if read_only {
                    MemberRole::Alone
                } else {
                    MemberRole::Primary
                });
                state.joined = Some(!read_only);
            }
            Some(words) => replica(&words, state),
        }
        Ok(())
    }

    async fn leave(self) {
        self.session.leave().await;
    }
}

/// A Galera member by its own report: Synced and Primary in a cluster, whose identity distinguishes it from another one.
fn galera(words: &BTreeMap<String, String>, read_only: bool, state: &mut MemberState) {
    let word = |name: &str| words.get(name).map_or("", String::as_str);
    let ready = word("wsrep_ready") == "ON" && word("wsrep_cluster_status") == "Primary";
    state.role = Some(MemberRole::Peer);
    state.writable = Some(ready && !read_only);
    // 2 is a donor, which serves as well; 4 is synced.
    state.joined = Some(ready && matches!(word("wsrep_local_state"), "2" | "4"));
    state.group = Some(word("wsrep_cluster_state_uuid").to_owned()).filter(|id| !id.is_empty());
    state.size = word("wsrep_cluster_size").parse().ok();
    state.says = format!(
        "{} {}",
        word("wsrep_cluster_status"),
        word("wsrep_local_state_comment")
    );
}

/// A replica by its own report: both of its threads run.
fn replica(words: &BTreeMap<String, String>, state: &mut MemberState) {
    let following = Following::of(words);
    state.role = Some(MemberRole::Replica);
    state.joined = Some(following.runs());
    state.group = words
        .get("source_host")
        .filter(|host| !host.is_empty())
        .cloned();
    state.says = match following.error {
        Some((code, _)) => format!("{} {code}", following.threads),
        None => following.threads,
    };
}
