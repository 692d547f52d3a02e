//! SIGINT and SIGTERM at any moment: what was created is deleted, the report says so, the exit code is 3, and it does not take long.

use std::process::Command;
use std::time::{Duration, Instant};

use k8sverify_sandbox::{Fault, How};

use crate::play::{Case, Stage, at_once};

/// A run that is told to end, cleans up within this time.
const PROMPT: Duration = Duration::from_secs(10);

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
        let told = Instant::now();
        send(child.id(), signal);
        let run = stage.finish(child, started).await;
        let mut wrong = Vec::new();
        if run.code != Some(3) {
            wrong.push(format!("exit code {:?}, expected 3", run.code));
        }
        if told.elapsed() > PROMPT {
            wrong.push(format!("took {:?} to end", told.elapsed()));
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
    let cases = ["SIGINT", "SIGTERM"].into_iter().flat_map(|signal| {
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
    let told = Instant::now();
    send(child.id(), "SIGINT");
    let run = stage.finish(child, started).await;
    assert!(
        told.elapsed() < Duration::from_secs(2),
        "{:?}",
        told.elapsed()
    );
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("interrupted twice") && run.stderr.contains("kubectl delete jobs -l"),
        "{}",
        run.stderr
    );
}
