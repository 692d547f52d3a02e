//! [`crate::graph::TierGraph`] + [`crate::observe::Snapshot`] → [`ProbePlan`]: which edges to probe from which vantage; plan → `batch/v1` Jobs. Pure.

mod authorities;
mod client;
mod edge;
mod entries;
mod environment;
mod first;
mod harmless;
pub mod job;
mod mesh;
mod model;
mod names;
pub mod patch;
mod permission;
mod product;
mod runner;
mod second;

pub use entries::{entry_control, entry_task};
pub use first::plan;
pub use model::*;
pub use runner::{as_client, bare_task, own_login, plain};
pub use second::{again, changed, second_look};

#[cfg(test)]
mod tests;
