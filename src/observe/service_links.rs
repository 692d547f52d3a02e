//! The variables that the kubelet makes of a namespace's Services (`enableServiceLinks`): `DB_SERVICE_HOST`, `DB_PORT_3306_TCP_ADDR` and the
//! others. Pure. Source: `FromServices` of the kubelet's `envvars`.

use super::kinds::{Service, ServicePort};

/// The value of a variable that the kubelet makes of one of the Services; `None` if none of them makes it.
pub(crate) fn service_link(services: &[Service], name: &str) -> Option<String> {
    services.iter().find_map(|service| of(service, name))
}

fn of(service: &Service, name: &str) -> Option<String> {
    let address = match service.spec.cluster_ip.as_str() {
        "None" => return None,
        "" if service.spec.is_external_name() => return None,
        // Manifests have no address yet: the one that it gets leads where its name does.
        "" => &service.metadata.name,
        address => address,
    };
    let prefix = variable(&service.metadata.name);
    let rest = name.strip_prefix(&prefix)?.strip_prefix('_')?;
    let first = service.spec.ports.first()?;
    match rest {
        "SERVICE_HOST" => return Some(address.to_owned()),
        "SERVICE_PORT" => return Some(first.port.to_string()),
        "PORT" => return Some(url(first, address)),
        _ => {}
    }
    service.spec.ports.iter().find_map(|port| {
        if !port.name.is_empty() && rest == format!("SERVICE_PORT_{}", variable(&port.name)) {
            return Some(port.port.to_string());
        }
        let protocol = protocol(port);
        let own = rest.strip_prefix(&format!("PORT_{}_{protocol}", port.port))?;
        match own {
            "" => Some(url(port, address)),
            "_PROTO" => Some(protocol.to_lowercase()),
            "_PORT" => Some(port.port.to_string()),
            "_ADDR" => Some(address.to_owned()),
            _ => None,
        }
    })
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn protocol(port: &ServicePort) -> &str {
    if port.protocol.is_empty() {
        "TCP"
    } else {
        &port.protocol
    }
}

fn url(port: &ServicePort, address: &str) -> String {
    format!(
        "{}://{address}:{}",
        protocol(port).to_lowercase(),
        port.port
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_makes_the_kubelets_variables_and_no_others() {
        let services: Vec<Service> = serde_json::from_value(serde_json::json!([
            {"metadata": {"name": "web"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}},
            {"metadata": {"name": "out"}, "spec": {"type": "ExternalName", "externalName": "a.example", "ports": [{"port": 80}]}},
            {"metadata": {"name": "new"}, "spec": {"ports": [{"port": 80}]}},
            {"metadata": {"name": "my-db"}, "spec": {"clusterIP": "10.96.0.9", "ports": [
                {"name": "sql", "port": 3306, "protocol": "TCP"}, {"name": "x-stats", "port": 53, "protocol": "UDP"},
            ]}},
        ]))
        .unwrap();
        let value = |name| service_link(&services, name);
        for (name, wanted) in [
            ("NEW_SERVICE_HOST", "new"),
            ("MY_DB_SERVICE_HOST", "10.96.0.9"),
            ("MY_DB_SERVICE_PORT", "3306"),
            ("MY_DB_SERVICE_PORT_SQL", "3306"),
            ("MY_DB_SERVICE_PORT_X_STATS", "53"),
            ("MY_DB_PORT", "tcp://10.96.0.9:3306"),
            ("MY_DB_PORT_53_UDP", "udp://10.96.0.9:53"),
            ("MY_DB_PORT_53_UDP_PROTO", "udp"),
            ("MY_DB_PORT_3306_TCP_PORT", "3306"),
            ("MY_DB_PORT_3306_TCP_ADDR", "10.96.0.9"),
        ] {
            assert_eq!(value(name).as_deref(), Some(wanted), "{name}");
        }
        for name in [
            "OUT_SERVICE_HOST",
            "WEB_SERVICE_HOST",
            "MY_DB_PORT_53_TCP",
            "MY_DB",
            "MY_DB_HOST",
        ] {
            assert_eq!(value(name), None, "{name}");
        }
    }
}
