//! Where SQL is run: a candidate as a drill finds it → the Pod that logs in there, and the members to look at. Pure.

use crate::address::LoginReference;
use crate::config::{CandidateRule, SecretLogin, Word};
use crate::drill::model::Engine;
use crate::drill::plan::{self as place, runners};
use crate::graph::TierGraph;
use crate::observe::Snapshot;
use crate::observe::kinds::EnvVar;
use crate::plan::{PlanOptions, Vantage, endpoint_task};
use crate::policy;
use crate::probe::wire::{ENVIRONMENT_PREFIX, EdgeTask, EndpointTask};

/// Where SQL is run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Subject {
    /// The Pod to make, with the login by reference and the edge as its one task.
    pub(super) vantage: Vantage,
    /// The members, as far as the API shows them.
    pub(super) members: Vec<EndpointTask>,
    /// The login's database, where it is no value of a Secret.
    pub(super) database: Option<String>,
    /// Whether it holds nothing that matters.
    pub(super) fresh: bool,
}

impl Subject {
    /// The task of its edge.
    pub(super) fn task(&self) -> Option<&EdgeTask> {
        self.vantage.containers.first()?.spec.edges.first()
    }

    /// `mysql:3306`
    pub(super) fn address(&self) -> String {
        self.task()
            .map(|task| format!("{}:{}", task.host, task.port))
            .unwrap_or_default()
    }
}

/// Finds it.
///
/// # Errors
/// In words, what is missing and how to say it.
pub(super) fn find(
    name: &str,
    candidate: &CandidateRule,
    graph: &TierGraph,
    snapshot: &Snapshot,
    options: &PlanOptions,
) -> Result<Subject, String> {
    let mut found = place::subject(name, candidate, graph, snapshot)?;
    if found.engine != Engine::Mysql {
        return Err(format!(
            "{name} is no MySQL: SQL is run on MySQL, MariaDB, Galera and Vitess"
        ));
    }
    // Members are asked with the login that the SQL is run with.
    found.observer = None;
    let mut vantage = runners::vantage(&found, graph, snapshot, options)?;
    "sql".clone_into(&mut vantage.id);
    let [probe] = vantage.containers.as_mut_slice() else {
        return Err(format!("{name}: no Pod could be planned for it"));
    };
    let [task] = probe.spec.edges.as_mut_slice() else {
        return Err(format!("{name}: no address to log in at is known"));
    };
    lead_to(snapshot, task, &found);
    task.recheck_pass = false;
    task.query = None;
    probe.spec.names.clear();
    let database = database(candidate.login.as_ref(), task, &probe.env);
    let members = members(&found, snapshot, task);
    Ok(Subject {
        members,
        database,
        fresh: found.fresh,
        vantage,
    })
}

/// Turns a task to the address that takes writes.
fn lead_to(snapshot: &Snapshot, task: &mut EdgeTask, found: &place::Subject) {
    if let Ok(port) = found.write.port.try_into() {
        task.port = port;
    }
    task.host.clone_from(&found.write.host);
    let route = policy::route(snapshot, &snapshot.namespace, &task.host, task.port, "TCP");
    task.endpoints = route.endpoints.iter().map(endpoint_task).collect();
}

/// The login's database, where it stands in plain sight.
fn database(login: Option<&SecretLogin>, task: &EdgeTask, env: &[EnvVar]) -> Option<String> {
    if let Some(login) = login {
        return match &login.database {
            Some(Word::Value(name)) => Some(name.clone()),
            _ => None,
        };
    }
    let Some(LoginReference::Parts {
        database: Some(name),
        ..
    }) = &task.login
    else {
        return None;
    };
    let name = format!("{ENVIRONMENT_PREFIX}{name}");
    env.iter()
        .find(|variable| variable.name == name)
        .and_then(|variable| variable.value.clone())
}

/// The Pods of the members, by the port on which they serve; without Pods, the Service's endpoints.
fn members(found: &place::Subject, snapshot: &Snapshot, task: &EdgeTask) -> Vec<EndpointTask> {
    let pods = found
        .workloads
        .iter()
        .flat_map(|workload| snapshot.pods_of(workload));
    let mut members: Vec<EndpointTask> = pods
        .filter_map(|pod| {
            Some(EndpointTask {
                address: pod.status.pod_ip.parse().ok()?,
                port: found.member_port,
                pod: pod.metadata.name.clone(),
                ready: true,
                elsewhere: Vec::new(),
            })
        })
        .collect();
    if members.is_empty() {
        members.clone_from(&task.endpoints);
    }
    let known = task.login_addresses.as_ref();
    members.retain(|member| known.is_none_or(|known| known.contains(&member.address)));
    members.sort_by(|a, b| (&a.pod, a.address).cmp(&(&b.pod, b.address)));
    members.dedup_by(|a, b| a.address == b.address);
    members
}
