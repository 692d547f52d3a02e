//! A container's variables as the kubelet will set them, without any content of a Secret. Pure.

use std::collections::BTreeMap;

use super::Maps;
use crate::address;
use crate::compose::MountedFile;
use crate::observe::kinds::{Container, EnvVar, Pod, Service, Volume};
use crate::observe::{mounted_key, service_link};

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::graph) enum VariableSource {
    /// It stands in the Pod's own specification.
    Literal,
    /// A ConfigMap's key.
    ConfigMap {
        /// The ConfigMap.
        name: String,
    },
    /// A Secret's key: the value is never read.
    Secret {
        /// The Secret.
        name: String,
    },
    /// The Pod's own fields, or a ConfigMap that could not be read.
    Unknown,
    /// The start command sets it, whatever the Pod's specification says.
    Command,
}

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::graph) struct Variable {
    /// The value, `$(VAR)` expanded where known; `None`: it is not to be known.
    pub(in crate::graph) value: Option<String>,
    /// Where it comes from.
    pub(in crate::graph) source: VariableSource,
    /// The references `$(NAME)` that stay in the value as they stand.
    pub(in crate::graph) unresolved: Vec<String>,
}

impl Variable {
    /// Whether its value stands in a Secret.
    pub(in crate::graph) fn is_secret(&self) -> bool {
        self.value.is_none() && matches!(self.source, VariableSource::Secret { .. })
    }
}

/// A container's variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::graph) struct Environment {
    /// By name.
    pub(in crate::graph) variables: BTreeMap<String, Variable>,
    /// Where whole Secrets or unread ConfigMaps are taken in there may be variables whose very names are unknown: their prefixes.
    pub(in crate::graph) open_prefixes: Vec<String>,
    /// Variables that the specification names and that the process does not have, or not as it says: each with the reason, to follow its name.
    pub(in crate::graph) lost: BTreeMap<String, String>,
}

/// What the kubelet knows beside the container's own specification.
#[derive(Clone, Copy)]
pub(super) struct Ambient<'a> {
    /// The namespace's ConfigMaps.
    pub(super) maps: Maps<'a>,
    /// The Services whose variables the Pod gets: none with `enableServiceLinks: false`.
    pub(super) services: &'a [Service],
    /// A Pod of the workload, for its fields.
    pub(super) pod: Option<&'a Pod>,
}

impl Ambient<'_> {
    /// The value of a field of the Pod; `None` where no Pod is there, or it is none that stays the same in every Pod of a node.
    fn field(&self, reference: &serde_json::Value) -> Option<String> {
        let pod = self.pod?;
        let value = match reference["fieldPath"].as_str()? {
            "metadata.namespace" => &pod.metadata.namespace,
            "spec.nodeName" => &pod.spec.node_name,
            "status.hostIP" => &pod.status.host_ip,
            "status.podIP" => &pod.status.pod_ip,
            _ => return None,
        };
        (!value.is_empty()).then(|| value.clone())
    }
}

impl Environment {
    /// The variables of a container: `envFrom` in its order, then `env`, each later one winning.
    pub(super) fn of(container: &Container, ambient: Ambient<'_>) -> Self {
        let mut environment = Self::default();
        for from in &container.env_from {
            if let Some(reference) = &from.config_map_ref {
                match ambient.maps.get(reference.name.as_str()) {
                    Some(map) => {
                        for (key, value) in &map.data {
                            let source = VariableSource::ConfigMap {
                                name: reference.name.clone(),
                            };
                            environment.set(
                                format!("{}{key}", from.prefix),
                                // `envFrom` values are taken as they are: the kubelet expands `$(VAR)` in `env` only.
                                Some(value.clone()),
                                source,
                            );
                        }
                    }
                    None if reference.optional => {}
                    None => {
                        environment.open_with(&from.prefix);
                    }
                }
            }
            if from.secret_ref.is_some() {
                environment.open_with(&from.prefix);
            }
        }
        for variable in &container.env {
            environment.add(variable, ambient);
        }
        environment
    }

    /// `NAME_FILE=/path` says where the value of `NAME` stands: in a file that comes from a `ConfigMap` or a Secret.
    pub(super) fn read_files(
        &mut self,
        container: &Container,
        volumes: &[Volume],
        files: &[MountedFile],
    ) {
        for (name, path) in self.known() {
            let Some(name) = name.strip_suffix("_FILE").filter(|name| !name.is_empty()) else {
                continue;
            };
            if self.variables.contains_key(name) {
                continue;
            }
            if let Some(file) = files.iter().find(|file| file.target == path) {
                let value = Some(file.text.trim_end().to_owned());
                self.set(name.to_owned(), value, VariableSource::Unknown);
            } else if let Some(key) = mounted_key(volumes, &container.volume_mounts, &path)
                && let Some(reference) = key.secret_key_ref
            {
                let source = VariableSource::Secret {
                    name: reference.name,
                };
                self.set(name.to_owned(), None, source);
            }
        }
    }

    fn open_with(&mut self, prefix: &str) {
        self.open_prefixes.push(prefix.to_owned());
    }

    /// Sets a variable whose value the kubelet takes as it is.
    fn set(&mut self, name: String, value: Option<String>, source: VariableSource) {
        let unresolved = value.as_deref().map(literal_references).unwrap_or_default();
        self.insert(name, value, source, unresolved);
    }

    /// What the start command gives a variable: a text, or what cannot be read.
    pub(super) fn assign(&mut self, name: &str, value: Option<String>) {
        if value.is_some() {
            self.insert(name.to_owned(), value, VariableSource::Command, Vec::new());
        } else {
            self.variables.remove(name);
            let reason = "is set by the start command to what cannot be read from outside";
            self.lost.insert(name.to_owned(), reason.to_owned());
        }
    }

