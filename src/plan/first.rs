//! The first look: every tier from where it runs, each edge once per node. Pure.

use std::collections::BTreeMap;

use super::client::{Client, Clients, fallbacks};
use super::edge::{self, Login};
use super::environment::Environment;
use super::harmless;
use super::model::{Identity, Look, PlanOptions, ProbePlan, Resources, TierProbe, Vantage};
use super::names;
use super::permission::permission;
use crate::graph::{Edge, Tier, TierGraph};
use crate::observe::Snapshot;
use crate::observe::kinds::Labels;
use crate::probe::wire::{NameTask, ProbeSpec, VERSION};

/// A Pod of more containers would ask too much of a node at once.
pub(super) const CONTAINERS: usize = 12;

/// What a look that goes out of the tiers' own places is to do.
pub(super) struct Wish<'w> {
    pub(super) options: &'w PlanOptions,
    /// Which edges it walks.
    pub(super) edges: &'w dyn Fn(&Edge) -> bool,
    /// Whether it asks for the names.
    pub(super) names: bool,
    /// Why it does not log in on an edge.
    pub(super) no_login: &'w dyn Fn(&Edge) -> Option<String>,
    /// What its vantages' ids begin with.
    pub(super) prefix: &'w str,
    pub(super) look: Look,
}

pub(super) fn lay(graph: &TierGraph, snapshot: &Snapshot, wish: &Wish<'_>) -> ProbePlan {
    let mut plan = ProbePlan::default();
    let mut maker = Clients::new(snapshot, wish.options);
    let wanted: Vec<&Edge> = graph
        .edges
        .iter()
        .filter(|edge| (wish.edges)(edge))
        .collect();
    let clients: BTreeMap<&str, Vec<Client<'_>>> = graph
        .tiers
        .values()
        .filter(|tier| wanted.iter().any(|edge| edge.from == tier.name))
        .map(|tier| (tier.name.as_str(), maker.of_tier(tier, &mut plan.notes)))
        .collect();
    let mut edges: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
    for edge in wanted {
        match edge::pointless(edge, &clients, graph) {
            Some(reason) => {
                plan.skipped.insert(edge.id.clone(), reason);
            }
            None => edges.entry(&edge.from).or_default().push(edge),
        }
    }
    let mut pool = Pool::new(wish.options);
    let mut asked = Vec::new();
    for (tier, edges) in &edges {
        for (index, client) in clients.get(tier).into_iter().flatten().enumerate() {
            let probe = tier_probe(snapshot, wish, tier, client, edges, index, &mut plan.notes);
            pool.add_as(client.identity.clone(), &client.fallback_nodes, probe);
            asked.push(client);
        }
    }
    if wish.names {
        ask_names(graph, snapshot, &asked, &mut pool);
    }
    plan.vantages = pool.vantages(wish.prefix, wish.look);
    plan.notes.extend(departures(&plan.vantages));
    plan.notes
        .extend(harmless::fit(snapshot, &mut plan.vantages));
    plan.notes.sort();
    plan.notes.dedup();
    plan
}

fn departures(vantages: &[Vantage]) -> Vec<String> {
    vantages
        .iter()
        .filter(|vantage| !vantage.identity.departs.is_empty())
        .map(|vantage| {
            let tiers: Vec<&str> = vantage
                .containers
                .iter()
                .map(|probe| probe.tier.as_str())
                .collect();
            format!(
                "{} is looked at {}",
                tiers.join(", "),
                vantage.identity.departs
            )
        })
        .collect()
}

/// Everything of one tier from one place. Its first place logs in, the others stop at the greeting: a login refused often may
/// lock the user out.
fn tier_probe(
    snapshot: &Snapshot,
    wish: &Wish<'_>,
    tier: &str,
    client: &Client<'_>,
    edges: &[&Edge],
    index: usize,
    notes: &mut Vec<String>,
) -> TierProbe {
    let mut environment = Environment::new(snapshot, &client.workload, client.spec);
    let tasks = edges
        .iter()
        .map(|edge| {
            let login = login(wish, snapshot, client, edge, index, &mut environment);
            edge::task(snapshot, client, edge, login, notes)
        })
        .collect();
    environment.bring_trust();
    let authorities = environment.authorities();
    let (env, env_from, from_files) = environment.finish();
    TierProbe {
        tier: tier.to_owned(),
        workload: Some(client.workload.clone()),
        container: String::new(),
        env,
        env_from,
        spec: ProbeSpec {
            authorities,
            from_files,
            ..spec(wish.options, Vec::new(), tasks)
        },
    }
}

pub(super) fn spec(
    options: &PlanOptions,
    names: Vec<NameTask>,
    edges: Vec<crate::probe::wire::EdgeTask>,
) -> ProbeSpec {
    ProbeSpec {
        version: VERSION,
        run: options.run.clone(),
        deadline_ms: options.deadline_ms,
        edges_at_once: options.edges_at_once,
        names,
        edges,
        network: options.network.clone(),
        authorities: Vec::new(),
        from_files: Vec::new(),
        require_trust: options.require_trust,
        sql: None,
        drill: None,
    }
}

