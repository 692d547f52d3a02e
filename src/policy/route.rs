//! Where a client's host and port lead, as far as the API shows: the Service, the Pods behind it and the ports they are dialled on. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU16;

use super::peer::Peer;
use crate::observe::kinds::{Service, ServicePort};
use crate::observe::{EndpointView, HostMeaning, ServiceKey, Snapshot};

/// Where a host and port lead.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// What the host means.
    pub meaning: HostMeaning,
    /// The Service that it ends at, after every ExternalName.
    pub service: Option<ServiceKey>,
    /// Whether that Service is headless: its Pods are dialled directly, on the client's own port.
    pub headless: bool,
    /// The addresses of that Service; none if headless.
    pub addresses: Vec<IpAddr>,
    /// The endpoints behind the port, ready or not.
    pub endpoints: Vec<RouteEndpoint>,
}

/// One endpoint of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteEndpoint {
    /// As the API shows it.
    pub view: EndpointView,
    /// The port that is dialled on it.
    pub port: NonZeroU16,
}

/// Follows `host:port` of a client in `namespace`.
pub fn route(
    snapshot: &Snapshot,
    namespace: &str,
    host: &str,
    port: NonZeroU16,
    transport: &str,
) -> Route {
    let way = snapshot.way(host, namespace);
    let mut route = Route {
        meaning: way.start.clone(),
        service: way.services.last().map(|(key, _)| key.clone()),
        headless: false,
        addresses: Vec::new(),
        endpoints: Vec::new(),
    };
    if let Some((key, service)) = way.last() {
        fill(snapshot, &mut route, key, service, port, transport);
    }
    if let HostMeaning::HeadlessPod { pod, .. } = &way.end {
        route
            .endpoints
            .retain(|endpoint| endpoint.view.pod.as_ref() == Some(pod));
    }
    route
}

fn fill(
    snapshot: &Snapshot,
    route: &mut Route,
    key: &ServiceKey,
    service: &Service,
    port: NonZeroU16,
    transport: &str,
) {
    route.headless = service.spec.is_headless();
    if !route.headless {
        route.addresses = service.spec.addresses();
    }
    let endpoints = if route.headless {
        headless_endpoints(snapshot, key, service)
    } else {
        service
            .spec
            .port(port, transport)
            .map(|service_port| snapshot.endpoints(key, service_port))
            .unwrap_or_default()
    };
    route.endpoints = endpoints
        .into_iter()
        .map(|view| RouteEndpoint {
            port: match view.port {
                Some(target) if !route.headless => target,
                _ => port,
            },
            view,
        })
        .collect();
}

/// DNS gives every Pod of a headless Service, whatever its ports: each address counts once.
fn headless_endpoints(
    snapshot: &Snapshot,
    key: &ServiceKey,
    service: &Service,
) -> Vec<EndpointView> {
    let none = [ServicePort::default()];
    let ports: &[ServicePort] = if service.spec.ports.is_empty() {
        &none
    } else {
        &service.spec.ports
    };
    let mut seen = BTreeSet::new();
    ports
        .iter()
        .flat_map(|port| snapshot.endpoints(key, port))
        .filter(|view| seen.insert(view.address))
        .collect()
}

impl Route {
    /// The Pods at the route's end, each with the port that it is dialled on: those behind the endpoints, else (nothing runs
    /// yet, or manifests only) what the Service's selector will take.
    pub fn targets(
        &self,
        snapshot: &Snapshot,
        port: NonZeroU16,
        transport: &str,
    ) -> Vec<(Peer, NonZeroU16)> {
        if !self.endpoints.is_empty() {
            return self
                .endpoints
                .iter()
                .map(|endpoint| (endpoint_peer(snapshot, endpoint), endpoint.port))
                .collect();
        }
        match &self.meaning {
            HostMeaning::PodAddress { namespace, pod } => snapshot
                .pod(namespace, pod)
                .map(|pod| vec![(Peer::of_pod(snapshot, pod), port)])
                .unwrap_or_default(),
            HostMeaning::Address(address) => {
                vec![(Peer::outside(String::new(), Some(*address)), port)]
            }
            _ => self.selected(snapshot, port, transport),
        }
    }

    fn selected(
        &self,
        snapshot: &Snapshot,
        port: NonZeroU16,
        transport: &str,
    ) -> Vec<(Peer, NonZeroU16)> {
        let Some((key, service)) = self
            .service
            .as_ref()
            .and_then(|key| Some((key, snapshot.service(key)?)))
        else {
            return Vec::new();
        };
        let behind = service.spec.port(port, transport);
        snapshot
            .workloads_selected(&key.namespace, &service.spec.selector)
            .into_iter()
            .filter_map(|workload| {
                let template = snapshot.template(workload)?;
                let target = if self.headless {
                    port
                } else {
                    behind?.target(template.spec)?
                };
                Some((Peer::of_workload(snapshot, workload)?, target))
            })
            .collect()
    }
}

fn endpoint_peer(snapshot: &Snapshot, endpoint: &RouteEndpoint) -> Peer {
    let address = endpoint.view.address;
    match &endpoint.view.pod {
        Some(name) => match snapshot.pod(&endpoint.view.pod_namespace, name) {
            Some(pod) => Peer {
                addresses: vec![address],
                ..Peer::of_pod(snapshot, pod)
            },
            None => Peer::unseen(name.clone(), &endpoint.view.pod_namespace, Some(address)),
        },
        // Endpoints made by hand may name the address of a Pod all the same.
        None => match snapshot.meaning(&address.to_string(), "") {
            HostMeaning::PodAddress { namespace, pod } => {
                snapshot.pod(&namespace, &pod).map_or_else(
                    || Peer::unseen(pod.clone(), &namespace, Some(address)),
                    |pod| Peer::of_pod(snapshot, pod),
                )
            }
            _ => Peer::outside(String::new(), Some(address)),
        },
    }
}
