//! Redis, Valkey and the like: the client library packs the commands and parses the replies, its connections stay unused, since they lose
//! the codes of AUTH, of a full server and of protected mode. IO: the connection.

mod session;
mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use ::redis::{Cmd, Value, parse_redis_value};
use tokio::time::Instant;

pub(crate) use session::{ask_for, info, session};

use crate::address::Credentials;
use crate::probe::ask::{ANSWER, Ask};
use crate::probe::found::{Failure, Found};
use crate::probe::link::PeerLink;
use crate::probe::login::Login;
use crate::probe::peer::{MESSAGE, PeerStream};
use crate::probe::wire::{NO_CREDENTIALS, StepError, StepName, StepStatus};

/// How often a server that loads its data is asked.
const LOADING_TRIES: u32 = 4;
/// The pause between.
const LOADING_PAUSE: Duration = Duration::from_secs(1);

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reply {
    /// `+OK`, `:1`, or a bulk string.
    Text(String),
    /// `-CODE text`.
    Error(String),
    /// Anything else, read to its end.
    Other,
}

/// First line, AUTH, PING, and the server's state.
pub(crate) async fn talk(
    stream: PeerLink,
    ask: &Ask<'_>,
    steps: &mut Vec<Found>,
) -> Result<(), Box<Found>> {
    let mut peer = match ask.peer(stream, "a Redis server", steps).await {
        Ok(peer) => peer,
        Err(step) => return Err(without_tls(ask, step).await),
    };
    let begun = Instant::now();
    let first = command(&mut peer, ask, &["PING"]).await;
    let first = first.and_then(|reply| match &reply {
        Reply::Error(text) => turned_away(text).map_or(Ok(reply), Err),
        _ => Ok(reply),
    });
    let first = first.map_err(|failure| failure.ends(StepName::Protocol, "", begun))?;
    let said = match &first {
        Reply::Text(text) => text.clone(),
        Reply::Error(text) => code(text).to_owned(),
        Reply::Other => String::new(),
    };
    steps.push(
        Found::pass(StepName::Protocol, said)
            .asked("PING")
            .since(begun),
    );
    let begun = Instant::now();
    let (login, reply) = log_in(&mut peer, ask, first).await;
    let proven = matches!(login.status, StepStatus::Pass);
    steps.push(login.since(begun));
    if proven {
        steps.push(match state::refused_database(&mut peer, ask).await {
            Some(refused) => refused,
            None => state::query(&mut peer, ask, &reply).await,
        });
    }
    Ok(())
}

/// A server without TLS takes a handshake for a command that goes on, and stays silent: whether it answers without TLS shows it. Nothing but PING
/// is sent.
async fn without_tls(ask: &Ask<'_>, step: Box<Found>) -> Box<Found> {
    let is_unanswered = matches!(
        step.error,
        Some(StepError::Silent | StepError::Closed | StepError::Reset | StepError::TlsFailed)
    );
    if !is_unanswered {
        return step;
    }
    let begun = Instant::now();
    let Ok(stream) = ask.network.connect(ask.address, &ask.clock).await else {
        return step;
    };
    let mut peer = PeerStream::new(Box::new(stream), "a Redis server", ask.clock);
    let answer = command(&mut peer, ask, &["PING"]).await;
    if !matches!(answer, Ok(Reply::Text(_) | Reply::Error(_))) {
        return step;
    }
    Failure::new(
        StepError::TlsFailed,
        "no TLS handshake is answered, and PING is answered without TLS",
    )
    .fact("tls_offered", "no")
    .fact("seen_protocol", "redis")
    .ends(StepName::Tls, "", begun)
    .into()
}

