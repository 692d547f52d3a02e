//! `entries:` of `k8sverify.yaml`: ways in from outside that the user adds, drops or corrects. Shape and validation. Pure.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::pattern::wildcard_matches;
use super::values::{HttpPath, HttpStatus, NonEmpty, Parsed};
use crate::address::{self, bracketed, is_host};

/// What the user says of the ways in from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryRules {
    /// Entries that the cluster does not show (a Gateway, a balancer outside).
    pub add: Vec<AddedEntry>,
    /// Entries that no one uses.
    pub drop: Vec<DroppedEntry>,
    /// What is asked, and what answer is right.
    pub adjust: Vec<AdjustedEntry>,
}

/// An entry that the user adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedEntry {
    /// The tier that it leads to.
    pub to: String,
    /// What is asked for.
    pub url: EntryUrl,
    /// The host or address that is dialled instead of the URL's host.
    pub address: Option<String>,
    /// The status that is right.
    pub status: Option<u16>,
    /// The line of the file.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustedEntry {
    /// Which.
    pub entry: EntryPattern,
    /// HTTP: the path to ask.
    pub path: Option<String>,
    /// HTTP: the status that is right.
    pub status: Option<u16>,
    /// The line of the file.
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
    #[must_use]
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
    #[must_use]
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

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Entries {
    add: Vec<Spanned<Add>>,
    drop: Vec<Spanned<Parsed<EntryPattern>>>,
    adjust: Vec<Spanned<Adjust>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    to: NonEmpty,
    url: Parsed<EntryUrl>,
    address: Option<Parsed<Address>>,
    status: Option<HttpStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Adjust {
    entry: Parsed<EntryPattern>,
    path: Option<HttpPath>,
    status: Option<HttpStatus>,
}

/// A host or an address, without a port.
#[derive(Debug)]
struct Address(String);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_address = text.parse::<std::net::IpAddr>().is_ok();
        if is_address || is_host(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{text}` is neither a host nor an address: expected one without a port, as in `10.0.0.7`"
        ))
    }
}

impl Entries {
    pub(super) fn into_rules(self) -> EntryRules {
        let add = |rule: Spanned<Add>| AddedEntry {
            line: rule.referenced.line(),
            to: rule.value.to.0,
            url: rule.value.url.0,
            address: rule.value.address.map(|address| address.0.0),
            status: rule.value.status.map(|status| status.0),
        };
        let drop = |rule: Spanned<Parsed<EntryPattern>>| DroppedEntry {
            line: rule.referenced.line(),
            entry: rule.value.0,
        };
        let adjust = |rule: Spanned<Adjust>| AdjustedEntry {
            line: rule.referenced.line(),
            entry: rule.value.entry.0,
            path: rule.value.path.map(|path| path.0),
            status: rule.value.status.map(|status| status.0),
        };
        EntryRules {
            add: self.add.into_iter().map(add).collect(),
            drop: self.drop.into_iter().map(drop).collect(),
            adjust: self.adjust.into_iter().map(adjust).collect(),
        }
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
