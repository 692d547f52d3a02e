//! Identifies a peer that accepts a connection and does not speak the expected protocol. Asked on connections of their own, with questions that alter
//! nothing. IO: connections.

use std::net::SocketAddr;
use std::time::Duration;

use crate::probe::clock::Clock;
use crate::probe::found::Found;
use crate::probe::network::AgentNetwork;
use crate::probe::peer::PeerStream;
use crate::probe::seen;
use crate::probe::tls;
use crate::probe::wire::StepError;
use crate::protocol::Protocol;

/// How long an unidentified peer may take to answer.
const THINK: Duration = Duration::from_millis(1500);

/// What is asked, in turn: HTTP (Redis and mail servers object to it in words of their own), and PostgreSQL's question for TLS;
/// behind them comes the first message of TLS itself.
const QUESTIONS: [&[u8]; 2] = [
    b"GET /k8sverify-who-is-there HTTP/1.0\r\n\r\n",
    b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
];

/// Turns a silent or closing peer into a mismatch, if it speaks another protocol than the expected one; `secure`: TLS was spoken already.
pub(crate) async fn note(
    step: &mut Found,
    address: SocketAddr,
    expected: Protocol,
    secure: bool,
    network: &AgentNetwork,
    clock: &Clock,
) {
    let mut questions: Vec<Vec<u8>> = QUESTIONS.iter().map(|words| words.to_vec()).collect();
    // Many TLS servers send nothing at all to a client that does not speak it.
    questions.extend((!secure).then(tls::hello).flatten());
    for question in questions {
        let Ok(stream) = network.connect(address, clock).await else {
            return;
        };
        let mut peer = PeerStream::new(Box::new(stream), "an answer", *clock);
        let end = clock.phase(THINK);
        if peer.send(&question, end).await.is_err() {
            continue;
        }
        // Silence and closing say nothing about who it is.
        let _ = peer.first(end).await;
        let Some(name) = seen::protocol(peer.head()) else {
            continue;
        };
        // It broke off once, and now it speaks as it should: the next try shows which.
        if name == expected.to_string() {
            return;
        }
        step.detail = format!(
            "{name} answers there; in the expected protocol: {}",
            step.detail
        );
        step.error = Some(StepError::Mismatch);
        step.facts
            .insert("seen_protocol".to_owned(), name.to_owned());
        return;
    }
}
