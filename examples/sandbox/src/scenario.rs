//! A scenario's directory: a recorded cluster or another scenario with edits, what answers in its network, what is expected.
//! IO: reads the files.

mod edits;
mod expected;
mod network;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::clock::Clock;
use crate::kinds;
use crate::merge;
use crate::store::{Store, list, text};
use edits::Edit;

pub use expected::Expected;
pub use network::{DnsFile, DnsMode, From, NetworkFile, ProbePods, Unserved};

/// No chain of scenarios is longer; a circle ends here.
const DEEPEST: usize = 8;

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
    /// An entry of the network makes no sense.
    #[error("network: {place}: {what}")]
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

/// `scenario.yaml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    /// What the scenario shows, in a sentence.
    about: String,
    /// The scenario that this one changes; without it: `cluster/` of this directory.
    base: Option<PathBuf>,
    /// What is different, in order.
    edits: Vec<Edit>,
    /// Merged into the base's.
    network: Value,
    /// Whether the user has no compose file, whatever the base has.
    without_compose: bool,
    /// What is expected; nothing is taken from the base.
    expect: Option<Expected>,
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
    /// What it shows.
    pub about: String,
    /// When and where its cluster was recorded.
    pub recorded: Recorded,
    /// Its network.
    pub network: NetworkFile,
    /// What is expected of k8sverify; `None`: it is only a base of others.
    pub expected: Option<Expected>,
    /// Its compose files, as `--compose` takes them.
    pub compose: Vec<PathBuf>,
    /// The user's file, if there is one.
    pub config: Option<PathBuf>,
    /// The recorded lists.
    lists: Vec<(PathBuf, Value)>,
    /// What is done to them, and which file says so.
    edits: Vec<(PathBuf, Edit)>,
    /// The network as it is merged into.
    raw_network: Value,
}

impl Scenario {
    /// Reads a directory.
    ///
    /// # Errors
    /// A file is missing or says something else.
    pub fn read(folder: &Path) -> Result<Self, ScenarioError> {
        Self::read_at(folder, 0)
    }

    fn read_at(folder: &Path, depth: usize) -> Result<Self, ScenarioError> {
        let path = folder.join("scenario.yaml");
        let wrong = |what: String| ScenarioError::Parse {
            path: path.clone(),
            what,
        };
        if depth > DEEPEST {
            return Err(wrong("its bases form a circle".to_owned()));
        }
        let file: File = yaml(&path)?;
        let mut scenario = match &file.base {
            Some(base) => Self::read_at(&folder.join(base), depth + 1)?,
            None => Self::recorded(folder)?,
        };
        folder.clone_into(&mut scenario.folder);
        scenario.about = file.about;
        scenario.expected = file.expect;
        for edit in file.edits {
            edit.check().map_err(wrong)?;
            scenario.edits.push((path.clone(), edit));
        }
        let inherited = scenario.network.answers.keys().cloned();
        let own = &file.network["answers"];
        let inherited: BTreeSet<String> = inherited.filter(|place| own[place].is_null()).collect();
        if !file.network.is_null() {
            merge::patch(&mut scenario.raw_network, file.network);
        }
        scenario.network = serde_json::from_value(scenario.raw_network.clone())
            .map_err(|error| wrong(format!("network: {error}")))?;
        scenario.network.inherited = inherited;
        scenario.files();
        if file.without_compose {
            scenario.compose.clear();
        }
        Ok(scenario)
    }

    /// What the user has: a directory's own files go before those of its base.
    fn files(&mut self) {
        let own = |name: &str| Some(self.folder.join(name)).filter(|path| path.is_file());
        let (compose, more) = (own("compose.yaml"), own("compose.override.yaml"));
        let config = own("k8sverify.yaml");
        if let Some(compose) = compose {
            self.compose = vec![compose];
        }
        self.compose.extend(more);
        self.config = config.or(self.config.take());
    }

    fn recorded(folder: &Path) -> Result<Self, ScenarioError> {
        let (recorded, lists) = recording(&folder.join("cluster"))?;
        Ok(Self {
            folder: folder.to_owned(),
            about: String::new(),
            recorded,
            network: NetworkFile::default(),
            expected: None,
            compose: Vec::new(),
            config: None,
            lists,
            edits: Vec::new(),
            raw_network: Value::Object(serde_json::Map::new()),
        })
    }

    /// The same scenario on another recording of its cluster: that one is as it was deployed, so nothing is edited.
    ///
    /// # Errors
    /// A file is missing or says something else.
    pub fn on(self, cluster: &Path) -> Result<Self, ScenarioError> {
        let (recorded, lists) = recording(cluster)?;
        Ok(Self {
            recorded,
            lists,
            edits: Vec::new(),
            ..self
        })
    }

    /// The objects: as they were recorded, then edited.
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
        edits::apply(&store, &self.recorded, &self.edits)?;
        Ok(store)
    }
}

/// When and where it was recorded, and the lists with their files.
fn recording(cluster: &Path) -> Result<(Recorded, Vec<(PathBuf, Value)>), ScenarioError> {
    let mut lists = Vec::new();
    for path in files(cluster)? {
        if path.file_name().is_some_and(|name| name != "recorded.json") {
            let list = yaml(&path)?;
            lists.push((path, list));
        }
    }
    Ok((yaml(&cluster.join("recorded.json"))?, lists))
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
