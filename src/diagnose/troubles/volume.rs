//! Volumes that are there on paper: a claim that is bound while the disk behind it cannot be attached or mounted, or is gone. Pure.

use super::Trouble;
use crate::diagnose::Context;
use crate::finding::{Code, ObjectRef};
use crate::observe::kinds::Pod;

/// A volume that the kubelet cannot attach or mount; `line` are its words.
pub(super) fn mount_failed(context: &Context<'_>, pod: &Pod, line: &str) -> Trouble {
    let name = &pod.metadata.name;
    let trouble = Trouble::new(
        Code::VolumeMountFailed,
        pod,
        format!("Pod {name} waits for a volume that cannot be attached or mounted ({line})"),
    );
    match claim(context, pod, line) {
        Some(claim) => Trouble {
            object: Some(object(pod, &claim)),
            ..trouble.remedy(if is_in_use(line) {
                elsewhere(&claim)
            } else {
                again(&claim)
            })
        },
        None => trouble.remedy(
            "see that the disk, path or share behind the volume exists on the Pod's node, or correct the volume in the Pod template",
        ),
    }
}

/// A claim whose volume was deleted.
pub(super) fn lost(pod: &Pod, claim: &str) -> Trouble {
    let message = format!(
        "Pod {} waits for persistentvolumeclaim/{claim}, which is Lost: the volume that it was bound to is gone",
        pod.metadata.name
    );
    Trouble {
        object: Some(object(pod, claim)),
        ..Trouble::new(Code::VolumeMountFailed, pod, message)
            .evidence([format!("persistentvolumeclaim/{claim} is Lost")])
            .remedy(again(claim))
    }
}

fn object(pod: &Pod, claim: &str) -> ObjectRef {
    ObjectRef::new(
        "persistentvolumeclaim",
        claim,
        pod.metadata.namespace.clone(),
    )
}

/// Whether the disk is there, and attached to another node: the words of the attach-detach controller.
fn is_in_use(line: &str) -> bool {
    line.contains("Multi-Attach")
}

fn elsewhere(claim: &str) -> String {
    format!(
        "the disk behind persistentvolumeclaim/{claim} is attached to another node and can be used from one only: run one replica with strategy Recreate (or keep its Pods on one node), or use a ReadWriteMany volume; \
         where the other node is gone for good, delete its Pods with --grace-period=0 --force. Nothing stored is lost"
    )
}

fn again(claim: &str) -> String {
    format!(
        "bring back the disk behind persistentvolumeclaim/{claim}, or, if it is gone for good, delete the claim and its PersistentVolume and make them again: what was stored there is lost then; restore it from a backup"
    )
}

/// The claim that the words are about: by the name of the volume in the Pod or in the cluster, else the only one of the Pod.
fn claim(context: &Context<'_>, pod: &Pod, line: &str) -> Option<String> {
    let claims: Vec<(&str, &str)> = pod
        .spec
        .volumes
        .iter()
        .filter_map(|volume| {
            let claim = volume.persistent_volume_claim.as_ref()?;
            Some((volume.name.as_str(), claim.claim_name.as_str()))
        })
        .collect();
    let is_named = |name: &str| !name.is_empty() && line.contains(name);
    let by_disk = claims.iter().find(|(_, claim)| {
        let claim = context
            .snapshot
            .volume_claim(&pod.metadata.namespace, claim);
        claim.is_some_and(|claim| is_named(&claim.spec.volume_name))
    });
    let by_volume = || {
        claims.iter().find(|(volume, claim)| {
            is_named(&format!("\"{volume}\""))
                || is_named(&format!("[{volume}]"))
                || is_named(claim)
        })
    };
    let only = || match claims.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    let (_, claim) = by_disk.or_else(by_volume).or_else(only)?;
    Some((*claim).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{event, pod, troubles_of};
    use super::*;

    const CLAIM: &str = "---
kind: PersistentVolumeClaim
metadata: {name: db-data}
spec: {volumeName: pv-1}
status: {phase: PHASE}
";
    const SPEC: &str = "{nodeName: n1, volumes: [{name: data, persistentVolumeClaim: {claimName: db-data}}, {name: x, emptyDir: {}}], containers: [{name: db}]}";
    const WAITS: &str = "{phase: Pending, containerStatuses: [{name: db, state: {waiting: {reason: ContainerCreating}}}]}";

    #[test]
    fn the_claim_whose_disk_is_gone_is_the_object_and_the_fix_says_what_is_lost() {
        let words = "MountVolume.SetUp failed for volume \"pv-1\" : hostPath type check failed: /data is not a directory";
        let objects =
            pod(SPEC, WAITS) + &event("FailedMount", words) + &CLAIM.replace("PHASE", "Bound");
        let found = troubles_of(&objects);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].code, Code::VolumeMountFailed);
        let object = found[0].object.as_ref().unwrap();
        assert_eq!(object.to_string(), "persistentvolumeclaim/db-data");
        assert!(found[0].remedy.contains("lost"));
    }

    #[test]
    fn a_disk_that_another_node_uses_is_not_gone_and_nothing_is_deleted() {
        let words = "Multi-Attach error for volume \"pv-1\" Volume is already used by pod(s) db-0";
        let objects = pod(SPEC, WAITS)
            + &event("FailedAttachVolume", words)
            + &CLAIM.replace("PHASE", "Bound");
        let found = troubles_of(&objects);
        assert_eq!(found[0].code, Code::VolumeMountFailed, "{found:?}");
        let remedy = &found[0].remedy;
        assert!(
            remedy.contains("Recreate") && !remedy.contains("delete the claim"),
            "{remedy}"
        );
    }

    #[test]
    fn without_a_claim_the_workload_is_the_object_and_a_missing_secret_is_another_fault() {
        let spec = "{nodeName: n1, volumes: [{name: data, nfs: {}}], containers: [{name: db}]}";
        let words = "MountVolume.SetUp failed for volume \"data\" : mount failed: exit status 32";
        let found = troubles_of(&(pod(spec, WAITS) + &event("FailedMount", words)));
        assert_eq!(
            (found[0].code, &found[0].object),
            (Code::VolumeMountFailed, &None)
        );
        let words = "MountVolume.SetUp failed for volume \"data\" : secret \"x\" not found";
        let found = troubles_of(&(pod(spec, WAITS) + &event("FailedMount", words)));
        assert_eq!(found[0].code, Code::ContainerConfigError);
    }
}
