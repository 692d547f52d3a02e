//! What the cluster adds to a tier: its Services, ports and image. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use crate::catalog::Catalog;
use crate::graph::infer::{DeclaredPort, Evidence, PortOrigin, TierFacts};
use crate::graph::{Tier, deployed};
use crate::observe::{ServiceKey, Snapshot, WorkloadKey};

use super::resolve::normal;

/// Describes every tier; gives what the Pods of each say about what they serve.
pub(super) fn describe_all(
    tiers: &mut BTreeMap<String, Tier>,
    snapshot: &Snapshot,
    catalog: &Catalog,
) -> BTreeMap<String, TierFacts> {
    tiers
        .iter_mut()
        .filter_map(|(name, tier)| {
            let facts = describe(tier, snapshot, catalog)?;
            Some((name.clone(), facts))
        })
        .collect()
}

/// Fills in what the tier's workloads and Services show; gives what the Pods say about what they serve.
fn describe(tier: &mut Tier, snapshot: &Snapshot, catalog: &Catalog) -> Option<TierFacts> {
    let mut services = BTreeSet::new();
    let mut ports: BTreeSet<NonZeroU16> = tier.ports.iter().copied().collect();
    for key in &tier.workloads {
        let Some(template) = snapshot.template(key) else {
            continue;
        };
        for service in snapshot.services_selecting(&key.namespace, template.labels) {
            services.insert(ServiceKey {
                namespace: key.namespace.clone(),
                name: service.metadata.name.clone(),
            });
        }
        let containers = &template.spec.containers;
        ports.extend(
            containers
                .iter()
                .flat_map(|container| container.declared("TCP")),
        );
    }
    let first = tier.workloads.first().cloned();
    let facts = first.and_then(|key| facts(tier, &key, snapshot, catalog));
    if let Some(facts) = &facts {
        ports.extend(facts.listens());
        if tier.server.is_none() {
            tier.server = facts.server().cloned();
        }
    }
    // A Service that is called like the tier is meant to lead to it, whatever its selector does.
    let namespaces = tier.workloads.iter().map(|key| &key.namespace);
    for namespace in namespaces.chain([&snapshot.namespace]) {
        let called = ServiceKey::new(namespace, normal(&tier.name));
        if snapshot.service(&called).is_some() {
            services.insert(called);
        }
    }
    tier.services = services.into_iter().collect();
    tier.ports = ports.into_iter().collect();
    facts
}

/// What the Pods show of what they serve: image, command, environment, declared ports of the container that is the tier.
fn facts(
    tier: &mut Tier,
    key: &WorkloadKey,
    snapshot: &Snapshot,
    catalog: &Catalog,
) -> Option<TierFacts> {
    let template = snapshot.template(key)?;
    let containers = deployed::containers(snapshot, key);
    let mut running = containers.iter().filter(|container| !container.init);
    let container = running
        .clone()
        .find(|container| normal(&container.name) == normal(&tier.name))
        .or_else(|| running.next())?;
    tier.image.get_or_insert_with(|| container.image.clone());
    let declared = |transport| {
        let containers = template.spec.containers.iter();
        containers
            .filter(|declared| declared.name == container.name)
            .flat_map(move |declared| declared.declared(transport))
    };
    let ports = declared("TCP").map(|port| DeclaredPort {
        port,
        protocol: None,
        origin: PortOrigin::Container,
    });
    Some(TierFacts::read(
        &Evidence {
            tier: &tier.name,
            image: Some(&container.image),
            base_image: None,
            environment: container.environment.known(),
            words: &container.words,
            ports: ports.collect(),
            udp: declared("UDP").collect(),
            healthcheck: &[],
            one_shot: tier.one_shot,
        },
        catalog,
    ))
}
