//! The variables with which a tier logs in, copied by reference from its own deployed container into the probe's. Pure.
//!
//! No value of a Secret or ConfigMap passes through here. A literal is copied as it stands in the Pod, for the agent to expand.

use std::collections::BTreeMap;

use super::job::escape;
use crate::address::LoginReference;
use crate::observe::kinds::{
    Container, EnvFrom, EnvSource, EnvVar, KeyRef, OptionalRef, PodSpec, Service,
};
use crate::observe::{NamespaceState, Snapshot, WorkloadKey};
use crate::probe::wire::ENVIRONMENT_PREFIX;

/// Collects what the probe's container of one tier needs.
pub(super) struct Environment<'a> {
    snapshot: &'a Snapshot,
    workload: &'a WorkloadKey,
    spec: &'a PodSpec,
    /// By name without prefix: the container that it was taken from, and what goes into the probe's Pod.
    variables: BTreeMap<String, (&'a str, EnvVar)>,
    env_from: Vec<EnvFrom>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        workload: &'a WorkloadKey,
        spec: &'a PodSpec,
    ) -> Self {
        Self {
            snapshot,
            workload,
            spec,
            variables: BTreeMap::new(),
            env_from: Vec::new(),
        }
    }

    /// Brings a login's variables along. What comes back names only those that the container has.
    ///
    /// # Errors
    /// In words, why there can be no login: the variable that holds the secret is not set in the container, or two containers
    /// set it differently.
    pub(super) fn bring(&mut self, login: &LoginReference) -> Result<LoginReference, String> {
        let container = self
            .container(login)
            .ok_or_else(|| format!("{} has no container", self.workload))?;
        match login {
            LoginReference::Url { variable } => {
                self.need(container, variable).map(|()| login.clone())
            }
            LoginReference::Parts {
                host,
                port,
                user,
                password,
                database,
            } => {
                if let Some(password) = password {
                    self.need(container, password)?;
                }
                let mut keep = |name: &Option<String>| -> Option<String> {
                    let name = name.as_ref()?;
                    self.need(container, name).is_ok().then(|| name.clone())
                };
                Ok(LoginReference::Parts {
                    host: keep(host),
                    port: keep(port),
                    user: keep(user),
                    password: password.clone(),
                    database: keep(database),
                })
            }
        }
    }

    /// What goes into the probe's container.
    pub(super) fn finish(self) -> (Vec<EnvVar>, Vec<EnvFrom>) {
        let env = self
            .variables
            .into_values()
            .map(|(_, variable)| variable)
            .collect();
        (env, self.env_from)
    }

    /// The container that knows most of the login's variables; in doubt the first.
    fn container(&self, login: &LoginReference) -> Option<&'a Container> {
        let names = login.variables();
        let score = |container: &Container| {
            names
                .iter()
                .filter(|name| !matches!(self.source(container, name), Source::Missing))
                .count()
        };
        let mut best: Option<(&'a Container, usize)> = None;
        for container in &self.spec.containers {
            let score = score(container);
            if best.is_none_or(|(_, high)| score > high) {
                best = Some((container, score));
            }
        }
        best.map(|(container, _)| container)
    }

    fn need(&mut self, container: &'a Container, name: &str) -> Result<(), String> {
        if let Some((taken_from, _)) = self.variables.get(name) {
            return if *taken_from == container.name {
                Ok(())
            } else {
                Err(format!(
                    "containers {taken_from} and {} of {} both set {name}",
                    container.name, self.workload
                ))
            };
        }
        match self.source(container, name) {
            Source::Variable(variable) => {
                self.copy(container, variable);
                Ok(())
            }
            Source::Key(value_from) => {
                self.put(container, name, None, Some(value_from));
                Ok(())
            }
            Source::Whole(sources) => {
                for source in sources {
                    if !self.env_from.contains(&source) {
                        self.env_from.push(source);
                    }
                }
                Ok(())
            }
            Source::ServiceLink(value) => {
                self.put(container, name, Some(value), None);
                Ok(())
            }
            Source::Missing => Err(format!(
                "{name} is not set in container {} of {}",
                container.name, self.workload
            )),
        }
    }

    fn copy(&mut self, container: &'a Container, variable: &EnvVar) {
        if let Some(source) = &variable.value_from {
            if let Some(source) = optional(source) {
                self.put(container, &variable.name, None, Some(source));
            }
            return;
        }
        let literal = variable.value.clone().unwrap_or_default();
        self.put(container, &variable.name, Some(escape(&literal)), None);
        for referred in references(&literal) {
            // What a literal refers to and nobody sets stays as it is written, in the app and in the agent alike.
            let _ = self.need(container, referred);
        }
    }

    fn put(
        &mut self,
        container: &'a Container,
        name: &str,
        value: Option<String>,
        value_from: Option<EnvSource>,
    ) {
        let variable = EnvVar {
            name: format!("{ENVIRONMENT_PREFIX}{name}"),
            value,
            value_from,
        };
        self.variables
            .insert(name.to_owned(), (&container.name, variable));
    }

    /// Where the container has a variable from: `env` wins over `envFrom`, a later entry over an earlier one.
    fn source<'c>(&self, container: &'c Container, name: &str) -> Source<'c> {
        if let Some(variable) = container
            .env
            .iter()
            .rev()
            .find(|variable| variable.name == name)
        {
            return Source::Variable(variable);
        }
        let mut candidates: Vec<EnvFrom> = Vec::new();
        for source in container.env_from.iter().rev() {
            let Some(key) = name
                .strip_prefix(&source.prefix)
                .filter(|key| !key.is_empty())
            else {
                continue;
            };
            match self.holds(source, key) {
                Some(false) => {}
                Some(true) => {
                    candidates.push(source.clone());
                    break;
                }
                None => candidates.push(source.clone()),
            }
        }
        match candidates.as_slice() {
            [] => self
                .service_link(name)
                .map_or(Source::Missing, Source::ServiceLink),
            [only] => Source::Key(key_of(only, name)),
            // Any of them may hold the key, and the last one that does wins: only the kubelet can tell.
            _ => Source::Whole(candidates.iter().rev().map(whole).collect()),
        }
    }

    /// Whether a source of `envFrom` holds a key; `None` where only the kubelet may look.
    fn holds(&self, source: &EnvFrom, key: &str) -> Option<bool> {
        let reference = source.config_map_ref.as_ref()?;
        let namespace = &self.workload.namespace;
        let resource = if *namespace == self.snapshot.namespace {
            "configmaps".to_owned()
        } else {
            format!("configmaps@{namespace}")
        };
        if !self.snapshot.knows(&resource) {
            return None;
        }
        let state = self.state()?;
        Some(
            state
                .config_maps
                .iter()
                .any(|map| map.metadata.name == reference.name && map.data.contains_key(key)),
        )
    }

    /// `DB_SERVICE_HOST` and `DB_SERVICE_PORT`, as the kubelet puts them into Pods.
    fn service_link(&self, name: &str) -> Option<String> {
        if self.spec.enable_service_links == Some(false) {
            return None;
        }
        let named = |service: &&Service, suffix: &str| {
            let prefix = service.metadata.name.to_uppercase().replace('-', "_");
            name.strip_suffix(suffix) == Some(prefix.as_str())
                && !matches!(service.spec.cluster_ip.as_str(), "" | "None")
        };
        let services = &self.state()?.services;
        if let Some(service) = services
            .iter()
            .find(|service| named(service, "_SERVICE_HOST"))
        {
            return Some(service.spec.cluster_ip.clone());
        }
        let service = services
            .iter()
            .find(|service| named(service, "_SERVICE_PORT"))?;
        Some(service.spec.ports.first()?.port.to_string())
    }

    fn state(&self) -> Option<&'a NamespaceState> {
        self.snapshot.namespaces.get(&self.workload.namespace)
    }
}

