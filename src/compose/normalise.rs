//! The merged tree → the model: profiles, the default network, dependencies that must exist and must not go round. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ComposeError;
use super::model::{ComposeFile, Location, Network, NetworkMode, ServiceNetwork};
use super::node::Node;
use super::shape::Field;

/// Whether a service with its own profiles belongs to the model while these are active.
pub(super) fn is_active(own: &[String], profiles: &BTreeSet<String>) -> bool {
    own.is_empty() || profiles.contains("*") || own.iter().any(|profile| profiles.contains(profile))
}

/// Services without a network join `default`; used networks get their names.
pub(super) fn networks(model: &mut ComposeFile, root: &Node) -> Result<(), ComposeError> {
    for service in model
        .services
        .values_mut()
        .chain(model.inactive.values_mut())
    {
        if service.networks.is_empty() && service.network_mode.is_none() && !service.provider {
            service
                .networks
                .insert("default".to_owned(), ServiceNetwork::default());
        }
    }
    let declared = match root.get("networks").filter(|node| !node.is_null()) {
        Some(node) => declared(&Field::new(node, "networks"), &model.project)?,
        None => BTreeMap::new(),
    };
    let mut used = BTreeMap::new();
    for service in model.services.values() {
        for name in service.networks.keys() {
            let network = match declared.get(name) {
                Some(network) => network.clone(),
                None if name == "default" => Network {
                    name: format!("{}_default", model.project),
                    ..Network::default()
                },
                None => {
                    return Err(invalid(
                        &service.location,
                        format!("the service `{}` joins the network `{name}`", service.name),
                        "a network that the top-level `networks` declares",
                    ));
                }
            };
            used.insert(name.clone(), network);
        }
    }
    model.networks = used;
    Ok(())
}

fn declared(field: &Field<'_>, project: &str) -> Result<BTreeMap<String, Network>, ComposeError> {
    let mut out = BTreeMap::new();
    for (key, entry) in field.entries("a mapping of networks")? {
        let mut network = Network {
            name: format!("{project}_{key}"),
            ..Network::default()
        };
        if !entry.node.is_null() {
            entry.map("a mapping, or nothing")?;
            if let Some(external) = entry.get("external") {
                // The old form `external: {name: x}`.
                network.external = external.get("name").is_some() || external.boolean()?;
                network.name = match external.get("name") {
                    Some(name) => name.text()?,
                    None if network.external => key.clone(),
                    None => network.name,
                };
            }
            if let Some(name) = entry.get("name") {
                network.name = name.text()?;
            }
            if let Some(internal) = entry.get("internal") {
                network.internal = internal.boolean()?;
            }
        }
        out.insert(key.clone(), network);
    }
    Ok(out)
}

/// Every dependency must be there, and none may lead back to where it began.
pub(super) fn check_dependencies(model: &ComposeFile) -> Result<(), ComposeError> {
    for service in model.services.values() {
        for (name, dependency) in &service.depends_on {
            if model.services.contains_key(name)
                || (!dependency.required && model.inactive.contains_key(name))
            {
                continue;
            }
            let key = dependency.implied_by.as_deref().unwrap_or("depends_on");
            let expected = if model.inactive.contains_key(name) {
                format!("the profile of `{name}` to be active (--profile), or `required: false`")
            } else {
                "a service of this file".to_owned()
            };
            return Err(invalid(
                &service.location,
                format!("the service `{}` needs `{name}` ({key})", service.name),
                &expected,
            ));
        }
        if let Some(NetworkMode::Service(name)) = &service.network_mode
            && *name == service.name
        {
            return Err(invalid(
                &service.location,
                format!("the service `{name}` shares its own network"),
                "another service",
            ));
        }
    }
    circle(model)
}

/// Kahn's order: what is left when none without open dependencies is, stands in or behind a cycle.
fn circle(model: &ComposeFile) -> Result<(), ComposeError> {
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for service in model.services.values() {
        let known = service
            .depends_on
            .keys()
            .filter(|name| model.services.contains_key(*name));
        let count = open.entry(&service.name).or_default();
        for name in known {
            *count += 1;
            dependents.entry(name).or_default().push(&service.name);
        }
    }
    let mut ready: Vec<&str> = open
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(name, _)| *name)
        .collect();
    while let Some(name) = ready.pop() {
        open.remove(name);
        for dependent in dependents.get(name).into_iter().flatten() {
            if let Some(count) = open.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(dependent);
                }
            }
        }
    }
    // Follow open dependencies until one comes again: that one is in the circle.
    let Some((mut name, _)) = open.first_key_value() else {
        return Ok(());
    };
    let mut walked: Vec<&str> = Vec::new();
    while !walked.contains(name) {
        walked.push(name);
        let next = model.services.get(*name).and_then(|service| {
            service
                .depends_on
                .keys()
                .find_map(|key| open.get_key_value(key.as_str()))
        });
        let Some((next, _)) = next else {
            return Ok(());
        };
        name = next;
    }
    let start = walked.iter().position(|known| known == name).unwrap_or(0);
    let mut shown = walked[start..].to_vec();
    shown.push(name);
    let location = model
        .services
        .get(*name)
        .map(|service| service.location.clone())
        .unwrap_or_default();
    Err(invalid(
        &location,
        format!("services that depend on each other: {}", shown.join(" → ")),
        "dependencies that end",
    ))
}

fn invalid(location: &Location, problem: String, expected: &str) -> ComposeError {
    ComposeError::Invalid {
        location: location.clone(),
        problem,
        expected: expected.to_owned(),
    }
}
