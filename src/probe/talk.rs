//! Speaks the edge's protocol over a connection that is open: one file per protocol, the same questions for all. IO: that connection.

use std::time::Duration;

use crate::probe::ask::Ask;
use crate::probe::found::{Failure, Found};
use crate::probe::link::PeerLink;
use crate::probe::wire::{StepError, StepName, StepStatus};
use crate::probe::{
    amqp, cassandra, grpc, http, kafka, lines, mongodb, mqtt, mysql, postgres, redis,
};
use crate::protocol::Protocol;

/// Speaks the edge's protocol; every step that was reached, in order.
pub(crate) async fn talk(stream: PeerLink, ask: &Ask<'_>) -> Vec<Found> {
    let mut steps = speak(stream, ask).await;
    if ask.certificate_asked.get().is_some()
        && let Some(last) = steps.last_mut()
        && is_for_want_of_certificate(last)
    {
        *last = Found::skipped(
            last.name,
            "the server asks for a client certificate, which only the client itself has",
        )
        .asked(std::mem::take(&mut last.target));
    }
    steps
}

/// Whether a server that asked for a certificate turned its peer away for having none: it ends the connection, or says so in its own words
/// (nginx by a status of HTTP).
fn is_for_want_of_certificate(step: &Found) -> bool {
    let is_ended = matches!(
        step.error,
        Some(StepError::Reset | StepError::Closed | StepError::Broken | StepError::TlsFailed)
    );
    let says_so = step.detail.contains("client certificate")
        || step
            .facts
            .get("http_status")
            .is_some_and(|status| status == "400");
    step.status == StepStatus::Fail && (is_ended || says_so)
}

async fn speak(stream: PeerLink, ask: &Ask<'_>) -> Vec<Found> {
    let mut said = Vec::new();
    let steps = &mut said;
    // Each on the heap: a connection needs no more memory than its own protocol takes.
    let ended = match ask.task.protocol {
        Protocol::Mysql => return Box::pin(mysql::talk(stream, ask)).await,
        Protocol::Http | Protocol::Https => return Box::pin(http::talk(stream, ask)).await,
        Protocol::Postgres => return Box::pin(postgres::talk(stream, ask)).await,
        Protocol::Redis => Box::pin(redis::talk(stream, ask, steps)).await,
        Protocol::Grpc => Box::pin(grpc::talk(stream, ask, steps)).await,
        Protocol::Mongodb => Box::pin(mongodb::talk(stream, ask, steps)).await,
        Protocol::Amqp => Box::pin(amqp::talk(stream, ask, steps)).await,
        Protocol::Kafka => Box::pin(kafka::talk(stream, ask, steps)).await,
        Protocol::Mqtt => Box::pin(mqtt::talk(stream, ask, steps)).await,
        Protocol::Memcached | Protocol::Smtp | Protocol::Nats | Protocol::Zookeeper => {
            Box::pin(lines::talk(stream, ask, steps)).await
        }
        Protocol::Cassandra | Protocol::Mssql | Protocol::Ldap => {
            Box::pin(cassandra::talk(stream, ask, steps)).await
        }
        Protocol::Tcp | Protocol::Udp | Protocol::Fastcgi => quiet(stream, ask, steps).await,
    };
    said.extend(ended.err().map(|step| *step));
    said
}

/// A connection about whose content nothing is known: it may say something, and that is shown.
async fn quiet(stream: PeerLink, ask: &Ask<'_>, steps: &mut Vec<Found>) -> Result<(), Box<Found>> {
    let mut peer = ask.peer(stream, "an answer", steps).await?;
    // Most of these never say a word: no other edge waits for that.
    let _rest = ask.turn.rest();
    let end = ask.clock.phase(Duration::from_millis(300));
    let step = match peer.first(end).await {
        Ok(bytes) => {
            Found::pass(StepName::Protocol, "").fact("banner", crate::probe::seen::excerpt(bytes))
        }
        Err(failure) if is_closing(&failure) => Found::fail(StepName::Protocol, failure),
        Err(_) => Found::skipped(
            StepName::Protocol,
            "nothing is known of what is spoken here, so a connection is all that can be proven",
        ),
    };
    steps.push(step);
    Ok(())
}

/// Whether a peer took the connection only to drop it.
const fn is_closing(failure: &Failure) -> bool {
    use crate::probe::wire::StepError::{Broken, Closed, Reset};
    matches!(failure.error, Closed | Reset | Broken)
}
