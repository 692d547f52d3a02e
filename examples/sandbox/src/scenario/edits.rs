//! `edits` of a scenario: what is different from its base, one small change after the other; then the controllers look once. Works
//! on the store.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Recorded, ScenarioError};
use crate::kinds::{self, Resource};
use crate::store::{Store, text};
use crate::{controller, merge, workload};

/// How old an object is that an edit adds and that does not say so itself: older than anything that looks at ages.
const AGE: SignedDuration = SignedDuration::from_hours(1);

/// One change; exactly one of its first six fields is there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Edit {
    /// An object that is new, or takes the place of one of the same name.
    add: Option<Value>,
    /// A workload that is new, with Pods that run and are ready.
    run: Option<Value>,
    /// An object that changes by `to`.
    set: Option<String>,
    /// A workload whose Pod template changes by `to`, and its ReplicaSets and Pods with it.
    template: Option<String>,
    /// A workload whose Pods change by `to`.
    pods: Option<String>,
    /// An object that goes, with all that belongs to it.
    delete: Option<String>,
    /// How it changes.
    to: Option<Value>,
}

/// What an edit says, once it is known to make sense.
enum Change<'a> {
    Add(&'a Value),
    Run(&'a Value),
    Set(&'a str, &'a Value),
    Template(&'a str, &'a Value),
    Pods(&'a str, &'a Value),
    Delete(&'a str),
}

impl Edit {
    pub(super) fn check(&self) -> Result<(), String> {
        self.change().map(|_| ())
    }

    fn change(&self) -> Result<Change<'_>, String> {
        let Self {
            add,
            run,
            set,
            template,
            pods,
            delete,
            to,
        } = self;
        match (add, run, set, template, pods, delete, to) {
            (Some(object), None, None, None, None, None, None) => Ok(Change::Add(object)),
            (None, Some(object), None, None, None, None, None) => Ok(Change::Run(object)),
            (None, None, Some(name), None, None, None, Some(to)) => Ok(Change::Set(name, to)),
            (None, None, None, Some(name), None, None, Some(to)) => Ok(Change::Template(name, to)),
            (None, None, None, None, Some(name), None, Some(to)) => Ok(Change::Pods(name, to)),
            (None, None, None, None, None, Some(name), None) => Ok(Change::Delete(name)),
            _ => Err(
                "an edit is one of add, run, delete, or one of set, template, pods with its `to`"
                    .to_owned(),
            ),
        }
    }
}

/// Where the edits are applied.
struct Editor<'a> {
    store: &'a Store,
    recorded: &'a Recorded,
    /// What an edit said itself and no controller says otherwise: plural and name.
    said: BTreeSet<(&'static str, String)>,
}

/// Applies them in order; a scenario without any stays as it was recorded.
pub(super) fn apply(
    store: &Store,
    recorded: &Recorded,
    edits: &[(PathBuf, Edit)],
) -> Result<(), ScenarioError> {
    let mut editor = Editor {
        store,
        recorded,
        said: BTreeSet::new(),
    };
    for (number, (path, edit)) in edits.iter().enumerate() {
        let wrong = |what: String| ScenarioError::Parse {
            path: path.clone(),
            what: format!("edit {}: {what}", number + 1),
        };
        let change = edit.change().map_err(wrong)?;
        editor.change(&change).map_err(wrong)?;
    }
    if !edits.is_empty() {
        controller::look_again(store, &editor.said);
    }
    Ok(())
}

impl Editor<'_> {
    fn change(&mut self, change: &Change<'_>) -> Result<(), String> {
        match change {
            Change::Add(object) => {
                let (kind, object) = self.new_object(object)?;
                self.said(kind, &object);
                if kind.plural == "services" {
                    controller::create_service(self.store, object);
                } else {
                    self.store.put(kind, object);
                }
            }
            Change::Run(object) => {
                let (kind, object) = self.new_object(object)?;
                workload::run(self.store, kind, object)?;
            }
            Change::Set(name, to) => {
                let (kind, mut object) = self.find(name)?;
                merge::edit(&mut object, self.dated(to));
                if to.get("status").is_some() || kind.plural == "endpointslices" {
                    self.said(kind, &object);
                }
                self.store.put(kind, object);
            }
            Change::Template(name, to) => self.template(name, to)?,
            Change::Pods(name, to) => {
                for mut pod in self.pods(name)? {
                    merge::edit(&mut pod, self.dated(to));
                    self.store.put(kinds::of("pods"), pod);
                }
            }
            Change::Delete(name) => {
                let (kind, object) = self.find(name)?;
                self.delete(kind, &object);
            }
        }
        Ok(())
    }

    fn said(&mut self, kind: &'static Resource, object: &Value) {
        let name = if kind.plural == "endpointslices" {
            text(object, "/metadata/labels/kubernetes.io~1service-name")
        } else {
            text(object, "/metadata/name")
        };
        self.said.insert((kind.plural, name.to_owned()));
    }

    /// The template of a workload, of its ReplicaSets, and what came of it in its Pods.
    fn template(&self, name: &str, to: &Value) -> Result<(), String> {
        let to = self.dated(to);
        let (kind, mut object) = self.find(name)?;
        let pods = self.pods(name)?;
        merge::edit(&mut object["spec"]["template"], to.clone());
        let sets = kinds::of("replicasets");
        for mut set in self
            .store
            .list(sets, Some(text(&object, "/metadata/namespace")))
            .0
        {
            if workload::owned(&set, &object) {
                merge::edit(&mut set["spec"]["template"], to.clone());
                self.store.put(sets, set);
            }
        }
        self.store.put(kind, object);
        for mut pod in pods {
            merge::edit(&mut pod, to.clone());
            self.store.put(kinds::of("pods"), pod);
        }
        Ok(())
    }

    /// Everything that the object owns goes with it.
    fn delete(&self, kind: &'static Resource, object: &Value) {
        let namespace = text(object, "/metadata/namespace");
        let name = text(object, "/metadata/name");
        self.store.remove(kind, namespace, name);
        if kind.plural == "services" {
            controller::service_removed(self.store, namespace, name);
        }
        for plural in ["replicasets", "jobs", "pods"] {
            let kind = kinds::of(plural);
            for owned in self.store.list(kind, Some(namespace)).0 {
                if workload::owned(&owned, object) {
                    self.delete(kind, &owned);
                }
            }
        }
        let events = kinds::of("events");
        for event in self.store.list(events, Some(namespace)).0 {
            if event["involvedObject"]["uid"] == object["metadata"]["uid"] {
                self.store
                    .remove(events, namespace, text(&event, "/metadata/name"));
            }
        }
    }

    fn pods(&self, name: &str) -> Result<Vec<Value>, String> {
        let (_, object) = self.find(name)?;
        let workload = name.split('@').next().unwrap_or(name);
        let namespace = text(&object, "/metadata/namespace");
        let pods: Vec<Value> = self
            .store
            .list(kinds::of("pods"), Some(namespace))
            .0
            .into_iter()
            .filter(|pod| controller::workload_of(self.store, pod) == workload)
            .collect();
        if pods.is_empty() {
            return Err(format!("{name} has no Pods"));
        }
        Ok(pods)
    }

    /// `KIND/NAME`, or `KIND/NAME@NAMESPACE`.
    fn find(&self, name: &str) -> Result<(&'static Resource, Value), String> {
        let (place, namespace) = name
            .split_once('@')
            .unwrap_or((name, &self.recorded.namespace));
        let (kind, own) = place
            .split_once('/')
            .ok_or_else(|| format!("`{name}`: expected KIND/NAME or KIND/NAME@NAMESPACE"))?;
        let kind = kinds::of_word(kind)
            .ok_or_else(|| format!("`{name}`: no {kind} is served by the sandbox"))?;
        let namespace = if kind.namespaced { namespace } else { "" };
        self.store
            .get(kind, namespace, own)
            .map(|object| (kind, object))
            .ok_or_else(|| format!("there is no {name}"))
    }

    /// An object with the namespace and the age that it does not say itself.
    fn new_object(&self, object: &Value) -> Result<(&'static Resource, Value), String> {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let known = kinds::of_object(version, kind)
            .ok_or_else(|| format!("`{version} {kind}` is nothing that the sandbox serves"))?;
        let mut object = self.dated(object);
        if text(&object, "/metadata/name").is_empty() {
            return Err(format!("the {kind} has no metadata.name"));
        }
        if known.namespaced && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!(self.recorded.namespace);
        }
        if object["metadata"]["creationTimestamp"].is_null() {
            object["metadata"]["creationTimestamp"] = json!(self.before(AGE));
        }
        Ok((known, object))
    }

    /// `now`, `now-90s`, `now-5m`, `now-2h` become times of the recorded cluster.
    fn dated(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match ago(text) {
                Some(ago) => json!(self.before(ago)),
                None => value.clone(),
            },
            Value::Array(list) => list.iter().map(|entry| self.dated(entry)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(key, field)| (key.clone(), self.dated(field)))
                .collect(),
            _ => value.clone(),
        }
    }

    fn before(&self, ago: SignedDuration) -> String {
        let at = self.recorded.at;
        let then: Timestamp = at.checked_sub(ago).unwrap_or(at);
        then.to_string()
    }
}

