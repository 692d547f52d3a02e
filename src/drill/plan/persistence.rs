//! Whether a member's data outlives its Pod: the volume that its data directory stands on. Pure.

use crate::drill::model::Engine;
use crate::observe::kinds::{Container, Pod, Volume, VolumeClaim};

/// Where the data directory is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persistence {
    /// On a claim: it outlives the Pod.
    Claim {
        /// The claim's name.
        name: String,
    },
    /// On the node: it outlives the Pod only if the next one runs there too.
    Node,
    /// On a volume that goes with the Pod.
    WithPod,
    /// In the container: it goes with it.
    Container,
}

impl Persistence {
    /// Whether the data outlives the Pod for sure.
    pub const fn survives(&self) -> bool {
        matches!(self, Self::Claim { .. })
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Claim { name } => format!("PVC {name}"),
            Self::Node => "a path of its node".to_owned(),
            Self::WithPod => "a volume that goes with the Pod".to_owned(),
            Self::Container => "no volume".to_owned(),
        }
    }
}

/// Data directories of an engine's images.
const fn folders(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Mysql => &[
            "/var/lib/mysql",
            "/bitnami/mysql",
            "/bitnami/mariadb",
            "/vt/vtdataroot",
        ],
        Engine::Postgres => &[
            "/var/lib/postgresql",
            "/bitnami/postgresql",
            "/pgdata",
            "/home/postgres/pgdata",
        ],
        Engine::Redis => &["/data", "/bitnami/redis", "/bitnami/valkey"],
    }
}

/// Options and variables that move the data directory.
const MOVERS: [&str; 4] = ["--datadir=", "PGDATA", "MYSQL_DATADIR", "--dir="];

/// Where the data of a Pod is.
pub(super) fn of(engine: Engine, pod: &Pod) -> Persistence {
    let mut best = Persistence::Container;
    for container in &pod.spec.containers {
        let said = said(container);
        for mount in &container.volume_mounts {
            let path = mount.mount_path.trim_end_matches('/');
            let holds = |folder: &str| is_within(folder, path) || is_within(path, folder);
            let is_data = match &said {
                Some(folder) => is_within(folder, path),
                None => folders(engine).iter().any(|folder| holds(folder)),
            };
            if !is_data {
                continue;
            }
            let volume = pod
                .spec
                .volumes
                .iter()
                .find(|volume| volume.name == mount.name);
            best = best.min(volume.map_or(Persistence::WithPod, of_volume));
        }
    }
    best
}

fn of_volume(volume: &Volume) -> Persistence {
    match (&volume.persistent_volume_claim, &volume.host_path) {
        (Some(claim), _) => Persistence::Claim {
            name: claim.claim_name.clone(),
        },
        (None, Some(_)) => Persistence::Node,
        (None, None) => Persistence::WithPod,
    }
}

/// The data directory that the container names itself.
fn said(container: &Container) -> Option<String> {
    let option = container
        .words()
        .flat_map(str::split_whitespace)
        .find_map(|word| {
            MOVERS
                .iter()
                .filter(|mover| mover.starts_with('-'))
                .find_map(|mover| word.strip_prefix(mover))
        });
    let variable = || {
        container
            .env
            .iter()
            .find(|variable| MOVERS.contains(&variable.name.as_str()))
            .and_then(|variable| variable.value.as_deref())
    };
    option
        .or_else(variable)
        .map(|path| path.trim_end_matches('/').to_owned())
        .filter(|path| path.starts_with('/'))
}

/// Claims of the members that stay when the candidate is removed: nothing owns them.
pub(super) fn left_behind(pods: &[&Pod], claims: &[VolumeClaim]) -> Vec<String> {
    let mut names: Vec<&str> = pods
        .iter()
        .flat_map(|pod| &pod.spec.volumes)
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .map(|claim| claim.claim_name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let known = |name: &str| claims.iter().find(|claim| claim.metadata.name == name);
    names
        .into_iter()
        .filter_map(known)
        .filter(|claim| claim.metadata.owner_references.is_empty())
        .map(|claim| {
            let name = &claim.metadata.name;
            match (claim.status.phase.as_str(), claim.spec.volume_name.as_str()) {
                ("Lost", _) => format!("PVC {name}, whose volume is gone"),
                (_, "") => format!("PVC {name}"),
                (_, volume) => format!("PVC {name} (PV {volume})"),
            }
        })
        .collect()
}

/// Whether `path` is `folder` or lies in it.
fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
