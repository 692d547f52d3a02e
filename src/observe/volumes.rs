//! Volumes that will never be mounted: what they want is missing, or the disk behind them is gone. Pure.

use super::kinds::{Event, Pod};

/// What the kubelet or the attach controller says where the disk, path or share behind a volume is not there. A time-out, a disk that another
/// node still has, or a driver that is not registered yet may pass.
const GONE: &[&str] = &[
    "hostPath type check failed",
    "InvalidVolume.NotFound",
    "code = NotFound",
    "does not exist",
    "no such file or directory",
    "No such file or directory",
    "No such device",
    "wrong fs type",
    "unknown filesystem type",
    "bad option",
    "access denied by server",
];
/// So often the same failure was seen before it counts.
const TWICE: i32 = 2;

/// A mount that surely never comes, in the kubelet's words: it shows in no status, only in events.
pub(super) fn mount_fails(pod: &Pod, events: &[&Event]) -> Option<String> {
    let running = pod
        .status
        .every()
        .any(|status| status.state.running.is_some() || status.state.terminated.is_some());
    if running {
        return None;
    }
    let mut failed = events
        .iter()
        .filter(|event| matches!(event.reason.as_str(), "FailedMount" | "FailedAttachVolume"));
    failed
        .rfind(|event| {
            is_missing(&event.message) || event.count >= TWICE && is_gone(&event.message)
        })
        .map(|event| event.message.clone())
}

fn is_missing(message: &str) -> bool {
    let names = ["configmap", "secret", "references non-existent"];
    names.iter().any(|name| message.contains(name))
        && (message.contains("not found") || message.contains("non-existent"))
}

fn is_gone(message: &str) -> bool {
    // A driver whose socket is not there yet starts.
    !message.contains("dial unix") && GONE.iter().any(|words| message.contains(words))
}
