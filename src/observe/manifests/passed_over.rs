//! Objects of kinds that no rule reads: built-in ones in silence, all others by name. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::observe::Unread;
use crate::spelling;

/// Groups of the API server that say nothing about who reaches whom.
const GROUPS: [&str; 16] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "snapshot.storage.k8s.io",
    "storage.k8s.io",
];

/// Kinds other than those in groups with kinds that are read.
const KINDS: [(&str, &str); 12] = [
    ("", "Endpoints"),
    ("", "Event"),
    ("", "LimitRange"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("", "PodTemplate"),
    ("", "ResourceQuota"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("apps", "ControllerRevision"),
    ("networking.k8s.io", "IngressClass"),
    ("policy", "PodSecurityPolicy"),
];

/// Kinds that are read, with their groups.
const READ: [(&str, &str); 16] = [
    ("", "ConfigMap"),
    ("", "Namespace"),
    ("", "PersistentVolumeClaim"),
    ("", "Pod"),
    ("", "Service"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
];

/// What an operator may make a server of: an object of a group that is no API server's own.
pub(super) fn unread(version: &str, kind: &str, value: &Value, assumed: &str) -> Option<Unread> {
    let text = |field: &str| value["metadata"][field].as_str();
    let (group, _) = version.rsplit_once('/')?;
    group.contains('.').then_some(())?;
    Some(Unread {
        kind: format!("{version} {kind}"),
        namespace: text("namespace").unwrap_or(assumed).to_owned(),
        name: text("name")?.to_owned(),
    })
}

/// What was passed over: how often, and where first.
#[derive(Debug, Default)]
pub(super) struct PassedOver(BTreeMap<(String, String), (usize, String)>);

impl PassedOver {
    /// Counts an object, unless it is one that needs no mention.
    pub(super) fn add(&mut self, version: &str, kind: &str, place: impl Fn() -> String) {
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        if GROUPS.contains(&group) || KINDS.contains(&(group, kind)) {
            return;
        }
        let key = (version.to_owned(), kind.to_owned());
        self.0.entry(key).or_insert_with(|| (0, place())).0 += 1;
    }

    /// A sentence for each kind.
    pub(super) fn notes(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|((version, kind), (times, place))| {
                let group = version.rsplit_once('/').map_or("", |(group, _)| group);
                let more = match times {
                    1 => String::new(),
                    _ => format!(", and {} more", times - 1),
                };
                let known = READ
                    .iter()
                    .chain(&KINDS)
                    .filter(|(of, _)| *of == group)
                    .map(|(_, name)| *name);
                // The right kind of another group: `extensions/v1beta1`, which API servers no longer serve.
                let elsewhere = READ.iter().find(|(of, name)| name == kind && *of != group);
                let hint = match elsewhere {
                    Some((of, _)) if group.ends_with("extensions") || group.is_empty() => {
                        format!("; did you mean {kind} of {of}?")
                    }
                    _ => spelling::hint(kind, known),
                };
                format!("{place}: {kind} of {version} was not checked{more}{hint}")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_without_a_rule_are_named_once_and_built_in_ones_never() {
        let mut passed = PassedOver::default();
        for (version, kind) in [
            ("v1", "Secret"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("argoproj.io/v1alpha1", "Rollout"),
            ("argoproj.io/v1alpha1", "Rollout"),
            ("apps/v1", "Deploymnet"),
            ("extensions/v1beta1", "Ingress"),
        ] {
            passed.add(version, kind, || "all.yaml:7".to_owned());
        }
        assert_eq!(
            passed.notes(),
            [
                "all.yaml:7: Deploymnet of apps/v1 was not checked; did you mean Deployment?",
                "all.yaml:7: Rollout of argoproj.io/v1alpha1 was not checked, and 1 more",
                "all.yaml:7: Ingress of extensions/v1beta1 was not checked; did you mean Ingress of networking.k8s.io?",
            ]
        );
    }
}
