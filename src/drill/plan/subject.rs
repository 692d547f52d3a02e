//! A candidate of the user's file, or a tier, as it stands in the namespace: addresses, engine, workloads, login. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use super::service_of;
use crate::config::{self, CandidateRule, Expectations, HostPort, SecretLogin, WorkloadName};
use crate::drill::model::{Address, Engine};
use crate::finding::EdgeId;
use crate::graph::{Edge, TierGraph};
use crate::observe::{ServiceKey, Snapshot, WorkloadKey};
use crate::protocol::Protocol;

/// A candidate in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// How its servers are talked to.
    pub engine: Engine,
    /// The address that takes writes.
    pub write: Address,
    /// The address that takes reads, where it is another one.
    pub read: Option<Address>,
    /// The Service behind the write address.
    pub service: Option<ServiceKey>,
    /// The workloads that run its members.
    pub workloads: Vec<WorkloadKey>,
    /// The port that members serve on.
    pub member_port: NonZeroU16,
    /// Members outside of the cluster.
    pub external: Vec<Address>,
    /// How many members it is to have.
    pub size: Option<std::num::NonZeroU32>,
    /// The edge whose client's place and login are used.
    pub edge: Option<EdgeId>,
    /// A login of its own.
    pub login: Option<SecretLogin>,
    /// A login that asks members and writes nothing.
    pub observer: Option<SecretLogin>,
    /// What it must hold.
    pub expect: Expectations,
    /// The command that makes the fault.
    pub hook: Option<String>,
    /// Whether it holds nothing that matters.
    pub fresh: bool,
}

/// The engine of a protocol that a drill speaks.
const fn engine(protocol: Protocol) -> Option<Engine> {
    match protocol {
        Protocol::Mysql => Some(Engine::Mysql),
        Protocol::Postgres => Some(Engine::Postgres),
        Protocol::Redis => Some(Engine::Redis),
        _ => None,
    }
}

/// The engine's protocol.
pub const fn protocol(engine: Engine) -> Protocol {
    match engine {
        Engine::Mysql => Protocol::Mysql,
        Engine::Postgres => Protocol::Postgres,
        Engine::Redis => Protocol::Redis,
    }
}

/// Finds a candidate in graph and snapshot.
///
/// # Errors
/// In words, what is missing and how to say it.
pub fn subject(
    name: &str,
    candidate: &CandidateRule,
    graph: &TierGraph,
    snapshot: &Snapshot,
) -> Result<Subject, String> {
    let edge = match &candidate.tier {
        Some(tier) => Some(edge_into(tier, candidate, graph)?),
        None => same_address(candidate, graph),
    };
    let engine = candidate
        .engine
        .map(spoken)
        .or_else(|| engine(edge?.protocol))
        .or_else(|| of_port(candidate.write.as_ref()?.port?))
        .ok_or_else(|| {
            format!("candidate {name}: nothing says which engine it is; add engine: to it")
        })?;
    let usual = protocol(engine)
        .default_port()
        .ok_or("the engine has no port")?;
    let address = |place: &HostPort| Address {
        host: place.host.clone(),
        port: place.port.unwrap_or(usual).get(),
    };
    let (host, port) = match (&candidate.write, edge) {
        (Some(write), _) => (write.host.clone(), write.port.unwrap_or(usual)),
        (None, Some(edge)) => (edge.host.clone(), edge.port),
        (None, None) => return Err(format!("candidate {name}: it has no write address")),
    };
    let (service, behind) = service_of(snapshot, &host, port);
    Ok(Subject {
        name: name.to_owned(),
        engine,
        service,
        workloads: workloads(candidate, edge, graph, snapshot, &behind),
        member_port: behind.first().map_or(port, |(_, port)| *port),
        write: Address {
            host,
            port: port.get(),
        },
        read: candidate.read.as_ref().map(address),
        external: candidate.external.iter().map(address).collect(),
        size: candidate.size,
        edge: edge.map(|edge| edge.id.clone()),
        login: candidate.login.clone(),
        observer: candidate.observer.clone(),
        expect: candidate.expect.clone(),
        hook: candidate.hook.clone(),
        fresh: candidate.fresh,
    })
}

/// The edge into a tier that says most: one that takes writes and logs in.
fn edge_into<'g>(
    tier: &str,
    candidate: &CandidateRule,
    graph: &'g TierGraph,
) -> Result<&'g Edge, String> {
    let wanted = candidate.engine.map(spoken);
    let fits = |edge: &&Edge| {
        let spoken = engine(edge.protocol);
        edge.to == tier
            && !edge.forbidden
            && spoken.is_some()
            && (wanted.is_none() || wanted == spoken)
    };
    let best = graph.edges.iter().filter(fits).min_by_key(|edge| {
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
            .filter(|edge| engine(edge.protocol).is_some())
            .map(|edge| edge.to.as_str())
            .collect();
        let known: Vec<&str> = known.into_iter().collect();
        format!(
            "no client of the application reaches a database called {tier}; {}",
            if known.is_empty() {
                "the graph has no database: name one under candidates: of k8sverify.yaml".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            }
        )
    })
}

/// An edge that dials the candidate's own address: its client is who the runners stand for.
fn same_address<'g>(candidate: &CandidateRule, graph: &'g TierGraph) -> Option<&'g Edge> {
    let write = candidate.write.as_ref()?;
    let wanted = candidate.engine.map(spoken);
    graph.edges.iter().find(|edge| {
        let spoken = engine(edge.protocol);
        let usual = edge.protocol.default_port();
        !edge.forbidden
            && spoken.is_some()
            && (wanted.is_none() || wanted == spoken)
            && edge.host == write.host
            && write.port.or(usual) == Some(edge.port)
    })
}

/// The workloads that the user names, those of the tier, or those behind the write address.
fn workloads(
    candidate: &CandidateRule,
    edge: Option<&Edge>,
    graph: &TierGraph,
    snapshot: &Snapshot,
    behind: &[(String, NonZeroU16)],
) -> Vec<WorkloadKey> {
    let mut keys: Vec<WorkloadKey> = candidate
        .members
        .iter()
        .map(|name| key(name, snapshot))
        .collect();
    if let (true, Some(edge)) = (keys.is_empty(), edge) {
        keys = graph.workloads(&edge.to).to_vec();
    }
    if keys.is_empty() {
        keys = behind
            .iter()
            .filter_map(|(pod, _)| snapshot.pod(&snapshot.namespace, pod))
            .map(|pod| snapshot.workload_of(pod))
            .collect();
    }
    // Another namespace has its own key: nothing is taken there.
    keys.retain(|key| key.namespace == snapshot.namespace);
    keys.sort();
    keys.dedup();
    keys
}

fn key(name: &WorkloadName, snapshot: &Snapshot) -> WorkloadKey {
    WorkloadKey::new(
        name.namespace
            .as_deref()
            .unwrap_or(snapshot.namespace.as_str()),
        name.kind.clone(),
        name.name.clone(),
    )
}

const fn spoken(engine: config::EngineName) -> Engine {
    match engine {
        config::EngineName::Mysql
        | config::EngineName::Mariadb
        | config::EngineName::Galera
        | config::EngineName::Vitess => Engine::Mysql,
        config::EngineName::Postgres => Engine::Postgres,
        config::EngineName::Redis => Engine::Redis,
    }
}

fn of_port(port: NonZeroU16) -> Option<Engine> {
    [Engine::Mysql, Engine::Postgres, Engine::Redis]
        .into_iter()
        .find(|engine| protocol(*engine).default_port() == Some(port))
}
