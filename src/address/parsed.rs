//! One address with all that was written about it, secrets included: what leaves this stage is reduced. Pure.

use std::num::NonZeroU16;

use crate::protocol::Protocol;

use super::{Shape, Target, TlsMode};

/// One address with all that was written about it. It holds passwords: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    pub host: String,
    pub port: Option<NonZeroU16>,
    pub protocol: Option<Protocol>,
    pub by_scheme: bool,
    pub tls: Option<TlsMode>,
    pub user: Option<String>,
    pub password: Option<String>,
    pub database: Option<String>,
    pub shape: Shape,
    /// Whether the port is only the usual one of the scheme.
    pub usual_port: bool,
}

impl Parsed {
    /// A bare host.
    pub(super) fn host(name: &str) -> Self {
        Self {
            host: name.to_owned(),
            port: None,
            protocol: None,
            by_scheme: false,
            tls: None,
            user: None,
            password: None,
            database: None,
            shape: Shape::Host,
            usual_port: false,
        }
    }

    /// What may be shown.
    pub(super) fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            port: self.port,
            protocol: self.protocol,
            tls: self.tls,
            shape: self.shape,
            by_scheme: self.by_scheme,
        }
    }
}
