//! A sandbox for k8sverify: replays a recorded cluster on loopback. It is not a second Kubernetes.
//!
//! In: a scenario's directory. Out: an API server, a network table, and the processes of probe Jobs. Everything listens on free
//! ports of 127.0.0.1 and ends when the [`Sandbox`] is dropped.
#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")
)]

mod api;
mod clock;
mod controller;
mod faults;
mod kinds;
mod kubectl;
mod merge;
mod network;
mod pods;
mod scenario;
mod selector;
mod store;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use clock::Clock;
use faults::Faults;
use kinds::Resource;
use network::Network;
use pods::Kubelet;
use store::Store;

pub use faults::{Fault, How};
pub use pods::Program;
pub use scenario::{
    DnsFile, DnsMode, Expected, From, NetworkFile, ProbePods, Recorded, Scenario, ScenarioError,
    Unserved,
};

/// A request that the API server got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `POST /apis/batch/v1/namespaces/shop/jobs`.
    pub line: String,
    /// Its body.
    pub body: String,
}

/// Everything that the parts share.
struct World {
    clock: Clock,
    version: Value,
    store: Arc<Store>,
    kubelet: Arc<Kubelet>,
    faults: Faults,
    /// What the application's containers wrote.
    logs: BTreeMap<String, String>,
    /// Resources that the scenario names beyond those of every cluster.
    serves: Vec<String>,
    /// Jobs and their Pods that were there before.
    before: BTreeSet<String>,
    requests: Mutex<Vec<Seen>>,
}

impl World {
    fn note(&self, parts: &Parts, body: &[u8]) {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Seen {
                line: format!("{} {}", parts.method, parts.uri),
                body: String::from_utf8_lossy(body).into_owned(),
            });
    }

    /// Whether the API has that resource.
    fn serves(&self, kind: &Resource) -> bool {
        kind.everywhere() || self.serves.contains(&kind.qualified()) || self.store.has(kind)
    }

    /// The names of all Jobs, and of the Pods that belong to one.
    fn jobs_and_pods(store: &Store) -> Vec<String> {
        let named = |kind: &'static str| {
            let (items, _) = store.list(kinds::of(kind), None);
            items
                .into_iter()
                .filter(move |item| {
                    kind == "jobs" || !item["metadata"]["labels"]["job-name"].is_null()
                })
                .map(move |item| format!("{kind}/{}", store::text(&item, "/metadata/name")))
        };
        named("jobs").chain(named("pods")).collect()
    }
}

/// A running sandbox; everything ends when it is dropped.
pub struct Sandbox {
    world: Arc<World>,
    folder: tempfile::TempDir,
    server: String,
    namespace: String,
    _serving: JoinSet<()>,
}

