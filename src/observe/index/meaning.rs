//! What a host name or address means to a client, as far as the API shows. Pure.

use std::net::IpAddr;

use super::super::{Observed, ServiceKey, Snapshot, WorkloadKey, member_of_set};
use super::key;

/// What a host means to a client of some namespace, as far as the API shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostMeaning {
    /// A Service, of this or another namespace.
    Service(ServiceKey),
    /// The record of one Pod of a headless Service.
    HeadlessPod {
        /// The headless Service.
        service: ServiceKey,
        /// The Pod's name.
        pod: String,
    },
    /// A short name that only Services of other namespaces have.
    ServiceElsewhere(Vec<ServiceKey>),
    /// The address of a Service, as a literal.
    ServiceAddress(ServiceKey),
    /// The address of a Pod, as a literal.
    PodAddress {
        /// The Pod's namespace.
        namespace: String,
        /// The Pod's name.
        pod: String,
    },
    /// Any other address.
    Address(IpAddr),
    /// A name in a namespace whose Services could not be read: it may exist.
    Unread(ServiceKey),
    /// A cluster name that the API does not show.
    Missing,
    /// A dotted name that is not of the cluster.
    Outside,
}

impl HostMeaning {
    /// Whether no name of the client's own namespace leads anywhere.
    pub const fn leads_nowhere(&self) -> bool {
        matches!(self, Self::Missing | Self::ServiceElsewhere(_))
    }
}

impl Snapshot {
    /// What `host` means to a client of `client_namespace`, by the search list that Kubernetes gives its Pods.
    pub fn meaning(&self, host: &str, client_namespace: &str) -> HostMeaning {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = literal.parse::<IpAddr>() {
            return self.address_meaning(address);
        }
        let labels: Vec<&str> = host.split('.').collect();
        match labels.as_slice() {
            ["localhost"] => HostMeaning::Address(IpAddr::from([127, 0, 0, 1])),
            [service] => self.short_name(service, client_namespace),
            [service, namespace, "svc", ..] => self.qualified(service, namespace),
            [pod, service, namespace, "svc", ..] => self.headless(pod, service, namespace),
            [address, namespace, "pod", ..] => self.pod_record(address, namespace),
            [first, second] => self.two_labels(first, second, client_namespace),
            [pod, service, namespace] if self.is_headless(service, namespace) => {
                self.headless(pod, service, namespace)
            }
            _ => HostMeaning::Outside,
        }
    }

    fn address_meaning(&self, address: IpAddr) -> HostMeaning {
        if let Some((namespace, service)) = self.service_at(address) {
            return HostMeaning::ServiceAddress(key(namespace, &service.metadata.name));
        }
        match self.pod_at(address) {
            Some((namespace, pod)) => HostMeaning::PodAddress {
                namespace: namespace.to_owned(),
                pod: pod.metadata.name.clone(),
            },
            None => HostMeaning::Address(address),
        }
    }

    fn short_name(&self, service: &str, client_namespace: &str) -> HostMeaning {
        let own = key(client_namespace, service);
        if self.service(&own).is_some() {
            return HostMeaning::Service(own);
        }
        if self.services_unread(client_namespace) {
            return HostMeaning::Unread(own);
        }
        let elsewhere: Vec<ServiceKey> = self
            .namespaces
            .keys()
            .filter(|namespace| namespace.as_str() != client_namespace)
            .map(|namespace| key(namespace, service))
            .filter(|key| self.service(key).is_some())
            .collect();
        if elsewhere.is_empty() {
            HostMeaning::Missing
        } else {
            HostMeaning::ServiceElsewhere(elsewhere)
        }
    }

