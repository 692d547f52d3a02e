//! Manifest files (YAML or JSON) → an offline [`Snapshot`]: what would be applied, without any status. Reads files through
//! [`Files`]; no cluster. Secrets are passed over unread.

mod home;
mod passed_over;
mod rendered;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ObserveError;
use super::resources::{
    CONFIG_MAPS, DISRUPTION_BUDGETS, ENDPOINT_SLICES, EVENTS, INGRESSES, NAMESPACES,
    NETWORK_POLICIES, NODES, PODS, SERVICES, VOLUME_CLAIMS, WORKLOADS,
};
use super::trim::Trim;
use super::{FilePlace, NamespaceState, Observed, Snapshot, Unread};
use crate::compose::Files;
use crate::config::words;
use crate::reason::{self, UNQUOTED};
use passed_over::PassedOver;
use rendered::{Rendered, template_advice};

/// Folders in folders that are looked into.
const DEEPEST: usize = 8;
/// The namespace of objects that name none, where none was given.
const ASSUMED: &str = "default";

/// What manifest files hold.
#[derive(Debug, Default)]
pub struct Offline {
    /// What would be applied.
    pub snapshot: Snapshot,
    /// What was not checked, each with its first place.
    pub notes: Vec<String>,
    /// Whole objects of the kinds that hold no values of variables, as they are written: by namespace and `kind/name`.
    pub objects: BTreeMap<(String, String), Value>,
    /// The snapshot's namespace is an assumption: neither the user nor any object names it.
    pub assumed: bool,
}

/// Reads files, and every `.yaml`, `.yml` and `.json` of folders and of the folders in them. Objects without a namespace go to
/// `namespace`; without one, to that which all others name, else to `default`.
///
/// # Errors
/// [`ObserveError::Manifest`] with file and line.
pub fn from_manifests(
    files: &dyn Files,
    paths: &[PathBuf],
    namespace: Option<&str>,
) -> Result<Offline, ObserveError> {
    let mut manifests = Manifests {
        namespace: namespace.unwrap_or(ASSUMED),
        ..Manifests::default()
    };
    for path in paths {
        if files.list(path).is_ok() {
            manifests.read_folder(files, path, 0)?;
        } else {
            // No folder: a file, and if it is none, reading it says so.
            manifests
                .read(files, path, false)
                .map_err(|error| quotable(files, path, error))?;
        }
    }
    let shown: Vec<String> = paths.iter().map(|path| shown(path)).collect();
    let shown = shown.join(", ");
    if !manifests.rendered.is_empty() {
        let advice: Vec<String> = manifests.rendered.iter().map(Rendered::advice).collect();
        return Err(wrong(Path::new(&shown), 0, advice.join("\n")));
    }
    if manifests.objects == 0 {
        return Err(wrong(
            Path::new(&shown),
            0,
            "there is no Kubernetes object in it; expected manifests with apiVersion and kind",
        ));
    }
    let is_given = namespace.is_some() || manifests.named.contains(ASSUMED);
    let namespace = match namespace {
        Some(given) => given.to_owned(),
        None => (manifests.home()).map_err(|what| wrong(Path::new(&shown), 0, what))?,
    };
    manifests.states.entry(namespace.clone()).or_default();
    let known = [
        PODS,
        SERVICES,
        NETWORK_POLICIES,
        INGRESSES,
        VOLUME_CLAIMS,
        CONFIG_MAPS,
        DISRUPTION_BUDGETS,
    ];
    let read = known
        .iter()
        .chain(&WORKLOADS)
        .map(|resource| (resource.plural.to_owned(), Observed::Ok));
    let absent = [ENDPOINT_SLICES, EVENTS, NODES, NAMESPACES];
    let not_read = absent
        .iter()
        .map(|resource| (resource.plural.to_owned(), Observed::Absent));
    let assumed = !is_given && namespace == ASSUMED;
    Ok(Offline {
        snapshot: Snapshot {
            cluster: shown,
            namespace,
            offline: true,
            namespaces: manifests.states,
            places: manifests.places,
            unread: manifests.unread,
            observed: read.chain(not_read).collect(),
            ..Snapshot::default()
        },
        notes: manifests.passed_over.notes(),
        objects: manifests.whole,
        assumed,
    })
}

/// How a path is shown: `-` is standard input.
fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

