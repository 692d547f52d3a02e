//! The whole pipeline without a cluster: the shipped binary against the sandbox of `examples/sandbox`.
//!
//! Nothing here needs a network, a port of its own or another test; `tests/scenarios/README.md` says how a scenario is written.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

#[path = "sandbox/ahead.rs"]
mod ahead;
#[path = "sandbox/api.rs"]
mod api;
#[path = "sandbox/demo.rs"]
mod demo;
#[path = "sandbox/drill.rs"]
mod drill;
#[path = "sandbox/play.rs"]
mod play;
#[path = "sandbox/scenarios.rs"]
mod scenarios;
#[path = "sandbox/secrets.rs"]
mod secrets;
#[path = "sandbox/signals.rs"]
mod signals;
