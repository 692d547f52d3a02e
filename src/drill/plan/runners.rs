//! The runners of a candidate: where they stand, with which login, what their lanes do; and their Jobs. Pure.

use std::num::NonZeroU16;

use serde_json::{Value, json};

use super::{Subject, protocol};
use crate::address::LoginReference;
use crate::config::{SecretLogin, Word};
use crate::drill::model::{
    Address, Candidate, Engine, Lane, LaneKind, Ledger, Limits, RunnerSpec, VERSION,
};
use crate::drill::orders::{ANNOTATION, FILE, FOLDER, Orders};
use crate::graph::TierGraph;
use crate::observe::Snapshot;
use crate::observe::kinds::{EnvSource, EnvVar, KeyRef};
use crate::plan::{self, JobOptions, PlanOptions, Vantage};
use crate::probe::wire::{EdgeTask, NO_CREDENTIALS};
use crate::protocol::Protocol;

/// Runners are called so.
const NAMES: [&str; 2] = ["a", "b"];
/// A write by a new connection is begun every so often.
const WRITE_NEW_MS: u64 = 200;
/// One by a kept connection.
const WRITE_HELD_MS: u64 = 100;
/// A read by a new connection.
const READ_NEW_MS: u64 = 400;
/// A member is asked.
const MEMBER_MS: u64 = 250;
/// Turns of a lane that may be under way.
const IN_FLIGHT: u32 = 16;
/// No runner holds more connections.
const MOST_HELD: usize = 8;
/// Seconds in which a runner that is terminated removes the ledger.
const GRACE: u64 = 10;

/// One runner: its Job and the orders that it receives.
#[derive(Debug, Clone, PartialEq)]
pub struct Runner {
    /// `a` or `b`.
    pub name: String,
    /// The Job's name.
    pub job: String,
    /// Its manifest.
    pub manifest: Value,
    /// Whether its Pod is to have no controller.
    pub bare: bool,
    /// What it does.
    pub spec: RunnerSpec,
}

/// The runners of a candidate, and the Job that removes its ledger alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Runners {
    /// One on each of two nodes, where there are two.
    pub lanes: Vec<Runner>,
    /// Removes the ledger.
    pub remover: Runner,
}

/// Lays out the runners.
///
/// # Errors
/// In words, why there can be none: no client to stand in for, no login.
pub fn runners(
    candidate: &Candidate,
    subject: &Subject,
    graph: &TierGraph,
    snapshot: &Snapshot,
    options: &PlanOptions,
    jobs: &JobOptions,
) -> Result<Runners, String> {
    let base = vantage(subject, graph, snapshot, options)?;
    let mut nodes = vec![base.identity.node.clone()];
    let other = base
        .fallback_nodes
        .iter()
        .find(|node| Some(*node) != base.identity.node.as_ref());
    if base.identity.node.is_none() {
        nodes = vec![base.fallback_nodes.first().cloned()];
        nodes.extend(base.fallback_nodes.get(1).cloned().map(Some));
    } else {
        nodes.extend(other.cloned().map(Some));
    }
    let lanes = nodes
        .into_iter()
        .zip(NAMES)
        .map(|(node, name)| {
            let spec = spec(
                candidate,
                name,
                options,
                lanes(candidate, subject, snapshot, name),
            );
            runner(&base, node, spec, jobs)
        })
        .collect();
    let spec = spec(candidate, "x", options, Vec::new());
    let node = base.identity.node.clone();
    Ok(Runners {
        lanes,
        remover: runner(&base, node, spec, jobs),
    })
}

/// Where the client of the candidate's tier stands, with its login or the candidate's own.
///
/// # Errors
/// In words, why there is nothing to stand on, or no login.
pub fn vantage(
    subject: &Subject,
    graph: &TierGraph,
    snapshot: &Snapshot,
    options: &PlanOptions,
) -> Result<Vantage, String> {
    let mut vantage = match &subject.edge {
        Some(edge) => plan::as_client(graph, snapshot, edge, options)?,
        None => plan::plain(snapshot, options),
    };
    let port = NonZeroU16::new(subject.write.port).ok_or("the write address has no port")?;
    let probe = vantage
        .containers
        .first_mut()
        .ok_or("there is nothing to look from")?;
    let task = |reference| {
        plan::bare_task(
            &subject.name,
            &subject.write.host,
            port,
            protocol(subject.engine),
            reference,
        )
    };
    probe.spec.edges.truncate(1);
    if let Some(login) = &subject.login {
        let (variables, reference) = variables("CANDIDATE", login);
        probe.env = variables;
        probe.env_from.clear();
        probe.spec.edges = vec![task(reference)];
    }
    if probe.spec.edges.is_empty() && subject.engine == Engine::Redis {
        let name = subject.name.clone();
        let open = EdgeTask::bare(name, subject.write.host.clone(), port, Protocol::Redis);
        probe.spec.edges = vec![EdgeTask {
            no_login_reason: NO_CREDENTIALS.to_owned(),
            ..open
        }];
    }
    if let (Some(login), false) = (&subject.observer, probe.spec.edges.is_empty()) {
        let (variables, mut reference) = variables("OBSERVER", login);
        let of_client = probe.spec.edges.first().and_then(|task| task.login.clone());
        // The ledger lies in the client's database.
        if let (
            LoginReference::Parts { database, .. },
            Some(LoginReference::Parts { database: own, .. }),
        ) = (&mut reference, of_client)
            && database.is_none()
        {
            *database = own;
        }
        probe.env.extend(variables);
        probe.spec.edges.push(task(reference));
    }
    match probe.spec.edges.first() {
        Some(task) if task.login.is_some() && !task.withheld => Ok(vantage),
        // A Redis that asks for no password is written to without one.
        Some(task) if subject.engine == Engine::Redis && task.no_login_reason == NO_CREDENTIALS => {
            Ok(vantage)
        }
        Some(task) => Err(format!(
            "candidate {}: no login for the runners: {}; name one as login: of the candidate",
            subject.name, task.no_login_reason
        )),
        None => Err(format!(
            "candidate {}: nothing leads to it; name write: and login: of the candidate",
            subject.name
        )),
    }
}

