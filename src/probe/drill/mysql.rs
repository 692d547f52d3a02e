//! MySQL, MariaDB and Galera for a drill. Logs in as the probe does; state by what the login may ask. IO: the connections.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mysql_async::Row;
use mysql_async::prelude::Queryable;
use tokio::time::timeout;

use super::engine::{Broken, Engine, Holds, Limit, Session};
use super::open::Dialler;
use crate::drill::ledger::{RowFold, Statements, span};
use crate::drill::model::{
    AttemptStep, Engine as Kind, ExpectedTable, LaneRows, MemberState, Role, RunnerSpec, Server,
    Span,
};
use crate::probe::mysql as protocol;
use crate::probe::mysql::replication::{Following, columns, text};

/// How long a goodbye may take; it changes nothing.
const GOODBYE: Duration = Duration::from_millis(300);
/// No right to ask.
const DENIED: [&str; 3] = ["1227", "1142", "1044"];

/// The engine.
pub(super) struct MySql<'a> {
    dialler: &'a Dialler<'a>,
    spec: &'a RunnerSpec,
    statements: Statements,
}

/// A session.
pub(super) struct Talk<'a> {
    engine: &'a MySql<'a>,
    session: protocol::Session,
    mariadb: bool,
    /// Whether it is a member of a Galera cluster; none: not asked yet.
    galera: Option<bool>,
    /// The question for replication that it understands; none: it may not be asked.
    replication: Option<&'static str>,
}

impl<'a> MySql<'a> {
    pub(super) fn new(dialler: &'a Dialler<'a>, spec: &'a RunnerSpec) -> Self {
        Self {
            dialler,
            spec,
            statements: spec.ledger.statements(Kind::Mysql),
        }
    }
}

impl<'a> Engine for &'a MySql<'a> {
    type Session = Talk<'a>;

    async fn connect(
        &self,
        address: SocketAddr,
        host: &str,
        login: Limit,
    ) -> Result<Talk<'a>, Broken> {
        let engine: &'a MySql<'a> = self;
        let connect = Limit(Duration::from_millis(engine.spec.limits.connect_ms));
        let session = engine
            .dialler
            .log_in(address, host, connect, login, async |stream, ask| {
                protocol::open_on(stream, ask, true).await
            })
            .await?;
        Ok(Talk {
            engine,
            mariadb: session.version.contains("MariaDB"),
            session,
            galera: None,
            replication: Some("SHOW REPLICA STATUS"),
        })
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Broken> {
        self.dialler.resolve(host).await
    }
}

impl Talk<'_> {
    fn broken(&self, step: AttemptStep, error: &mysql_async::Error) -> Broken {
        self.engine
            .dialler
            .broken(step, &self.session.failure(error))
    }

    async fn rows_of(&mut self, query: &str, step: AttemptStep) -> Result<Vec<Row>, Broken> {
        let rows = self.session.connection.query(query).await;
        rows.map_err(|error| self.broken(step, &error))
    }

    async fn run(&mut self, query: &str, step: AttemptStep) -> Result<(), Broken> {
        let ran = self.session.connection.query_drop(query).await;
        ran.map_err(|error| self.broken(step, &error))
    }

    fn insert(&self, lane: &str, seq: u64, half: u8) -> String {
        let spec = self.engine.spec;
        spec.ledger
            .insert(Kind::Mysql, lane, seq, half, &spec.runner)
    }

    /// Galera's own words by name; empty where it is none.
    async fn wsrep(&mut self) -> Result<BTreeMap<String, String>, Broken> {
        if self.galera == Some(false) {
            return Ok(BTreeMap::new());
        }
        let query = "SHOW STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status', 'wsrep_cluster_size', 'wsrep_local_state', \
                     'wsrep_local_state_comment', 'wsrep_cluster_state_uuid', 'wsrep_provider_name')";
        let rows = self.rows_of(query, AttemptStep::Statement).await?;
        let words: BTreeMap<String, String> = rows
            .iter()
            .filter_map(|row| Some((text(row, 0)?, text(row, 1)?)))
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
            match self.rows_of(question, AttemptStep::Statement).await {
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
        let rows = self.rows_of(query, AttemptStep::Statement).await?;
        Ok(rows
            .first()
            .and_then(|row| text(row, 0))
            .is_some_and(|value| value != "0" && value != "OFF"))
    }

    /// Asks a question of the person's, and lets it change nothing.
    async fn ask(&mut self, question: &str) -> Result<bool, Broken> {
        self.run("START TRANSACTION READ ONLY", AttemptStep::Statement)
            .await?;
        let rows = self.rows_of(question, AttemptStep::Statement).await;
        self.run("ROLLBACK", AttemptStep::Statement).await?;
        Ok(!rows?.is_empty())
    }

    async fn table(&mut self, table: &ExpectedTable) -> Result<Holds, Broken> {
        if let Some(question) = &table.query {
            return Ok(Holds::brought(self.ask(question).await?));
        }
        let name: Vec<String> = table
            .name
            .split('.')
            .map(|part| format!("`{}`", part.replace('`', "``")))
            .collect();
        let name = name.join(".");
        let Some(fresh) = &table.fresh else {
            let query = format!("SELECT 1 FROM {name} LIMIT 1");
            self.rows_of(&query, AttemptStep::Statement).await?;
            return Ok(Holds::Yes);
        };
        let column = fresh.column.replace('`', "``");
        let query = format!("SELECT TIMESTAMPDIFF(SECOND, MAX(`{column}`), NOW()) FROM {name}");
        let rows = self.rows_of(&query, AttemptStep::Statement).await?;
        let age = rows.first().and_then(|row| text(row, 0));
        Ok(Holds::aged(age.as_deref(), fresh.within_ms))
    }
}

