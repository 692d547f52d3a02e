//! Signals at any moment: what was created is deleted, the report says so, the exit code is 3, and it does not take long.

use std::process::Command;
use std::time::{Duration, Instant};

use k8sverify_sandbox::{Fault, How};

use crate::play::{Case, Stage, at_once};

/// A run that is asked to end, cleans up within this time.
const PROMPT: Duration = Duration::from_secs(8);

struct Moment {
    name: &'static str,
    scenario: &'static str,
    arguments: &'static [&'static str],
    fault: Option<Fault>,
    /// The request after which the signal comes.
    after: &'static str,
}

const NO_JOB: &str = "before anything was probed";

impl Moment {
    async fn check(self, signal: &'static str) -> Result<(), String> {
        let stage = Stage::new(self.scenario).await;
        if let Some(fault) = self.fault {
            stage.sandbox.fault(fault);
        }
        let started = Instant::now();
        let child = stage.start(self.arguments);
        stage.sandbox.request(self.after).await;
        let signalled = Instant::now();
        send(child.id(), signal);
        let run = stage.finish(child, started).await;
        let mut wrong = Vec::new();
        if run.code != Some(3) {
            wrong.push(format!("exit code {:?}, expected 3", run.code));
        }
        if signalled.elapsed() > PROMPT {
            wrong.push(format!("took {:?} to end", signalled.elapsed()));
        }
        let left = stage.sandbox.left_over();
        if !left.is_empty() {
            wrong.push(format!("left behind: {left:?}"));
        }
        let notes = run.report["notes"].to_string();
        if !notes.contains(&format!("interrupted by {signal}")) {
            wrong.push(format!("notes: {notes}"));
        }
        let created = stage.sandbox.requests();
        let created = created.iter().any(|seen| seen.line.starts_with("POST"));
        if created == notes.contains(NO_JOB) {
            wrong.push(format!("Jobs were created: {created}; notes: {notes}"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{}\n{}{}",
            wrong.join("; "),
            run.stdout,
            run.stderr
        ))
    }
}

/// By the shell's own `kill`, which every system has.
pub(crate) fn send(id: Option<u32>, signal: &str) {
    let id = id.unwrap();
    let name = signal.trim_start_matches("SIG");
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {id}")])
        .status()
        .unwrap();
    assert!(status.success());
}

fn moments() -> Vec<Moment> {
    let plain = |name, after| Moment {
        name,
        scenario: "fixed",
        arguments: &[],
        fault: None,
        after,
    };
    vec![
        Moment {
            fault: Some(Fault::always("discover", "version", How::Hang)),
            ..plain("first contact", "GET /version")
        },
        Moment {
            fault: Some(Fault::always("list", "pods", How::Hang)),
            ..plain("observing", "/pods?")
        },
        Moment {
            scenario: "rolling-out",
            arguments: &["--wait", "60s"],
            ..plain("settling", "/pods?watch=true")
        },
        Moment {
            scenario: "rolling-out",
            arguments: &["--wait", "60s"],
            ..plain("walking what is ready", "/log?")
        },
        Moment {
            fault: Some(Fault::always("create", "jobs", How::Slow(700))),
            ..plain("creating Jobs", "POST ")
        },
        Moment {
            fault: Some(Fault::always("log", "*", How::Hang)),
            ..plain("opening logs", "/log?")
        },
        Moment {
            scenario: "hostile-drop",
            ..plain("probing", "/log?")
        },
        Moment {
            fault: Some(Fault::first(2, "delete", "jobs", How::Slow(700))),
            scenario: "hostile-drop",
            ..plain("deleting", "/log?")
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_run_that_leaves_nothing() {
    let cases = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]
        .into_iter()
        .flat_map(|signal| {
            moments().into_iter().map(move |moment| {
                Case::new(format!("{signal} while {}", moment.name), async move {
                    moment.check(signal).await
                })
            })
        });
    at_once(cases).await;
}

/// Who cannot wait for the clean-up presses Ctrl-C once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let stage = Stage::new("hostile-drop").await;
    stage.sandbox.fault(Fault::always("delete", "*", How::Hang));
    let started = Instant::now();
    let child = stage.start(&[]);
    stage.sandbox.request("/log?").await;
    send(child.id(), "SIGINT");
    stage.sandbox.request("DELETE ").await;
    // A terminal and a wrapper both send it: the same one.
    send(child.id(), "SIGINT");
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let signalled = Instant::now();
    send(child.id(), "SIGINT");
    let run = stage.finish(child, started).await;
    assert!(
        signalled.elapsed() < Duration::from_secs(2),
        "{:?}",
        signalled.elapsed()
    );
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
    let hint = "delete jobs -l app.kubernetes.io/managed-by=k8sverify";
    assert!(
        run.stderr.contains("interrupted twice; ")
            && run.stderr.contains("kubectl -n ")
            && run.stderr.contains(hint),
        "{}",
        run.stderr
    );
    assert!(run.report["notes"][0].as_str().is_some(), "{}", run.report);
}

/// Nothing answers any more: the run ends all the same, and says what it knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_run_whose_api_server_is_frozen() {
    let stage = Stage::new("hostile-drop").await;
    let started = Instant::now();
    let child = stage.start(&[]);
    stage.sandbox.request("/log?").await;
    stage.sandbox.fault(Fault::always("*", "*", How::Hang));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let signalled = Instant::now();
    send(child.id(), "SIGTERM");
    let run = stage.finish(child, started).await;
    assert!(signalled.elapsed() < PROMPT, "{:?}", signalled.elapsed());
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(
        said.contains("interrupted by SIGTERM") && said.contains("time to live"),
        "{said}"
    );
    assert_eq!(run.report["verdict"], "unknown");
}

/// As by a signal, and what was found until then is reported.
#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_ends_a_run() {
    let stage = Stage::new("hostile-drop").await;
    stage.sandbox.fault(Fault::always("log", "*", How::Hang));
    let run = stage.verify(&["--deadline", "4s"]).await;
    assert!(run.took < Duration::from_secs(4) + PROMPT, "{:?}", run.took);
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("interrupted by the deadline of 4 s"),
        "{}",
        run.stdout
    );
    assert_eq!(stage.sandbox.left_over(), Vec::<String>::new());
}

