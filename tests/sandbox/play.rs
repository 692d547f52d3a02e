//! A scenario that is played: the sandbox, the shipped binary's runs in it, and everything that they leave to read.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8sverify_sandbox::{Program, Sandbox, Scenario};
use serde_json::Value;
use tokio::process::{Child, Command};

/// Secrets in the environment of a run: no scenario's files or cluster hold them.
pub(crate) const SECRETS_OF_THE_JOB: [(&str, &str); 3] = [
    ("CI_JOB_TOKEN", "CANARYjob9zQ"),
    ("GH_PAT", "ghpCANARYx7K2mN9pQ4rT6"),
    (
        "CI_REPOSITORY_URL",
        "https://ci:CANARYurl9zQ@git.example.com/a.git",
    ),
];

/// Most of a run is waiting, so more of them than there are cores go on at once.
const AT_ONCE: usize = 12;
/// No run may take longer, whatever the cluster does; the options below keep it far below.
pub(crate) const LONGEST: Duration = Duration::from_secs(90);
/// The files that every run writes.
const FILES: [(&str, &str); 4] = [
    ("--json", "report.json"),
    ("--junit", "junit.xml"),
    ("--html", "report.html"),
    ("--markdown", "report.md"),
];

/// Where the scenarios are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// One of many things that are tried at once.
pub(crate) struct Case {
    name: String,
    check: Pin<Box<dyn Future<Output = Result<(), String>> + Send>>,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        check: impl Future<Output = Result<(), String>> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            check: Box::pin(check),
        }
    }
}

