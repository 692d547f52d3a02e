//! NetworkPolicies, as a network plugin enforces them on the way from a probe Pod to another Pod. Reads the store.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::client::Client;
use crate::kinds;
use crate::store::{Store, list, text};

/// One end of a connection.
struct End {
    namespace: String,
    labels: BTreeMap<String, String>,
    address: Option<IpAddr>,
    /// Ports that its containers declare by name.
    ports: BTreeMap<String, u64>,
}

/// Whether every policy on both ends lets the client reach that place.
pub(super) fn admit(store: &Store, client: &Client, place: SocketAddr, transport: &str) -> bool {
    let source = End {
        namespace: client.namespace.clone(),
        labels: client.labels.clone(),
        address: None,
        ports: BTreeMap::new(),
    };
    let target = pod_at(store, place.ip());
    let outside = End {
        namespace: String::new(),
        labels: BTreeMap::new(),
        address: Some(place.ip()),
        ports: BTreeMap::new(),
    };
    let far = target.as_ref().unwrap_or(&outside);
    let port = Port {
        number: place.port(),
        transport,
        names: &far.ports,
    };
    passes(store, "Egress", &source, far, &port)
        && target
            .as_ref()
            .is_none_or(|target| passes(store, "Ingress", target, &source, &port))
}

struct Port<'a> {
    number: u16,
    transport: &'a str,
    names: &'a BTreeMap<String, u64>,
}

/// Whether the policies of one direction that select `subject` let the other end through; without any it is open.
fn passes(store: &Store, direction: &str, subject: &End, other: &End, port: &Port<'_>) -> bool {
    let (policies, _) = store.list(kinds::of("networkpolicies"), Some(&subject.namespace));
    let mut isolated = false;
    for policy in &policies {
        let spec = &policy["spec"];
        let types = list(spec, "/policyTypes");
        let speaks = if types.is_empty() {
            direction == "Ingress" || spec["egress"].is_array()
        } else {
            types.iter().any(|one| one == direction)
        };
        if !speaks || !selects(&spec["podSelector"], &subject.labels) {
            continue;
        }
        isolated = true;
        let (rules, peers) = match direction {
            "Ingress" => (list(spec, "/ingress"), "/from"),
            _ => (list(spec, "/egress"), "/to"),
        };
        let admitted = rules.iter().any(|rule| {
            let from = list(rule, peers);
            let ports = list(rule, "/ports");
            (from.is_empty() || from.iter().any(|peer| names(store, policy, peer, other)))
                && (ports.is_empty() || ports.iter().any(|one| is_port(one, port)))
        });
        if admitted {
            return true;
        }
    }
    !isolated
}

/// Whether a peer of a rule means that end.
fn names(store: &Store, policy: &Value, peer: &Value, end: &End) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        return end.address.is_some_and(|address| {
            within(text(block, "/cidr"), address)
                && !list(block, "/except")
                    .iter()
                    .any(|one| within(one.as_str().unwrap_or_default(), address))
        });
    }
    let namespace = match peer.get("namespaceSelector") {
        None => policy["metadata"]["namespace"] == *end.namespace,
        Some(selector) => {
            let object = store.get(kinds::of("namespaces"), "", &end.namespace);
            let mut labels = object.map_or_else(BTreeMap::new, |object| {
                strings(&object["metadata"]["labels"])
            });
            labels.insert(
                "kubernetes.io/metadata.name".to_owned(),
                end.namespace.clone(),
            );
            !end.namespace.is_empty() && selects(selector, &labels)
        }
    };
    namespace
        && peer
            .get("podSelector")
            .is_none_or(|selector| selects(selector, &end.labels))
}

fn is_port(rule: &Value, port: &Port<'_>) -> bool {
    let transport = rule["protocol"].as_str().unwrap_or("TCP");
    if transport != port.transport {
        return false;
    }
    let number = u64::from(port.number);
    match &rule["port"] {
        Value::Null => true,
        Value::String(name) => port.names.get(name) == Some(&number),
        first => {
            let first = first.as_u64().unwrap_or(0);
            (first..=rule["endPort"].as_u64().unwrap_or(first)).contains(&number)
        }
    }
}

