//! End-to-end tests on a real cluster: the binary that ships, the image that it runs, the story's application.
//!
//! They need `KUBECONFIG`, `kubectl`, `K8SVERIFY_BIN` (the static binary) and `K8SVERIFY_TEST_IMAGE` (the image that holds it), so they are
//! ignored unless asked for: `cargo test --test cluster -- --ignored`. Each test works in a namespace of its own.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

#[path = "cluster/examples.rs"]
mod examples;
#[path = "cluster/policies.rs"]
mod policies;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A namespace that goes away with its test.
struct Space {
    name: String,
    folder: tempfile::TempDir,
}

struct Run {
    code: i32,
    report: Value,
    console: String,
    took: Duration,
}

impl Space {
    fn new(test: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("e2e-{test}-{}", std::process::id());
        kubectl(&["create", "namespace", &name]);
        Self { name, folder }
    }

    /// The story as kompose makes it, or with the two Services that it lacks; every Pod is ready.
    fn story(test: &str, variant: &str) -> Self {
        let space = Self::new(test);
        space.kubectl(&[
            "apply",
            "-k",
            example(&format!("kubernetes/{variant}")).to_str().unwrap(),
        ]);
        space.kubectl(&["rollout", "status", "deployment", "--timeout=120s"]);
        space.until("MariaDB listens", || {
            let out = space.try_kubectl(&[
                "exec",
                "deploy/db",
                "--",
                "mariadb-admin",
                "ping",
                "-h127.0.0.1",
                "-uapp",
                "-ps3cret",
            ]);
            out.status.success()
        });
        space
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["-n", &self.name], arguments].concat())
    }

    fn try_kubectl(&self, arguments: &[&str]) -> Output {
        Command::new("kubectl")
            .args(["-n", &self.name])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn apply(&self, manifest: &str) {
        let path = self.folder.path().join("manifest.yaml");
        std::fs::write(&path, manifest).unwrap();
        self.kubectl(&["apply", "-f", path.to_str().unwrap()]);
    }

    fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_mins(2);
        while !condition() {
            assert!(
                Instant::now() < end,
                "{what}: not within two minutes\n{}",
                self.kubectl(&["get", "pods,services"])
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var("K8SVERIFY_BIN").unwrap());
        let compose = example("compose.yaml");
        command.args(["--namespace", &self.name]);
        if !arguments.contains(&"--image") {
            command.args(["--image", &image()]);
        }
        if !arguments.contains(&"--compose") {
            command.args(["--compose", compose.to_str().unwrap()]);
        }
        command
            .args([
                "--json",
                self.folder.path().join("report.json").to_str().unwrap(),
            ])
            .args(arguments);
        command.stdin(Stdio::null());
        command
    }

    fn verify(&self, arguments: &[&str]) -> Run {
        let started = Instant::now();
        let output = self.command(arguments).output().unwrap();
        let took = started.elapsed();
        let report = std::fs::read(self.folder.path().join("report.json"))
            .map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap());
        let console = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        self.nothing_is_left();
        for secret in ["s3cret", "r00t"] {
            assert!(
                !console.contains(secret) && !report.to_string().contains(secret),
                "a secret is shown:\n{console}"
            );
        }
        Run {
            code: output.status.code().unwrap_or(-1),
            report,
            console,
            took,
        }
    }

    fn nothing_is_left(&self) {
        let left = self.kubectl(&[
            "get",
            "jobs,pods",
            "-l",
            "app.kubernetes.io/managed-by=k8sverify",
            "-o",
            "name",
        ]);
        let jobs = self.kubectl(&["get", "jobs", "-o", "name"]);
        assert!(
            left.trim().is_empty() && jobs.trim().is_empty(),
            "left behind: {left} {jobs}"
        );
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("kubectl")
            .args([
                "delete",
                "namespace",
                &self.name,
                "--wait=false",
                "--ignore-not-found",
            ])
            .output();
    }
}

impl Run {
    fn finding(&self, index: usize) -> String {
        self.report["findings"][index]["id"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    }

    fn edge(&self, id: &str) -> &Value {
        let edges = self.report["edges"].as_array().unwrap();
        edges
            .iter()
            .find(|edge| edge["id"] == id)
            .unwrap_or_else(|| panic!("no edge {id}:\n{}", self.console))
    }

    fn expect(&self, code: i32, first: &str) {
        assert_eq!(
            (self.code, self.finding(0).as_str()),
            (code, first),
            "\n{}",
            self.console
        );
    }
}

fn image() -> String {
    std::env::var("K8SVERIFY_TEST_IMAGE").unwrap()
}

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/compose-to-kubernetes")
        .join(path)
}

fn kubectl(arguments: &[&str]) -> String {
    let output = Command::new("kubectl").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "kubectl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs a cluster"]
