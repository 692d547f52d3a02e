//! The cluster or manifest files → [`Snapshot`]: namespaces as plain data. IO only at the edge.

mod index;
pub mod kinds;
mod snapshot;

pub use index::*;
pub use snapshot::*;