/// Whether a label selector takes those labels; an empty one takes all.
fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let wanted = strings(&selector["matchLabels"]);
    let expressions = list(selector, "/matchExpressions");
    wanted
        .iter()
        .all(|(name, value)| labels.get(name) == Some(value))
        && expressions.iter().all(|expression| {
            let value = labels.get(text(expression, "/key"));
            let listed = value
                .is_some_and(|value| list(expression, "/values").iter().any(|one| one == value));
            match text(expression, "/operator") {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                _ => value.is_none(),
            }
        })
}

fn within(block: &str, address: IpAddr) -> bool {
    let (IpAddr::V4(address), Some((network, bits))) = (address, block.split_once('/')) else {
        return false;
    };
    let (Ok(network), Ok(bits)) = (network.parse::<std::net::Ipv4Addr>(), bits.parse::<u32>())
    else {
        return false;
    };
    let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
    u32::from(address) & mask == u32::from(network) & mask
}

fn strings(object: &Value) -> BTreeMap<String, String> {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn pod_at(store: &Store, address: IpAddr) -> Option<End> {
    let (pods, _) = store.list(kinds::of("pods"), None);
    let pod = pods.iter().find(|pod| {
        pod["spec"]["hostNetwork"] != true && text(pod, "/status/podIP").parse() == Ok(address)
    })?;
    let ports = list(pod, "/spec/containers")
        .iter()
        .flat_map(|container| list(container, "/ports"));
    Some(End {
        namespace: text(pod, "/metadata/namespace").to_owned(),
        labels: strings(&pod["metadata"]["labels"]),
        address: Some(address),
        ports: ports
            .filter_map(|port| {
                Some((
                    port["name"].as_str()?.to_owned(),
                    port["containerPort"].as_u64()?,
                ))
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Clock;

    /// Whether a client with label `app=ap` in namespace `shop` reaches the database there (10.0.0.1:3306), under that policy of `shop`.
    fn reaches(spec: &Value) -> bool {
        let store = Store::new(Clock::from(jiff::Timestamp::UNIX_EPOCH));
        store.put(
            kinds::of("pods"),
            json!({"metadata": {"name": "db", "namespace": "shop", "labels": {"app": "db"}},
                "spec": {"containers": [{"name": "db", "ports": [{"name": "sql", "containerPort": 3306}]}]},
                "status": {"podIP": "10.0.0.1"}}),
        );
        store.put(
            kinds::of("networkpolicies"),
            json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": spec}),
        );
        let mut client = Client::default();
        "shop".clone_into(&mut client.namespace);
        client.labels.insert("app".to_owned(), "ap".to_owned());
        admit(&store, &client, "10.0.0.1:3306".parse().unwrap(), "TCP")
    }

    #[test]
    fn who_is_isolated_reaches_and_is_reached_by_what_a_rule_names() {
        let ingress =
            |rule: Value| json!({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [rule]});
        assert!(reaches(
            &json!({"podSelector": {"matchLabels": {"app": "web"}}})
        ));
        assert!(!reaches(&json!({"podSelector": {}})));
        assert!(reaches(&ingress(json!({}))));
        assert!(reaches(&ingress(
            json!({"from": [{"podSelector": {"matchLabels": {"app": "ap"}}}], "ports": [{"port": "sql"}]})
        )));
        assert!(!reaches(&ingress(
            json!({"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]})
        )));
        assert!(!reaches(&ingress(
            json!({"ports": [{"port": 3307, "endPort": 3400}]})
        )));
        assert!(reaches(&ingress(
            json!({"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]})
        )));
        let egress = |to: Value| json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["ap"]}]}, "policyTypes": ["Egress"], "egress": [{"to": [to]}]});
        assert!(reaches(&egress(
            json!({"ipBlock": {"cidr": "10.0.0.0/24"}})
        )));
        assert!(!reaches(&egress(
            json!({"ipBlock": {"cidr": "10.0.0.0/24", "except": ["10.0.0.1/32"]}})
        )));
    }
}
