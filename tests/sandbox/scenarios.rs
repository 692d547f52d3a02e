//! Every directory of `tests/scenarios`: what its `expect` says must hold, and what must hold of every run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use k8sverify::finding::{Code, Section};
use k8sverify_sandbox::{Expected, Scenario};
use serde_json::Value;

use crate::play::{Case, Fix, Run, Stage, at_once, folder};

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let text = include_str!("../../checks/report-v1.schema.json");
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
});

/// `SCENARIO=NAME` plays that one alone, and shows its report; `SCENARIO=dns-` plays all whose names begin so.
#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_is_judged_as_it_expects() {
    let only = std::env::var("SCENARIO").ok();
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| {
            only.as_ref()
                .is_none_or(|only| only == name || (only.ends_with('-') && name.starts_with(only)))
        })
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no scenario {only:?}");
    at_once(names.into_iter().map(|name| {
        let path = folder().join(&name);
        let show = only.as_ref() == Some(&name);
        Case::new(name, play(path, show))
    }))
    .await;
}

/// Every code that `verify` can raise stands in `findings` or `also` of some scenario, which the test above plays; those of drills (sections 9 and 10) are
/// raised by recorded rounds in the library's own tests.
#[test]
fn every_code_is_raised_by_a_scenario() {
    let mut missing: BTreeSet<&str> = Code::ALL
        .iter()
        .filter(|code| code.section() < Section::Databases)
        .map(|code| code.name())
        .collect();
    let mut unknown = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let scenario = Scenario::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let Some(expected) = scenario.expected else {
            continue;
        };
        for id in expected.findings.iter().chain(&expected.also) {
            let code = id.split(' ').next().unwrap_or_default();
            missing.remove(code);
            if Code::from_name(code).is_none() {
                unknown.insert(id.clone());
            }
        }
    }
    assert!(missing.is_empty(), "no scenario raises {missing:?}");
    assert!(unknown.is_empty(), "expected, but no code: {unknown:?}");
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
    wrong.extend(report(&path, &run));
    wrong.extend(always(&stage, &expected, &run));
    if let Some(code) = expected.fixed {
        apply_fixes(&stage, &run, expected.by_command)?;
        let again = stage.verify(&[]).await;
        let left: Vec<&str> = again
            .findings()
            .into_iter()
            .filter(|id| expected.findings.iter().any(|known| is(known, id)))
            .collect();
        if again.code != Some(code) || !left.is_empty() {
            wrong.push(format!(
                "after the fix: exit code {:?}, expected {code}; still there: {left:?}\n{}{}",
                again.code, again.stdout, again.stderr
            ));
        }
        if show {
            println!("after the fix:\n{}", again.stdout);
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

/// Does what the findings propose, as printed.
fn apply_fixes(stage: &Stage, run: &Run, commands_first: bool) -> Result<(), String> {
    let mut changed = false;
    for fix in run.fixes(commands_first) {
        let done = match fix {
            Fix::Manifest(text) => stage.sandbox.apply(text).map(|()| true),
            Fix::Command(line) => stage.sandbox.kubectl(line),
        };
        changed |= done.map_err(|error| format!("{fix:?} cannot be done: {error}"))?;
    }
    if changed {
        return Ok(());
    }
    Err(format!(
        "no finding proposes what changes anything\n{}",
        run.stdout
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
    // Information is no complaint: it counts only where it is expected.
    let complaints = run.complaints();
    let found: Vec<&str> = findings
        .iter()
        .copied()
        .filter(|found| {
            complaints.contains(found) || expected.findings.iter().any(|id| is(id, found))
        })
        .collect();
    let begins = expected.findings.iter().zip(&found);
    if found.len() < expected.findings.len() || !begins.into_iter().all(|(id, found)| is(id, found))
    {
        wrong.push(format!(
            "findings {findings:?}, expected first {:?}",
            expected.findings
        ));
    }
    let more = complaints
        .iter()
        .any(|found| !expected.findings.iter().any(|id| is(id, found)));
    if expected.only && more {
        wrong.push(format!(
            "findings {findings:?}, expected only {:?}",
            expected.findings
        ));
    }
    for id in &expected.also {
        if !findings.iter().any(|found| is(id, found)) {
            wrong.push(format!("findings {findings:?}, expected also {id}"));
        }
    }
    for code in &expected.never {
        if findings.iter().any(|id| id.split(' ').next() == Some(code)) {
            wrong.push(format!("findings {findings:?}, expected no {code}"));
        }
    }
    for (edge, step) in &expected.steps {
        let failed = run.first_failure(edge);
        if failed != *step {
            wrong.push(format!("{edge} fails at `{failed}`, expected `{step}`"));
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

/// The whole report where the scenario has one, but for what differs from run to run; `UPDATE_EXPECTED=1` writes it again.
fn report(folder: &Path, run: &Run) -> Option<String> {
    let path = folder.join("report.json");
    let mut report = run.report.clone();
    for field in ["tool_version", "started_at", "duration_ms", "input"] {
        report.as_object_mut()?.remove(field);
    }
    for edge in report["edges"].as_array_mut()? {
        for step in edge["steps"].as_array_mut()? {
            step.as_object_mut()?.remove("duration_ms");
        }
    }
    let found = format!("{}\n", serde_json::to_string_pretty(&report).unwrap());
    let found = found.replace(&format!("{}/", folder.display()), "");
    if !path.exists() {
        return None;
    }
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let line = expected
        .lines()
        .zip(found.lines())
        .find(|(one, other)| one != other);
    (expected != found).then(|| {
        format!(
            "{} is another report: {line:?}; UPDATE_EXPECTED=1 writes it again",
            path.display()
        )
    })
}

/// Whether an id is meant; one that ends in `*` stands for all that begin so, since the names of probe Jobs differ by run.
fn is(expected: &str, id: &str) -> bool {
    match expected.strip_suffix('*') {
        Some(begin) => id.starts_with(begin),
        None => id == expected,
    }
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
    wrong.extend(junit(run));
    wrong.extend(leaks(stage, &expected.secrets, run));
    wrong
}

/// JUnit says what the exit code says, one failure a cause, and no name of a case is another one in the next run.
fn junit(run: &Run) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some((_, text)) = run.files.iter().find(|(name, _)| name == "junit.xml") else {
        return wrong;
    };
    let document = roxmltree::Document::parse(text).unwrap();
    let count = |tag: &str| {
        let nodes = document.descendants();
        nodes.filter(|node| node.has_tag_name(tag)).count()
    };
    let (failures, errors) = (count("failure"), count("error"));
    let fits = match run.code {
        Some(0) => failures == 0 && errors == 0,
        Some(1) => failures > 0,
        Some(3) => failures == 0 && errors > 0,
        _ => true,
    };
    if !fits {
        wrong.push(format!(
            "junit.xml has {failures} failures and {errors} errors"
        ));
    }
    let causes = run.complaints().len();
    if run.code == Some(1) && failures > causes.max(1) {
        wrong.push(format!(
            "junit.xml has {failures} failures for {causes} causes"
        ));
    }
    for case in document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
    {
        let name = case.attribute("name").unwrap_or_default();
        // What the tool creates is called `k8sverify-RUN-…`.
        if name.contains("k8sverify-") {
            wrong.push(format!("junit.xml names a case of this run alone: {name}"));
        }
    }
    wrong
}

/// Secrets that stand where no one may read them: no value in any output or in what the agents wrote, and no value of a Secret in a request.
pub(crate) fn leaks(stage: &Stage, values: &[String], run: &Run) -> Vec<String> {
    let kept = stage.scenario.network.secrets.values();
    let kept: Vec<&String> = kept.flat_map(|secret| secret.values()).collect();
    let requests = stage.sandbox.requests();
    let written = stage.sandbox.written();
    let mut places = run.outputs();
    places.extend(written.iter().map(|text| ("an agent's log", text.as_str())));
    let sent = requests
        .iter()
        .map(|seen| (seen.line.as_str(), seen.body.as_str()));
    let mut wrong = Vec::new();
    for value in values.iter().chain(kept.iter().copied()) {
        let found = places.iter().copied();
        let found = found.filter(|(_, text)| text.contains(value.as_str()));
        wrong.extend(found.map(|(place, _)| format!("{place} holds the secret {value}")));
    }
    for value in kept {
        let found = sent
            .clone()
            .filter(|(_, body)| body.contains(value.as_str()));
        wrong.extend(found.map(|(line, _)| format!("{line} holds the secret {value}")));
    }
    wrong
}
