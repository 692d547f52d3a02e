//! A logged-in connection to Redis for further commands: any command, any reply. IO: the connection.

use ::redis::{Cmd, Value, parse_redis_value};

use super::{Reply, auth, code, command, no_password_set, turned_away};
use crate::probe::ask::{ANSWER, Ask};
use crate::probe::found::Failure;
use crate::probe::link::Link;
use crate::probe::login::Login;
use crate::probe::peer::{MESSAGE, Peer};
use crate::probe::wire::StepError;

/// TLS or not, and AUTH where the client has a password.
///
/// # Errors
/// What stands against it, also where the login is withheld.
pub(crate) async fn session(stream: Link, ask: &Ask<'_>) -> Result<Peer, Failure> {
    let (mut peer, _) = ask.peer(stream, "a Redis server").await.map_err(|steps| {
        let last = steps.into_iter().next_back();
        last.map_or_else(
            || Failure::new(StepError::Broken, "the server did not speak"),
            |step| Failure::new(step.error.unwrap_or(StepError::Broken), step.detail),
        )
    })?;
    let account = match ask.login() {
        Login::With(account) if account.credentials.password.is_some() => account,
        _ => return Ok(peer),
    };
    match auth(&mut peer, ask, &account.credentials).await? {
        Reply::Error(text) if no_password_set(&text) => Ok(peer),
        Reply::Error(text) => Err(match turned_away(&text) {
            Some(failure) => failure,
            None => refused(&text),
        }),
        _ => Ok(peer),
    }
}

/// Sends a command and reads its reply, whatever it is.
///
/// # Errors
/// The server's error with its code, or a connection that broke.
pub(crate) async fn ask_for(
    peer: &mut Peer,
    ask: &Ask<'_>,
    words: &[String],
) -> Result<Value, Failure> {
    let mut packed = Cmd::new();
    for word in words {
        packed.arg(word);
    }
    let end = ask.clock.phase(ANSWER);
    peer.send(&packed.get_packed_command(), end).await?;
    loop {
        let bytes = peer.unread();
        match parse_redis_value(bytes) {
            Ok(value) => {
                peer.forget();
                return match Reply::of(value.clone()) {
                    Reply::Error(text) => Err(refused(&text)),
                    _ => Ok(value),
                };
            }
            Err(error) if error.is_io_error() && bytes.len() < MESSAGE => {
                peer.more(end).await?;
            }
            Err(_) => return Err(peer.mismatch()),
        }
    }
}

/// What the server says of itself in a section of INFO, by field.
///
/// # Errors
/// As [`ask_for`].
pub(crate) async fn info(
    peer: &mut Peer,
    ask: &Ask<'_>,
    section: &str,
) -> Result<std::collections::BTreeMap<String, String>, Failure> {
    match command(peer, ask, &["INFO", section]).await? {
        Reply::Text(text) => Ok(text
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()),
        Reply::Error(text) => Err(refused(&text)),
        Reply::Other => Ok(std::collections::BTreeMap::new()),
    }
}

fn refused(text: &str) -> Failure {
    let error = match code(text) {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => StepError::LoginDenied,
        "READONLY" => StepError::ReadOnly,
        "LOADING" => StepError::Loading,
        _ => StepError::Unavailable,
    };
    Failure::new(error, text).fact("code", code(text))
}
