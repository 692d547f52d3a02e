//! How many Jobs are under way at a time: on one node, whose kubelet starts their Pods one after another beside the application's, and in
//! all. IO: waiting for a place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// On one node.
const ONE_NODE: usize = 12;
/// In all.
const ALL: usize = 48;

/// Who may have a Job now.
pub(super) struct Slots {
    all: Arc<Semaphore>,
    nodes: Mutex<HashMap<Option<String>, Arc<Semaphore>>>,
}

/// The right to have a Job, until it is dropped.
pub(super) struct Slot {
    _held: [Option<OwnedSemaphorePermit>; 2],
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL)),
            nodes: Mutex::default(),
        }
    }
}

impl Slots {
    /// Waits until a Job may be made for that node, or for any.
    pub(super) async fn take(&self, node: Option<&str>) -> Slot {
        let node = {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            let node = nodes.entry(node.map(str::to_owned));
            Arc::clone(node.or_insert_with_key(|node| {
                // The scheduler spreads those that name none.
                let places = if node.is_some() { ONE_NODE } else { ALL };
                Arc::new(Semaphore::new(places))
            }))
        };
        // No one closes these semaphores; without a permit a Job would only be made earlier.
        let node = node.acquire_owned().await.ok();
        let all = Arc::clone(&self.all).acquire_owned().await.ok();
        Slot { _held: [node, all] }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn neither_a_node_nor_the_cluster_gets_more_jobs_than_it_bears() {
        let slots = Slots::default();
        let mut held = Vec::new();
        for _ in 0..ONE_NODE {
            held.push(slots.take(Some("n1")).await);
        }
        assert!(slots.take(Some("n1")).now_or_never().is_none());
        for _ in ONE_NODE..ALL {
            held.push(slots.take(None).await);
        }
        assert!(slots.take(Some("n2")).now_or_never().is_none());
        held.remove(0);
        assert!(slots.take(Some("n1")).now_or_never().is_some());
    }
}
