//! Where SQL is run: a candidate of the user's file or a tier → who logs in from where, at which address, and which members there are. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use crate::address::LoginReference;
use crate::config::{Candidate, HostPort, SecretLogin, Word};
use crate::graph::{Edge, TierGraph};
use crate::observe::kinds::{EnvSource, EnvVar, KeyRef};
use crate::observe::{Snapshot, WorkloadKey};
use crate::plan::{self, Identity, Look, PlanOptions, TierProbe, Vantage};
use crate::policy;
use crate::probe::wire::{ENVIRONMENT_PREFIX, EdgeTask, EndpointTask, ProbeSpec, VERSION};
use crate::protocol::Protocol;

/// Variables of a login that stands in a Secret.
const LOGIN: [&str; 3] = [
    "K8SVERIFY_LOGIN_USER",
    "K8SVERIFY_LOGIN_PASSWORD",
    "K8SVERIFY_LOGIN_DATABASE",
];

/// Where SQL is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// The Pod to make, with the login by reference and the edge as its one task.
    pub vantage: Vantage,
    /// The members, as far as the API shows them.
    pub members: Vec<EndpointTask>,
    /// The login's database, where it is no value of a Secret.
    pub database: Option<String>,
    /// Whether it holds nothing that matters.
    pub fresh: bool,
}

impl Subject {
    /// The task of its edge.
    #[must_use]
    pub fn task(&self) -> Option<&EdgeTask> {
        self.vantage.containers.first()?.spec.edges.first()
    }

    /// `mysql:3306`
    #[must_use]
    pub fn address(&self) -> String {
        self.task()
            .map(|task| format!("{}:{}", task.host, task.port))
            .unwrap_or_default()
    }
}

/// Finds it.
///
/// # Errors
/// In words, what is missing and how to say it.
pub fn find(
    name: &str,
    candidate: &Candidate,
    graph: &TierGraph,
    snapshot: &Snapshot,
    options: &PlanOptions,
) -> Result<Subject, String> {
    let edge = match &candidate.tier {
        Some(tier) => Some(edge_into(tier, graph)?),
        None => same_address(candidate, graph),
    };
    let planned = plan::plan(graph, snapshot, options);
    let mut vantage = edge
        .and_then(|edge| place_of(&planned.vantages, edge))
        .unwrap_or_else(|| plain(snapshot, candidate.write.as_ref(), options));
    let [probe] = vantage.containers.as_mut_slice() else {
        return Err(format!("{name}: no Pod could be planned for it"));
    };
    let [task] = probe.spec.edges.as_mut_slice() else {
        return Err(format!("{name}: no address to log in at is known"));
    };
    if let Some(write) = &candidate.write {
        lead_to(snapshot, task, write);
    }
    task.recheck_pass = false;
    task.query = None;
    if let Some(login) = &candidate.login {
        // The user's own word: it goes to whatever the name leads to.
        task.login = Some(reference(login));
        task.login_addresses = None;
        probe.env.extend(variables(login));
    }
    if task.login.is_none() {
        return Err(format!(
            "{name}: {} reaches it, and how it logs in is not known: {}; say it in k8sverify.yaml: candidates: {{{name}: {{tier: …, login: {{secret: NAME, user: KEY, password: KEY}}}}}}",
            probe.tier, task.no_login_reason
        ));
    }
    let database = database(candidate.login.as_ref(), task, &probe.env);
    let members = members(candidate, edge, graph, snapshot, task);
    Ok(Subject {
        name: name.to_owned(),
        members,
        database,
        fresh: candidate.fresh,
        vantage,
    })
}

/// The port of MySQL.
fn usual_port() -> NonZeroU16 {
    Protocol::Mysql.default_port().unwrap_or(NonZeroU16::MIN)
}

fn is_mysql(edge: &Edge) -> bool {
    edge.protocol == Protocol::Mysql && !edge.forbidden
}

/// The edge into a tier that takes writes and logs in.
fn edge_into<'g>(tier: &str, graph: &'g TierGraph) -> Result<&'g Edge, String> {
    let best = graph
        .edges
        .iter()
        .filter(|edge| edge.to == tier && is_mysql(edge))
        .min_by_key(|edge| {
            (
                edge.replica,
                edge.login.is_none(),
                std::cmp::Reverse(edge.confidence),
                &edge.id,
            )
        });
    best.ok_or_else(|| {
        let known: BTreeSet<&str> = graph
            .edges
            .iter()
            .filter(|edge| is_mysql(edge))
            .map(|edge| edge.to.as_str())
            .collect();
        let known: Vec<&str> = known.into_iter().collect();
        let hint = if known.is_empty() {
            "the graph has no MySQL database: name one under candidates: of k8sverify.yaml"
                .to_owned()
        } else {
            format!("there is {}", known.join(", "))
        };
        format!("no client reaches a MySQL database called {tier}: {hint}")
    })
}

/// An edge that dials the candidate's own address.
fn same_address<'g>(candidate: &Candidate, graph: &'g TierGraph) -> Option<&'g Edge> {
    let write = candidate.write.as_ref()?;
    let port = write.port.unwrap_or_else(usual_port);
    graph
        .edges
        .iter()
        .find(|edge| is_mysql(edge) && edge.port == port && edge.host == write.host)
}

