//! SIGINT and SIGTERM → a value that stages can wait for. IO.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::commands::{EXIT_UNKNOWN, Failure};
use crate::observe::{MANAGED_BY, MANAGED_BY_LABEL};

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Signals {
    name: Arc<OnceLock<&'static str>>,
    receiver: watch::Receiver<bool>,
}

impl Signals {
    /// Listens from now on; a second signal ends the process at once.
    pub(super) fn install() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::Unverified(format!("cannot listen for signals: {error}"))
        };
        let (sender, receiver) = watch::channel(false);
        let name = Arc::new(OnceLock::new());
        let fired = Arc::clone(&name);
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .map_err(failed)?;
        let mut interrupt =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
                .map_err(failed)?;
        tokio::spawn(async move {
            let signal = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            // Set once, here alone.
            let _ = fired.set(signal);
            // Where nobody waits any more, the run is over.
            let _ = sender.send(true);
            // The sender lives on, so that waiting for it never ends by itself. Who cannot wait for the clean-up asks once more.
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            abandon();
        });
        Ok(Self { name, receiver })
    }

    /// The signal that came, if one did.
    pub(super) fn fired(&self) -> Option<&'static str> {
        self.name.get().copied()
    }

    /// Turns true when one comes.
    pub(super) fn cancel(&self) -> watch::Receiver<bool> {
        self.receiver.clone()
    }

    /// Ends when one comes, with its name.
    pub(super) async fn wait(&self) -> String {
        let mut receiver = self.receiver.clone();
        if receiver.wait_for(|fired| *fired).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.fired().unwrap_or("a signal").to_owned()
    }
}

/// Ends at once, whatever is left; the cluster deletes it after its time to live.
fn abandon() -> ! {
    // Nothing is left to tell it to where standard error is closed.
    let _ = writeln!(
        std::io::stderr(),
        "k8sverify: interrupted twice; probe Jobs that are left end by their deadline and go after their time to live, or now: kubectl delete jobs -l {MANAGED_BY_LABEL}={MANAGED_BY}"
    );
    std::process::exit(i32::from(EXIT_UNKNOWN))
}
