//! Section 1, Ingress and `HTTPRoute`: backends that lead nowhere. In: the run's namespace. Out: `ingress-backend-missing`. Pure.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Context, Rule, fixes};
use crate::finding::{Code, Finding, Fix, ObjectRef, Severity};
use crate::observe::kinds::{IngressService, Service};
use crate::observe::{Backend, NamespaceState, backends, offers, route_backends};

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::Whole(backend_missing)];

fn port_text(backend: &IngressService) -> String {
    if backend.port.name.is_empty() {
        backend.port.number.to_string()
    } else {
        backend.port.name.clone()
    }
}

fn backend_missing(context: &Context<'_>) -> Vec<Finding> {
    let snapshot = context.snapshot;
    let Some(own) = snapshot.own() else {
        return Vec::new();
    };
    if !snapshot.knows("services") {
        return Vec::new();
    }
    let all: Vec<Entrance<'_>> = entrances(own).collect();
    all.iter()
        .filter_map(|entrance| {
            let finding = judge(entrance, &own.services, &snapshot.namespace)?;
            let elsewhere = snapshot.offline && may_be_elsewhere(entrance, &all, own);
            Some(if elsewhere {
                doubtful(finding)
            } else {
                finding
            })
        })
        .collect()
}

/// What leads in, and where to.
struct Entrance<'a> {
    kind: &'static str,
    name: &'a str,
    backends: Vec<Backend<'a>>,
}

impl Entrance<'_> {
    /// How a port is written there.
    fn port(&self, number: i32) -> Value {
        match self.kind {
            "Ingress" => json!({"number": number}),
            _ => json!(number),
        }
    }
}

fn entrances(own: &NamespaceState) -> impl Iterator<Item = Entrance<'_>> {
    let ingresses = own.ingresses.iter().map(|ingress| Entrance {
        kind: "Ingress",
        name: &ingress.metadata.name,
        backends: backends(ingress),
    });
    let routes = own.http_routes.iter().map(|route| Entrance {
        kind: "HTTPRoute",
        name: &route.metadata.name,
        backends: route_backends(route),
    });
    ingresses.chain(routes)
}

/// Whether nothing distinguishes a wrong backend from one whose Service other manifests hold: no Service of that name is here, and none
/// that could be meant is left without a way in.
fn may_be_elsewhere(entrance: &Entrance<'_>, all: &[Entrance<'_>], own: &NamespaceState) -> bool {
    let led: BTreeSet<&String> = all
        .iter()
        .flat_map(|one| &one.backends)
        .map(|backend| &backend.service.name)
        .collect();
    entrance.backends.iter().all(|backend| {
        let wanted = &backend.service;
        let here = |service: &Service| service.metadata.name == wanted.name;
        let meant =
            |service: &Service| !led.contains(&service.metadata.name) && offers(service, wanted);
        match own.services.iter().find(|service| here(service)) {
            Some(service) => offers(service, wanted),
            None => !own.services.iter().any(meant),
        }
    })
}

fn doubtful(mut finding: Finding) -> Finding {
    finding.severity = Severity::Warning;
    finding
        .message
        .push_str(", unless other manifests than these hold it");
    finding
}

