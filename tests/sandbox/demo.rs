//! `cargo run --example demo` as a newcomer runs it, and the commands that it prints for them.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::signals::send;

const LONGEST: Duration = Duration::from_mins(1);
const INVITATION: &str = "cargo run -- ";

/// Cargo builds the examples with the tests, unless only some tests are asked for.
async fn demo() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let folder = executable.parent().unwrap().parent().unwrap();
    let demo = folder.join("examples/demo");
    if !demo.is_file() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--example", "demo", "--target-dir"]);
        build.arg(folder.parent().unwrap());
        assert!(build.status().await.unwrap().success());
    }
    demo
}

async fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(LONGEST, output)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn the_demo_shows_the_fault_the_fix_and_the_pass() {
    let output = run(&mut Command::new(demo().await)).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let order = [
        "service-missing  deployment/db",
        "(exit code 1)",
        "kind: Service",
        "verified: 3 edges work",
        "(exit code 0)",
    ];
    let mut rest = text.as_str();
    for part in order {
        rest = rest
            .split_once(part)
            .unwrap_or_else(|| panic!("no `{part}` in {text}"))
            .1;
    }
    let files: Vec<&str> = rest
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    assert_eq!(files.len(), 6, "{rest}");
    for file in files {
        assert!(std::fs::metadata(file).unwrap().len() > 100, "{file}");
    }
}

/// The printed command, its program replaced by the one that is there already, runs as a person would run it; Ctrl-C ends it all.
#[tokio::test]
async fn a_kept_sandbox_is_verified_by_the_printed_command() {
    let mut demo = Command::new(demo().await)
        .arg("--keep")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let arguments = tokio::time::timeout(LONGEST, async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some((_, arguments)) = line.split_once(INVITATION) {
                break arguments.to_owned();
            }
        }
    });
    let arguments = arguments.await.unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_k8sverify"));
    let output = run(command.args(arguments.split(' '))).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments}: {text}");
    assert!(text.contains("verified: 3 edges work"), "{text}");
    send(demo.id(), "SIGINT");
    // What it writes is taken, or it could not end.
    while tokio::time::timeout(LONGEST, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .is_some()
    {}
    let status = tokio::time::timeout(LONGEST, demo.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}
