//! SIGINT and SIGTERM → a value that stages can wait for. IO.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::commands::Failure;

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
            // The sender lives on, so that waiting for it never ends by itself.
            std::future::pending::<()>().await;
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
