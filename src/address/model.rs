//! What a client's own configuration says about a connection, without any value of a secret. Pure data.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::protocol::Protocol;

/// What to ask of an HTTP server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpQuestion {
    /// Path with query; `None`: one that surely does not exist, where any answer below 500 but 400 proves HTTP.
    pub path: Option<String>,
    /// Where the path comes from ("compose healthcheck of AP"); empty without a path.
    pub origin: String,
    /// Whether the path was declared as a health path: 404 is then worth a warning.
    pub health: bool,
    /// A status that the user expects.
    pub expect_status: Option<u16>,
}

/// A path that surely does not exist.
pub const NOWHERE: &str = "/k8sverify-does-this-path-exist";

/// TLS as a client wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never.
    Disabled,
    /// If offered, without verification.
    Preferred,
    /// Always, and the client says itself that nothing is verified (`sslmode=require`, `skip-verify`).
    Required,
    /// Always, by a scheme or a switch that says no more (`rediss`, `?tls=true`): most drivers verify then, some do not.
    Secured,
    /// Always, and the certificate must come from a CA that the client trusts (`verify-ca`).
    VerifyCa,
    /// Always, and the certificate must come from such a CA and be for the host (`verify-full`).
    Verify,
}

impl TlsMode {
    /// Whether the client takes no connection without TLS.
    pub const fn insists(self) -> bool {
        matches!(
            self,
            Self::Required | Self::Secured | Self::VerifyCa | Self::Verify
        )
    }
}

/// How a client logs in: names of variables in the client's own container, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum LoginReference {
    /// Everything stands in one URL or DSN.
    Url {
        /// The variable's name.
        variable: String,
    },
    /// Variables of one family.
    Parts {
        /// Host.
        host: Option<String>,
        /// Port.
        port: Option<String>,
        /// User.
        user: Option<String>,
        /// Password.
        password: Option<String>,
        /// Database, virtual host or database number.
        database: Option<String>,
    },
}

impl LoginReference {
    /// The names of every variable that it needs.
    pub fn variables(&self) -> Vec<&str> {
        match self {
            Self::Url { variable } => vec![variable],
            Self::Parts {
                host,
                port,
                user,
                password,
                database,
            } => [host, port, user, password, database]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect(),
        }
    }

    /// The variable in which the host stands.
    pub(crate) fn host(&self) -> Option<&String> {
        match self {
            Self::Url { variable } => Some(variable),
            Self::Parts { host, .. } => host.as_ref(),
        }
    }

    /// The variable that is the password and nothing else.
    pub(crate) fn password(&self) -> Option<&String> {
        match self {
            Self::Url { .. } => None,
            Self::Parts { password, .. } => password.as_ref(),
        }
    }

    /// The part that says where to dial; `None` where that stands elsewhere.
    pub(crate) fn host_alone(&self) -> Option<Self> {
        match self {
            Self::Url { .. } => Some(self.clone()),
            Self::Parts { host, port, .. } => host.as_ref().map(|host| Self::Parts {
                host: Some(host.clone()),
                port: port.clone(),
                user: None,
                password: None,
                database: None,
            }),
        }
    }

    /// The same login with each name replaced; `None` where one has no other.
    pub(crate) fn renamed(&self, new_name: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let mut renamed = self.clone();
        let names = match &mut renamed {
            Self::Url { variable } => vec![variable],
            Self::Parts {
                host,
                port,
                user,
                password,
                database,
            } => [host, port, user, password, database]
                .into_iter()
                .flatten()
                .collect(),
        };
        for name in names {
            *name = new_name(name)?;
        }
        Some(renamed)
    }

    /// The login without the variables that are not there; `None` where its URL, user or password is one of them.
    #[must_use]
    pub fn within(&self, is_there: impl Fn(&String) -> bool) -> Option<Self> {
        match self {
            Self::Url { variable } => is_there(variable).then(|| self.clone()),
            Self::Parts { user, password, .. } => {
                let whole = [user, password].into_iter().flatten().all(&is_there);
                whole.then(|| self.keeping(is_there))
            }
        }
    }

    /// The login without the variables that are not there, but for the password's.
    #[must_use]
    pub fn keeping(&self, mut is_there: impl FnMut(&String) -> bool) -> Self {
        let mut kept = self.clone();
        if let Self::Parts {
            host,
            port,
            user,
            database,
            ..
        } = &mut kept
        {
            for part in [host, port, user, database] {
                *part = part.take().filter(&mut is_there);
            }
        }
        kept
    }
}

/// How an address was written, which shows how surely it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A bare word: an address only if the key says so.
    Host,
    /// `host:port`.
    HostPort,
    /// With a scheme, or as a data source name.
    Url,
}

/// One address that a value names, without any part that could be secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The host, as written.
    pub host: String,
    /// The port, if written, or the scheme's own.
    pub port: Option<NonZeroU16>,
    /// The protocol, as far as scheme or key say.
    pub protocol: Option<Protocol>,
    /// TLS as the value says.
    pub tls: Option<TlsMode>,
    /// How it was written.
    pub shape: Shape,
    /// Whether `protocol` comes from a scheme, which beats every other hint.
    pub by_scheme: bool,
}

impl Target {
    /// `host:port` of which nothing more is known.
    pub(crate) const fn at(host: String, port: Option<NonZeroU16>) -> Self {
        Self {
            host,
            port,
            protocol: None,
            tls: None,
            shape: Shape::HostPort,
            by_scheme: false,
        }
    }
}

/// An address that one variable, or several that belong together, give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// The variable in which the host stands.
    pub host_variable: String,
    /// The variable in which the port stands, if it is another one.
    pub port_variable: Option<String>,
    /// The address.
    pub target: Target,
    /// Ports of variables that may belong to the same host (`FLAGD_OFREP_PORT` beside `FLAGD_HOST`).
    pub further_ports: Vec<NonZeroU16>,
    /// How a client logs in there.
    pub login: Option<LoginReference>,
}

/// A login, put together from a client's own environment; only ever in the client's own container.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// The host to which it belongs.
    pub host: Option<String>,
    /// The port to which it belongs.
    pub port: Option<NonZeroU16>,
    /// The user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Database, virtual host or database number.
    pub database: Option<String>,
    /// TLS as the client wants it.
    pub tls: Option<TlsMode>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            user,
            password,
            database,
            tls,
        } = self;
        f.debug_struct("Credentials")
            .field("host", host)
            .field("port", port)
            .field("user", &user.as_ref().map(|_| "…"))
            .field("password", &password.as_ref().map(|_| "…"))
            .field("database", &database.as_ref().map(|_| "…"))
            .field("tls", tls)
            .finish()
    }
}
