//! Small applications for the tests of this stage: compose text and manifests from `tests/fixtures/graph`, with edits.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::catalog::Catalog;
use crate::compose::memory::MemoryFiles;
use crate::compose::{self, ComposeFile, LoadOptions};
use crate::config::{self, Config};
use crate::graph::{Edge, TierGraph, build};
use crate::observe::{self, Snapshot};

/// The run's namespace of every test.
pub(super) const NAMESPACE: &str = "shop";

/// One application, as text.
pub(super) struct App {
    pub(super) compose: String,
    pub(super) manifests: String,
    pub(super) config: String,
}

impl App {
    /// The application of that folder.
    pub(super) fn of(compose: &str, manifests: &str) -> Self {
        Self {
            compose: compose.to_owned(),
            manifests: manifests.to_owned(),
            config: String::new(),
        }
    }

    /// Replaces text of the manifests; it must be there, once.
    pub(super) fn deploy(mut self, from: &str, to: &str) -> Self {
        assert_eq!(self.manifests.matches(from).count(), 1, "{from}");
        self.manifests = self.manifests.replace(from, to);
        self
    }

    /// Replaces text of the compose file; it must be there, once.
    pub(super) fn compose(mut self, from: &str, to: &str) -> Self {
        assert_eq!(self.compose.matches(from).count(), 1, "{from}");
        self.compose = self.compose.replace(from, to);
        self
    }

    /// One more manifest.
    pub(super) fn add(mut self, manifest: &str) -> Self {
        self.manifests.push_str("\n---\n");
        self.manifests.push_str(manifest);
        self
    }

    /// One manifest less, by kind, name and namespace.
    pub(super) fn delete(mut self, kind: &str, name: &str) -> Self {
        let all: Vec<&str> = self.manifests.split("\n---\n").collect();
        let kept: Vec<&str> = all
            .iter()
            .copied()
            .filter(|text| {
                let value: Value = serde_saphyr::from_str(text).unwrap();
                value["kind"] != kind
                    || value["metadata"]["name"] != name
                    || !value["metadata"]["namespace"].is_null()
            })
            .collect();
        assert_eq!(kept.len() + 1, all.len(), "{kind}/{name}");
        self.manifests = kept.join("\n---\n");
        self
    }

    /// The user's own file.
    pub(super) fn config(mut self, text: &str) -> Self {
        text.clone_into(&mut self.config);
        self
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        snapshot(&self.manifests)
    }

    pub(super) fn file(&self) -> ComposeFile {
        let options = LoadOptions {
            files: vec![PathBuf::from("/app/compose.yaml")],
            working_directory: PathBuf::from("/app"),
            without_env_files: true,
            ..LoadOptions::default()
        };
        let files = MemoryFiles::new(&[("/app/compose.yaml", &self.compose)]);
        compose::load(&options, &files).unwrap()
    }

    fn user(&self) -> Config {
        config::parse(&self.config, "k8sverify.yaml").unwrap()
    }

    pub(super) fn graph(&self) -> TierGraph {
        build(
            Some(&self.file()),
            &self.snapshot(),
            &self.user(),
            &Catalog::embedded(),
        )
    }

    /// The graph without the compose file.
    pub(super) fn alone(&self) -> TierGraph {
        build(None, &self.snapshot(), &self.user(), &Catalog::embedded())
    }
}

/// Manifests as a snapshot.
pub(super) fn snapshot(manifests: &str) -> Snapshot {
    observe::fixture::snapshot(NAMESPACE, manifests)
}

/// Edges as `ID host`.
pub(super) fn shown(graph: &TierGraph) -> Vec<String> {
    graph
        .edges
        .iter()
        .map(|edge| format!("{} {}", edge.id, edge.host))
        .collect()
}

/// The edge of that id.
pub(super) fn edge<'a>(graph: &'a TierGraph, id: &str) -> &'a Edge {
    let by_id: BTreeMap<&str, &Edge> = graph
        .edges
        .iter()
        .map(|edge| (edge.id.0.as_str(), edge))
        .collect();
    by_id
        .get(id)
        .unwrap_or_else(|| panic!("no {id} among {:?}", by_id.keys()))
}

/// The names of an edge's login variables.
pub(super) fn login(edge: &Edge) -> Vec<&str> {
    edge.login
        .as_ref()
        .map(crate::address::LoginReference::variables)
        .unwrap_or_default()
}

/// The story's application.
pub(super) fn story() -> App {
    App::of(
        include_str!("../../tests/fixtures/graph/story/compose.yaml"),
        include_str!("../../tests/fixtures/graph/story/k8s.yaml"),
    )
}

/// A proxy, an API and three stores, configured by ConfigMaps and a Secret.
pub(super) fn stores() -> App {
    App::of(
        include_str!("../../tests/fixtures/graph/stores/compose.yaml"),
        include_str!("../../tests/fixtures/graph/stores/k8s.yaml"),
    )
}

/// What kompose makes of names with `_`.
pub(super) fn converted() -> App {
    App::of(
        include_str!("../../tests/fixtures/graph/converted/compose.yaml"),
        include_str!("../../tests/fixtures/graph/converted/k8s.yaml"),
    )
}

/// The stores in a namespace of their own.
pub(super) fn two_namespaces() -> App {
    App::of(
        include_str!("../../tests/fixtures/graph/two-namespaces/compose.yaml"),
        include_str!("../../tests/fixtures/graph/two-namespaces/k8s.yaml"),
    )
}
