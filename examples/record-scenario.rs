//! Records scenarios of the sandbox from a real cluster, and compares both worlds.
//!
//! `cargo run --example record-scenario -- NAME` deploys `tests/scenarios/NAME/manifests` into a namespace of that name and writes what
//! the API says to `tests/scenarios/NAME/cluster`. `-- --compare --bin PATH --image IMAGE` deploys every such scenario, records it again
//! into a temporary folder, runs k8sverify on the cluster and in the sandbox, and fails where the two differ. Needs KUBECONFIG and
//! kubectl. Secrets are never read.
#![expect(clippy::print_stdout, reason = "a tool prints what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use k8sverify_sandbox::{Program, Sandbox, Scenario};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
struct Args {
    /// Scenarios to record, or to compare; without any: all that have manifests.
    names: Vec<String>,
    /// Compare the cluster with the sandbox.
    #[arg(long, requires_all = ["bin", "image"])]
    compare: bool,
    /// The binary of k8sverify.
    #[arg(long)]
    bin: Option<PathBuf>,
    /// The image that holds it.
    #[arg(long)]
    image: Option<String>,
}

/// Resources of the scenario's namespace. Secrets are none of them.
const OWN: [&str; 16] = [
    "/api/v1/configmaps",
    "/api/v1/events",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/pods",
    "/api/v1/services",
    "/apis/apps/v1/daemonsets",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/apps/v1/statefulsets",
    "/apis/batch/v1/cronjobs",
    "/apis/batch/v1/jobs",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/apis/networking.k8s.io/v1/ingresses",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/policy/v1/poddisruptionbudgets",
    "/api/v1/namespaces",
];
/// The cluster's own DNS, which k8sverify looks at too.
const DNS: [(&str, &str); 3] = [
    ("/api/v1/pods", "k8s-app=kube-dns"),
    ("/api/v1/services", "k8s-app=kube-dns"),
    (
        "/apis/discovery.k8s.io/v1/endpointslices",
        "kubernetes.io/service-name=kube-dns",
    ),
];

fn main() -> ExitCode {
    // The sandbox starts this very program as probe.
    if std::env::args().nth(1).as_deref() == Some("probe") {
        return k8sverify::commands::main();
    }
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Outcome<bool> {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let names = if args.names.is_empty() {
        deployable(&scenarios)?
    } else {
        args.names.clone()
    };
    let mut same = true;
    for name in names {
        let folder = scenarios.join(&name);
        let space = if args.compare {
            Space::deploy(format!("{name}-{}", std::process::id()), &folder)?
        } else {
            Space::deploy(name.clone(), &folder)?
        };
        match (&args.bin, &args.image) {
            (Some(bin), Some(image)) if args.compare => {
                same &= compare(&name, &folder, &space, bin, image)?;
            }
            _ => {
                record(&space.name, &folder.join("cluster"))?;
                println!("recorded {name}");
            }
        }
    }
    Ok(same)
}

/// Every scenario that can be deployed.
fn deployable(scenarios: &Path) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(scenarios)? {
        let entry = entry?;
        if entry.path().join("manifests").is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// A namespace that goes away at the end.
struct Space {
    name: String,
}

impl Space {
    fn deploy(name: String, folder: &Path) -> Outcome<Self> {
        kubectl(&["create", "namespace", &name])?;
        let space = Self { name };
        let manifests = folder.join("manifests").display().to_string();
        kubectl(&["-n", &space.name, "apply", "-k", &manifests])?;
        // A scenario may well have a rollout that never ends: k8sverify waits for it in its own way.
        let arguments = [
            "-n",
            &space.name,
            "rollout",
            "status",
            "deployment",
            "--timeout=60s",
        ];
        if let Err(error) = kubectl(&arguments) {
            println!("{}: {error}", space.name);
        }
        Ok(space)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", &self.name, "--wait=false"];
        if let Err(error) = kubectl(&arguments) {
            println!("{error}");
        }
    }
}

fn kubectl(arguments: &[&str]) -> Outcome<String> {
    let output = Command::new("kubectl").args(arguments).output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("kubectl {}: {said}", arguments.join(" ")).into())
    }
}

fn raw(path: &str) -> Outcome<Value> {
    Ok(serde_json::from_str(&kubectl(&["get", "--raw", path])?)?)
}