/// Sends AUTH where the client has a password, and says what the server thinks of it; with it the reply to the last PING.
async fn log_in(peer: &mut PeerStream, ask: &Ask<'_>, first: Reply) -> (Found, Reply) {
    let asks_for_login = matches!(&first, Reply::Error(text) if code(text) == "NOAUTH");
    let account = match ask.login() {
        Login::With(account) if account.credentials.password.is_some() => account,
        _ if asks_for_login => return (unasked(ask, &first), first),
        _ => {
            return (
                Found::pass(StepName::Login, "the server asks for no password")
                    .fact("password", "none"),
                first,
            );
        }
    };
    let step = |found: Found| found.asked(format!("AUTH as {}", account.source));
    let reply = match auth(peer, ask, &account.credentials).await {
        Ok(reply) => reply,
        Err(failure) => return (step(Found::fail(StepName::Login, failure)), first),
    };
    match reply {
        Reply::Error(text) if no_password_set(&text) => {
            // The client's library sends the password all the same, and most of them take this answer for an error.
            let found = if account
                .credentials
                .user
                .as_ref()
                .is_some_and(|user| user != "default")
            {
                Found::fail(StepName::Login, denied(&text))
            } else {
                Found::pass(StepName::Login, "the server has no password set")
                    .fact("password", "unneeded")
            };
            (step(found), first)
        }
        Reply::Error(text) => (step(Found::fail(StepName::Login, denied(&text))), first),
        _ => match ping_when_loaded(peer, ask).await {
            Ok(reply) => (step(Found::pass(StepName::Login, "")), reply),
            Err(failure) => (step(Found::fail(StepName::Login, failure)), first),
        },
    }
}

/// PING, also while the server loads its data: the login is not repeated for that.
async fn ping_when_loaded(peer: &mut PeerStream, ask: &Ask<'_>) -> Result<Reply, Failure> {
    let mut tries = 1;
    loop {
        let reply = command(peer, ask, &["PING"]).await?;
        let loading = matches!(&reply, Reply::Error(text) if code(text) == "LOADING");
        if !loading || tries == LOADING_TRIES || !ask.clock.pause(LOADING_PAUSE).await {
            return Ok(reply);
        }
        tries += 1;
    }
}

/// The server asks for a password, and the client is known to have none, or it is not known.
fn unasked(ask: &Ask<'_>, first: &Reply) -> Found {
    let text = match first {
        Reply::Error(text) => text.as_str(),
        _ => "",
    };
    match ask.login() {
        // A password may exist where the probe cannot see it: a file, another vantage.
        Login::Without(reason) if reason != NO_CREDENTIALS => Found::skipped(
            StepName::Login,
            format!("the server asks for a password; {reason}"),
        ),
        _ => Found::failed(
            StepName::Login,
            StepError::LoginDenied,
            format!("{text} (the client's configuration holds no password)"),
        )
        .fact("code", "NOAUTH"),
    }
}

async fn auth(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    credentials: &Credentials,
) -> Result<Reply, Failure> {
    let password = credentials.password.as_deref().unwrap_or_default();
    match credentials.user.as_deref().filter(|user| !user.is_empty()) {
        Some(user) => command(peer, ask, &["AUTH", user, password]).await,
        None => command(peer, ask, &["AUTH", password]).await,
    }
}

/// What a server says to AUTH when it has no password.
fn no_password_set(text: &str) -> bool {
    text.contains("no password is set") || text.contains("without any password configured")
}

fn denied(text: &str) -> Failure {
    let error = match code(text) {
        "LOADING" => StepError::Loading,
        "MASTERDOWN" | "CLUSTERDOWN" | "MISCONF" => StepError::Unavailable,
        _ => StepError::LoginDenied,
    };
    Failure::new(error, text).fact("code", code(text))
}

/// An error of a server that talks to no one new.
fn turned_away(text: &str) -> Option<Failure> {
    let full = text.contains("max number of clients");
    let protected = code(text) == "DENIED";
    (full || protected).then(|| {
        Failure::new(StepError::Unavailable, text)
            .fact("code", if full { "MAXCLIENTS" } else { "DENIED" })
    })
}

