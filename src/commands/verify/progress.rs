//! What a person at a terminal sees while the run goes on: one line on standard error; nothing on a pipe or in CI. IO.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::outputs::unicode;
use crate::jobs::JobsProgress;

/// The line.
pub(in crate::commands) struct Progress(ProgressBar);

impl Progress {
    /// A line that hides itself where nobody looks.
    pub(in crate::commands) fn new(hide: bool) -> Self {
        let hidden = hide || std::env::var_os("CI").is_some();
        let target = if hidden {
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
        Self(bar)
    }

    /// Another stage began.
    pub(in crate::commands) fn stage(&self, text: &str) {
        self.0.set_message(text.to_owned());
    }

    /// So many probes have ended, and so many steps came in.
    pub(super) fn jobs(&self, what: &str, state: JobsProgress) {
        self.0.set_message(format!(
            "{what} {}/{} ({} steps)",
            state.finished, state.containers, state.steps
        ));
    }

    /// The line goes away.
    pub(in crate::commands) fn done(&self) {
        self.0.finish_and_clear();
    }
}
