//! What a run does, told to standard error for who asks with `-vv`. IO.

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// From this many `-v` on.
const LOUD: u8 = 2;

/// Starts to tell, if it is asked for; `RUST_LOG` chooses how much of our own parts. Those of libraries stay silent: they
/// log URLs, headers and bodies as they are, and with them what must not be read.
pub(super) fn start(verbose: u8) {
    if verbose < LOUD {
        return;
    }
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("k8sverify=debug"));
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    // A subscriber that is there already, as in tests, hears the same.
    let own = filter_fn(|metadata| metadata.target().starts_with(env!("CARGO_CRATE_NAME")));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(!plain && std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(filter.and(own));
    let _ = tracing_subscriber::registry().with(layer).try_init();
}
