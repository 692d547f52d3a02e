//! The resolved compose model: what `docker compose config` would say, reduced to what decides reachability. Pure data.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// Where compose text and the files beside it are read from, so that the stage itself stays pure.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// What the file system says; `InvalidData` for what is not UTF-8.
    fn read(&self, path: &Path) -> io::Result<String>;
    /// The names in a directory, sorted; an error for what is no directory.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Whether something exists at that path.
    fn exists(&self, path: &Path) -> bool;
    /// Whether the file lies outside of the project, or a link leads out of it: nothing of it is quoted, and what may be a secret in it
    /// is not used.
    fn is_foreign(&self, _path: &Path) -> bool {
        false
    }
}

/// A place in a compose file or env file; lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Location {
    /// The file as the user named it (relative to the current folder where possible).
    pub file: String,
    /// Line, from 1; 0 if unknown.
    pub line: usize,
    /// Column, from 1; 0 if unknown.
    pub column: usize,
}

/// One resolved application: every file merged, every variable replaced, profiles applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComposeFile {
    /// The project name (`-p`, `COMPOSE_PROJECT_NAME`, top-level `name`, directory).
    pub project: String,
    /// The files in the order in which they were merged, as the user would name them.
    pub sources: Vec<String>,
    /// The active services, by their key.
    pub services: BTreeMap<String, Service>,
    /// Services that exist but are switched off by profiles.
    pub inactive: BTreeMap<String, Service>,
    /// Top-level networks that are used, by their key.
    pub networks: BTreeMap<String, Network>,
    /// What the user should know: unknown keys (once each), variables without a value, files that are not here.
    pub warnings: Vec<Warning>,
}

/// Something that the reader of a compose file should know, but that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What kind of warning.
    pub kind: WarningKind,
    /// One sentence.
    pub message: String,
    /// Where.
    pub location: Location,
}

/// The kinds of [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// An active profile that no service has: services may be missing (`graph-incomplete`).
    UnknownProfile,
    /// A variable without a value or default: edges may be missing (`graph-incomplete`).
    UnsetVariable,
    /// An optional file, or a mounted one, that is not here: edges may be missing (`graph-incomplete`).
    FileMissing,
    /// An `env_file` that is not here, as where it holds what is not committed: edges may be missing (`graph-incomplete`).
    EnvFileMissing,
    /// An address that would hold what may be a secret of the process: edges may be missing (`graph-incomplete`).
    Withheld,
    /// An obsolete or doubtful form.
    Obsolete,
}

/// One compose service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Service {
    /// Its key under `services`.
    pub name: String,
    /// Where it is declared.
    pub location: Location,
    /// `image`, interpolated.
    pub image: Option<String>,
    /// `build`, if any.
    pub build: Option<Build>,
    /// `command` as words (a string is split as a shell would).
    pub command: Option<Vec<String>>,
    /// `entrypoint` as words.
    pub entrypoint: Option<Vec<String>>,
    /// The environment as the container gets it: `env_file` below `environment`; pass-through variables that have no value are left out.
    pub environment: BTreeMap<String, EnvironmentValue>,
    /// Names that pass a variable through which no one sets: the container does not get them.
    pub unset_environment: BTreeSet<String>,
    /// `container_name`.
    pub container_name: Option<String>,
    /// `hostname`: Docker's DNS answers it on networks of the user.
    pub hostname: Option<String>,
    /// `links`.
    pub links: Vec<Link>,
    /// `external_links`: `(container, alias)`.
    pub external_links: Vec<(String, String)>,
    /// `depends_on`, with what compose implies (`links`, `volumes_from`, a shared namespace) and where that comes from.
    pub depends_on: BTreeMap<String, DependsOn>,
    /// `ports`, ranges expanded.
    pub ports: Vec<Port>,
    /// `expose`, ranges expanded.
    pub expose: Vec<Expose>,
    /// The networks it joins, by key (`default` where none is named); empty with `network_mode`.
    pub networks: BTreeMap<String, ServiceNetwork>,
    /// `network_mode`.
    pub network_mode: Option<NetworkMode>,
    /// `extra_hosts`: host name → addresses.
    pub extra_hosts: BTreeMap<String, Vec<String>>,
    /// `healthcheck`.
    pub healthcheck: Option<Healthcheck>,
    /// `profiles`.
    pub profiles: Vec<String>,
    /// `deploy.replicas` or `scale`.
    pub replicas: Option<u32>,
    /// `restart`.
    pub restart: Option<String>,
    /// `deploy.restart_policy.condition`.
    pub restart_condition: Option<String>,
    /// `deploy.endpoint_mode`.
    pub endpoint_mode: Option<String>,
    /// Files that the container sees: bind mounts and `configs` whose text could be read. Secrets stand apart.
    pub mounts: Vec<MountedFile>,
    /// The files of its secrets, which count only where a variable (`…_FILE`) names one of them. Never shown.
    pub secrets: Vec<MountedFile>,
    /// Whether it mounts the docker socket (discovery that cannot work in Kubernetes).
    pub docker_socket: bool,
    /// `labels`.
    pub labels: BTreeMap<String, String>,
    /// `provider`: an external program runs it; there is no container and no network.
    pub provider: bool,
    /// `dns_search`, if set.
    pub dns_search: Vec<String>,
}

