//! Faults of the API on demand: which call, when, and what happens instead of an answer. Data and counters.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

/// A fault of the API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `list`, `get`, `watch`, `create`, `delete`, `patch`, `log`, `discover`; `*`: any.
    pub verb: String,
    /// The plural (`pods`), `version` or `apis`; `*`: any.
    pub resource: String,
    /// How many such calls are answered well before the first fault.
    #[serde(default)]
    pub after: usize,
    /// How many calls meet the fault; `None`: all from then on.
    #[serde(default)]
    pub times: Option<usize>,
    /// What happens.
    pub how: How,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// An error with this HTTP status, as the API server words it.
    Status(u16),
    /// An error with this HTTP status and message.
    Refuse {
        /// The status.
        code: u16,
        /// What the server says.
        message: String,
    },
    /// The answer comes, so many milliseconds late.
    Slow(u64),
    /// No answer, ever.
    Hang,
    /// The answer breaks off after so many bytes.
    BreakOff(usize),
    /// A watch gets the answer that its version is too old.
    Expired,
    /// 429, and when to come again, in seconds.
    Busy(u64),
    /// A login page of a proxy.
    Page,
}

impl Fault {
    /// Every such call, from the first on.
    #[must_use]
    pub fn always(verb: &str, resource: &str, how: How) -> Self {
        Self {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            after: 0,
            times: None,
            how,
        }
    }

    /// The first `times` such calls.
    #[must_use]
    pub fn first(times: usize, verb: &str, resource: &str, how: How) -> Self {
        Self {
            times: Some(times),
            ..Self::always(verb, resource, how)
        }
    }
}

impl How {
    /// How long an answer is held back.
    pub(crate) fn delay(&self) -> Option<Duration> {
        match self {
            Self::Slow(milliseconds) => Some(Duration::from_millis(*milliseconds)),
            _ => None,
        }
    }
}

/// All faults, with what they have seen.
pub(crate) struct Faults(Mutex<Vec<(Fault, usize)>>);

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self(Mutex::new(
            faults.into_iter().map(|fault| (fault, 0)).collect(),
        ))
    }

    /// Adds one while the sandbox is up.
    pub(crate) fn add(&self, fault: Fault) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((fault, 0));
    }

    /// What happens to this call; the first fault that fits counts it.
    pub(crate) fn strike(&self, verb: &str, resource: &str) -> Option<How> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (fault, seen) in faults.iter_mut() {
            let fits = |wanted: &str, is: &str| wanted == "*" || wanted == is;
            if !fits(&fault.verb, verb) || !fits(&fault.resource, resource) {
                continue;
            }
            let number = *seen;
            *seen += 1;
            let over = fault
                .times
                .is_some_and(|times| number >= fault.after + times);
            if number >= fault.after && !over {
                return Some(fault.how.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_its_call_at_its_moment() {
        let faults = Faults::new(vec![Fault {
            after: 1,
            ..Fault::first(2, "delete", "jobs", How::Status(500))
        }]);
        let strikes: Vec<bool> = (0..5)
            .map(|_| faults.strike("delete", "jobs").is_some())
            .collect();
        assert_eq!(strikes, [false, true, true, false, false]);
        assert_eq!(faults.strike("list", "jobs"), None);
        faults.add(Fault::always("*", "*", How::Hang));
        assert_eq!(faults.strike("list", "pods"), Some(How::Hang));
    }
}
