//! A login reference and the client's own environment → credentials; runs in the client's own container only. Pure.

use std::collections::BTreeMap;

use super::parse;
use super::{Credentials, LoginReference, host, key, url};
use crate::catalog;

/// Beginnings of values that only point at a secret kept elsewhere.
const REFERENCES: [&str; 9] = [
    "vault:",
    "ref+",
    "arn:aws:",
    "op://",
    "secret://",
    "awssm:",
    "gcp:secretmanager:",
    "akv:",
    "{{",
];

/// Of what a variable is the password, the user or the database: `[shop, db]` for `SHOP_DB_PASSWORD`, `[pg]` for `PGPASSWORD`; all its
/// words where it says none of them.
pub(crate) fn subject(name: &str) -> Vec<String> {
    let words = catalog::words();
    let all = [words.passwords, words.users, words.databases];
    all.iter()
        .find_map(|tails| key::split_tail(name, tails))
        .map_or_else(|| key::words(name), |(stem, _)| stem)
}

/// Whether a variable is by its name a user or a database: nothing that would be kept from a server.
pub(crate) fn names_account(name: &str) -> bool {
    let words = catalog::words();
    let is = |tails: &[&str]| key::split_tail(name, tails).is_some();
    is(&words.users) || is(&words.databases)
}

/// Whether a variable is by its name a password.
pub(crate) fn names_password(name: &str) -> bool {
    key::split_tail(name, &catalog::words().passwords).is_some()
}

/// Whether a variable may hold a password by its name: it is called one, or it names a file or an address in which one may stand.
pub(crate) fn may_hold_password(name: &str) -> bool {
    let is_file = key::words(name).last().is_some_and(|word| word == "file");
    is_file || names_password(name) || names_url(name)
}

/// Whether a variable is by its name an address as a whole, in which a login may stand.
pub(crate) fn names_url(name: &str) -> bool {
    let last = key::words(name).pop().unwrap_or_default();
    matches!(last.as_str(), "url" | "uri" | "dsn")
}

/// Puts a login together.
///
/// # Errors
/// Says which variable is missing, empty, unreadable or only a reference to a store of secrets; never a value.
pub fn credentials(
    reference: &LoginReference,
    environment: &BTreeMap<String, String>,
) -> Result<Credentials, String> {
    match reference {
        LoginReference::Url { variable } => whole(variable, value(variable, environment)?),
        LoginReference::Parts {
            host,
            port,
            user,
            password,
            database,
        } => {
            let mut found = match host {
                Some(variable) => whole(variable, value(variable, environment)?)?,
                None => Credentials::default(),
            };
            if let Some(variable) = port {
                let text = value(variable, environment)?;
                found.port =
                    Some(host::port(text.trim()).ok_or_else(|| format!("{variable} is no port"))?);
            }
            if let Some(variable) = user {
                found.user = Some(value(variable, environment)?.to_owned());
            }
            if let Some(variable) = password {
                found.password = Some(value(variable, environment)?.to_owned());
            }
            if let Some(variable) = database {
                // A database is no condition for a login: without it the server chooses.
                found.database = value(variable, environment).ok().map(str::to_owned);
            }
            found.tls = found.tls.or_else(|| tls(host.as_deref(), environment));
            Ok(found)
        }
    }
}

/// A variable that is set, not empty, and no mere reference.
fn value<'a>(variable: &str, environment: &'a BTreeMap<String, String>) -> Result<&'a str, String> {
    let value = environment
        .get(variable)
        .ok_or_else(|| format!("the client's container has no {variable}"))?;
    if value.is_empty() {
        return Err(format!("{variable} is empty"));
    }
    if is_reference(value) {
        return Err(format!(
            "{variable} only refers to a secret that the application itself fetches"
        ));
    }
    Ok(value)
}

/// Whether a value only points at a secret kept elsewhere, which the application itself fetches.
pub(crate) fn is_reference(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let mut starts = REFERENCES.iter().chain(&["$(", "${"]);
    starts.any(|start| lower.starts_with(start))
}

/// Everything that one address says.
fn whole(variable: &str, value: &str) -> Result<Credentials, String> {
    let parsed = parse::parse_single(value)
        .into_iter()
        .next()
        .ok_or_else(|| format!("{variable} holds no address that can be read"))?;
    Ok(Credentials {
        host: Some(parsed.host),
        port: parsed.port,
        user: parsed.user,
        password: parsed.password,
        database: parsed.database,
        tls: parsed.tls,
    })
}

/// TLS as a variable beside the host says it: `DB_SSL`, `PGSSLMODE`.
fn tls(variable: Option<&str>, environment: &BTreeMap<String, String>) -> Option<super::TlsMode> {
    let stem = super::key::host_stem(variable?).concat();
    if stem.is_empty() {
        return None;
    }
    environment.iter().find_map(|(name, value)| {
        let words = super::key::words(name).concat();
        url::switch(words.strip_prefix(&stem)?, value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::TlsMode;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn parts() -> LoginReference {
        LoginReference::Parts {
            host: Some("DB_HOST".into()),
            port: None,
            user: Some("DB_USER".into()),
            password: Some("DB_PASS".into()),
            database: Some("DB_NAME".into()),
        }
    }

    #[test]
    fn parts_and_urls_are_put_together() {
        let found = credentials(
            &parts(),
            &environment(&[
                ("DB_HOST", "db:3307"),
                ("DB_USER", "u"),
                ("DB_PASS", "p"),
                ("DB_SSL", "on"),
            ]),
        )
        .unwrap();
        assert_eq!(
            (
                found.host.as_deref(),
                found.port.map(std::num::NonZeroU16::get)
            ),
            (Some("db"), Some(3307))
        );
        assert_eq!(
            (found.user.as_deref(), found.password.as_deref()),
            (Some("u"), Some("p"))
        );
        assert_eq!(found.tls, Some(TlsMode::Required));
        assert_eq!(found.database, None);
        let url = LoginReference::Url {
            variable: "URL".into(),
        };
        let found = credentials(
            &url,
            &environment(&[("URL", "rediss://u:p%2Fw@kvs:6380/3")]),
        )
        .unwrap();
        assert_eq!(found.password.as_deref(), Some("p/w"));
        assert_eq!(found.database.as_deref(), Some("3"));
        assert_eq!(found.tls, Some(TlsMode::Secured));
    }

    #[test]
    fn what_is_missing_is_named_and_no_value_is() {
        let error = credentials(
            &parts(),
            &environment(&[("DB_HOST", "db"), ("DB_USER", "u")]),
        )
        .unwrap_err();
        assert!(error.contains("DB_PASS"));
        let error = credentials(
            &parts(),
            &environment(&[
                ("DB_HOST", "db"),
                ("DB_USER", "u"),
                ("DB_PASS", "vault:secret/data/x#pw"),
            ]),
        )
        .unwrap_err();
        assert!(error.contains("DB_PASS") && !error.contains("secret/data"));
        let error = credentials(&parts(), &environment(&[("DB_HOST", "???")])).unwrap_err();
        assert!(!error.contains("???"));
    }

    #[test]
    fn debug_hides_the_password() {
        let found = Credentials {
            password: Some("hush".into()),
            ..Credentials::default()
        };
        assert!(!format!("{found:?}").contains("hush"));
    }
}
