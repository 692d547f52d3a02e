//! How many edges are walked at a time, in all and to one target; an edge that only waits for a word that may never come gives its turn
//! back. IO: waiting for a turn.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many edges are walked at a time where the spec does not say.
const EDGES: usize = 64;
/// How many of them may lead to one target.
const ONE_TARGET: usize = 8;
/// How many files a walking edge may hold: its Service's address and eight endpoints, each with a connection and both ends of a relay.
const FILES: usize = 32;
/// The number of open files that every system allows.
const FEW_FILES: usize = 1024;
/// How many edges may rest at most; each holds a connection and a buffer.
const RESTING: usize = 2048;

/// Who may walk now.
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    one: usize,
    targets: Mutex<HashMap<(String, u16), Arc<Semaphore>>>,
    resting: Arc<Semaphore>,
}

impl Turns {
    /// At most `edges` at a time; `limits` is what the system says of this process (`/proc/self/limits`).
    pub(crate) fn new(edges: Option<NonZeroUsize>, limits: &str) -> Self {
        // One half for the edges that walk, the other for those that rest and for all else.
        let files = open_files(limits).unwrap_or(FEW_FILES) / 2;
        let edges = edges
            .map_or(EDGES, NonZeroUsize::get)
            .min((files / FILES).max(1));
        Self {
            all: Arc::new(Semaphore::new(edges.min(Semaphore::MAX_PERMITS))),
            one: edges.min(ONE_TARGET),
            targets: Mutex::default(),
            resting: Arc::new(Semaphore::new(files.saturating_sub(FILES).min(RESTING))),
        }
    }

    /// Waits until an edge to that target may be walked.
    pub(crate) async fn take(&self, host: &str, port: u16) -> Turn {
        let target = {
            let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (host.trim_end_matches('.').to_ascii_lowercase(), port);
            Arc::clone(
                targets
                    .entry(key)
                    .or_insert_with(|| Arc::new(Semaphore::new(self.one))),
            )
        };
        // No one closes these semaphores; without a permit an edge would only be walked earlier.
        let one = target.acquire_owned().await.ok();
        let all = Arc::clone(&self.all).acquire_owned().await.ok();
        Turn {
            walking: Mutex::new([one, all]),
            resting: Arc::clone(&self.resting),
        }
    }
}

/// The right to walk; it ends when it is dropped, or when the edge comes to rest.
pub(crate) struct Turn {
    walking: Mutex<[Option<OwnedSemaphorePermit>; 2]>,
    resting: Arc<Semaphore>,
}

impl Turn {
    /// From here on the edge only waits: others may walk. What it gives back is kept as long as it rests.
    pub(crate) fn rest(&self) -> Option<OwnedSemaphorePermit> {
        let rest = Arc::clone(&self.resting).try_acquire_owned().ok()?;
        let permits =
            std::mem::take(&mut *self.walking.lock().unwrap_or_else(PoisonError::into_inner));
        drop(permits);
        Some(rest)
    }
}

/// How many files this process may have open.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_target_never_takes_every_turn_and_a_resting_edge_takes_none() {
        let turns = Turns::new(NonZeroUsize::new(10), "");
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(turns.take("db", 1).await);
        }
        assert!(turns.take("DB.", 1).now_or_never().is_none());
        let other = turns.take("db", 2).now_or_never();
        assert!(other.is_some());
        let _second = turns.take("c", 1).await;
        assert!(turns.take("d", 1).now_or_never().is_none(), "ten walk");
        let rest = held[0].rest();
        assert!(rest.is_some());
        assert!(turns.take("db", 1).now_or_never().is_some());
    }

    #[test]
    fn the_systems_limit_bounds_how_many_connections_are_open() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\nMax open files            200                  4096                 files\n";
        assert_eq!(open_files(limits), Some(200));
        let of = |limits: &str| {
            let turns = Turns::new(None, limits);
            (
                turns.all.available_permits(),
                turns.resting.available_permits(),
            )
        };
        assert_eq!(of(limits), (3, 68));
        assert_eq!(of(""), (16, 480));
        assert_eq!(of(&limits.replace("200", "unlimited")), (64, 2048));
    }
}
