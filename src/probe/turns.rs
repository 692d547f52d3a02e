//! How many edges are walked at a time, in all and to one target; an edge that only waits for a word that may never come gives its turn
//! back. IO: waiting for a turn.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::probe::target::DialTarget;
use crate::probe::wire::EdgeTask;

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

/// What an edge leads to: the servers behind it where the API shows them, since many Services may stand before one Pod; else its host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TurnPlace {
    /// Servers.
    Servers(BTreeSet<SocketAddr>),
    /// A host and a port.
    Host(String, u16),
}

impl TurnPlace {
    /// A host and a port.
    pub(crate) fn host(host: &str, port: u16) -> Self {
        Self::Host(host.trim_end_matches('.').to_ascii_lowercase(), port)
    }

    /// Where an edge leads.
    pub(crate) fn of(task: &EdgeTask, target: &DialTarget) -> Self {
        let servers: BTreeSet<SocketAddr> = task
            .endpoints
            .iter()
            .map(|endpoint| SocketAddr::from((endpoint.address, endpoint.port.get())))
            .collect();
        if servers.is_empty() || target.from_secret.is_some() {
            return Self::host(&target.host, target.port);
        }
        Self::Servers(servers)
    }
}

/// Who may walk now.
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    one: usize,
    targets: Mutex<HashMap<TurnPlace, Arc<Semaphore>>>,
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

    /// Waits until an edge that leads there may be walked.
    pub(crate) async fn take(&self, place: TurnPlace) -> Turn {
        let target = {
            let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                targets
                    .entry(place)
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
    use std::collections::BTreeMap;
    use std::num::NonZeroU16;

    use futures::FutureExt;
    use serde_json::json;

    use super::*;
    use crate::probe::trust::ClientTrust;
    use crate::protocol::Protocol;

    #[tokio::test]
    async fn one_target_never_takes_every_turn_and_a_resting_edge_takes_none() {
        let turns = Turns::new(NonZeroUsize::new(10), "");
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(turns.take(TurnPlace::host("db", 1)).await);
        }
        assert!(
            turns
                .take(TurnPlace::host("DB.", 1))
                .now_or_never()
                .is_none()
        );
        let other = turns.take(TurnPlace::host("db", 2)).now_or_never();
        assert!(other.is_some());
        let _second = turns.take(TurnPlace::host("c", 1)).await;
        assert!(
            turns.take(TurnPlace::host("d", 1)).now_or_never().is_none(),
            "ten walk"
        );
        let rest = held[0].rest();
        assert!(rest.is_some());
        assert!(
            turns
                .take(TurnPlace::host("db", 1))
                .now_or_never()
                .is_some()
        );
    }

    /// Many Services may stand before one Pod: it is asked no more at a time than if it had one.
    #[test]
    fn edges_to_the_same_servers_take_turns_whatever_their_names() {
        let place = |host: &str, servers: &[&str], secret: bool| {
            let port = NonZeroU16::new(80).unwrap();
            let mut task = EdgeTask::bare("e".to_owned(), host.to_owned(), port, Protocol::Tcp);
            task.endpoints = servers
                .iter()
                .map(|server| {
                    serde_json::from_value(
                        json!({"address": server, "port": 8080, "pod": "", "ready": true}),
                    )
                })
                .collect::<Result<_, _>>()
                .unwrap();
            let none = BTreeMap::new();
            let environment = ClientTrust::read(&none, &[]);
            let mut target = DialTarget::of(&task, &none, &environment, &|_| false);
            target.from_secret = secret.then(|| "elsewhere".to_owned());
            TurnPlace::of(&task, &target)
        };
        assert_eq!(
            place("a", &["10.0.0.1", "10.0.0.2"], false),
            place("b", &["10.0.0.2", "10.0.0.1"], false)
        );
        assert_ne!(
            place("a", &["10.0.0.1"], false),
            place("a", &["10.0.0.2"], false)
        );
        assert_eq!(place("A.", &[], false), TurnPlace::host("a", 80));
        assert_eq!(place("a", &["10.0.0.1"], true), TurnPlace::host("a", 80));
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