fn ago(text: &str) -> Option<SignedDuration> {
    let rest = text.strip_prefix("now")?;
    if rest.is_empty() {
        return Some(SignedDuration::ZERO);
    }
    rest.strip_prefix('-')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn recorded() -> Recorded {
        Recorded {
            at: "2026-01-02T03:04:05Z".parse().unwrap(),
            namespace: "shop".into(),
            version: Value::Null,
        }
    }

    fn edited(edits: Value) -> Result<Store, ScenarioError> {
        let store = Store::new(Clock::from(recorded().at));
        store.put(kinds::of("nodes"), json!({"metadata": {"name": "node-1"}}));
        let edits: Vec<Edit> = serde_json::from_value(edits).unwrap();
        let edits: Vec<(PathBuf, Edit)> = edits
            .into_iter()
            .map(|edit| (PathBuf::from("x"), edit))
            .collect();
        apply(&store, &recorded(), &edits)?;
        Ok(store)
    }

    fn db() -> Value {
        json!({"run": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db"},
            "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "mariadb:11"}]}}}}})
    }

    fn service() -> Value {
        json!({"add": {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": {"selector": {"app": "db"}, "ports": [{"port": 3306}]}}})
    }

    #[test]
    fn controllers_follow_what_the_edits_leave() {
        let unready = json!({"pods": "deployment/db", "to": {"status": {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "now-30s"}]}}});
        let store = edited(json!([service(), db(), unready])).unwrap();
        let pods = store.list(kinds::of("pods"), Some("shop")).0;
        assert_eq!(pods.len(), 2);
        let times: Vec<&Value> = pods[0]["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|condition| condition["type"] == "Ready")
            .map(|condition| &condition["lastTransitionTime"])
            .collect();
        assert_eq!(times, ["2026-01-02T03:03:35Z"]);
        let slice = &store.list(kinds::of("endpointslices"), Some("shop")).0[0];
        assert_eq!(slice["endpoints"][1]["conditions"]["ready"], false);
        let deployment = store.get(kinds::of("deployments"), "shop", "db").unwrap();
        assert_eq!(deployment["status"]["readyReplicas"], 0);
        assert_eq!(deployment["status"]["unavailableReplicas"], 2);
    }

    #[test]
    fn a_template_reaches_the_pods_and_a_delete_takes_all() {
        let image = json!({"template": "deployment/db", "to": {"spec": {"containers": [{"name": "db", "image": "mysql:8"}]}}});
        let store = edited(json!([db(), image])).unwrap();
        for plural in ["deployments", "replicasets"] {
            let object = &store.list(kinds::of(plural), None).0[0];
            assert_eq!(
                object["spec"]["template"]["spec"]["containers"][0]["image"],
                "mysql:8"
            );
        }
        let pod = &store.list(kinds::of("pods"), None).0[0];
        assert_eq!(pod["spec"]["containers"][0]["image"], "mysql:8");
        let store =
            edited(json!([db(), service(), {"delete": "deployment/db"}, {"delete": "service/db"}]))
                .unwrap();
        for plural in [
            "deployments",
            "replicasets",
            "pods",
            "services",
            "endpointslices",
        ] {
            assert!(store.list(kinds::of(plural), None).0.is_empty(), "{plural}");
        }
    }

    #[test]
    fn an_edit_that_makes_no_sense_is_named() {
        for (edits, says) in [
            (json!([{"delete": "service/no"}]), "there is no service/no"),
            (json!([{"set": "service/no"}]), "an edit is one of"),
            (json!([{"delete": "secret/x"}]), "no secret is served"),
            (
                json!([{"add": {"apiVersion": "v1", "kind": "Service"}}]),
                "no metadata.name",
            ),
        ] {
            let error = edited(edits).err().unwrap().to_string();
            assert!(error.contains(says) && error.contains("edit 1"), "{error}");
        }
    }
}
