//! The scenario's network on loopback: what answers → listeners, and the table that leads an agent to them. IO.

mod amqp;
mod answer;
mod client;
mod dns;
mod kafka;
mod listener;
mod mysql;
mod policies;
mod postgres;
mod redis;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::scenario::{DnsFile, DnsMode, From, NetworkFile, ScenarioError, Unserved};
use crate::store::{Store, list, text};
use crate::{controller, kinds};

use answer::{Answer, parse};
pub(crate) use client::{Client, fill};
use dns::Dns;
use listener::Listener;
pub(crate) use tls::secret;

/// Whom a node's own resolver asks.
const NODE_RESOLVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 1));

/// All listeners of a scenario.
pub(crate) struct Network {
    store: Arc<Store>,
    refusing: Listener,
    dropping: Listener,
    /// What a Pod without the cluster's DNS asks: it knows only the names of the scenario.
    outer_dns: Dns,
    unserved: Unserved,
    /// What becomes of what a NetworkPolicy denies; `None`: nothing enforces them.
    policies: Option<Unserved>,
    silent_dns: Dns,
    /// What holds for everybody, then what holds for some.
    views: Vec<View>,
}

/// What some clients meet.
struct View {
    of: From,
    places: BTreeMap<SocketAddr, SocketAddr>,
    dns: Option<(Dns, DnsFile)>,
    _listeners: Vec<Listener>,
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
        let everybody = From {
            answers: file.answers.clone(),
            dns: Some(file.dns.clone()),
            ..From::default()
        };
        let mut network = Self {
            outer_dns: Dns::start(Arc::new(Store::new(store.clock())), &file.dns).await?,
            refusing: Listener::start(Answer::Refuse).await?,
            dropping: Listener::start(Answer::Drop).await?,
            unserved: file.unserved,
            policies: file.policies,
            silent_dns: Dns::start(
                Arc::clone(&store),
                &DnsFile {
                    answers: DnsMode::Silent,
                    ..DnsFile::default()
                },
            )
            .await?,
            views: Vec::new(),
            store,
        };
        for of in std::iter::once(&everybody).chain(&file.from) {
            let view = network.view(of, namespace, &file.inherited).await?;
            network.views.push(view);
        }
        Ok(network)
    }

    async fn view(
        &self,
        of: &From,
        namespace: &str,
        inherited: &BTreeSet<String>,
    ) -> Result<View, ScenarioError> {
        let mut places = BTreeMap::new();
        let mut listeners = Vec::new();
        for (place, words) in &of.answers {
            let wrong = |what: String| ScenarioError::Network {
                place: place.clone(),
                what,
            };
            let answer = parse(words).map_err(wrong)?;
            let at = match addresses(&self.store, namespace, place) {
                // The base had it, and an edit took it away.
                Err(_) if inherited.contains(place) => continue,
                at => at.map_err(wrong)?,
            };
            for address in at {
                let real = match answer {
                    Answer::Refuse => self.refusing.address,
                    Answer::Drop => self.dropping.address,
                    _ => {
                        let listener = Listener::start(answer.clone()).await?;
                        let real = listener.address;
                        listeners.push(listener);
                        real
                    }
                };
                places.insert(address, real);
            }
        }
        let dns = match &of.dns {
            Some(file) => Some((
                Dns::start(Arc::clone(&self.store), file).await?,
                file.clone(),
            )),
            None => None,
        };
        Ok(View {
            of: of.clone(),
            places,
            dns,
            _listeners: listeners,
        })
    }

    /// Where that client dials and resolves, as JSON: the nameserver, the search list, and every address and port that it may ask. Nothing
    /// leads out of this machine: what no one answers is refused.
    pub(crate) fn table(&self, client: &Client) -> Value {
        let ports = self.ports(client);
        let mut table: BTreeMap<String, String> = BTreeMap::new();
        for address in self.addresses(client) {
            for port in &ports {
                let place = SocketAddr::new(address, *port);
                table.insert(place.to_string(), self.behind(place, client).to_string());
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
                    let place = SocketAddr::new(address, *port);
                    let real = self
                        .named(place, client)
                        .unwrap_or_else(|| self.service(service, *port, client));
                    table.insert(place.to_string(), real.to_string());
                }
            }
        }
        let mut views = self.views.iter().rev().filter(|view| view.of.holds(client));
        let Some((server, file)) = views.find_map(|view| view.dns.as_ref()) else {
            unreachable!("the first view is for everybody and has DNS");
        };
        let server = if client.asks_cluster_dns() && !self.may_ask_dns(client) {
            &self.silent_dns
        } else if client.asks_cluster_dns() {
            server
        } else {
            &self.outer_dns
        };
        let shown = self.name_server(client);
        table.insert(shown.to_string(), server.address.to_string());
        json!({
            "nameserver": shown.to_string(),
            "search": file.search.clone().unwrap_or_else(|| client.search()),
            "addresses": table,
        })
    }

    /// The names of a namespace's Services.
    fn services(&self, namespace: &str) -> BTreeSet<String> {
        let (services, _) = self.store.list(kinds::of("services"), Some(namespace));
        services
            .iter()
            .map(|service| text(service, "/metadata/name").to_owned())
            .collect()
    }

    /// The addresses of Pods none of whose containers runs: what listened there does not.
    fn stopped(&self) -> BTreeSet<IpAddr> {
        let (pods, _) = self.store.list(kinds::of("pods"), None);
        pods.iter()
            .filter(|pod| {
                let containers = list(pod, "/status/containerStatuses");
                !containers.is_empty()
                    && containers
                        .iter()
                        .all(|one| !one["state"]["running"].is_object())
            })
            .filter_map(|pod| text(pod, "/status/podIP").parse().ok())
            .collect()
    }

    /// What the Pod's resolv.conf names: the cluster's DNS Service, or the resolver of its node.
    fn name_server(&self, client: &Client) -> SocketAddr {
        let service = self
            .store
            .get(kinds::of("services"), "kube-system", "kube-dns")
            .filter(|_| client.asks_cluster_dns());
        let address = service.and_then(|service| text(&service, "/spec/clusterIP").parse().ok());
        SocketAddr::new(address.unwrap_or(NODE_RESOLVER), 53)
    }

    /// Whether the policies let the client ask a Pod of the cluster's DNS.
    fn may_ask_dns(&self, client: &Client) -> bool {
        let (slices, _) = self
            .store
            .list(kinds::of("endpointslices"), Some("kube-system"));
        let mut servers = slices
            .iter()
            .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == "kube-dns")
            .flat_map(|slice| list(slice, "/endpoints"))
            .filter_map(|endpoint| endpoint["addresses"][0].as_str()?.parse().ok())
            .map(|address| SocketAddr::new(address, 53));
        self.policies.is_none()
            || servers.any(|place| policies::admit(&self.store, client, place, "UDP"))
    }

    /// What the file says of a place, the last word first.
    fn named(&self, place: SocketAddr, client: &Client) -> Option<SocketAddr> {
        self.views
            .iter()
            .rev()
            .filter(|view| view.of.holds(client))
            .find_map(|view| view.places.get(&place).copied())
    }

    /// What listens at a Pod's address; no one, unless the file says so and the policies let the client through.
    fn behind(&self, place: SocketAddr, client: &Client) -> SocketAddr {
        if client.stopped.contains(&place.ip()) {
            return self.refusing.address;
        }
        if let Some(denied) = self.policies
            && !policies::admit(&self.store, client, place, "TCP")
        {
            return match denied {
                Unserved::Drop => self.dropping.address,
                Unserved::Refuse => self.refusing.address,
            };
        }
        self.named(place, client).unwrap_or(self.refusing.address)
    }

    /// Where a Service's port leads: to its first ready endpoint; refused without one, as kube-proxy does.
    fn service(&self, service: &Value, port: u16, client: &Client) -> SocketAddr {
        let Some(wanted) = list(service, "/spec/ports")
            .iter()
            .find(|one| one["port"] == port && one["protocol"] != "UDP")
        else {
            return match self.unserved {
                Unserved::Drop => self.dropping.address,
                Unserved::Refuse => self.refusing.address,
            };
        };
        let local = text(service, "/spec/internalTrafficPolicy") == "Local";
        let (slices, _) = self.store.list(
            kinds::of("endpointslices"),
            Some(text(service, "/metadata/namespace")),
        );
        let of_service = |slice: &&Value| {
            slice["metadata"]["labels"]["kubernetes.io/service-name"] == service["metadata"]["name"]
        };
        let mut elsewhere = false;
        for slice in slices.iter().filter(of_service) {
            let name = |port: &Value| text(port, "/name").to_owned();
            let target = list(slice, "/ports")
                .iter()
                .find(|port| name(port) == name(wanted))
                .and_then(|port| u16::try_from(port["port"].as_u64()?).ok());
            let mut ready = list(slice, "/endpoints")
                .iter()
                .filter(|endpoint| endpoint["conditions"]["ready"] != false);
            let endpoint = ready.find(|endpoint| {
                let here = !local || text(endpoint, "/nodeName") == client.node;
                elsewhere |= !here;
                here
            });
            let address =
                endpoint.and_then(|endpoint| endpoint["addresses"].get(0)?.as_str()?.parse().ok());
            if let (Some(port), Some(address)) = (target, address) {
                return self.behind(SocketAddr::new(address, port), client);
            }
        }
        if elsewhere {
            // Endpoints there are, but none that the policy lets through: dropped.
            return self.dropping.address;
        }
        self.refusing.address
    }

    /// Every port that anything names: each of them may be asked at each address.
    fn ports(&self, client: &Client) -> BTreeSet<u16> {
        let places = self.views.iter().flat_map(|view| view.places.keys());
        let mut ports: BTreeSet<u16> = places.map(SocketAddr::port).collect();
        ports.extend(&client.ports);
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

    /// Every address that is not a Service's: of Pods, nodes, endpoints, of the file, of what the client asks.
    fn addresses(&self, client: &Client) -> BTreeSet<IpAddr> {
        let mut addresses = client.addresses.clone();
        for view in &self.views {
            addresses.extend(view.places.keys().map(SocketAddr::ip));
            let named = view.dns.iter().flat_map(|(_, file)| file.addresses());
            addresses.extend(named);
        }
        let mut add = |text: &str| addresses.extend(text.parse::<IpAddr>().ok());
        for pod in self.store.list(kinds::of("pods"), None).0 {
            for ip in list(&pod, "/status/podIPs") {
                add(text(ip, "/ip"));
            }
            add(text(&pod, "/status/podIP"));
        }
        for node in self.store.list(kinds::of("nodes"), None).0 {
            for address in list(&node, "/status/addresses") {
                add(text(address, "/address"));
            }
        }
        for slice in self.store.list(kinds::of("endpointslices"), None).0 {
            for endpoint in list(&slice, "/endpoints") {
                for address in list(endpoint, "/addresses") {
                    add(address.as_str().unwrap_or_default());
                }
            }
        }
        addresses
    }
}

