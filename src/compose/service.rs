//! One service of the merged tree → the typed model. Env files are read through [`Files`]; pure.

mod environment;
mod fields;

use std::collections::{BTreeMap, BTreeSet};

use super::error::ComposeError;
use super::merge::key_values;
use super::model::{Build, Expose, Service, Warning, WarningKind};
use super::mounts;
use super::node::{Node, Value};
use super::paths;
use super::ports;
use super::reader::Reader;
use super::shape::Field;
use fields::{
    command, depends_on, extra_hosts, healthcheck, imply, labels, link, network_mode, networks,
    replicas, restart,
};

impl Reader<'_> {
    /// Reads a service. Of one that is switched off no files are read: what it would need may not be here.
    pub(super) fn service(
        &mut self,
        name: &str,
        node: &Node,
        active: bool,
    ) -> Result<Service, ComposeError> {
        let field = Field::new(node, format!("services.{name}"));
        field.map("a mapping with `image` or `build`")?;
        let text = |key: &str| field.read(key, Field::text);
        let list = |key: &str| field.read(key, Field::distinct);
        let links = |key: &str| -> Result<_, ComposeError> {
            let texts = list(key)?.unwrap_or_default();
            Ok(texts.into_iter().map(|text| link(&text)))
        };

        let (environment, unset_environment) = self.environment(&field, active)?;
        let mut service = Service {
            name: name.to_owned(),
            location: node.place().location(),
            image: text("image")?.filter(|image| !image.is_empty()),
            command: field.read("command", command)?,
            entrypoint: field.read("entrypoint", command)?,
            environment,
            unset_environment,
            container_name: text("container_name")?,
            hostname: text("hostname")?,
            links: links("links")?.collect(),
            external_links: links("external_links")?
                .map(|link| (link.service, link.alias))
                .collect(),
            depends_on: depends_on(&field)?,
            ports: field
                .read("ports", |field| ports::ports(field, &mut self.room))?
                .unwrap_or_default(),
            networks: networks(&field)?,
            network_mode: text("network_mode")?.map(|mode| network_mode(&mode)),
            extra_hosts: extra_hosts(&field)?,
            healthcheck: field.read("healthcheck", healthcheck)?,
            profiles: list("profiles")?.unwrap_or_default(),
            replicas: replicas(&field)?,
            restart: field.read("restart", restart)?,
            labels: labels(&field)?,
            provider: field.get("provider").is_some(),
            dns_search: field.read("dns_search", Field::texts)?.unwrap_or_default(),
            ..Service::default()
        };
        service.expose = self.expose(&field)?;
        if let Some(deploy) = field.get("deploy") {
            deployed(&deploy, &mut service)?;
        }
        if service.network_mode.is_some() && !service.networks.is_empty() {
            return Err(field.error("both `network_mode` and `networks`", "one of them"));
        }
        imply(&mut service, &field)?;
        service.build = field.read("build", |build| self.build(build))?;
        let runnable = service.image.is_some() || service.build.is_some() || service.provider;
        if active && !runnable {
            return Err(node.place().error(
                format!("the service `{name}` has neither `image` nor `build`"),
                "one of them",
            ));
        }
        // What is switched off has its edges too, and cannot refuse the project.
        let warnings = self.warnings.len();
        let read = mounts::read(self, &field, &mut service);
        if active {
            read?;
        } else {
            self.warnings.truncate(warnings);
        }
        Ok(service)
    }

    /// `expose`, ranges expanded. Compose takes any text here; what is no port is reported and left out.
    fn expose(&mut self, service: &Field<'_>) -> Result<Vec<Expose>, ComposeError> {
        let mut out: Vec<Expose> = Vec::new();
        let mut known = BTreeSet::new();
        let Some(field) = service.get("expose") else {
            return Ok(out);
        };
        for item in field.items("a list of ports")? {
            match ports::exposed(&item.scalar()?) {
                Some(found) => {
                    ports::take(&mut self.room, found.len(), &item)?;
                    for port in found {
                        if known.insert((port.port, port.transport.clone())) {
                            out.push(port);
                        }
                    }
                }
                None => self.warnings.push(Warning {
                    kind: WarningKind::Obsolete,
                    message: format!("`{}` is no port; it is ignored", item.path),
                    location: item.node.at.location(),
                }),
            }
        }
        Ok(out)
    }

    fn build(&mut self, field: &Field<'_>) -> Result<Build, ComposeError> {
        let (context, file, inline, target, arguments) =
            if let Value::Text(context) = &field.node.value {
                (Some(context.clone()), None, None, None, BTreeMap::new())
            } else {
                field.map("a path, or a mapping")?;
                let text = |key: &str| field.read(key, Field::text);
                let arguments = field.read("args", |field| self.arguments(field))?;
                (
                    text("context")?,
                    text("dockerfile")?,
                    text("dockerfile_inline")?,
                    text("target")?,
                    arguments.unwrap_or_default(),
                )
            };
        let folder = context.clone().unwrap_or_else(|| ".".to_owned());
        let local = !folder.contains("://");
        let root = paths::join(self.working_directory, &folder);
        let path = paths::join(&root, file.as_deref().unwrap_or("Dockerfile"));
        let dockerfile = inline.or_else(|| {
            // A Dockerfile that is not here only means that nothing is known of the image.
            local.then(|| self.files.read(&path).ok()).flatten()
        });
        let read = dockerfile
            .map(|text| super::dockerfile::read(&text, target.as_deref(), &arguments))
            .unwrap_or_default();
        let mut all = Vec::new();
        if local {
            let here = self.working_directory;
            let copies: Vec<_> = read.built_from.iter().chain(&read.copies).collect();
            all = super::context::copied(self.files, &read.copies, &root, here);
            all.extend(super::sources::read(self.files, &copies, &root, here));
            for folder in super::context::folders(&paths::folder(&path), &copies, &root) {
                // The same file is read once, as what lies in the image.
                let beside: Vec<_> = super::context::read(self.files, &folder, here)
                    .into_iter()
                    .filter(|file| all.iter().all(|copied| copied.source != file.source))
                    .collect();
                all.extend(beside);
            }
        }
        Ok(Build {
            context,
            files: all,
            arguments,
            ..read
        })
    }

    fn arguments(&self, field: &Field<'_>) -> Result<BTreeMap<String, String>, ComposeError> {
        let node = key_values(field.node.clone())?;
        let field = Field::new(&node, field.path.clone());
        let mut out = BTreeMap::new();
        for (name, entry) in field.entries("a mapping, or a list of `KEY=value`")? {
            let value = match &entry.node.value {
                Value::Null => self.environment.get(name).cloned(),
                _ => Some(entry.scalar()?),
            };
            out.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(out)
    }
}

/// What `deploy` says of names and restarts.
fn deployed(deploy: &Field<'_>, service: &mut Service) -> Result<(), ComposeError> {
    deploy.map("a mapping")?;
    service.endpoint_mode = deploy.read("endpoint_mode", Field::scalar)?;
    let policy = deploy.read("restart_policy", |policy| {
        policy.read("condition", Field::scalar)
    })?;
    service.restart_condition = policy.flatten();
    Ok(())
}
