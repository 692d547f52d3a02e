//! A value or a family of variables (`DB_HOST`, `DB_PORT`, `DB_USER` …) → host, port, protocol, *names* of the credentials; Kubernetes'
//! `$(VAR)` expansion. Pure; used by `graph` and, in the Pod, by `probe`.

mod model;

pub use model::*;
