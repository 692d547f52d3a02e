//! gRPC: HTTP/2 without TLS, and the standard health service where the server has it. IO: the connection.

use bytes::Bytes;
use tokio::time::Instant;

use crate::probe::ask::{ANSWER, Ask};
use crate::probe::found::{Failure, Found};
use crate::probe::http::HTTP;
use crate::probe::link::PeerLink;
use crate::probe::peer::PeerStream;
use crate::probe::wire::{StepError, StepName};

/// The standard health service.
const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// The preface of HTTP/2 and an empty SETTINGS frame: every HTTP/2 server answers with settings of its own.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// What the health service says.
enum Health {
    Serving,
    NotServing(String),
    Unknown(String),
}

/// The preface by hand, then the health check on a connection of its own.
pub(crate) async fn talk(
    stream: PeerLink,
    ask: &Ask<'_>,
    steps: &mut Vec<Found>,
) -> Result<(), Box<Found>> {
    let mut peer = ask.peer(stream, "a gRPC server", steps).await?;
    let begun = Instant::now();
    let said = preface(&mut peer, ask).await;
    said.map_err(|failure| failure.ends(StepName::Protocol, "", begun))?;
    steps.push(Found::pass(StepName::Protocol, "HTTP/2").since(begun));
    drop(peer);
    let begun = Instant::now();
    let step = match check(ask).await {
        Health::Serving => Found::pass(StepName::Query, "SERVING"),
        Health::NotServing(status) => Found::failed(
            StepName::Query,
            StepError::HttpServerError,
            format!("the health service says {status}"),
        ),
        // Most servers do not have the service; that says nothing.
        Health::Unknown(reason) => Found::skipped(StepName::Query, reason),
    };
    steps.push(step.asked(HEALTH).since(begun));
    Ok(())
}

async fn preface(peer: &mut PeerStream, ask: &Ask<'_>) -> Result<(), Failure> {
    let end = ask.clock.phase(ANSWER);
    peer.send(PREFACE, end).await?;
    let head = peer.exact(9, end).await?;
    // A SETTINGS frame of stream 0.
    if head[3] == 0x04 && head[5..9] == [0, 0, 0, 0] {
        Ok(())
    } else {
        Err(peer.mismatch())
    }
}

async fn check(ask: &Ask<'_>) -> Health {
    if ask.wants_tls() {
        return Health::Unknown("the health service is asked in plain only".to_owned());
    }
    let Ok(stream) = ask.network.connect(ask.address, &ask.clock).await else {
        return Health::Unknown("no second connection for the health service".to_owned());
    };
    match ask.clock.within(HTTP, call(stream, ask)).await {
        Ok(Ok(health)) => health,
        Ok(Err(error)) => Health::Unknown(format!("the health service gave no answer: {error}")),
        Err(_) => Health::Unknown("the health service did not answer in time".to_owned()),
    }
}

async fn call(stream: PeerLink, ask: &Ask<'_>) -> Result<Health, h2::Error> {
    let (sender, connection) = h2::client::handshake(stream).await?;
    let driver = tokio::spawn(connection);
    let mut sender = sender.ready().await?;
    let request = http::Request::post(format!("http://{}:{}{HEALTH}", ask.host, ask.port))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(());
    let Ok(request) = request else {
        return Ok(Health::Unknown("HTTP/2 cannot name this host".to_owned()));
    };
    let (response, mut body) = sender.send_request(request, false)?;
    // An empty message: uncompressed, of length 0.
    body.send_data(Bytes::from_static(&[0; 5]), true)?;
    let mut response = response.await?;
    let mut bytes = Vec::new();
    let mut status = header(response.headers());
    while let Some(chunk) = response.body_mut().data().await {
        let chunk = chunk?;
        bytes.extend_from_slice(&chunk);
        // Space for more, or the server would stop at its window.
        response
            .body_mut()
            .flow_control()
            .release_capacity(chunk.len())?;
        if bytes.len() > 4096 {
            break;
        }
    }
    if status.is_none()
        && let Some(trailers) = response.body_mut().trailers().await?
    {
        status = header(&trailers);
    }
    driver.abort();
    Ok(read(status.as_deref(), &bytes))
}

fn header(headers: &http::HeaderMap) -> Option<String> {
    let value = headers.get("grpc-status")?;
    value.to_str().ok().map(str::to_owned)
}

/// The health service's answer: field 1 is the status, 1 is SERVING.
fn read(status: Option<&str>, body: &[u8]) -> Health {
    match (status, body) {
        (Some("0"), [_, _, _, _, _, 0x08, 1, ..]) => Health::Serving,
        (Some("0"), [_, _, _, _, _, 0x08, 2, ..]) => Health::NotServing("NOT_SERVING".to_owned()),
        (Some("12"), _) => {
            Health::Unknown("the server has no health service (UNIMPLEMENTED)".to_owned())
        }
        (Some(status), _) => {
            Health::Unknown(format!("the health service answers with status {status}"))
        }
        (None, _) => Health::Unknown("HTTP/2 answers, without a status of gRPC".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_not_serving_is_a_failure() {
        assert!(matches!(
            read(Some("0"), b"\0\0\0\0\x02\x08\x01"),
            Health::Serving
        ));
        assert!(matches!(
            read(Some("0"), b"\0\0\0\0\x02\x08\x02"),
            Health::NotServing(_)
        ));
        assert!(matches!(read(Some("12"), b""), Health::Unknown(_)));
        assert!(matches!(read(None, b""), Health::Unknown(_)));
    }
}
