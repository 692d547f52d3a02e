//! The words of a client's configuration that say whom it trusts: a CA by name, verification on or off, and what a MySQL client sends
//! without proof. Names and values in, meaning out. Pure.

use std::collections::BTreeMap;

use super::key;
use crate::catalog;
use crate::protocol::Protocol;

/// Where a client has its CA from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Authority {
    /// The public roots, by a word (`system`) or the usual path of their bundle.
    Public,
    /// The certificates themselves.
    Pem(String),
    /// A file of the client's container.
    File(String),
    /// A store of another format, or a path that cannot be followed.
    Elsewhere,
}

/// Whether a variable or a parameter names a CA.
pub(crate) fn names_authority(name: &str) -> bool {
    let words = key::words(name);
    if words.iter().any(|word| {
        matches!(
            word.as_str(),
            "key" | "password" | "pass" | "secret" | "token"
        )
    }) {
        return false;
    }
    let name = words.concat();
    words.last().is_some_and(|word| word == "ca")
        || catalog::words()
            .authorities
            .iter()
            .any(|end| name.ends_with(end))
}

/// Whether such a variable concerns every connection of its process, instead of those of one server.
pub(crate) fn is_of_process(name: &str) -> bool {
    catalog::words()
        .process_authorities
        .contains(&key::words(name).concat().as_str())
}

/// What the value of such a variable leads to; `None` if it names no CA at all.
pub(crate) fn authority(value: &str) -> Option<Authority> {
    let value = value.trim();
    if value.contains("-----BEGIN CERTIFICATE-----") {
        // Some write a PEM on one line.
        return Some(Authority::Pem(value.replace("\\n", "\n")));
    }
    let path = value.strip_prefix("file://").unwrap_or(value);
    let lower = path.to_ascii_lowercase();
    if lower == "system" || catalog::words().public_bundles.contains(&path) {
        return Some(Authority::Public);
    }
    if [".jks", ".p12", ".pfx", ".der"]
        .iter()
        .any(|end| lower.ends_with(end))
    {
        return Some(Authority::Elsewhere);
    }
    if path.starts_with('/') {
        return Some(Authority::File(path.to_owned()));
    }
    [".pem", ".crt", ".cer", ".cert"]
        .iter()
        .any(|end| lower.ends_with(end))
        .then_some(Authority::Elsewhere)
}

/// Whether the client verifies certificates, as a parameter or a variable says it; `None` if it says nothing of that.
pub(crate) fn verifies(name: &str, value: &str) -> Option<bool> {
    let name = key::words(name).concat();
    let value = value.trim().to_ascii_lowercase();
    let on = match value.as_str() {
        "1" | "true" | "yes" | "on" | "required" | "cert_required" | "optional"
        | "cert_optional" | "verify_peer" | "full" | "strict" => true,
        "0" | "false" | "no" | "off" | "none" | "cert_none" | "verify_none" => false,
        _ => return None,
    };
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if ends(&[
        "rejectunauthorized",
        "sslcertreqs",
        "sslverify",
        "tlsverify",
        "verifyssl",
        "verifytls",
        "verifycert",
        "verifycertificate",
        "verifyservercertificate",
        "pythonhttpsverify",
        "sslverification",
        "tlsverification",
    ]) || matches!(name.as_str(), "verify" | "sslverifypeer")
    {
        return Some(on);
    }
    let unchecked = ends(&[
        "tlsinsecure",
        "sslinsecure",
        "insecureskipverify",
        "skipverify",
        "tlsallowinvalidcertificates",
        "trustservercertificate",
        "sslnoverify",
    ]);
    (unchecked && on).then_some(false)
}

/// Whether a process is configured not to verify anything (`NODE_TLS_REJECT_UNAUTHORIZED=0`).
pub(crate) fn verifies_nothing(environment: &BTreeMap<String, String>) -> bool {
    ["NODE_TLS_REJECT_UNAUTHORIZED", "PYTHONHTTPSVERIFY"]
        .iter()
        .any(|name| {
            environment
                .get(*name)
                .is_some_and(|value| value.trim() == "0")
        })
}

/// Whether a variable says something of trust, so that the agent should know it.
pub(crate) fn matters(name: &str) -> bool {
    names_authority(name)
        || verifies(name, "1").is_some()
        || ["sslmode", "tlsmode"]
            .iter()
            .any(|end| key::words(name).concat().ends_with(end))
}

/// Whether the client's words let it send a password in a form that the peer can read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Frankness {
    /// Take the server's RSA key from the wire (`allowPublicKeyRetrieval=true`).
    pub(crate) key_from_wire: bool,
    /// Send the password as it is, where the server asks for that (`allowCleartextPasswords=true`).
    pub(crate) clear_text: bool,
}

