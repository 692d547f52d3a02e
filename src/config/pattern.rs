//! `FROM->TO[:PORT][/PROTOCOL][@HOST]`: which edges a rule of the user means, in the spelling of the reports. Pure.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use thiserror::Error;

use crate::protocol::Protocol;

/// Which edges a rule means; what is not said matches everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgePattern {
    /// The client tier, `*` for any.
    pub from: String,
    /// The server tier, `*` for any.
    pub to: String,
    /// Port.
    pub port: Option<NonZeroU16>,
    /// Protocol.
    pub protocol: Option<Protocol>,
    /// Host as the client dials it.
    pub host: Option<String>,
}

/// Why a text is no [`EdgePattern`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// No arrow.
    #[error(
        "`{0}` names no edge: expected FROM->TO[:PORT][/PROTOCOL][@HOST], as in `AP->DB:3306/mysql`"
    )]
    NoArrow(String),
    /// An end is missing.
    #[error("`{0}` lacks one of its ends: expected FROM->TO, `*` for any tier")]
    EmptyEnd(String),
    /// A bad port.
    #[error("`{0}` is no port: expected 1 to 65535")]
    Port(String),
    /// A bad protocol.
    #[error("`{0}` is no protocol: expected one of {names}", names = protocol_names())]
    Protocol(String),
}

/// The names of all protocols, for messages.
pub(super) fn protocol_names() -> String {
    let names: Vec<&str> = Protocol::ALL.iter().map(|one| one.name()).collect();
    names.join(", ")
}

impl FromStr for EdgePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        // The console draws the arrow, the JSON report writes it in ASCII; both may be pasted.
        let (from, rest) = text
            .split_once("->")
            .or_else(|| text.split_once('→'))
            .ok_or_else(|| PatternError::NoArrow(text.to_owned()))?;
        let (rest, host) = match rest.split_once('@') {
            Some((rest, host)) => (rest, Some(host.trim().to_owned())),
            None => (rest, None),
        };
        let (rest, protocol) = match rest.rsplit_once('/') {
            Some((rest, name)) => {
                let name = name.trim();
                let protocol = Protocol::from_name(name)
                    .ok_or_else(|| PatternError::Protocol(name.to_owned()))?;
                (rest, Some(protocol))
            }
            None => (rest, None),
        };
        let (to, port) = match rest.rsplit_once(':') {
            Some((to, port)) => {
                let port = port.trim();
                let number = port
                    .parse()
                    .map_err(|_| PatternError::Port(port.to_owned()))?;
                (to, Some(number))
            }
            None => (rest, None),
        };
        let (from, to) = (from.trim(), to.trim());
        if from.is_empty() || to.is_empty() || host.as_deref() == Some("") {
            return Err(PatternError::EmptyEnd(text.to_owned()));
        }
        Ok(Self {
            from: from.to_owned(),
            to: to.to_owned(),
            port,
            protocol,
            host,
        })
    }
}

impl EdgePattern {
    /// Whether an edge is meant.
    pub fn matches(
        &self,
        from: &str,
        to: &str,
        port: NonZeroU16,
        protocol: Protocol,
        host: &str,
    ) -> bool {
        wildcard_matches(&self.from, from)
            && wildcard_matches(&self.to, to)
            && self.port.is_none_or(|wanted| wanted == port)
            && self.protocol.is_none_or(|wanted| wanted == protocol)
            && self
                .host
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(host))
    }
}

impl fmt::Display for EdgePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}->{}", self.from, self.to)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(protocol) = self.protocol {
            write!(f, "/{protocol}")?;
        }
        if let Some(host) = &self.host {
            write!(f, "@{host}")?;
        }
        Ok(())
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any run of characters.
pub(super) fn wildcard_matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(number: u16) -> NonZeroU16 {
        NonZeroU16::new(number).unwrap()
    }

    #[test]
    fn an_edge_id_of_a_report_is_a_pattern_that_matches_that_edge_only() {
        let pattern: EdgePattern = "AP->DB:3306/mysql@db.data".parse().unwrap();
        assert_eq!(pattern.to_string(), "AP->DB:3306/mysql@db.data");
        assert!(pattern.matches("AP", "DB", port(3306), Protocol::Mysql, "DB.data"));
        assert!(!pattern.matches("AP", "DB", port(3307), Protocol::Mysql, "db.data"));
        assert!(!pattern.matches("WEB", "DB", port(3306), Protocol::Mysql, "db.data"));
        assert!(!pattern.matches("AP", "DB", port(3306), Protocol::Mysql, "db"));
    }

    #[test]
    fn what_is_not_said_matches_everything() {
        let pattern: EdgePattern = "* → DB".parse().unwrap();
        assert!(pattern.matches("AP", "DB", port(1), Protocol::Tcp, "x"));
        assert!(!pattern.matches("AP", "KVS", port(1), Protocol::Tcp, "x"));
    }

    #[test]
    fn a_broken_pattern_says_what_was_expected() {
        assert_eq!(
            "AP:3306".parse::<EdgePattern>(),
            Err(PatternError::NoArrow("AP:3306".to_owned()))
        );
        assert_eq!(
            "AP->DB:0".parse::<EdgePattern>(),
            Err(PatternError::Port("0".to_owned()))
        );
        assert_eq!(
            "->DB".parse::<EdgePattern>(),
            Err(PatternError::EmptyEnd("->DB".to_owned()))
        );
        let error = "AP->DB/mysqll".parse::<EdgePattern>().unwrap_err();
        assert!(error.to_string().contains("mysqll"), "{error}");
        assert!(error.to_string().contains("postgres"), "{error}");
    }

    #[test]
    fn wildcards() {
        assert!(wildcard_matches("*", ""));
        assert!(wildcard_matches("deployment/*", "deployment/db"));
        assert!(wildcard_matches("*/db*", "deployment/db@data"));
        assert!(!wildcard_matches("deployment/*", "statefulset/db"));
        assert!(!wildcard_matches("deployment/db", "deployment/db-2"));
        assert!(!wildcard_matches("ab*ba", "aba"));
    }
}
