//! `k8sverify.yaml` as a user meets it: through `k8sverify graph` in a folder with a compose file.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::process::{Command, Output};

use serde_json::Value;

const COMPOSE: &str = "
services:
  WEB: {image: python:3, ports: ['3000:3000'], environment: {AP_URL: 'http://AP:2000', DB_HOST: DB}}
  AP: {image: python:3, ports: ['2000:2000'], environment: {DB_HOST: DB, KVS_URL: 'redis://KVS:6379'}}
  DB: {image: 'mysql:8'}
  KVS: {image: 'redis:7'}
";

fn graph(config: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("compose.yaml"), COMPOSE).unwrap();
    std::fs::write(folder.path().join("k8sverify.yaml"), config).unwrap();
    Command::new(env!("CARGO_BIN_EXE_k8sverify"))
        .args(["graph", "--format", "json"])
        .current_dir(folder.path())
        .env_remove("COMPOSE_FILE")
        .env_remove("COMPOSE_PROFILES")
        .output()
        .unwrap()
}

fn document(config: &str) -> Value {
    let output = graph(config);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn edge<'a>(document: &'a Value, id: &str) -> &'a Value {
    let edges = document["edges"].as_array().unwrap();
    edges
        .iter()
        .find(|edge| edge["id"] == id)
        .unwrap_or(&Value::Null)
}

#[test]
fn edges_are_added_dropped_adjusted_made_optional_and_forbidden() {
    let plain = document("");
    assert_eq!(plain["edges"].as_array().unwrap().len(), 4, "{plain:#}");
    let said = document(
        "edges:
  add:
  - {from: AP, to: search.example.com, port: 9200, protocol: http, path: /_health}
  - {from: WEB, to: KVS, port: 6379, forbidden: true}
  drop: ['WEB->DB']
  adjust:
  - {edge: 'WEB->AP', path: /ready, status: 204}
  - {edge: 'AP->KVS', optional: true}
",
    );
    assert!(edge(&said, "WEB->DB:3306/mysql").is_null());
    assert_eq!(edge(&said, "WEB->KVS:6379/redis")["forbidden"], true);
    assert_eq!(edge(&said, "AP->KVS:6379/redis")["optional"], true);
    let asked = &edge(&said, "WEB->AP:2000/http");
    assert!(asked.to_string().contains("/ready"), "{asked}");
    let added = edge(&said, "AP->search.example.com:9200/http");
    assert!(
        added["origin"].to_string().contains("k8sverify.yaml:3"),
        "{added}"
    );
    assert!(
        !edge(&said, "AP->DB:3306/mysql").is_null(),
        "the rest stays"
    );
}

#[test]
fn a_drop_that_finds_nothing_is_a_question_at_its_line() {
    let said = document("edges:\n  drop: ['WEB->NOWHERE']\ntiers: {mailhog: none}\n");
    let questions = said["questions"].to_string();
    assert!(
        questions.contains("k8sverify.yaml:2") && questions.contains("k8sverify.yaml:3"),
        "{questions}"
    );
}

#[test]
fn names_that_stand_for_nothing_end_the_run_with_all_their_lines() {
    let output = graph(
        "tiers: {DBB: deployment/db}
edges:
  add:
  - {from: WEBB, to: DB, port: 3306, forbidden: true}
  - {from: BATCH, to: DB, port: 3306}
  adjust:
  - {edge: 'AP->KSV', optional: true}
",
    );
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    for words in [
        "k8sverify.yaml:1: `tiers` names `DBB`, which is no tier; did you mean DB?",
        "k8sverify.yaml:4: `edges.add` names the client `WEBB`, which is no tier; did you mean WEB?",
        "k8sverify.yaml:5: `edges.add` names the client `BATCH`, which is no tier\n",
        "k8sverify.yaml:7: `edges.adjust` names `KSV`, which is no tier; did you mean KVS?",
    ] {
        assert!(message.contains(words), "{words}\n{message}");
    }
}

#[test]
fn an_unknown_key_stops_with_its_place_and_what_was_expected() {
    let output = graph("edges:\n  add:\n  - {from: AP, to: DB, prot: 1}\n");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        message.contains("k8sverify.yaml:3:") && message.contains("port"),
        "{message}"
    );
}
