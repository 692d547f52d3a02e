//! MySQL and MariaDB: greeting by hand, login and queries by the driver, all on the one connection that was dialled. IO: that connection.

mod greeting;
mod packets;
mod relay;
pub(crate) mod replication;
mod state;

use std::time::Duration;

use mysql_async::{Conn, OptsBuilder};
use tokio::time::{Instant, timeout};

use crate::address::TlsMode;
use crate::probe::ask::{ANSWER, Ask, LOGIN};
use crate::probe::clock::Late;
use crate::probe::found::{Failure, Found};
use crate::probe::link::{ANSWER as ANSWER_BYTES, PeerLink};
use crate::probe::login::{Account, Login};
use crate::probe::mysql::greeting::Greeting;
use crate::probe::mysql::relay::{Opened, Relay, Stop};
use crate::probe::peer::PeerStream;
use crate::probe::wire::{StepError, StepName, StepStatus};

/// The longest statement of a file.
const STATEMENT_BYTES: usize = 64 * 1024 * 1024;
/// How long a goodbye may take; it changes no outcome.
const GOODBYE: Duration = Duration::from_millis(300);

/// An open connection whose greeting was read.
struct Greeted {
    peer: PeerStream,
    greeting: Greeting,
}

/// Greeting, login, `SELECT 1` and the server's state.
pub(crate) async fn talk(stream: PeerLink, ask: &Ask<'_>) -> Vec<Found> {
    let begun = Instant::now();
    let greeted = match greet(stream, ask).await {
        Ok(greeted) => greeted,
        Err(failure) => return vec![Found::fail(StepName::Protocol, failure).since(begun)],
    };
    let mut steps = vec![protocol_step(&greeted.greeting).since(begun)];
    let Login::With(account) = ask.login() else {
        steps.extend(ask.no_login());
        return steps;
    };
    let begun = Instant::now();
    let asked = format!("as {}", account.source);
    let wish = SessionUse {
        database: account.credentials.database.clone(),
        packet: ANSWER_BYTES,
    };
    match log_in(greeted, ask, account, wish).await {
        Ok(mut logged_in) => {
            let secured = logged_in.opened.tls.is_some();
            steps.extend(logged_in.opened.tls.take());
            steps.push(
                Found::pass(StepName::Login, "")
                    .asked(asked)
                    .fact("tls", if secured { "yes" } else { "no" })
                    .since(begun),
            );
            let query = state::query(&mut logged_in.connection, ask).await;
            steps.push(match logged_in.opened.broken() {
                Some(failure) if query.status == StepStatus::Fail => Found {
                    error: Some(failure.error),
                    detail: failure.detail,
                    ..query
                },
                _ => query,
            });
            logged_in.leave().await;
        }
        Err(Stop::Tls(step)) => steps.push(*step),
        Err(Stop::Withheld(tls, why)) => {
            let unknown = tls
                .as_ref()
                .is_some_and(|step| step.status == StepStatus::Unknown);
            steps.extend(tls.map(|step| *step));
            if !unknown {
                steps.push(Found::skipped(StepName::Login, why));
            }
        }
        Err(Stop::Failed(failure)) => steps.push(
            Found::fail(StepName::Login, failure)
                .asked(asked)
                .since(begun),
        ),
    }
    steps
}

fn protocol_step(greeting: &Greeting) -> Found {
    Found::pass(StepName::Protocol, greeting.version.clone())
        .fact("server_version", greeting.version.clone())
        .fact("auth_plugin", greeting.plugin.clone())
        .fact("tls_offered", if greeting.tls { "yes" } else { "no" })
}

/// Reads the greeting.
async fn greet(stream: PeerLink, ask: &Ask<'_>) -> Result<Greeted, Failure> {
    let mut peer = PeerStream::new(Box::new(stream), "a MySQL server", ask.clock);
    let greeting = greeting::read(&mut peer, ask.clock.phase(ANSWER)).await?;
    Ok(Greeted { peer, greeting })
}

/// A login that stands; it ends when this is dropped.
pub(crate) struct MysqlSession {
    /// The driver's side.
    pub(crate) connection: Conn,
    /// The version of the greeting.
    pub(crate) version: String,
    opened: Opened,
}

