//! The way from a host to what stands at its end, `ExternalName`s followed. Pure.

use std::collections::BTreeSet;

use super::super::{HostMeaning, ServiceKey, Snapshot, WorkloadKey};
use crate::observe::kinds::Service;

/// More aliases one after another than this are followed by no resolver.
const HOPS: usize = 8;

/// Where a host leads.
#[derive(Debug, Clone, PartialEq)]
pub struct HostRoute<'s> {
    /// The Services on the way: the one that the name means first, then those to which an `ExternalName` leads.
    pub services: Vec<(ServiceKey, &'s Service)>,
    /// What the host itself means.
    pub start: HostMeaning,
    /// What the last name means.
    pub end: HostMeaning,
}

impl Snapshot {
    /// Where a host leads for a client of `namespace`. A loop of aliases ends where it closes.
    pub fn way(&self, host: &str, namespace: &str) -> HostRoute<'_> {
        self.way_of(self.meaning(host, namespace))
    }

    /// Where what a host means leads.
    pub fn way_of(&self, start: HostMeaning) -> HostRoute<'_> {
        let mut services = Vec::new();
        let mut seen = BTreeSet::new();
        let mut end = start.clone();
        while let HostMeaning::Service(key) | HostMeaning::ServiceAddress(key) = &end {
            let Some(service) = self.service(key) else {
                break;
            };
            if services.len() == HOPS || !seen.insert(key.clone()) {
                break;
            }
            services.push((key.clone(), service));
            if !service.spec.is_external_name() {
                break;
            }
            let namespace = key.namespace.clone();
            end = self.meaning(&service.spec.external_name, &namespace);
        }
        if let HostMeaning::HeadlessPod { service: key, .. } = &end
            && let Some(service) = self.service(key)
        {
            services.push((key.clone(), service));
        }
        HostRoute {
            services,
            start,
            end,
        }
    }

    /// The workloads whose Pods stand at the addresses of a Service's endpoints, in their order.
    pub fn workloads_at_endpoints(&self, key: &ServiceKey) -> Vec<WorkloadKey> {
        self.slices_of(key)
            .into_iter()
            .flat_map(|slice| &slice.endpoints)
            .flat_map(|endpoint| &endpoint.addresses)
            .filter_map(|address| match self.meaning(address, &key.namespace) {
                HostMeaning::PodAddress { namespace, pod } => self.pod(&namespace, &pod),
                _ => None,
            })
            .map(|pod| self.workload_of(pod))
            .collect()
    }
}

impl<'s> HostRoute<'s> {
    /// The Service at the end of the way, unless the way ends at an `ExternalName`.
    pub fn last(&self) -> Option<(&ServiceKey, &'s Service)> {
        self.services
            .last()
            .filter(|(_, service)| !service.spec.is_external_name())
            .map(|(key, service)| (key, *service))
    }

    /// The workloads at the end of the way: those that the last Service selects, or whose Pods stand at its hand-made endpoints, or
    /// whose Pod the host names.
    pub fn workloads(&self, snapshot: &Snapshot) -> Vec<WorkloadKey> {
        let of_pod = |namespace: &str, pod: &str| {
            let pod = snapshot.pod(namespace, pod)?;
            Some(snapshot.workload_of(pod))
        };
        match &self.end {
            HostMeaning::PodAddress { namespace, pod } => {
                return of_pod(namespace, pod).into_iter().collect();
            }
            HostMeaning::HeadlessPod { service, pod } => {
                // Manifests show the Pod's workload only.
                if let Some(workload) = of_pod(&service.namespace, pod) {
                    return vec![workload];
                }
            }
            _ => {}
        }
        let Some((key, service)) = self.last() else {
            return Vec::new();
        };
        if service.spec.selector.is_empty() {
            return snapshot.workloads_at_endpoints(key);
        }
        snapshot
            .workloads_selected(&key.namespace, &service.spec.selector)
            .into_iter()
            .cloned()
            .collect()
    }
}
