//! One login on one address: statements go out as they are, answers come back without what strings held. IO: that connection.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use mysql_async::Row;
use mysql_async::prelude::Queryable;
use tokio::time::Instant;

use crate::probe::ask::Ask;
use crate::probe::clock::{Clock, Late};
use crate::probe::found::Failure;
use crate::probe::mysql::replication::text;
use crate::probe::mysql::{self, MysqlSession};
use crate::probe::sql::Setting;
use crate::probe::wire::EdgeTask;
use crate::probe::wire::sql::{Answer, StatementOutcome};
use crate::sql::show;

/// Everything that it takes to log in.
pub(super) struct Connector<'a> {
    pub(super) setting: &'a Setting<'a>,
    pub(super) clock: Clock,
    pub(super) task: &'a EdgeTask,
    /// Whether the login's own database is opened.
    pub(super) database: bool,
    pub(super) limit: Duration,
}

impl Connector<'_> {
    /// Logs in at an address.
    pub(super) async fn open(&self, address: SocketAddr) -> Result<Connection, Failure> {
        let Setting { target, .. } = *self.setting;
        let ask = Ask {
            clock: self.clock,
            network: self.setting.network,
            resolver: self.setting.resolver,
            turn: &self.setting.turn,
            task: self.task,
            host: &target.host,
            port: address.port(),
            address,
            login: &target.login,
            tls: target.tls,
            trust: &target.trust,
            require_trust: self.setting.spec.require_trust,
            withheld: OnceLock::new(),
            certificate_asked: OnceLock::new(),
        };
        let session = mysql::open(&ask, self.database).await?;
        Ok(Connection {
            session,
            clock: self.clock,
            limit: self.limit,
            lost: false,
        })
    }
}

/// A login that stands.
pub(super) struct Connection {
    session: MysqlSession,
    clock: Clock,
    limit: Duration,
    /// It broke, or an answer is still due: of no more use.
    pub(super) lost: bool,
}

impl Connection {
    /// The version of the greeting.
    pub(super) fn version(&self) -> &str {
        &self.session.version
    }

    /// The number by which the server knows it.
    pub(super) fn id(&self) -> u32 {
        self.session.connection.id()
    }

    /// Sends a statement, and reads all that comes back.
    pub(super) async fn send(&mut self, sql: &[u8]) -> Answer {
        let begun = Instant::now();
        let ended = self
            .clock
            .within(self.limit, run(&mut self.session, sql))
            .await;
        let mut answer = match ended {
            Ok(Ok((rows, warnings))) => Answer {
                warnings,
                rows,
                ..Answer::default()
            },
            Ok(Err(mysql_async::Error::Server(error))) => Answer {
                outcome: StatementOutcome::Refused,
                code: error.code,
                state: error.state,
                message: show::message(sql, &error.message),
                ..Answer::default()
            },
            Ok(Err(error)) => {
                self.lost = true;
                unknown(match error {
                    mysql_async::Error::Io(_)
                    | mysql_async::Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
                        "the server closed the connection instead of an answer".to_owned()
                    }
                    _ => "the answer could not be read".to_owned(),
                })
            }
            Err(late) => {
                self.lost = true;
                unknown(match late {
                    Late::Step => format!("no answer within {} s", self.limit.as_secs()),
                    Late::Agent => "the run's own time was over before an answer".to_owned(),
                    Late::Panic => "the answer could not be read".to_owned(),
                })
            }
        };
        answer.ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        answer
    }

    /// Rows as text; nothing where the server says no.
    pub(super) async fn rows(&mut self, sql: &str) -> Vec<Vec<String>> {
        let asked = self.session.connection.query::<Row, _>(sql);
        match self.clock.within(self.limit, asked).await {
            Ok(Ok(rows)) => rows.iter().map(texts).collect(),
            Ok(Err(mysql_async::Error::Server(_))) => Vec::new(),
            Ok(Err(_)) | Err(_) => {
                self.lost = true;
                Vec::new()
            }
        }
    }

    /// Says good-bye.
    pub(super) async fn close(self) {
        self.session.leave().await;
    }
}

fn unknown(message: String) -> Answer {
    Answer {
        outcome: StatementOutcome::Unknown,
        message,
        ..Answer::default()
    }
}

/// Every result set of a statement: rows that came back, if any could, and the last count of warnings.
async fn run(session: &mut MysqlSession, sql: &[u8]) -> mysql_async::Result<(Option<u64>, u16)> {
    let mut result = session.connection.query_iter(sql).await?;
    let mut rows = None;
    let mut warnings = 0;
    loop {
        if result.columns().is_some_and(|columns| !columns.is_empty()) {
            rows.get_or_insert(0);
        }
        while result.next().await?.is_some() {
            *rows.get_or_insert(0) += 1;
        }
        warnings += result.warnings();
        if result.is_empty() {
            break;
        }
    }
    drop(result);
    Ok((rows, warnings.max(session.connection.get_warnings())))
}

fn texts(row: &Row) -> Vec<String> {
    (0..row.len())
        .map(|column| text(row, column).unwrap_or_default())
        .collect()
}
