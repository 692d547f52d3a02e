//! What a user can get wrong before anything is verified: every input with its exit code and a piece of the message. No input takes
//! longer than a few seconds, and none of the messages speaks of Rust.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const COMPOSE: &str = "
services:
  WEB: {image: python:3, ports: ['3000:3000'], environment: {AP_URL: 'http://AP:2000', DB_HOST: DB}}
  AP: {image: python:3, ports: ['2000:2000'], environment: {DB_HOST: DB, KVS_URL: 'redis://KVS:6379'}}
  DB: {image: 'mysql:8'}
  KVS: {image: 'redis:7'}
";

/// Nothing listens on that port: a call that is made ends with exit code 3.
const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{name: nowhere, cluster: {server: 'http://127.0.0.1:9'}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: me}}]
users: [{name: me, user: {}}]
";

/// Words of the implementation that a message must never carry.
const RUST: [&str; 9] = [
    "Option<",
    "invalid u16",
    "invalid u32",
    "invalid i64",
    "ExitStatus",
    "unwrap",
    "panicked",
    "serde",
    "Some(",
];

/// One run: the arguments, what the folder holds, and what must come of it.
struct Case<'a> {
    arguments: &'a [&'a str],
    files: &'a [(&'a str, &'a str)],
    stdin: &'a str,
    code: i32,
    says: &'a [&'a str],
}

impl<'a> Case<'a> {
    fn new(code: i32, arguments: &'a [&'a str], says: &'a [&'a str]) -> Self {
        Self {
            arguments,
            files: &[],
            stdin: "",
            code,
            says,
        }
    }

    fn with(self, files: &'a [(&'a str, &'a str)]) -> Self {
        Self { files, ..self }
    }

    fn stdin(self, stdin: &'a str) -> Self {
        Self { stdin, ..self }
    }

    /// What is wrong with it; empty: nothing.
    fn judge(&self) -> String {
        let started = Instant::now();
        let folder = folder(self.files);
        let output = run(folder.path(), self.arguments, self.stdin);
        let took = started.elapsed();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let mut wrong = Vec::new();
        if output.status.code() != Some(self.code) {
            wrong.push(format!(
                "exit code {:?}, expected {}",
                output.status.code(),
                self.code
            ));
        }
        let missing = self.says.iter().filter(|words| !said.contains(**words));
        wrong.extend(missing.map(|words| format!("`{words}` is not said")));
        let rust = RUST.iter().filter(|word| said.contains(**word));
        wrong.extend(rust.map(|word| format!("`{word}` is said")));
        if took > Duration::from_secs(20) {
            wrong.push(format!("it took {took:?}"));
        }
        if wrong.is_empty() {
            return String::new();
        }
        format!(
            "{:?}: {}\n    {}\n",
            self.arguments,
            wrong.join("; "),
            said.trim().replace('\n', "\n    ")
        )
    }
}

