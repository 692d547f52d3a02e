//! A file or folder of manifests → an offline [`Snapshot`]: what `kubectl apply` would be given, without any status. Pure: files are read through [`Files`].

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{NamespaceState, ObserveError, Observed, Snapshot};
use crate::compose::Files;

/// Endings of manifest files.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// Folders within folders.
const DEEPEST: usize = 8;

/// Reads every manifest below `path`. Objects without a namespace are in `namespace`; kinds that no rule looks at are passed over, Secrets are never kept.
///
/// # Errors
/// [`ObserveError::Manifest`] with file and line for what cannot be read, is no YAML, or is no Kubernetes object.
pub fn from_manifests(
    files: &dyn Files,
    path: &Path,
    namespace: &str,
) -> Result<Snapshot, ObserveError> {
    let mut snapshot = Snapshot {
        namespace: namespace.to_owned(),
        offline: true,
        ..Snapshot::default()
    };
    snapshot
        .namespaces
        .insert(namespace.to_owned(), NamespaceState::default());
    let found = manifest_files(files, path)?;
    for file in &found {
        let text = files
            .read(file)
            .map_err(|error| wrong(file, 0, format!("cannot be read: {error}")))?;
        for (line, document) in documents(&text) {
            let value: Option<Value> = serde_saphyr::from_str(document).map_err(|error| {
                let at = error
                    .location()
                    .map_or(0, |place| usize::try_from(place.line()).unwrap_or(0));
                wrong(
                    file,
                    line + at.saturating_sub(1),
                    format!("is no YAML: {error}"),
                )
            })?;
            match value {
                None | Some(Value::Null) => {}
                Some(value) => take(&mut snapshot, file, line, value)?,
            }
        }
    }
    for resource in [
        "pods",
        "services",
        "deployments",
        "statefulsets",
        "daemonsets",
        "jobs",
        "cronjobs",
        "networkpolicies",
        "ingresses",
        "configmaps",
        "persistentvolumeclaims",
    ] {
        snapshot.observed.insert(resource.to_owned(), Observed::Ok);
    }
    for resource in ["events", "nodes", "endpointslices"] {
        snapshot
            .observed
            .insert(resource.to_owned(), Observed::Absent);
    }
    Ok(snapshot)
}

fn wrong(file: &Path, line: usize, what: String) -> ObserveError {
    ObserveError::Manifest {
        file: file.to_owned(),
        line,
        what,
    }
}

fn manifest_files(files: &dyn Files, path: &Path) -> Result<Vec<PathBuf>, ObserveError> {
    if !files.exists(path) {
        return Err(wrong(
            path,
            0,
            "does not exist; --manifests takes a file or a folder of manifests".to_owned(),
        ));
    }
    let mut found = Vec::new();
    if files.list(path).is_ok() {
        below(files, path, 0, &mut found);
    } else {
        found.push(path.to_owned());
    }
    if found.is_empty() {
        return Err(wrong(
            path,
            0,
            format!(
                "holds no manifest; expected files that end in .{}",
                ENDINGS.join(", .")
            ),
        ));
    }
    Ok(found)
}

fn below(files: &dyn Files, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    // What is no folder, or may not be listed, is looked at as a file.
    for name in files.list(folder).unwrap_or_default() {
        let path = folder.join(&name);
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        if depth < DEEPEST && files.list(&path).is_ok() {
            below(files, &path, depth + 1, found);
        } else if ENDINGS.contains(&ending) && !name.starts_with("kustomization.") {
            found.push(path);
        }
    }
}