/// Neither the verdict nor a signal waits for a credential plugin that hangs, and none outlives the run.
#[cfg(target_os = "linux")]
#[test]
fn a_hanging_credential_plugin_ends_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(
        path("config"),
        "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], \
         clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: u, user: {exec: \
         {apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, 'sleep 97 & echo $! > plugin; wait'], interactiveMode: Never}}}]}",
    )
    .unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_k8sverify"))
        .args([
            "--infer",
            "-n",
            "shop",
            "--kubeconfig",
            "config",
            "--junit",
            "junit.xml",
        ])
        .current_dir(folder.path())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let plugin = loop {
        let id = std::fs::read_to_string(path("plugin")).unwrap_or_default();
        if id.ends_with('\n') {
            break id.trim().to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(20), "no plugin");
        std::thread::sleep(Duration::from_millis(20));
    };
    let signalled = Instant::now();
    send(Some(child.id()), "SIGTERM");
    let status = child.wait().unwrap();
    assert!(signalled.elapsed() < PROMPT, "{:?}", signalled.elapsed());
    assert_eq!(status.code(), Some(3));
    let junit = std::fs::read_to_string(path("junit.xml")).unwrap();
    assert!(junit.contains("interrupted by SIGTERM"), "{junit}");
    // A killed process may wait to be reaped.
    let lives = || {
        let state = std::fs::read_to_string(format!("/proc/{plugin}/stat"));
        state.is_ok_and(|state| !state.contains(") Z "))
    };
    while lives() {
        assert!(
            signalled.elapsed() < Duration::from_secs(10),
            "the plugin outlives the run"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
}
