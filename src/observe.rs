//! The cluster or manifest files → [`Snapshot`]: namespaces as plain data. IO only at the edge.

mod client;
mod collect;
mod connect;
mod crash_logs;
mod error;
mod follow;
mod index;
pub mod kinds;
mod manifests;
mod other_policies;
mod references;
pub mod resources;
pub mod settle;
mod snapshot;
mod trim;

pub use client::*;
pub use collect::*;
pub use connect::*;
pub use crash_logs::redact;
pub use error::*;
pub use follow::*;
pub use index::*;
pub use manifests::from_manifests;
pub use references::*;
pub use settle::settle;
pub use snapshot::*;
pub use trim::*;
