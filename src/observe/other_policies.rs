//! Policies beyond NetworkPolicy that the cluster serves, found by API discovery. IO.

use futures::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::OtherPolicy;
use super::client::Api;
use super::resources::collection;

/// Group, plural, kind, whether it stands in namespaces.
const KINDS: &[(&str, &str, &str, bool)] = &[
    (
        "cilium.io",
        "ciliumnetworkpolicies",
        "CiliumNetworkPolicy",
        true,
    ),
    (
        "cilium.io",
        "ciliumclusterwidenetworkpolicies",
        "CiliumClusterwideNetworkPolicy",
        false,
    ),
    (
        "crd.projectcalico.org",
        "networkpolicies",
        "NetworkPolicy",
        true,
    ),
    (
        "crd.projectcalico.org",
        "globalnetworkpolicies",
        "GlobalNetworkPolicy",
        false,
    ),
    (
        "projectcalico.org",
        "networkpolicies",
        "NetworkPolicy",
        true,
    ),
    (
        "projectcalico.org",
        "globalnetworkpolicies",
        "GlobalNetworkPolicy",
        false,
    ),
    (
        "policy.networking.k8s.io",
        "adminnetworkpolicies",
        "AdminNetworkPolicy",
        false,
    ),
    (
        "policy.networking.k8s.io",
        "baselineadminnetworkpolicies",
        "BaselineAdminNetworkPolicy",
        false,
    ),
    (
        "policy.networking.k8s.io",
        "clusternetworkpolicies",
        "ClusterNetworkPolicy",
        false,
    ),
    ("crd.antrea.io", "networkpolicies", "NetworkPolicy", true),
    (
        "crd.antrea.io",
        "clusternetworkpolicies",
        "ClusterNetworkPolicy",
        false,
    ),
    (
        "security.istio.io",
        "authorizationpolicies",
        "AuthorizationPolicy",
        true,
    ),
    (
        "policy.linkerd.io",
        "authorizationpolicies",
        "AuthorizationPolicy",
        true,
    ),
];

/// Istio applies policies of its root namespace to the whole mesh.
const MESH_ROOT: &str = "istio-system";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Group {
    name: String,
    preferred_version: Version,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Version {
    version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    resources: Vec<Served>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Served {
    name: String,
}

/// The served kinds, with their objects in `namespace` (and of the whole cluster), or `None` where they may not be read.
pub(super) async fn other_policies(api: &Api, namespace: &str) -> Vec<OtherPolicy> {
    let groups: Groups = match api.get("/apis").await {
        Ok(groups) => groups,
        Err(error) => {
            // Every authenticated user may discover; where not, the probes alone decide.
            tracing::warn!("failed to discover which policies are served: {error}");
            return Vec::new();
        }
    };
    let of_interest = groups
        .groups
        .iter()
        .filter(|group| KINDS.iter().any(|(name, ..)| *name == group.name));
    let found = join_all(of_interest.map(|group| of_group(api, group, namespace))).await;
    let mut policies: Vec<OtherPolicy> = found.into_iter().flatten().collect();
    policies.sort_by(|left, right| left.resource.cmp(&right.resource));
    // Calico serves the same objects under two groups.
    if policies
        .iter()
        .any(|policy| is_of(policy, "projectcalico.org") && policy.objects.is_some())
    {
        policies.retain(|policy| !is_of(policy, "crd.projectcalico.org"));
    }
    policies
}

fn is_of(policy: &OtherPolicy, group: &str) -> bool {
    policy
        .resource
        .split_once('.')
        .is_some_and(|(_, name)| name == group)
}

async fn of_group(api: &Api, group: &Group, namespace: &str) -> Vec<OtherPolicy> {
    let version = &group.preferred_version.version;
    let path = format!("/apis/{}/{version}", group.name);
    let served: Option<Resources> = match api.get(&path).await {
        Ok(resources) => Some(resources),
        Err(error) => {
            tracing::warn!("failed to discover {path}: {error}");
            None
        }
    };
    let kinds = KINDS.iter().filter(|(name, plural, ..)| {
        *name == group.name
            && served
                .as_ref()
                .is_none_or(|served| served.resources.iter().any(|one| one.name == *plural))
    });
    join_all(kinds.map(|(_, plural, kind, namespaced)| async move {
        let mut spaces: Vec<Option<String>> = vec![namespaced.then(|| namespace.to_owned())];
        if group.name == "security.istio.io" && namespace != MESH_ROOT {
            spaces.push(Some(MESH_ROOT.to_owned()));
        }
        let mut objects = Some(Vec::new());
        for space in spaces {
            let path = collection(&group.name, version, plural, space.as_deref());
            match api.list::<Value>(&path, "").await {
                Ok(listed) => {
                    if let Some(objects) = &mut objects {
                        objects.extend(listed.items.into_iter().map(slim));
                    }
                }
                // The root namespace is a guess: not to be allowed there says nothing of this one.
                Err(_) if space.as_deref() == Some(MESH_ROOT) => {}
                Err(error) => {
                    tracing::debug!("failed to list {path}: {error}");
                    objects = None;
                }
            }
        }
        OtherPolicy {
            resource: format!("{plural}.{}", group.name),
            kind: (*kind).to_owned(),
            objects,
        }
    }))
    .await
}

/// Name, namespace, labels and specification: all that explains a connection.
fn slim(mut object: Value) -> Value {
    let mut slim = json!({"metadata": {
        "name": object["metadata"]["name"].take(),
        "namespace": object["metadata"]["namespace"].take(),
        "labels": object["metadata"]["labels"].take(),
    }});
    for field in ["spec", "specs"] {
        if let Some(value) = object.get_mut(field) {
            slim[field] = value.take();
        }
    }
    slim
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_keeps_its_name_and_rules_only() {
        let object = json!({"metadata": {"name": "a", "namespace": "n", "managedFields": [1]}, "spec": {"x": 1}, "status": {}});
        assert_eq!(
            slim(object),
            json!({"metadata": {"name": "a", "namespace": "n", "labels": null}, "spec": {"x": 1}})
        );
        assert_eq!(slim(json!({}))["metadata"]["name"], Value::Null);
    }
}