fn the_broken_story_is_found_and_its_printed_fix_fixes_it() {
    let space = Space::story("broken", "broken");
    let run = space.verify(&[]);
    run.expect(1, "service-missing deployment/db");
    assert_eq!(run.finding(1), "service-missing deployment/kvs");
    assert_eq!(run.edge("WEB->AP:2000/http")["status"], "pass");
    for (edge, cause) in [
        ("AP->DB:3306/mysql", "service-missing deployment/db"),
        ("AP->KVS:6379/redis", "service-missing deployment/kvs"),
    ] {
        assert_eq!(run.edge(edge)["status"], "fail");
        assert_eq!(run.edge(edge)["cause"], cause);
    }
    // The application itself says the same.
    space.try_kubectl(&[
        "exec",
        "deploy/web",
        "--",
        "python3",
        "-c",
        "import urllib.request as u; u.urlopen('http://localhost:3000/', timeout=20)",
    ]);
    let log = space.kubectl(&["logs", "deploy/ap"]);
    assert!(
        log.contains("'DB'") && log.contains("Name or service not known"),
        "{log}"
    );

    record(&run, "broken");

    let report = space.folder.path().join("report.json");
    let fix = Command::new(std::env::var("K8SVERIFY_BIN").unwrap())
        .arg("fix")
        .arg(&report)
        .output()
        .unwrap();
    assert!(fix.status.success());
    space.apply(&String::from_utf8(fix.stdout).unwrap());
    let run = space.verify(&[]);
    assert_eq!(run.code, 0, "\n{}", run.console);
    for edge in ["AP->DB:3306/mysql", "AP->KVS:6379/redis"] {
        assert_eq!(run.edge(edge)["status"], "pass");
        assert!(
            ["login", "query"].contains(&run.edge(edge)["depth"].as_str().unwrap()),
            "{}",
            run.edge(edge)
        );
    }
    record(&run, "fixed");
}

/// Keeps the report for `k8sverify demo`, where `K8SVERIFY_RECORD` asks for it.
fn record(run: &Run, name: &str) {
    if std::env::var_os("K8SVERIFY_RECORD").is_none() {
        return;
    }
    let namespace = run.report["namespace"].as_str().unwrap();
    let text = serde_json::to_string_pretty(&run.report).unwrap();
    let path = example(&format!("recorded/{name}.json"));
    std::fs::write(path, text.replace(namespace, "shop") + "\n").unwrap();
}

#[test]
#[ignore = "needs a cluster"]
fn the_shortest_form_flags_the_store_that_no_one_names() {
    let space = Space::story("short", "broken");
    let compose = space.folder.path().join("compose.yaml");
    std::fs::write(
        &compose,
        "version: '3'\nservices:\n  WEB: {image: 'sample-WEB:1.0', depends_on: [DB, AP], ports: ['3000:3000']}\n  AP: {image: 'sample-AP:1.0', depends_on: [DB], links: [DB], ports: ['2000:2000']}\n  DB: {image: 'mysql:8'}\n  KVS: {image: 'sample-KVS:1.0', command: redis-server}\n",
    )
    .unwrap();
    let run = space.verify(&["--compose", compose.to_str().unwrap()]);
    run.expect(1, "service-missing deployment/db");
    assert!(
        run.report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|finding| finding["id"] == "service-missing deployment/kvs"),
        "\n{}",
        run.console
    );
}

#[test]
#[ignore = "needs a cluster"]
fn a_wrong_password_a_stopped_store_and_a_wrong_service_port_are_named() {
    let space = Space::story("faults", "fixed");
    space.kubectl(&["set", "env", "deployment/ap", "DB_PASSWORD=changed"]);
    space.kubectl(&["rollout", "status", "deployment/ap", "--timeout=60s"]);
    let run = space.verify(&[]);
    run.expect(1, "mysql-login-denied deployment/db");
    assert!(
        !run.console.contains("changed"),
        "the wrong password is shown too"
    );
    space.kubectl(&["set", "env", "deployment/ap", "DB_PASSWORD=s3cret"]);
    space.kubectl(&["rollout", "status", "deployment/ap", "--timeout=60s"]);

    space.kubectl(&[
        "patch",
        "service/db",
        "--type=json",
        "-p",
        r#"[{"op":"replace","path":"/spec/ports/0/port","value":3307}]"#,
    ]);
    space
        .verify(&[])
        .expect(1, "service-port-missing service/db");
    space.kubectl(&[
        "patch",
        "service/db",
        "--type=json",
        "-p",
        r#"[{"op":"replace","path":"/spec/ports/0/port","value":3306}]"#,
    ]);

    space.kubectl(&["scale", "deployment/kvs", "--replicas=0"]);
    space.kubectl(&[
        "wait",
        "--for=delete",
        "pod",
        "-l",
        "io.kompose.service=kvs",
        "--timeout=60s",
    ]);
    space
        .verify(&[])
        .expect(1, "workload-scaled-to-zero deployment/kvs");
}

