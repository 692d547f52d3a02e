//! Peers that want to harm: each costs its own edge only, in little time, and the other edges still pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::servers::{Server, mysql_greeting, serve};
use super::{Outcome, edge, edges, login};
use crate::probe::wire::{EdgeTask, StepError, StepName, StepStatus};
use crate::protocol::Protocol;

/// What a peer says: at once, then after each thing that it is sent, and then without end.
#[derive(Clone, Default)]
struct Script {
    greeting: Vec<u8>,
    answers: Vec<Vec<u8>>,
    flood: Vec<u8>,
    pause: Duration,
    /// It ends the connection when it has said all.
    hangs_up: bool,
}

async fn play(mut stream: TcpStream, script: Script) -> std::io::Result<()> {
    let mut received = vec![0; 4096];
    stream.write_all(&script.greeting).await?;
    for answer in &script.answers {
        if stream.read(&mut received).await? == 0 {
            return Ok(());
        }
        stream.write_all(answer).await?;
    }
    if script.hangs_up {
        let _ = stream.read(&mut received).await?;
        return Ok(());
    }
    if script.flood.is_empty() {
        while stream.read(&mut received).await? > 0 {}
        return Ok(());
    }
    if script.greeting.is_empty() && script.answers.is_empty() {
        let _ = stream.read(&mut received).await?;
    }
    loop {
        stream.write_all(&script.flood).await?;
        tokio::time::sleep(script.pause).await;
    }
}

async fn listen(script: Script) -> u16 {
    counted(script).await.0
}

/// The port, and how many connections were taken.
async fn counted(script: Script) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let taken = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            taken.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(play(stream, script.clone()));
        }
    });
    (port, count)
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], payload].concat()
}

/// A MySQL server that lets everybody in, and answers the first query so.
fn mysql(answer: Vec<u8>, flood: Vec<u8>) -> Script {
    Script {
        greeting: mysql_greeting("8.0.36"),
        answers: vec![packet(2, b"\0\0\0\x02\0\0\0"), answer],
        flood,
        ..Script::default()
    }
}

/// A PostgreSQL server without TLS that says this to the startup message.
fn postgres(answers: &[&[u8]], flood: Vec<u8>) -> Script {
    let mut all = vec![b"N".to_vec()];
    all.extend(answers.iter().map(|answer| answer.to_vec()));
    Script {
        answers: all,
        flood,
        ..Script::default()
    }
}

const COLUMN: &[u8] = b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0";
const LET_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