fn is_manifest_name(name: &str) -> bool {
    !name.starts_with('.')
        && Path::new(name).extension().is_some_and(|extension| {
            ["yaml", "yml", "json"]
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
        })
}

fn wrong(file: &Path, line: usize, what: impl Into<String>) -> ObserveError {
    ObserveError::Manifest {
        file: shown(file).into(),
        line,
        what: what.into(),
    }
}

/// The same error, without a quotation where the file is none of the project's.
fn quotable(files: &dyn Files, path: &Path, error: ObserveError) -> ObserveError {
    match error {
        ObserveError::Manifest { file, line, .. } if files.is_foreign(path) => {
            let what = format!("no manifest ({UNQUOTED})");
            ObserveError::Manifest { file, line, what }
        }
        error => error,
    }
}

/// One document of a file.
struct Document<'a> {
    file: PathBuf,
    /// The line before its first.
    before: usize,
    text: &'a str,
}

/// What every object has.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Head {
    api_version: Option<String>,
    kind: Option<String>,
}

#[derive(Default)]
struct Manifests<'a> {
    namespace: &'a str,
    states: BTreeMap<String, NamespaceState>,
    objects: usize,
    /// The namespaces that objects name.
    named: BTreeSet<String>,
    /// Whether an object names none.
    unnamed: bool,
    whole: BTreeMap<(String, String), Value>,
    places: BTreeMap<(String, String), FilePlace>,
    unread: Vec<Unread>,
    passed_over: PassedOver,
    rendered: Vec<Rendered>,
}