impl MysqlSession {
    /// What a driver's error means.
    pub(crate) fn failure(&self, error: &mysql_async::Error) -> Failure {
        self.opened.broken().unwrap_or_else(|| failure(error))
    }

    /// Says goodbye.
    pub(crate) async fn leave(self) {
        let goodbye = async {
            let _ = self.connection.disconnect().await;
            self.opened.joined.ended().await;
        };
        let _ = timeout(GOODBYE, goodbye).await;
    }
}

/// Connects to the ask's address and logs in, into the login's own database if that is wanted.
///
/// # Errors
/// What stands against it, in words.
pub(crate) async fn open(ask: &Ask<'_>, database: bool) -> Result<MysqlSession, Failure> {
    let stream = ask.network.connect(ask.address, &ask.clock).await?;
    open_on(stream, ask, database).await
}

/// The same on a connection that is open.
///
/// # Errors
/// What stands against it, in words.
pub(crate) async fn open_on(
    stream: PeerLink,
    ask: &Ask<'_>,
    database: bool,
) -> Result<MysqlSession, Failure> {
    let account = match ask.login() {
        Login::With(account) => account,
        Login::Without(reason) => {
            return Err(Failure::new(StepError::LoginDenied, reason.clone()));
        }
    };
    let greeted = greet(stream, ask).await?;
    let wish = SessionUse {
        database: account.credentials.database.clone().filter(|_| database),
        packet: STATEMENT_BYTES,
    };
    match log_in(greeted, ask, account, wish).await {
        Ok(session) => Ok(session),
        Err(Stop::Failed(failure)) => Err(failure),
        Err(Stop::Withheld(_, why)) => Err(Failure::new(StepError::LoginDenied, why)),
        Err(Stop::Tls(found)) => Err(Failure::new(
            found.error.unwrap_or(StepError::TlsFailed),
            found.detail,
        )),
    }
}

/// What a session is for.
#[derive(Clone)]
struct SessionUse {
    /// The database to open.
    database: Option<String>,
    /// The longest packet.
    packet: usize,
}

/// Logs in; once more with TLS where plain was refused, or in plain where TLS could not be agreed on and the client does not insist.
async fn log_in(
    greeted: Greeted,
    ask: &Ask<'_>,
    account: &Account,
    wish: SessionUse,
) -> Result<MysqlSession, Stop> {
    let offered = greeted.greeting.tls;
    if ask.wants_tls() && !offered {
        return Err(Stop::Tls(Box::new(
            Found::failed(
                StepName::Tls,
                StepError::TlsFailed,
                "the client wants TLS, and the server does not offer it",
            )
            .fact("tls_offered", "no"),
        )));
    }
    let secured = offered && ask.tls != Some(TlsMode::Disabled);
    let stop = match once(greeted, ask, account, secured, wish.clone()).await {
        Ok(logged_in) => return Ok(logged_in),
        Err(stop) => stop,
    };
    let again = match &stop {
        Stop::Tls(found) => {
            secured && found.error == Some(StepError::TlsFailed) && !ask.wants_tls()
        }
        Stop::Failed(failure) => {
            !secured
                && offered
                && matches!(
                    failure.error,
                    StepError::LoginDenied | StepError::TlsRequired
                )
        }
        Stop::Withheld(..) => false,
    };
    if !again {
        return Err(stop);
    }
    let Ok(stream) = ask.network.connect(ask.address, &ask.clock).await else {
        return Err(stop);
    };
    let Ok(greeted) = greet(stream, ask).await else {
        return Err(stop);
    };
    match (once(greeted, ask, account, !secured, wish).await, stop) {
        (Ok(logged_in), Stop::Failed(failure)) => {
            logged_in.leave().await;
            Err(Failure::new(
                StepError::TlsRequired,
                format!(
                    "the server takes this login over TLS only, and the client is configured without; in plain it said: {}",
                    failure.detail
                ),
            )
            .into())
        }
        (Ok(logged_in), _) => Ok(logged_in),
        (Err(Stop::Failed(other)), _) => Err(other.into()),
        (Err(_), stop) => Err(stop),
    }
}

