//! The cluster or manifest files → [`Snapshot`]: namespaces as plain data. IO only at the edge.

mod client;
mod collect;
mod connect;
mod crash_logs;
mod credentials;
mod error;
#[cfg(test)]
pub(crate) mod fixture;
mod follow;
mod held;
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
mod shared;
mod snapshot;
mod state;
mod trim;
mod volumes;
mod writes;

use tokio::sync::watch;

pub use client::*;
pub use collect::*;
pub use connect::*;
pub use error::*;
pub use follow::*;
pub use held::*;
pub use index::*;
pub use ingress::*;
pub(crate) use judge::pods_of_newest;
pub use judge::*;
pub use manifests::*;
pub(crate) use mounted::{config_map_file, mounted_key, mounted_secret};
pub use references::*;
pub(crate) use service_links::service_link;
pub use settle::*;
pub use snapshot::*;
pub use state::*;
pub use trim::*;

/// Turns true when the run is to end early: what was made is deleted then, and what is missing is not known.
pub type Cancel = watch::Receiver<bool>;
