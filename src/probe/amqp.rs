//! AMQP 0-9-1 (RabbitMQ): protocol header, Start, PLAIN login, and the virtual host. IO: the connection.

use tokio::time::Instant;

use crate::address::Credentials;
use crate::probe::ask::{ANSWER, Ask, LOGIN};
use crate::probe::found::{Failure, Found};
use crate::probe::link::PeerLink;
use crate::probe::peer::PeerStream;
use crate::probe::wire::{StepError, StepName};

/// The header of version 0-9-1.
const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// The class of every method that is used here.
const CONNECTION: u16 = 10;

/// Header and Start, then the login.
pub(crate) async fn talk(
    stream: PeerLink,
    ask: &Ask<'_>,
    steps: &mut Vec<Found>,
) -> Result<(), Box<Found>> {
    let mut peer = ask.peer(stream, "an AMQP broker", steps).await?;
    let begun = Instant::now();
    let started = start(&mut peer, ask).await;
    let is_ours = started.map_err(|failure| failure.ends(StepName::Protocol, "", begun))?;
    if !is_ours {
        steps.push(Found::pass(StepName::Protocol, "another version of AMQP").since(begun));
        steps.push(Found::skipped(
            StepName::Login,
            "the broker speaks another version of AMQP, whose login is not tried",
        ));
        return Ok(());
    }
    steps.push(Found::pass(StepName::Protocol, "AMQP 0-9-1").since(begun));
    let Some(account) = ask.login().account() else {
        steps.extend(ask.no_login());
        return Ok(());
    };
    let begun = Instant::now();
    let asked = format!("as {}", account.source);
    let logged_in = log_in(&mut peer, ask, &account.credentials).await;
    logged_in.map_err(|failure| failure.ends(StepName::Login, &asked, begun))?;
    steps.push(Found::pass(StepName::Login, "").asked(asked).since(begun));
    Ok(())
}

/// Whether the broker starts a conversation of version 0-9-1; it answers with its own header if it does not know that one.
async fn start(peer: &mut PeerStream, ask: &Ask<'_>) -> Result<bool, Failure> {
    let end = ask.clock.phase(ANSWER);
    peer.send(HEADER, end).await?;
    if peer.first(end).await?.first() == Some(&b'A') {
        let header = peer.exact(8, end).await?;
        return if header.starts_with(b"AMQP") {
            Ok(false)
        } else {
            Err(peer.mismatch())
        };
    }
    match method(peer, end).await? {
        (10, _) => Ok(true),
        _ => Err(peer.mismatch()),
    }
}

/// Start-Ok, Tune-Ok, Open; then a polite Close.
async fn log_in(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    credentials: &Credentials,
) -> Result<(), Failure> {
    let end = ask.clock.phase(LOGIN);
    let user = credentials.user.as_deref().unwrap_or("guest");
    let password = credentials.password.as_deref().unwrap_or("guest");
    // capabilities: { authentication_failure_close: true }, so that a refusal is said before the connection ends.
    let capability = [&[28][..], b"authentication_failure_close", b"t\x01"].concat();
    let table = [&[12][..], b"capabilities", b"F", &long(&capability)].concat();
    let response = format!("\0{user}\0{password}");
    let start_ok = [
        long(&table),
        short("PLAIN"),
        long(response.as_bytes()),
        short("en_US"),
    ]
    .concat();
    peer.send(&frame(11, &start_ok), end).await?;
    let tune = match method(peer, end).await {
        Ok((30, arguments)) => arguments,
        Ok((50, arguments)) => return Err(closed(&arguments)),
        Ok(_) => {
            return Err(Failure::new(
                StepError::Broken,
                "an answer that does not belong to a login",
            ));
        }
        Err(failure)
            if matches!(
                failure.error,
                StepError::Closed | StepError::Broken | StepError::Reset
            ) =>
        {
            return Err(Failure::new(
                StepError::LoginDenied,
                "the broker closed the connection upon the login, as it does when it refuses it",
            ));
        }
        Err(failure) => return Err(failure),
    };
    peer.send(&frame(31, &tune), end).await?;
    let host = credentials
        .database
        .as_deref()
        .filter(|name| !name.is_empty())
        .unwrap_or("/");
    let open = [short(host), vec![0, 0]].concat();
    peer.send(&frame(40, &open), end).await?;
    let outcome = match method(peer, end).await {
        Ok((41, _)) => Ok(()),
        Ok((50, arguments)) => Err(closed(&arguments)),
        Ok(_) => Err(Failure::new(
            StepError::Broken,
            "an answer that does not belong to Open",
        )),
        Err(failure) => Err(failure),
    };
    // 200, no text, no method: goodbye. The broker cleans up without it as well.
    let close = [&200_u16.to_be_bytes()[..], &[0, 0, 0, 0, 0]].concat();
    let _ = peer.send(&frame(50, &close), end).await;
    outcome
}

/// The broker's own reason to close.
fn closed(arguments: &[u8]) -> Failure {
    let code = arguments
        .get(..2)
        .map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    let length = arguments.get(2).copied().map_or(0, usize::from);
    let text = arguments.get(3..3 + length).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let error = match code {
        // The login was taken, and there is no virtual host of that name.
        530 if text.contains("not found") => StepError::DatabaseMissing,
        403 | 530 => StepError::LoginDenied,
        320 => StepError::Unavailable,
        _ => StepError::Broken,
    };
    Failure::new(error, format!("{code} {text}")).fact("code", code.to_string())
}

/// A method of class connection: its number and its arguments. Heartbeats are passed over.
async fn method(peer: &mut PeerStream, end: Instant) -> Result<(u16, Vec<u8>), Failure> {
    loop {
        let header = peer.exact(7, end).await?;
        let length = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !matches!(header[0], 1 | 8) || length > 128 * 1024 {
            return Err(peer.mismatch());
        }
        let payload = peer.exact(length + 1, end).await?;
        if header[0] == 8 {
            continue;
        }
        return match payload.as_slice() {
            [a, b, c, d, arguments @ .., 0xce] if u16::from_be_bytes([*a, *b]) == CONNECTION => {
                Ok((u16::from_be_bytes([*c, *d]), arguments.to_vec()))
            }
            _ => Err(peer.mismatch()),
        };
    }
}

fn frame(number: u16, arguments: &[u8]) -> Vec<u8> {
    let payload = [
        &CONNECTION.to_be_bytes()[..],
        &number.to_be_bytes(),
        arguments,
    ]
    .concat();
    [&[1, 0, 0][..], &long(&payload), &[0xce]].concat()
}

/// Bytes with a length of four.
fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A text with a length of one.
fn short(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    let mut bytes = vec![length];
    bytes.extend(text.bytes().take(usize::from(length)));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_its_code_and_text() {
        let failure = closed(b"\x01\x93\x0eACCESS_REFUSED\x00\x00\x00\x00");
        assert_eq!(failure.error, StepError::LoginDenied);
        assert_eq!(failure.detail, "403 ACCESS_REFUSED");
        let no_host = closed(b"\x02\x12\x23NOT_ALLOWED - vhost shop not found  \x00\x0a\x00\x28");
        assert_eq!(no_host.error, StepError::DatabaseMissing);
        assert_eq!(closed(b"").error, StepError::Broken);
    }
}
