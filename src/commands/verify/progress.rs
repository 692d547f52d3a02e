//! What a person sees while the run goes on: at a terminal one line on standard error; on a pipe or in CI a line now and then, which names what is waited
//! for, so that no log is silent for long. IO.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::outputs::unicode;
use crate::jobs::JobsProgress;
use crate::sanitise::{line, without_commands};

/// Between two lines of a log.
const BEAT: Duration = Duration::from_secs(15);

/// The line, or the lines.
pub(in crate::commands) struct Progress {
    bar: ProgressBar,
    heart: Option<Heartbeat>,
}

/// Writes to a log at a bounded rate what is being waited for.
struct Heartbeat {
    now: Arc<Mutex<String>>,
    /// Dropped when the run is over, which ends the thread.
    alive: Mutex<Option<Sender<()>>>,
}

impl Progress {
    /// A line at a terminal, a heartbeat elsewhere, nothing where neither is wanted.
    pub(in crate::commands) fn new(hide: bool) -> Self {
        let in_a_log = std::env::var_os("CI").is_some() || !std::io::stderr().is_terminal();
        let target = if hide || in_a_log {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            bar.set_style(if unicode(true) {
                style
            } else {
                style.tick_chars("|/-\\ ")
            });
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        let heart = (in_a_log && !hide).then(|| Heartbeat::new(BEAT, std::io::stderr()));
        Self { bar, heart }
    }

    /// Another stage began.
    pub(in crate::commands) fn stage(&self, text: &str) {
        if let Some(heart) = &self.heart {
            heart.report(text);
        }
        self.bar.set_message(text.to_owned());
    }

    /// So many probes have ended, and so many steps came in; the rest is waited for.
    pub(super) fn jobs(&self, what: &str, state: &JobsProgress) {
        let waiting = if state.waiting.is_empty() {
            String::new()
        } else {
            format!(", waiting for {}", state.waiting)
        };
        self.stage(&format!(
            "{what}: {} of {} probes done, {} steps{waiting}",
            state.finished, state.containers, state.steps
        ));
    }

    /// Prints something while the line is away.
    pub(super) fn interrupted_by(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// The line goes away.
    pub(in crate::commands) fn done(&self) {
        if let Some(heart) = &self.heart {
            heart.stop();
        }
        self.bar.finish_and_clear();
    }
}

impl Heartbeat {
    fn new(beat: Duration, mut log: impl Write + Send + 'static) -> Self {
        let now = Arc::new(Mutex::new(String::new()));
        let (alive, over) = mpsc::channel();
        let (started, text) = (Instant::now(), Arc::clone(&now));
        std::thread::spawn(move || {
            while over.recv_timeout(beat) == Err(RecvTimeoutError::Timeout) {
                let text = text.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let seconds = started.elapsed().as_secs();
                let said = format!("k8sverify: {} ({seconds} s)\n", line(&text));
                // There is nowhere left to write it where standard error is closed.
                if log.write_all(without_commands(&said).as_bytes()).is_err() {
                    return;
                }
            }
        });
        Self {
            now,
            alive: Mutex::new(Some(alive)),
        }
    }

    fn report(&self, text: &str) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone_into(&mut now);
    }

    fn stop(&self) {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        *alive = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that the test can read while it is written.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_shows_now_and_then_what_is_waited_for_and_nothing_after_the_end() {
        let log = Shared::default();
        let started = Instant::now();
        let heart = Heartbeat::new(Duration::from_millis(200), log.clone());
        for step in 0..1000 {
            heart.report(&format!("probing: step {step}"));
        }
        heart.report("waiting for deployment/db\n::error::x");
        let end = Instant::now() + Duration::from_secs(20);
        while log.text().lines().count() < 2 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        heart.stop();
        let text = log.text();
        let most = started.elapsed().as_millis() / 200;
        assert!(
            text.lines().count() as u128 <= most,
            "no more than one line a beat, however often something is reported: {text}"
        );
        let last = "k8sverify: waiting for deployment/db ::error::x (";
        assert!(
            text.lines()
                .last()
                .is_some_and(|line| line.starts_with(last)),
            "{text}"
        );
        std::thread::sleep(Duration::from_millis(500));
        assert!(log.text().lines().count() <= text.lines().count() + 1);
    }
}
