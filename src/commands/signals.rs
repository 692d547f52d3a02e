//! Signals and the deadline of the run: a thread of its own sees them whatever the rest computes or waits for, and ends the process if the
//! rest does not. IO.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{CommandError, EXIT_UNKNOWN, children, output};
use crate::observe::{MANAGED_BY, MANAGED_BY_LABEL};
use crate::shell::Command;

/// What a run may take to delete its Jobs and to report, once it is asked to end.
const GRACE: Duration = Duration::from_millis(5500);
/// The same where nothing of it is in the cluster.
const SHORT_GRACE: Duration = Duration::from_secs(3);
/// A signal this soon after the first is the same one: a terminal and a wrapper both send it.
const DEBOUNCE: Duration = Duration::from_secs(1);
/// How often the grace is looked at.
const TICK: Duration = Duration::from_millis(100);

/// What is to be said when the process ends without the pipeline; gets the cause, returns the exit code.
type LastWords = Box<dyn FnOnce(&str) -> u8 + Send>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Signals {
    shared: Arc<Shared>,
    fired: watch::Receiver<bool>,
    deadline: watch::Sender<Option<(Instant, String)>>,
}

#[derive(Default)]
struct Shared {
    cause: OnceLock<String>,
    /// Namespaces in which Jobs of this run may be.
    open: Mutex<BTreeSet<String>>,
    last_words: Mutex<Option<LastWords>>,
    /// What the clean-up may take, where it takes longer than usual.
    grace: OnceLock<Duration>,
}

impl Signals {
    /// Sees signals from now on.
    ///
    /// # Errors
    /// [`CommandError::Unverified`] if the system refuses a thread or a handler.
    pub fn install() -> Result<Self, CommandError> {
        let failed = |error: std::io::Error| {
            CommandError::Unverified(format!("cannot listen for signals: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let streams = {
            let _entered = runtime.enter();
            listen().map_err(failed)?
        };
        let (sender, fired) = watch::channel(false);
        let (deadline, ends) = watch::channel(None);
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(guard(&seen, &sender, streams, ends)))
            .map_err(failed)?;
        Ok(Self {
            shared,
            fired,
            deadline,
        })
    }

    /// Why the run is to end early, if it is.
    pub(super) fn fired(&self) -> Option<&str> {
        self.shared.cause.get().map(String::as_str)
    }

    /// Turns true when the run is to end early.
    pub(super) fn cancel(&self) -> watch::Receiver<bool> {
        self.fired.clone()
    }

    /// Ends when the run is to end early, with the cause.
    pub(super) async fn wait(&self) -> String {
        let mut receiver = self.fired.clone();
        if receiver.wait_for(|fired| *fired).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.fired().unwrap_or("a signal").to_owned()
    }

    /// From now on the pipeline ends by itself when a signal comes, within the grace; else these words are the last.
    pub(super) fn end_gracefully(&self, last_words: impl FnOnce(&str) -> u8 + Send + 'static) {
        *lock(&self.shared.last_words) = Some(Box::new(last_words));
    }

    /// What is to be put back takes longer than deleting Jobs: so long.
    pub(super) fn patient(&self, grace: Duration) {
        // Set once, by the one command that runs.
        let _ = self.shared.grace.set(grace);
    }

    /// The run ends then, as by a signal.
    pub(super) fn end_after(&self, time: Duration, name: String) {
        self.deadline
            .send_replace(Some((Instant::now() + time, name)));
    }

    /// Namespaces in which Jobs may be from now on.
    pub(super) fn open(&self, namespaces: impl Iterator<Item = String>) {
        lock(&self.shared.open).extend(namespaces);
    }

    /// All of them are gone, unless something is left to be said of them.
    pub(super) fn closed(&self, left: &[String]) {
        if left.is_empty() {
            lock(&self.shared.open).clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen() -> std::io::Result<Vec<(&'static str, Signal)>> {
    let mut kinds = vec![
        ("SIGTERM", SignalKind::terminate()),
        ("SIGINT", SignalKind::interrupt()),
        ("SIGQUIT", SignalKind::quit()),
    ];
    if !ignores_hangup() {
        kinds.push(("SIGHUP", SignalKind::hangup()));
    }
    kinds
        .into_iter()
        .map(|(name, kind)| Ok((name, signal(kind)?)))
        .collect()
}

/// `nohup` starts a process that ignores it, which must stay so.
fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask & 1 != 0)
    })
}

