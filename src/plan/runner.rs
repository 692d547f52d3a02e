//! One Job that stands where a client of an edge stands and logs in as it does, or with a login of its own: what runs databases through their
//! paces looks from there. Pure.

use super::client::fallbacks;
use super::first::{ExtraLook, plan_look};
use super::model::{Identity, Look, PlanOptions, Resources, TierProbe, Vantage};
use crate::address::LoginReference;
use crate::finding::EdgeId;
use crate::graph::TierGraph;
use crate::observe::Snapshot;
use crate::observe::kinds::{EnvVar, Labels};
use crate::probe::wire::{ENVIRONMENT_PREFIX, EdgeTask};

/// As a client of that edge.
///
/// # Errors
/// In words, why there is nothing to stand on, or no login.
pub fn as_client(
    graph: &TierGraph,
    snapshot: &Snapshot,
    edge: &EdgeId,
    options: &PlanOptions,
) -> Result<Vantage, String> {
    let wish = ExtraLook {
        options,
        edges: &|candidate| candidate.id == *edge,
        names: false,
        no_login: &|_| None,
        prefix: "r",
        look: Look::First,
    };
    let plan = plan_look(graph, snapshot, &wish);
    if let Some(reason) = plan.skipped.get(edge) {
        return Err(format!("{edge}: {reason}"));
    }
    plan.vantages
        .into_iter()
        .next()
        .ok_or_else(|| format!("{edge}: there is nothing to look from"))
}

/// In the run's namespace, as no tier at all.
pub fn plain(snapshot: &Snapshot, options: &PlanOptions) -> Vantage {
    let vantage = Vantage {
        id: "r1".to_owned(),
        identity: Identity {
            namespace: snapshot.namespace.clone(),
            annotations: super::mesh::settings(None, &Labels::new(), &Labels::new()),
            ..Identity::default()
        },
        containers: vec![TierProbe {
            tier: String::new(),
            workload: None,
            container: "t1".to_owned(),
            env: Vec::new(),
            env_from: Vec::new(),
            spec: super::pool::spec(options, Vec::new(), Vec::new()),
        }],
        look: Look::First,
        fallback_nodes: fallbacks(snapshot, &[], None),
        bare: false,
        payload: None,
        resources: Resources::default(),
    };
    let mut vantages = [vantage];
    // What a reader should know of it concerns probes that many tiers share.
    super::harmless::fit(snapshot, &mut vantages);
    let [vantage] = vantages;
    vantage
}

/// The variables of a login of one's own, and the reference that names them.
pub fn own_login(
    prefix: &str,
    user: Option<EnvVar>,
    password: Option<EnvVar>,
    database: Option<EnvVar>,
) -> (Vec<EnvVar>, LoginReference) {
    let mut variables = Vec::new();
    let mut bring = |name: &str, variable: Option<EnvVar>| {
        let variable = variable?;
        let name = format!("{prefix}_{name}");
        variables.push(EnvVar {
            name: format!("{ENVIRONMENT_PREFIX}{name}"),
            ..variable
        });
        Some(name)
    };
    let login = LoginReference::Parts {
        host: None,
        port: None,
        user: bring("USER", user),
        password: bring("PASSWORD", password),
        database: bring("DATABASE", database),
    };
    (variables, login)
}

/// An edge of which nothing but host, port, protocol and login is known.
pub fn bare_task(
    id: &str,
    host: &str,
    port: std::num::NonZeroU16,
    protocol: crate::protocol::Protocol,
    login: LoginReference,
) -> EdgeTask {
    EdgeTask {
        login: Some(login),
        ..EdgeTask::bare(id.to_owned(), host.to_owned(), port, protocol)
    }
}