/// A value of `environment` or `env_file` with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentValue {
    /// The value, interpolated.
    pub value: String,
    /// Where it was written.
    pub location: Location,
    /// Whether it came from an `env_file`.
    pub from_env_file: bool,
}

/// `build`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// The context, from where the user stands.
    pub context: Option<String>,
    /// What could be read from the Dockerfile: ports of `EXPOSE` and values of `ENV`.
    pub exposed: Vec<Expose>,
    /// `ENV` of the last stage.
    pub environment: BTreeMap<String, String>,
    /// `ENTRYPOINT` of the last stage.
    pub entrypoint: Vec<String>,
    /// `CMD` of the last stage.
    pub command: Vec<String>,
    /// Image of the last `FROM`, if it is no earlier stage.
    pub base_image: Option<String>,
    /// Configuration files: those that the Dockerfile copies to a place of configuration, and beside it those of well-known names.
    pub files: Vec<MountedFile>,
    /// `args` of the compose file.
    pub arguments: BTreeMap<String, String>,
    /// What the last stage copies from the context.
    pub copies: Vec<Copied>,
    /// What earlier stages copy from it, out of which the last one copies.
    pub built_from: Vec<Copied>,
}

/// One `COPY` or `ADD` of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Paths in the context; empty for a text that stands in the Dockerfile itself.
    pub sources: Vec<String>,
    /// Where it lies in the image.
    pub target: String,
    /// The text of a here-document.
    pub text: Option<String>,
}

/// One of `links`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The linked service.
    pub service: String,
    /// The alias under which the linking container sees it.
    pub alias: String,
}

/// One of `depends_on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependsOn {
    /// `service_started`, `service_healthy` or `service_completed_successfully`.
    pub condition: String,
    /// `required`, true by default.
    pub required: bool,
    /// `restart`.
    pub restart: bool,
    /// Which key implied it where `depends_on` itself does not name it: `links`, `volumes_from`, `network_mode` …
    pub implied_by: Option<String>,
}

/// One port of `ports` after expansion of ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The container's port.
    pub target: u16,
    /// The published port or range, as text; empty: none given.
    pub published: Option<String>,
    /// The host address.
    pub host_ip: Option<String>,
    /// `tcp`, `udp` or `sctp`.
    pub transport: String,
    /// `mode`: `ingress` or `host`.
    pub mode: String,
    /// `app_protocol`.
    pub app_protocol: Option<String>,
    /// `name`.
    pub name: Option<String>,
}

/// One port of `expose`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expose {
    /// The container's port.
    pub port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub transport: String,
}

/// How a service joins a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceNetwork {
    /// `aliases`.
    pub aliases: Vec<String>,
    /// `ipv4_address`.
    pub ipv4_address: Option<String>,
    /// `ipv6_address`.
    pub ipv6_address: Option<String>,
}

/// `network_mode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// `host`.
    Host,
    /// `none`.
    None,
    /// `bridge` and others that compose passes on.
    Other(String),
    /// `service:NAME`.
    Service(String),
    /// `container:NAME`.
    Container(String),
}

/// A top-level network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// `name` or `<project>_<key>`.
    pub name: String,
    /// `internal`.
    pub internal: bool,
    /// `external`.
    pub external: bool,
}

/// `healthcheck`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `test` in compose's normal form: `["CMD", …]`, `["CMD-SHELL", "…"]`, `["NONE"]`; empty where only timings are set.
    pub test: Vec<String>,
    /// `disable`.
    pub disable: bool,
    /// `interval`, as written.
    pub interval: Option<String>,
    /// `timeout`, as written.
    pub timeout: Option<String>,
    /// `retries`.
    pub retries: Option<u64>,
    /// `start_period`, as written.
    pub start_period: Option<String>,
    /// `start_interval`, as written.
    pub start_interval: Option<String>,
}

/// A text file that a container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedFile {
    /// Its path inside the container.
    pub target: String,
    /// Its path on the host, or `configs.NAME`.
    pub source: String,
    /// Whether it is mounted by itself, not with the folder around it.
    pub direct: bool,
    /// The text, at most 256 KiB.
    pub text: String,
}

impl Service {
    /// Whether the service ends on its own (a migration, a seeder): no running Pod of it is waited for.
    pub fn is_one_shot(&self) -> bool {
        let ends = |value: &Option<String>| {
            value.as_deref().is_some_and(|text| {
                matches!(text.split(':').next(), Some("no" | "on-failure" | "none"))
            })
        };
        ends(&self.restart_condition) || (self.restart_condition.is_none() && ends(&self.restart))
    }
}
