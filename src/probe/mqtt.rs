//! MQTT 3.1.1: CONNECT with the client's own login, CONNACK, DISCONNECT. IO: the connection.

use tokio::time::Instant;

use crate::address::Credentials;
use crate::probe::ask::{ANSWER, Ask};
use crate::probe::found::{Failure, Found};
use crate::probe::link::PeerLink;
use crate::probe::login::Login;
use crate::probe::wire::{NO_CREDENTIALS, StepError, StepName};

/// Connects and leaves.
pub(crate) async fn talk(
    stream: PeerLink,
    ask: &Ask<'_>,
    steps: &mut Vec<Found>,
) -> Result<(), Box<Found>> {
    let mut peer = ask.peer(stream, "an MQTT broker", steps).await?;
    let begun = Instant::now();
    let end = ask.clock.phase(ANSWER);
    let account = ask.login().account();
    let packet = connect(account.map(|account| &account.credentials));
    let answer = match peer.send(&packet, end).await {
        Ok(()) => peer.exact(4, end).await,
        Err(failure) => Err(failure),
    };
    let code = answer.and_then(|answer| match answer.as_slice() {
        [0x20, 2, 0 | 1, code] => Ok(*code),
        _ => Err(peer.mismatch()),
    });
    let code = code.map_err(|failure| failure.ends(StepName::Protocol, "", begun))?;
    // DISCONNECT; the broker drops the session either way.
    let _ = peer.send(b"\xe0\x00", end).await;
    if code == 3 {
        let failure = Failure::new(StepError::Unavailable, "CONNACK 3: server unavailable");
        return Err(failure.ends(StepName::Protocol, "CONNECT", begun).into());
    }
    let step = Found::pass(StepName::Protocol, "");
    steps.push(step.asked("CONNECT").since(begun));
    steps.push(login_step(ask, code));
    Ok(())
}

fn login_step(ask: &Ask<'_>, code: u8) -> Found {
    let denied = matches!(code, 4 | 5);
    match ask.login() {
        Login::Without(reason) if denied && reason != NO_CREDENTIALS => {
            Found::skipped(StepName::Login, reason.clone())
        }
        Login::Without(_) if !denied => {
            Found::pass(StepName::Login, "the broker asks for no password").fact("password", "none")
        }
        login => {
            let step = if denied {
                Found::failed(
                    StepName::Login,
                    StepError::LoginDenied,
                    format!("CONNACK {code}: not authorized"),
                )
            } else {
                Found::pass(StepName::Login, "")
            };
            match login.account() {
                Some(account) => step.asked(format!("as {}", account.source)),
                None => step,
            }
        }
    }
}

/// A CONNECT packet with a clean session.
fn connect(credentials: Option<&Credentials>) -> Vec<u8> {
    let mut flags = 0x02;
    let mut payload = field(&format!("k8sverify-{}", std::process::id()));
    if let Some(user) = credentials.and_then(|credentials| credentials.user.as_ref()) {
        flags |= 0x80;
        payload.extend(field(user));
        if let Some(password) = credentials.and_then(|credentials| credentials.password.as_ref()) {
            flags |= 0x40;
            payload.extend(field(password));
        }
    }
    let mut body = field("MQTT");
    body.extend([4, flags, 0, 10]);
    body.extend(payload);
    let mut packet = vec![0x10];
    let mut length = body.len();
    loop {
        // Seven bits a byte, the lowest first.
        let more = length > 127;
        packet.push(u8::try_from(length % 128).unwrap_or(0) | if more { 0x80 } else { 0 });
        length /= 128;
        if !more {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// A text with its length; what is longer than the protocol allows is cut.
fn field(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(text.bytes().take(usize::from(length)));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_packet_carries_its_own_length() {
        let bare = connect(None);
        assert_eq!(usize::from(bare[1]), bare.len() - 2);
        let credentials = Credentials {
            user: Some("u".repeat(100)),
            password: Some("p".repeat(100)),
            ..Credentials::default()
        };
        let long = connect(Some(&credentials));
        assert_eq!(
            usize::from(long[1] & 0x7f) + 128 * usize::from(long[2]),
            long.len() - 3
        );
    }
}
