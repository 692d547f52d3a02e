//! Runs a script of SQL as the client of an edge: statement by statement, then the application's queries outside and inside a transaction; compares what
//! every member has in the end; drops its scratch schemas whatever happens. IO: connections, the file with the script.

mod effects;
mod session;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use flate2::read::GzDecoder;
use tokio::sync::watch;
use tokio::time::timeout_at;

use crate::probe::clock::Clock;
use crate::probe::dns::Resolver;
use crate::probe::found::Failure;
use crate::probe::network::AgentNetwork;
use crate::probe::record::Recorder;
use crate::probe::target::DialTarget;
use crate::probe::turns::Turn;
use crate::probe::wire::ProbeSpec;
use crate::probe::wire::sql::{
    Answer, SqlRecord, SqlScript, SqlSpec, SqlStatement, StatementOutcome,
};
use crate::sql::names::Scratch;
use session::{Connection, Connector};

/// What is kept of the time for dropping the scratch schemas.
const CLEAN_UP: Duration = Duration::from_secs(10);
/// Connections that may break before the rest is given up.
const LOSSES: usize = 3;
/// What a scratch schema's name begins with.
const SCRATCH: &str = "k8sverify_";

/// What an agent of this kind needs.
pub(crate) struct Setting<'a> {
    pub(crate) spec: &'a ProbeSpec,
    pub(crate) sql: &'a SqlSpec,
    pub(crate) target: &'a DialTarget,
    pub(crate) network: &'a AgentNetwork,
    pub(crate) resolver: &'a Resolver,
    pub(crate) turn: Turn,
    /// The time in which all must be over.
    pub(crate) length: Duration,
}

/// Runs the script, and cleans up. Whether it was cut short.
pub(crate) async fn run(
    setting: &Setting<'_>,
    recorder: &mut Recorder<'_>,
    stop: watch::Receiver<bool>,
) -> io::Result<bool> {
    let [task, ..] = setting.spec.edges.as_slice() else {
        recorder.sql(failed("script", "the spec names no edge to log in by"))?;
        return Ok(false);
    };
    let script = match read(&setting.sql.script) {
        Ok(script) => script,
        Err(error) => {
            recorder.sql(failed("script", &error.to_string()))?;
            return Ok(false);
        }
    };
    let whole = Clock::starting(setting.length);
    let door = Connector {
        setting,
        clock: whole,
        task,
        // Where nothing is mapped, the client begins in its own database; else no statement may ever stand in it.
        database: script.prefix.is_none() && script.start.is_none(),
        limit: Duration::from_millis(setting.sql.statement_ms),
    };
    let mut runner = Runner {
        door: &door,
        script: &script,
        recorder,
        address: None,
        start: start(&script, setting.target),
        foreign: BTreeSet::new(),
        current: None,
        losses: 0,
    };
    let end = whole.phase(
        setting
            .length
            .saturating_sub(CLEAN_UP.min(setting.length / 4)),
    );
    let cut = tokio::select! {
        ended = timeout_at(end, runner.all()) => match ended {
            Ok(ended) => {
                ended?;
                false
            }
            Err(_) => true,
        },
        () = stopped(stop) => true,
    };
    runner.clean_up().await?;
    Ok(cut)
}

/// Ends when it is to stop; never where no one can say so any more.
async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn failed(at: &str, message: &str) -> SqlRecord {
    SqlRecord::Failed {
        at: at.to_owned(),
        message: message.to_owned(),
    }
}

/// The script as the tool wrote it.
fn read(path: &str) -> io::Result<SqlScript> {
    let mut text = Vec::new();
    GzDecoder::new(std::fs::File::open(path)?).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(io::Error::from)
}

/// The schema to begin with.
fn start(script: &SqlScript, target: &DialTarget) -> Option<String> {
    if script.start.is_some() || script.prefix.is_none() {
        return script.start.clone();
    }
    let database = target.login.account()?.credentials.database.clone();
    let scratch = Scratch {
        prefix: script.prefix.clone(),
    };
    Some(scratch.schema(database.as_deref().unwrap_or("main")))
}

/// A name in backquotes.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

struct Runner<'a, 'r, 'o> {
    door: &'a Connector<'a>,
    script: &'a SqlScript,
    recorder: &'r mut Recorder<'o>,
    /// Where the first login went through.
    address: Option<SocketAddr>,
    start: Option<String>,
    /// Schemas of the server that are none of ours.
    foreign: BTreeSet<String>,
    /// The schema that is in use.
    current: Option<String>,
    losses: usize,
}

