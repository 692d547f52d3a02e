//! The fields of a service with forms of their own: commands, links, dependencies, networks, hosts, healthchecks. Pure.

use std::collections::BTreeMap;

use crate::compose::duration::duration;
use crate::compose::error::ComposeError;
use crate::compose::merge::{hosts, key_values, names};
use crate::compose::model::{DependsOn, Healthcheck, Link, NetworkMode, Service, ServiceNetwork};
use crate::compose::node::Value;
use crate::compose::shape::Field;
use crate::compose::words::split_words;

const CONDITIONS: [&str; 3] = [
    "service_started",
    "service_healthy",
    "service_completed_successfully",
];

pub(super) fn command(field: &Field<'_>) -> Result<Vec<String>, ComposeError> {
    match &field.node.value {
        Value::List(_) => field.items("a list")?.iter().map(Field::text).collect(),
        Value::Text(line) => split_words(line)
            .ok_or_else(|| field.error("a quote that never closes", "a command line")),
        _ => Err(field.wrong("a string or a list of strings")),
    }
}

pub(super) fn link(text: &str) -> Link {
    let (service, alias) = text.split_once(':').unwrap_or((text, text));
    Link {
        service: service.to_owned(),
        alias: alias.to_owned(),
    }
}

pub(super) fn depends_on(service: &Field<'_>) -> Result<BTreeMap<String, DependsOn>, ComposeError> {
    let mut out = BTreeMap::new();
    let Some(field) = service.get("depends_on") else {
        return Ok(out);
    };
    let node = names(field.node.clone(), Some(CONDITIONS[0]));
    let field = Field::new(&node, field.path);
    for (name, entry) in field.entries("a list of services, or a mapping")? {
        entry.map("a mapping with `condition`")?;
        let condition = entry.required("condition", &CONDITIONS.join(", "))?;
        let text = condition.text()?;
        if !CONDITIONS.contains(&text.as_str()) {
            let problem = format!("`{text}`");
            return Err(condition.error(&problem, &format!("one of {}", CONDITIONS.join(", "))));
        }
        let flag = |key: &str| entry.read(key, Field::boolean);
        let value = DependsOn {
            condition: text,
            required: flag("required")?.unwrap_or(true),
            restart: flag("restart")?.unwrap_or(false),
            implied_by: None,
        };
        out.insert(name.clone(), value);
    }
    Ok(out)
}

/// Adds what compose derives: linked services, those whose namespace or volumes are shared.
pub(super) fn imply(service: &mut Service, field: &Field<'_>) -> Result<(), ComposeError> {
    let mut implied: Vec<(String, &str, bool)> = service
        .links
        .iter()
        .map(|link| (link.service.clone(), "links", true))
        .collect();
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let mode = field.read(key, Field::text)?;
        if let Some(other) = mode
            .as_deref()
            .and_then(|mode| mode.strip_prefix("service:"))
        {
            implied.push((other.to_owned(), key, true));
        }
    }
    if let Some(volumes) = field.get("volumes_from") {
        for text in volumes.distinct()? {
            if !text.starts_with("container:") {
                let other = text.split(':').next().unwrap_or(&text);
                implied.push((other.to_owned(), "volumes_from", false));
            }
        }
    }
    for (other, key, restart) in implied {
        service
            .depends_on
            .entry(other)
            .or_insert_with(|| DependsOn {
                condition: CONDITIONS[0].to_owned(),
                required: true,
                restart,
                implied_by: Some(key.to_owned()),
            });
    }
    Ok(())
}

pub(super) fn networks(
    service: &Field<'_>,
) -> Result<BTreeMap<String, ServiceNetwork>, ComposeError> {
    let mut out = BTreeMap::new();
    let Some(field) = service.get("networks") else {
        return Ok(out);
    };
    let node = names(field.node.clone(), None);
    let field = Field::new(&node, field.path);
    for (name, entry) in field.entries("a list of networks, or a mapping")? {
        if entry.node.is_null() {
            out.insert(name.clone(), ServiceNetwork::default());
            continue;
        }
        entry.map("a mapping, or nothing")?;
        let network = ServiceNetwork {
            aliases: entry.read("aliases", Field::distinct)?.unwrap_or_default(),
            ipv4_address: entry.read("ipv4_address", Field::text)?,
            ipv6_address: entry.read("ipv6_address", Field::text)?,
        };
        out.insert(name.clone(), network);
    }
    Ok(out)
}

