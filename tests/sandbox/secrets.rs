//! No secret stands in anything that a run writes, in any format and however much it is asked to print.

use k8sverify_sandbox::Scenario;

use crate::play::{Case, Stage, at_once, folder};
use crate::scenarios::leaks;

#[tokio::test(flavor = "multi_thread")]
async fn no_output_holds_a_secret() {
    let formats = ["console", "json", "junit", "github", "markdown", "html"];
    let cases = formats.into_iter().flat_map(|format| {
        [
            "secrets",
            "secrets-quoted",
            "login-mysql-wrong-password",
            "story",
        ]
        .map(|name| Case::new(format!("{name} as {format}"), check(name, format)))
    });
    at_once(cases).await;
}

/// The forms in which programs print secrets: those of the redactor's own test.
const FORMS: &str = include_str!("../../src/redact/forms.txt");
/// No excerpt of a log quotes more lines.
const QUOTED: usize = 4;

/// Everything that the cluster, the compose project and the kubeconfig hold at once, and the forms of a log a few at a time: no secret
/// is in any output, log or trace; in a Job only what a login needs and stands in the Pod as it is.
#[tokio::test(flavor = "multi_thread")]
async fn of_all_canaries_none_is_in_an_output_a_log_or_a_job() {
    let forms: Vec<&str> = FORMS.lines().collect();
    let formats = ["console", "json", "junit", "github", "markdown", "html"];
    let cases = forms.chunks(QUOTED).enumerate().map(|(index, lines)| {
        let log = lines
            .join("\n")
            .replace("\\n", "\n")
            .replace("CANARY", "CANARYlog9zQ");
        let format = formats[index % formats.len()];
        Case::new(format!("{} as {format}", lines[0]), canaries(log, format))
    });
    at_once(cases).await;
}

async fn canaries(log: String, format: &'static str) -> Result<(), String> {
    let mut scenario = Scenario::read(&folder().join("secrets-canaries")).unwrap();
    scenario
        .network
        .logs
        .insert("deployment/db".to_owned(), log);
    let stage = Stage::of(scenario).await;
    // Some write their credentials into the API's address.
    let path = stage.sandbox.kubeconfig();
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains("http://127.0.0.1"), "{config}");
    let config = config.replace("http://127.0.0.1", "http://admin:CANARYapi9zQ@127.0.0.1");
    std::fs::write(&path, config).unwrap();
    let run = stage.verify(&["--format", format, "-v", "-v"]).await;
    let expected = stage.scenario.expected.clone().unwrap_or_default();
    let mut wrong = leaks(&stage, &expected.secrets, &run);
    let jobs: Vec<String> = stage
        .sandbox
        .requests()
        .into_iter()
        .map(|seen| seen.body)
        .collect();
    wrong.extend(
        jobs.iter()
            .filter(|body| body.contains("CANARY"))
            .map(|body| format!("a request holds a secret: {body}")),
    );
    if run.code != Some(expected.exit) || jobs.iter().all(String::is_empty) {
        wrong.push(format!("exit code {:?}\n{}", run.code, run.stdout));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

async fn check(name: &'static str, format: &'static str) -> Result<(), String> {
    let stage = Stage::new(name).await;
    let run = stage.verify(&["--format", format, "-v", "-v"]).await;
    let expected = stage.scenario.expected.clone().unwrap_or_default();
    let mut wrong = leaks(&stage, &expected.secrets, &run);
    if expected.secrets.is_empty() {
        wrong.push("the scenario names no secret".to_owned());
    }
    if run.code != Some(expected.exit) {
        wrong.push(format!("exit code {:?}", run.code));
    }
    if !run.stderr.contains("DEBUG") {
        wrong.push("standard error has no log".to_owned());
    }
    // A search that finds nothing must be able to find something.
    if run.outputs().iter().any(|(_, text)| text.is_empty())
        || !(run.stdout.contains("AP") || run.stdout.contains("deployment/db"))
    {
        wrong.push("an output is empty".to_owned());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n{}", wrong.join("; "), run.stderr))
}
