//! The cluster or manifest files → [`Snapshot`]: namespaces as plain data. IO only at the edge.

mod client;
mod connect;
mod error;
mod index;
pub mod kinds;
pub mod resources;
mod snapshot;

pub use client::*;
pub use connect::*;
pub use error::*;
pub use index::*;
pub use snapshot::*;