async fn next(streams: &mut [(&'static str, Signal)]) -> &'static str {
    let waits = streams.iter_mut().map(|(name, stream)| {
        let name = *name;
        Box::pin(async move {
            stream.recv().await;
            name
        })
    });
    select_all(waits).await.0
}

/// Ends at the deadline with its name, as soon as there is one.
async fn reached(mut deadline: watch::Receiver<Option<(Instant, String)>>) -> String {
    let known = match deadline.wait_for(Option::is_some).await {
        Ok(known) => known.clone(),
        Err(_) => None,
    };
    match known {
        Some((end, name)) => {
            sleep_until(end).await;
            name
        }
        None => std::future::pending().await,
    }
}

async fn guard(
    shared: &Shared,
    sender: &watch::Sender<bool>,
    mut streams: Vec<(&'static str, Signal)>,
    deadline: watch::Receiver<Option<(Instant, String)>>,
) {
    let cause = tokio::select! {
        name = next(&mut streams) => name.to_owned(),
        name = reached(deadline) => name,
    };
    let first = Instant::now();
    // Set once, here alone; who waits for it may be gone.
    let _ = shared.cause.set(cause.clone());
    let _ = sender.send(true);
    if lock(&shared.last_words).is_none() {
        // A command without anything to clean up.
        say(&format!("interrupted by {cause}"));
        leave(EXIT_UNKNOWN);
    }
    let mut grace = SHORT_GRACE;
    loop {
        // A run whose clean-up has ended still has to report it.
        if !lock(&shared.open).is_empty() {
            grace = shared.grace.get().copied().unwrap_or(GRACE);
        }
        tokio::select! {
            _ = next(&mut streams) => if first.elapsed() >= DEBOUNCE { abandon(shared) },
            () = sleep(TICK) => {}
        }
        if first.elapsed() >= grace {
            give_up(shared, &cause);
        }
    }
}

/// The pipeline did not end in time: what is known is reported without it.
fn give_up(shared: &Shared, cause: &str) -> ! {
    if let Some(hint) = left_over(shared) {
        say(&format!(
            "interrupted by {cause}, and the API server did not answer in time; {hint}"
        ));
    }
    let last_words = lock(&shared.last_words).take();
    let code = last_words.map_or(EXIT_UNKNOWN, |last_words| last_words(cause));
    leave(code)
}

/// Ends at once, whatever is left.
fn abandon(shared: &Shared) -> ! {
    match left_over(shared) {
        Some(hint) => say(&format!("interrupted twice; {hint}")),
        None => say("interrupted twice"),
    }
    leave(EXIT_UNKNOWN)
}

/// How Jobs that may be left are deleted by hand.
fn left_over(shared: &Shared) -> Option<String> {
    let commands: Vec<String> = lock(&shared.open)
        .iter()
        .map(|namespace| {
            let label = format!("{MANAGED_BY_LABEL}={MANAGED_BY}");
            Command::kubectl(namespace, &["delete", "jobs", "-l", &label]).to_string()
        })
        .collect();
    (!commands.is_empty()).then(|| {
        format!(
            "probe Jobs that are left end by their deadline and go after their time to live, or now: {}",
            commands.join("; ")
        )
    })
}

fn say(text: &str) {
    output::note(&format!("k8sverify: {text}"));
}

fn leave(code: u8) -> ! {
    children::end();
    std::process::exit(i32::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_until_all_of_it_is_gone() {
        let shared = Arc::new(Shared::default());
        let signals = Signals {
            shared: Arc::clone(&shared),
            fired: watch::channel(false).1,
            deadline: watch::channel(None).0,
        };
        assert_eq!(left_over(&shared), None);
        signals.open(["shop".to_owned()].into_iter());
        signals.closed(&["job/x may still be there".to_owned()]);
        let said = left_over(&shared).unwrap();
        assert!(
            said.contains("time to live") && said.contains("-n shop"),
            "{said}"
        );
        signals.closed(&[]);
        assert_eq!(left_over(&shared), None);
    }
}