/// Where a container has a variable from.
enum Source<'c> {
    Variable(&'c EnvVar),
    Key(EnvSource),
    Whole(Vec<EnvFrom>),
    ServiceLink(String),
    Missing,
}

/// The same reference, but a probe must start where the app could not.
fn optional(source: &EnvSource) -> Option<EnvSource> {
    // Resources are those of the app's container.
    if source.resource_field_ref.is_some() {
        return None;
    }
    let mut source = source.clone();
    for reference in [&mut source.config_map_key_ref, &mut source.secret_key_ref]
        .into_iter()
        .flatten()
    {
        reference.optional = true;
    }
    Some(source)
}

fn key_of(source: &EnvFrom, name: &str) -> EnvSource {
    let reference = |object: &OptionalRef| KeyRef {
        name: object.name.clone(),
        key: name[source.prefix.len()..].to_owned(),
        optional: true,
    };
    EnvSource {
        config_map_key_ref: source.config_map_ref.as_ref().map(reference),
        secret_key_ref: source.secret_ref.as_ref().map(reference),
        ..EnvSource::default()
    }
}

fn whole(source: &EnvFrom) -> EnvFrom {
    let optional = |object: &OptionalRef| OptionalRef {
        optional: true,
        ..object.clone()
    };
    EnvFrom {
        prefix: format!("{ENVIRONMENT_PREFIX}{}", source.prefix),
        config_map_ref: source.config_map_ref.as_ref().map(optional),
        secret_ref: source.secret_ref.as_ref().map(optional),
    }
}

/// The names that a literal refers to by `$(NAME)`; `$$` is an escaped dollar.
fn references(literal: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = literal;
    while let Some(at) = rest.find('$') {
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            rest = escaped;
        } else if let Some(name) = after
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            names.push(name.0);
            rest = name.1;
        } else {
            rest = after;
        }
    }
    names
}
