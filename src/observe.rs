//! The cluster or manifest files → [`Snapshot`]: namespaces as plain data. IO only at the edge.

pub mod kinds;
mod snapshot;

pub use snapshot::*;