impl Frankness {
    /// What parameters or variables say.
    pub(crate) fn of<'a>(words: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut found = Self::default();
        for (name, value) in words {
            if !matches!(
                value.trim().to_ascii_lowercase().as_str(),
                "1" | "true" | "yes" | "on" | "y"
            ) {
                continue;
            }
            let name = key::words(name).concat();
            found.key_from_wire |=
                name.ends_with("allowpublickeyretrieval") || name.ends_with("getserverpublickey");
            found.clear_text |= [
                "allowcleartextpasswords",
                "enablecleartextplugin",
                "allowcleartextpassword",
            ]
            .iter()
            .any(|end| name.ends_with(end));
        }
        found
    }
}

/// The parameters of a URL or a data source name.
pub(crate) fn parameters(text: &str) -> BTreeMap<String, String> {
    text.split(['?', '&', ';', ' ', '\n'])
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
            Some((name.trim().to_owned(), value.trim_matches('\'').to_owned()))
        })
        .collect()
}

/// Whether a client keeps to the address of its own URL, whatever members the server names.
pub(crate) fn is_direct(parameters: &BTreeMap<String, String>) -> bool {
    parameters.iter().any(|(name, value)| {
        let is = |one: &str, other: &str| {
            name.eq_ignore_ascii_case(one) && value.eq_ignore_ascii_case(other)
        };
        is("directConnection", "true") || is("connect", "direct")
    })
}

/// Whether a variable belongs to a server of that protocol by the product's name: `PGSSLROOTCERT`; `None` if it names no product.
pub(crate) fn is_of_product(name: &str, protocol: Protocol) -> Option<bool> {
    let words = key::words(name);
    let first = words.first()?;
    let first = if first.starts_with("pgssl") {
        "pg"
    } else {
        first.as_str()
    };
    super::product(first).map(|product| product == protocol)
}

/// Whether a variable stands beside the one that holds the host or the URL: `DB_SSL_CA` beside `DB_HOST`.
pub(crate) fn is_beside(name: &str, variable: &str) -> bool {
    let stem = key::host_stem(variable).concat();
    !stem.is_empty() && key::words(name).concat().starts_with(&stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_distinguishes_a_ca_from_a_key_and_a_password() {
        for name in [
            "PGSSLROOTCERT",
            "DB_SSL_CA",
            "sslrootcert",
            "ssl-ca",
            "NODE_EXTRA_CA_CERTS",
            "SSL_CERT_FILE",
            "REQUESTS_CA_BUNDLE",
            "tlsCAFile",
            "ssl_ca_certs",
            "MYSQL_ATTR_SSL_CA",
            "CA_CERT",
        ] {
            assert!(names_authority(name), "{name}");
        }
        for name in [
            "DB_SSL_KEY",
            "TRUSTSTORE_PASSWORD",
            "TLS_CERT",
            "CACHE_URL",
            "CALLBACK",
        ] {
            assert!(!names_authority(name), "{name}");
        }
    }

    #[test]
    fn a_value_is_a_pem_a_path_or_no_ca() {
        assert_eq!(authority("system"), Some(Authority::Public));
        assert_eq!(
            authority("/certs/ca.crt"),
            Some(Authority::File("/certs/ca.crt".into()))
        );
        assert_eq!(authority("certs/ca.pem"), Some(Authority::Elsewhere));
        assert_eq!(authority("/x/store.jks"), Some(Authority::Elsewhere));
        assert_eq!(authority("https://ca.example.com"), None);
        assert_eq!(
            authority("-----BEGIN CERTIFICATE-----\\nQQ==\\n-----END CERTIFICATE-----"),
            Some(Authority::Pem(
                "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----".into()
            ))
        );
    }

    #[test]
    fn verification_is_on_off_or_not_spoken_of() {
        assert_eq!(verifies("ssl_cert_reqs", "none"), Some(false));
        assert_eq!(verifies("ssl_cert_reqs", "CERT_REQUIRED"), Some(true));
        assert_eq!(verifies("tlsInsecure", "true"), Some(false));
        assert_eq!(verifies("tlsInsecure", "false"), None);
        assert_eq!(verifies("NODE_TLS_REJECT_UNAUTHORIZED", "0"), Some(false));
        assert_eq!(verifies("OTEL_EXPORTER_OTLP_INSECURE", "true"), None);
        let frank = Frankness::of([("allowPublicKeyRetrieval", "true")].into_iter());
        assert!(frank.key_from_wire && !frank.clear_text);
    }

    #[test]
    fn a_ca_belongs_to_a_host_or_to_a_product() {
        assert!(is_beside("DB_SSL_CA", "DB_HOST"));
        assert!(!is_beside("REDIS_CA_CERT", "DB_HOST"));
        assert_eq!(
            is_of_product("PGSSLROOTCERT", Protocol::Postgres),
            Some(true)
        );
        assert_eq!(
            is_of_product("REDIS_CA_CERT", Protocol::Postgres),
            Some(false)
        );
        assert_eq!(is_of_product("MY_CA_CERT", Protocol::Postgres), None);
    }
}
