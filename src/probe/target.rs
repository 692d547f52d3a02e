//! Where an edge really leads: to the host of its task, unless the URL in the client's own Secret names another. Pure.

use std::collections::BTreeMap;

use crate::address::trust::is_direct;
use crate::address::{self, Flaw, FlawKind, LoginReference, TlsMode, credentials, is_same_host};
use crate::probe::found::Found;
use crate::probe::login::{Account, Login};
use crate::probe::trust::{ClientTrust, Trust};
use crate::probe::wire::{
    EdgeTask, FLAW_KIND, FLAW_PLACE, HOST_FROM_SECRET, NO_CREDENTIALS, NO_SERVER, PORT_FROM_SECRET,
    StepError, StepName, WITHIN_POD,
};
use crate::protocol::Protocol;

/// What is wrong with a variable that the container does not have.
const NOT_THERE: &str = "does not exist in its container: what it comes from does not hold it";

/// What is dialled for an edge.
pub(crate) struct DialTarget {
    /// The host.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// TLS as the client wants it.
    pub(crate) tls: Option<TlsMode>,
    /// Whether nothing says if the client wants TLS, not even the URL in its Secret.
    pub(crate) tls_unseen: bool,
    /// Whose certificates the client takes.
    pub(crate) trust: Trust,
    /// The login.
    pub(crate) login: Login,
    /// Why there is nothing to dial.
    pub(crate) unusable: Option<String>,
    /// Whether the hidden text of the host's variable says that there is none to dial.
    is_off: bool,
    /// How to call the host if it came from a Secret: itself, or the variable that holds it.
    pub(crate) from_secret: Option<String>,
    /// What is wrong with the text of the address, and in which variable.
    pub(crate) flaw: Option<(String, Flaw)>,
    /// The same of the password.
    password_flaw: Option<(String, Flaw)>,
}

impl DialTarget {
    /// Where the edge leads, and the login, unless it is withheld; `shown`: whether a name may be printed.
    pub(crate) fn of(
        task: &EdgeTask,
        environment: &BTreeMap<String, String>,
        trust: &ClientTrust<'_>,
        shown: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut target = Self::read(task, environment, trust, shown);
        if task.withheld || task.forbidden {
            target.login = target.login.withheld(task.no_login_reason.clone());
        }
        target
    }

    fn read(
        task: &EdgeTask,
        environment: &BTreeMap<String, String>,
        trust: &ClientTrust<'_>,
        shown: &dyn Fn(&str) -> bool,
    ) -> Self {
        let login = Login::of(task, environment);
        // A login that is not whole still says where to dial.
        let whole = login.account().map(|account| account.credentials.clone());
        let said = whole.or_else(|| {
            let host = task.login.as_ref()?.host_alone()?;
            credentials(&host, environment).ok()
        });
        let tls = said.as_ref().and_then(|said| said.tls).or(task.tls);
        let has_address = said.as_ref().is_some_and(|said| said.host.is_some());
        let mut variables: Vec<&str> = match &task.login {
            Some(reference) => reference.variables(),
            None => Vec::new(),
        };
        variables.extend(task.host_variable.as_deref());
        let none = BTreeMap::new();
        let parameters = login.account().map_or(&none, |account| &account.parameters);
        // What a URL says of the client's ways holds for one without a login, too.
        let direct = task.protocol == Protocol::Mongodb && is_direct(parameters);
        let trust = Trust::of(task, tls, &variables, parameters, trust);
        let absent = absent(task, environment);
        let text = hidden_host(task).and_then(|name| environment.get(name));
        let mut target = Self {
            is_off: text.is_some_and(|text| address::is_file(text) || address::is_off(text)),
            host: task.host.clone(),
            port: task.port.get(),
            tls,
            tls_unseen: task.unseen && tls.is_none() && !has_address,
            trust,
            login,
            unusable: absent
                .as_ref()
                .map(|(name, flaw)| (name, flaw.words.as_str()))
                .or_else(|| unreadable(task, environment))
                .map(|(name, words)| format!("{name} {words}: what the client dials is not known")),
            from_secret: None,
            flaw: absent.or_else(|| flaw(task, environment)),
            password_flaw: password_flaw(task, environment),
        };
        let Some(said) = said else {
            return target;
        };
        // Redis takes a client without a login into the database that it selects.
        let selects = task.protocol == Protocol::Redis && said.database.is_some();
        let says = selects || direct;
        let nothing = said.user.is_none() && said.password.is_none() && !says;
        let account = target.login.account();
        let has_account = account.is_some();
        let source = account.map_or_else(String::new, |account| account.source.clone());
        let host = said.host.as_deref().unwrap_or(&task.host);
        let port = said.port.map_or(
            if is_same_host(host, &task.host) {
                task.port.get()
            } else {
                task.protocol.default_port().unwrap_or(task.port).get()
            },
            std::num::NonZeroU16::get,
        );
        let host = host.to_owned();
        if nothing && has_account {
            // A URL that only says where: the whole of it is known, and there is nothing to log in with.
            let reason = match task.no_login_reason.as_str() {
                "" => NO_CREDENTIALS,
                reason => reason,
            };
            target.login = Login::Without(reason.to_owned());
        }
        if is_same_host(&host, &task.host) && port == task.port.get() {
            return target;
        }
        target.from_secret = Some(if shown(&host.to_ascii_lowercase()) {
            host.clone()
        } else {
            format!("the host in {}", variable(task, &source))
        });
        Self {
            host,
            port,
            ..target
        }
    }