/// A login that stands in a Secret: the variables that bring it, and the reference that names them.
fn variables(prefix: &str, login: &SecretLogin) -> (Vec<EnvVar>, LoginReference) {
    let key = |key: &str| EnvVar {
        value_from: Some(EnvSource {
            secret_key_ref: Some(KeyRef {
                name: login.secret.clone(),
                key: key.to_owned(),
                optional: false,
            }),
            ..EnvSource::default()
        }),
        ..EnvVar::default()
    };
    let word = |word: &Word| match word {
        Word::Key(name) => key(name),
        Word::Value(value) => EnvVar {
            value: Some(value.clone()),
            ..EnvVar::default()
        },
    };
    plan::own_login(
        prefix,
        Some(word(&login.user)),
        Some(key(&login.password)),
        login.database.as_ref().map(word),
    )
}

fn spec(candidate: &Candidate, name: &str, options: &PlanOptions, lanes: Vec<Lane>) -> RunnerSpec {
    RunnerSpec {
        version: VERSION,
        runner: name.to_owned(),
        engine: candidate.engine,
        write: candidate.write.clone(),
        read: candidate.read.clone(),
        ledger: ledger(candidate, &options.run),
        lanes,
        expect: candidate.expect.clone(),
        limits: Limits::default(),
        deadline_ms: options.deadline_ms,
    }
}

/// The scratch table of a run.
fn ledger(candidate: &Candidate, run: &str) -> Ledger {
    let name = match candidate.engine {
        Engine::Redis => format!("k8sverify:{run}:"),
        _ => format!("k8sverify_drill_{run}"),
    };
    Ledger { name }
}

/// The lanes of one runner: new connections through the addresses, a kept one for each member behind the write address, one to each member.
fn lanes(candidate: &Candidate, subject: &Subject, snapshot: &Snapshot, runner: &str) -> Vec<Lane> {
    let through =
        |name: String, kind: LaneKind, address: &Address, every_ms: u64, in_flight: u32| Lane {
            name: format!("{runner}/{name}"),
            kind,
            address: address.clone(),
            every_ms,
            in_flight,
        };
    let write = &candidate.write;
    let mut lanes = vec![
        through(
            "w-new".into(),
            LaneKind::WriteNew,
            write,
            WRITE_NEW_MS,
            IN_FLIGHT,
        ),
        through(
            "r-new".into(),
            LaneKind::ReadNew,
            write,
            READ_NEW_MS,
            IN_FLIGHT,
        ),
    ];
    if let Some(read) = &candidate.read {
        lanes.push(through(
            "r-new/read".into(),
            LaneKind::ReadNew,
            read,
            READ_NEW_MS,
            IN_FLIGHT,
        ));
    }
    for number in 0..held(subject, snapshot) {
        let name = format!("w-held/{number}");
        lanes.push(through(name, LaneKind::WriteHeld, write, WRITE_HELD_MS, 1));
    }
    for member in &candidate.members {
        lanes.push(through(
            format!("m/{}", member.name),
            LaneKind::Member(member.name.clone()),
            &member.address,
            MEMBER_MS,
            1,
        ));
    }
    lanes
}

/// One kept connection for each member behind the write address.
fn held(subject: &Subject, snapshot: &Snapshot) -> usize {
    let port = NonZeroU16::new(subject.write.port).unwrap_or(NonZeroU16::MIN);
    let (_, behind) = super::service_of(snapshot, &subject.write.host, port);
    behind.len().clamp(1, MOST_HELD)
}

fn runner(base: &Vantage, node: Option<String>, spec: RunnerSpec, jobs: &JobOptions) -> Runner {
    let mut vantage = base.clone();
    vantage.id = format!("drill-{}", spec.runner);
    vantage.identity.node = node;
    for probe in &mut vantage.containers {
        probe.spec.drill = Some(spec.clone());
    }
    vantage.containers.truncate(1);
    let mut manifest = plan::job::manifest(&vantage, jobs);
    mount_orders(&mut manifest);
    Runner {
        name: spec.runner.clone(),
        job: plan::job::name(&jobs.run, &vantage.id),
        manifest,
        bare: vantage.bare,
        spec,
    }
}

/// The annotation with the orders reaches the runner as a file; a runner that is terminated has time to clean up.
fn mount_orders(manifest: &mut Value) {
    let template = &mut manifest["spec"]["template"];
    template["metadata"]["annotations"][ANNOTATION] = json!(Orders::default().text());
    let pod = &mut template["spec"];
    pod["terminationGracePeriodSeconds"] = json!(GRACE);
    let volume = json!({"name": "k8sverify-orders", "downwardAPI": {"items": [
        {"path": FILE, "fieldRef": {"fieldPath": format!("metadata.annotations['{ANNOTATION}']")}}
    ]}});
    let mount = json!({"name": "k8sverify-orders", "mountPath": FOLDER, "readOnly": true});
    push(&mut pod["volumes"], volume);
    if let Some(container) = pod["containers"].get_mut(0) {
        push(&mut container["volumeMounts"], mount);
        // No limit of the processor: a runner that is held back sees nothing, and would say so.
        if let Some(limits) = container["resources"]["limits"].as_object_mut() {
            limits.remove("cpu");
        }
    }
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(list) => list.push(item),
        None => *list = json!([item]),
    }
}
