//! MySQL and MariaDB: greeting by hand, login and queries by the driver, all on the one connection that was dialled. IO: that connection.

mod greeting;
mod relay;
mod state;

use mysql_async::{Conn, OptsBuilder, SslOpts};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::address::{Credentials, TlsMode};
use crate::probe::clock::Late;
use crate::probe::found::{Failure, Found};
use crate::probe::login::Login;
use crate::probe::mysql::greeting::Greeting;
use crate::probe::mysql::relay::Relay;
use crate::probe::peer::Peer;
use crate::probe::talk::{ANSWER, Ask, LOGIN};
use crate::probe::wire::{StepError, StepName};

/// An open connection whose greeting was read.
struct Greeted {
    peer: Peer,
    greeting: Greeting,
}

/// Greeting, login, `SELECT 1` and the server's state.
pub(crate) async fn talk(stream: TcpStream, ask: &Ask<'_>) -> Vec<Found> {
    let begun = Instant::now();
    let greeted = match greet(stream, ask).await {
        Ok(greeted) => greeted,
        Err(failure) => return vec![Found::fail(StepName::Protocol, failure).since(begun)],
    };
    let mut steps = vec![protocol_step(&greeted.greeting).since(begun)];
    let account = match ask.login {
        Login::With(account) => account,
        Login::Without(_) => {
            steps.extend(ask.no_login());
            return steps;
        }
    };
    let begun = Instant::now();
    match log_in(greeted, ask, &account.credentials).await {
        Ok((mut connection, relay, secured)) => {
            steps.push(
                Found::pass(StepName::Login, "")
                    .asked(format!("as {}", account.source))
                    .fact("tls", if secured { "yes" } else { "no" })
                    .since(begun),
            );
            steps.push(state::query(&mut connection, ask).await);
            // COM_QUIT; a server that does not read it loses nothing.
            let _ = ask
                .clock
                .within(std::time::Duration::from_secs(1), connection.disconnect())
                .await;
            drop(relay);
        }
        Err(failure) => steps.push(
            Found::fail(StepName::Login, failure)
                .asked(format!("as {}", account.source))
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
async fn greet(stream: TcpStream, ask: &Ask<'_>) -> Result<Greeted, Failure> {
    let mut peer = Peer::new(Box::new(stream), "a MySQL server", ask.clock);
    let greeting = greeting::read(&mut peer, ask.clock.phase(ANSWER)).await?;
    Ok(Greeted { peer, greeting })
}

type LoggedIn = (Conn, Relay, bool);

/// Logs in; once more with TLS where plain was refused, or in plain where TLS could not be agreed on and the client does not insist.
async fn log_in(
    greeted: Greeted,
    ask: &Ask<'_>,
    credentials: &Credentials,
) -> Result<LoggedIn, Failure> {
    let mode = credentials.tls.or(ask.tls);
    let offered = greeted.greeting.tls;
    let insists = matches!(mode, Some(TlsMode::Required | TlsMode::Verify));
    if insists && !offered {
        return Err(Failure::new(
            StepError::TlsFailed,
            "the client wants TLS, and the server does not offer it",
        ));
    }
    let secured = offered && mode != Some(TlsMode::Disabled);
    let first = once(greeted, ask, credentials, secured).await;
    let failure = match first {
        Ok(logged_in) => return Ok(logged_in),
        Err(failure) => failure,
    };
    let again = if secured {
        failure.error == StepError::TlsFailed && !insists
    } else {
        offered
            && matches!(
                failure.error,
                StepError::LoginDenied | StepError::TlsRequired
            )
    };
    if !again {
        return Err(failure);
    }
    let Ok(stream) = ask.network.connect(ask.address, &ask.clock).await else {
        return Err(failure);
    };
    let Ok(greeted) = greet(stream, ask).await else {
        return Err(failure);
    };
    match once(greeted, ask, credentials, !secured).await {
        Ok(logged_in) if secured => Ok(logged_in),
        Ok(_) => Err(Failure::new(
            StepError::TlsRequired,
            format!(
                "the server takes this login over TLS only, and the client is configured without; in plain it said: {}",
                failure.detail
            ),
        )),
        Err(other) if other.error == StepError::TlsFailed => Err(failure),
        Err(other) => Err(other),
    }
}

/// One login on one connection.
async fn once(
    greeted: Greeted,
    ask: &Ask<'_>,
    credentials: &Credentials,
    secured: bool,
) -> Result<LoggedIn, Failure> {
    let Greeted { peer, greeting } = greeted;
    let (stream, rest) = peer.into_parts();
    let mut first = greeting.packet;
    first.extend(rest);
    let relay = Relay::start(first, stream).await?;
    let mut options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(relay.port())
        .user(credentials.user.clone())
        .pass(credentials.password.clone())
        .db_name(credentials.database.clone())
        .prefer_socket(false)
        .stmt_cache_size(0)
        .max_allowed_packet(Some(16 * 1024 * 1024))
        .wait_timeout(Some(60));
    if secured {
        options = options.enable_cleartext_plugin(true).ssl_opts(
            SslOpts::default()
                .with_danger_accept_invalid_certs(true)
                .with_danger_skip_domain_validation(true),
        );
    }
    match ask.clock.within(LOGIN, Conn::new(options)).await {
        Ok(Ok(connection)) => Ok((connection, relay, secured)),
        Ok(Err(error)) => Err(failure(&error)),
        Err(late) => Err(login_late(late)),
    }
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
