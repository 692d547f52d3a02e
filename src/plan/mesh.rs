//! Whether a service mesh stands between a Pod and its peers, and what a probe needs to be treated alike. Pure.

use crate::observe::kinds::{Labels, Pod, PodSpec};

/// Containers that a mesh puts into Pods.
const PROXIES: [&str; 2] = ["istio-proxy", "linkerd-proxy"];
/// Annotations of a tier's template that say to its mesh how to treat it, by their beginning.
const SETTINGS: [&str; 5] = [
    "sidecar.istio.io/",
    "traffic.sidecar.istio.io/",
    "proxy.istio.io/",
    "linkerd.io/inject",
    "config.linkerd.io/",
];
/// What a mesh writes on Pods itself, and must not be copied.
const STATUS: &str = "sidecar.istio.io/status";
/// Istio without sidecars says on the Pod that it takes its traffic.
const AMBIENT: (&str, &str) = ("ambient.istio.io/redirection", "enabled");
/// Istio's choice of a revision, and of the way without sidecars.
const POD_LABELS: [&str; 2] = ["istio.io/rev", "istio.io/dataplane-mode"];

fn has_proxy(spec: &PodSpec, proxy: &str) -> bool {
    spec.container(proxy).is_some()
}

/// Whether connections of this Pod pass a proxy.
pub(super) fn is_meshed(pod: &Pod) -> bool {
    PROXIES.iter().any(|proxy| has_proxy(&pod.spec, proxy))
        || pod
            .metadata
            .annotations
            .get(AMBIENT.0)
            .is_some_and(|value| value == AMBIENT.1)
}

/// What makes the mesh treat a probe as it treats this Pod: the same proxy, or none.
pub(super) fn settings(pod: Option<&Pod>, template: &Labels, labels: &Labels) -> Labels {
    let mut settings = Labels::new();
    let injected = |proxy: &str| pod.is_some_and(|pod| has_proxy(&pod.spec, proxy));
    let (istio, linkerd) = (injected(PROXIES[0]), injected(PROXIES[1]));
    if istio || linkerd {
        let own = pod.map(|pod| &pod.metadata.annotations);
        settings.extend(
            own.into_iter()
                .chain([template])
                .flatten()
                .filter(|(key, _)| {
                    key.as_str() != STATUS && SETTINGS.iter().any(|start| key.starts_with(start))
                })
                .map(|(key, value)| (key.clone(), value.clone())),
        );
    }
    settings.extend(
        labels
            .iter()
            .filter(|(key, _)| POD_LABELS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    settings.insert("sidecar.istio.io/inject".to_owned(), istio.to_string());
    let linkerd = if linkerd { "enabled" } else { "disabled" };
    settings.insert("linkerd.io/inject".to_owned(), linkerd.to_owned());
    settings
}
