//! PostgreSQL: the question for TLS by hand, login and queries by the driver, all on the one connection that was dialled. IO: that
//! connection.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use tokio::time::Instant;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::address::{Credentials, TlsMode};
use crate::probe::ask::{ANSWER, Ask, LOGIN};
use crate::probe::found::{Failure, Found};
use crate::probe::link::PeerLink;
use crate::probe::login::Login;
use crate::probe::peer::{PeerStream, Stream, rewound};
use crate::probe::wire::{StepError, StepName};

/// The question "do you speak TLS?".
const TLS_REQUEST: &[u8] = b"\x00\x00\x00\x08\x04\xd2\x16\x2f";

/// A login that stands.
struct LoggedIn {
    client: Client,
    /// How the connection ended: the driver reports to its client only that it has.
    ended: Arc<OnceLock<Failure>>,
}

/// A connection that is ready for the startup message.
struct Ready {
    stream: Stream,
    secured: bool,
    steps: Vec<Found>,
}

/// TLS or not, login, `SELECT 1`, and whether writes are taken.
pub(crate) async fn talk(stream: PeerLink, ask: &Ask<'_>) -> Vec<Found> {
    let mode = ask.tls;
    let ready = match open(stream, ask, mode).await {
        Ok(ready) => ready,
        Err(steps) => return steps,
    };
    let mut steps = ready.steps;
    let Login::With(account) = ask.login() else {
        steps.extend(ask.no_login());
        return steps;
    };
    let begun = Instant::now();
    let outcome = log_in(ready.stream, ready.secured, ask, &account.credentials).await;
    let asked = format!("as {}", account.source);
    match outcome {
        Ok((logged_in, secured)) => {
            // In plain without a question for TLS, the login is the first thing that proves the protocol.
            if steps.is_empty() {
                steps.push(Found::pass(StepName::Protocol, ""));
            }
            steps.push(
                Found::pass(StepName::Login, "")
                    .asked(asked)
                    .fact("tls", if secured { "yes" } else { "no" })
                    .since(begun),
            );
            steps.push(query(&logged_in, ask).await);
        }
        Err(failure) => {
            let speaks = failure.facts.contains_key("code");
            if steps.is_empty() && !speaks {
                steps.push(Found::fail(StepName::Protocol, failure).since(begun));
                return steps;
            }
            if steps.is_empty() {
                steps.push(Found::pass(StepName::Protocol, ""));
            }
            steps.push(
                Found::fail(StepName::Login, failure)
                    .asked(asked)
                    .since(begun),
            );
        }
    }
    steps
}

/// TLS or not, and login: a session for further queries.
///
/// # Errors
/// What stands against it, also where the login is withheld.
pub(crate) async fn session(stream: PeerLink, ask: &Ask<'_>) -> Result<Client, Failure> {
    let ready = open(stream, ask, ask.tls).await.map_err(Failure::of)?;
    match ask.login() {
        Login::With(account) => {
            let credentials = &account.credentials;
            let (logged_in, _) = log_in(ready.stream, ready.secured, ask, credentials).await?;
            Ok(logged_in.client)
        }
        Login::Without(why) => Err(Failure::new(StepError::LoginDenied, why.clone())),
    }
}

/// Asks for TLS, unless the client never does, and takes it where it is offered and somebody logs in.
async fn open(stream: PeerLink, ask: &Ask<'_>, mode: Option<TlsMode>) -> Result<Ready, Vec<Found>> {
    if mode == Some(TlsMode::Disabled) && ask.login().account().is_some() {
        return Ok(Ready {
            stream: Box::new(stream),
            secured: false,
            steps: Vec::new(),
        });
    }
    let begun = Instant::now();
    let failed = |failure| vec![Found::fail(StepName::Protocol, failure).since(begun)];
    let mut peer = PeerStream::new(Box::new(stream), "a PostgreSQL server", ask.clock);
    let offered = asks_for_tls(&mut peer, ask).await.map_err(failed)?;
    let protocol = Found::pass(StepName::Protocol, "")
        .fact("tls_offered", if offered { "yes" } else { "no" })
        .since(begun);
    let (stream, rest) = peer.into_parts();
    let mut steps = vec![protocol];
    if offered && ask.login().account().is_some() {
        return match ask.secure(stream, &[]).await {
            Ok((secured, step)) => {
                steps.push(step);
                Ok(Ready {
                    stream: Box::new(secured.stream),
                    secured: true,
                    steps,
                })
            }
            Err(step) => {
                steps.push(*step);
                Err(steps)
            }
        };
    }
    if !offered && ask.wants_tls() {
        steps.push(
            Found::failed(
                StepName::Tls,
                StepError::TlsFailed,
                "the client wants TLS, and the server does not offer it",
            )
            .fact("tls_offered", "no"),
        );
        return Err(steps);
    }
    Ok(Ready {
        stream: Box::new(rewound(rest, stream)),
        secured: false,
        steps,
    })
}