    fn insert(
        &mut self,
        name: String,
        value: Option<String>,
        source: VariableSource,
        unresolved: Vec<String>,
    ) {
        self.lost.remove(&name);
        let variable = Variable {
            value,
            source,
            unresolved,
        };
        self.variables.insert(name, variable);
    }

    fn add(&mut self, variable: &EnvVar, ambient: Ambient<'_>) {
        let name = variable.name.clone();
        let Some(from) = &variable.value_from else {
            // Only variables that stand before it are known to the kubelet when it expands this one.
            let written = variable.value.as_deref().unwrap_or_default();
            let mut unresolved = literal_references(written);
            unresolved.retain(|name| {
                !self.may_have(name) && service_link(ambient.services, name).is_none()
            });
            // What is escaped, and what a value that is taken in has left, is not expanded once more.
            unresolved.extend(variable_names(address::escaped_references(written)));
            let taken = address::references(written);
            let taken = taken.iter().filter_map(|name| self.variables.get(*name));
            unresolved.extend(taken.flat_map(|variable| variable.unresolved.iter().cloned()));
            let value = self.expand(written, ambient);
            let (value, source) = if self.hides_address(&value) {
                (None, VariableSource::Unknown)
            } else {
                (Some(value), VariableSource::Literal)
            };
            return self.insert(name, value, source, unresolved);
        };
        if let Some(reference) = &from.config_map_key_ref {
            let value = ambient
                .maps
                .get(reference.name.as_str())
                .and_then(|map| map.data.get(&reference.key))
                .cloned();
            if value.is_none() && reference.optional {
                let reason = format!(
                    "comes from key {} of configmap/{}, which is optional and not there",
                    reference.key, reference.name
                );
                self.lost.insert(name, reason);
                return;
            }
            let source = VariableSource::ConfigMap {
                name: reference.name.clone(),
            };
            return self.set(name, value, source);
        }
        if let Some(reference) = &from.secret_key_ref {
            let source = VariableSource::Secret {
                name: reference.name.clone(),
            };
            return self.set(name, None, source);
        }
        let field = from.field_ref.as_ref();
        let value = field.and_then(|reference| ambient.field(reference));
        self.set(name, value, VariableSource::Unknown);
    }

    /// A text with `$(VAR)` expanded as the kubelet does; what is unknown stays as written.
    pub(super) fn expand(&self, text: &str, ambient: Ambient<'_>) -> String {
        address::expand(text, &|name| match self.variables.get(name) {
            Some(variable) => variable.value.clone(),
            None => service_link(ambient.services, name),
        })
    }

    /// Whether a text refers to what only the kubelet knows, and no address can be read from the rest: the host is unknown here.
    fn hides_address(&self, text: &str) -> bool {
        address::references(text)
            .iter()
            .any(|name| self.may_hold_secretly(name))
            && !address::has_address(text)
    }

    /// Names and values of what is known.
    pub(in crate::graph) fn known(&self) -> BTreeMap<String, String> {
        self.variables
            .iter()
            .filter_map(|(name, variable)| Some((name.clone(), variable.value.clone()?)))
            .collect()
    }

    /// Names and values of what is known, to read addresses from: a reference that stays as it stands is a host like any other text.
    pub(in crate::graph) fn readable(&self) -> BTreeMap<String, String> {
        let mut known = self.known();
        for (name, variable) in &self.variables {
            let Some(value) = known.get_mut(name) else {
                continue;
            };
            let mut marked = value.clone();
            for reference in &variable.unresolved {
                marked = marked.replace(&format!("$({reference})"), &marker(reference));
            }
            if address::has_marked_host(&marked, MARK) {
                *value = marked;
            }
        }
        known
    }

    /// Whether the container has the variable with a value that is not to be known, or may have it from a whole Secret.
    pub(in crate::graph) fn may_hold_secretly(&self, name: &str) -> bool {
        match self.variables.get(name) {
            Some(variable) => variable.value.is_none(),
            None => {
                !self.lost.contains_key(name)
                    && self
                        .open_prefixes
                        .iter()
                        .any(|prefix| name.starts_with(prefix.as_str()))
            }
        }
    }

    /// Whether an address may stand where it cannot be read: in a whole Secret, or in a variable that is called like one.
    pub(in crate::graph) fn may_hide_address(&self) -> bool {
        self.is_open()
            || self.variables.iter().any(|(name, variable)| {
                variable.value.is_none() && address::role(name) == address::Role::Host
            })
    }

    /// Whether a Secret is taken in as a whole, whose keys are not read.
    pub(in crate::graph) fn is_open(&self) -> bool {
        !self.open_prefixes.is_empty()
    }

    /// Whether the container has the variable, or may have it.
    pub(in crate::graph) fn may_have(&self, name: &str) -> bool {
        self.variables.contains_key(name) || self.may_hold_secretly(name)
    }
}

/// Begins the host that stands for an unresolved reference while addresses are read.
const MARK: &str = "unresolved-reference-";

fn marker(name: &str) -> String {
    format!("{MARK}{name}")
}

/// A host as it was read, with the reference that it stands for.
pub(in crate::graph) fn unmarked(host: &str) -> String {
    host.strip_prefix(MARK)
        .map_or_else(|| host.to_owned(), |name| format!("$({name})"))
}

/// The references in a text whose names are those of variables: a shell's `$(hostname -i)` is none.
fn literal_references(text: &str) -> Vec<String> {
    variable_names(address::references(text))
}

fn variable_names(names: Vec<&str>) -> Vec<String> {
    let is_variable = |name: &&str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    names
        .into_iter()
        .filter(is_variable)
        .map(str::to_owned)
        .collect()
}
