//! What a run does, told to standard error for who asks with `-vv`. IO.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// From this many `-v` on.
const LOUD: u8 = 2;

/// Starts to tell, if it is asked for; `RUST_LOG` chooses other parts than our own.
pub(super) fn start(verbose: u8) {
    if verbose < LOUD {
        return;
    }
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("k8sverify=debug"));
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    // A subscriber that is there already, as in tests, hears the same.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!plain && std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
}
