//! The client's own credentials: names of variables from the spec, their values from the tier's environment, never anywhere else. Pure.

use std::collections::BTreeMap;

use crate::address::trust::{Frankness, is_direct, parameters};
use crate::address::{Credentials, LoginReference, credentials};
use crate::probe::record::Scrubber;
use crate::probe::wire::EdgeTask;

/// Whether to log in.
pub(crate) enum Login {
    /// With these; most edges have none.
    With(Box<Account>),
    /// Not, and why.
    Without(String),
}

/// What the client logs in with, and where that stands.
pub(crate) struct Account {
    /// The credentials.
    pub(crate) credentials: Credentials,
    /// The variables that it came from, for people.
    pub(crate) source: String,
    /// MongoDB: the database that knows the user, if the URL says.
    pub(crate) auth_source: Option<String>,
    /// The parameters of the URL.
    pub(crate) parameters: BTreeMap<String, String>,
    /// MySQL: what the client sends to any server that asks for it.
    pub(crate) frankness: Frankness,
}

impl Login {
    /// The login of an edge, from the tier's environment.
    pub(crate) fn of(task: &EdgeTask, environment: &BTreeMap<String, String>) -> Self {
        let Some(reference) = &task.login else {
            return Self::Without(task.no_login_reason.clone());
        };
        let reference = without_empty_password(reference, environment);
        match credentials(&reference, environment) {
            Ok(credentials) => {
                let parameters = parameters_of(&reference, environment);
                let words = parameters.iter().chain(environment);
                Self::With(Box::new(Account {
                    credentials,
                    source: source(&reference),
                    auth_source: parameters.get("authSource").cloned(),
                    frankness: Frankness::of(
                        words.map(|(name, value)| (name.as_str(), value.as_str())),
                    ),
                    parameters,
                }))
            }
            Err(reason) => Self::Without(reason),
        }
    }

    /// The same without user and password, for `reason`: a client of MongoDB that connects directly does so all the same.
    pub(crate) fn withheld(self, reason: String) -> Self {
        match self {
            Self::With(mut account) if is_direct(&account.parameters) => {
                account.credentials.user = None;
                account.credentials.password = None;
                Self::With(account)
            }
            _ => Self::Without(reason),
        }
    }

    /// The account, if any.
    pub(crate) fn account(&self) -> Option<&Account> {
        match self {
            Self::With(account) => Some(account),
            Self::Without(_) => None,
        }
    }
}

/// The parameters of the URL that the host or all stands in.
fn parameters_of(
    reference: &LoginReference,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    reference
        .host()
        .and_then(|variable| environment.get(variable))
        .map(|value| parameters(value))
        .unwrap_or_default()
}

/// A password variable that is set and empty is a client that sends none.
fn without_empty_password(
    reference: &LoginReference,
    environment: &BTreeMap<String, String>,
) -> LoginReference {
    let mut reference = reference.clone();
    if let LoginReference::Parts { password, .. } = &mut reference
        && password
            .as_ref()
            .and_then(|name| environment.get(name))
            .is_some_and(String::is_empty)
    {
        *password = None;
    }
    reference
}

/// The variables that carry the login, by name.
fn source(reference: &LoginReference) -> String {
    let names = match reference {
        LoginReference::Url { variable } => vec![variable],
        LoginReference::Parts { user, password, .. } => {
            [user, password].into_iter().flatten().collect()
        }
    };
    names
        .into_iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
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
    if let Some(Account { credentials, .. }) = login.account() {
        if let Some(password) = &credentials.password {
            scrubber.hide(password, "***");
        }
        if let Some(user) = &credentials.user {
            scrubber.hide_user(user);
        }
    }
}