/// The documents of a stream, each with the line on which it begins.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let (mut documents, mut start, mut start_line, mut offset) = (Vec::new(), 0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.starts_with("---") && line[3..].starts_with(['\n', '\r', ' ', '#']) || line == "---"
        {
            documents.push((start_line, &text[start..offset]));
            start = offset + line.len();
            start_line = number + 2;
        }
        offset += line.len();
    }
    documents.push((start_line, &text[start..]));
    documents.retain(|(_, document)| {
        document
            .lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    documents
}

fn take(
    snapshot: &mut Snapshot,
    file: &Path,
    line: usize,
    mut value: Value,
) -> Result<(), ObserveError> {
    let Some(kind) = value.get("kind").and_then(Value::as_str).map(str::to_owned) else {
        return Err(wrong(
            file,
            line,
            "is no Kubernetes object: `kind` is missing".to_owned(),
        ));
    };
    if kind.ends_with("List") || kind == "List" {
        let items = value.get_mut("items").map(Value::take);
        return match items {
            Some(Value::Array(items)) => items
                .into_iter()
                .try_for_each(|item| take(snapshot, file, line, item)),
            _ => Err(wrong(file, line, format!("is a {kind} without `items`"))),
        };
    }
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err(wrong(file, line, format!("is a {kind} without `metadata`")));
    };
    let namespace = metadata
        .get("namespace")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        .unwrap_or(&snapshot.namespace)
        .to_owned();
    if kind == "Namespace" {
        let name = metadata
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        snapshot.namespaces.entry(name).or_default().object = Some(read(file, line, &kind, value)?);
        return Ok(());
    }
    metadata.insert("namespace".to_owned(), Value::String(namespace.clone()));
    let state = snapshot.namespaces.entry(namespace).or_default();
    match kind.as_str() {
        "Pod" => state.pods.push(read(file, line, &kind, value)?),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "CronJob" => {
            state.workloads.push(read(file, line, &kind, value)?);
        }
        "Service" => state.services.push(read(file, line, &kind, value)?),
        "EndpointSlice" => state.endpoint_slices.push(read(file, line, &kind, value)?),
        "NetworkPolicy" => state.network_policies.push(read(file, line, &kind, value)?),
        "Ingress" => state.ingresses.push(read(file, line, &kind, value)?),
        "PersistentVolumeClaim" => state.volume_claims.push(read(file, line, &kind, value)?),
        "ConfigMap" => state.config_maps.push(read(file, line, &kind, value)?),
        "PodDisruptionBudget" => state
            .disruption_budgets
            .push(read(file, line, &kind, value)?),
        _ => {}
    }
    Ok(())
}

fn read<T: DeserializeOwned>(
    file: &Path,
    line: usize,
    kind: &str,
    value: Value,
) -> Result<T, ObserveError> {
    let name = value
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or("?")
        .to_owned();
    serde_json::from_value(value)
        .map_err(|error| wrong(file, line, format!("{kind} {name}: {error}")))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    struct One(&'static str);

    impl Files for One {
        fn read(&self, _: &Path) -> io::Result<String> {
            Ok(self.0.to_owned())
        }
        fn list(&self, _: &Path) -> io::Result<Vec<String>> {
            Err(io::ErrorKind::NotADirectory.into())
        }
        fn exists(&self, _: &Path) -> bool {
            true
        }
    }

    fn load(text: &'static str) -> Result<Snapshot, String> {
        from_manifests(&One(text), Path::new("all.yaml"), "shop").map_err(|error| error.to_string())
    }

    #[test]
    fn documents_lists_and_namespaces_are_read() {
        let snapshot = load("# head\n---\nkind: Service\nmetadata: {name: db}\nspec: {ports: [{port: 3306}]}\n---\nkind: List\nitems:\n- {kind: Pod, metadata: {name: p, namespace: data}}\n- {kind: Secret, metadata: {name: s}}\n").unwrap();
        assert_eq!(
            snapshot.namespaces["shop"].services[0].metadata.namespace,
            "shop"
        );
        assert_eq!(snapshot.namespaces["data"].pods.len(), 1);
        assert!(snapshot.offline);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert!(
            load("kind: Service\n")
                .unwrap_err()
                .starts_with("all.yaml:1: is a Service without")
        );
        assert!(
            load("---\na: b\n---\nkind: Pod\n")
                .unwrap_err()
                .starts_with("all.yaml:2: is no Kubernetes object")
        );
        assert!(
            load("kind: Pod\nmetadata: {name: p}\nspec: {containers: 7}\n")
                .unwrap_err()
                .contains("Pod p: ")
        );
        assert!(load("a: [\n").unwrap_err().contains("is no YAML"));
    }
}
