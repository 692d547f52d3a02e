//! Where an Ingress or an `HTTPRoute` leads. Pure.

use super::kinds::{HttpRoute, Ingress, IngressPort, IngressService, Service, ServicePort};

/// A backend, where it stands in the object (a JSON pointer), and for whom.
#[derive(Debug, Clone)]
pub struct Backend<'a> {
    /// Its place in the object.
    pub pointer: String,
    /// The host of its rule; empty: every host.
    pub host: &'a str,
    /// The path of its rule; `None`: the default backend.
    pub path: Option<&'a str>,
    /// Whether the path must be exactly that one.
    pub exact: bool,
    /// The Service.
    pub service: IngressService,
}

impl Backend<'_> {
    /// The rule in words.
    pub fn rule(&self) -> String {
        let host = if self.host.is_empty() { "*" } else { self.host };
        match self.path {
            Some(path) => format!("{host}{path}"),
            None => "the default backend".to_owned(),
        }
    }
}

/// The Services that an Ingress leads to, in the order of its rules.
pub fn backends(ingress: &Ingress) -> Vec<Backend<'_>> {
    let mut found = Vec::new();
    if let Some(service) = ingress
        .spec
        .default_backend
        .as_ref()
        .and_then(|backend| backend.service.as_ref())
    {
        found.push(Backend {
            pointer: "/spec/defaultBackend/service".into(),
            host: "",
            path: None,
            exact: false,
            service: service.clone(),
        });
    }
    for (number, rule) in ingress.spec.rules.iter().enumerate() {
        let paths = rule.http.iter().flat_map(|http| http.paths.iter());
        for (index, path) in paths.enumerate() {
            if let Some(service) = &path.backend.service {
                found.push(Backend {
                    pointer: format!("/spec/rules/{number}/http/paths/{index}/backend/service"),
                    host: &rule.host,
                    path: Some(&path.path),
                    exact: path.path_type == "Exact",
                    service: service.clone(),
                });
            }
        }
    }
    found
}

/// The Services of its own namespace that an `HTTPRoute` leads to, in the order of its rules.
pub fn route_backends(route: &HttpRoute) -> Vec<Backend<'_>> {
    let own = &route.metadata.namespace;
    let host = route.spec.hostnames.first().map_or("", String::as_str);
    let mut found = Vec::new();
    for (number, rule) in route.spec.rules.iter().enumerate() {
        let path = rule.matches.first().map(|one| &one.path);
        for (index, backend) in rule.backend_refs.iter().enumerate() {
            let is_service =
                backend.group.is_empty() && matches!(backend.kind.as_str(), "" | "Service");
            if !is_service || !(backend.namespace.is_empty() || backend.namespace == *own) {
                continue;
            }
            found.push(Backend {
                pointer: format!("/spec/rules/{number}/backendRefs/{index}"),
                host,
                path: Some(path.map_or("/", |path| &path.value)),
                exact: path.is_some_and(|path| path.kind == "Exact"),
                service: IngressService {
                    name: backend.name.clone(),
                    port: IngressPort {
                        name: String::new(),
                        number: backend.port,
                    },
                },
            });
        }
    }
    found
}

/// The Service's port that a backend names.
pub fn backend_port<'a>(service: &'a Service, backend: &IngressService) -> Option<&'a ServicePort> {
    service.spec.ports.iter().find(|port| {
        if backend.port.name.is_empty() {
            port.port == backend.port.number
        } else {
            port.name == backend.port.name
        }
    })
}

/// Whether the Service offers the backend's port. An `ExternalName` needs to declare none.
pub fn offers(service: &Service, backend: &IngressService) -> bool {
    (service.spec.is_external_name() && service.spec.ports.is_empty())
        || backend_port(service, backend).is_some()
}
