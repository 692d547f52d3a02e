//! The cluster or manifest files → [`Snapshot`]: namespaces as plain data. IO only at the edge.

mod client;
mod collect;
mod connect;
mod crash_logs;
mod error;
mod follow;
mod index;
mod ingress;
mod judge;
pub mod kinds;
mod manifests;
mod mounted;
mod other_policies;
mod pod_state;
mod redacted;
mod references;
pub mod resources;
mod service_links;
mod settle;
mod snapshot;
mod trim;

pub use client::*;
pub use collect::*;
pub use connect::*;
pub use error::*;
pub use follow::*;
pub use index::*;
pub use ingress::*;
pub use judge::*;
pub use manifests::*;
pub(crate) use mounted::mounted_key;
pub use references::*;
pub(crate) use service_links::service_link;
pub use settle::*;
pub use snapshot::*;
pub use trim::*;
