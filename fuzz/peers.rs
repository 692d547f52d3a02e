//! What the fuzz targets of peers and of the API's answers do with their input: servers on loopback that say any bytes, and the agent that
//! asks them; used by the targets of cargo-fuzz and, on stable, by `tests/fuzz_targets.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{set_hook, take_hook};
use std::path::Path;
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use k8sverify::compose::Files;
use k8sverify::observe::{self, Scope};
use k8sverify::probe::wire::VERSION;
use k8sverify::probe::{run, spec};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// What no output may hold.
const SECRET: &str = "secret-of-the-test";
/// How long the agent may take for one input.
const DEADLINE: Duration = Duration::from_millis(2500);

/// What a server says: the first part at once if it greets, each other one after something that is sent to it; then it hangs up.
#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    /// The protocol that the agent speaks.
    pub(crate) protocol: &'static str,
    /// Whether the server speaks first.
    pub(crate) greets: bool,
    /// What it says.
    pub(crate) parts: Vec<Vec<u8>>,
}

/// Panics in the project's own code: those of a driver are caught, and cost one edge; an own one is a bug.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let Some(place) = panic.location() else {
                return;
            };
            let file = place.file();
            if file.contains("src/probe") && !file.contains("registry") {
                PANICS.lock().unwrap().push(format!("{panic}"));
            } else if !file.contains("registry") {
                before(panic);
            }
        }));
    });
}

async fn play(mut stream: TcpStream, said: Conversation) -> std::io::Result<()> {
    let mut heard = vec![0; 65536];
    for (index, part) in said.parts.iter().enumerate() {
        if !(said.greets && index == 0) && stream.read(&mut heard).await? == 0 {
            return Ok(());
        }
        stream.write_all(part).await?;
    }
    // What was not read would reset the connection, and take along what was said.
    tokio::time::timeout(Duration::from_millis(50), stream.read(&mut heard))
        .await
        .unwrap_or(Ok(0))?;
    Ok(())
}

async fn listen(said: Conversation) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(play(stream, said.clone()));
        }
    });
    port
}

fn edge(index: usize, said: &Conversation, port: u16) -> Value {
    let login = json!({"kind": "url", "variable": format!("URL_{index}")});
    json!({
        "id": format!("e{index}"), "host": "127.0.0.1", "port": port, "protocol": said.protocol, "endpoints": [],
        "skip_endpoints": null, "http": null, "tls": null, "login": login, "no_login_reason": "",
        "retry_not_found_ms": 0, "retry_until_ms": 0, "recheck_pass": false, "mesh": false, "replica": false,
        "query": null, "forbidden": false
    })
}

async fn ask(all: &[Conversation]) -> String {
    let mut edges = Vec::new();
    let mut environment = BTreeMap::new();
    for (index, said) in all.iter().enumerate() {
        let port = listen(said.clone()).await;
        edges.push(edge(index, said, port));
        let url = format!("{}://app:{SECRET}@127.0.0.1:{port}/db", said.protocol);
        environment.insert(format!("URL_{index}"), url);
    }
    agent(json!({"names": [], "edges": edges}), environment).await
}

/// What the agent says to a spec of these tasks.
async fn agent(mut text: Value, environment: BTreeMap<String, String>) -> String {
    let deadline = u64::try_from(DEADLINE.as_millis()).unwrap();
    text["version"] = json!(VERSION);
    text["run"] = json!("fuzz");
    text["deadline_ms"] = json!(deadline);
    let own = BTreeMap::from([("K8SVERIFY_SPEC_0".to_owned(), text.to_string())]);
    let mut out = Vec::new();
    let (_, stop) = tokio::sync::watch::channel(false);
    run(spec(&own).unwrap(), environment, &mut out, stop)
        .await
        .unwrap();
    String::from_utf8(out).unwrap()
}

/// Servers that say any bytes: the agent ends in time, has a word on each edge, and shows no password.
pub(crate) fn peers(all: &[Conversation]) {
    check(ask(all), all.len());
}

/// What a name server says: any bytes, as they are or behind the header and the question that make them an answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// Whether header and question go before.
    pub(crate) fits: bool,
    /// Flags, and the counts of answers, authorities and additional records.
    pub(crate) header: [u8; 8],
    /// The rest.
    pub(crate) records: Vec<u8>,
}