/// One login on one connection.
async fn once(
    greeted: Greeted,
    ask: &Ask<'_>,
    account: &Account,
    secured: bool,
    wish: SessionUse,
) -> Result<MysqlSession, Stop> {
    let Greeted { peer, greeting } = greeted;
    let (stream, rest) = peer.into_parts();
    let mut first = greeting.packet;
    first.extend(rest);
    let relay = Relay::new().await?;
    let credentials = &account.credentials;
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(relay.port())
        .user(credentials.user.clone())
        .pass(credentials.password.clone())
        .db_name(wish.database)
        .prefer_socket(false)
        .stmt_cache_size(0)
        .max_allowed_packet(Some(wish.packet))
        .wait_timeout(Some(60))
        .enable_cleartext_plugin(secured && account.frankness.clear_text);
    let relay = Box::pin(relay.run(first, stream, secured, ask, account));
    let login = async { Conn::new(options).await.map_err(|error| refused(&error)) };
    let (connection, opened) = match ask.clock.within(LOGIN, both(login, relay)).await {
        Ok(both) => both?,
        Err(late) => return Err(login_late(late).into()),
    };
    Ok(MysqlSession {
        connection,
        version: greeting.version,
        opened,
    })
}

/// The driver and its relay together; what the relay says of a failure comes before what the driver makes of it.
async fn both(
    login: impl Future<Output = Result<Conn, Stop>>,
    mut relay: impl Future<Output = Result<Opened, Stop>> + Unpin,
) -> Result<(Conn, Opened), Stop> {
    let mut login = std::pin::pin!(login);
    tokio::select! {
        biased;
        opened = &mut relay => {
            let opened = opened?;
            Ok((login.await?, opened))
        }
        connection = &mut login => Ok((connection?, relay.await?)),
    }
}

/// What stands against a login in the driver.
fn refused(error: &mysql_async::Error) -> Stop {
    if let mysql_async::Error::Driver(mysql_async::DriverError::CleartextPluginDisabled) = error {
        return Stop::Withheld(
            None,
            "the server asks for the password in clear text, which the client's configuration does not allow (allowCleartextPasswords, enable-cleartext-plugin)"
                .to_owned(),
        );
    }
    Stop::Failed(failure(error))
}

fn login_late(late: Late) -> Failure {
    Failure::late(
        late,
        StepError::Silent,
        "the server greets, and does not answer the login",
    )
}

/// What a driver's error means.
pub(crate) fn failure(error: &mysql_async::Error) -> Failure {
    match error {
        mysql_async::Error::Server(server) => {
            server_error(server.code, &server.state, &server.message)
        }
        mysql_async::Error::Io(mysql_async::IoError::Tls(error)) => Failure::new(
            StepError::TlsFailed,
            format!("the TLS handshake failed: {error}"),
        ),
        mysql_async::Error::Io(mysql_async::IoError::Io(error)) => Failure::broken(error),
        mysql_async::Error::Driver(mysql_async::DriverError::ConnectionClosed) => Failure::new(
            StepError::Broken,
            "the server closed the connection during the login",
        ),
        mysql_async::Error::Driver(error) => {
            Failure::new(StepError::Broken, format!("the login broke off: {error}"))
        }
        error => Failure::new(StepError::Broken, error.to_string()),
    }
}

/// What the server's own error means.
pub(crate) fn server_error(code: u16, state: &str, message: &str) -> Failure {
    let error = match code {
        1049 => StepError::DatabaseMissing,
        1040 | 1203 | 1226 => StepError::ConnectionsExhausted,
        1129 => StepError::HostBlocked,
        3159 | 2061 => StepError::TlsRequired,
        // 1044 no right on the schema, 1045 wrong password, 1130 host not allowed, 1251 and 1275 old methods, 1524 plugin missing,
        // 1698 by socket only, 1820 and 1862 password expired, 3118 locked, 3955 too many failures, 4151 locked in MariaDB.
        1044 | 1045 | 1130 | 1251 | 1275 | 1524 | 1698 | 1820 | 1862 | 3118 | 3955 | 4151 => {
            StepError::LoginDenied
        }
        1047 => StepError::GaleraNotPrimary,
        1290 | 1792 | 1836 => StepError::ReadOnly,
        1053 | 1077 => StepError::Unavailable,
        _ => StepError::Broken,
    };
    Failure::new(error, format!("ERROR {code} ({state}): {message}")).fact("code", code.to_string())
}
