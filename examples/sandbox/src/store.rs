//! The objects of the replayed cluster, with versions and a history that watches read. In memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::kinds::Resource;

/// Where a recording's versions end, for sure.
const FIRST_VERSION: u64 = 1_000_000;

/// An object's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: &'static Resource,
    namespace: String,
    name: String,
}

/// Something that happened to an object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The version since which it is so.
    pub(crate) version: u64,
    /// Of which resource it is.
    pub(crate) kind: &'static Resource,
    /// `ADDED`, `MODIFIED`, `DELETED`.
    pub(crate) what: &'static str,
    /// The object as it was then.
    pub(crate) object: Value,
}

/// All objects.
pub(crate) struct Store {
    clock: Clock,
    objects: Mutex<Objects>,
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct Objects {
    version: u64,
    all: BTreeMap<Key, Value>,
    history: Vec<Change>,
}

impl Store {
    /// Without objects.
    pub(crate) fn new(clock: Clock) -> Self {
        let objects = Objects {
            version: FIRST_VERSION,
            ..Objects::default()
        };
        Self {
            clock,
            objects: Mutex::new(objects),
            version: watch::Sender::new(FIRST_VERSION),
        }
    }

    /// The cluster's time.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an object, or replaces it; what an API server fills in is filled in.
    pub(crate) fn put(&self, kind: &'static Resource, mut object: Value) -> Value {
        let mut objects = self.objects();
        objects.version += 1;
        let version = objects.version;
        object["apiVersion"] = json!(kind.api_version());
        object["kind"] = json!(kind.kind);
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{version:012}"));
        }
        if object["metadata"]["creationTimestamp"].is_null() {
            object["metadata"]["creationTimestamp"] = json!(self.clock.text());
        }
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let key = Key {
            kind,
            namespace: text(&object, "/metadata/namespace").to_owned(),
            name: text(&object, "/metadata/name").to_owned(),
        };
        let what = if objects.all.insert(key, object.clone()).is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        objects.history.push(Change {
            version,
            kind,
            what,
            object: object.clone(),
        });
        drop(objects);
        self.version.send_replace(version);
        object
    }

    /// Changes an object in place, if it is there.
    pub(crate) fn change(
        &self,
        kind: &'static Resource,
        namespace: &str,
        name: &str,
        with: impl FnOnce(&mut Value),
    ) {
        if let Some(mut object) = self.get(kind, namespace, name) {
            with(&mut object);
            self.put(kind, object);
        }
    }

    /// Removes an object.
    pub(crate) fn remove(
        &self,
        kind: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Value> {
        let mut objects = self.objects();
        let key = Key {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let mut object = objects.all.remove(&key)?;
        objects.version += 1;
        let version = objects.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        objects.history.push(Change {
            version,
            kind,
            what: "DELETED",
            object: object.clone(),
        });
        drop(objects);
        self.version.send_replace(version);
        Some(object)
    }

    /// One object.
    pub(crate) fn get(
        &self,
        kind: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Value> {
        let key = Key {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.objects().all.get(&key).cloned()
    }

    /// Whether there is any of a resource.
    pub(crate) fn has(&self, kind: &Resource) -> bool {
        self.objects().all.keys().any(|key| key.kind == kind)
    }

    /// All of a resource, in one namespace or everywhere, and the version at which this is so.
    pub(crate) fn list(
        &self,
        kind: &'static Resource,
        namespace: Option<&str>,
    ) -> (Vec<Value>, u64) {
        let objects = self.objects();
        let items = objects
            .all
            .iter()
            .filter(|(key, _)| key.kind == kind)
            .filter(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
            .map(|(_, object)| object.clone())
            .collect();
        (items, objects.version)
    }

    /// What happened to a resource after that version.
    pub(crate) fn since(&self, kind: &'static Resource, version: u64) -> Vec<Change> {
        self.objects()
            .history
            .iter()
            .filter(|change| change.version > version && change.kind == kind)
            .cloned()
            .collect()
    }

    /// Wakes with every change.
    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

/// The text at that place; empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The list at that place; empty if there is none.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn versions_grow_and_the_history_shows_what_happened() {
        let store = Store::new(Clock::from(jiff::Timestamp::UNIX_EPOCH));
        let pods = kinds::of("pods");
        let put = |name: &str| {
            store.put(
                pods,
                json!({"metadata": {"name": name, "namespace": "shop"}}),
            )
        };
        put("a");
        let (items, version) = store.list(pods, Some("shop"));
        assert_eq!(items.len(), 1);
        assert!(store.list(pods, Some("other")).0.is_empty());
        put("b");
        put("b");
        assert!(store.remove(pods, "shop", "a").is_some());
        assert!(store.remove(pods, "shop", "a").is_none());
        let seen: Vec<_> = store
            .since(pods, version)
            .into_iter()
            .map(|change| {
                (
                    change.what,
                    text(&change.object, "/metadata/name").to_owned(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("ADDED", "b".to_owned()),
                ("MODIFIED", "b".to_owned()),
                ("DELETED", "a".to_owned())
            ]
        );
        assert!(store.since(kinds::of("services"), version).is_empty());
    }
}
