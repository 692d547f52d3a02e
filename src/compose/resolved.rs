//! The model → JSON in the shape of `docker compose config --format json`, for the fields that the model has. Pure.

use serde_json::{Map, Value, json};

use super::duration::duration;
use super::model::{ComposeFile, Healthcheck, NetworkMode, Service};

/// The model as that command shows it.
pub fn resolved(model: &ComposeFile) -> Value {
    let services = model.services.iter();
    let services: Map<String, Value> = services
        .map(|(name, service)| (name.clone(), shown(service)))
        .collect();
    let networks = model.networks.iter().map(|(key, network)| {
        let mut entry = said([
            ("name", json!(network.name)),
            ("internal", json!(network.internal)),
            ("external", json!(network.external)),
        ]);
        entry.insert("ipam".to_owned(), json!({}));
        (key.clone(), Value::Object(entry))
    });
    let mut out = said([
        ("name", json!(model.project)),
        ("networks", Value::Object(networks.collect())),
    ]);
    out.insert("services".to_owned(), Value::Object(services));
    let mut out = Value::Object(out);
    double_dollars(&mut out);
    out
}

/// The entries that say something: no null, no `false`, no empty list or mapping.
fn said<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    let is_said = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => true,
    };
    entries
        .into_iter()
        .filter(|(_, value)| is_said(value))
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
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
    let set = service.environment.iter();
    let set = set.map(|(name, value)| (name.clone(), json!(value.value)));
    let unset = service.unset_environment.iter();
    let unset = unset.map(|name| (name.clone(), Value::Null));
    let links = service.links.iter();
    let links: Value = links.map(|link| pair(&link.service, &link.alias)).collect();
    let external_links = service.external_links.iter();
    let external_links: Value = external_links
        .map(|(name, alias)| pair(name, alias))
        .collect();
    let extra_hosts: Value = service
        .extra_hosts
        .iter()
        .flat_map(|(host, addresses)| addresses.iter().map(move |one| format!("{host}={one}")))
        .collect();
    let replicas = service.replicas;
    let mut out = said([
        ("depends_on", depends_on(service)),
        ("environment", Value::Object(set.chain(unset).collect())),
        ("image", json!(service.image)),
        ("container_name", json!(service.container_name)),
        ("hostname", json!(service.hostname)),
        ("restart", json!(service.restart)),
        ("expose", expose(service)),
        ("links", links),
        ("external_links", external_links),
        ("extra_hosts", extra_hosts),
        ("profiles", json!(service.profiles)),
        ("labels", json!(service.labels)),
        ("networks", networks(service)),
        (
            "network_mode",
            json!(service.network_mode.as_ref().map(network_mode)),
        ),
        ("ports", ports(service)),
        (
            "deploy",
            json!(replicas.map(|replicas| json!({"replicas": replicas}))),
        ),
    ]);
    out.insert("command".to_owned(), json!(service.command));
    out.insert("entrypoint".to_owned(), json!(service.entrypoint));
    if let Some(check) = &service.healthcheck {
        out.insert("healthcheck".to_owned(), healthcheck(check));
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
        let entry = said([
            ("aliases", json!(network.aliases)),
            ("ipv4_address", json!(network.ipv4_address)),
            ("ipv6_address", json!(network.ipv6_address)),
        ]);
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
            said([
                ("mode", json!(port.mode)),
                ("target", json!(port.target)),
                ("protocol", json!(port.transport)),
                ("published", json!(port.published)),
                ("host_ip", json!(port.host_ip)),
                ("app_protocol", json!(port.app_protocol)),
                ("name", json!(port.name)),
            ])
        })
        .collect()
}

fn healthcheck(check: &Healthcheck) -> Value {
    let time = |text: &Option<String>| {
        let text = text.as_deref();
        json!(text.map(|text| duration(text).unwrap_or_else(|| text.to_owned())))
    };
    Value::Object(said([
        ("test", json!(check.test)),
        ("disable", json!(check.disable)),
        ("retries", json!(check.retries)),
        ("interval", time(&check.interval)),
        ("timeout", time(&check.timeout)),
        ("start_period", time(&check.start_period)),
        ("start_interval", time(&check.start_interval)),
    ]))
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
