//! What everything but the probing (graph, plan, second look, rules, verdict, report) costs against the size of a namespace: CPU time of
//! each stage, the slope from one size to the next (1 is linear), the peak of memory, and how much the plan asks of the cluster. Printed,
//! never deciding; no cluster.
//!
//! `cargo run --release --example bench-scale -- [SERVICES…] [--pods N] [--bare] [--dead]`
#![expect(clippy::print_stdout, reason = "printing is what a benchmark does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use clap::Parser;
use k8sverify::catalog::Catalog;
use k8sverify::config::Config;
use k8sverify::diagnose::{Context, diagnose};
use k8sverify::graph;
use k8sverify::observe::{NamespaceState, Observed, Snapshot};
use k8sverify::plan::{
    self, JobOptions, Outcomes, PlanOptions, ProbeOutcome, ProbePlan, TierProbe, Vantage,
};
use k8sverify::probe::wire::{EdgeTask, Step, StepError, StepName, StepStatus};
use k8sverify::verdict::{self, ReportMeta, VerdictOptions};
use serde_json::{Value, json};

#[derive(Parser)]
struct Args {
    /// Sizes to measure, in Services.
    #[arg(default_values_t = [125, 250])]
    services: Vec<usize>,
    /// Pods behind each Service.
    #[arg(long, default_value_t = 10)]
    pods: usize,
    /// Pods that no workload owns.
    #[arg(long)]
    bare: bool,
    /// Every endpoint refuses.
    #[arg(long)]
    dead: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    println!("services  pods  graph s  plan s  rules s  report s  total s  slope  peak MiB");
    let mut before: Option<(usize, f64)> = None;
    for count in &args.services {
        let snapshot = snapshot(*count, args.pods, args.bare)?;
        let stages = stages(&snapshot, args.dead);
        let total: f64 = stages.iter().sum();
        let slope = before.map_or_else(String::new, |(old, time)| {
            format!("{:.2}", (total / time).ln() / ratio(*count, old).ln())
        });
        let [graph, plan, rules, report] = stages;
        println!(
            "{count:8} {:5} {graph:8.3} {plan:7.3} {rules:8.3} {report:9.3} {total:8.3} {slope:>6} {:>9}",
            count * args.pods,
            peak()
        );
        before = Some((*count, total));
    }
    Ok(())
}

/// CPU seconds of graph, plan, rules, and verdict with its report.
fn stages(snapshot: &Snapshot, dead: bool) -> [f64; 4] {
    let catalog = Catalog::embedded();
    let start = cpu();
    let graph = graph::build(None, snapshot, &Config::default(), &catalog);
    let built = cpu();
    let options = PlanOptions::default();
    let plan = plan::plan(&graph, snapshot, &options);
    let outcomes = outcomes(&plan, dead);
    let second = plan::second_look(&graph, snapshot, &plan, &outcomes, &options);
    let planned = cpu();
    let context = Context::new(&graph, snapshot, Some(&outcomes));
    let findings = diagnose(&context);
    let judged = cpu();
    let options = VerdictOptions {
        skipped: plan.skipped,
        ..VerdictOptions::default()
    };
    let verdict = verdict::judge(&context, findings, &options);
    let report = verdict::report(&context, &verdict, &options, ReportMeta::default());
    let json = serde_json::to_vec(&report).unwrap_or_default();
    let end = cpu();
    let jobs = plan.vantages.iter().chain(&second.vantages);
    let largest = jobs
        .clone()
        .map(|vantage| {
            plan::job::manifest(vantage, &JobOptions::default())
                .to_string()
                .len()
        })
        .max();
    println!(
        "  {} edges, {} Jobs of {} containers, the largest {} KB, {} findings, {} KB of JSON",
        graph.edges.len(),
        jobs.clone().count(),
        jobs.map(|vantage| vantage.by_container().count())
            .sum::<usize>(),
        largest.unwrap_or_default() / 1024,
        report.findings.len(),
        json.len() / 1024
    );
    [
        built - start,
        planned - built,
        judged - planned,
        end - judged,
    ]
}