/// Tries all of them, and names those that went wrong.
pub(crate) async fn at_once(cases: impl IntoIterator<Item = Case>) {
    let all = cases.into_iter().map(|case| async move {
        let result = tokio::spawn(case.check).await;
        let result = result.unwrap_or_else(|panic| Err(panic.to_string()));
        result.map_err(|what| format!("{}: {what}", case.name))
    });
    let results: Vec<Result<(), String>> = futures::stream::iter(all)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let tried = results.len();
    let wrong: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    assert!(tried > 0, "there is nothing to try");
    assert!(
        wrong.is_empty(),
        "{} of {tried} went wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A sandbox that is up.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) scenario: Scenario,
    output: tempfile::TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// `Null` where the run wrote none.
    pub(crate) report: Value,
    pub(crate) took: Duration,
    /// Every file that it wrote, by name.
    pub(crate) files: Vec<(String, String)>,
}

impl Stage {
    pub(crate) async fn new(name: &str) -> Self {
        Self::of(Scenario::read(&folder().join(name)).unwrap_or_else(|error| panic!("{error}")))
            .await
    }

    pub(crate) async fn of(scenario: Scenario) -> Self {
        let program = Program {
            path: PathBuf::from(env!("CARGO_BIN_EXE_k8sverify")),
            arguments: Vec::new(),
        };
        let sandbox = Sandbox::start(&scenario, program)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", scenario.folder.display()));
        Self {
            sandbox,
            scenario,
            output: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts the binary with the scenario's arguments and these.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let own = self.scenario.expected.as_ref();
        let own = own.map(|expected| expected.arguments.clone());
        let own = own.unwrap_or_default();
        let mut command = Command::new(env!("CARGO_BIN_EXE_k8sverify"));
        command
            .args(self.sandbox.arguments(&self.scenario))
            .args(&own)
            .args(arguments)
            // Neither this machine's own cluster nor its own settings have a say.
            .env_clear()
            // A job of CI has secrets of its own, which a compose file may name.
            .envs(SECRETS_OF_THE_JOB)
            // Heard with `-vv` alone: even then no library may log what it sees.
            .env("RUST_LOG", "trace")
            .current_dir(self.output.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let said = |name: &str| own.iter().any(|one| one == name) || arguments.contains(&name);
        if !said("--wait") {
            command.args(["--wait", "2s"]);
        }
        for (option, file) in FILES {
            command.arg(option).arg(self.output.path().join(file));
        }
        command.spawn().unwrap()
    }

    /// Runs it to its end.
    pub(crate) async fn verify(&self, arguments: &[&str]) -> Run {
        self.finish(self.start(arguments), Instant::now()).await
    }

    /// Waits for its end, and reads what it left.
    pub(crate) async fn finish(&self, child: Child, started: Instant) -> Run {
        let name = self.scenario.folder.display();
        let output: Output = tokio::time::timeout(LONGEST, child.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("{name}: the run did not end within {LONGEST:?}"))
            .unwrap();
        let took = started.elapsed();
        let mut files = Vec::new();
        for (_, file) in FILES {
            let path = self.output.path().join(file);
            // Bad usage ends before anything is written.
            if let Ok(text) = std::fs::read_to_string(&path) {
                files.push((file.to_owned(), text));
                std::fs::remove_file(&path).unwrap();
            }
        }
        let report = files
            .iter()
            .find(|(name, text)| name == "report.json" && !text.is_empty());
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            report: report.map_or(Value::Null, |(_, text)| serde_json::from_str(text).unwrap()),
            took,
            files,
        }
    }
}

impl Run {
    /// The findings' ids, in the report's order.
    pub(crate) fn findings(&self) -> Vec<&str> {
        texts(&self.report["findings"], "id")
    }

    /// The ids of the findings that are more than information.
    pub(crate) fn complaints(&self) -> Vec<&str> {
        let findings = self.report["findings"].as_array().into_iter().flatten();
        findings
            .filter(|finding| finding["severity"] != "info")
            .filter_map(|finding| finding["id"].as_str())
            .collect()
    }

    /// The ids of the edges with that status.
    pub(crate) fn edges(&self, status: &str) -> Vec<&str> {
        let edges = self.report["edges"].as_array().into_iter().flatten();
        edges
            .filter(|edge| edge["status"] == status)
            .filter_map(|edge| edge["id"].as_str())
            .collect()
    }

    /// The first step of an edge that failed: `STEP ERROR`.
    pub(crate) fn first_failure(&self, edge: &str) -> String {
        let edges = self.report["edges"].as_array().into_iter().flatten();
        let steps = edges
            .filter(|one| one["id"] == edge)
            .flat_map(|one| one["steps"].as_array().into_iter().flatten());
        let mut failed = steps.filter(|step| step["status"] == "fail");
        failed.next().map_or_else(String::new, |step| {
            let word = |field: &str| step[field].as_str().unwrap_or_default().to_owned();
            format!("{} {}", word("name"), word("error"))
        })
    }

    /// Everything that it wrote, and where.
    pub(crate) fn outputs(&self) -> Vec<(&str, &str)> {
        let mut outputs: Vec<(&str, &str)> = vec![
            ("standard output", &self.stdout),
            ("standard error", &self.stderr),
        ];
        let files = self.files.iter();
        outputs.extend(files.map(|(name, text)| (name.as_str(), text.as_str())));
        outputs
    }

    /// What the findings propose to do, each once: manifests, and commands where there is no manifest (or the other way round).
    pub(crate) fn fixes(&self, commands_first: bool) -> Vec<Fix<'_>> {
        let findings = self.report["findings"].as_array().into_iter().flatten();
        let mut fixes: Vec<Fix<'_>> = Vec::new();
        for finding in findings {
            let manifest = finding["fix"]["manifest"].as_str().map(Fix::Manifest);
            let command = finding["fix"]["command"].as_str().map(Fix::Command);
            let fix = if commands_first {
                command.or(manifest)
            } else {
                manifest.or(command)
            };
            fixes.extend(fix.filter(|fix| !fixes.contains(fix)));
        }
        fixes
    }
}

/// What a finding proposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fix<'a> {
    Manifest(&'a str),
    Command(&'a str),
}

fn texts<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|entry| entry[field].as_str()).collect()
}