/// Whether the server offers TLS.
async fn asks_for_tls(peer: &mut PeerStream, ask: &Ask<'_>) -> Result<bool, Failure> {
    let end = ask.clock.phase(ANSWER);
    peer.send(TLS_REQUEST, end).await?;
    match (peer.exact(1, end).await?.first(), peer.unread()) {
        // PostgreSQL says that one letter and waits: with more behind it, it is somebody else's word.
        (Some(b'S'), []) => Ok(true),
        (Some(b'N'), []) => Ok(false),
        (_, []) => {
            // Read on, so that the message shows more than one letter; that it ends here is no news.
            let _ = peer.first(end).await;
            Err(peer.mismatch())
        }
        _ => Err(peer.mismatch()),
    }
}

/// Logs in; once more the other way where TLS was what stood against it.
async fn log_in(
    stream: Stream,
    secured: bool,
    ask: &Ask<'_>,
    credentials: &Credentials,
) -> Result<(LoggedIn, bool), Failure> {
    let failure = match once(stream, ask, credentials).await {
        Ok(logged_in) => return Ok((logged_in, secured)),
        Err(failure) => failure,
    };
    let no_entry = failure
        .facts
        .get("code")
        .is_some_and(|code| code == "28000");
    if !no_entry || (secured && ask.wants_tls()) {
        return Err(failure);
    }
    let Ok(stream) = ask.network.connect(ask.address, &ask.clock).await else {
        return Err(failure);
    };
    if secured {
        // As libpq does with `prefer`.
        return match once(Box::new(stream), ask, credentials).await {
            Ok(logged_in) => Ok((logged_in, false)),
            Err(_) => Err(failure),
        };
    }
    let Ok(ready) = open(stream, ask, Some(TlsMode::Required)).await else {
        return Err(failure);
    };
    if ready.secured && once(ready.stream, ask, credentials).await.is_ok() {
        return Err(Failure::new(
            StepError::TlsRequired,
            format!(
                "the server takes this login over TLS only, and the client is configured without; in plain it said: {}",
                failure.detail
            ),
        )
        .fact("code", "28000"));
    }
    Err(failure)
}

/// One login on one connection.
async fn once(
    stream: Stream,
    ask: &Ask<'_>,
    credentials: &Credentials,
) -> Result<LoggedIn, Failure> {
    let mut config = Config::new();
    config
        .ssl_mode(SslMode::Disable)
        .application_name("k8sverify")
        .user(credentials.user.as_deref().unwrap_or("postgres"));
    if let Some(password) = &credentials.password {
        config.password(password);
    }
    if let Some(database) = &credentials.database {
        config.dbname(database);
    }
    match ask
        .clock
        .within(LOGIN, config.connect_raw(stream, NoTls))
        .await
    {
        Ok(Ok((client, mut connection))) => {
            let ended = Arc::new(OnceLock::new());
            let said = Arc::clone(&ended);
            // Ends by itself when the client is dropped; the client sees the end when the connection is dropped.
            tokio::spawn(async move {
                if let Err(error) = (&mut connection).await {
                    let _ = said.set(failure(&error));
                }
                drop(connection);
            });
            Ok(LoggedIn { client, ended })
        }
        Ok(Err(error)) => Err(failure(&error)),
        Err(late) => Err(Failure::late(
            late,
            StepError::Silent,
            "the server does not answer the login",
        )),
    }
}

/// What a driver's error means.
pub(crate) fn failure(error: &tokio_postgres::Error) -> Failure {
    let Some(server) = error.as_db_error() else {
        // The driver puts what is wrong with its configuration into the source of its error.
        let source = std::error::Error::source(error);
        let text = source.map_or_else(|| error.to_string(), ToString::to_string);
        if text.contains("password missing") {
            return Failure::new(
                StepError::LoginDenied,
                "the server asks for a password, and the client's configuration holds none",
            )
            .fact("code", "28P01");
        }
        return source
            .and_then(|source| source.downcast_ref::<std::io::Error>())
            .map_or_else(|| Failure::new(StepError::Broken, text), Failure::broken);
    };
    let (code, message) = (server.code(), server.message());
    Failure::new(
        kind(code, message),
        format!("{} {}: {message}", server.severity(), code.code()),
    )
    .fact("code", code.code())
}