#[test]
#[ignore = "needs a cluster"]
fn what_keeps_the_tool_from_verifying_is_named_within_seconds() {
    let space = Space::story("blocked", "fixed");
    let missing = space.verify(&["--image", "registry.invalid/k8sverify:0"]);
    assert_eq!(missing.code, 3, "\n{}", missing.console);
    assert!(
        missing.finding(0).starts_with("probe-image-failed "),
        "\n{}",
        missing.console
    );
    assert!(missing.took < Duration::from_secs(20), "{:?}", missing.took);

    let elsewhere = space.folder.path().join("elsewhere");
    std::fs::write(&elsewhere, "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\ncurrent-context: c\n").unwrap();
    let unreachable = space.verify(&["--kubeconfig", elsewhere.to_str().unwrap()]);
    assert_eq!(unreachable.code, 3);
    assert!(
        unreachable.finding(0).starts_with("api-unreachable "),
        "\n{}",
        unreachable.console
    );
    assert!(
        unreachable.console.contains("127.0.0.1:9") && unreachable.took < Duration::from_secs(15)
    );

    let output = Command::new(std::env::var("K8SVERIFY_BIN").unwrap())
        .args([
            "--namespace",
            "no-such-namespace",
            "--compose",
            example("compose.yaml").to_str().unwrap(),
            "--image",
            &image(),
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("namespace-not-found"));
}

#[test]
#[ignore = "needs a cluster"]
fn malformed_compose_is_refused_with_file_line_and_column() {
    let space = Space::new("malformed");
    let compose = space.folder.path().join("compose.yaml");
    std::fs::write(&compose, "services:\n  AP:\n    ports: {a: b}\n").unwrap();
    let run = space.verify(&["--compose", compose.to_str().unwrap()]);
    assert_eq!(run.code, 2, "\n{}", run.console);
    assert!(run.console.contains("compose.yaml:3:"), "\n{}", run.console);
}

#[test]
#[ignore = "needs a cluster"]
fn sigterm_in_the_middle_leaves_nothing() {
    let space = Space::story("signal", "broken");
    for pause in [300, 900, 1600] {
        let mut child = space
            .command(&[])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        let _ = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status();
        let started = Instant::now();
        let code = child.wait().unwrap().code();
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "took {:?} to end",
            started.elapsed()
        );
        // One that was not up yet ends by the signal itself, and has created nothing.
        assert!(matches!(code, None | Some(1 | 3)), "{code:?}");
        space.nothing_is_left();
    }
    // Surely in the middle: a Job of the run is there.
    let mut child = space
        .command(&[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    space.until("a probe Job is there", || {
        !space
            .kubectl(&["get", "jobs", "-o", "name"])
            .trim()
            .is_empty()
    });
    let _ = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    let code = child.wait().unwrap().code();
    assert!(matches!(code, Some(1 | 3)), "{code:?}");
    space.nothing_is_left();
}

/// One round on each of two databases: it comes back, what was in no volume is lost and counted, and nothing of the drill is left.
#[test]
#[ignore = "needs a cluster"]
fn two_databases_are_drilled_and_all_is_as_before() {
    let space = Space::story("drill", "fixed");
    kubectl(&[
        "annotate",
        "namespace",
        &space.name,
        "k8sverify.io/drill=allowed",
    ]);
    for tier in ["DB", "KVS"] {
        let output = Command::new(std::env::var("K8SVERIFY_BIN").unwrap())
            .args(["drill", "--namespace", &space.name, "--tier", tier])
            .args(["--compose", example("compose.yaml").to_str().unwrap()])
            .args(["--image", &image(), "--format", "json"])
            .args(["--rounds", "1", "--accept-data-loss", "--yes"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        for secret in ["s3cret", "r00t"] {
            assert!(!said.contains(secret) && !errors.contains(secret));
        }
        let report: Value = serde_json::from_str(&said).unwrap_or(Value::Null);
        let round = &report["candidates"][0]["faults"][0]["rounds"][0];
        assert_eq!(round["recovers"], true, "{tier}: {said}\n{errors}");
        // Nothing of it stands on a volume: what was acknowledged before is lost, and the limit on that is broken.
        assert_eq!(output.status.code(), Some(1), "{tier}: {said}\n{errors}");
        assert!(
            round["numbers"]["lost"]["number"].as_u64() > Some(0),
            "{round}"
        );
        for left in [
            "jobs",
            "configmap/k8sverify-drill-journal",
            "lease/k8sverify-drill",
        ] {
            let found = space.kubectl(&["get", left, "--ignore-not-found", "-o", "name"]);
            assert_eq!(found.trim(), "", "{tier}");
        }
    }
    let tables = space.kubectl(&[
        "exec",
        "deploy/db",
        "--",
        "mariadb",
        "-h127.0.0.1",
        "-uapp",
        "-ps3cret",
        "app",
        "-Ne",
        "SHOW TABLES LIKE 'k8sverify%'",
    ]);
    assert_eq!(tables.trim(), "");
}
