//! Every directory of `tests/scenarios`: what its `expect` says must hold, and what must hold of every run.

use std::path::PathBuf;
use std::sync::LazyLock;

use futures::StreamExt;
use k8sverify_sandbox::{Expected, Scenario};
use serde_json::Value;

use crate::play::{Run, Stage, folder};

/// Most of a run is waiting, so more of them than there are cores go on at once.
const AT_ONCE: usize = 6;

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let text = include_str!("../../checks/report-v1.schema.json");
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
});

/// `SCENARIO=NAME` plays that one alone, and shows its report.
#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_is_judged_as_it_expects() {
    let only = std::env::var("SCENARIO").ok();
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| only.as_ref().is_none_or(|only| only == name))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no scenario {only:?}");
    let played: Vec<(String, Result<(), String>)> =
        futures::stream::iter(names.into_iter().map(|name| {
            let show = only.is_some();
            tokio::spawn(async move {
                let result = play(folder().join(&name), show).await;
                (name, result)
            })
        }))
        .buffer_unordered(AT_ONCE)
        .map(|joined| joined.unwrap())
        .collect()
        .await;
    let wrong: Vec<String> = played
        .into_iter()
        .filter_map(|(name, result)| Some(format!("{name}: {}", result.err()?)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} scenarios are not judged as they expect\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[expect(
    clippy::print_stdout,
    reason = "a scenario that is played alone shows its report"
)]
async fn play(path: PathBuf, show: bool) -> Result<(), String> {
    let scenario = Scenario::read(&path).map_err(|error| error.to_string())?;
    let Some(expected) = scenario.expected.clone() else {
        return Ok(());
    };
    let stage = Stage::of(scenario).await;
    let run = stage.verify(&[]).await;
    if show {
        println!("{}\n{}\ntook {:?}", run.stdout, run.stderr, run.took);
    }
    let mut wrong = differences(&expected, &run);
    wrong.extend(always(&stage, &expected, &run));
    if let Some(code) = expected.fixed {
        let fixes = run.fixes().join("---\n");
        stage
            .sandbox
            .apply(&fixes)
            .map_err(|error| format!("the fix cannot be applied: {error}\n{fixes}"))?;
        let again = stage.verify(&[]).await;
        if again.code != Some(code) {
            wrong.push(format!(
                "after the fix: exit code {:?}, expected {code}\n{}{}",
                again.code, again.stdout, again.stderr
            ));
        }
        wrong.extend(always(&stage, &expected, &again));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\n{}{}",
        wrong.join("\n  "),
        run.stdout,
        run.stderr
    ))
}

fn differences(expected: &Expected, run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    if run.code != Some(expected.exit) {
        wrong.push(format!(
            "exit code {:?}, expected {}",
            run.code, expected.exit
        ));
    }
    let findings = run.findings();
    if !findings.starts_with(
        &expected
            .findings
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    ) {
        wrong.push(format!(
            "findings {findings:?}, expected first {:?}",
            expected.findings
        ));
    }
    for id in &expected.also {
        if !findings.contains(&id.as_str()) {
            wrong.push(format!("findings {findings:?}, expected also {id}"));
        }
    }
    for code in &expected.never {
        if findings.iter().any(|id| id.split(' ').next() == Some(code)) {
            wrong.push(format!("findings {findings:?}, expected no {code}"));
        }
    }
    for (status, edges) in [("fail", &expected.fail), ("unknown", &expected.unknown)] {
        let mut wanted: Vec<&str> = edges.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        let mut found = run.edges(status);
        found.sort_unstable();
        if found != wanted {
            wrong.push(format!("{status}: {found:?}, expected {wanted:?}"));
        }
    }
    wrong
}

/// What holds of every run, whatever it found.
fn always(stage: &Stage, expected: &Expected, run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    let left = stage.sandbox.left_over();
    if !left.is_empty() {
        wrong.push(format!("left behind: {left:?}"));
    }
    if run.report != Value::Null {
        for error in SCHEMA.iter_errors(&run.report) {
            wrong.push(format!("report.json at {}: {error}", error.instance_path()));
        }
        if run.report["exit_code"].as_i64() != run.code.map(i64::from) {
            wrong.push(format!(
                "report.json says exit code {}",
                run.report["exit_code"]
            ));
        }
    }
    for secret in &expected.secrets {
        let mut outputs: Vec<(&str, &str)> = vec![
            ("standard output", &run.stdout),
            ("standard error", &run.stderr),
        ];
        outputs.extend(
            run.files
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        );
        for (output, text) in outputs {
            if text.contains(secret.as_str()) {
                wrong.push(format!("{output} holds the secret {secret}"));
            }
        }
    }
    wrong
}