/// What the probes of a plan would say.
fn outcomes(plan: &ProbePlan, dead: bool) -> Outcomes {
    let step = |task: &EdgeTask, name: StepName, target: String, endpoint: Option<String>| Step {
        task: task.id.clone(),
        name,
        target,
        endpoint,
        status: if dead && name != StepName::Dns {
            StepStatus::Fail
        } else {
            StepStatus::Pass
        },
        error: (dead && name != StepName::Dns).then_some(StepError::Refused),
        detail: String::new(),
        duration_ms: 1,
        tries: 1,
        facts: BTreeMap::new(),
    };
    let steps = |task: &EdgeTask| {
        let service = format!("{}:{}", task.host, task.port);
        let mut steps = vec![
            step(task, StepName::Dns, task.host.clone(), None),
            step(task, StepName::Service, service, None),
        ];
        for endpoint in &task.endpoints {
            let address = SocketAddr::new(endpoint.address, endpoint.port.get()).to_string();
            steps.push(step(
                task,
                StepName::Endpoint,
                address.clone(),
                Some(address),
            ));
        }
        steps
    };
    let of = |vantage: &Vantage, probe: &TierProbe| ProbeOutcome {
        vantage: vantage.id.clone(),
        tier: probe.tier.clone(),
        identity: vantage.identity.clone(),
        node: vantage.identity.node.clone().unwrap_or_default(),
        look: vantage.look,
        nameservers: Vec::new(),
        steps: probe.spec.edges.iter().flat_map(steps).collect(),
        complete: true,
        failure: None,
        tasks: probe
            .spec
            .edges
            .iter()
            .map(|task| task.id.clone())
            .collect(),
        sql: Vec::new(),
    };
    let vantages = plan.vantages.iter();
    Outcomes {
        probes: vantages
            .flat_map(|vantage| {
                vantage
                    .containers
                    .iter()
                    .map(move |probe| of(vantage, probe))
            })
            .collect(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes are small")]
fn ratio(new: usize, old: usize) -> f64 {
    new as f64 / old as f64
}

/// Seconds that this thread was on a CPU (Linux), else seconds that passed.
fn cpu() -> f64 {
    thread_local! { static START: Instant = Instant::now(); }
    let on_cpu = fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    on_cpu.map_or_else(
        || START.with(|start| start.elapsed().as_secs_f64()),
        |nanoseconds| nanoseconds / 1e9,
    )
}

/// The peak of resident memory so far, in MiB (Linux).
fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            let kilobytes = line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?;
            Some((kilobytes.parse::<u64>().ok()? / 1024).to_string())
        })
        .unwrap_or_else(|| "?".to_owned())
}

/// `count` Services with their Pods; each Pod calls the next Service and the first one. The Pods are owned by a kind that is not
/// listed, as those of operators are.
fn snapshot(count: usize, pods: usize, bare: bool) -> Result<Snapshot, serde_json::Error> {
    let mut state = NamespaceState::default();
    for service in 0..count {
        let name = format!("svc-{service:04}");
        let next = format!("svc-{:04}", (service + 1) % count);
        state.services.push(serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "scale"},
            "spec": {"type": "ClusterIP", "clusterIP": address(96, service), "clusterIPs": [address(96, service)],
                     "selector": {"app": name}, "ports": [{"port": 8080, "targetPort": 8080, "protocol": "TCP"}]}}))?);
        let mut endpoints = Vec::new();
        for replica in 0..pods {
            let (pod, ip) = (
                format!("{name}-{replica:02}"),
                address(200, service * pods + replica),
            );
            state.pods.push(serde_json::from_value(self::pod(
                &name, &pod, &next, &ip, bare,
            ))?);
            endpoints.push(json!({"addresses": [ip], "conditions": {"ready": true, "serving": true, "terminating": false},
                "nodeName": format!("node-{}", replica % 20), "targetRef": {"kind": "Pod", "name": pod, "namespace": "scale"}}));
        }
        state.endpoint_slices.push(serde_json::from_value(json!({
            "metadata": {"name": format!("{name}-slice"), "namespace": "scale", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints}))?);
    }
    let mut snapshot = Snapshot {
        namespace: "scale".to_owned(),
        ..Snapshot::default()
    };
    for node in 0..20 {
        snapshot.nodes.push(serde_json::from_value(
            json!({"metadata": {"name": format!("node-{node}")},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
        )?);
    }
    for resource in [
        "pods",
        "services",
        "endpointslices",
        "workloads",
        "networkpolicies",
        "nodes",
        "events",
        "configmaps",
    ] {
        snapshot.observed.insert(resource.to_owned(), Observed::Ok);
    }
    snapshot.namespaces.insert("scale".to_owned(), state);
    Ok(snapshot)
}

fn pod(app: &str, name: &str, next: &str, ip: &str, bare: bool) -> Value {
    let owners = if bare {
        json!([])
    } else {
        json!([{"apiVersion": "example.org/v1", "kind": "Fleet", "name": app, "controller": true}])
    };
    let conditions: Vec<Value> = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .iter()
        .map(|kind| json!({"type": kind, "status": "True"}))
        .collect();
    json!({"metadata": {"name": name, "namespace": "scale", "ownerReferences": owners,
                        "labels": {"app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "scale"}},
        "spec": {"nodeName": format!("node-{}", name.bytes().map(usize::from).sum::<usize>() % 20), "containers": [{
            "name": "app", "image": "registry.example/app:1.2.3",
            "env": [{"name": "UPSTREAM_URL", "value": format!("http://{next}:8080")}, {"name": "DB_HOST", "value": "svc-0000"}],
            "ports": [{"containerPort": 8080}], "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
            "livenessProbe": {"httpGet": {"path": "/livez", "port": 8080}}}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": conditions,
            "containerStatuses": [{"name": "app", "image": "registry.example/app:1.2.3", "ready": true, "started": true, "restartCount": 0,
                                   "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}})
}

/// The address of that number in `10.NET.0.0/16`, or beyond it.
fn address(net: usize, number: usize) -> String {
    format!(
        "10.{}.{}.{}",
        net + number / 62_500,
        number / 250 % 250,
        number % 250 + 1
    )
}
