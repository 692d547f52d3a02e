//! No secret stands in anything that a run writes, in any format and however much it is asked to tell.

use crate::play::{Case, Stage, at_once};
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
