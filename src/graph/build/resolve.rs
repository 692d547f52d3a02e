//! A host as a Pod names it → the tier that it leads to. Pure.

use std::collections::BTreeMap;

use crate::graph::{Tier, infer};
use crate::observe::kinds::{Container, Service, service_selects};
use crate::observe::{HostMeaning, ServiceKey, Snapshot, WorkloadKey};

/// Where a host leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostTarget {
    /// To a tier.
    Tier(String),
    /// To a Service of the cluster behind which no tier stands.
    Service(ServiceKey),
    /// To a name that the cluster should know, and does not show.
    Nowhere,
    /// Out of the cluster.
    Outside,
}

/// The names of all tiers.
pub(super) struct Resolver<'a> {
    snapshot: &'a Snapshot,
    by_name: BTreeMap<String, String>,
    /// What runs in each workload: several tiers where converters or people put them into one Pod.
    by_workload: BTreeMap<WorkloadKey, Vec<&'a Tier>>,
    /// What the user named that is no topmost owner: a ReplicaSet, one Pod of several.
    below: Vec<WorkloadKey>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(tiers: &'a BTreeMap<String, Tier>, snapshot: &'a Snapshot) -> Self {
        let mut by_name = BTreeMap::new();
        // A tier's own key beats an alias of another one.
        for tier in tiers.values() {
            by_name.insert(normal(&tier.name), tier.name.clone());
        }
        for tier in tiers.values() {
            for name in &tier.names {
                by_name
                    .entry(normal(name))
                    .or_insert_with(|| tier.name.clone());
            }
        }
        let mut by_workload: BTreeMap<WorkloadKey, Vec<&Tier>> = BTreeMap::new();
        for tier in tiers.values() {
            for key in &tier.workloads {
                by_workload.entry(key.clone()).or_default().push(tier);
            }
        }
        Self {
            snapshot,
            by_name,
            below: by_workload
                .keys()
                .filter(|key| !snapshot.is_workload(key))
                .cloned()
                .collect(),
            by_workload,
        }
    }

    /// Where `host` leads a client in `namespace`; `aliases` are names that only this client knows (compose's links).
    pub(super) fn leads(
        &self,
        host: &str,
        namespace: &str,
        aliases: &BTreeMap<String, String>,
    ) -> HostTarget {
        let host_name = normal(host);
        if let Some(tier) = aliases
            .get(&host_name)
            .or_else(|| self.by_name.get(&host_name))
        {
            return HostTarget::Tier(tier.clone());
        }
        match self.snapshot.meaning(host, namespace) {
            HostMeaning::Service(key)
            | HostMeaning::ServiceAddress(key)
            | HostMeaning::Unread(key) => self.service(&key),
            HostMeaning::HeadlessPod { service, pod } => self
                .pod(&service.namespace, &pod)
                .map_or_else(|| self.service(&service), HostTarget::Tier),
            HostMeaning::PodAddress { namespace, pod } => self
                .pod(&namespace, &pod)
                .map_or(HostTarget::Outside, HostTarget::Tier),
            HostMeaning::ServiceElsewhere(keys) => keys
                .iter()
                .map(|key| self.service(key))
                .find(|leads| matches!(leads, HostTarget::Tier(_)))
                .unwrap_or(HostTarget::Nowhere),
            // `db.data` where the Service is missing: the first label is still the tier's name. And `db-3.db` is a member that is not there.
            HostMeaning::Missing => {
                let first = host_name.split('.').next();
                let tier = first.and_then(|label| self.by_name.get(label));
                let of_member = || {
                    let service = infer::service_of_member(&host_name)?;
                    match self.snapshot.meaning(service, namespace) {
                        HostMeaning::Service(key) => Some(self.service(&key)),
                        _ => None,
                    }
                };
                tier.map(|tier| HostTarget::Tier(tier.clone()))
                    .or_else(of_member)
                    .unwrap_or(HostTarget::Nowhere)
            }
            HostMeaning::Address(_) | HostMeaning::Outside => HostTarget::Outside,
        }
    }

    /// Whether `host` is no name or address of this cluster.
    pub(super) fn is_outside(&self, host: &str, namespace: &str) -> bool {
        matches!(
            self.snapshot.meaning(host, namespace),
            HostMeaning::Outside | HostMeaning::Address(_)
        )
    }

    /// Whether no Service has the name.
    pub(super) fn is_nowhere(&self, host: &str, namespace: &str) -> bool {
        self.snapshot.meaning(host, namespace).leads_nowhere()
    }

    /// The tier behind a Service: that of its Pods, else the one that it is called like.
    fn service(&self, key: &ServiceKey) -> HostTarget {
        let way = self.snapshot.way_of(HostMeaning::Service(key.clone()));
        let behind = match &way.end {
            HostMeaning::HeadlessPod { service, pod } => self.pod(&service.namespace, pod),
            _ => way
                .last()
                .and_then(|(key, service)| self.behind(key, service)),
        };
        let mut names = way.services.iter().rev().map(|(key, _)| key).chain([key]);
        behind
            .or_else(|| names.find_map(|key| self.named(key)))
            .map_or_else(|| HostTarget::Service(key.clone()), HostTarget::Tier)
    }

    /// The tier that is called like a Service.
    fn named(&self, key: &ServiceKey) -> Option<String> {
        self.by_name.get(&normal(&key.name)).cloned()
    }

    /// The tier of the Pods that a Service has.
    fn behind(&self, key: &ServiceKey, service: &Service) -> Option<String> {
        let selector = &service.spec.selector;
        let selected = self.snapshot.workloads_selected(&key.namespace, selector);
        let below = self.below.iter().filter(|workload| {
            let template = self.snapshot.template(workload);
            workload.namespace == key.namespace
                && template.is_some_and(|pods| service_selects(selector, pods.labels))
        });
        let mut behind: Vec<&String> = selected
            .into_iter()
            .chain(below)
            .flat_map(|workload| self.served(workload, service))
            .collect();
        behind.sort();
        behind.dedup();
        match (behind.as_slice(), self.named(key)) {
            ([one], _) => Some((*one).clone()),
            // A selector that takes several tiers, or none: the name says which one is meant.
            (_, Some(tier)) => Some(tier),
            ([first, ..], None) => Some((*first).clone()),
            ([], None) => self.endpoint_tier(key),
        }
    }

    /// The tier of the Pods that hand-made EndpointSlices name.
    fn endpoint_tier(&self, key: &ServiceKey) -> Option<String> {
        let behind = self.snapshot.workloads_at_endpoints(key);
        behind.iter().find_map(|workload| self.last(workload))
    }

    /// The tiers of a workload that a Service leads to: those whose containers have its ports, or all.
    fn served(&self, workload: &WorkloadKey, service: &Service) -> Vec<&'a String> {
        let Some(here) = self.by_workload.get(workload) else {
            return Vec::new();
        };
        let template = self.snapshot.template(workload).filter(|_| here.len() > 1);
        let owners: Vec<&String> = template
            .iter()
            .flat_map(|template| {
                let ports = &service.spec.ports;
                let is_led_to = |container: &&Container| {
                    ports.iter().any(|port| {
                        let target = port.target(template.spec);
                        container
                            .declared(port.transport())
                            .any(|one| Some(one) == target)
                    })
                };
                template.spec.long_running().filter(is_led_to)
            })
            .filter_map(|container| owner(here, &container.name, &container.image))
            .map(|tier| &tier.name)
            .collect();
        if owners.is_empty() {
            here.iter().map(|tier| &tier.name).collect()
        } else {
            owners
        }
    }

    fn last(&self, workload: &WorkloadKey) -> Option<String> {
        let here = self.by_workload.get(workload)?;
        here.last().map(|tier| tier.name.clone())
    }

    fn pod(&self, namespace: &str, pod: &str) -> Option<String> {
        let pod = self.snapshot.pod(namespace, pod)?;
        self.last(&self.snapshot.workload_of(pod))
    }
}

/// Whose a container is, of the tiers in one Pod: that which is called like it, else that of its image.
pub(super) fn owner<'a>(here: &[&'a Tier], container: &str, image: &str) -> Option<&'a Tier> {
    let called = normal(container);
    let is_of = |tier: &Tier| {
        let mut names = tier.names.iter().chain([&tier.name]);
        names.any(|name| normal(name) == called)
    };
    let is_image_of = |tier: &Tier| tier.image.as_deref() == Some(image);
    let first = |is: &dyn Fn(&Tier) -> bool| here.iter().copied().find(|tier| is(tier));
    first(&is_of).or_else(|| first(&is_image_of))
}

/// Names as DNS and converters see them: case does not matter, `_` became `-`.
pub(super) fn normal(name: &str) -> String {
    name.trim_end_matches('.')
        .to_ascii_lowercase()
        .replace('_', "-")
}