/// The first word of an error.
fn code(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// Sends one command and reads its reply.
async fn command(peer: &mut PeerStream, ask: &Ask<'_>, words: &[&str]) -> Result<Reply, Failure> {
    exchange(peer, ask, words, parse).await
}

/// Sends one command; questions and replies alternate, so all that is read belongs to its reply.
async fn exchange<T>(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    words: &[impl AsRef<str>],
    parse: impl Fn(&[u8]) -> Option<Result<T, ()>>,
) -> Result<T, Failure> {
    let mut packed = Cmd::new();
    for word in words {
        packed.arg(word.as_ref());
    }
    let end = ask.clock.phase(ANSWER);
    let sent = peer.send(&packed.get_packed_command(), end).await;
    loop {
        let bytes = peer.unread();
        match parse(bytes) {
            Some(Ok(reply)) => {
                peer.forget();
                return Ok(reply);
            }
            None if bytes.len() < MESSAGE => {
                // A server that turns clients away says why before it closes: read even if sending failed.
                let more = peer.more(end).await;
                more.map_err(|failure| sent.clone().err().unwrap_or(failure))?;
            }
            _ => return Err(sent.err().unwrap_or_else(|| peer.mismatch())),
        }
    }
}

/// What the bytes say; nothing yet if the reply goes on, an error if they are no reply.
fn parse(bytes: &[u8]) -> Option<Result<Reply, ()>> {
    // What is asked here is answered by one of these kinds: with another first byte another protocol speaks.
    if !b"+-:$".contains(bytes.first()?) {
        return Some(Err(()));
    }
    parse_any(bytes).map(|value| value.map(Reply::of))
}

/// The same of any reply.
fn parse_any(bytes: &[u8]) -> Option<Result<Value, ()>> {
    match parse_redis_value(bytes) {
        Err(error) if error.is_io_error() => None,
        value => Some(value.map_err(|_| ())),
    }
}

/// The fields of an answer to INFO.
fn fields(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// An error reply to a command that a login may send.
fn refused(text: &str) -> Failure {
    let error = match code(text) {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => StepError::LoginDenied,
        "READONLY" => StepError::ReadOnly,
        "LOADING" => StepError::Loading,
        _ => StepError::Unavailable,
    };
    Failure::new(error, text).fact("code", code(text))
}

impl Reply {
    fn of(value: Value) -> Self {
        match value {
            Value::Okay => Self::Text("OK".to_owned()),
            Value::SimpleString(text) => Self::Text(text),
            Value::Int(number) => Self::Text(number.to_string()),
            Value::BulkString(bytes) => Self::Text(String::from_utf8_lossy(&bytes).into_owned()),
            Value::ServerError(error) => Self::Error(match error.details() {
                Some(details) => format!("{} {details}", error.code()),
                None => error.code().to_owned(),
            }),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_whole_and_errors_keep_their_words() {
        let text = |text: &str| Reply::Text(text.to_owned());
        let error = |text: &str| Reply::Error(text.to_owned());
        for (bytes, expected) in [
            (&b"+PONG\r\n"[..], text("PONG")),
            (b"+OK\r\n", text("OK")),
            (b":-7\r\n", text("-7")),
            (b"$4\r\na\r\nb\r\n", text("a\r\nb")),
            (b"$0\r\n\r\n", text("")),
            (b"$-1\r\n", Reply::Other),
            (
                b"-ERR max number of clients reached\r\n",
                error("ERR max number of clients reached"),
            ),
            (
                b"-DENIED Redis is running in protected mode\r\n",
                error("DENIED Redis is running in protected mode"),
            ),
            (b"-LOADING later\r\n", error("LOADING later")),
            (b"-MISCONF\r\n", error("MISCONF")),
        ] {
            assert_eq!(parse(bytes), Some(Ok(expected)));
            for length in 0..bytes.len() {
                assert_eq!(parse(&bytes[..length]), None, "{:?}", &bytes[..length]);
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_seen_at_once() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"*9999999999\r\n",
            b":seven\r\n",
            b"$x\r\n",
            b"$3\r\nabcdef\r\n",
            b"\0",
        ] {
            assert_eq!(parse(bytes), Some(Err(())), "{bytes:?}");
        }
    }
}