impl Manifests<'_> {
    fn read_folder(
        &mut self,
        files: &dyn Files,
        folder: &Path,
        depth: usize,
    ) -> Result<(), ObserveError> {
        let names = files
            .list(folder)
            .map_err(|error| wrong(folder, 0, format!("failed to list it: {error}")))?;
        if let Some(rendered) = names
            .iter()
            .find_map(|name| Rendered::by_file(folder, name))
        {
            self.rendered.push(rendered);
            return Ok(());
        }
        for name in names.iter().filter(|name| !name.starts_with('.')) {
            let path = folder.join(name);
            if is_manifest_name(name) {
                self.read(files, &path, true)
                    .map_err(|error| quotable(files, &path, error))?;
            } else if depth < DEEPEST && files.list(&path).is_ok() {
                self.read_folder(files, &path, depth + 1)?;
            }
        }
        Ok(())
    }

    /// In a folder other files (compose files, Helm values) may stand beside; a file that was named must hold manifests.
    fn read(
        &mut self,
        files: &dyn Files,
        file: &Path,
        in_folder: bool,
    ) -> Result<(), ObserveError> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let folder = file.parent().unwrap_or(Path::new(""));
        if let Some(rendered) = Rendered::by_file(folder, &name) {
            self.rendered.push(rendered);
            return Ok(());
        }
        let text = files.read(file).map_err(|error| {
            let why = reason::unreadable(&error);
            wrong(file, 0, format!("failed to read it: {why}"))
        })?;
        for (before, text) in documents(&text) {
            let document = Document {
                file: file.to_owned(),
                before,
                text,
            };
            let Some(head) = document.parse::<Option<Head>>()? else {
                continue;
            };
            let (Some(version), Some(kind)) = (&head.api_version, &head.kind) else {
                if in_folder {
                    tracing::debug!("{}: passed over, no manifest", file.display());
                    continue;
                }
                return Err(wrong(
                    file,
                    before + 1,
                    "expected a Kubernetes object with apiVersion and kind",
                ));
            };
            self.take(&document, version, kind)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        document: &Document<'_>,
        version: &str,
        kind: &str,
    ) -> Result<(), ObserveError> {
        if kind == "List" || (kind.ends_with("List") && version == "v1") {
            return self.take_list(document);
        }
        self.objects += 1;
        self.place(kind, version, &|| document.parse::<Value>(), document)
    }

    fn take_list(&mut self, document: &Document<'_>) -> Result<(), ObserveError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct List {
            items: Vec<Value>,
        }
        for item in document.parse::<List>()?.items {
            let head: Head = Head::deserialize(&item)
                .map_err(|error| wrong(&document.file, document.before + 1, error.to_string()))?;
            let (Some(version), Some(kind)) = (&head.api_version, &head.kind) else {
                return Err(wrong(
                    &document.file,
                    document.before + 1,
                    "an item of the List has no apiVersion or kind",
                ));
            };
            self.objects += 1;
            self.place(kind, version, &|| Ok(item.clone()), document)?;
        }
        Ok(())
    }

    /// Puts an object where its kind belongs. The group counts: a Knative Service is no Service.
    fn place(
        &mut self,
        kind: &str,
        version: &str,
        value: &dyn Fn() -> Result<Value, ObserveError>,
        document: &Document<'_>,
    ) -> Result<(), ObserveError> {
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        macro_rules! put {
            ($field:ident) => {{
                let (object, namespace) = self.object(value()?, kind, document)?;
                self.states
                    .entry(namespace)
                    .or_default()
                    .$field
                    .push(object);
            }};
        }
        match (group, kind) {
            ("", "Pod") => put!(pods),
            ("", "Service") => {
                self.keep(&value()?, kind);
                put!(services);
            }
            ("", "ConfigMap") => put!(config_maps),
            ("", "PersistentVolumeClaim") => put!(volume_claims),
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job" | "CronJob") => put!(workloads),
            ("discovery.k8s.io", "EndpointSlice") => put!(endpoint_slices),
            ("networking.k8s.io", "NetworkPolicy") => put!(network_policies),
            ("networking.k8s.io", "Ingress") => {
                self.keep(&value()?, kind);
                put!(ingresses);
            }
            ("gateway.networking.k8s.io", "HTTPRoute") => put!(http_routes),
            ("policy", "PodDisruptionBudget") => put!(disruption_budgets),
            ("", "Namespace") => {
                let object: super::kinds::Namespace = from_value(&value()?, kind, document)?;
                let name = object.metadata.name.clone();
                self.states.entry(name).or_default().object = Some(object);
            }
            // Secrets above all: their content is no one's business here.
            _ => {
                // Whatever makes Pods from a template is a workload: ReplicationController, Rollout, DeploymentConfig. Knative's own kind is
                // called like another one, and a kind that only looks like one has fields of another form.
                if !matches!(kind, "Service" | "Secret")
                    && let Ok(value) = value()
                    && value
                        .pointer("/spec/template/spec/containers")
                        .is_some_and(Value::is_array)
                    && let Ok((workload, namespace)) = self.object(value, kind, document)
                {
                    let state = self.states.entry(namespace).or_default();
                    state.workloads.push(workload);
                    return Ok(());
                }
                self.passed_over.add(version, kind, || {
                    format!("{}:{}", shown(&document.file), document.first_line())
                });
                if let Ok(value) = value() {
                    let unread = passed_over::unread(version, kind, &value, self.namespace);
                    self.unread.extend(unread);
                }
            }
        }
        Ok(())
    }

    /// Keeps an object as it is written, for fixes.
    fn keep(&mut self, value: &Value, kind: &str) {
        let text = |field: &str| value["metadata"][field].as_str().unwrap_or_default();
        let namespace = match text("namespace") {
            "" => self.namespace,
            named => named,
        };
        let key = format!("{}/{}", kind.to_lowercase(), text("name"));
        self.whole
            .insert((namespace.to_owned(), key), value.clone());
    }

    fn object<T: DeserializeOwned + Trim>(
        &mut self,
        mut value: Value,
        kind: &str,
        document: &Document<'_>,
    ) -> Result<(T, String), ObserveError> {
        let named = |field: &str| {
            value
                .pointer(&format!("/metadata/{field}"))
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        if named("name").is_none() && named("generateName").is_none() {
            return Err(wrong(
                &document.file,
                document.before + 1,
                format!("{kind} has no metadata.name"),
            ));
        }
        let namespace = if let Some(named) = named("namespace") {
            self.named.insert(named.to_owned());
            named.to_owned()
        } else {
            self.unnamed = true;
            self.namespace.to_owned()
        };
        if let Some(name) = named("name") {
            let key = format!("{}/{name}", kind.to_lowercase());
            let place = FilePlace {
                file: shown(&document.file),
                line: document.first_line(),
            };
            self.places.insert((namespace.clone(), key), place);
        }
        value["metadata"]["namespace"] = Value::String(namespace.clone());
        let mut object: T = from_value(&value, kind, document)?;
        object.trim();
        Ok((object, namespace))
    }
}