pub(super) fn network_mode(text: &str) -> NetworkMode {
    match text.split_once(':') {
        Some(("service", name)) => NetworkMode::Service(name.to_owned()),
        Some(("container", name)) => NetworkMode::Container(name.to_owned()),
        _ if text == "host" => NetworkMode::Host,
        _ if text == "none" => NetworkMode::None,
        _ => NetworkMode::Other(text.to_owned()),
    }
}

pub(super) fn extra_hosts(
    service: &Field<'_>,
) -> Result<BTreeMap<String, Vec<String>>, ComposeError> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let Some(field) = service.get("extra_hosts") else {
        return Ok(out);
    };
    let node = hosts(field.node.clone());
    for item in Field::new(&node, field.path).items("a list `host=address`, or a mapping")? {
        let text = item.text()?;
        let (host, address) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .filter(|(host, address)| !host.is_empty() && !address.is_empty())
            .ok_or_else(|| item.error("no address", "host=address"))?;
        let address = address
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(address)
            .to_owned();
        let addresses = out.entry(host.to_owned()).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(out)
}

pub(super) fn healthcheck(field: &Field<'_>) -> Result<Healthcheck, ComposeError> {
    field.map("a mapping with `test`")?;
    let test = match field.get("test") {
        None => Vec::new(),
        Some(test) => {
            if let Value::Text(line) = &test.node.value {
                vec!["CMD-SHELL".to_owned(), line.clone()]
            } else {
                let words = test
                    .items("a string or a list")?
                    .iter()
                    .map(Field::text)
                    .collect::<Result<Vec<_>, _>>()?;
                match words.first().map(String::as_str) {
                    None | Some("CMD" | "CMD-SHELL" | "NONE") => words,
                    Some(_) => {
                        return Err(test.error(
                            "a list that begins with another word",
                            "CMD, CMD-SHELL or NONE first",
                        ));
                    }
                }
            }
        }
    };
    let period = |field: &Field<'_>| {
        let period = field.text()?;
        match duration(&period) {
            Some(_) => Ok(period),
            None => Err(field.wrong("a duration like `30s` or `1m30s`")),
        }
    };
    Ok(Healthcheck {
        test,
        disable: field.read("disable", Field::boolean)?.unwrap_or(false),
        interval: field.read("interval", period)?,
        timeout: field.read("timeout", period)?,
        retries: field.read("retries", Field::count)?,
        start_period: field.read("start_period", period)?,
        start_interval: field.read("start_interval", period)?,
    })
}

pub(super) fn replicas(service: &Field<'_>) -> Result<Option<u32>, ComposeError> {
    let number = |field: &Field<'_>| {
        u32::try_from(field.count()?).map_err(|_| field.wrong("a number of containers"))
    };
    let scale = service.read("scale", number)?;
    let deployed = service.read("deploy", |deploy| deploy.read("replicas", number))?;
    match (scale, deployed.flatten()) {
        (Some(scale), Some(deployed)) if scale != deployed => Err(service.error(
            "different numbers in `scale` and `deploy.replicas`",
            "the same number, or one of the two keys",
        )),
        (scale, deployed) => Ok(deployed.or(scale)),
    }
}

/// `restart: no` without quotes is text here, and a boolean for other readers of YAML.
pub(super) fn restart(field: &Field<'_>) -> Result<String, ComposeError> {
    match &field.node.value {
        Value::Bool(false) => Ok("no".to_owned()),
        _ => field.text(),
    }
}

pub(super) fn labels(service: &Field<'_>) -> Result<BTreeMap<String, String>, ComposeError> {
    let Some(field) = service.get("labels") else {
        return Ok(BTreeMap::new());
    };
    let node = key_values(field.node.clone())?;
    let field = Field::new(&node, field.path);
    field
        .entries("a mapping, or a list of `KEY=value`")?
        .map(|(name, entry)| match &entry.node.value {
            Value::Null => Ok((name.clone(), String::new())),
            _ => Ok((name.clone(), entry.scalar()?)),
        })
        .collect()
}
