//! `drill` before it does anything: the plan and every refusal are read-only, and a run without both keys is no run.

use std::process::Stdio;
use std::time::Duration;

use k8sverify_sandbox::{Program, Sandbox, Scenario};
use serde_json::Value;
use tokio::process::Command;

use crate::play::folder;

/// What a command printed, and which requests changed anything.
struct Ran {
    code: Option<i32>,
    text: String,
    writes: Vec<String>,
}

async fn drill(scenario: &str, arguments: &[&str]) -> Ran {
    let scenario = Scenario::read(&folder().join(scenario)).unwrap();
    let path = env!("CARGO_BIN_EXE_k8sverify");
    let program = Program {
        path: path.into(),
        arguments: Vec::new(),
    };
    let sandbox = Sandbox::start(&scenario, program).await.unwrap();
    let output = Command::new(path)
        .arg("drill")
        .args(sandbox.arguments(&scenario))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_mins(1), output)
        .await
        .unwrap()
        .unwrap();
    let requests = sandbox.requests();
    assert!(!requests.is_empty());
    Ran {
        code: output.status.code(),
        text: format!(
            "{}{}",
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap()
        ),
        writes: requests
            .into_iter()
            .map(|seen| seen.line)
            .filter(|line| !line.starts_with("GET "))
            .collect(),
    }
}

#[track_caller]
fn refused(ran: &Ran, says: &str) {
    assert_eq!(ran.code, Some(2), "{}", ran.text);
    assert!(ran.text.contains(says), "{says}: {}", ran.text);
    assert_eq!(ran.writes, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_changes_nothing_and_says_which_key_is_missing() {
    let ran = drill("drill-allowed", &["--tier", "DB", "--plan"]).await;
    refused(&ran, "no one has said yes");
    for expected in [
        "drill of DB in namespace story",
        "writes through DB:3306 (service/db)",
        "brought back by deployment/db",
        "annotation k8sverify.io/drill: allowed",
        "delete would destroy the only copy of the data",
    ] {
        assert!(ran.text.contains(expected), "{expected}: {}", ran.text);
    }
    let ran = drill(
        "drill-allowed",
        &["--tier", "DB", "--plan", "--format", "json"],
    )
    .await;
    let plan: Value = serde_json::from_str(&ran.text).unwrap();
    let pod = &plan["candidates"][0]["members"][0]["pod"];
    assert!(
        pod["uid"].as_str().is_some_and(|uid| !uid.is_empty()),
        "{plan}"
    );
    assert_eq!(ran.writes, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_both_keys_nothing_is_written() {
    let accepted = ["--tier", "DB", "--accept-data-loss", "--yes"];
    refused(
        &drill("fixed", &accepted).await,
        "has no annotation k8sverify.io/drill",
    );
    let spelt = [&accepted[..], &["--allow-namespace", "story"]].concat();
    refused(
        &drill("fixed", &spelt).await,
        "has no annotation k8sverify.io/drill",
    );
    refused(
        &drill("drill-allowed", &["--tier", "DB", "--accept-data-loss"]).await,
        "no one has said yes",
    );
    refused(
        &drill("drill-allowed", &["--tier", "DB", "--yes"]).await,
        "destroy the only copy",
    );
    refused(
        &drill(
            "drill-allowed",
            &[&accepted[..], &["--victim", "ap-0"]].concat(),
        )
        .await,
        "pod/ap-0 is no member of DB",
    );
    refused(
        &drill(
            "drill-allowed",
            &["--tier", "DB", "--yes", "--fault", "hook"],
        )
        .await,
        "no command makes the fault hook",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_drilled_is_bad_usage() {
    refused(
        &drill("drill-allowed", &["--tier", "WEB", "--yes"]).await,
        "no client of the application reaches a database called WEB",
    );
}

/// The base with these edits, in a folder of its own.
fn changed(edits: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let base = folder().join("drill-allowed").canonicalize().unwrap();
    let scenario = format!(
        "about: a refusal\nbase: {}\nedits:\n{edits}\n",
        base.display()
    );
    std::fs::write(dir.path().join("scenario.yaml"), scenario).unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    (dir, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_forbids_is_refused_without_a_write() {
    let refusals = [
        (
            "  - add: {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: db}, spec: {minAvailable: 1, selector: {matchLabels: {io.kompose.service: db}}}, status: {disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1}}",
            Some(2),
            "poddisruptionbudget/db",
        ),
        (
            "  - set: namespace/story\n    to: {metadata: {annotations: {k8sverify.io/drill: evict}}}",
            Some(2),
            "evict",
        ),
        (
            "  - delete: deployment/db\n  - add: {apiVersion: v1, kind: Pod, metadata: {name: db, labels: {io.kompose.service: db}}, spec: {nodeName: node-1, containers: [{name: db, image: \"mysql:8\", ports: [{containerPort: 3306}]}]}, status: {phase: Running, podIP: 10.244.1.77, podIPs: [{ip: 10.244.1.77}], conditions: [{type: Ready, status: \"True\"}], containerStatuses: [{name: db, ready: true, state: {running: {}}}]}}",
            Some(2),
            "no controller brings pod/db back",
        ),
    ];
    for (edits, code, says) in refusals {
        let (_dir, scenario) = changed(edits);
        let ran = drill(&scenario, &["--tier", "DB", "--accept-data-loss", "--yes"]).await;
        assert_eq!(ran.code, code, "{edits}: {}", ran.text);
        assert!(ran.text.contains(says), "{says}: {}", ran.text);
        assert_eq!(ran.writes, Vec::<String>::new(), "{edits}");
    }
}
