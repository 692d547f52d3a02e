//! The first packet of a MySQL server, read by hand: the driver waits without end on a peer that is none. IO: the connection.

use tokio::time::Instant;

use crate::probe::found::Failure;
use crate::probe::mysql::server_error;
use crate::probe::peer::PeerStream;

/// The capability bit of TLS.
const CLIENT_SSL: u32 = 0x0800;
/// A greeting is never longer.
const LONGEST: usize = 4096;

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    /// The version, without MariaDB's prefix for old replicas.
    pub(super) version: String,
    /// The authentication plugin that it proposes.
    pub(super) plugin: String,
    /// Whether it offers TLS.
    pub(super) tls: bool,
    /// The packet as it came.
    pub(super) packet: Vec<u8>,
}

/// Reads the greeting or the error that stands in its place.
pub(super) async fn read(peer: &mut PeerStream, end: Instant) -> Result<Greeting, Failure> {
    let header = peer.exact(4, end).await?;
    let length =
        usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
    if header[3] != 0 || !(2..LONGEST).contains(&length) {
        return Err(peer.mismatch());
    }
    let payload = peer.exact(length, end).await?;
    match payload.first() {
        Some(0x0a) => {
            let mut greeting = parse(&payload).ok_or_else(|| peer.mismatch())?;
            greeting.packet = [header, payload].concat();
            Ok(greeting)
        }
        Some(0xff) => Err(error(&payload).unwrap_or_else(|| peer.mismatch())),
        _ => Err(peer.mismatch()),
    }
}

fn parse(payload: &[u8]) -> Option<Greeting> {
    let rest = &payload[1..];
    let end = rest.iter().position(|byte| *byte == 0)?;
    let version = std::str::from_utf8(&rest[..end]).ok()?;
    // Thread id (4), first part of the challenge (8), a zero; then the lower capabilities.
    let fixed = &rest[end + 1..];
    let low = fixed.get(13..15)?;
    // Character set (1) and status (2); then the upper capabilities, the challenge's length and ten zeros.
    let high = fixed.get(18..20).unwrap_or(&[0, 0]);
    let capabilities = u32::from_le_bytes([low[0], low[1], high[0], high[1]]);
    let challenge = fixed.get(20).copied().unwrap_or(0);
    // Servers say 21; what is above the signed half of a byte is none, and drivers count wrongly with it.
    if challenge > 0x7f {
        return None;
    }
    let challenge = usize::from(challenge).saturating_sub(8).max(13);
    let plugin = fixed
        .get(31 + challenge..)
        .map(|bytes| bytes.split(|byte| *byte == 0).next().unwrap_or_default())
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default();
    Some(Greeting {
        version: version.strip_prefix("5.5.5-").unwrap_or(version).to_owned(),
        plugin,
        tls: capabilities & CLIENT_SSL != 0,
        packet: Vec::new(),
    })
}

/// An error packet, with or without an SQL state.
fn error(payload: &[u8]) -> Option<Failure> {
    let code = u16::from_le_bytes(payload.get(1..3)?.try_into().ok()?);
    let text = payload.get(3..)?;
    let (state, text) = match text {
        [b'#', rest @ ..] if rest.len() >= 5 => rest.split_at(5),
        _ => (&b"HY000"[..], text),
    };
    Some(server_error(
        code,
        &String::from_utf8_lossy(state),
        &String::from_utf8_lossy(text),
    ))
}