impl Session for Talk<'_> {
    async fn identify(&mut self) -> Result<Server, Broken> {
        let query = if self.mariadb {
            "SELECT @@hostname, @@server_id, @@version"
        } else {
            "SELECT @@hostname, @@server_uuid, @@version"
        };
        let rows = match self.rows_of(query, AttemptStep::Identify).await {
            // A proxy that knows no variables is one server.
            Err(broken) if broken.code == "1193" || broken.code == "1105" => Vec::new(),
            rows => rows?,
        };
        let word = |column| rows.first().and_then(|row| text(row, column));
        let (hostname, id) = (word(0).unwrap_or_default(), word(1).unwrap_or_default());
        let short: String = id.chars().take(8).collect();
        Ok(Server {
            key: format!("{hostname}/{short}"),
            hostname,
            id,
            started: None,
            version: word(2).unwrap_or_default(),
        })
    }

    async fn started(&mut self) -> Option<i64> {
        let query = "SHOW GLOBAL STATUS LIKE 'Uptime'";
        let rows = self.rows_of(query, AttemptStep::Identify).await.ok()?;
        let uptime: i64 = text(rows.first()?, 1)?.parse().ok()?;
        let now = jiff::Timestamp::now().as_second();
        now.checked_sub(uptime)?.checked_mul(1000)
    }

    async fn make(&mut self) -> Result<(), Broken> {
        let query = self.engine.statements.create.clone();
        self.run(&query, AttemptStep::Statement).await
    }

    async fn remove(&mut self) -> Result<(), Broken> {
        let query = self.engine.statements.drop.clone();
        self.run(&query, AttemptStep::Statement).await
    }

    async fn write(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        let query = self.insert(lane, seq, 0);
        self.run(&query, AttemptStep::Statement).await
    }

    async fn write_both(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        let write = async {
            self.run("BEGIN", AttemptStep::Statement).await?;
            for half in [1, 2] {
                let query = self.insert(lane, seq, half);
                self.run(&query, AttemptStep::Statement).await?;
            }
            self.run("COMMIT", AttemptStep::Commit).await
        };
        let written = write.await;
        if written.as_ref().is_err_and(|broken| is_code(&broken.code)) {
            // The half that is there must not stay open in a session that is kept.
            let _ = self.run("ROLLBACK", AttemptStep::Statement).await;
        }
        written
    }

    async fn tip(&mut self) -> Result<BTreeMap<String, Span>, Broken> {
        let query = self.engine.statements.tip.clone();
        let rows = self.rows_of(&query, AttemptStep::Statement).await?;
        let spans = rows
            .iter()
            .filter_map(|row| span(|column| text(row, column)));
        Ok(spans.collect())
    }

    async fn rows(&mut self) -> Result<BTreeMap<String, LaneRows>, Broken> {
        let query = self.engine.statements.rows.clone();
        let mut fold = RowFold::default();
        for row in self.rows_of(&query, AttemptStep::Statement).await? {
            fold.columns(|column| text(&row, column));
        }
        Ok(fold.finish())
    }

    async fn state(&mut self, state: &mut MemberState) -> Result<(), Broken> {
        let read_only = self.read_only().await?;
        let wsrep = self.wsrep().await?;
        if !wsrep.is_empty() {
            galera(&wsrep, read_only, state);
            return Ok(());
        }
        state.writable = Some(!read_only);
        match self.replication().await? {
            // The login may not ask: only what it can do tells.
            None => {
                state.role = Some(if read_only {
                    Role::Replica
                } else {
                    Role::Primary
                });
                "replication not reported".clone_into(&mut state.says);
            }
            Some(words) if words.is_empty() => {
                state.role = Some(if read_only {
                    Role::Alone
                } else {
                    Role::Primary
                });
                state.joined = Some(!read_only);
            }
            Some(words) => replica(&words, state),
        }
        Ok(())
    }

    async fn holds(&mut self, table: &ExpectedTable) -> Result<Holds, Broken> {
        match self.table(table).await {
            Err(broken) if broken.code == "1146" || broken.code == "1049" => {
                Ok(Holds::No(format!("it is not there ({})", broken.code)))
            }
            Err(broken) if DENIED.contains(&broken.code.as_str()) => Ok(Holds::Untold(format!(
                "the login may not read it ({})",
                broken.code
            ))),
            // The question itself is refused: the server answers, and the row does not come.
            Err(broken) if table.query.is_some() && is_code(&broken.code) => {
                Ok(Holds::No(format!("{} ({})", broken.words, broken.code)))
            }
            told => told,
        }
    }

    async fn close(self) {
        // COM_QUIT; a server that does not read it loses nothing.
        let _ = timeout(GOODBYE, self.session.connection.disconnect()).await;
    }
}

/// Whether it is an answer of the server's, and no word of ours.
fn is_code(code: &str) -> bool {
    code.chars().all(|letter| letter.is_ascii_digit())
}

/// A Galera member by its own word: Synced and Primary in a cluster, whose identity tells it from another one.
fn galera(words: &BTreeMap<String, String>, read_only: bool, state: &mut MemberState) {
    let word = |name: &str| words.get(name).map_or("", String::as_str);
    let ready = word("wsrep_ready") == "ON" && word("wsrep_cluster_status") == "Primary";
    state.role = Some(Role::Peer);
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

/// A replica by its own word: both of its threads run.
fn replica(words: &BTreeMap<String, String>, state: &mut MemberState) {
    let following = Following::of(words);
    state.role = Some(Role::Replica);
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