/// Writes what the API says of a namespace, one file per resource.
fn record(namespace: &str, folder: &Path) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(folder)? {
        std::fs::remove_file(entry?.path())?;
    }
    for path in OWN {
        let plural = path.rsplit('/').next().unwrap_or_default();
        let mut list = if plural == "namespaces" {
            raw(&format!("{path}?fieldSelector=metadata.name={namespace}"))?
        } else {
            raw(&path.replace(plural, &format!("namespaces/{namespace}/{plural}")))?
        };
        for (_, selector) in DNS.iter().filter(|(dns, _)| *dns == path) {
            let place = path.replace(plural, &format!("namespaces/kube-system/{plural}"));
            add(
                &mut list,
                raw(&format!("{place}?labelSelector={selector}"))?,
            );
        }
        if plural == "namespaces" {
            add(
                &mut list,
                raw(&format!("{path}?fieldSelector=metadata.name=kube-system"))?,
            );
        }
        write(folder, plural, list)?;
    }
    write(folder, "nodes", raw("/api/v1/nodes")?)?;
    let recorded = json!({"at": jiff::Timestamp::now().round(jiff::Unit::Second)?.to_string(), "namespace": namespace, "version": raw("/version")?});
    let text = serde_json::to_string_pretty(&recorded)?;
    std::fs::write(folder.join("recorded.json"), text + "\n")?;
    Ok(())
}

fn add(list: &mut Value, mut other: Value) {
    let more = other["items"].take();
    if let (Some(items), Value::Array(more)) = (list["items"].as_array_mut(), more) {
        items.extend(more);
    }
}

/// Without what no rule reads and every change of the cluster alters.
fn write(folder: &Path, plural: &str, mut list: Value) -> Outcome<()> {
    let items = list["items"].as_array_mut().ok_or("a list without items")?;
    if items.is_empty() {
        return Ok(());
    }
    for item in items {
        if let Some(metadata) = item["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            if let Some(annotations) = metadata
                .get_mut("annotations")
                .and_then(Value::as_object_mut)
            {
                annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        }
        if let Some(status) = item["status"].as_object_mut() {
            status.remove("images");
        }
    }
    if let Some(metadata) = list["metadata"].as_object_mut() {
        metadata.clear();
    }
    let text = serde_json::to_string_pretty(&list)?;
    std::fs::write(folder.join(format!("{plural}.json")), text + "\n")?;
    Ok(())
}

/// What a run says, as far as both worlds must agree.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    exit_code: Option<i32>,
    first: String,
    edges: BTreeMap<String, (String, String)>,
}

impl Verdict {
    fn is_unsure(&self) -> bool {
        self.edges.values().any(|(status, _)| status == "unknown")
    }
}

fn compare(name: &str, folder: &Path, space: &Space, bin: &Path, image: &str) -> Outcome<bool> {
    let scratch = tempfile::tempdir()?;
    let scenario = Scenario::read(folder)?;
    let compose = scenario.compose.iter();
    let compose: Vec<String> = compose.map(|path| path.display().to_string()).collect();
    // A cluster on a loaded machine may be too slow to say anything: what it left unknown is asked once more.
    let ask = || {
        let mut arguments = vec!["--namespace", &space.name, "--image", image];
        for path in &compose {
            arguments.extend(["--compose", path]);
        }
        verify(bin, scratch.path(), &arguments)
    };
    let mut on_cluster = ask()?;
    if on_cluster.is_unsure() {
        println!("{name}: once more, since the cluster left edges unknown: {on_cluster:?}");
        on_cluster = ask()?;
    }
    let again = scratch.path().join("cluster");
    record(&space.name, &again)?;
    let scenario = scenario.on(&again)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let program = Program {
        path: bin.to_owned(),
        arguments: Vec::new(),
    };
    let sandbox = runtime.block_on(Sandbox::start(&scenario, program))?;
    let in_sandbox = verify(
        bin,
        scratch.path(),
        &sandbox
            .arguments(&scenario)
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    )?;
    if on_cluster == in_sandbox {
        println!("{name}: both worlds agree: {on_cluster:?}");
        return Ok(true);
    }
    println!("{name}: the worlds differ\n  cluster {on_cluster:#?}\n  sandbox {in_sandbox:#?}");
    Ok(false)
}

fn verify(bin: &Path, scratch: &Path, arguments: &[&str]) -> Outcome<Verdict> {
    let path = scratch.join("report.json");
    let status = Command::new(bin)
        .args(arguments)
        .arg("--json")
        .arg(&path)
        .stdout(Stdio::null())
        .status()?;
    let report: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let edges = report["edges"].as_array().into_iter().flatten();
    Ok(Verdict {
        exit_code: status.code(),
        first: text(&report["findings"][0]["id"]),
        edges: edges
            .map(|edge| {
                (
                    text(&edge["id"]),
                    (text(&edge["status"]), text(&edge["depth"])),
                )
            })
            .collect(),
    })
}