fn from_value<T: DeserializeOwned>(
    value: &Value,
    kind: &str,
    document: &Document<'_>,
) -> Result<T, ObserveError> {
    let name = value
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    super::kinds::typed(value).map_err(|error| {
        let said = error.to_string();
        // The place is one in JSON that no one has.
        let said = said
            .rsplit_once(" at line ")
            .map_or(&*said, |(said, _)| said);
        wrong(
            &document.file,
            document.before + 1,
            format!("{}/{name}: {}", kind.to_lowercase(), words::plain(said)),
        )
    })
}

impl Document<'_> {
    /// The line on which its first key stands.
    fn first_line(&self) -> usize {
        let blank = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
        self.before + self.text.lines().take_while(blank).count() + 1
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, ObserveError> {
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(self.text, options).map_err(|error| {
            let line = error
                .location()
                .and_then(|location| usize::try_from(location.line()).ok())
                .unwrap_or(1);
            let mut what = words::yaml(&error) + template_advice(self.text);
            if is_second_object(&error) {
                what += ": a line `---` separates two objects";
            }
            wrong(&self.file, self.before + line, what)
        })
    }
}

/// Whether a key came twice that each object has once: two files were put together without a separator.
fn is_second_object(error: &serde_saphyr::Error) -> bool {
    matches!(
        error.without_snippet(),
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. }
            if key == "apiVersion" || key == "kind"
    )
}

