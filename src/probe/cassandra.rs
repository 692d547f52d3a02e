//! Binary protocols of which one question and the shape of its answer are enough: Cassandra, SQL Server, LDAP. IO: the connection.

use tokio::time::Instant;

use crate::probe::ask::{ANSWER, Ask};
use crate::probe::found::Found;
use crate::probe::link::PeerLink;
use crate::probe::wire::StepName;
use crate::protocol::Protocol;

/// A question, and whether the first bytes of an answer are of that protocol.
struct Hello {
    expected: &'static str,
    asked: &'static str,
    question: &'static [u8],
    length: usize,
    answers: fn(&[u8]) -> bool,
}

/// Cassandra: OPTIONS of protocol version 4; any frame of a response will do.
const CASSANDRA: Hello = Hello {
    expected: "a Cassandra server",
    asked: "OPTIONS",
    question: b"\x04\x00\x00\x00\x05\x00\x00\x00\x00",
    length: 9,
    answers: |head| (0x81..=0x85).contains(&head[0]) && matches!(head[4], 0x00 | 0x06),
};

/// SQL Server: PRELOGIN with a version and no encryption asked for.
const MSSQL: Hello = Hello {
    expected: "a SQL Server",
    asked: "PRELOGIN",
    question: b"\x12\x01\x00\x1a\x00\x00\x01\x00\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\
        \x10\x00\x00\x00\x00\x00\x02",
    length: 8,
    answers: |head| head[0] == 0x04 && head[1] <= 0x01,
};

/// LDAP: an anonymous bind, to which every server has an answer.
const LDAP: Hello = Hello {
    expected: "an LDAP server",
    asked: "bind",
    question: b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00",
    length: 6,
    answers: |head| head[0] == 0x30 && head.windows(4).any(|four| four == [0x02, 0x01, 0x01, 0x61]),
};

/// Asks, and looks at the shape of the answer.
pub(crate) async fn talk(
    stream: PeerLink,
    ask: &Ask<'_>,
    steps: &mut Vec<Found>,
) -> Result<(), Box<Found>> {
    let hello = match ask.task.protocol {
        Protocol::Cassandra => CASSANDRA,
        Protocol::Mssql => MSSQL,
        _ => LDAP,
    };
    let mut peer = ask.peer(stream, hello.expected, steps).await?;
    let begun = Instant::now();
    let end = ask.clock.phase(ANSWER);
    let answer = match peer.send(hello.question, end).await {
        Ok(()) => peer.exact(hello.length, end).await,
        Err(failure) => Err(failure),
    };
    let said = answer.and_then(|head| {
        let answers = (hello.answers)(&head);
        answers.then_some(()).ok_or_else(|| peer.mismatch())
    });
    said.map_err(|failure| failure.ends(StepName::Protocol, hello.asked, begun))?;
    let step = Found::pass(StepName::Protocol, "");
    steps.push(step.asked(hello.asked).since(begun));
    steps.push(Found::skipped(
        StepName::Login,
        "this protocol's login is not tried",
    ));
    Ok(())
}
