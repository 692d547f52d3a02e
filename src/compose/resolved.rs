//! The model → JSON in the shape of `docker compose config --format json`, for the fields that the model has. Pure.

use serde_json::{Map, Value, json};

use super::duration::duration;
use super::model::{ComposeFile, NetworkMode, Service};

/// The resolved model as compose itself prints it.
#[must_use]
pub fn resolved(model: &ComposeFile) -> Value {
    let services: Map<String, Value> = model
        .services
        .iter()
        .map(|(name, service)| (name.clone(), shown(service)))
        .collect();
    let networks: Map<String, Value> = model
        .networks
        .iter()
        .map(|(key, network)| {
            let mut entry = Map::new();
            entry.insert("name".to_owned(), json!(network.name));
            entry.insert("ipam".to_owned(), json!({}));
            for (flag, set) in [
                ("internal", network.internal),
                ("external", network.external),
            ] {
                if set {
                    entry.insert(flag.to_owned(), json!(true));
                }
            }
            (key.clone(), Value::Object(entry))
        })
        .collect();
    let mut out = Map::new();
    out.insert("name".to_owned(), json!(model.project));
    if !networks.is_empty() {
        out.insert("networks".to_owned(), Value::Object(networks));
    }
    out.insert("services".to_owned(), Value::Object(services));
    let mut out = Value::Object(out);
    double_dollars(&mut out);
    out
}

/// What is printed can be read again: a literal `$` stands twice.
fn double_dollars(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Array(items) => items.iter_mut().for_each(double_dollars),
        Value::Object(map) => {
            let entries = std::mem::take(map);
            for (key, mut entry) in entries {
                double_dollars(&mut entry);
                map.insert(key.replace('$', "$$"), entry);
            }
        }
        _ => {}
    }
}

fn shown(service: &Service) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    put("command", json!(service.command));
    put("entrypoint", json!(service.entrypoint));
    if !service.depends_on.is_empty() {
        put("depends_on", depends_on(service));
    }
    if !service.environment.is_empty() || !service.unset_environment.is_empty() {
        let set = service
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), json!(value.value)));
        let unset = service
            .unset_environment
            .iter()
            .map(|name| (name.clone(), Value::Null));
        put("environment", Value::Object(set.chain(unset).collect()));
    }
    let texts = [
        ("image", &service.image),
        ("container_name", &service.container_name),
        ("hostname", &service.hostname),
        ("restart", &service.restart),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            put(key, json!(text));
        }
    }
    if !service.expose.is_empty() {
        put("expose", expose(service));
    }
    let links: Vec<String> = service
        .links
        .iter()
        .map(|link| pair(&link.service, &link.alias))
        .collect();
    let external_links: Vec<String> = service
        .external_links
        .iter()
        .map(|(name, alias)| pair(name, alias))
        .collect();
    let of_host = |(host, addresses): (&String, &Vec<String>)| {
        let pairs = addresses.iter().map(|address| format!("{host}={address}"));
        pairs.collect::<Vec<_>>()
    };
    let extra_hosts: Vec<String> = service.extra_hosts.iter().flat_map(of_host).collect();
    let lists = [
        ("links", &links),
        ("external_links", &external_links),
        ("extra_hosts", &extra_hosts),
        ("profiles", &service.profiles),
    ];
    for (key, list) in lists {
        if !list.is_empty() {
            put(key, json!(list));
        }
    }
    if !service.labels.is_empty() {
        put("labels", json!(service.labels));
    }
    if !service.networks.is_empty() {
        put("networks", networks(service));
    }
    if let Some(mode) = &service.network_mode {
        put("network_mode", json!(network_mode(mode)));
    }
    if !service.ports.is_empty() {
        put("ports", ports(service));
    }
    if service.healthcheck.is_some() {
        put("healthcheck", healthcheck(service));
    }
    if let Some(replicas) = service.replicas {
        put("deploy", json!({"replicas": replicas}));
    }
    Value::Object(out)
}

/// `name:alias`, or the name alone where both are the same.
fn pair(name: &str, alias: &str) -> String {
    if name == alias {
        name.to_owned()
    } else {
        format!("{name}:{alias}")
    }
}

fn network_mode(mode: &NetworkMode) -> String {
    match mode {
        NetworkMode::Host => "host".to_owned(),
        NetworkMode::None => "none".to_owned(),
        NetworkMode::Other(text) => text.clone(),
        NetworkMode::Service(name) => format!("service:{name}"),
        NetworkMode::Container(name) => format!("container:{name}"),
    }
}

fn depends_on(service: &Service) -> Value {
    let entries = service.depends_on.iter().map(|(name, dependency)| {
        let mut entry = json!({"condition": dependency.condition, "required": dependency.required});
        if dependency.restart {
            entry["restart"] = json!(true);
        }
        (name.clone(), entry)
    });
    Value::Object(entries.collect())
}

fn expose(service: &Service) -> Value {
    service
        .expose
        .iter()
        .map(|port| {
            if port.transport == "tcp" {
                port.port.to_string()
            } else {
                format!("{}/{}", port.port, port.transport)
            }
        })
        .collect()
}

fn networks(service: &Service) -> Value {
    let entries = service.networks.iter().map(|(name, network)| {
        let mut entry = Map::new();
        if !network.aliases.is_empty() {
            entry.insert("aliases".to_owned(), json!(network.aliases));
        }
        for (key, address) in [
            ("ipv4_address", &network.ipv4_address),
            ("ipv6_address", &network.ipv6_address),
        ] {
            if let Some(address) = address {
                entry.insert(key.to_owned(), json!(address));
            }
        }
        let entry = if entry.is_empty() {
            Value::Null
        } else {
            Value::Object(entry)
        };
        (name.clone(), entry)
    });
    Value::Object(entries.collect())
}

fn ports(service: &Service) -> Value {
    service
        .ports
        .iter()
        .map(|port| {
            let mut entry =
                json!({"mode": port.mode, "target": port.target, "protocol": port.transport});
            let texts = [
                ("published", &port.published),
                ("host_ip", &port.host_ip),
                ("app_protocol", &port.app_protocol),
                ("name", &port.name),
            ];
            for (key, text) in texts {
                if let Some(text) = text {
                    entry[key] = json!(text);
                }
            }
            entry
        })
        .collect()
}

fn healthcheck(service: &Service) -> Value {
    let mut entry = Map::new();
    if let Some(check) = &service.healthcheck {
        if !check.test.is_empty() {
            entry.insert("test".to_owned(), json!(check.test));
        }
        if check.disable {
            entry.insert("disable".to_owned(), json!(true));
        }
        if let Some(retries) = check.retries {
            entry.insert("retries".to_owned(), json!(retries));
        }
        let times = [
            ("interval", &check.interval),
            ("timeout", &check.timeout),
            ("start_period", &check.start_period),
            ("start_interval", &check.start_interval),
        ];
        for (key, text) in times {
            if let Some(text) = text {
                let normal = duration(text).unwrap_or_else(|| text.clone());
                entry.insert(key.to_owned(), json!(normal));
            }
        }
    }
    Value::Object(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_dollar_is_doubled() {
        let mut value = json!({"$a": ["$X"], "b": 1});
        double_dollars(&mut value);
        assert_eq!(value, json!({"$$a": ["$$X"], "b": 1}));
    }
}
