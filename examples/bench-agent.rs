//! How long the agent takes for many targets on loopback, and how much memory: silent ones, ones that greet, and none at all (its start);
//! and wait4x for the same targets in the same minute, where it is installed (Debian has a package of it).
//!
//! `cargo build --release && cargo run --release --example bench-agent -- target/release/k8sverify [TARGETS]`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints its figures and ends with the first surprise"
)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// How often each measurement is repeated; the median counts.
const ROUNDS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments
        .next()
        .unwrap_or_else(|| "target/release/k8sverify".to_owned());
    let targets: usize = arguments
        .next()
        .map_or(1000, |number| number.parse().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let silent = runtime.block_on(listen(targets, b""));
    let greeting = runtime.block_on(listen(targets, b"220 hello\r\n"));
    println!("| what | median | slowest | peak memory |\n|---|---|---|---|");
    let kinds = [
        ("start, nothing to do", &[][..]),
        ("silent targets", &silent),
        ("targets that greet", &greeting),
    ];
    for (name, ports) in kinds {
        show(name, ports, || run(&binary, ports));
    }
    if Command::new("wait4x").arg("version").output().is_err() {
        println!("\nwait4x is not installed: not compared");
        return;
    }
    for (name, ports) in &kinds[1..] {
        show(&format!("{name}, wait4x"), ports, || wait4x(ports));
    }
}

/// Measures several times, and prints a row.
fn show(name: &str, ports: &[u16], measure: impl Fn() -> (Duration, String)) {
    let mut runs: Vec<(Duration, String)> = (0..ROUNDS).map(|_| measure()).collect();
    runs.sort();
    let (median, memory) = &runs[ROUNDS / 2];
    let slowest = runs[ROUNDS - 1].0;
    println!(
        "| {} {name} | {:.0} ms | {:.0} ms | {memory} |",
        ports.len(),
        median.as_secs_f64() * 1000.0,
        slowest.as_secs_f64() * 1000.0
    );
}

/// One run of wait4x: its time, and its peak memory.
fn wait4x(ports: &[u16]) -> (Duration, String) {
    let begun = Instant::now();
    let output = Command::new("/usr/bin/time")
        .args(["-f", "%M", "wait4x", "tcp", "--quiet"])
        .args(ports.iter().map(|port| format!("127.0.0.1:{port}")))
        .output()
        .unwrap();
    let took = begun.elapsed();
    assert!(output.status.success(), "{output:?}");
    (took, megabytes(&output.stderr))
}

/// What `time` says of memory.
fn megabytes(said: &[u8]) -> String {
    let kilobytes = String::from_utf8_lossy(said);
    let kilobytes: f64 = kilobytes.trim().parse().unwrap_or(0.0);
    format!("{:.1} MB", kilobytes / 1024.0)
}

/// Ports of servers that say this and nothing more.
async fn listen(count: usize, greeting: &'static [u8]) -> Vec<u16> {
    let mut ports = Vec::new();
    for _ in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        ports.push(listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // The agent may be gone by now.
                    let _ = stream.write_all(greeting).await;
                    tokio::time::sleep(Duration::from_secs(5)).await;
                });
            }
        });
    }
    ports
}

/// One run of the agent: its time, and its peak memory where the system reports it.
fn run(binary: &str, ports: &[u16]) -> (Duration, String) {
    let edges: Vec<Value> = ports
        .iter()
        .map(|port| {
            json!({
                "id": format!("e{port}"), "host": "127.0.0.1", "port": port, "protocol": "tcp", "endpoints": [],
                "skip_endpoints": null, "http": null, "tls": null, "login": null, "no_login_reason": "",
                "retry_not_found_ms": 0, "retry_until_ms": 0, "recheck_pass": false, "mesh": false,
                "replica": false, "query": null, "forbidden": false
            })
        })
        .collect();
    let spec = json!({"version": k8sverify::probe::wire::VERSION, "run": "bench", "deadline_ms": 60_000, "names": [], "edges": edges});
    let mut command = Command::new("/usr/bin/time");
    command
        .args(["-f", "%M", binary, "probe"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // As in a Pod: no variable of an environment is longer than the system allows.
    let text = spec.to_string();
    for (index, chunk) in text.as_bytes().chunks(100_000).enumerate() {
        command.env(
            format!("K8SVERIFY_SPEC_{index}"),
            std::str::from_utf8(chunk).unwrap(),
        );
    }
    let begun = Instant::now();
    let output = command.output().unwrap();
    let took = begun.elapsed();
    let log = String::from_utf8(output.stdout).unwrap();
    let connected = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|record| record["name"] == "service" && record["status"] == "pass")
        .count();
    assert_eq!(connected, ports.len(), "every target was reached:\n{log}");
    (took, megabytes(&output.stderr))
}