type Case = (&'static str, Protocol, Script);

fn mysql_scripts() -> Vec<Case> {
    let columns = [
        packet(1, b"\x01"),
        packet(2, COLUMN),
        packet(3, b"\xfe\0\0\x02\0"),
    ]
    .concat();
    let value = [b"\xfd\x60\xea\0".to_vec(), vec![b'A'; 60_000]].concat();
    let rows: Vec<u8> = (4..28).flat_map(|number| packet(number, &value)).collect();
    let end = packet(4, b"\xfe\0\0\x02\0");
    let huge = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f";
    let many = b"\xfe\0\0\0\0\0\x20\0\0";
    let mut long = mysql_greeting("8.0.36");
    let at = long
        .windows(9)
        .position(|seen| seen == b"\x15\0\0\0\0\0\0\0\0")
        .unwrap();
    long[at] = 0x80;
    let long = Script {
        greeting: long,
        ..Script::default()
    };
    let empty = [columns.clone(), packet(4, b"")].concat();
    [
        ("my columns", mysql(packet(1, huge), Vec::new())),
        ("my memory", mysql(packet(1, many), Vec::new())),
        ("my empty row", mysql(empty, Vec::new())),
        ("my challenge", long),
        ("my rows", mysql(columns.clone(), rows)),
        (
            "my packet",
            mysql(b"\xff\xff\xff\x01".to_vec(), vec![b'A'; 65536]),
        ),
        ("my none", mysql([columns, end].concat(), Vec::new())),
    ]
    .map(|(name, script)| (name, Protocol::Mysql, script))
    .into()
}

fn postgres_scripts() -> Vec<Case> {
    let described = message(
        b'T',
        b"\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0",
    );
    let value = [b"\0\x01\0\0\xea\x60".to_vec(), vec![b'A'; 60_000]].concat();
    let setting = [b"k\0".to_vec(), vec![b'v'; 50_000], vec![0]].concat();
    let nothing = [
        described.clone(),
        message(b'C', b"SELECT 0\0"),
        message(b'Z', b"I"),
    ]
    .concat();
    [
        (
            "pg length",
            postgres(&[b"R\x7f\xff\xff\xff\0\0\0\x03"], vec![b'A'; 65536]),
        ),
        (
            "pg settings",
            postgres(&[b"R\0\0\0\x08\0\0\0\0"], message(b'S', &setting)),
        ),
        (
            "pg rows",
            postgres(&[LET_IN, &described], message(b'D', &value)),
        ),
        ("pg none", postgres(&[LET_IN, &nothing], Vec::new())),
    ]
    .map(|(name, script)| (name, Protocol::Postgres, script))
    .into()
}

fn scripts() -> Vec<Case> {
    let flood = |greeting: &[u8], answers: &[&[u8]], flood: Vec<u8>| Script {
        greeting: greeting.to_vec(),
        answers: answers.iter().map(|answer| answer.to_vec()).collect(),
        flood,
        ..Script::default()
    };
    let slow = Script {
        greeting: b"220-".to_vec(),
        flood: b"hello\r\n220-".to_vec(),
        pause: Duration::from_millis(500),
        ..Script::default()
    };
    let informational = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    let record = [
        b"\x16\x03\x03\x40\0\x0b\xff\xff\xff".to_vec(),
        vec![b'A'; 16380],
    ]
    .concat();
    let greeting = b"220-hello\r\n".repeat(1000);
    let ehlo = b"250-x\r\n".repeat(1000);
    let heartbeats = b"\x08\0\0\0\0\0\0\xce".repeat(5000);
    let mut all = mysql_scripts();
    all.extend(postgres_scripts());
    all.extend([
        ("http 1xx", Protocol::Http, flood(b"", &[], informational)),
        (
            "smtp greeting",
            Protocol::Smtp,
            flood(b"220-a\r\n", &[], greeting),
        ),
        ("smtp drip", Protocol::Smtp, slow),
        (
            "smtp ehlo",
            Protocol::Smtp,
            flood(b"220 hi\r\n", &[b"250-a\r\n"], ehlo),
        ),
        ("amqp", Protocol::Amqp, flood(b"", &[], heartbeats)),
        ("tls", Protocol::Https, flood(b"", &[], record)),
        (
            "redis",
            Protocol::Redis,
            flood(b"", &[b"$900000\r\n"], b"a\r\n".to_vec()),
        ),
    ]);
    all
}

async fn walk() -> (Vec<(&'static str, Protocol)>, Outcome, Duration) {
    let mut tasks: Vec<EdgeTask> = Vec::new();
    let mut names = Vec::new();
    let mut environment: Vec<(String, String)> = Vec::new();
    for (name, protocol, script) in scripts() {
        let port = listen(script).await;
        let mut task = edge(name, port, protocol);
        if matches!(protocol, Protocol::Mysql | Protocol::Postgres) {
            let variable = format!("URL_{port}");
            let url = format!("{protocol}://app:pw-of-the-test@127.0.0.1:{port}/app");
            task.login = Some(login(&variable));
            environment.push((variable, url));
        }
        tasks.push(task);
        names.push((name, protocol));
    }
    let well = serve(Server::Redis { password: None }).await;
    tasks.push(edge("well", well, Protocol::Redis));
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let begun = Instant::now();
    let outcome = edges(tasks, &environment).await;
    (names, outcome, begun.elapsed())
}

#[tokio::test]
async fn a_hostile_peer_costs_its_own_edge_only() {
    let (names, outcome, took) = walk().await;
    assert!(took < Duration::from_secs(18), "{took:?}");
    assert!(!outcome.cut_short, "{}", outcome.text);
    let well = outcome.step("well", StepName::Query);
    assert_eq!(well.status, StepStatus::Pass, "{well:?}");
    for (name, protocol) in names {
        let broken = outcome
            .steps
            .iter()
            .find(|step| step.task == name && step.status == StepStatus::Fail)
            .unwrap_or_else(|| panic!("{name} passes in\n{}", outcome.text));
        assert!(
            broken.name > StepName::Service,
            "the connection of {name} stood: {broken:?}"
        );
        // "should speak smtp, but speaks smtp" helps no one.
        let itself = broken.error == Some(StepError::Mismatch)
            && broken.facts.get("seen_protocol") == Some(&protocol.to_string());
        assert!(!itself, "{broken:?}");
    }
    let said = |task: &str, name: StepName| outcome.step(task, name).detail.clone();
    assert!(said("my columns", StepName::Query).contains("more columns"));
    assert!(said("my memory", StepName::Query).contains("more columns"));
    assert!(said("my empty row", StepName::Query).contains("nothing in it"));
    assert!(said("my rows", StepName::Query).contains("more than 1 MiB"));
    assert!(said("my packet", StepName::Query).contains("16777215 bytes"));
    assert!(said("my none", StepName::Query).contains("without a row"));
    assert!(said("pg none", StepName::Query).contains("without a row"));
    assert!(said("pg rows", StepName::Query).contains("more than 1 MiB"));
    assert!(said("pg settings", StepName::Login).contains("more than 1 MiB"));
    assert!(said("http 1xx", StepName::Protocol).contains("more than 1 MiB"));
    assert!(said("smtp greeting", StepName::Protocol).contains("no end"));
    assert!(!outcome.text.contains("pw-of-the-test"));
}

/// Servers that answer the login and then fail, and one that breaks off within it: how often each was logged in to.
async fn logins(protocol: Protocol, script: Script) -> (usize, Outcome) {
    logins_as("app:pw-of-the-test", protocol, script).await
}

async fn logins_as(account: &str, protocol: Protocol, script: Script) -> (usize, Outcome) {
    let (port, count) = counted(script).await;
    let mut task = edge("edge", port, protocol);
    task.login = Some(login("URL"));
    // As where policies of a new Pod may take seconds.
    task.retry_until_ms = 8_000;
    let url = format!("{protocol}://{account}@127.0.0.1:{port}/app");
    let outcome = edges(vec![task], &[("URL", &url)]).await;
    (count.load(Ordering::Relaxed), outcome)
}

#[tokio::test]
async fn a_login_that_was_answered_is_not_sent_again() {
    let hangs_up = |script: Script| Script {
        hangs_up: true,
        ..script
    };
    let redis = |replies: &[&[u8]]| Script {
        answers: replies.iter().map(|reply| reply.to_vec()).collect(),
        hangs_up: true,
        ..Script::default()
    };
    let cases = [
        (
            "mysql",
            Protocol::Mysql,
            hangs_up(mysql(packet(1, b"\x01"), Vec::new())),
        ),
        (
            "postgres",
            Protocol::Postgres,
            hangs_up(postgres(&[LET_IN], Vec::new())),
        ),
        (
            "redis",
            Protocol::Redis,
            redis(&[b"-NOAUTH x\r\n", b"+OK\r\n", b"+PONG\r\n"]),
        ),
        (
            "redis that loads",
            Protocol::Redis,
            redis(&[
                b"-NOAUTH x\r\n",
                b"+OK\r\n",
                b"-LOADING x\r\n",
                b"-LOADING x\r\n",
                b"+PONG\r\n",
            ]),
        ),
    ];
    for (name, protocol, script) in cases {
        let (count, outcome) = logins(protocol, script).await;
        let text = &outcome.text;
        assert_eq!(
            outcome.step("edge", StepName::Login).status,
            StepStatus::Pass,
            "{name}: {text}"
        );
        assert_eq!(
            outcome.step("edge", StepName::Query).status,
            StepStatus::Fail,
            "{name}: {text}"
        );
        assert_eq!(count, 1, "{name}: {text}");
    }
    // The server says no word on it: once more, and not until the window ends.
    let (count, outcome) = logins(Protocol::Postgres, hangs_up(postgres(&[], Vec::new()))).await;
    let login = outcome.step("edge", StepName::Login);
    assert_eq!(
        (login.status, count),
        (StepStatus::Fail, 2),
        "{}",
        outcome.text
    );
}

#[tokio::test]
async fn a_password_that_the_client_does_not_have_is_a_login_denied() {
    for asks in [
        b"R\0\0\0\x08\0\0\0\x03",
        b"R\0\0\0\x0c\0\0\0\x05abcd".as_slice(),
    ] {
        let (_, outcome) =
            logins_as("app", Protocol::Postgres, postgres(&[asks], Vec::new())).await;
        let denied = Some(StepError::LoginDenied);
        assert_eq!(
            outcome.error("edge", StepName::Login),
            denied,
            "{}",
            outcome.text
        );
    }
}