impl Reply {
    /// The answer to a question, whose own counts stay.
    fn to(&self, question: &[u8]) -> Vec<u8> {
        if !self.fits {
            return self.records.clone();
        }
        let (flags, counts) = self.header.split_at(2);
        [
            question.get(..2).unwrap_or_default(),
            flags,
            &[0, 1],
            counts,
            question.get(12..).unwrap_or_default(),
            &self.records,
        ]
        .concat()
    }
}

/// Answers by datagram and by stream; the first label of the name, `n7`, says with which reply.
async fn name_server(all: Vec<Reply>) -> String {
    let datagrams = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = datagrams.local_addr().unwrap();
    let streams = TcpListener::bind(address).await.unwrap();
    let pick = move |question: &[u8]| -> Vec<u8> {
        let length = question.get(12).copied().map_or(0, usize::from);
        let label = question.get(14..13 + length).unwrap_or_default();
        let index = String::from_utf8_lossy(label).parse::<usize>();
        index
            .ok()
            .and_then(|index| all.get(index))
            .map(|reply| reply.to(question))
            .unwrap_or_default()
    };
    let by_stream = pick.clone();
    tokio::spawn(async move {
        let mut heard = vec![0; 4096];
        while let Ok((length, client)) = datagrams.recv_from(&mut heard).await {
            let mut said = pick(&heard[..length]);
            said.truncate(1400);
            let _ = datagrams.send_to(&said, client).await;
        }
    });
    tokio::spawn(async move {
        let mut heard = vec![0; 4096];
        while let Ok((mut stream, _)) = streams.accept().await {
            let length = stream.read(&mut heard).await.unwrap_or(0);
            let said = by_stream(heard.get(2..length).unwrap_or_default());
            let size = u16::try_from(said.len()).unwrap_or(u16::MAX);
            let _ = stream.write_all(&size.to_be_bytes()).await;
            let _ = stream.write_all(&said).await;
        }
    });
    address.to_string()
}

async fn resolve(all: &[Reply]) -> String {
    let server = name_server(all.to_vec()).await;
    let names: Vec<Value> = (0..all.len())
        .map(|index| json!({"id": format!("n{index}"), "name": format!("n{index}.test."), "retry_not_found_ms": 0}))
        .collect();
    agent(
        json!({"names": names, "edges": [], "network": {"nameserver": server}}),
        BTreeMap::new(),
    )
    .await
}

/// A name server that says any bytes: the same of each name.
pub(crate) fn dns(all: &[Reply]) {
    check(resolve(all), all.len());
}

fn check(log: impl Future<Output = String>, tasks: usize) {
    watch_panics();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let begun = Instant::now();
    let log = runtime.block_on(log);
    let took = begun.elapsed();
    assert!(took < DEADLINE + Duration::from_secs(2), "{took:?}");
    assert!(!log.contains(SECRET), "the password stands in\n{log}");
    let records: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records.last().unwrap()["record"], "end", "{log}");
    let steps: BTreeSet<&str> = records
        .iter()
        .filter(|record| record["record"] == "step")
        .filter_map(|record| record["task"].as_str())
        .collect();
    assert_eq!(steps.len(), tasks, "each edge has its steps:\n{log}");
    for record in &records {
        let detail = record["detail"].as_str().unwrap_or_default();
        assert!(detail.len() < 8192, "{detail}");
        assert!(!detail.chars().any(char::is_control), "{detail:?}");
    }
    let own = std::mem::take(&mut *PANICS.lock().unwrap());
    assert!(own.is_empty(), "{own:?}");
}

/// One file of objects.
struct Objects<'a>(&'a str);

impl Files for Objects<'_> {
    fn read(&self, _: &Path) -> io::Result<String> {
        Ok(self.0.to_owned())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotADirectory.into())
    }

    fn exists(&self, _: &Path) -> bool {
        true
    }
}

/// Any text as objects of a cluster: a snapshot that can be judged and searched, or an error in words.
pub(crate) fn api(text: &str) {
    let snapshot = match observe::from_manifests(&Objects(text), &["/a.yaml".into()], Some("shop"))
    {
        Ok(offline) => offline.snapshot,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let _ = observe::judge(&snapshot, jiff::Timestamp::UNIX_EPOCH, &Scope::default());
    let _ = observe::referenced(&snapshot);
    let _ = observe::dns_services(&snapshot);
    for workload in snapshot.workloads("shop") {
        let _ = snapshot.template(&workload);
        let _ = snapshot.pods_of(&workload);
    }
}