/// What a server's refusal means.
fn kind(code: &SqlState, message: &str) -> StepError {
    let refused = [
        "password authentication failed",
        "SASL authentication failed",
        "no such user",
        // ALTER DATABASE … ALLOW_CONNECTIONS false.
        "not currently accepting connections",
    ];
    match *code {
        SqlState::INVALID_PASSWORD
        | SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        | SqlState::INSUFFICIENT_PRIVILEGE => StepError::LoginDenied,
        SqlState::INVALID_CATALOG_NAME => StepError::DatabaseMissing,
        SqlState::TOO_MANY_CONNECTIONS => StepError::ConnectionsExhausted,
        SqlState::CANNOT_CONNECT_NOW => StepError::Loading,
        SqlState::READ_ONLY_SQL_TRANSACTION => StepError::ReadOnly,
        _ if refused.iter().any(|text| message.contains(text)) => StepError::LoginDenied,
        _ if message.contains("no such database") => StepError::DatabaseMissing,
        _ => StepError::Broken,
    }
}

/// `SELECT 1`, and whether the server takes writes.
async fn query(session: &LoggedIn, ask: &Ask<'_>) -> Found {
    let begun = Instant::now();
    let step = match run(session, ask).await {
        Ok(facts) => judge(facts, ask.task.replica),
        Err(failure) => Found::fail(StepName::Query, failure),
    };
    step.asked("SELECT 1").since(begun)
}

async fn run(session: &LoggedIn, ask: &Ask<'_>) -> Result<BTreeMap<String, String>, Failure> {
    if value(session, ask, "SELECT 1").await?.is_none() {
        return Err(Failure::new(
            StepError::Broken,
            "the login works, and `SELECT 1` is answered without a row",
        ));
    }
    let mut facts = BTreeMap::new();
    for (name, question) in [
        ("read_only", "SHOW transaction_read_only"),
        ("recovery", "SELECT pg_is_in_recovery()"),
        ("server_version", "SHOW server_version"),
    ] {
        // What a pooler or a relative of PostgreSQL does not know stays unknown.
        if let Ok(Some(value)) = value(session, ask, question).await {
            let value = match value.as_str() {
                "on" | "t" => "yes".to_owned(),
                "off" | "f" => "no".to_owned(),
                _ => value,
            };
            facts.insert(name.to_owned(), value);
        }
    }
    if let Some(query) = &ask.task.query {
        value(session, ask, query)
            .await
            .map_err(|failure| Failure::new(StepError::QueryFailed, failure.detail))?;
        facts.insert("query".to_owned(), "yes".to_owned());
    }
    Ok(facts)
}

fn judge(facts: BTreeMap<String, String>, replica_is_fine: bool) -> Found {
    let says = |name: &str| facts.get(name).is_some_and(|value| value == "yes");
    let mut step = if !replica_is_fine && (says("recovery") || says("read_only")) {
        Found::failed(
            StepName::Query,
            StepError::ReadOnly,
            if says("recovery") {
                "the login works, and the server is a standby in recovery: every write is refused"
            } else {
                "the login works, and its transactions are read-only: every write is refused"
            },
        )
    } else {
        Found::pass(StepName::Query, "")
    };
    step.facts.extend(facts);
    step
}

/// The first value of a query's answer.
async fn value(session: &LoggedIn, ask: &Ask<'_>, query: &str) -> Result<Option<String>, Failure> {
    let LoggedIn { client, ended } = session;
    match ask.clock.within(ANSWER, client.simple_query(query)).await {
        Ok(Ok(messages)) => Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) if !row.is_empty() => row.get(0).map(str::to_owned),
            _ => None,
        })),
        Ok(Err(error)) => {
            let reason = ended.get().filter(|_| error.is_closed()).cloned();
            Err(reason.unwrap_or_else(|| failure(&error)))
        }
        Err(late) => Err(Failure::late(
            late,
            StepError::Silent,
            format!("the login works, and `{query}` gets no answer"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_recognised_by_its_code_or_its_words() {
        let closed = "database \"shop\" is not currently accepting connections";
        let state = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
        assert_eq!(kind(&state, closed), StepError::LoginDenied);
        assert_eq!(kind(&state, "other"), StepError::Broken);
        let full = "sorry, too many clients already";
        assert_eq!(
            kind(&SqlState::TOO_MANY_CONNECTIONS, full),
            StepError::ConnectionsExhausted
        );
    }

    #[test]
    fn a_standby_fails_unless_reads_are_all() {
        let facts = |value: &str| BTreeMap::from([("recovery".to_owned(), value.to_owned())]);
        assert_eq!(judge(facts("no"), false).error, None);
        assert_eq!(judge(facts("yes"), false).error, Some(StepError::ReadOnly));
        assert_eq!(judge(facts("yes"), true).error, None);
    }
}
