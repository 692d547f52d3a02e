//! A scenario's directory: what was recorded from a cluster, what answers in its network, what is expected. IO: reads the files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::clock::Clock;
use crate::faults::Fault;
use crate::kinds;
use crate::store::{Store, list, text};

/// Why a scenario cannot be played.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// A file is missing or unreadable.
    #[error("failed to read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file does not say what it must.
    #[error("{}: {what}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// An entry of `network.yaml` makes no sense.
    #[error("network.yaml: {place}: {what}")]
    Network {
        /// The entry.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// No port, no file descriptor, no temporary folder.
    #[error("failed to start the sandbox: {0}")]
    Start(#[from] io::Error),
}

/// `network.yaml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkFile {
    /// `ADDRESS:PORT` or `KIND/NAME:PORT` → what answers there.
    pub answers: BTreeMap<String, String>,
    /// What becomes of a port of a Service's address that the Service does not have.
    pub unserved: Unserved,
    /// What Secrets hold: name → key → value. A recording has none.
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// Faults of the API.
    pub faults: Vec<Fault>,
}

/// What becomes of a port of a Service's address that the Service does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unserved {
    /// Nothing comes back.
    #[default]
    Drop,
    /// Refused.
    Refuse,
}

/// `expected.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expected {
    /// The exit code.
    pub exit_code: i32,
    /// The first finding's id; `None`: there is no error.
    pub first: Option<String>,
    /// Edge → status.
    pub edges: BTreeMap<String, String>,
    /// What must not stand in any output.
    pub secrets: Vec<String>,
    /// More arguments of k8sverify.
    pub arguments: Vec<String>,
}

/// `cluster/recorded.json`: when and where it was recorded.
#[derive(Debug, Clone, Deserialize)]
pub struct Recorded {
    /// The moment.
    pub at: Timestamp,
    /// The namespace that is verified.
    pub namespace: String,
    /// What `/version` says.
    pub version: Value,
}

/// A scenario, read.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its directory.
    pub folder: PathBuf,
    /// When and where it was recorded.
    pub recorded: Recorded,
    /// Its network.
    pub network: NetworkFile,
    /// The recorded lists.
    lists: Vec<(PathBuf, Value)>,
}

impl Scenario {
    /// Reads a directory.
    ///
    /// # Errors
    /// A file is missing or says something else.
    pub fn read(folder: &Path) -> Result<Self, ScenarioError> {
        let cluster = folder.join("cluster");
        let mut lists = Vec::new();
        for path in files(&cluster)? {
            if path.file_name().is_some_and(|name| name != "recorded.json") {
                let list = yaml(&path)?;
                lists.push((path, list));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            recorded: yaml(&cluster.join("recorded.json"))?,
            network: yaml(&folder.join("network.yaml"))?,
            lists,
        })
    }

    /// The scenario's compose file.
    #[must_use]
    pub fn compose(&self) -> PathBuf {
        self.folder.join("compose.yaml")
    }

    /// What is expected of k8sverify.
    ///
    /// # Errors
    /// The file is missing or says something else.
    pub fn expected(&self) -> Result<Expected, ScenarioError> {
        yaml(&self.folder.join("expected.yaml"))
    }

    /// The recorded objects.
    pub(crate) fn store(&self, clock: Clock) -> Result<Store, ScenarioError> {
        let store = Store::new(clock);
        for (path, recorded) in &self.lists {
            let wrong = |what: String| ScenarioError::Parse {
                path: path.clone(),
                what,
            };
            let kind = text(recorded, "/kind");
            let of = kind.strip_suffix("List").unwrap_or(kind);
            let version = text(recorded, "/apiVersion");
            let known = kinds::of_object(version, of).ok_or_else(|| {
                wrong(format!(
                    "{version} {kind} is nothing that the sandbox serves"
                ))
            })?;
            for item in list(recorded, "/items") {
                if text(item, "/metadata/name").is_empty() {
                    return Err(wrong("an item without a name".to_owned()));
                }
                store.put(known, item.clone());
            }
        }
        Ok(store)
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, ScenarioError> {
    let failed = |error| ScenarioError::Read {
        path: folder.to_owned(),
        error,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// YAML, and so JSON.
fn yaml<T: DeserializeOwned>(path: &Path) -> Result<T, ScenarioError> {
    let read = std::fs::read_to_string(path).map_err(|error| ScenarioError::Read {
        path: path.to_owned(),
        error,
    })?;
    let wrong = |what: String| ScenarioError::Parse {
        path: path.to_owned(),
        what,
    };
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return serde_json::from_str(&read).map_err(|error| wrong(error.to_string()));
    }
    serde_saphyr::from_str(&read).map_err(|error| wrong(error.to_string()))
}
