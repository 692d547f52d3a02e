//! Probes by network identity, packed into Jobs of bounded size: containers of a Pod, bytes of a container's spec, bytes of a Job. Pure.

use std::collections::BTreeMap;

use super::client::fallbacks;
use super::mesh;
use super::model::{Identity, Look, PlanOptions, Resources, TierProbe, Vantage};
use crate::graph::Tier;
use crate::observe::Snapshot;
use crate::observe::kinds::Labels;
use crate::probe::wire::{EdgeTask, NameTask, ProbeSpec, VERSION};

/// A Pod of more containers would ask too much of a node at once.
pub(super) const CONTAINERS: usize = 12;
/// A container's spec: its environment may have 2 MiB on Linux, and the tier's own variables stand there too.
pub(super) const SPEC_BYTES: usize = 256 * 1024;
/// All specs of a Job: the API's store takes objects of 1.5 MiB.
pub(super) const JOB_BYTES: usize = 768 * 1024;

/// What a container is to do.
pub(super) fn spec(options: &PlanOptions, names: Vec<NameTask>, edges: Vec<EdgeTask>) -> ProbeSpec {
    ProbeSpec {
        version: VERSION,
        run: options.run.clone(),
        deadline_ms: options.deadline_ms,
        edges_at_once: options.edges_at_once,
        names,
        edges,
        network: options.network.clone(),
        services: Vec::new(),
        authorities: Vec::new(),
        from_files: Vec::new(),
        settings: Vec::new(),
        require_trust: options.require_trust,
        sql: None,
        drill: None,
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

    pub(super) fn ask(&mut self, identity: &Identity, names: Vec<NameTask>) {
        if let Some(probe) = self
            .by_identity
            .get_mut(identity)
            .and_then(|group| group.probes.first_mut())
        {
            probe.spec.names.extend(names);
        }
    }

    /// A Pod without any tier's marks.
    pub(super) fn add_plain(
        &mut self,
        snapshot: &Snapshot,
        namespace: &str,
        tier: Option<&Tier>,
        names: Vec<NameTask>,
    ) {
        let identity = Identity {
            namespace: namespace.to_owned(),
            annotations: mesh::settings(None, &Labels::new(), &Labels::new()),
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

    /// A Job for each identity, or several where there is too much to do.
    pub(super) fn vantages(self, prefix: &str, look: Look) -> Vec<Vantage> {
        let mut vantages = Vec::new();
        for (identity, group) in self.by_identity {
            for containers in packed(group.probes) {
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

/// The probes of one identity, by Job. Where there are more tiers than a Pod has containers, those that bring nothing of their tier's
/// environment share containers.
fn packed(probes: Vec<TierProbe>) -> Vec<Vec<TierProbe>> {
    let may_share = probes.len() > CONTAINERS;
    let mut jobs: Vec<Vec<TierProbe>> = Vec::new();
    let (mut containers, mut in_job, mut in_container) = (0, 0, 0);
    let mut is_open = false;
    let (own, plain): (Vec<TierProbe>, Vec<TierProbe>) = probes
        .into_iter()
        .partition(|probe| !may_share || probe.has_environment());
    let probes = own.into_iter().chain(plain).flat_map(pieces);
    for (mut probe, bytes) in probes {
        let may_join = may_share && !probe.has_environment();
        let joins = may_join && is_open && in_container + bytes <= SPEC_BYTES;
        let is_full = in_job + bytes > JOB_BYTES || (!joins && containers == CONTAINERS);
        if jobs.is_empty() || is_full {
            jobs.push(Vec::new());
            (containers, in_job, in_container) = (0, 0, 0);
        }
        if !joins || containers == 0 {
            containers += 1;
            in_container = 0;
        }
        is_open = may_join;
        in_job += bytes;
        in_container += bytes;
        probe.container = format!("t{containers}");
        if let Some(job) = jobs.last_mut() {
            job.push(probe);
        }
    }
    jobs
}

/// A probe whose spec is too long in several, each with the length of its own.
fn pieces(mut probe: TierProbe) -> Vec<(TierProbe, usize)> {
    let edges = std::mem::take(&mut probe.spec.edges);
    let mut length = length(&probe.spec);
    let mut pieces = Vec::new();
    for edge in edges {
        let more = self::length(&edge);
        if length + more > SPEC_BYTES && !probe.spec.edges.is_empty() {
            let mut next = probe.clone();
            next.spec.edges.clear();
            next.spec.names.clear();
            pieces.push((std::mem::replace(&mut probe, next), length));
            length = self::length(&probe.spec);
        }
        length += more;
        probe.spec.edges.push(edge);
    }
    pieces.push((probe, length));
    pieces
}

/// The length of its JSON form, which all parts of a spec have.
fn length(part: &impl serde::Serialize) -> usize {
    serde_json::to_vec(part).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::observe::kinds::EnvVar;
    use crate::plan::{JobOptions, job};

    /// A tier with so many edges, of so many endpoints each.
    fn probe(tier: &str, edges: usize, endpoints: usize) -> TierProbe {
        let endpoints: Vec<_> = (0..endpoints)
            .map(|index| {
                json!({"address": format!("10.1.{}.{}", index / 250, index % 250), "port": 8080,
                    "pod": format!("a-deployment-5d8f9c7b6d-{index:05}"), "ready": true, "elsewhere": [80, 8081]})
            })
            .collect();
        let edges: Vec<_> = (0..edges)
            .map(|index| {
                json!({"id": format!("{tier}->t{index}:8080"), "host": format!("t{index}"), "port": 8080,
                    "protocol": "http", "endpoints": endpoints, "skip_endpoints": null, "http": null, "tls": null,
                    "login": null, "no_login_reason": "", "retry_not_found_ms": 0, "retry_until_ms": 0,
                    "recheck_pass": false, "mesh": false, "replica": false, "query": null, "forbidden": false})
            })
            .collect();
        TierProbe {
            tier: tier.to_owned(),
            workload: None,
            container: String::new(),
            env: Vec::new(),
            env_from: Vec::new(),
            spec: spec(
                &PlanOptions::default(),
                Vec::new(),
                serde_json::from_value(json!(edges)).unwrap(),
            ),
        }
    }

    fn vantages(probes: Vec<TierProbe>) -> Vec<Vantage> {
        let options = PlanOptions::default();
        let mut pool = Pool::new(&options);
        for probe in probes {
            pool.add_as(Identity::default(), &[], probe);
        }
        pool.vantages("v", Look::First)
    }

    /// Every edge stands in one container, and none of the bounds is passed.
    fn check(vantages: &[Vantage], edges: usize) {
        let mut seen = BTreeSet::new();
        for vantage in vantages {
            let mut names = BTreeSet::new();
            for container in vantage.by_container() {
                assert!(
                    names.insert(container[0].container.clone()),
                    "a container is one piece"
                );
                let bytes: usize = container.iter().map(|probe| length(&probe.spec)).sum();
                assert!(bytes <= SPEC_BYTES, "{bytes} bytes in a container");
                let has_environment = container.iter().any(TierProbe::has_environment);
                assert!(container.len() == 1 || !has_environment);
                for task in container.iter().flat_map(|probe| &probe.spec.edges) {
                    assert!(seen.insert(task.id.clone()), "{} stands twice", task.id);
                }
            }
            assert!(names.len() <= CONTAINERS);
            let job = job::manifest(vantage, &JobOptions::default());
            let job_names: Vec<&str> = job["spec"]["template"]["spec"]["containers"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|container| container["name"].as_str())
                .collect();
            assert_eq!(job_names.len(), names.len());
            let bytes = job.to_string().len();
            assert!(bytes < 1_500_000, "a Job of {bytes} bytes");
        }
        assert_eq!(seen.len(), edges);
    }

    #[test]
    fn few_tiers_have_a_container_each() {
        let probes = (0..CONTAINERS).map(|index| probe(&format!("a{index}"), 2, 3));
        let vantages = vantages(probes.collect());
        check(&vantages, 2 * CONTAINERS);
        assert_eq!(vantages.len(), 1);
        assert_eq!(vantages[0].by_container().count(), CONTAINERS);
    }

    #[test]
    fn many_tiers_of_one_place_share_containers_but_for_those_with_an_environment() {
        let mut probes: Vec<TierProbe> = (0..500)
            .map(|index| probe(&format!("a{index}"), 4, 10))
            .collect();
        for probe in &mut probes[10..13] {
            probe.env.push(EnvVar {
                name: "T_PASSWORD".to_owned(),
                value: Some("x".to_owned()),
                value_from: None,
            });
        }
        let vantages = vantages(probes);
        check(&vantages, 2000);
        let containers: usize = vantages.iter().map(|one| one.by_container().count()).sum();
        assert!(vantages.len() <= 8, "{} Jobs", vantages.len());
        assert!(containers <= 24, "{containers} containers");
    }

    #[test]
    fn a_tier_that_calls_everything_is_cut_into_pieces() {
        let vantages = vantages(vec![probe("gateway", 500, 32), probe("web", 1, 1)]);
        check(&vantages, 501);
        assert!(vantages.len() > 1);
    }
}
