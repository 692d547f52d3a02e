//! Where an edge's host leads, as far as the API shows: the Services on the way, `ExternalName` followed, and what stands at
//! the end. In: snapshot and graph. Pure.

use std::collections::BTreeSet;

use crate::graph::{Edge, TierGraph};
use crate::observe::kinds::Service;
use crate::observe::{HostMeaning, ServiceKey, Snapshot};

/// Where a host leads.
#[derive(Debug, Clone)]
pub(super) struct Destination<'a> {
    /// The Services on the way: the one that the name means first, then those to which an `ExternalName` leads.
    pub(super) services: Vec<(ServiceKey, &'a Service)>,
    /// What the last name means.
    pub(super) end: HostMeaning,
    /// Whether the client's own `hostAliases` answer instead of the cluster's DNS.
    pub(super) aliased: bool,
}

impl<'a> Destination<'a> {
    /// The Service at the end of the way, unless the way ends at an `ExternalName`.
    pub(super) fn last(&self) -> Option<(&ServiceKey, &'a Service)> {
        self.services
            .last()
            .filter(|(_, service)| service.spec.kind != "ExternalName")
            .map(|(key, service)| (key, *service))
    }
}

/// The namespace from which an edge's client asks: that of its workload, else the run's.
pub(super) fn client_namespace<'a>(
    graph: &'a TierGraph,
    snapshot: &'a Snapshot,
    edge: &Edge,
) -> &'a str {
    graph
        .workloads(&edge.from)
        .first()
        .map_or(snapshot.namespace.as_str(), |workload| {
            workload.namespace.as_str()
        })
}

/// Where an edge's host leads.
pub(super) fn of_edge<'a>(
    graph: &'a TierGraph,
    snapshot: &'a Snapshot,
    edge: &Edge,
) -> Destination<'a> {
    let namespace = client_namespace(graph, snapshot, edge);
    let alias = graph
        .workloads(&edge.from)
        .first()
        .and_then(|workload| snapshot.template(workload))
        .and_then(|template| {
            template.spec.host_aliases.iter().find(|alias| {
                alias
                    .hostnames
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(&edge.host))
            })
        });
    match alias {
        Some(alias) => Destination {
            aliased: true,
            ..of_host(snapshot, &alias.ip, namespace)
        },
        None => of_host(snapshot, &edge.host, namespace),
    }
}

/// Where a host leads for a client of `namespace`.
pub(super) fn of_host<'a>(snapshot: &'a Snapshot, host: &str, namespace: &str) -> Destination<'a> {
    let mut services = Vec::new();
    let mut seen = BTreeSet::new();
    let mut end = snapshot.meaning(host, namespace);
    while let HostMeaning::Service(key) | HostMeaning::ServiceAddress(key) = &end {
        let Some(service) = snapshot.service(key) else {
            break;
        };
        if !seen.insert(key.clone()) {
            break;
        }
        services.push((key.clone(), service));
        if service.spec.kind != "ExternalName" {
            break;
        }
        let namespace = key.namespace.clone();
        end = snapshot.meaning(&service.spec.external_name, &namespace);
    }
    if let HostMeaning::HeadlessPod { service: key, .. } = &end
        && let Some(service) = snapshot.service(key)
    {
        services.push((key.clone(), service));
    }
    Destination {
        services,
        end,
        aliased: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::fixtures;

    const SERVICES: &str = "
kind: Service
metadata: {name: db}
spec: {type: ExternalName, externalName: db.data.svc.cluster.local}
---
kind: Service
metadata: {name: db, namespace: data}
spec: {clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306}]}
---
kind: Service
metadata: {name: loop}
spec: {type: ExternalName, externalName: loop.default.svc.cluster.local}
";

    #[test]
    fn an_external_name_is_followed_to_its_end_and_a_loop_ends() {
        let snapshot = fixtures::snapshot(SERVICES);
        let found = of_host(&snapshot, "DB", "default");
        assert_eq!(found.services[0].0.namespace, "default");
        assert_eq!(found.last().unwrap().0.namespace, "data");
        let found = of_host(&snapshot, "loop", "default");
        assert_eq!(found.services.len(), 1);
        assert!(found.last().is_none());
        assert!(of_host(&snapshot, "nobody", "default").services.is_empty());
    }
}
