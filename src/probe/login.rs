//! The client's own credentials: names of variables from the spec, their values from the tier's environment, never anywhere else. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use percent_encoding::percent_decode_str;

use crate::address::{LoginReference, TlsMode};
use crate::probe::record::Scrubber;
use crate::probe::wire::EdgeTask;

/// What the client logs in with. No `Debug`: it must not be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Host, if the configuration names one.
    pub(crate) host: Option<String>,
    /// Port, if the configuration names one.
    pub(crate) port: Option<NonZeroU16>,
    /// User.
    pub(crate) user: Option<String>,
    /// Password.
    pub(crate) password: Option<String>,
    /// Database, virtual host or database number.
    pub(crate) database: Option<String>,
    /// TLS, if the configuration says.
    pub(crate) tls: Option<TlsMode>,
    /// The variables that it came from, for people.
    pub(crate) source: String,
}

/// Whether to log in.
#[derive(Clone)]
pub(crate) enum Login {
    /// With these.
    With(Credentials),
    /// Not, and why.
    Without(String),
}

impl Login {
    /// The login of an edge, from the tier's environment.
    pub(crate) fn of(task: &EdgeTask, environment: &BTreeMap<String, String>) -> Self {
        let Some(reference) = &task.login else {
            return Self::Without(task.no_login_reason.clone());
        };
        if task.forbidden {
            return Self::Without("this connection must not work: no login is tried".to_owned());
        }
        match credentials(reference, environment) {
            Ok(found) => match &found.password {
                Some(password) if is_reference(password) => Self::Without(format!(
                    "the password of {} is a reference that something else replaces in the app's container",
                    found.source
                )),
                _ => Self::With(found),
            },
            Err(reason) => Self::Without(reason),
        }
    }

    /// The credentials, if any.
    pub(crate) const fn credentials(&self) -> Option<&Credentials> {
        match self {
            Self::With(credentials) => Some(credentials),
            Self::Without(_) => None,
        }
    }
}

/// A text that a secrets manager replaces at the app's start (`vault:…`, `${…}`, `op://…`): never a password.
fn is_reference(password: &str) -> bool {
    [
        "vault:",
        "op://",
        "sm://",
        "ref+",
        "arn:aws:",
        "azurekeyvault://",
        "gcp:secretmanager:",
    ]
    .iter()
    .any(|prefix| password.starts_with(prefix))
        || (password.starts_with("${") && password.ends_with('}'))
        || (password.starts_with("$(") && password.ends_with(')'))
        || (password.starts_with("{{") && password.ends_with("}}"))
        || (password.starts_with('<') && password.ends_with('>'))
}

/// Joins the variables of a reference to credentials.
fn credentials(
    reference: &LoginReference,
    environment: &BTreeMap<String, String>,
) -> Result<Credentials, String> {
    let missing = |name: &str| format!("{name} has no value in the probe's environment");
    match reference {
        LoginReference::Url { variable } => {
            let value = environment.get(variable).ok_or_else(|| missing(variable))?;
            let mut found = from_url(value)
                .ok_or_else(|| format!("{variable} is not a URL that could be read"))?;
            found.source.clone_from(variable);
            Ok(found)
        }
        LoginReference::Parts {
            host,
            port,
            user,
            password,
            database,
        } => {
            let value = |name: &Option<String>| -> Result<Option<String>, String> {
                name.as_ref()
                    .map(|name| environment.get(name).cloned().ok_or_else(|| missing(name)))
                    .transpose()
            };
            Ok(Credentials {
                host: value(host)?,
                port: value(port)?.and_then(|port| port.trim().parse().ok()),
                user: value(user)?,
                password: value(password)?,
                database: value(database)?,
                tls: None,
                source: [user, password]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", "),
            })
        }
    }
}

fn from_url(text: &str) -> Option<Credentials> {
    let (scheme, rest) = text.trim().split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let path = rest[authority.len()..].split(['?', '#']).next()?;
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((user, password)) => (
            Some(decode(user)).filter(|text| !text.is_empty()),
            Some(decode(password)).filter(|text| !text.is_empty()),
        ),
        None => (None, None),
    };
    let host = host.split(',').next()?;
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (host, None),
    };
    Some(Credentials {
        host: Some(host.trim_matches(['[', ']']).to_owned()).filter(|host| !host.is_empty()),
        port,
        user,
        password,
        database: Some(decode(path.trim_start_matches('/'))).filter(|text| !text.is_empty()),
        tls: scheme.ends_with("ss").then_some(TlsMode::Required),
        source: String::new(),
    })
}

/// Hides everything secret about a login: the values of its variables, whole and decoded. Hosts and ports may be read.
pub(crate) fn hide(
    reference: &LoginReference,
    login: &Login,
    environment: &BTreeMap<String, String>,
    scrubber: &mut Scrubber,
) {
    let value = |name: &String| environment.get(name).map(String::as_str);
    match reference {
        LoginReference::Url { variable } => {
            if let Some(url) = value(variable) {
                scrubber.hide(url, &format!("(the value of {variable})"));
                if let Some((userinfo, _)) = url
                    .split_once("://")
                    .and_then(|(_, rest)| rest.rsplit_once('@'))
                {
                    scrubber.hide(userinfo, "***");
                    if let Some((_, password)) = userinfo.split_once(':') {
                        scrubber.hide(password, "***");
                    }
                }
            }
        }
        LoginReference::Parts { user, password, .. } => {
            if let Some(password) = password.as_ref().and_then(value) {
                scrubber.hide(password, "***");
            }
            if let Some(user) = user.as_ref().and_then(value) {
                scrubber.hide_user(user);
            }
        }
    }
    if let Some(credentials) = login.credentials() {
        if let Some(password) = &credentials.password {
            scrubber.hide(password, "***");
        }
        if let Some(user) = &credentials.user {
            scrubber.hide_user(user);
        }
    }
}
