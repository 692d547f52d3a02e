//! The agent's time: every wait has its own limit, and none outlives the agent's deadline. IO: the clock.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Where the agent stands in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    deadline: Instant,
}

/// Why a wait was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// The step's own limit.
    Step,
    /// The agent's deadline came first: nothing can be said.
    Agent,
    /// What the peer sent made its reader panic.
    Panic,
}

impl Clock {
    /// A clock that starts now and ends after `length`.
    pub(crate) fn starting(length: Duration) -> Self {
        let started = Instant::now();
        Self {
            started,
            deadline: started + length,
        }
    }

    /// The end of a phase that may take `limit` from now.
    pub(crate) fn phase(&self, limit: Duration) -> Instant {
        (Instant::now() + limit).min(self.deadline)
    }

    /// Runs a future until the end of its phase.
    pub(crate) async fn by<F: Future>(&self, end: Instant, future: F) -> Result<F::Output, Late> {
        // Drivers are not written for hostile servers: what one of them cannot bear is that peer's failure and no one else's.
        let caught = AssertUnwindSafe(future).catch_unwind();
        match timeout_at(end.min(self.deadline), caught).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(_)) => Err(Late::Panic),
            Err(_) => Err(self.reason()),
        }
    }

    /// Runs a future for at most `limit`.
    pub(crate) async fn within<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Late> {
        self.by(self.phase(limit), future).await
    }

    /// Why a phase that is over now ended.
    pub(crate) fn reason(&self) -> Late {
        if Instant::now() >= self.deadline {
            Late::Agent
        } else {
            Late::Step
        }
    }

    /// Waits; `false` at once if the deadline would come first.
    pub(crate) async fn pause(&self, length: Duration) -> bool {
        let end = Instant::now() + length;
        if end >= self.deadline {
            return false;
        }
        sleep_until(end).await;
        true
    }

    /// Whether the agent's first `window` is not over yet.
    pub(crate) fn younger_than(&self, window: Duration) -> bool {
        self.started.elapsed() < window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_late_step_is_distinguished_from_a_late_agent() {
        let clock = Clock::starting(Duration::from_secs(5));
        let never = std::future::pending::<()>;
        assert_eq!(
            clock.within(Duration::from_secs(1), async { 7 }).await,
            Ok(7)
        );
        assert_eq!(
            clock.within(Duration::from_secs(1), never()).await,
            Err(Late::Step)
        );
        assert!(!clock.pause(Duration::from_secs(9)).await);
        assert_eq!(
            clock.within(Duration::from_secs(9), never()).await,
            Err(Late::Agent)
        );
    }

    #[tokio::test]
    async fn a_driver_that_panics_ends_its_own_wait_only() {
        let clock = Clock::starting(Duration::from_secs(5));
        let empty: &[u8] = &[];
        let panics = async { empty[0] };
        assert_eq!(
            clock.within(Duration::from_secs(1), panics).await,
            Err(Late::Panic)
        );
    }
}
