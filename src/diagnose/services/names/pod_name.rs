//! The name of one Pod of a StatefulSet that does not exist: why, and what makes it exist. Pure.

use crate::diagnose::Context;
use crate::observe::{ServiceKey, WorkloadKey, member_of_set};

/// Why no Pod has the name.
pub(super) struct NoSuchPod {
    /// The reason.
    pub(super) why: String,
    /// What to do.
    pub(super) fix: String,
}

/// Why `kvs-1.kvs` means nothing, where `kvs` is a StatefulSet of the namespace that is asked.
pub(super) fn no_such_pod(
    context: &Context<'_>,
    host: &str,
    client_namespace: &str,
) -> Option<NoSuchPod> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let mut labels = host.split('.');
    let (pod, asked) = (labels.next()?, labels.next()?);
    let namespace = labels.next().unwrap_or(client_namespace);
    let (name, number) = member_of_set(pod)?;
    let set = WorkloadKey::new(namespace, "statefulset", name);
    let spec = &context.snapshot.workload(&set)?.spec;
    let service = |name: &str| context.snapshot.service(&ServiceKey::new(namespace, name));
    let own = spec.service_name.as_str();
    if own != asked {
        let make_again = format!(
            "make {set} again with serviceName: {asked} (no StatefulSet takes another one; `kubectl delete --cascade=orphan` keeps its Pods until then)"
        );
        let is_headless = service(own).is_some_and(|service| service.spec.is_headless());
        return Some(NoSuchPod {
            why: if own.is_empty() {
                format!("{set} has no serviceName, so its Pods have no names of their own")
            } else {
                format!("{set} names its Pods below its serviceName, which is {own}")
            },
            fix: if is_headless {
                format!("make the clients ask for {pod}.{own}, or {make_again}")
            } else {
                make_again
            },
        });
    }
    let wanted = spec.replicas.unwrap_or(1);
    (number >= wanted).then(|| NoSuchPod {
        why: format!(
            "{set} has {wanted} replica{}, numbered from 0",
            if wanted == 1 { "" } else { "s" }
        ),
        fix: format!(
            "scale {set} to {}, or take {pod} out of what its clients are given",
            number.saturating_add(1)
        ),
    })
}