    /// Takes a client without its password for one that has none, where that can stand nowhere else.
    pub(crate) fn miss_password(
        &mut self,
        task: &EdgeTask,
        environment: &BTreeMap<String, String>,
    ) {
        let Some(name) = task.login.as_ref().and_then(LoginReference::password) else {
            return;
        };
        if task.no_login_reason == NO_CREDENTIALS && !environment.contains_key(name) {
            // With a user it is what a client sends whose password is empty.
            let mut without = environment.clone();
            without.insert(name.clone(), String::new());
            let login = Login::of(task, &without);
            let has_user = |account: &Account| account.credentials.user.is_some();
            self.login = if login.account().is_some_and(has_user) && !task.withheld {
                login
            } else {
                Login::Without(NO_CREDENTIALS.to_owned())
            };
            self.password_flaw = Some((name.clone(), Flaw::absent(NOT_THERE.to_owned())));
        }
    }

    /// How to call the host and port.
    pub(crate) fn shown(&self) -> String {
        match &self.from_secret {
            Some(name) => format!("{name}:{}", self.port),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// Why the task's endpoints do not matter.
    pub(crate) fn elsewhere(&self) -> Option<String> {
        self.from_secret.as_ref().map(|name| {
            format!(
                "the client's own URL leads to {name}, port {}, not to these endpoints",
                self.port
            )
        })
    }

    /// The text that stands for the host wherever it must not be read.
    pub(crate) fn hidden(&self) -> Option<(&str, &str)> {
        let name = self.from_secret.as_deref()?;
        (name != self.host).then_some((self.host.as_str(), name))
    }

    /// A refused login with what is wrong with the password's text.
    pub(crate) fn explain(&self, found: Found) -> Found {
        match &self.password_flaw {
            Some((variable, flaw))
                if found.name == StepName::Login
                    && (found.error == Some(StepError::LoginDenied)
                        || flaw.kind == FlawKind::Absent) =>
            {
                flawed(found, variable, flaw)
            }
            _ => found,
        }
    }

    /// A step that says when it is about the Secret's host.
    pub(crate) fn mark(&self, found: Found) -> Found {
        let found = self.explain(found);
        let found = match &self.flaw {
            Some((variable, flaw)) if found.name == StepName::Dns => flawed(found, variable, flaw),
            _ => found,
        };
        let found = if self.is_off {
            found.fact(NO_SERVER, "")
        } else {
            found
        };
        match &self.from_secret {
            Some(name) => {
                let found = found
                    .fact(HOST_FROM_SECRET, name.clone())
                    .fact(PORT_FROM_SECRET, self.port.to_string());
                if address::is_local(&self.host) {
                    found.fact(
                        WITHIN_POD,
                        "the client's own URL leads into its own Pod: not asked",
                    )
                } else {
                    found
                }
            }
            None => found,
        }
    }
}

fn flawed(found: Found, variable: &str, flaw: &Flaw) -> Found {
    let kind = match flaw.kind {
        FlawKind::Unresolved => "unresolved",
        FlawKind::Malformed => "malformed",
        FlawKind::Absent | FlawKind::Unread => "absent",
    };
    found
        .fact(FLAW_KIND, kind.to_owned())
        .fact(FLAW_PLACE, format!("{variable} {}", flaw.words))
}

/// The variable of a host that only the probe sees.
fn hidden_host(task: &EdgeTask) -> Option<&String> {
    task.login.as_ref().filter(|_| task.unseen)?.host()
}

/// The variable in which the client has the host, by reference from where its own container has it, if it is not there.
fn absent(task: &EdgeTask, environment: &BTreeMap<String, String>) -> Option<(String, Flaw)> {
    let name = hidden_host(task)?;
    (!environment.contains_key(name)).then(|| (name.clone(), Flaw::absent(NOT_THERE.to_owned())))
}

/// The variable of a host that is there and whose text is no address, and that in words.
fn unreadable<'a>(
    task: &'a EdgeTask,
    environment: &BTreeMap<String, String>,
) -> Option<(&'a String, &'static str)> {
    let name = hidden_host(task)?;
    let text = environment.get(name)?;
    let alone = LoginReference::Url {
        variable: name.clone(),
    };
    let is_read = text.trim().is_empty()
        || address::is_reference(text)
        || credentials(&alone, environment).is_ok();
    (!is_read).then_some((name, "holds no address that can be read"))
}

/// What is wrong with the text of the variables that say where to dial, as the client's container has them.
fn flaw(task: &EdgeTask, environment: &BTreeMap<String, String>) -> Option<(String, Flaw)> {
    let login = task.login.as_ref()?;
    let port = match login {
        LoginReference::Url { .. } => None,
        LoginReference::Parts { port, .. } => port.as_ref(),
    };
    let of = |name: Option<&String>, read: &dyn Fn(&str) -> Option<Flaw>| {
        let name = name?;
        Some((name.clone(), read(environment.get(name)?)?))
    };
    let address = |value: &str| {
        address::flaw_of_address(value).or_else(|| unresolved(value, task.protocol.is_store()))
    };
    let found = of(login.host(), &address).into_iter();
    let mut found: Vec<_> = found.chain(of(port, &address::flaw_of_port)).collect();
    found.sort_by_key(|(_, flaw)| !flaw.certain);
    found.into_iter().next()
}

/// What the kubelet left of a reference stays: a Secret's text is never expanded.
fn unresolved(value: &str, is_store: bool) -> Option<Flaw> {
    let names: Vec<String> = address::references(value)
        .into_iter()
        .filter(|name| {
            name.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        })
        .map(str::to_owned)
        .collect();
    address::flaw_of_references(value, &names, is_store)
}

fn password_flaw(
    task: &EdgeTask,
    environment: &BTreeMap<String, String>,
) -> Option<(String, Flaw)> {
    let name = task.login.as_ref()?.password()?;
    let value = environment.get(name).filter(|value| !value.is_empty())?;
    let flaw = address::flaw_of_address(value).or_else(|| unresolved(value, true))?;
    Some((name.clone(), flaw))
}

/// The variable that the host stands in.
fn variable<'a>(task: &'a EdgeTask, source: &'a str) -> &'a str {
    let host = task.login.as_ref().and_then(LoginReference::host);
    host.map_or(source, String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_text_that_is_no_address_is_not_dialled() {
        let port = std::num::NonZeroU16::new(5432).unwrap();
        let mut task = EdgeTask::bare("e".to_owned(), "pg".to_owned(), port, Protocol::Postgres);
        task.unseen = true;
        task.login = Some(LoginReference::Url {
            variable: "DATABASE_URL".to_owned(),
        });
        let of = |value: &str| {
            let environment = BTreeMap::from([("DATABASE_URL".to_owned(), value.to_owned())]);
            let trust = ClientTrust::read(&environment, &[]);
            DialTarget::of(&task, &environment, &trust, &|_| false).unusable
        };
        assert_eq!(of("postgres://u:p@pg/db"), None);
        assert_eq!(of("postgresql+asyncpg://u:p@elsewhere/db"), None);
        assert_eq!(of("vault:secret/data/db#url"), None);
        assert!(of("sqlite:///data/db").is_some());
        // A URL that was encoded twice.
        let why = of("cG9zdGdyZXM6Ly91OnBAcGcvZGI=").unwrap();
        assert!(!why.contains("cG9z"), "{why}");
    }

    #[test]
    fn a_password_that_is_not_there_and_can_stand_nowhere_else_is_none() {
        let port = std::num::NonZeroU16::new(6379).unwrap();
        let mut task = EdgeTask::bare("e".to_owned(), "kvs".to_owned(), port, Protocol::Redis);
        task.login = Some(LoginReference::Parts {
            host: None,
            port: None,
            user: None,
            password: Some("KVS_PASSWORD".to_owned()),
            database: None,
        });
        let host = |environment: &BTreeMap<String, String>| {
            let mut task = task.clone();
            if let Some(LoginReference::Parts { host, .. }) = &mut task.login {
                *host = Some("KVS_HOST".to_owned());
            }
            let trust = ClientTrust::read(environment, &[]);
            DialTarget::of(&task, environment, &trust, &|_| false).host
        };
        let named = BTreeMap::from([("KVS_HOST".to_owned(), "cache".to_owned())]);
        assert_eq!(host(&named), "cache");
        let none = |task: &EdgeTask, environment: &BTreeMap<String, String>| {
            let trust = ClientTrust::read(environment, &[]);
            let mut target = DialTarget::of(task, environment, &trust, &|_| false);
            target.miss_password(task, environment);
            matches!(target.login, Login::Without(reason) if reason == NO_CREDENTIALS)
        };
        let empty = BTreeMap::new();
        assert!(!none(&task, &empty));
        task.no_login_reason = NO_CREDENTIALS.to_owned();
        assert!(none(&task, &empty));
        let there = BTreeMap::from([("KVS_PASSWORD".to_owned(), "x".to_owned())]);
        assert!(!none(&task, &there));
        // A user logs in without one, as the client would, but from one place only.
        if let Some(LoginReference::Parts { user, .. }) = &mut task.login {
            *user = Some("KVS_USER".to_owned());
        }
        let user = BTreeMap::from([("KVS_USER".to_owned(), "u".to_owned())]);
        assert!(!none(&task, &user));
        let trust = ClientTrust::read(&user, &[]);
        let mut target = DialTarget::of(&task, &user, &trust, &|_| false);
        target.miss_password(&task, &user);
        let account = target.login.account().unwrap();
        assert!(account.credentials.password.is_none());
        task.withheld = true;
        assert!(none(&task, &user));
    }

    #[test]
    fn what_a_url_says_of_the_clients_ways_is_kept_without_a_login() {
        let kept = |url: &str, protocol: Protocol| {
            let port = std::num::NonZeroU16::new(27017).unwrap();
            let mut task = EdgeTask::bare("e".to_owned(), "mongo".to_owned(), port, protocol);
            task.login = Some(LoginReference::Url {
                variable: "URL".to_owned(),
            });
            let environment = BTreeMap::from([("URL".to_owned(), url.to_owned())]);
            let trust = ClientTrust::read(&environment, &[]);
            let of = |task: &EdgeTask| {
                let target = DialTarget::of(task, &environment, &trust, &|_| false);
                target.login.account().is_some()
            };
            let kept = of(&task);
            task.withheld = true;
            assert_eq!(of(&task), kept, "from another node");
            kept
        };
        let direct = "mongodb://mongo:27017/app?directConnection=true";
        assert!(kept(direct, Protocol::Mongodb));
        assert!(!kept("mongodb://mongo:27017/app", Protocol::Mongodb));
        let other = "postgres://mongo:27017/app?directConnection=true";
        assert!(!kept(other, Protocol::Postgres));
    }
}