impl Runner<'_, '_, '_> {
    async fn all(&mut self) -> io::Result<()> {
        let mut connection = match self.first_login().await {
            Ok(connection) => connection,
            Err(failure) => return self.recorder.sql(failed("login", &failure.detail)),
        };
        let galera = self.greet(&mut connection).await?;
        if !self.prepare(&mut connection).await? {
            return Ok(());
        }
        let Some(connection) = self.statements(connection).await? else {
            return Ok(());
        };
        connection.close().await;
        if !self.script.queries.is_empty() {
            self.queries().await?;
        }
        effects::compare(self, galera).await
    }

    /// Every address of the name, until one takes the login.
    async fn first_login(&mut self) -> Result<Connection, Failure> {
        let door = self.door;
        let Setting {
            target, resolver, ..
        } = *door.setting;
        let addresses = match target.host.parse() {
            Ok(address) => vec![address],
            Err(_) => resolver.resolve(&target.host, &door.clock).await.result?,
        };
        let mut last = None;
        for address in addresses {
            let known = door.task.login_addresses.as_ref();
            if known.is_some_and(|known| !known.contains(&address.to_canonical())) {
                last.get_or_insert_with(|| {
                    Failure::new(
                        crate::probe::wire::StepError::LoginDenied,
                        format!("no login is sent to {address}: it is no address that the API shows for {}; allow it with --allow-login", target.shown()),
                    )
                });
                continue;
            }
            let address = SocketAddr::from((address, target.port));
            match door.open(address).await {
                Ok(connection) => {
                    self.address = Some(address);
                    return Ok(connection);
                }
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.unwrap_or_else(|| {
            Failure::new(
                crate::probe::wire::StepError::Nodata,
                "the name has no address",
            )
        }))
    }

    /// Who answers, and which schemas it has.
    async fn greet(&mut self, connection: &mut Connection) -> io::Result<bool> {
        let mut version = connection.version().to_owned();
        if let Some(row) = connection.rows("SELECT @@version_comment").await.first() {
            version = format!("{version} {}", row.join(" "));
        }
        let lower = version.to_lowercase();
        let product = ["vitess", "mariadb"]
            .into_iter()
            .find(|product| lower.contains(product))
            .unwrap_or("mysql");
        let galera = connection
            .rows("SHOW STATUS LIKE 'wsrep_cluster_status'")
            .await
            .iter()
            .any(|row| row.get(1).is_some_and(|value| value == "Primary"));
        let schemas: BTreeSet<String> = connection
            .rows("SHOW DATABASES")
            .await
            .into_iter()
            .filter_map(|row| row.into_iter().next())
            .collect();
        let left = schemas
            .iter()
            .filter(|schema| schema.starts_with(SCRATCH))
            .cloned()
            .collect();
        self.foreign = schemas.iter().map(|schema| schema.to_lowercase()).collect();
        self.recorder.sql(SqlRecord::Server {
            product: product.to_owned(),
            version,
            galera,
            left,
        })?;
        Ok(galera)
    }

    /// Makes the scratch schemas, and uses the first; whether that went well.
    async fn prepare(&mut self, connection: &mut Connection) -> io::Result<bool> {
        if self.script.prefix.is_some() {
            let mut schemas: BTreeSet<String> = self.script.schemas.iter().cloned().collect();
            schemas.extend(self.start.clone());
            for schema in schemas {
                let sql = format!("CREATE DATABASE {}", quoted(&schema));
                let answer = connection.send(sql.as_bytes()).await;
                let good = answer.outcome == StatementOutcome::Accepted;
                let schema = self.shown(&schema);
                self.recorder.sql(SqlRecord::Scratch { schema, answer })?;
                if !good {
                    return Ok(false);
                }
            }
        }
        self.current.clone_from(&self.start);
        self.enter(connection).await
    }

    /// The name of a schema as it may be read: the login's database may stand in a Secret.
    fn shown(&self, schema: &str) -> String {
        if self.script.start.is_none() && self.start.as_deref() == Some(schema) {
            let prefix = self.script.prefix.as_deref().unwrap_or_default();
            return format!("{prefix}(the login's database)");
        }
        schema.to_owned()
    }

    /// Uses the current schema.
    async fn enter(&mut self, connection: &mut Connection) -> io::Result<bool> {
        let Some(schema) = self.current.clone() else {
            return Ok(true);
        };
        let answer = connection
            .send(format!("USE {}", quoted(&schema)).as_bytes())
            .await;
        let good = answer.outcome == StatementOutcome::Accepted;
        if !good {
            let schema = self.shown(&schema);
            self.recorder.sql(SqlRecord::Scratch { schema, answer })?;
        }
        Ok(good)
    }

    /// Why a statement is not sent.
    fn withheld(&self, statement: &SqlStatement) -> Option<Answer> {
        let not_run = |message: String| Answer {
            outcome: StatementOutcome::NotRun,
            message,
            ..Answer::default()
        };
        if statement.skip {
            return Some(not_run(String::new()));
        }
        let foreign = |name: &&String| self.foreign.contains(&name.to_lowercase());
        let name = statement.may_reach.iter().find(foreign)?;
        Some(not_run(format!(
            "`{name}` may be the schema of that name, which does not belong to this run"
        )))
    }

    async fn statements(&mut self, mut connection: Connection) -> io::Result<Option<Connection>> {
        for (id, statement) in self.script.statements.iter().enumerate() {
            let answer = match self.withheld(statement) {
                Some(answer) => answer,
                None => connection.send(statement.text.bytes()).await,
            };
            if statement.uses && answer.outcome == StatementOutcome::Accepted {
                let text = String::from_utf8_lossy(statement.text.bytes()).into_owned();
                let name = crate::sql::token::tokens(text.as_bytes());
                self.current = name.get(1).and_then(|token| token.name(text.as_bytes()));
            }
            self.recorder.sql(SqlRecord::Statement { id, answer })?;
            if connection.lost {
                connection = match self.again(connection).await? {
                    Some(connection) => connection,
                    None => return Ok(None),
                };
            }
        }
        Ok(Some(connection))
    }

    /// A new login in place of one that broke, in the same schema; nothing where too many did.
    async fn again(&mut self, lost: Connection) -> io::Result<Option<Connection>> {
        let id = lost.id();
        drop(lost);
        self.losses += 1;
        let give_up = |message: &str| failed("connection", message);
        let Some(address) = self.address.filter(|_| self.losses <= LOSSES) else {
            self.recorder.sql(give_up(
                "the connection broke too often: the rest is not run",
            ))?;
            return Ok(None);
        };
        match self.door.open(address).await {
            Ok(mut connection) => {
                // What is still running there holds its locks.
                connection.send(format!("KILL {id}").as_bytes()).await;
                if self.enter(&mut connection).await? {
                    return Ok(Some(connection));
                }
                Ok(None)
            }
            Err(failure) => {
                self.recorder.sql(give_up(&format!(
                    "the connection broke, and no new one is to be had: {}",
                    failure.detail
                )))?;
                Ok(None)
            }
        }
    }

    /// The application's queries: inside a transaction that is taken back, then outside.
    async fn queries(&mut self) -> io::Result<()> {
        let Some(address) = self.address else {
            return Ok(());
        };
        self.current.clone_from(&self.start);
        let mut connection = match self.door.open(address).await {
            Ok(connection) => connection,
            Err(failure) => return self.recorder.sql(failed("connection", &failure.detail)),
        };
        if !self.enter(&mut connection).await? {
            return Ok(());
        }
        for (id, query) in self.script.queries.iter().enumerate() {
            for inside in [true, false] {
                let answer = match self.withheld(query) {
                    Some(answer) => answer,
                    None if inside => {
                        connection.send(b"START TRANSACTION").await;
                        let answer = connection.send(query.text.bytes()).await;
                        connection.send(b"ROLLBACK").await;
                        answer
                    }
                    None => connection.send(query.text.bytes()).await,
                };
                self.recorder.sql(SqlRecord::Query { id, inside, answer })?;
                if connection.lost {
                    connection = match self.again(connection).await? {
                        Some(connection) => connection,
                        None => return Ok(()),
                    };
                }
            }
        }
        connection.close().await;
        Ok(())
    }

    /// Drops every schema of this run, by a login of its own: the others' locks are gone with them.
    async fn clean_up(&mut self) -> io::Result<()> {
        let (Some(prefix), Some(address)) = (&self.script.prefix, self.address) else {
            return Ok(());
        };
        let mut connection = match self.door.open(address).await {
            Ok(connection) => connection,
            Err(failure) => {
                return self.recorder.sql(SqlRecord::Dropped {
                    schema: format!("{prefix}*"),
                    answer: Answer {
                        outcome: StatementOutcome::Unknown,
                        message: failure.detail,
                        ..Answer::default()
                    },
                });
            }
        };
        let schemas = connection.rows("SHOW DATABASES").await;
        for schema in schemas.into_iter().flatten() {
            if schema.starts_with(prefix.as_str()) {
                let sql = format!("DROP DATABASE {}", quoted(&schema));
                let answer = connection.send(sql.as_bytes()).await;
                let schema = self.shown(&schema);
                self.recorder.sql(SqlRecord::Dropped { schema, answer })?;
            }
        }
        connection.close().await;
        Ok(())
    }
}
