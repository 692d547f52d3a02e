//! Which other namespaces a namespace's own configuration leads to, and which Services serve DNS. Pure.
//!
//! Only what is certain to be a namespace counts: a name with `.svc`, or one that the API shows; `example.com` is none.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::kinds::{Container, PodSpec};
use super::{NamespaceState, ServiceKey, Snapshot};

/// The namespaces that ExternalName Services, variables, arguments and ConfigMaps of the run's namespace name.
pub fn referenced(snapshot: &Snapshot) -> BTreeSet<String> {
    let Some(own) = snapshot.own() else {
        return BTreeSet::new();
    };
    let mut found = BTreeSet::new();
    for text in texts(own) {
        hosts_in(&text, |labels| {
            if let Some(namespace) = namespace_of(snapshot, labels) {
                found.insert(namespace.to_owned());
            }
        });
    }
    found.remove(&snapshot.namespace);
    found
}

fn texts(state: &NamespaceState) -> impl Iterator<Item = Cow<'_, str>> {
    let services = state
        .services
        .iter()
        .map(|service| service.spec.external_name.as_str());
    let values = state
        .config_maps
        .iter()
        .flat_map(|map| map.texts().map(|(_, text)| text));
    let templates = state
        .workloads
        .iter()
        .map(|workload| match &workload.spec.job_template {
            Some(job) => &job.spec.template.spec,
            None => &workload.spec.template.spec,
        });
    let specs = state.pods.iter().map(|pod| &pod.spec).chain(templates);
    let words = specs.flat_map(PodSpec::every).flat_map(container_texts);
    services.chain(words).map(Cow::Borrowed).chain(values)
}

fn container_texts(container: &Container) -> impl Iterator<Item = &str> {
    let values = container.env.iter().filter_map(|env| env.value.as_deref());
    values.chain(container.words())
}

/// Calls `with` for each dotted word of a text.
fn hosts_in<'a>(text: &'a str, mut with: impl FnMut(&[&'a str])) {
    let words =
        text.split(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-')));
    for word in words.filter(|word| word.contains('.') && word.len() <= 253) {
        let labels: Vec<&str> = word.trim_matches('.').split('.').collect();
        with(&labels);
    }
}

fn namespace_of<'a>(snapshot: &Snapshot, labels: &[&'a str]) -> Option<&'a str> {
    let plain = |label: &&str| !label.is_empty() && label.len() <= 63;
    let namespace = match labels {
        // `service.namespace.svc…`, `pod.service.namespace.svc…`
        [_, namespace, "svc", ..] | [_, _, namespace, "svc", ..] => {
            return Some(*namespace).filter(plain);
        }
        [_, namespace] | [_, _, namespace] => *namespace,
        _ => return None,
    };
    let service = labels[labels.len() - 2];
    let key = ServiceKey::new(namespace.to_ascii_lowercase(), service.to_ascii_lowercase());
    let exists = snapshot.service(&key).is_some()
        || (!snapshot.knows("services@*")
            && snapshot
                .namespaces
                .get(namespace)
                .is_some_and(|state| state.object.is_some()));
    exists.then_some(namespace)
}

/// The Services that plainly serve the cluster's DNS, the usual one first.
pub fn dns_services(snapshot: &Snapshot) -> Vec<ServiceKey> {
    let mut found: Vec<(bool, ServiceKey)> = Vec::new();
    for (namespace, state) in &snapshot.namespaces {
        if !matches!(namespace.as_str(), "kube-system" | "openshift-dns") {
            continue;
        }
        for service in &state.services {
            let serves = service
                .spec
                .ports
                .iter()
                .any(|port| port.port == 53 && port.protocol == "UDP");
            if serves {
                let key = ServiceKey::new(namespace.clone(), service.metadata.name.clone());
                found.push((key.name != "kube-dns", key));
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, key)| key).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::super::Observed;
    use super::*;

    fn snapshot(env: &[&str], services: &Value) -> Snapshot {
        let env: Vec<Value> = env
            .iter()
            .map(|value| json!({"name": "X", "value": value}))
            .collect();
        let own = serde_json::from_value(json!({
            "services": services,
            "pods": [{"metadata": {"name": "p"}, "spec": {"containers": [{"env": env}]}}],
        }))
        .unwrap();
        let data =
            serde_json::from_value(json!({"services": [{"metadata": {"name": "db"}}]})).unwrap();
        Snapshot {
            namespace: "shop".into(),
            namespaces: BTreeMap::from([("shop".into(), own), ("data".into(), data)]),
            observed: BTreeMap::from([("services@*".into(), Observed::Ok)]),
            ..Snapshot::default()
        }
    }

    #[test]
    fn names_lead_to_namespaces_and_ordinary_domains_do_not() {
        let found = |env: &[&str]| -> Vec<String> {
            referenced(&snapshot(env, &json!([]))).into_iter().collect()
        };
        assert_eq!(found(&["mysql://u:p@db.data:3306/x"]), ["data"]);
        assert_eq!(found(&["cache.other.svc.cluster.local:6379"]), ["other"]);
        assert_eq!(found(&["kafka-0.kafka.mq.svc"]), ["mq"]);
        assert!(
            found(&[
                "example.com",
                "1.2.3.4",
                "db.shop.svc",
                "v1.2",
                "nothing.data"
            ])
            .is_empty()
        );
    }

    #[test]
    fn an_external_name_leads_to_its_namespace() {
        let services = json!([{"metadata": {"name": "db"}, "spec": {"type": "ExternalName", "externalName": "pg.infra.svc.cluster.local"}}]);
        let found = referenced(&snapshot(&[], &services));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["infra"]);
    }

    #[test]
    fn dns_is_known_by_its_port() {
        let mut snapshot = snapshot(&[], &json!([]));
        assert!(dns_services(&snapshot).is_empty());
        let system = serde_json::from_value(json!({"services": [
            {"metadata": {"name": "a-dns"}, "spec": {"ports": [{"port": 53, "protocol": "UDP"}]}},
            {"metadata": {"name": "kube-dns"}, "spec": {"ports": [{"port": 53, "protocol": "UDP"}]}},
            {"metadata": {"name": "metrics"}, "spec": {"ports": [{"port": 443}]}},
        ]}))
        .unwrap();
        snapshot.namespaces.insert("kube-system".into(), system);
        let names: Vec<String> = dns_services(&snapshot)
            .into_iter()
            .map(|key| key.name)
            .collect();
        assert_eq!(names, ["kube-dns", "a-dns"]);
    }
}