fn judge(entrance: &Entrance<'_>, services: &[Service], namespace: &str) -> Option<Finding> {
    let mut evidence = Vec::new();
    let mut patches = Vec::new();
    let mut broken = 0;
    for backend in &entrance.backends {
        let wanted = port_text(&backend.service);
        let name = &backend.service.name;
        let service = services
            .iter()
            .find(|service| service.metadata.name == *name);
        match service {
            Some(service) if offers(service, &backend.service) => continue,
            Some(service) => {
                let offered: Vec<_> = service.spec.ports.iter().map(|port| port.port).collect();
                evidence.push(format!(
                    "{} leads to service/{name} port {wanted}, which offers {offered:?} only",
                    backend.rule()
                ));
                if let [only] = service.spec.ports.as_slice() {
                    patches.push(json!({"op": "replace", "path": format!("{}/port", backend.pointer), "value": entrance.port(only.port)}));
                }
            }
            None => {
                evidence.push(format!(
                    "{} leads to service/{name} port {wanted}, and there is no service/{name} in {namespace}",
                    backend.rule()
                ));
                let mut candidates = services
                    .iter()
                    .filter(|service| offers(service, &backend.service));
                if let (Some(candidate), None) = (candidates.next(), candidates.next()) {
                    patches.push(json!({"op": "replace", "path": format!("{}/name", backend.pointer), "value": candidate.metadata.name}));
                }
            }
        }
        broken += 1;
    }
    let first = evidence.first()?.clone();
    let Entrance { kind, name, .. } = entrance;
    let object = ObjectRef::new(kind.to_lowercase(), *name, namespace);
    // Only a patch that covers every broken backend fixes the object as printed.
    let command = (patches.len() == broken).then(|| fixes::patch(&object, &patches));
    let mut finding = Finding::of(
        Code::IngressBackendMissing,
        object,
        format!("{kind} {name}: {first}; users outside get an error there"),
    )
    .because(evidence);
    let offered: Vec<_> = services
        .iter()
        .flat_map(|service| {
            let name = &service.metadata.name;
            service
                .spec
                .ports
                .iter()
                .map(move |port| format!("{name}:{}", port.port))
        })
        .collect();
    finding.fix = Some(
        Fix::text(format!(
            "point the backend of {}/{name} to a Service and a port that exist; {namespace} offers {}",
            kind.to_lowercase(),
            offered.join(", ")
        ))
        .run(command),
    );
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::TierGraph;
    use crate::observe::{NamespaceState, Observed, Snapshot};

    const INGRESS: &str = "
metadata: {name: web, namespace: default}
spec:
  ingressClassName: nginx
  rules:
  - host: shop.example
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: NAME, port: {number: 3000}}}
";

    /// What is raised in a namespace of these entrances and a Service `web` on port 3000.
    fn raised(entrances: NamespaceState, observed: Observed, offline: bool) -> Vec<Finding> {
        let mut snapshot = Snapshot {
            namespace: "default".into(),
            offline,
            ..Snapshot::default()
        };
        snapshot.observed.insert("services".into(), observed);
        let web = "{metadata: {name: web}, spec: {type: ClusterIP, ports: [{port: 3000, protocol: TCP, targetPort: 3000}]}}";
        let own = NamespaceState {
            services: vec![serde_saphyr::from_str(web).unwrap()],
            ..entrances
        };
        snapshot.namespaces.insert("default".into(), own);
        backend_missing(&Context::new(&TierGraph::default(), &snapshot, None))
    }

    fn ingresses(services: &[&str]) -> NamespaceState {
        let ingress = |name: &&str| serde_saphyr::from_str(&INGRESS.replace("NAME", name)).unwrap();
        NamespaceState {
            ingresses: services.iter().map(ingress).collect(),
            ..NamespaceState::default()
        }
    }

    fn findings(service: &str, observed: Observed) -> Vec<Finding> {
        raised(ingresses(&[service]), observed, false)
    }

    #[test]
    fn a_backend_that_exists_is_silent() {
        assert!(findings("web", Observed::Ok).is_empty());
    }

    #[test]
    fn a_backend_that_is_missing_is_named_and_the_patch_fixes_it() {
        let found = findings("www", Observed::Ok);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].id("default").0,
            "ingress-backend-missing ingress/web"
        );
        assert!(found[0].message.contains("no service/www"), "{found:?}");
        assert_eq!(
            found[0].fix.as_ref().unwrap().command.as_deref(),
            Some(
                r#"kubectl -n default patch ingress/web --type=json -p '[{"op":"replace","path":"/spec/rules/0/http/paths/0/backend/service/name","value":"web"}]'"#
            )
        );
    }

    /// The weight of a backend of manifests that none of their Services is; `led`: another Ingress leads to the one that is there.
    fn weight(service: &str, led: bool) -> Option<(Severity, bool)> {
        let services: &[&str] = if led { &[service, "web"] } else { &[service] };
        let found = raised(ingresses(services), Observed::Ok, true);
        let first = found.first()?;
        Some((first.severity, first.message.contains("other manifests")))
    }

    #[test]
    fn a_backend_that_other_manifests_may_hold_is_a_warning() {
        assert_eq!(weight("goods", true), Some((Severity::Warning, true)));
        assert_eq!(weight("wbe", false), Some((Severity::Error, false)));
        assert_eq!(weight("web", false), None);
    }

    #[test]
    fn the_backends_of_a_route_are_judged_as_those_of_an_ingress() {
        const ROUTE: &str = "{metadata: {name: web, namespace: default}, spec: {hostnames: [shop.example], rules: [{matches: [{path: {type: PathPrefix, value: /}}], backendRefs: [{name: NAME, port: PORT}, {name: far, port: 1, namespace: other}, {name: bucket, group: example.com, kind: Bucket}]}]}}";
        let found = |name: &str, port: &str| {
            let route = ROUTE.replace("NAME", name).replace("PORT", port);
            let routes = NamespaceState {
                http_routes: vec![serde_saphyr::from_str(&route).unwrap()],
                ..NamespaceState::default()
            };
            let found = raised(routes, Observed::Ok, false);
            let first = found.first()?;
            let command = first.fix.as_ref().unwrap().command.as_deref();
            Some((
                first.id("default").0,
                command.unwrap_or_default().to_owned(),
            ))
        };
        assert_eq!(found("web", "3000"), None);
        let (id, command) = found("web", "80").unwrap();
        assert_eq!(id, "ingress-backend-missing httproute/web");
        assert!(
            command.contains(
                r#"{"op":"replace","path":"/spec/rules/0/backendRefs/0/port","value":3000}"#
            ),
            "{command}"
        );
        assert!(
            found("www", "3000")
                .unwrap()
                .1
                .contains("backendRefs/0/name")
        );
    }

    #[test]
    fn services_that_could_not_be_read_are_not_called_missing() {
        assert!(findings("www", Observed::Forbidden).is_empty());
    }
}