/// A folder with a compose file, a kubeconfig that leads nowhere, and these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let own = [("compose.yaml", COMPOSE), ("kubeconfig", KUBECONFIG)];
    for (name, text) in own.iter().chain(files) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn run(folder: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_k8sverify"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A run that ends without reading closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// Tries all of them, and shows every one that went wrong.
fn all(cases: &[Case<'_>]) {
    let wrong: String = cases.iter().map(Case::judge).collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_name_that_no_namespace_can_have_is_refused_before_any_call() {
    let long = "a".repeat(80);
    let mut cases = Vec::new();
    for command in ["verify", "graph", "rbac"] {
        cases.push((vec![command, "-n", ""], "the name is empty"));
        for name in ["Foo Bar", "UPPER", "-x-", "a/b", &long] {
            let argument = match name {
                "-x-" => vec![command, "--namespace=-x-"],
                _ => vec![command, "-n", name],
            };
            cases.push((argument, "no namespace can have this name"));
        }
    }
    let cases: Vec<Case<'_>> = cases
        .iter()
        .map(|(arguments, says)| Case::new(2, arguments, std::slice::from_ref(says)))
        .collect();
    all(&cases);
}

#[test]
fn a_call_to_a_server_that_is_not_there_is_no_usage_error() {
    all(&[Case::new(3, &["-n", "shop"], &["api-unreachable"])]);
}

#[test]
fn a_kubeconfig_that_is_none_is_named() {
    let broken = |text| [("kubeconfig", text)];
    let (empty, yaml, list) = (broken(""), broken("a: ["), broken("[1, 2]"));
    let case =
        |files| Case::new(2, &["-n", "shop"], &["failed to read the kubeconfig"]).with(files);
    all(&[
        case(&empty),
        case(&yaml),
        case(&list),
        Case::new(2, &["--kubeconfig", "missing"], &["missing"]),
        Case::new(
            2,
            &["--kubeconfig", "."],
            &["failed to read the kubeconfig"],
        ),
        Case::new(2, &["--context", "other"], &["other", "nowhere"]),
    ]);
}

#[test]
fn a_report_that_is_none_is_named() {
    all(&[
        Case::new(2, &["fix", "missing.json"], &["missing.json"]),
        Case::new(2, &["fix"], &["expected a report"]).stdin("{}"),
        Case::new(2, &["fix", "-"], &["expected a report"]).stdin("no json"),
        Case::new(2, &["fix", "compose.yaml"], &["expected a report"]),
    ]);
}

const DEPLOYED: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'python:3', env: [{name: AP_URL, value: 'http://AP:2000'}]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: outbox}
spec: {selector: {app: outbox}, ports: [{port: 80}]}
";

#[test]
fn names_of_the_users_own_file_that_stand_for_nothing_end_the_run_before_a_verdict() {
    let added = "edges:\n  add:\n  - {from: WEB, to: SERCH, port: 9200, forbidden: true}\n  - {from: WEB, to: outbox, port: 80}\n";
    let files = |config| [("k8sverify.yaml", config), ("k8s/web.yaml", DEPLOYED)];
    let typo = files("edges: {add: [{from: WEBB, to: DB, port: 3306, forbidden: true}]}");
    let server = files(added);
    let edge = files("edges: {adjust: [{edge: 'WEB->KVS', optional: true}]}");
    let check = ["check", "--manifests", "k8s"];
    all(&[
        // Before any call.
        Case::new(
            2,
            &["-n", "shop"],
            &["k8sverify.yaml:1", "did you mean WEB?"],
        )
        .with(&typo),
        Case::new(2, &check, &["k8sverify.yaml:1", "did you mean WEB?"]).with(&typo),
        Case::new(
            2,
            &check,
            &["k8sverify.yaml:3", "`SERCH`, which is neither"],
        )
        .with(&server),
        Case::new(
            2,
            &check,
            &["WEB->KVS, which is no edge; WEB has WEB->AP:2000"],
        )
        .with(&edge),
    ]);
}

#[test]
fn a_config_file_that_is_wrong_is_refused_with_its_place() {
    let case = |says, files| Case::new(2, &["graph"], says).with(files);
    all(&[
        case(
            &["k8sverify.yaml:1:", "unknown field `tires`"],
            &[("k8sverify.yaml", "tires: {}")],
        ),
        case(
            &["k8sverify.yaml:1:", "from 0 to 65535"],
            &[(
                "k8sverify.yaml",
                "edges: {add: [{from: WEB, to: DB, port: 70000}]}",
            )],
        ),
        case(
            &["k8sverify.yaml:1:", "from 0 to 65535"],
            &[(
                "k8sverify.yaml",
                "edges: {add: [{from: WEB, to: DB, port: x}]}",
            )],
        ),
        case(&["k8sverify.yaml:"], &[("k8sverify.yaml", ": : :")]),
        case(&["k8sverify.yaml:1:"], &[("k8sverify.yaml", "[]")]),
        case(
            &["no finding code"],
            &[("k8sverify.yaml", "severity: {nope: off}")],
        ),
        case(
            &["no severity"],
            &[("k8sverify.yaml", "severity: {service-missing: fatal}")],
        ),
        case(
            &["names no edge"],
            &[("k8sverify.yaml", "edges: {drop: [WEB-DB]}")],
        ),
        Case::new(
            2,
            &["graph", "--config", "missing.yaml"],
            &["missing.yaml", "No such file"],
        ),
    ]);
}
