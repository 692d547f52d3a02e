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
mod network;
mod pods;
mod scenario;
mod selector;
mod store;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use clock::Clock;
use faults::Faults;
use network::Network;
use pods::Kubelet;
use store::Store;

pub use faults::{Fault, How};
pub use pods::Program;
pub use scenario::{Expected, NetworkFile, Recorded, Scenario, ScenarioError, Unserved};

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
    network: Network,
    kubelet: Arc<Kubelet>,
    faults: Faults,
    table: PathBuf,
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

    /// The table follows the Services; a run reads it when it begins.
    fn write_table(&self) {
        // The folder is the sandbox's own; where it is gone, nobody reads the table any more.
        let _ = std::fs::write(&self.table, self.network.table().to_string());
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
            scenario.network.secrets.clone(),
        );
        let folder = tempfile::Builder::new()
            .prefix("k8sverify-sandbox-")
            .tempdir()?;
        let world = Arc::new(World {
            clock,
            version: scenario.recorded.version.clone(),
            store,
            network,
            kubelet: Arc::new(kubelet),
            faults: Faults::new(scenario.network.faults.clone()),
            table: folder.path().join("network-table.json"),
            requests: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let server = format!("http://{}", listener.local_addr()?);
        world.write_table();
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

    /// The network table of now.
    #[must_use]
    pub fn network_table(&self) -> &Path {
        &self.world.table
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

    /// Waits until a request whose line contains `text` has come.
    pub async fn request(&self, text: &str) {
        let mut versions = self.world.store.versions();
        while !self.requests().iter().any(|seen| seen.line.contains(text)) {
            // A request that changes nothing wakes nobody: look again soon.
            let soon = std::time::Duration::from_millis(10);
            let _ = tokio::time::timeout(soon, versions.changed()).await;
        }
    }

    /// The names of all Jobs, and of the Pods that belong to one.
    #[must_use]
    pub fn left_over(&self) -> Vec<String> {
        let named = |kind: &'static str| {
            let (items, _) = self.world.store.list(kinds::of(kind), None);
            items
                .into_iter()
                .filter(move |item| {
                    kind == "jobs" || !item["metadata"]["labels"]["job-name"].is_null()
                })
                .map(move |item| format!("{kind}/{}", store::text(&item, "/metadata/name")))
        };
        named("jobs").chain(named("pods")).collect()
    }

    /// Creates a Service, as `kubectl apply` would.
    ///
    /// # Errors
    /// What is no YAML of a Service.
    pub fn apply(&self, manifest: &str) -> Result<(), ScenarioError> {
        let wrong = |what: String| ScenarioError::Parse {
            path: PathBuf::from("manifest"),
            what,
        };
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(manifest).map_err(|error| wrong(error.to_string()))?;
        for mut document in documents {
            if document["kind"] != "Service" {
                return Err(wrong("only Services are created".to_owned()));
            }
            if document["metadata"]["namespace"].is_null() {
                document["metadata"]["namespace"] = json!(self.namespace);
            }
            controller::create_service(&self.world.store, document);
        }
        self.world.write_table();
        Ok(())
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
