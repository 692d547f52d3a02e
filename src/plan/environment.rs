//! The variables with which a tier logs in, copied by reference from its own deployed container into the probe's. Pure.
//!
//! No value of a Secret or ConfigMap passes through here. The kubelet expands `$(NAME)` in the probe's Pod exactly as it did in the client's:
//! what the client's kubelet knew at that place is referred to by its name in the probe, all else stays literal.

mod reference;

use std::collections::BTreeMap;

use crate::address::{self, LoginReference, trust};
use crate::observe::kinds::{Container, EnvFrom, EnvSource, EnvVar, KeyRef, PodSpec, Volume};
use crate::observe::{NamespaceState, Snapshot, WorkloadKey, mounted_key, service_link};
use crate::probe::wire::{ClientFile, ENVIRONMENT_PREFIX, SecretKey};
use reference::{key_of, optional, whole};

/// Collects what the probe's container of one tier needs.
pub(super) struct Environment<'a> {
    snapshot: &'a Snapshot,
    workload: &'a WorkloadKey,
    spec: &'a PodSpec,
    /// By name without prefix: the container that it was taken from.
    taken: BTreeMap<String, &'a str>,
    copied: Copied,
}

/// What goes into the probe's container.
#[derive(Default)]
pub(super) struct Copied {
    /// Its own variables: what a literal refers to stands before it.
    pub(super) env: Vec<EnvVar>,
    /// Sources that are taken in as a whole.
    pub(super) env_from: Vec<EnvFrom>,
    /// Which of the variables are the texts of files of the client's container.
    pub(super) from_files: Vec<String>,
    /// Files of settings that hold a part of a login.
    pub(super) settings: Vec<ClientFile>,
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
            taken: BTreeMap::new(),
            copied: Copied::default(),
        }
    }

    /// Brings a login's variables along. What comes back names only those that the container has.
    ///
    /// # Errors
    /// In words, why there can be no login: the variable that holds the secret is not set in the container, or two containers
    /// set it differently.
    pub(super) fn add_login(&mut self, login: &LoginReference) -> Result<LoginReference, String> {
        let container = self
            .container(login)
            .ok_or_else(|| format!("{} has no container", self.workload))?;
        let names = login.variables();
        let file = names.iter().find_map(|name| address::file_and_key(name));
        if let Some((path, _)) = file
            && (self.is_open() || self.may_mount_secrets(container, Some(path)))
        {
            return Err(format!(
                "{path} holds a login, and a Secret that the container has as well may hold another one"
            ));
        }
        match login {
            LoginReference::Url { variable } => {
                self.need(container, variable).map(|()| login.clone())
            }
            LoginReference::Parts { password, .. } => {
                if let Some(password) = password {
                    self.need(container, password)?;
                    let empty = self.text(container, password).as_deref() == Some("");
                    if empty && self.may_mount_secrets(container, None) {
                        return Err(format!(
                            "{password} is empty, and a file that is mounted may hold the password"
                        ));
                    }
                }
                Ok(login.keeping(|name| self.need(container, name).is_ok()))
            }
        }
    }

    /// Brings along what the tier's containers say of whom they trust: CAs, and whether they verify at all. The first container that
    /// sets a variable counts.
    pub(super) fn bring_trust(&mut self) {
        let spec = self.spec;
        for container in &spec.containers {
            let own = container.env.iter().map(|variable| variable.name.as_str());
            let mut names: Vec<String> = own.map(str::to_owned).collect();
            names.extend(self.listed(container));
            for name in names.iter().filter(|name| trust::matters(name)) {
                if !self.taken.contains_key(name.as_str()) {
                    // What only the kubelet can find stays unknown, and then nothing is proven by it.
                    let _ = self.need(container, name);
                }
            }
        }
    }

    /// Whether the containers may have variables whose very names are not known.
    pub(super) fn is_open(&self) -> bool {
        let sources = self.spec.containers.iter().flat_map(|one| &one.env_from);
        let mut sources = sources.filter(|source| self.holds(source, "").is_none());
        sources.next().is_some()
    }

    /// Brings along the CAs that the tier has mounted.
    pub(super) fn authorities(&mut self) -> Vec<ClientFile> {
        let (files, variables) = super::authorities::authorities(self.state(), self.spec);
        self.copied.env.extend(variables);
        files
    }

    /// The names that a container has from ConfigMaps as a whole.
    fn listed(&self, container: &Container) -> Vec<String> {
        let Some(state) = self.state() else {
            return Vec::new();
        };
        container
            .env_from
            .iter()
            .filter_map(|source| {
                let name = &source.config_map_ref.as_ref()?.name;
                let keys = state.config_map(name)?.data.keys();
                Some(keys.map(move |key| format!("{}{key}", source.prefix)))
            })
            .flatten()
            .collect()
    }

    /// The container that a login is of, and what of the login it has.
    ///
    /// # Errors
    /// In words, that the workload has no container.
    pub(super) fn known(
        &self,
        login: &LoginReference,
    ) -> Result<(&'a Container, LoginReference), String> {
        let container = self
            .container(login)
            .ok_or_else(|| format!("{} has no container", self.workload))?;
        let mut known = login.clone();
        if let LoginReference::Parts { host, .. } = &mut known
            && host
                .as_ref()
                .is_some_and(|name| matches!(self.source(container, name), Source::Missing))
        {
            *host = None;
        }
        Ok((container, known))
    }

    /// The Secret's key in which a variable of a container stands, where that can be determined.
    pub(super) fn secret_of(&self, container: &Container, name: &str) -> Option<KeyRef> {
        match self.source(container, name) {
            Source::Variable(variable) => variable.value_from.as_ref()?.secret_key_ref.clone(),
            Source::Key(source) | Source::File(source) => source.secret_key_ref,
            Source::Settings(..) | Source::Whole(_) | Source::ServiceLink(_) | Source::Missing => {
                None
            }
        }
    }

    /// What goes into the probe's container.
    pub(super) fn finish(self) -> Copied {
        self.copied
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
        if let Some(taken_from) = self.taken.get(name) {
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
            Source::Variable(variable) => self.copy(container, variable),
            Source::Key(value_from) => {
                self.put(container, name, None, Some(value_from));
                Ok(())
            }
            Source::File(value_from) => {
                self.put(container, name, None, Some(value_from));
                self.copied.from_files.push(name.to_owned());
                Ok(())
            }
            Source::Settings(value_from, path) => {
                self.bring_settings(container, path, value_from);
                self.taken.insert(name.to_owned(), &container.name);
                Ok(())
            }
            Source::Whole(sources) => {
                for source in sources {
                    if !self.copied.env_from.contains(&source) {
                        self.copied.env_from.push(source);
                    }
                }
                Ok(())
            }
            Source::ServiceLink(value) => {
                self.put(container, name, Some(value), None);
                Ok(())
            }
            Source::Missing => Err(format!(
                "container {} of {} has no {name}",
                container.name, self.workload
            )),
        }
    }

    /// Brings a file of settings along: as a variable out of a `ConfigMap`, as a file out of a Secret.
    fn bring_settings(&mut self, container: &'a Container, path: &str, value_from: EnvSource) {
        if self.copied.settings.iter().any(|file| file.path == path) {
            return;
        }
        let variable = format!("K8SVERIFY_SETTINGS_{}", self.copied.settings.len());
        let secret = value_from.secret_key_ref.as_ref().map(|key| SecretKey {
            name: key.name.clone(),
            key: key.key.clone(),
        });
        if secret.is_none() {
            self.put(container, &variable, None, Some(value_from));
        }
        self.copied.settings.push(ClientFile {
            path: path.to_owned(),
            variable,
            secret,
        });
    }

    fn copy(&mut self, container: &'a Container, variable: &EnvVar) -> Result<(), String> {
        let Some(source) = &variable.value_from else {
            let literal = address::without_path(variable.value.as_deref().unwrap_or_default());
            let names = address::references(literal);
            let mut known = Vec::new();
            for name in names {
                if self.is_known_above(container, &variable.name, name)? {
                    self.need(container, name)?;
                    known.push(name);
                }
            }
            let value = address::rewrite_references(literal, &|name| {
                known
                    .contains(&name)
                    .then(|| format!("{ENVIRONMENT_PREFIX}{name}"))
            });
            self.put(container, &variable.name, Some(value), None);
            return Ok(());
        };
        let source = optional(source).ok_or_else(|| {
            format!(
                "{} of container {} of {} is a resource limit of that container",
                variable.name, container.name, self.workload
            )
        })?;
        self.put(container, &variable.name, None, Some(source));
        Ok(())
    }

    /// Whether the kubelet knows `name` where it expands the literal of `user`: whole sources and Services always, a variable of `env` if it
    /// stands above.
    ///
    /// # Errors
    /// In words, that the name has one value above and another one below: the probe can have only one of the two.
    fn is_known_above(
        &self,
        container: &Container,
        user: &str,
        name: &str,
    ) -> Result<bool, String> {
        let last = |wanted: &str| container.env.iter().rposition(|one| one.name == wanted);
        let Some(defined) = last(name) else {
            return Ok(!matches!(self.source(container, name), Source::Missing));
        };
        if Some(defined) < last(user) {
            return Ok(true);
        }
        let above = container.env.iter().position(|one| one.name == name) < last(user)
            || !matches!(self.whole_source(container, name), Source::Missing);
        if above {
            return Err(format!(
                "container {} of {} sets {name} above and below {user}, which refers to it",
                container.name, self.workload
            ));
        }
        Ok(false)
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
        self.copied.env.push(variable);
        self.taken.insert(name.to_owned(), &container.name);
    }

    /// Where the container has a variable from: `env` wins over `envFrom`, a later entry over an earlier one.
    fn source<'c>(&self, container: &'c Container, name: &'c str) -> Source<'c> {
        if let Some((path, _)) = address::file_and_key(name) {
            let key = mounted_key(&self.spec.volumes, &container.volume_mounts, path);
            return key.map_or(Source::Missing, |key| Source::Settings(key, path));
        }
        if let Some(variable) = container.variable(name) {
            return Source::Variable(variable);
        }
        self.whole_source(container, name)
    }

    /// Where the container has a variable from that `env` does not set: `envFrom`, or a Service of its namespace.
    fn whole_source<'c>(&self, container: &'c Container, name: &str) -> Source<'c> {
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
                .file(container, name)
                .map(Source::File)
                .or_else(|| self.service_link(name).map(Source::ServiceLink))
                .unwrap_or(Source::Missing),
            [only] => Source::Key(key_of(only, name)),
            // Any of them may hold the key, and the last one that does wins: only the kubelet knows which.
            _ => Source::Whole(candidates.iter().rev().map(whole).collect()),
        }
    }

    /// The key in which the value stands where `NAME_FILE` names its file.
    fn file(&self, container: &Container, name: &str) -> Option<EnvSource> {
        let path = self.text(container, &format!("{name}_FILE"))?;
        mounted_key(&self.spec.volumes, &container.volume_mounts, &path)
    }

    /// Whether a volume may bring secrets, but for the one of that file: a Secret, a projection, a driver's, or what a sidecar fills; a
    /// ServiceAccount's own token is none.
    fn may_mount_secrets(&self, container: &Container, except: Option<&str>) -> bool {
        let account = "/var/run/secrets/kubernetes.io/serviceaccount";
        let mut mounts = container.volume_mounts.iter();
        mounts.any(|mount| {
            let mut volumes = self.spec.volumes.iter();
            let is_plain = |volume: &Volume| {
                volume.config_map.is_some()
                    || volume.persistent_volume_claim.is_some()
                    || volume.empty_dir.is_some() && !self.is_shared(volume, container)
            };
            let is_of_file =
                except.is_some_and(|path| path.starts_with(mount.mount_path.trim_end_matches('/')));
            mount.mount_path != account
                && !is_of_file
                && !volumes.any(|volume| volume.name == mount.name && is_plain(volume))
        })
    }

    /// Whether another container of the Pod mounts a volume as well, and may fill it.
    fn is_shared(&self, volume: &Volume, container: &Container) -> bool {
        let mut others = self.spec.every().filter(|one| one.name != container.name);
        others.any(|one| {
            one.volume_mounts
                .iter()
                .any(|mount| mount.name == volume.name)
        })
    }

    /// The text of a variable that stands in the specification itself or in a ConfigMap.
    fn text(&self, container: &Container, name: &str) -> Option<String> {
        let of_map = |map: &str, key: &str| self.state()?.config_map(map)?.data.get(key).cloned();
        if let Some(variable) = container.variable(name) {
            let Some(source) = &variable.value_from else {
                return variable.value.clone();
            };
            let reference = source.config_map_key_ref.as_ref()?;
            return of_map(&reference.name, &reference.key);
        }
        container.env_from.iter().rev().find_map(|source| {
            let key = name.strip_prefix(&source.prefix)?;
            of_map(&source.config_map_ref.as_ref()?.name, key)
        })
    }

    /// Whether a source of `envFrom` holds a key; `None` where only the kubelet may look.
    fn holds(&self, source: &EnvFrom, key: &str) -> Option<bool> {
        let reference = source.config_map_ref.as_ref()?;
        let namespace = &self.workload.namespace;
        if !self.snapshot.knows_in("configmaps", namespace) {
            return None;
        }
        let map = self.state()?.config_map(&reference.name);
        Some(map.is_some_and(|map| map.data.contains_key(key)))
    }

    fn service_link(&self, name: &str) -> Option<String> {
        if self.spec.enable_service_links == Some(false) {
            return None;
        }
        service_link(&self.state()?.services, name)
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
    /// The key of a file that another variable names.
    File(EnvSource),
    /// A file of settings, by its path.
    Settings(EnvSource, &'c str),
    Missing,
}
