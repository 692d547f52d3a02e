//! Folders whose files become manifests only when a program renders them: kustomizations and charts. Pure.

use std::path::{Path, PathBuf};

/// How a folder is rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendered {
    folder: PathBuf,
    chart: bool,
}

impl Rendered {
    /// The folder, if a file of that name in it says so.
    pub(super) fn by_file(folder: &Path, name: &str) -> Option<Self> {
        let chart = match name {
            "Chart.yaml" => true,
            "kustomization.yaml" | "kustomization.yml" | "Kustomization" => false,
            _ => return None,
        };
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        Some(Self {
            folder: folder.to_owned(),
            chart,
        })
    }

    /// What it is, and the command that renders it.
    pub(super) fn advice(&self) -> String {
        let folder = self.folder.display();
        let (what, command) = if self.chart {
            ("a Helm chart", "helm template")
        } else {
            ("a kustomization", "kubectl kustomize")
        };
        format!(
            "{folder} is {what}, whose files are no manifests before they are rendered: {command} {folder} | k8sverify check --manifests -"
        )
    }
}

/// What to do about a text that is no YAML since it is a template.
pub(super) fn template_advice(text: &str) -> &'static str {
    if text.contains("{{") {
        "; it holds `{{`, as a template does: render it (helm template CHART | k8sverify check --manifests -)"
    } else {
        ""
    }
}
