//! What a run does, written to standard error with `-vv`. IO.

use std::io::{IsTerminal, Write};

use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::sanitise::without_commands;

/// Standard error, on which no line is a command to a CI server.
struct Guarded;

impl Write for Guarded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        std::io::stderr().write_all(without_commands(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// From this many `-v` on.
const LOUD: u8 = 2;

/// Starts the log, if it is asked for; `RUST_LOG` chooses how much of our own parts. Those of libraries stay silent: they
/// log URLs, headers and bodies as they are, and with them what must not be read.
pub(super) fn start(verbose: u8) {
    if verbose < LOUD {
        return;
    }
    let filter = std::env::var("RUST_LOG")
        .ok()
        .and_then(|chosen| chosen.parse().ok())
        .unwrap_or_else(|| {
            Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::DEBUG)
        });
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    // A subscriber that is there already, as in tests, receives the same.
    let own = filter_fn(|metadata| metadata.target().starts_with(env!("CARGO_CRATE_NAME")));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(|| Guarded)
        .with_ansi(!plain && std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(filter.and(own));
    let _ = tracing_subscriber::registry().with(layer).try_init();
}
