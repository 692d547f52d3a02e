//! `entries:` of `k8sverify.yaml`: ways in from outside that the user adds, drops or corrects. Shape and validation. Pure.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::Spanned;

use super::pattern::wildcard_matches;
use super::values::{HttpPath, HttpStatus, Lined, NonEmpty, by, checked, lined};
use crate::address::{self, bracketed, is_host};

/// What the user says of the ways in from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntryRules {
    /// Entries that the cluster does not show (a Gateway, a balancer outside).
    #[serde(deserialize_with = "by::<_, Vec<Spanned<AddedEntry>>>")]
    pub add: Vec<AddedEntry>,
    /// Entries that no one uses.
    #[serde(deserialize_with = "by::<_, Vec<Spanned<EntryPattern>>>")]
    pub drop: Vec<DroppedEntry>,
    /// What is asked, and what answer is right.
    #[serde(deserialize_with = "by::<_, Vec<Spanned<AdjustedEntry>>>")]
    pub adjust: Vec<AdjustedEntry>,
}

/// An entry that the user adds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddedEntry {
    /// The tier that it leads to.
    #[serde(deserialize_with = "by::<_, NonEmpty>")]
    pub to: String,
    /// What is asked for.
    pub url: EntryUrl,
    /// The host or address that is dialled instead of the URL's host.
    #[serde(default, deserialize_with = "by::<_, Option<Address>>")]
    pub address: Option<String>,
    /// The status that is right.
    #[serde(default, deserialize_with = "by::<_, Option<HttpStatus>>")]
    pub status: Option<u16>,
    /// The line of the file.
    #[serde(skip)]
    pub line: u64,
}

/// Entries that the user drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedEntry {
    /// Which.
    pub entry: EntryPattern,
    /// The line of the file.
    pub line: u64,
}

/// Entries that the user corrects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdjustedEntry {
    /// Which.
    pub entry: EntryPattern,
    /// HTTP: the path to ask.
    #[serde(default, deserialize_with = "by::<_, Option<HttpPath>>")]
    pub path: Option<String>,
    /// HTTP: the status that is right.
    #[serde(default, deserialize_with = "by::<_, Option<HttpStatus>>")]
    pub status: Option<u16>,
    /// The line of the file.
    #[serde(skip)]
    pub line: u64,
}

/// `http://HOST[:PORT][/PATH]`, or `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryUrl {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The host.
    pub host: String,
    /// The port.
    pub port: NonZeroU16,
    /// The path; begins with `/`.
    pub path: String,
}

impl EntryUrl {
    /// Host and port as a client writes them: without the port that the scheme implies.
    pub fn authority(&self) -> String {
        let host = bracketed(&self.host);
        if self.port.get() == usual_port(self.tls) {
            host.into_owned()
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

/// The port of `https` (`tls`) and `http` where a URL names none.
const fn usual_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl FromStr for EntryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no URL of an entry: expected http://HOST[:PORT][/PATH] or https://…, without user, query and blanks"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(wrong()),
        };
        if rest.contains(|sign: char| {
            sign.is_whitespace() || sign.is_control() || "@?#".contains(sign)
        }) {
            return Err(wrong());
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = address::host_and_port(authority).ok_or_else(wrong)?;
        if !is_host(&host) {
            return Err(wrong());
        }
        Ok(Self {
            tls,
            host,
            port: port
                .or(NonZeroU16::new(usual_port(tls)))
                .ok_or_else(wrong)?,
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }
}

/// Ids of entries as the reports write them; `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPattern(String);

impl EntryPattern {
    /// Whether an entry of that id is meant.
    pub fn matches(&self, id: &str) -> bool {
        wildcard_matches(&self.0, id)
    }
}

impl fmt::Display for EntryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What ids of entries begin with.
const KINDS: [&str; 4] = ["node-port/", "load-balancer/", "ingress/", "url/"];

impl FromStr for EntryPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('*') || KINDS.iter().any(|kind| text.starts_with(kind)) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{text}` names no entry: expected an id as the reports write it, which begins with node-port/, load-balancer/, ingress/ or url/, as in `ingress/web:shop.example/`; `*` stands for any text"
        ))
    }
}

lined!(AddedEntry, AdjustedEntry);

impl Lined for EntryPattern {
    type Rule = DroppedEntry;

    fn at(self, line: u64) -> DroppedEntry {
        DroppedEntry { entry: self, line }
    }
}

/// A host or an address, without a port.
#[derive(Debug)]
struct Address(String);

checked!(Address => String);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.parse::<std::net::IpAddr>().is_ok() || is_host(&text) {
            return Ok(Self(text));
        }
        Err(de::Error::custom(format_args!(
            "`{text}` is neither a host nor an address: expected one without a port, as in `10.0.0.7`"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_their_lines_and_refused_with_a_place() {
        let text = "
entries:
  add:
  - {to: WEB, url: 'https://shop.example/health', address: 10.0.0.7, status: 204}
  drop: ['node-port/*']
  adjust:
  - {entry: 'ingress/web:shop.example/', path: /ready, status: 200}
";
        let rules = super::super::parse(text, "k8sverify.yaml").unwrap().entries;
        let added = &rules.add[0];
        assert_eq!((added.line, added.status), (4, Some(204)));
        assert_eq!(
            added.url,
            EntryUrl {
                tls: true,
                host: "shop.example".into(),
                port: NonZeroU16::new(443).unwrap(),
                path: "/health".into()
            }
        );
        assert!(rules.drop[0].entry.matches("node-port/web:30080"));
        assert!(!rules.drop[0].entry.matches("ingress/web:*/"));
        assert_eq!(rules.adjust[0].path.as_deref(), Some("/ready"));
        for (line, wrong) in [
            ("add: [{to: WEB, url: shop.example}]", "http://HOST"),
            (
                "add: [{to: WEB, url: 'http://a:b@shop.example/'}]",
                "without user",
            ),
            (
                "add: [{to: WEB, url: 'http://shop.example', address: 'x:80'}]",
                "without a port",
            ),
            ("add: [{url: 'http://shop.example'}]", "to"),
            ("drop: [web]", "node-port/"),
            ("adjust: [{entry: 'url/*', status: 42}]", "100 to 599"),
            ("adjust: [{entry: 'url/*', host: x}]", "host"),
        ] {
            let error = super::super::parse(&format!("entries:\n  {line}\n"), "k8sverify.yaml")
                .unwrap_err();
            assert_eq!(error.line, 2, "{error}");
            assert!(error.message.contains(wrong), "{error}");
        }
    }
}
