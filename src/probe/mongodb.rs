//! MongoDB: `hello`, SCRAM-SHA-256 login, and the primary of its replica set. IO: connections.

mod bson;
mod scram;

use tokio::time::Instant;

use crate::address::trust::is_direct;
use crate::probe::ask::{ANSWER, Ask};
use crate::probe::found::{Failure, Found};
use crate::probe::link::PeerLink;
use crate::probe::login::Account;
use crate::probe::mongodb::bson::{Document, Value};
use crate::probe::peer::{MESSAGE, PeerStream};
use crate::probe::wire::{StepError, StepName};

/// The code of `OP_MSG`.
const OP_MSG: i32 = 2013;

/// `hello`, the login, and where the primary is.
pub(crate) async fn talk(
    stream: PeerLink,
    ask: &Ask<'_>,
    steps: &mut Vec<Found>,
) -> Result<(), Box<Found>> {
    let mut peer = ask.peer(stream, "a MongoDB server", steps).await?;
    let begun = Instant::now();
    let hello = Document::default().with("hello", Value::Number(1));
    let hello = command(&mut peer, ask, hello, "admin").await;
    let hello = hello.map_err(|failure| failure.ends(StepName::Protocol, "hello", begun))?;
    let step = Found::pass(StepName::Protocol, "");
    steps.push(step.asked("hello").since(begun));
    if let Some(account) = ask
        .login()
        .account()
        .filter(|account| account.credentials.user.is_some())
    {
        let begun = Instant::now();
        let asked = format!("as {}", account.source);
        let step = match log_in(&mut peer, ask, account).await {
            Ok(()) => Found::pass(StepName::Login, ""),
            Err(failure) if failure.error == StepError::Unavailable => {
                Found::skipped(StepName::Login, failure.detail)
            }
            Err(failure) => return Err(failure.ends(StepName::Login, &asked, begun).into()),
        };
        steps.push(step.asked(asked).since(begun));
    } else {
        steps.extend(ask.no_login());
    }
    let begun = Instant::now();
    steps.push(state(ask, &hello).await.asked("hello").since(begun));
    Ok(())
}

/// Whether writes can reach the primary.
async fn state(ask: &Ask<'_>, hello: &Document) -> Found {
    let Some(set) = hello.text("setName") else {
        return Found::pass(StepName::Query, "");
    };
    let writable = hello.truth("isWritablePrimary") || hello.truth("ismaster");
    let direct = ask
        .login()
        .account()
        .is_some_and(|account| is_direct(&account.parameters));
    let step = match hello.text("primary") {
        Some(_) if direct => Found::pass(StepName::Query, ""),
        Some(primary) => {
            let (host, port) = primary.rsplit_once(':').unwrap_or((primary, "27017"));
            match ask.advertised(host, port.parse().unwrap_or(27017)).await {
                Ok(()) => Found::pass(StepName::Query, ""),
                Err(failure) => Found::fail(StepName::Query, failure),
            }
        }
        None if writable || ask.task.replica => Found::pass(StepName::Query, ""),
        None => Found::failed(
            StepName::Query,
            StepError::ReadOnly,
            format!("the replica set {set} has no primary: every write is refused"),
        ),
    };
    step.fact("replica_set", set)
}

/// Logs in with the database that knows the user: the URL's `authSource`, else `admin`, else the client's own database.
async fn log_in(peer: &mut PeerStream, ask: &Ask<'_>, account: &Account) -> Result<(), Failure> {
    let own = account
        .credentials
        .database
        .as_deref()
        .filter(|name| !name.is_empty());
    let sources: Vec<&str> = match account.auth_source.as_deref() {
        Some(source) => vec![source],
        None => ["admin"]
            .into_iter()
            .chain(own.filter(|name| *name != "admin"))
            .collect(),
    };
    let mut outcome = Ok(());
    for source in sources {
        outcome = scram(peer, ask, account, source).await;
        match &outcome {
            Err(failure) if failure.error == StepError::LoginDenied => {}
            _ => return outcome,
        }
    }
    outcome
}

/// The exchange of SCRAM-SHA-256.
async fn scram(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    account: &Account,
    source: &str,
) -> Result<(), Failure> {
    let user = account.credentials.user.as_deref().unwrap_or_default();
    let password = account.credentials.password.as_deref().unwrap_or_default();
    let client = scram::Client::new(user, password)?;
    let start = Document::default()
        .with("saslStart", Value::Number(1))
        .with("mechanism", Value::Text("SCRAM-SHA-256".to_owned()))
        .with("payload", Value::Bytes(client.first().into_bytes()));
    let answer = accepted(&command(peer, ask, start, source).await?)?;
    let last = client.last(&answer.payload).ok_or_else(|| {
        Failure::new(
            StepError::Broken,
            "the server's challenge is not one of SCRAM-SHA-256",
        )
    })?;
    let next = |payload: Vec<u8>| {
        Document::default()
            .with("saslContinue", Value::Number(1))
            .with("conversationId", Value::Number(answer.conversation))
            .with("payload", Value::Bytes(payload))
    };
    let mut answer = accepted(&command(peer, ask, next(last.into_bytes()), source).await?)?;
    // Some servers want one more, empty, message.
    for _ in 0..2 {
        if answer.done {
            return Ok(());
        }
        answer = accepted(&command(peer, ask, next(Vec::new()), source).await?)?;
    }
    Ok(())
}

/// One answer of a login.
struct Accepted {
    conversation: i32,
    payload: Vec<u8>,
    done: bool,
}

fn accepted(answer: &Document) -> Result<Accepted, Failure> {
    if answer.number("ok") == Some(1) {
        return Ok(Accepted {
            conversation: answer.number("conversationId").unwrap_or(1),
            payload: answer.bytes("payload").unwrap_or_default().to_vec(),
            done: answer.truth("done"),
        });
    }
    let code = answer.number("code").unwrap_or(0);
    let message = answer.text("errmsg").unwrap_or("no reason given");
    let error = match code {
        // MechanismUnavailable: a user of another kind, about whose password nothing can be said.
        334 => StepError::Unavailable,
        _ => StepError::LoginDenied,
    };
    Err(Failure::new(error, message).fact("code", code.to_string()))
}

/// One command and its answer.
async fn command(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    document: Document,
    database: &str,
) -> Result<Document, Failure> {
    let end = ask.clock.phase(ANSWER);
    let body = document
        .with("$db", Value::Text(database.to_owned()))
        .encode();
    let length = i32::try_from(21 + body.len()).unwrap_or(0);
    let message = [
        &length.to_le_bytes()[..],
        &1_i32.to_le_bytes(),
        &0_i32.to_le_bytes(),
        &OP_MSG.to_le_bytes(),
        &[0, 0, 0, 0, 0],
        &body,
    ]
    .concat();
    peer.send(&message, end).await?;
    let header = peer.exact(16, end).await?;
    let number = |at: usize| {
        i32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let length = usize::try_from(number(0)).unwrap_or(0);
    if number(12) != OP_MSG || !(26..=MESSAGE).contains(&length) {
        return Err(peer.mismatch());
    }
    let body = peer.exact(length - 16, end).await?;
    // Four bytes of flags and the kind of the section stand before the document.
    Document::decode(&body[5..]).ok_or_else(|| peer.mismatch())
}