impl Sandbox {
    /// Starts one. Probe Jobs run `program`.
    ///
    /// # Errors
    /// The scenario makes no sense, or no port is free.
    pub async fn start(scenario: &Scenario, program: Program) -> Result<Self, ScenarioError> {
        let clock = Clock::from(scenario.recorded.at);
        let store = Arc::new(scenario.store(clock)?);
        let namespace = scenario.recorded.namespace.clone();
        let network = Network::start(&scenario.network, &namespace, Arc::clone(&store)).await?;
        let kubelet = Kubelet::new(
            Arc::clone(&store),
            clock,
            program,
            network,
            scenario.network.clone(),
        );
        let folder = tempfile::Builder::new()
            .prefix("k8sverify-sandbox-")
            .tempdir()?;
        let world = Arc::new(World {
            clock,
            version: scenario.recorded.version.clone(),
            logs: scenario.network.logs.clone(),
            serves: scenario.network.serves.clone(),
            before: World::jobs_and_pods(&store).into_iter().collect(),
            store,
            kubelet: Arc::new(kubelet),
            faults: Faults::new(scenario.network.faults.clone()),
            requests: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let server = format!("http://{}", listener.local_addr()?);
        std::fs::write(
            folder.path().join("kubeconfig"),
            kubeconfig(&server, &namespace).to_string(),
        )?;
        let mut serving = JoinSet::new();
        serving.spawn(api::serve(listener, Arc::clone(&world)));
        Ok(Self {
            world,
            folder,
            server,
            namespace,
            _serving: serving,
        })
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace that is verified.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A kubeconfig that leads here.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The arguments with which k8sverify verifies that scenario here.
    #[must_use]
    pub fn arguments(&self, scenario: &Scenario) -> Vec<String> {
        let mut arguments = vec![
            "--kubeconfig".to_owned(),
            self.kubeconfig().display().to_string(),
        ];
        for path in &scenario.compose {
            arguments.extend(["--compose".to_owned(), path.display().to_string()]);
        }
        if let Some(path) = &scenario.config {
            arguments.extend(["--config".to_owned(), path.display().to_string()]);
        }
        arguments
    }

    /// Adds a fault of the API.
    pub fn fault(&self, fault: Fault) {
        self.world.faults.add(fault);
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.world
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What every agent wrote so far.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        self.world.kubelet.written()
    }

    /// Waits until a request whose line contains `text` has come.
    pub async fn request(&self, text: &str) {
        let mut versions = self.world.store.versions();
        while !self.requests().iter().any(|seen| seen.line.contains(text)) {
            // A request that changes nothing wakes no one: look again soon.
            let soon = std::time::Duration::from_millis(10);
            let _ = tokio::time::timeout(soon, versions.changed()).await;
        }
    }

    /// The names of all Jobs and of their Pods that were made since the start and are still there.
    #[must_use]
    pub fn left_over(&self) -> Vec<String> {
        let mut names = World::jobs_and_pods(&self.world.store);
        names.retain(|name| !self.world.before.contains(name));
        names
    }

    /// Creates objects, or merges them into those of the same name, as `kubectl apply` would.
    ///
    /// # Errors
    /// What is no YAML of objects that the sandbox serves.
    pub fn apply(&self, manifest: &str) -> Result<(), ScenarioError> {
        let wrong = |what: String| ScenarioError::Parse {
            path: PathBuf::from("manifest"),
            what,
        };
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(manifest).map_err(|error| wrong(error.to_string()))?;
        let store = &self.world.store;
        for mut document in documents {
            let (version, kind) = (
                store::text(&document, "/apiVersion"),
                store::text(&document, "/kind"),
            );
            let known = kinds::of_object(version, kind).ok_or_else(|| {
                wrong(format!(
                    "`{version} {kind}` is nothing that the sandbox serves"
                ))
            })?;
            if document["metadata"]["namespace"].is_null() && known.namespaced {
                document["metadata"]["namespace"] = json!(self.namespace);
            }
            if known.plural == "services" {
                controller::create_service(store, document);
                continue;
            }
            let namespace = store::text(&document, "/metadata/namespace").to_owned();
            let name = store::text(&document, "/metadata/name").to_owned();
            let object = match store.get(known, &namespace, &name) {
                Some(mut there) => {
                    merge::edit(&mut there, document);
                    there
                }
                None => document,
            };
            store.put(known, object);
        }
        controller::look_again(store, &BTreeSet::new());
        Ok(())
    }

    /// Carries out a command that a finding prints (`kubectl …`), as a person would. Whether it changed anything.
    ///
    /// # Errors
    /// What the sandbox does not know, or an object that is not there.
    pub fn kubectl(&self, line: &str) -> Result<bool, ScenarioError> {
        let store = &self.world.store;
        let changed =
            kubectl::run(store, &self.namespace, line).map_err(|what| ScenarioError::Parse {
                path: PathBuf::from("command"),
                what,
            })?;
        controller::look_again(store, &BTreeSet::new());
        Ok(changed)
    }
}

fn kubeconfig(server: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sandbox",
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox", "namespace": namespace}}],
        "clusters": [{"name": "sandbox", "cluster": {"server": server}}],
        "users": [{"name": "sandbox", "user": {}}],
    })
}