/// The documents of a file that hold more than comments, each with the number of lines before it. A line `---` at the margin
/// can be nothing but a separator: everything inside a document is indented or quoted.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut before = 0;
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let bare = line.trim_end();
        if bare == "---" || bare.starts_with("--- ") || bare == "..." {
            found.push((before, &text[start..offset]));
            start = offset + line.len();
            before = index + 1;
        }
        offset += line.len();
    }
    found.push((before, &text[start..]));
    found.retain(|(_, text)| {
        text.lines()
            .map(str::trim)
            .any(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with('%'))
    });
    found
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::observe::{ServiceKey, WorkloadKey};

    struct Memory(BTreeMap<&'static str, &'static str>);

    impl Files for Memory {
        fn read(&self, path: &Path) -> io::Result<String> {
            self.0
                .get(path.to_str().unwrap())
                .map(|text| (*text).to_owned())
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        }
        fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
            let prefix = format!("{}/", directory.display());
            let names: Vec<String> = self
                .0
                .keys()
                .filter_map(|path| path.strip_prefix(&prefix))
                .map(str::to_owned)
                .collect();
            if names.is_empty() {
                Err(io::ErrorKind::NotADirectory.into())
            } else {
                Ok(names)
            }
        }
        fn exists(&self, path: &Path) -> bool {
            self.0.contains_key(path.to_str().unwrap())
        }
    }

    const DB: &str = "# the database\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: db}\nspec:\n  template:\n    metadata: {labels: {app: db}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: data}\nspec: {selector: {app: db}, ports: [{port: 3306}]}\n";
    const LIST: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}},
        {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "knative"}},
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "ro"}, "spec": {"template": {"spec": {"containers": [{"name": "ro"}]}}}},
        {"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"name": "odd"}, "spec": {"replicas": "many", "template": {"spec": {"containers": [{"name": 7}]}}}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"p": 7}}]}"#;

    fn read(files: &[(&'static str, &'static str)], path: &str) -> Result<Snapshot, ObserveError> {
        let files = Memory(files.iter().copied().collect());
        from_manifests(&files, &[path.into()], Some("shop")).map(|offline| offline.snapshot)
    }

    #[test]
    fn of_several_namespaces_the_one_in_which_something_runs_is_meant() {
        let object = |kind: &str, namespace: &str| {
            let version = if kind == "Deployment" {
                "apps/v1"
            } else {
                "v1"
            };
            let spec = "{selector: {}, template: {metadata: {}, spec: {containers: []}}}";
            format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a, namespace: {namespace}}}\nspec: {spec}\n---\n"
            )
        };
        let read = |objects: &[(&str, &str)], namespace| {
            let text: String = objects
                .iter()
                .map(|(kind, home)| object(kind, home))
                .collect();
            let files = Memory(BTreeMap::from([("f.yaml", &*text.leak())]));
            from_manifests(&files, &["f.yaml".into()], namespace)
                .map(|offline| offline.snapshot.namespace)
                .map_err(|error| error.to_string())
        };
        let one = [("Service", "monitoring"), ("Deployment", "shop")];
        assert_eq!(read(&one, None).unwrap(), "shop");
        let two = [("Deployment", "shop"), ("Deployment", "data")];
        let refused = read(&two, None).unwrap_err();
        assert!(
            refused.contains("(data, shop): name one of them"),
            "{refused}"
        );
        assert_eq!(read(&two, Some("data")).unwrap(), "data");
    }

    #[test]
    fn without_a_namespace_the_objects_own_one_counts_if_all_name_it() {
        let read = |text: &'static str| {
            let files = Memory(BTreeMap::from([("f.yaml", text)]));
            from_manifests(&files, &["f.yaml".into()], None).unwrap()
        };
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\n";
        let all = read(service);
        assert_eq!(
            (all.snapshot.namespace.as_str(), all.assumed),
            ("shop", false)
        );
        let none = read("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n");
        assert_eq!(
            (none.snapshot.namespace.as_str(), none.assumed),
            ("default", true)
        );
        assert_eq!(none.objects.len(), 1);
    }

    #[test]
    fn what_must_be_rendered_is_named_with_its_command() {
        let error = |files: &[(&'static str, &'static str)], path: &str| {
            read(files, path).unwrap_err().to_string()
        };
        let folder = [
            ("k/kustomization.yaml", "resources: [a.yaml]"),
            ("k/a.yaml", "a: ["),
        ];
        let chart = [("c/Chart.yaml", "name: c"), ("c/a.yaml", "{{ a }}")];
        let template = [("t.yaml", "a:\n  {{- b }}\n")];
        for (said, words) in [
            (error(&folder, "k"), "kubectl kustomize k | k8sverify check"),
            (
                error(&folder, "k/kustomization.yaml"),
                "kubectl kustomize k |",
            ),
            (error(&chart, "c"), "helm template c | k8sverify check"),
            (error(&template, "t.yaml"), "helm template CHART"),
        ] {
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_folder_becomes_an_offline_snapshot() {
        let snapshot = read(
            &[
                ("k/db.yaml", DB),
                ("k/list.json", LIST),
                ("k/compose.yml", "services: {db: {image: x}}"),
                ("k/README.md", "no: ["),
                (
                    "k/store.yaml",
                    "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: pg}\n",
                ),
            ],
            "k",
        )
        .unwrap();
        let is_store =
            |unread: &Unread| unread.kind == "postgresql.cnpg.io/v1 Cluster" && unread.name == "pg";
        assert!(snapshot.unread.iter().any(is_store));
        assert!(snapshot.offline && snapshot.knows("services") && !snapshot.knows("events"));
        assert_eq!(
            snapshot.workloads("shop"),
            [
                WorkloadKey::new("shop", "deployment", "db"),
                WorkloadKey::new("shop", "rollout", "ro")
            ]
        );
        let names: Vec<&str> = snapshot.namespaces["shop"]
            .services
            .iter()
            .map(|service| service.metadata.name.as_str())
            .collect();
        assert_eq!(names, ["web"]);
        let key = ServiceKey::new("data", "db");
        assert_eq!(snapshot.service(&key).unwrap().spec.ports[0].port, 3306);
    }

    #[test]
    fn errors_name_file_and_line() {
        for (text, line, words) in [
            (
                "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: v1\nkind: [\n",
                6,
                "",
            ),
            ("a: 1\n", 1, "apiVersion and kind"),
            (
                "apiVersion: v1\nkind: Service\nmetadata: {name: a}\napiVersion: v1\nkind: Pod\n",
                4,
                "a line `---` separates two objects",
            ),
            ("# nothing\n", 0, "no Kubernetes object"),
            ("\n---\napiVersion: v1\nkind: Service\n", 3, "metadata.name"),
            (
                "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: 7}\n",
                1,
                "service/a",
            ),
        ] {
            match read(&[("f.yaml", text)], "f.yaml").err().unwrap() {
                ObserveError::Manifest {
                    file,
                    line: found,
                    what,
                } => {
                    assert_eq!(file, Path::new("f.yaml"));
                    assert!(what.contains(words), "{what}");
                    assert!(
                        found == line || (words.is_empty() && found >= line),
                        "{text:?} {found} {what}"
                    );
                }
                other => panic!("{other}"),
            }
        }
        assert!(
            read(&[], "missing.yaml")
                .err()
                .unwrap()
                .to_string()
                .contains("missing.yaml")
        );
    }
}