    fn two_labels(&self, first: &str, second: &str, client_namespace: &str) -> HostMeaning {
        // The search list asks `first.second.CLIENT-NAMESPACE.svc…` before `first.second.svc…`.
        if self.is_headless(second, client_namespace) {
            let meaning = self.headless(first, second, client_namespace);
            if meaning != HostMeaning::Missing || !self.namespaces.contains_key(second) {
                return meaning;
            }
        }
        let other = key(second, first);
        if self.service(&other).is_some() {
            HostMeaning::Service(other)
        } else if self.services_unread(second) {
            HostMeaning::Unread(other)
        } else if self.namespaces.contains_key(second) {
            HostMeaning::Missing
        } else {
            HostMeaning::Outside
        }
    }

    fn qualified(&self, service: &str, namespace: &str) -> HostMeaning {
        let key = key(namespace, service);
        if self.service(&key).is_some() {
            HostMeaning::Service(key)
        } else if self.services_unread(namespace) {
            HostMeaning::Unread(key)
        } else {
            HostMeaning::Missing
        }
    }

    fn headless(&self, hostname: &str, service: &str, namespace: &str) -> HostMeaning {
        let key = key(namespace, service);
        if self.service(&key).is_none() {
            return if self.services_unread(namespace) {
                HostMeaning::Unread(key)
            } else {
                HostMeaning::Missing
            };
        }
        let by_slice = self
            .slices_of(&key)
            .into_iter()
            .flat_map(|slice| &slice.endpoints)
            .filter(|endpoint| endpoint.hostname == hostname)
            .find_map(|endpoint| endpoint.target_ref.as_ref())
            .map(|target| target.name.clone());
        let pod = by_slice.or_else(|| {
            let (state, keys) = self.keys(namespace)?;
            keys.pods_with_hostname(hostname)
                .iter()
                .filter_map(|position| state.pods.get(*position))
                .find(|pod| pod.spec.subdomain == service)
                .map(|pod| pod.metadata.name.clone())
        });
        let pod = pod.or_else(|| self.pod_to_be(hostname, service, namespace));
        match pod {
            Some(pod) if self.is_headless(service, namespace) => {
                HostMeaning::HeadlessPod { service: key, pod }
            }
            _ => HostMeaning::Missing,
        }
    }

    /// The Pod of that name that a StatefulSet or a template with a hostname will have, where nothing but manifests is known.
    fn pod_to_be(&self, hostname: &str, service: &str, namespace: &str) -> Option<String> {
        if !self.offline {
            return None;
        }
        let by_ordinal = || {
            let (name, ordinal) = member_of_set(hostname)?;
            let set = WorkloadKey::new(namespace, "statefulset", name);
            let spec = &self.workload(&set)?.spec;
            Some(spec.service_name == service && ordinal < spec.replicas.unwrap_or(1))
        };
        let by_template = || {
            let keys = self.workloads(namespace);
            let mut templates = keys.iter().filter_map(|key| self.template(key));
            templates.any(|template| {
                template.spec.hostname == hostname && template.spec.subdomain == service
            })
        };
        (by_ordinal() == Some(true) || by_template()).then(|| hostname.to_owned())
    }

    /// `10-244-1-7.NAMESPACE.pod…`
    fn pod_record(&self, dashed: &str, namespace: &str) -> HostMeaning {
        let address = dashed
            .replace('-', ".")
            .parse::<IpAddr>()
            .or_else(|_| dashed.replace('-', ":").parse::<IpAddr>());
        match address {
            Ok(address) if !namespace.is_empty() => self.address_meaning(address),
            _ => HostMeaning::Missing,
        }
    }

    fn is_headless(&self, service: &str, namespace: &str) -> bool {
        self.service(&key(namespace, service))
            .is_some_and(|service| service.spec.is_headless())
    }

    /// Whether the namespace is known to exist or named by someone, but its Services were refused.
    fn services_unread(&self, namespace: &str) -> bool {
        let resource = if namespace == self.namespace {
            "services".to_owned()
        } else {
            format!("services@{namespace}")
        };
        self.observed.get(&resource) == Some(&Observed::Forbidden)
    }
}
