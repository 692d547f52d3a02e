//! Lists that the Pods of one workload have alike, kept once. Pure.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::kinds::{Container, Pod, PodSpec, Volume};

/// How the names of token volumes begin that the API server adds.
const TOKEN: &str = "kube-api-access-";

/// A list that several objects may hold together; it reads as the list itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Shared<T>(Arc<[T]>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T> From<Vec<T>> for Shared<T> {
    fn from(list: Vec<T>) -> Self {
        Self(list.into())
    }
}

impl<T> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a Shared<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

impl<T: Clone> Shared<T> {
    /// The list, to be altered; it becomes this holder's own.
    fn edit(&mut self) -> &mut [T] {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: PartialEq> Shared<T> {
    /// Holds the other list in place of an equal one of its own.
    fn join(&mut self, other: &Self) {
        if self == other {
            *self = other.clone();
        }
    }
}

/// What the Pods of one owner mostly have alike.
#[derive(Debug, Clone)]
struct Lists {
    containers: Shared<Container>,
    init_containers: Shared<Container>,
    volumes: Shared<Volume>,
    tolerations: Shared<Value>,
}

/// The lists of the first Pod of each owner, which the others may hold.
#[derive(Debug, Default)]
pub(super) struct Replicas(HashMap<String, Lists>);

impl Replicas {
    /// Lets a Pod hold the lists of the first one with the same owner, where they are equal.
    pub(super) fn share(&mut self, pod: &mut Pod) {
        let Some(owner) = pod.metadata.owner_references.first() else {
            return;
        };
        let spec = &mut pod.spec;
        name_tokens_alike(spec);
        let Some(known) = self.0.get(&owner.uid) else {
            let first = Lists {
                containers: spec.containers.clone(),
                init_containers: spec.init_containers.clone(),
                volumes: spec.volumes.clone(),
                tolerations: spec.tolerations.clone(),
            };
            self.0.insert(owner.uid.clone(), first);
            return;
        };
        spec.containers.join(&known.containers);
        spec.init_containers.join(&known.init_containers);
        spec.volumes.join(&known.volumes);
        spec.tolerations.join(&known.tolerations);
    }
}

/// The volume of its service account's token has a name of its own in each Pod, which would make all lists differ.
fn name_tokens_alike(spec: &mut PodSpec) {
    let shorten = |name: &mut String| {
        if name.starts_with(TOKEN) {
            name.truncate(TOKEN.len());
        }
    };
    for container in spec
        .containers
        .edit()
        .iter_mut()
        .chain(spec.init_containers.edit())
    {
        container
            .volume_mounts
            .iter_mut()
            .for_each(|mount| shorten(&mut mount.name));
    }
    for volume in spec.volumes.edit() {
        shorten(&mut volume.name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn replicas_hold_equal_lists_once_and_differing_ones_apart() {
        let pod = |name: &str, owner: &str, image: &str| -> Pod {
            let token = format!("kube-api-access-{name}");
            serde_json::from_value(json!({
                "metadata": {"name": name, "ownerReferences": [{"uid": owner}]},
                "spec": {
                    "containers": [{"name": "app", "image": image, "volumeMounts": [{"name": token, "mountPath": "/var/run"}]}],
                    "volumes": [{"name": token, "projected": {}}, {"name": "data"}],
                },
            }))
            .unwrap()
        };
        let mut pods = [
            pod("a", "one", "x:1"),
            pod("b", "one", "x:1"),
            pod("c", "one", "x:2"),
            pod("d", "two", "x:1"),
        ];
        let mut replicas = Replicas::default();
        for pod in &mut pods {
            replicas.share(pod);
        }
        let [first, same, updated, other] = &pods;
        let held =
            |one: &Pod, two: &Pod| Arc::ptr_eq(&one.spec.containers.0, &two.spec.containers.0);
        assert!(held(first, same) && !held(first, updated) && !held(first, other));
        assert!(Arc::ptr_eq(&first.spec.volumes.0, &updated.spec.volumes.0));
        assert_eq!(updated.spec.containers[0].image, "x:2");
        assert_eq!(
            same.spec.volumes[0].name,
            same.spec.containers[0].volume_mounts[0].name
        );
        assert_eq!(same.spec.volumes[1].name, "data");
    }
}
