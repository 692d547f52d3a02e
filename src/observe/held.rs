//! What keeps a container from starting, read once from the words that the kubelet has for it. Pure.

use super::kinds::StateWaiting;

/// Why a container waits; the words are those of the kubelet's `ContainerStateWaiting.reason` (pkg/kubelet/images, pkg/kubelet/kuberuntime).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// The name of the image is none.
    ImageName,
    /// The image is not on the node, and may not be pulled.
    ImageAbsent,
    /// The image cannot be pulled or inspected.
    ImagePull,
    /// The image would run as root, which the Pod forbids.
    AsRoot,
    /// Something that its environment or its mounts name is missing.
    Config,
    /// Neither the image nor the Pod says what to run.
    NoCommand,
    /// The runtime cannot create it.
    Create,
    /// The runtime cannot start its command.
    Start,
    /// It ended, and waits for its next start.
    CrashLoop,
}

/// Reads why a container waits; nothing for one that is on its way.
pub fn held(waiting: &StateWaiting) -> Option<WaitReason> {
    let says = |words: &[&str]| words.iter().any(|word| waiting.message.contains(word));
    Some(match waiting.reason.as_str() {
        "InvalidImageName" => WaitReason::ImageName,
        "ErrImageNeverPull" => WaitReason::ImageAbsent,
        "ErrImagePull"
        | "ImagePullBackOff"
        | "RegistryUnavailable"
        | "ImageInspectError"
        | "SignatureValidationFailed" => WaitReason::ImagePull,
        "CreateContainerConfigError" if says(&["runAsNonRoot", "non-root", "run as root"]) => {
            WaitReason::AsRoot
        }
        // The kubelet has not seen the object yet: it tries again.
        "CreateContainerConfigError" if says(&["cache: timed out waiting"]) => return None,
        "CreateContainerConfigError" => WaitReason::Config,
        "CreateContainerError" if says(&["no command specified"]) => WaitReason::NoCommand,
        "CreateContainerError" => WaitReason::Create,
        "RunContainerError" | "StartError" => WaitReason::Start,
        "CrashLoopBackOff" => WaitReason::CrashLoop,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_that_has_not_seen_a_secret_yet_is_on_its_way() {
        let waiting = |message: &str| StateWaiting {
            reason: "CreateContainerConfigError".to_owned(),
            message: message.to_owned(),
        };
        for kind in ["secret", "configmap"] {
            let message =
                format!("failed to sync {kind} cache: timed out waiting for the condition");
            assert_eq!(held(&waiting(&message)), None);
        }
        let missing = held(&waiting("secret \"x\" not found"));
        assert_eq!(missing, Some(WaitReason::Config));
    }
}
