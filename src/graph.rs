//! [`crate::compose::ComposeFile`] + [`crate::observe::Snapshot`] → [`TierGraph`]: tiers, and edges "A must reach host B:port by protocol". Pure.

pub mod infer;
pub mod layout;
mod model;
pub mod render;
pub mod svg;

pub use infer::{Inferred, identify, infer};
pub use model::*;
