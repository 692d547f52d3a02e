//! [`crate::compose::ComposeFile`] + [`crate::observe::Snapshot`] → [`TierGraph`]: tiers, and edges "A must reach host B:port by protocol". Pure.

mod build;
mod deployed;
mod entry;
#[cfg(test)]
mod fixture;
pub mod infer;
mod isolation;
pub mod layout;
mod mapping;
mod model;
pub mod render;
pub mod svg;

pub use build::build;
pub(crate) use deployed::{known_containers, names_host, own_families, variable_is};
pub(crate) use infer::asks_a_server;
pub use infer::{Inferred, identify, infer};
pub use isolation::forbid_between_networks;
pub use model::*;