/// `10.244.0.5:3306`; `deployment/db:3306`: that port of each of the workload's Pods; `service/db:3306`: that of the Service itself.
fn addresses(store: &Store, namespace: &str, place: &str) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = place.parse() {
        return Ok(vec![address]);
    }
    let (object, port) = place
        .rsplit_once(':')
        .and_then(|(object, port)| Some((object, port.parse::<u16>().ok()?)))
        .ok_or("expected ADDRESS:PORT or KIND/NAME:PORT")?;
    let (object, namespace) = object.split_once('@').unwrap_or((object, namespace));
    let found: Vec<SocketAddr> = if let Some(name) = object.strip_prefix("service/") {
        let service = store.get(kinds::of("services"), namespace, name);
        let service = service.ok_or("there is no such Service")?;
        list(&service, "/spec/clusterIPs")
            .iter()
            .filter_map(|address| address.as_str()?.parse().ok())
            .map(|address| SocketAddr::new(address, port))
            .collect()
    } else {
        let (pods, _) = store.list(kinds::of("pods"), Some(namespace));
        pods.iter()
            .filter(|pod| controller::workload_of(store, pod) == object)
            .filter_map(|pod| text(pod, "/status/podIP").parse().ok())
            .map(|address| SocketAddr::new(address, port))
            .collect()
    };
    if found.is_empty() {
        return Err("nothing of that name has an address".to_owned());
    }
    Ok(found)
}
