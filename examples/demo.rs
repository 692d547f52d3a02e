//! The story in the sandbox, from the fault to the pass: `cargo run --example demo`. No cluster, no Docker, no root.
//!
//! WEB calls AP, AP needs DB and KVS; kompose made no Service for those two. The demo verifies, applies the fix that the report
//! prints, verifies again. With `--keep` the sandbox stays up for your own runs.
#![expect(clippy::print_stdout, reason = "a demo prints what it does")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use k8sverify::commands::{EXIT_FAIL, EXIT_PASS};
use k8sverify_sandbox::{Program, Sandbox, Scenario};
use serde_json::Value;
use tokio::process::Command;

fn main() -> ExitCode {
    // The sandbox starts this very program as probe, and the demo as verify: both are the real tool.
    let first = std::env::args().nth(1).unwrap_or_default();
    if matches!(first.as_str(), "probe" | "verify") {
        return k8sverify::commands::main();
    }
    let keep = match first.as_str() {
        "" => false,
        "--keep" => true,
        other => {
            println!("`{other}`: expected --keep or nothing");
            return ExitCode::from(2);
        }
    };
    let played = tokio::runtime::Runtime::new()
        .map_err(Box::from)
        .and_then(|runtime| runtime.block_on(play(keep)));
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("the demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn play(keep: bool) -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scenario = Scenario::read(&root.join("tests/scenarios/story"))?;
    let program = Program {
        path: std::env::current_exe()?,
        arguments: Vec::new(),
    };
    let output = output()?;
    let sandbox = Sandbox::start(&scenario, program).await?;

    println!(
        "# 1. compose.yaml says WEB -> AP -> DB and KVS; the cluster runs all four, and kompose made no Service for DB and KVS\n"
    );
    expect(
        verify(&sandbox, &scenario, &output, "broken").await?,
        EXIT_FAIL,
    )?;

    let fix = fixes(&output.join("broken-report.json"))?;
    println!("\n# 2. what the report proposes, applied\n\n{fix}");
    sandbox.apply(&fix)?;

    println!("# 3. once more\n");
    expect(
        verify(&sandbox, &scenario, &output, "fixed").await?,
        EXIT_PASS,
    )?;
    let left = sandbox.left_over();
    if !left.is_empty() {
        return Err(format!("left behind: {}", left.join(", ")).into());
    }
    println!("\n# reports of both runs");
    for run in ["broken", "fixed"] {
        for file in ["report.html", "junit.xml", "report.json"] {
            println!("  {}", output.join(format!("{run}-{file}")).display());
        }
    }
    if keep {
        wait(&sandbox, &scenario).await?;
    }
    Ok(())
}

/// A folder that outlives the demo, beside its own executable.
fn output() -> Result<PathBuf, Box<dyn Error>> {
    let executable = std::env::current_exe()?;
    let folder = executable
        .parent()
        .ok_or("the executable is in no folder")?
        .join("demo-output");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// One run of the real tool; its report goes to this console.
async fn verify(
    sandbox: &Sandbox,
    scenario: &Scenario,
    output: &Path,
    name: &str,
) -> Result<Option<i32>, Box<dyn Error>> {
    let status = Command::new(std::env::current_exe()?)
        .arg("verify")
        .args(sandbox.arguments(scenario))
        .arg("--json")
        .arg(output.join(format!("{name}-report.json")))
        .arg("--junit")
        .arg(output.join(format!("{name}-junit.xml")))
        .arg("--html")
        .arg(output.join(format!("{name}-report.html")))
        .status()
        .await?;
    Ok(status.code())
}

fn expect(code: Option<i32>, wanted: u8) -> Result<(), Box<dyn Error>> {
    if code == Some(i32::from(wanted)) {
        println!("(exit code {wanted})");
        Ok(())
    } else {
        Err(format!("k8sverify ended with {code:?}, expected {wanted}").into())
    }
}

/// The manifests that the report's findings propose.
fn fixes(report: &Path) -> Result<String, Box<dyn Error>> {
    let report: Value = serde_json::from_slice(&std::fs::read(report)?)?;
    let manifests: Vec<&str> = report["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|finding| finding["fix"]["manifest"].as_str())
        .collect();
    if manifests.is_empty() {
        return Err("the report proposes no manifest".into());
    }
    Ok(manifests.join("---\n"))
}

/// Leaves the sandbox up until it is interrupted.
async fn wait(sandbox: &Sandbox, scenario: &Scenario) -> Result<(), Box<dyn Error>> {
    let kubeconfig = sandbox.kubeconfig().display().to_string();
    println!("\n# the sandbox stays up until Ctrl-C; in another terminal:");
    println!("  cargo run -- {}", sandbox.arguments(scenario).join(" "));
    println!("  kubectl --kubeconfig {kubeconfig} get pods,services");
    println!("  kubectl --kubeconfig {kubeconfig} delete service db      # and verify again");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
