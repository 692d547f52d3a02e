//! Who asks: a probe Pod and its spec, as far as the network distinguishes clients; and the seam, through which the network's table
//! reaches the agent. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use super::Network;
use crate::scenario::From;
use crate::store::{list, text};

/// The agent's spec comes in variables of this name and a number.
const SPEC_VARIABLE: &str = "K8SVERIFY_SPEC_";
/// One variable of Linux holds 128 KiB.
const CHUNK: usize = 60_000;

/// A probe Pod's container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    /// Its node.
    pub(super) node: String,
    /// Ports that it may ask.
    pub(super) ports: BTreeSet<u16>,
    /// Addresses that it knows.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Addresses of Pods none of whose containers runs.
    pub(super) stopped: BTreeSet<IpAddr>,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its labels.
    pub(super) labels: BTreeMap<String, String>,
    /// The Services of its namespace.
    services: BTreeSet<String>,
    tiers: BTreeSet<String>,
    pod_spec: Value,
}

impl Client {
    fn new(pod: &Value, spec: &Value) -> Self {
        let mut client = Self {
            node: text(pod, "/spec/nodeName").to_owned(),
            namespace: text(pod, "/metadata/namespace").to_owned(),
            pod_spec: pod["spec"].clone(),
            ..Self::default()
        };
        let labels = pod["metadata"]["labels"].as_object();
        for (name, value) in labels.into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            client.labels.insert(name.clone(), value.to_owned());
        }
        for edge in list(spec, "/edges") {
            let tier = text(edge, "/id").split("->").next().unwrap_or_default();
            client.tiers.insert(tier.to_owned());
            client
                .addresses
                .extend(text(edge, "/host").parse::<IpAddr>().ok());
            client.port(&edge["port"]);
            for endpoint in list(edge, "/endpoints") {
                client.port(&endpoint["port"]);
                client
                    .addresses
                    .extend(text(endpoint, "/address").parse::<IpAddr>().ok());
            }
        }
        client
    }

    fn port(&mut self, port: &Value) {
        let port = port.as_u64().and_then(|port| u16::try_from(port).ok());
        self.ports.extend(port);
    }

    /// Whether the kubelet would write the cluster's DNS into the Pod's resolv.conf.
    pub(super) fn asks_cluster_dns(&self) -> bool {
        match text(&self.pod_spec, "/dnsPolicy") {
            "Default" => false,
            "None" => list(&self.pod_spec, "/dnsConfig/nameservers")
                .iter()
                .filter_map(Value::as_str)
                .any(|address| address.starts_with("10.96.")),
            "ClusterFirstWithHostNet" => true,
            _ => self.pod_spec["hostNetwork"] != true,
        }
    }

    /// The search list of the Pod's resolv.conf.
    pub(super) fn search(&self) -> Vec<String> {
        let mut search = Vec::new();
        if self.asks_cluster_dns() && text(&self.pod_spec, "/dnsPolicy") != "None" {
            search.push(format!("{}.svc.cluster.local", self.namespace));
            search.extend(["svc.cluster.local", "cluster.local"].map(str::to_owned));
        }
        let more = list(&self.pod_spec, "/dnsConfig/searches").iter();
        search.extend(more.filter_map(Value::as_str).map(str::to_owned));
        search
    }
}

impl From {
    /// Whether that client is meant.
    pub(super) fn holds(&self, client: &Client) -> bool {
        let label = |name: &String| client.labels.get(name);
        self.node.as_ref().is_none_or(|node| *node == client.node)
            && self
                .labels
                .iter()
                .all(|(name, value)| label(name) == Some(value))
            && self.without.iter().all(|name| label(name).is_none())
            && self
                .tier
                .as_ref()
                .is_none_or(|tier| client.tiers.contains(tier))
            && self
                .services
                .iter()
                .all(|name| client.services.contains(name))
    }
}

/// Puts the network's table into the spec that a container's variables hold; variables without a spec stay as they are.
pub(crate) fn fill(variables: &mut BTreeMap<String, String>, network: &Network, pod: &Value) {
    let mut spec = String::new();
    let mut chunk = 0;
    while let Some(part) = variables.remove(&format!("{SPEC_VARIABLE}{chunk}")) {
        spec.push_str(&part);
        chunk += 1;
    }
    let spec = match serde_json::from_str::<Value>(&spec) {
        Ok(mut value) => {
            let mut client = Client::new(pod, &value);
            client.services = network.services(&client.namespace);
            client.stopped = network.stopped();
            value["network"] = network.table(&client);
            value.to_string()
        }
        // What is no spec is the agent's to refuse.
        Err(_) => spec,
    };
    let mut rest = spec.as_str();
    for number in 0.. {
        if rest.is_empty() {
            break;
        }
        let mut end = rest.len().min(CHUNK);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (part, after) = rest.split_at(end);
        variables.insert(format!("{SPEC_VARIABLE}{number}"), part.to_owned());
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn clients_are_distinguished_by_what_their_pods_are() {
        let pod = json!({"metadata": {"namespace": "shop", "labels": {"app": "ap"}}, "spec": {"nodeName": "node-1", "hostNetwork": true}});
        let spec = json!({"edges": [{"id": "AP->DB:3306/mysql", "host": "10.9.9.9", "port": 3306, "endpoints": [{"address": "10.244.0.5", "port": 3307}]}]});
        let client = Client::new(&pod, &spec);
        assert_eq!(client.ports, BTreeSet::from([3306, 3307]));
        assert_eq!(client.addresses.len(), 2);
        assert!(!client.asks_cluster_dns());
        assert!(client.search().is_empty());
        let holds = |from: Value| serde_json::from_value::<From>(from).unwrap().holds(&client);
        assert!(holds(json!({})));
        assert!(holds(
            json!({"node": "node-1", "labels": {"app": "ap"}, "without": ["x"], "tier": "AP"})
        ));
        assert!(!holds(json!({"node": "node-2"})));
        assert!(!holds(json!({"without": ["app"]})));
        assert!(!holds(json!({"tier": "WEB"})));
    }
}
