//! What a client's own configuration says about a connection, without any value of a secret. Pure data.

use serde::{Deserialize, Serialize};

/// What to ask of an HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// TLS as a client wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never.
    Disabled,
    /// If offered, without verification.
    Preferred,
    /// Always, without verification.
    Required,
    /// Always, and the certificate must verify.
    Verify,
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
    #[must_use]
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
}
