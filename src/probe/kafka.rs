//! Kafka: `ApiVersions`, Metadata, and whether the brokers that it names can be reached. IO: connections.

use tokio::time::Instant;

use crate::probe::ask::{ANSWER, Ask};
use crate::probe::found::{Failure, Found};
use crate::probe::link::PeerLink;
use crate::probe::peer::PeerStream;
use crate::probe::wire::{StepError, StepName};

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;
/// At most so many brokers are dialled.
const BROKERS: usize = 16;

/// `ApiVersions`, then the brokers' advertised addresses.
pub(crate) async fn talk(
    stream: PeerLink,
    ask: &Ask<'_>,
    steps: &mut Vec<Found>,
) -> Result<(), Box<Found>> {
    let mut peer = ask.peer(stream, "a Kafka broker", steps).await?;
    let begun = Instant::now();
    let version = versions(&mut peer, ask).await;
    let version =
        version.map_err(|failure| failure.ends(StepName::Protocol, "ApiVersions", begun))?;
    let step = Found::pass(StepName::Protocol, "");
    steps.push(step.asked("ApiVersions").since(begun));
    steps.push(Found::skipped(
        StepName::Login,
        "Kafka's own login (SASL) is not tried",
    ));
    let begun = Instant::now();
    let step = match brokers(&mut peer, ask, version).await {
        Ok(brokers) => reach(ask, &brokers).await,
        // A listener with SASL closes upon a question before the login.
        Err(_) => Found::skipped(
            StepName::Query,
            "the broker gives its addresses only after a login, which is not tried",
        ),
    };
    steps.push(step.asked("Metadata").since(begun));
    Ok(())
}

async fn reach(ask: &Ask<'_>, brokers: &[(String, u16)]) -> Found {
    let names: Vec<String> = brokers
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    let names = names.join(",");
    for (host, port) in brokers.iter().take(BROKERS) {
        if let Err(failure) = ask.advertised(host, *port).await {
            return Found::fail(StepName::Query, failure).fact("brokers", names);
        }
    }
    Found::pass(StepName::Query, "").fact("brokers", names)
}

/// The version of Metadata to ask with.
async fn versions(peer: &mut PeerStream, ask: &Ask<'_>) -> Result<i16, Failure> {
    let answer = exchange(peer, ask, API_VERSIONS, 0, &[]).await?;
    let mut reader = Reader(&answer);
    let error = reader.i16().ok_or_else(|| peer.mismatch())?;
    let count = reader.i32().ok_or_else(|| peer.mismatch())?;
    if error != 0 || !(1..=1000).contains(&count) {
        return Err(peer.mismatch());
    }
    let mut version = 1;
    for _ in 0..count {
        let (Some(key), Some(least), Some(most)) = (reader.i16(), reader.i16(), reader.i16())
        else {
            return Err(peer.mismatch());
        };
        if key == METADATA {
            // From 9 on the format is another one.
            version = most.clamp(0, 8).max(least).min(8);
        }
    }
    Ok(version)
}

/// The addresses that clients are sent to.
async fn brokers(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    version: i16,
) -> Result<Vec<(String, u16)>, Failure> {
    // No topics; from version 4 on "do not create any", from 8 on two more flags.
    let mut body = 0_i32.to_be_bytes().to_vec();
    body.extend(vec![
        0;
        match version {
            8 => 3,
            4..=7 => 1,
            _ => 0,
        }
    ]);
    let answer = exchange(peer, ask, METADATA, version, &body).await?;
    let mut reader = Reader(&answer);
    parse(&mut reader, version)
        .ok_or_else(|| Failure::new(StepError::Broken, "an answer that is no Metadata"))
}

fn parse(reader: &mut Reader<'_>, version: i16) -> Option<Vec<(String, u16)>> {
    if version >= 3 {
        reader.i32()?;
    }
    let count = reader.i32()?;
    let mut brokers = Vec::new();
    for _ in 0..count.clamp(0, 10_000) {
        reader.i32()?;
        let host = reader.text()?;
        let port = u16::try_from(reader.i32()?).ok()?;
        if version >= 1 {
            reader.text()?;
        }
        brokers.push((host, port));
    }
    Some(brokers)
}

/// One request and its answer, without its correlation id.
async fn exchange(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    key: i16,
    version: i16,
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let end = ask.clock.phase(ANSWER);
    let id = i32::from(key);
    let client = b"k8sverify";
    let request = [
        &key.to_be_bytes()[..],
        &version.to_be_bytes(),
        &id.to_be_bytes(),
        &9_i16.to_be_bytes(),
        client,
        body,
    ]
    .concat();
    let length = u32::try_from(request.len()).unwrap_or(0);
    peer.send(&[&length.to_be_bytes()[..], &request].concat(), end)
        .await?;
    let header = peer.exact(8, end).await?;
    let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if !(4..=crate::probe::peer::MESSAGE).contains(&length) || header[4..8] != id.to_be_bytes() {
        return Err(peer.mismatch());
    }
    peer.exact(length - 4, end).await
}

/// Reads numbers and texts from the front of an answer.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    /// A text; one that is null is empty.
    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(String::from_utf8_lossy(head).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_read_in_both_shapes_and_a_short_answer_is_none() {
        let broker = b"\0\0\0\x01\0\x05kafka\0\0\x23\x84\xff\xff";
        let old = [&b"\0\0\0\x01"[..], broker].concat();
        let new = [&b"\0\0\0\0\0\0\0\x01"[..], broker].concat();
        let expected = Some(vec![("kafka".to_owned(), 9092)]);
        assert_eq!(parse(&mut Reader(&old), 1), expected);
        assert_eq!(parse(&mut Reader(&new), 8), expected);
        assert_eq!(parse(&mut Reader(&old[..9]), 1), None);
    }
}
