//! A logged-in connection to Redis for further commands: any command, any reply. IO: the connection.

use std::collections::BTreeMap;

use ::redis::Value;

use super::{
    Reply, auth, command, exchange, fields, no_password_set, parse_any, refused, turned_away,
};
use crate::probe::ask::Ask;
use crate::probe::found::Failure;
use crate::probe::link::PeerLink;
use crate::probe::login::Login;
use crate::probe::peer::PeerStream;

/// TLS or not, and AUTH where the client has a password.
///
/// # Errors
/// What stands against it, also where the login is withheld.
pub(crate) async fn session(stream: PeerLink, ask: &Ask<'_>) -> Result<PeerStream, Failure> {
    let opened = ask.peer(stream, "a Redis server", &mut Vec::new()).await;
    let mut peer = opened.map_err(|step| Failure::of(vec![*step]))?;
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
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    words: &[String],
) -> Result<Value, Failure> {
    let value = exchange(peer, ask, words, parse_any).await?;
    match Reply::of(value.clone()) {
        Reply::Error(text) => Err(refused(&text)),
        _ => Ok(value),
    }
}

/// What the server says of itself in a section of INFO, by field.
///
/// # Errors
/// As [`ask_for`].
pub(crate) async fn info(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    section: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    match command(peer, ask, &["INFO", section]).await? {
        Reply::Text(text) => Ok(fields(&text)),
        Reply::Error(text) => Err(refused(&text)),
        Reply::Other => Ok(BTreeMap::new()),
    }
}
