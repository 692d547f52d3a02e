//! Section 1, Ingress: backends that lead nowhere. In: the run's namespace. Out: `ingress-backend-missing`. Pure.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Context, Rule, fixes};
use crate::finding::{Code, Finding, Fix, ObjectRef, Severity};
use crate::observe::kinds::{Ingress, IngressService, Service};
use crate::observe::{NamespaceState, backends, offers};

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
    own.ingresses
        .iter()
        .filter_map(|ingress| {
            let finding = judge(ingress, &own.services, &snapshot.namespace)?;
            let elsewhere = snapshot.offline && may_be_elsewhere(ingress, own);
            Some(if elsewhere {
                doubtful(finding)
            } else {
                finding
            })
        })
        .collect()
}

/// Whether nothing distinguishes a wrong backend from one whose Service other manifests hold: no Service of that name is here, and none
/// that could be meant is left without a way in.
fn may_be_elsewhere(ingress: &Ingress, own: &NamespaceState) -> bool {
    let led: BTreeSet<&String> = own
        .ingresses
        .iter()
        .flat_map(backends)
        .map(|backend| &backend.service.name)
        .collect();
    backends(ingress).iter().all(|backend| {
        let wanted = backend.service;
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

fn judge(ingress: &Ingress, services: &[Service], namespace: &str) -> Option<Finding> {
    let mut evidence = Vec::new();
    let mut patches = Vec::new();
    let mut broken = 0;
    for backend in backends(ingress) {
        let wanted = port_text(backend.service);
        let name = &backend.service.name;
        let service = services
            .iter()
            .find(|service| service.metadata.name == *name);
        match service {
            Some(service) if offers(service, backend.service) => continue,
            Some(service) => {
                let offered: Vec<_> = service.spec.ports.iter().map(|port| port.port).collect();
                evidence.push(format!(
                    "{} leads to service/{name} port {wanted}, which offers {offered:?} only",
                    backend.rule()
                ));
                if let [only] = service.spec.ports.as_slice() {
                    patches.push(json!({"op": "replace", "path": format!("{}/port", backend.pointer), "value": {"number": only.port}}));
                }
            }
            None => {
                evidence.push(format!(
                    "{} leads to service/{name} port {wanted}, and there is no service/{name} in {namespace}",
                    backend.rule()
                ));
                let mut candidates = services
                    .iter()
                    .filter(|service| offers(service, backend.service));
                if let (Some(candidate), None) = (candidates.next(), candidates.next()) {
                    patches.push(json!({"op": "replace", "path": format!("{}/name", backend.pointer), "value": candidate.metadata.name}));
                }
            }
        }
        broken += 1;
    }
    let first = evidence.first()?.clone();
    let name = &ingress.metadata.name;
    let object = ObjectRef::new("ingress", name, namespace);
    // Only a patch that covers every broken backend fixes the Ingress as printed.
    let command = (patches.len() == broken).then(|| fixes::patch(&object, &patches));
    let mut finding = Finding::of(
        Code::IngressBackendMissing,
        object,
        format!("Ingress {name}: {first}; users outside get an error there"),
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
            "point the backend of ingress/{name} to a Service and a port that exist; {namespace} offers {}",
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

    fn findings(service: &str, observed: Observed) -> Vec<Finding> {
        let mut snapshot = Snapshot {
            namespace: "default".into(),
            ..Snapshot::default()
        };
        snapshot.observed.insert("services".into(), observed);
        let own = NamespaceState {
            ingresses: vec![
                serde_saphyr::from_str(&INGRESS.replace("NAME", service)).unwrap(),
            ],
            services: vec![
                serde_saphyr::from_str("{metadata: {name: web}, spec: {type: ClusterIP, ports: [{port: 3000, protocol: TCP, targetPort: 3000}]}}")
                    .unwrap(),
            ],
            ..NamespaceState::default()
        };
        snapshot.namespaces.insert("default".into(), own);
        backend_missing(&Context::new(&TierGraph::default(), &snapshot, None))
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
        let mut snapshot = Snapshot {
            namespace: "default".into(),
            offline: true,
            ..Snapshot::default()
        };
        snapshot.observed.insert("services".into(), Observed::Ok);
        let names = [Some(service), Some("web").filter(|_| led)];
        let own = NamespaceState {
            ingresses: names
                .iter()
                .flatten()
                .map(|name| serde_saphyr::from_str(&INGRESS.replace("NAME", name)).unwrap())
                .collect(),
            services: vec![
                serde_saphyr::from_str("{metadata: {name: web}, spec: {type: ClusterIP, ports: [{port: 3000, protocol: TCP, targetPort: 3000}]}}")
                    .unwrap(),
            ],
            ..NamespaceState::default()
        };
        snapshot.namespaces.insert("default".into(), own);
        let found = backend_missing(&Context::new(&TierGraph::default(), &snapshot, None));
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
    fn services_that_could_not_be_read_are_not_called_missing() {
        assert!(findings("www", Observed::Forbidden).is_empty());
    }
}