fn login(
    wish: &Wish<'_>,
    snapshot: &Snapshot,
    client: &Client<'_>,
    edge: &Edge,
    index: usize,
    environment: &mut Environment<'_>,
) -> Login {
    if edge.forbidden {
        return Login::Without(
            "an edge that must not work: only the connection is tried".to_owned(),
        );
    }
    let Some(login) = &edge.login else {
        return Login::Without("no credentials in the tier's environment".to_owned());
    };
    if !wish.options.login {
        return Login::Without("logins are switched off".to_owned());
    }
    if let Some(reason) = (wish.no_login)(edge) {
        return Login::Without(reason);
    }
    if index > 0 {
        return Login::Without("the tier logs in from another node".to_owned());
    }
    let permitted = environment.known(login).and_then(|(container, known)| {
        permission(
            snapshot,
            client,
            edge,
            &known,
            container,
            environment,
            wish.options,
        )
    });
    match permitted.and_then(|permitted| Ok((environment.bring(login)?, permitted))) {
        Ok((login, permitted)) => Login::With(login, permitted),
        Err(reason) => Login::Without(reason),
    }
}

/// Lets the most ordinary client of each namespace ask for the names; where all are strange, a Pod that is nothing else.
fn ask_names(graph: &TierGraph, snapshot: &Snapshot, clients: &[&Client<'_>], pool: &mut Pool<'_>) {
    let mut namespaces: Vec<&str> = clients
        .iter()
        .map(|client| client.workload.namespace.as_str())
        .chain([snapshot.namespace.as_str()])
        .collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces {
        let tasks = names::tasks(graph, snapshot, namespace);
        let Some(first) = tasks.first() else {
            continue;
        };
        let best = clients
            .iter()
            .filter(|client| client.workload.namespace == namespace)
            .map(|client| (names::strangeness(snapshot, client), client))
            .min_by_key(|(strangeness, _)| *strangeness);
        match best {
            Some((strangeness, client)) if strangeness < names::TOO_STRANGE => {
                pool.ask(&client.identity, tasks);
            }
            _ => {
                let asker = first.id.split(':').nth(1).unwrap_or_default();
                let tier = graph.tiers.get(asker);
                pool.add_plain(snapshot, namespace, tier, tasks);
            }
        }
    }
}

/// Probes by identity.
pub(super) struct Pool<'o> {
    options: &'o PlanOptions,
    by_identity: BTreeMap<Identity, Group>,
}

#[derive(Default)]
struct Group {
    probes: Vec<TierProbe>,
    fallback_nodes: Vec<String>,
}

impl<'o> Pool<'o> {
    pub(super) fn new(options: &'o PlanOptions) -> Self {
        Self {
            options,
            by_identity: BTreeMap::new(),
        }
    }

    /// Adds what a tier does from one place; a tier whose workloads look alike there looks once.
    pub(super) fn add_as(
        &mut self,
        identity: Identity,
        fallback_nodes: &[String],
        probe: TierProbe,
    ) {
        let group = self.by_identity.entry(identity).or_default();
        if group.probes.iter().any(|seen| seen.tier == probe.tier) {
            return;
        }
        if group.fallback_nodes.is_empty() {
            group.fallback_nodes = fallback_nodes.to_vec();
        }
        group.probes.push(probe);
    }

    /// As [`Pool::add_as`], but a tier that stands there already gets the new edges as well.
    pub(super) fn merge(
        &mut self,
        identity: Identity,
        fallback_nodes: &[String],
        probe: TierProbe,
    ) {
        let group = self.by_identity.entry(identity.clone()).or_default();
        match group.probes.iter_mut().find(|seen| seen.tier == probe.tier) {
            Some(seen) => seen.spec.edges.extend(probe.spec.edges),
            None => self.add_as(identity, fallback_nodes, probe),
        }
    }

    fn ask(&mut self, identity: &Identity, names: Vec<NameTask>) {
        if let Some(probe) = self
            .by_identity
            .get_mut(identity)
            .and_then(|group| group.probes.first_mut())
        {
            probe.spec.names.extend(names);
        }
    }

    /// A Pod without any tier's marks.
    fn add_plain(
        &mut self,
        snapshot: &Snapshot,
        namespace: &str,
        tier: Option<&Tier>,
        names: Vec<NameTask>,
    ) {
        let identity = Identity {
            namespace: namespace.to_owned(),
            annotations: super::mesh::settings(None, &Labels::new(), &Labels::new()),
            ..Identity::default()
        };
        let probe = TierProbe {
            tier: tier.map(|tier| tier.name.clone()).unwrap_or_default(),
            workload: None,
            container: String::new(),
            env: Vec::new(),
            env_from: Vec::new(),
            spec: spec(self.options, names, Vec::new()),
        };
        self.add_as(identity, &fallbacks(snapshot, &[], None), probe);
    }

    /// A Job for each identity, or several where there are too many tiers.
    pub(super) fn vantages(self, prefix: &str, look: Look) -> Vec<Vantage> {
        let mut vantages = Vec::new();
        for (identity, group) in self.by_identity {
            let mut probes = group.probes.into_iter().peekable();
            while probes.peek().is_some() {
                let mut containers: Vec<TierProbe> = probes.by_ref().take(CONTAINERS).collect();
                for (index, probe) in containers.iter_mut().enumerate() {
                    probe.container = format!("t{}", index + 1);
                }
                vantages.push(Vantage {
                    id: format!("{prefix}{}", vantages.len() + 1),
                    identity: identity.clone(),
                    containers,
                    look,
                    fallback_nodes: group.fallback_nodes.clone(),
                    bare: false,
                    resources: Resources::default(),
                    payload: None,
                });
            }
        }
        vantages
    }
}
