//! The scenario's network on loopback: `network.yaml` and the store's objects → listeners, and the table that leads agents to them. IO.

mod answer;
mod dns;
mod listener;
mod mysql;
mod redis;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::scenario::{NetworkFile, ScenarioError, Unserved};
use crate::store::{Store, list, text};
use crate::{controller, kinds};

use answer::Answer;
pub(crate) use answer::parse;
use dns::Dns;
use listener::Listener;

/// All listeners of a scenario.
pub(crate) struct Network {
    store: Arc<Store>,
    namespace: String,
    dns: Dns,
    refusing: Listener,
    dropping: Listener,
    unserved: Unserved,
    listeners: BTreeMap<SocketAddr, Listener>,
}

impl Network {
    /// Starts everything that the file names.
    ///
    /// # Errors
    /// An answer that is none, a workload that has no Pod, no free port.
    pub(crate) async fn start(
        file: &NetworkFile,
        namespace: &str,
        store: Arc<Store>,
    ) -> Result<Self, ScenarioError> {
        let mut listeners = BTreeMap::new();
        for (place, words) in &file.answers {
            let answer = parse(words).map_err(|what| ScenarioError::Network {
                place: place.clone(),
                what,
            })?;
            for address in addresses(&store, namespace, place)? {
                let listener = Listener::start(answer.clone()).await?;
                listeners.insert(address, listener);
            }
        }
        Ok(Self {
            dns: Dns::start(Arc::clone(&store)).await?,
            refusing: Listener::start(Answer::Refuse).await?,
            dropping: Listener::start(Answer::Drop).await?,
            unserved: file.unserved,
            namespace: namespace.to_owned(),
            listeners,
            store,
        })
    }

    /// Where an agent dials and resolves, as JSON: the nameserver, the search list, and every address that the objects name.
    pub(crate) fn table(&self) -> Value {
        let ports = self.ports();
        let mut table: BTreeMap<SocketAddr, SocketAddr> = BTreeMap::new();
        for address in self.pod_addresses() {
            for port in &ports {
                let place = SocketAddr::new(address, *port);
                table.insert(place, self.behind(place));
            }
        }
        let (services, _) = self.store.list(kinds::of("services"), None);
        for service in &services {
            for address in list(service, "/spec/clusterIPs") {
                // `None` is how a headless Service writes it.
                let Some(address) = address.as_str().and_then(|text| text.parse().ok()) else {
                    continue;
                };
                for port in &ports {
                    let real = self.service(service, *port);
                    table.insert(SocketAddr::new(address, *port), real);
                }
            }
        }
        for (place, listener) in &self.listeners {
            table.insert(*place, listener.address);
        }
        let addresses: BTreeMap<String, String> = table
            .iter()
            .map(|(place, real)| (place.to_string(), real.to_string()))
            .collect();
        json!({
            "nameserver": self.dns.address.to_string(),
            "search": [format!("{}.svc.cluster.local", self.namespace), "svc.cluster.local", "cluster.local"],
            "addresses": addresses,
        })
    }

    /// What listens at a Pod's address; nobody, unless the file says so.
    fn behind(&self, place: SocketAddr) -> SocketAddr {
        self.listeners
            .get(&place)
            .map_or(self.refusing.address, |listener| listener.address)
    }

    /// Where a Service's port leads: to its first ready endpoint; refused without one, as kube-proxy does.
    fn service(&self, service: &Value, port: u16) -> SocketAddr {
        let Some(wanted) = list(service, "/spec/ports")
            .iter()
            .find(|one| one["port"] == port)
        else {
            return match self.unserved {
                Unserved::Drop => self.dropping.address,
                Unserved::Refuse => self.refusing.address,
            };
        };
        let (slices, _) = self.store.list(
            kinds::of("endpointslices"),
            Some(text(service, "/metadata/namespace")),
        );
        let of_service = |slice: &&Value| {
            slice["metadata"]["labels"]["kubernetes.io/service-name"] == service["metadata"]["name"]
        };
        for slice in slices.iter().filter(of_service) {
            let name = |port: &Value| text(port, "/name").to_owned();
            let target = list(slice, "/ports")
                .iter()
                .find(|port| name(port) == name(wanted))
                .and_then(|port| u16::try_from(port["port"].as_u64()?).ok());
            let endpoint = list(slice, "/endpoints")
                .iter()
                .filter(|endpoint| endpoint["conditions"]["ready"] != false)
                .find_map(|endpoint| endpoint["addresses"].get(0)?.as_str()?.parse().ok());
            if let (Some(port), Some(address)) = (target, endpoint) {
                return self.behind(SocketAddr::new(address, port));
            }
        }
        self.refusing.address
    }

    /// Every port that anything names: each of them may be asked at each address.
    fn ports(&self) -> BTreeSet<u16> {
        let mut ports: BTreeSet<u16> = self.listeners.keys().map(SocketAddr::port).collect();
        let mut add = |port: &Value| {
            ports.extend(port.as_u64().and_then(|port| u16::try_from(port).ok()));
        };
        for service in self.store.list(kinds::of("services"), None).0 {
            for port in list(&service, "/spec/ports") {
                add(&port["port"]);
                add(&port["targetPort"]);
            }
        }
        for pod in self.store.list(kinds::of("pods"), None).0 {
            for container in list(&pod, "/spec/containers") {
                for port in list(container, "/ports") {
                    add(&port["containerPort"]);
                }
            }
        }
        ports
    }

    fn pod_addresses(&self) -> BTreeSet<IpAddr> {
        let (pods, _) = self.store.list(kinds::of("pods"), None);
        pods.iter()
            .filter(|pod| pod["spec"]["hostNetwork"] != true)
            .filter_map(|pod| text(pod, "/status/podIP").parse().ok())
            .collect()
    }
}

/// `10.244.0.5:3306`, or `deployment/db:3306`: that port of each of the workload's Pods.
fn addresses(
    store: &Store,
    namespace: &str,
    place: &str,
) -> Result<Vec<SocketAddr>, ScenarioError> {
    let wrong = |what: &str| ScenarioError::Network {
        place: place.to_owned(),
        what: what.to_owned(),
    };
    if let Ok(address) = place.parse() {
        return Ok(vec![address]);
    }
    let (workload, port) = place
        .rsplit_once(':')
        .and_then(|(workload, port)| Some((workload, port.parse::<u16>().ok()?)))
        .ok_or_else(|| wrong("expected ADDRESS:PORT or KIND/NAME:PORT"))?;
    let (pods, _) = store.list(kinds::of("pods"), Some(namespace));
    let found: Vec<SocketAddr> = pods
        .iter()
        .filter(|pod| controller::workload_of(store, pod) == workload)
        .filter_map(|pod| text(pod, "/status/podIP").parse().ok())
        .map(|address| SocketAddr::new(address, port))
        .collect();
    if found.is_empty() {
        return Err(wrong("no recorded Pod of that workload has an address"));
    }
    Ok(found)
}
