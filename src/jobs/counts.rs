//! How far the probes of a run are. Pure but for the callback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{JobsProgress, OnProgress};
use crate::plan::Vantage;

/// Tiers that are named while they are waited for.
const NAMED: usize = 4;

/// The pause of a run of few containers.
pub(super) const LOG_PAUSE: Duration = Duration::from_millis(50);
/// And of one of many.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Counts progress over all Jobs.
pub(super) struct Counts<'a> {
    now: Mutex<State>,
    on_progress: OnProgress<'a>,
}

struct State {
    progress: JobsProgress,
    /// How many probes of each tier are under way.
    open: BTreeMap<String, usize>,
}

impl<'a> Counts<'a> {
    /// Nothing is done yet.
    pub(super) fn new(vantages: &[Vantage], on_progress: OnProgress<'a>) -> Self {
        let mut open = BTreeMap::new();
        for probe in vantages.iter().flat_map(|vantage| &vantage.containers) {
            *open.entry(probe.tier.clone()).or_insert(0) += 1;
        }
        let progress = JobsProgress {
            containers: vantages
                .iter()
                .map(|vantage| vantage.by_container().count())
                .sum(),
            waiting: named(&open),
            ..JobsProgress::default()
        };
        on_progress(progress.clone());
        Self {
            now: Mutex::new(State { progress, open }),
            on_progress,
        }
    }

    /// The pause between two tries of a log that cannot be read yet: the more containers a Pod and the whole run have, the longer, so that
    /// the API is asked a bounded number of times a second. What a container's status says is read at once anyway.
    pub(super) fn pause(&self, in_pod: usize) -> Duration {
        let all = self
            .now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .progress
            .containers;
        let share = in_pod.div_ceil(4).max(all.div_ceil(16));
        let pause = LOG_PAUSE.saturating_mul(u32::try_from(share).unwrap_or(u32::MAX));
        pause.clamp(LOG_PAUSE, LONGEST_PAUSE)
    }

    /// Changes the counts and reports them.
    pub(super) fn change(&self, with: impl FnOnce(&mut JobsProgress)) {
        self.with(|state| with(&mut state.progress));
    }

    /// All probes of a vantage are over.
    pub(super) fn finish(&self, vantage: &Vantage) {
        self.with(|state| {
            for probe in &vantage.containers {
                if let Some(left) = state.open.get_mut(&probe.tier) {
                    *left -= 1;
                }
            }
            state.open.retain(|_, left| *left > 0);
            state.progress.finished += vantage.by_container().count();
            state.progress.waiting = named(&state.open);
        });
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        let now = {
            let mut state = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut state);
            state.progress.clone()
        };
        (self.on_progress)(now);
    }
}

/// `AP, WEB`, `AP, DB, KVS and 9 more`.
fn named(open: &BTreeMap<String, usize>) -> Arc<str> {
    // What asks an entry from outside, and the runner of a drill, stand for no tier.
    let tiers = open.keys().map(String::as_str);
    let mut names: Vec<&str> = tiers.filter(|tier| !tier.is_empty()).collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let names = names.join(", ");
    match more {
        0 => names.into(),
        more => format!("{names} and {more} more").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_has_a_name() {
        let open = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        assert_eq!(&*named(&open(&["", "AP"])), "AP");
        assert_eq!(
            &*named(&open(&["A", "B", "C", "D", "E", "F"])),
            "A, B, C, D and 2 more"
        );
    }
}
