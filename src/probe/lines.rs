//! Protocols in lines of text: memcached, SMTP, NATS, ZooKeeper. IO: the connection.

use std::time::Duration;

use tokio::time::Instant;

use crate::probe::ask::{ANSWER, Ask};
use crate::probe::found::{Failure, Found};
use crate::probe::link::PeerLink;
use crate::probe::login::Login;
use crate::probe::peer::PeerStream;
use crate::probe::wire::{NO_CREDENTIALS, StepError, StepName};
use crate::protocol::Protocol;

/// What the peer said for itself.
type Said = Result<Vec<Found>, Failure>;

/// The greeting or the answer to a harmless command.
pub(crate) async fn talk(
    stream: PeerLink,
    ask: &Ask<'_>,
    steps: &mut Vec<Found>,
) -> Result<(), Box<Found>> {
    let expected = match ask.task.protocol {
        Protocol::Memcached => "memcached",
        Protocol::Smtp => "an SMTP server",
        Protocol::Nats => "a NATS server",
        _ => "a ZooKeeper server",
    };
    let mut peer = ask.peer(stream, expected, steps).await?;
    let begun = Instant::now();
    let said = match ask.task.protocol {
        Protocol::Memcached => memcached(&mut peer, ask).await,
        Protocol::Smtp => smtp(&mut peer, ask).await,
        Protocol::Nats => nats(&mut peer, ask).await,
        _ => zookeeper(&mut peer, ask).await,
    };
    let found = said.map_err(|failure| failure.ends(StepName::Protocol, "", begun))?;
    steps.extend(found.into_iter().map(|step| step.since(begun)));
    if !steps.iter().any(|step| step.name == StepName::Login) && steps.iter().all(Found::passed) {
        let reason = match ask.login() {
            Login::Without(reason) => reason.clone(),
            Login::With(_) => "this protocol's login is not tried".to_owned(),
        };
        steps.push(Found::skipped(StepName::Login, reason));
    }
    Ok(())
}

/// So long a mail server may keep a client waiting for its first word, to find out those that cannot wait.
const GREETING: Duration = Duration::from_secs(8);

async fn line(peer: &mut PeerStream, ask: &Ask<'_>) -> Result<String, Failure> {
    let line = peer.line(ask.clock.phase(ANSWER)).await?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// How many lines one answer may have.
const LINES: usize = 200;

/// The first and the last line of an SMTP reply; all of it has one limit in time and in lines.
async fn reply(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    patience: Duration,
) -> Result<(String, String), Failure> {
    let end = ask.clock.phase(patience);
    let mut first = None;
    for _ in 0..LINES {
        let line = peer.line(end).await?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let goes_on = line.as_bytes().get(3) == Some(&b'-');
        let first = first.get_or_insert_with(|| line.clone());
        if !goes_on {
            return Ok((first.clone(), line));
        }
    }
    Err(Failure::new(
        StepError::Broken,
        format!("the server's answer has more than {LINES} lines and no end"),
    ))
}

async fn memcached(peer: &mut PeerStream, ask: &Ask<'_>) -> Said {
    peer.send(b"version\r\n", ask.clock.phase(ANSWER)).await?;
    let line = line(peer, ask).await?;
    match line.strip_prefix("VERSION ") {
        Some(version) => Ok(vec![
            Found::pass(StepName::Protocol, line.clone())
                .asked("version")
                .fact("server_version", version),
        ]),
        // A server with SASL or one that knows other commands only.
        None if ["ERROR", "CLIENT_ERROR", "SERVER_ERROR"]
            .iter()
            .any(|word| line.starts_with(word)) =>
        {
            Ok(vec![Found::pass(StepName::Protocol, line).asked("version")])
        }
        None => Err(peer.mismatch()),
    }
}

async fn smtp(peer: &mut PeerStream, ask: &Ask<'_>) -> Said {
    let (banner, _) = reply(peer, ask, GREETING).await?;
    if ["421", "554"].iter().any(|code| banner.starts_with(code)) {
        return Err(Failure::new(StepError::Unavailable, banner));
    }
    if !banner.starts_with("220") || banner.to_ascii_uppercase().contains("FTP") {
        return Err(peer.mismatch());
    }
    peer.send(b"EHLO k8sverify\r\n", ask.clock.phase(ANSWER))
        .await?;
    let (_, answer) = reply(peer, ask, ANSWER).await?;
    // Polite, and no one's loss if it does not arrive.
    let _ = peer.send(b"QUIT\r\n", ask.clock.phase(ANSWER)).await;
    if answer.starts_with("250") {
        Ok(vec![Found::pass(StepName::Protocol, banner).asked("EHLO")])
    } else {
        Err(Failure::new(StepError::Unavailable, answer))
    }
}

async fn nats(peer: &mut PeerStream, ask: &Ask<'_>) -> Said {
    let info = line(peer, ask).await?;
    let Some(info) = info
        .strip_prefix("INFO ")
        .and_then(|text| serde_json::from_str::<serde_json::Value>(text.trim()).ok())
    else {
        return Err(peer.mismatch());
    };
    let says = |key: &str| info.get(key).and_then(serde_json::Value::as_bool) == Some(true);
    let version = info
        .get("version")
        .and_then(|value| value.as_str())
        .unwrap_or_default();
    let protocol =
        Found::pass(StepName::Protocol, format!("nats {version}")).fact("server_version", version);
    if says("tls_required") && !ask.wants_tls() {
        let failure = Failure::new(
            StepError::TlsRequired,
            "the server takes connections over TLS only (tls_required)",
        );
        return Ok(vec![protocol, Found::fail(StepName::Tls, failure)]);
    }
    let login = match ask.login() {
        Login::With(account) => {
            let options = serde_json::json!({
                "verbose": true, "pedantic": false, "lang": "rust", "version": "0", "protocol": 1,
                "user": account.credentials.user, "pass": account.credentials.password,
            });
            let text = format!("CONNECT {options}\r\n");
            peer.send(text.as_bytes(), ask.clock.phase(ANSWER)).await?;
            let answer = line(peer, ask).await?;
            let step = if answer.starts_with("-ERR") {
                Found::failed(StepName::Login, StepError::LoginDenied, answer)
            } else {
                Found::pass(StepName::Login, "")
            };
            step.asked(format!("as {}", account.source))
        }
        Login::Without(reason) if says("auth_required") && reason == NO_CREDENTIALS => {
            Found::failed(
                StepName::Login,
                StepError::LoginDenied,
                "the server asks for a login (auth_required), and the client's configuration holds none",
            )
        }
        Login::Without(reason) => Found::skipped(StepName::Login, reason.clone()),
    };
    Ok(vec![protocol, login])
}

async fn zookeeper(peer: &mut PeerStream, ask: &Ask<'_>) -> Said {
    peer.send(b"srvr", ask.clock.phase(ANSWER)).await?;
    let answer = line(peer, ask).await?;
    if answer.contains("not currently serving requests") {
        return Err(Failure::new(StepError::Unavailable, answer));
    }
    if answer.starts_with("Zookeeper version") || answer.contains("not in the whitelist") {
        return Ok(vec![Found::pass(StepName::Protocol, answer).asked("srvr")]);
    }
    Err(peer.mismatch())
}
