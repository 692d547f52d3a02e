//! How long a run on the fixed story takes, until its verdict and until everything of it is gone, against an empty Job (create → Complete)
//! on the same cluster in the same minute: pairs of both, and the medians of their ratios.
//!
//! `cargo run --example bench-run -- --bin PATH --image IMAGE [--runs N]`, with KUBECONFIG and kubectl.
#![expect(clippy::print_stdout, reason = "printing is what a benchmark does")]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use http::Method;
use k8sverify::observe::{Api, ConnectOptions, connect};
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// The static binary of k8sverify.
    #[arg(long)]
    bin: PathBuf,
    /// The image that holds it.
    #[arg(long)]
    image: String,
    /// Pairs to measure.
    #[arg(long, default_value_t = 7)]
    runs: usize,
}

const CALL: Duration = Duration::from_secs(10);

fn kubectl(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let output = Command::new("kubectl").args(arguments).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into())
    }
}

/// Creates a Job that does nothing, and waits until the API calls it Complete.
async fn empty_job(api: &Api, namespace: &str, number: usize) -> Result<Duration, Box<dyn Error>> {
    let name = format!("empty-{number}");
    let jobs = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
    let body = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "empty", "image": "busybox:1", "imagePullPolicy": "IfNotPresent", "command": ["true"]}]}}}});
    let started = Instant::now();
    let _: Value = api.call(Method::POST, &jobs, Some(&body), CALL).await?;
    loop {
        let job: Value = api
            .call(Method::GET, &format!("{jobs}/{name}"), None, CALL)
            .await?;
        let complete = job["status"]["conditions"].as_array().is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == "Complete" && one["status"] == "True")
        });
        if complete {
            break;
        }
        if started.elapsed() > Duration::from_mins(1) {
            return Err("the empty Job did not complete within a minute".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = started.elapsed();
    let _: Value = api
        .call(
            Method::DELETE,
            &format!("{jobs}/{name}?propagationPolicy=Background"),
            None,
            CALL,
        )
        .await?;
    Ok(took)
}

/// The time until the verdict, and until the end.
fn run(
    args: &Args,
    namespace: &str,
    compose: &str,
) -> Result<(Duration, Duration), Box<dyn Error>> {
    let started = Instant::now();
    let mut child = Command::new(&args.bin)
        .args([
            "--namespace",
            namespace,
            "--compose",
            compose,
            "--image",
            &args.image,
            "--quiet",
        ])
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().ok_or("standard output is not piped")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    let verdict = started.elapsed();
    let status = child.wait()?;
    let took = started.elapsed();
    if status.code() == Some(0) {
        Ok((verdict, took))
    } else {
        Err(format!("the run on the fixed story ended with {status}").into())
    }
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

async fn measure(args: &Args, namespace: &str, story: &str) -> Result<(), Box<dyn Error>> {
    kubectl(&["create", "namespace", namespace])?;
    kubectl(&[
        "-n",
        namespace,
        "apply",
        "-k",
        &format!("{story}/kubernetes/fixed"),
    ])?;
    kubectl(&[
        "-n",
        namespace,
        "rollout",
        "status",
        "deployment",
        "--timeout=120s",
    ])?;
    let api = connect(&ConnectOptions::default()).await?;
    let compose = format!("{story}/compose.yaml");
    // MariaDB's Pod is ready before it listens: the first run that passes ends the warm-up.
    let warm = Instant::now();
    while run(args, namespace, &compose).is_err() {
        if warm.elapsed() > Duration::from_mins(2) {
            return Err("the fixed story does not pass within two minutes".into());
        }
    }
    let (mut verdicts, mut ends) = (Vec::new(), Vec::new());
    for number in 0..args.runs.max(1) {
        let job = empty_job(&api, namespace, number).await?.as_secs_f64();
        let (verdict, whole) = run(args, namespace, &compose)?;
        let (verdict, whole) = (verdict.as_secs_f64(), whole.as_secs_f64());
        println!("empty Job {job:.2} s   verdict {verdict:.2} s   end {whole:.2} s");
        verdicts.push(verdict / job);
        ends.push(whole / job);
    }
    println!(
        "medians of {} pairs, of the empty Job's time: verdict {:.2}, end {:.2} (aim: 0.35)",
        ends.len(),
        median(verdicts),
        median(ends)
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let namespace = format!("bench-{}", std::process::id());
    let story = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/compose-to-kubernetes"
    );
    let result = measure(&args, &namespace, story).await;
    kubectl(&["delete", "namespace", &namespace, "--wait=false"])?;
    result
}