/// The first place from which the edge is walked with a login, else the first at all, with nothing else to do.
fn place_of(vantages: &[Vantage], edge: &Edge) -> Option<Vantage> {
    let places = vantages
        .iter()
        .flat_map(|vantage| vantage.containers.iter().map(move |probe| (vantage, probe)));
    let mut tasks: Vec<(&Vantage, &TierProbe, &EdgeTask)> = places
        .flat_map(|(vantage, probe)| {
            let tasks = probe.spec.edges.iter();
            tasks.map(move |task| (vantage, probe, task))
        })
        .filter(|(_, _, task)| task.id == edge.id.0)
        .collect();
    tasks.sort_by_key(|(_, _, task)| task.login.is_none());
    let (vantage, probe, task) = tasks.first()?;
    let mut vantage = (*vantage).clone();
    let mut probe = (*probe).clone();
    probe.spec.names.clear();
    probe.spec.edges = vec![(*task).clone()];
    "sql".clone_into(&mut vantage.id);
    vantage.containers = vec![probe];
    Some(vantage)
}

/// A Pod without anybody's identity.
fn plain(snapshot: &Snapshot, write: Option<&HostPort>, options: &PlanOptions) -> Vantage {
    let edges = write.map(|write| EdgeTask {
        no_login_reason: "no client of the application dials this address".to_owned(),
        ..EdgeTask::bare(
            "sql".to_owned(),
            write.host.clone(),
            write.port.unwrap_or_else(usual_port),
            Protocol::Mysql,
        )
    });
    Vantage {
        id: "sql".to_owned(),
        identity: Identity {
            namespace: snapshot.namespace.clone(),
            ..Identity::default()
        },
        containers: vec![TierProbe {
            tier: "nobody".to_owned(),
            workload: None,
            container: "t1".to_owned(),
            env: Vec::new(),
            env_from: Vec::new(),
            spec: ProbeSpec {
                version: VERSION,
                run: options.run.clone(),
                deadline_ms: options.deadline_ms,
                edges: edges.into_iter().collect(),
                network: options.network.clone(),
                require_trust: options.require_trust,
                ..ProbeSpec::default()
            },
        }],
        look: Look::First,
        fallback_nodes: Vec::new(),
        bare: false,
        resources: plan::Resources::default(),
        payload: None,
    }
}

/// Turns a task to another address.
fn lead_to(snapshot: &Snapshot, task: &mut EdgeTask, write: &HostPort) {
    task.host.clone_from(&write.host);
    task.port = write.port.unwrap_or_else(usual_port);
    let route = policy::route(snapshot, &snapshot.namespace, &task.host, task.port, "TCP");
    task.endpoints = route
        .endpoints
        .iter()
        .map(|endpoint| EndpointTask {
            address: endpoint.view.address,
            port: endpoint.port,
            pod: endpoint.view.pod.clone().unwrap_or_default(),
            ready: endpoint.view.ready,
            elsewhere: Vec::new(),
        })
        .collect();
}

fn variable(name: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{name}")
}

fn reference(login: &SecretLogin) -> LoginReference {
    let [user, password, database] = LOGIN.map(str::to_owned);
    LoginReference::Parts {
        host: None,
        port: None,
        user: Some(user),
        password: Some(password),
        database: login.database.is_some().then_some(database),
    }
}

fn variables(login: &SecretLogin) -> Vec<EnvVar> {
    let key = |name: &str, key: &str| EnvVar {
        name: variable(name),
        value: None,
        value_from: Some(EnvSource {
            secret_key_ref: Some(KeyRef {
                name: login.secret.clone(),
                key: key.to_owned(),
                optional: false,
            }),
            ..EnvSource::default()
        }),
    };
    let word = |name: &str, word: &Word| match word {
        Word::Key(text) => key(name, text),
        Word::Value(value) => EnvVar {
            name: variable(name),
            value: Some(value.clone()),
            value_from: None,
        },
    };
    let [user, password, database] = LOGIN;
    let mut all = vec![word(user, &login.user), key(password, &login.password)];
    all.extend(login.database.as_ref().map(|name| word(database, name)));
    all
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
    let name = variable(name);
    env.iter()
        .find(|variable| variable.name == name)
        .and_then(|variable| variable.value.clone())
}

/// The Pods of the members, by the port on which the Service's endpoints serve; without Pods, the endpoints themselves.
fn members(
    candidate: &Candidate,
    edge: Option<&Edge>,
    graph: &TierGraph,
    snapshot: &Snapshot,
    task: &EdgeTask,
) -> Vec<EndpointTask> {
    let named = candidate.members.iter().map(|name| {
        let namespace = name.namespace.as_deref().unwrap_or(&snapshot.namespace);
        WorkloadKey::new(namespace, name.kind.clone(), name.name.clone())
    });
    let mut workloads: Vec<WorkloadKey> = named.collect();
    if let (true, Some(edge)) = (workloads.is_empty(), edge) {
        workloads = graph.workloads(&edge.to).to_vec();
    }
    let port = task
        .endpoints
        .first()
        .map_or(task.port, |endpoint| endpoint.port);
    let pods = workloads
        .iter()
        .flat_map(|workload| snapshot.pods_of(workload));
    let mut members: Vec<EndpointTask> = pods
        .filter_map(|pod| {
            Some(EndpointTask {
                address: pod.status.pod_ip.parse().ok()?,
                port,
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
