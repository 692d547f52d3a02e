//! The shape of `k8sverify.yaml`, and its validation into [`Config`]. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::candidates::Validated;
use super::entries::Entries;
use super::pattern::EdgePattern;
use super::values::{HttpPath, HttpStatus, NonEmpty, Parsed};
use super::{
    AddedEdge, AdjustedEdge, Config, ConfigError, DroppedEdge, EdgeSettings, Ignore,
    SeverityOverride, TierRule, WorkloadName,
};
use crate::address::{LoginReference, TlsMode};
use crate::finding::{Code, Severity};
use crate::protocol::Protocol;

/// Reads the text of a `k8sverify.yaml`; `file_name` is how the user named it, for messages.
///
/// # Errors
/// The first thing that is no YAML, no key of the schema, or no sensible value, with its line and column.
pub fn parse(text: &str, file_name: &str) -> Result<Config, ConfigError> {
    if text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    }) {
        return Ok(Config {
            file: file_name.to_owned(),
            ..Config::default()
        });
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let file: File = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let location = error.location();
        ConfigError {
            file: file_name.to_owned(),
            line: location.map_or(0, |location| location.line()),
            column: location.map_or(0, |location| location.column()),
            message: super::words::yaml(&error),
        }
    })?;
    Ok(file.into_config(file_name))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    namespaces: Vec<String>,
    tiers: BTreeMap<String, Spanned<Workloads>>,
    edges: Edges,
    entries: Entries,
    ignore: Vec<Spanned<IgnoreEntry>>,
    severity: BTreeMap<CodeName, SeverityName>,
    fail_on: Option<Severity>,
    candidates: BTreeMap<String, Spanned<Validated>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Edges {
    add: Vec<Spanned<Add>>,
    drop: Vec<Spanned<Parsed<EdgePattern>>>,
    adjust: Vec<Spanned<Adjust>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    from: NonEmpty,
    to: NonEmpty,
    host: Option<NonEmpty>,
    port: NonZeroU16,
    protocol: Option<Protocol>,
    path: Option<HttpPath>,
    status: Option<HttpStatus>,
    tls: Option<TlsMode>,
    query: Option<NonEmpty>,
    login: Option<Login>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    forbidden: bool,
    #[serde(default)]
    replica: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Adjust {
    edge: Parsed<EdgePattern>,
    host: Option<NonEmpty>,
    port: Option<NonZeroU16>,
    protocol: Option<Protocol>,
    path: Option<HttpPath>,
    status: Option<HttpStatus>,
    tls: Option<TlsMode>,
    query: Option<NonEmpty>,
    login: Option<Login>,
    optional: Option<bool>,
    forbidden: Option<bool>,
    replica: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IgnoreEntry {
    code: CodeName,
    object: Option<NonEmpty>,
    reason: NonEmpty,
}

impl File {
    fn into_config(self, file_name: &str) -> Config {
        let Self {
            namespaces,
            tiers,
            edges: Edges { add, drop, adjust },
            entries,
            ignore,
            severity,
            fail_on,
            candidates,
        } = self;
        Config {
            file: file_name.to_owned(),
            namespaces,
            tiers: tiers
                .into_iter()
                .map(|(name, rule)| {
                    let line = rule.referenced.line();
                    let workloads = rule.value.0;
                    (name, TierRule { workloads, line })
                })
                .collect(),
            add: add.into_iter().map(added).collect(),
            drop: drop
                .into_iter()
                .map(|rule| DroppedEdge {
                    line: rule.referenced.line(),
                    edge: rule.value.0,
                })
                .collect(),
            adjust: adjust.into_iter().map(adjusted).collect(),
            entries: entries.into_rules(),
            ignore: ignore
                .into_iter()
                .map(|entry| Ignore {
                    line: entry.referenced.line(),
                    code: entry.value.code.0,
                    object: entry.value.object.map(|object| object.0),
                    reason: entry.value.reason.0,
                })
                .collect(),
            severity: severity
                .into_iter()
                .map(|(code, severity)| (code.0, severity.0))
                .collect(),
            fail_on,
            candidates: candidates
                .into_iter()
                .map(|(name, candidate)| (name, Validated::at_line(candidate)))
                .collect(),
        }
    }
}

fn added(rule: Spanned<Add>) -> AddedEdge {
    let line = rule.referenced.line();
    let Add {
        from,
        to,
        host,
        port,
        protocol,
        path,
        status,
        tls,
        query,
        login,
        optional,
        forbidden,
        replica,
    } = rule.value;
    AddedEdge {
        from: from.0,
        to: to.0,
        settings: EdgeSettings {
            host: host.map(|host| host.0),
            port: Some(port),
            protocol,
            path: path.map(|path| path.0),
            status: status.map(|status| status.0),
            tls,
            query: query.map(|query| query.0),
            login: login.map(|login| login.0),
            optional: Some(optional),
            forbidden: Some(forbidden),
            replica: Some(replica),
        },
        line,
    }
}

fn adjusted(rule: Spanned<Adjust>) -> AdjustedEdge {
    let line = rule.referenced.line();
    let Adjust {
        edge,
        host,
        port,
        protocol,
        path,
        status,
        tls,
        query,
        login,
        optional,
        forbidden,
        replica,
    } = rule.value;
    AdjustedEdge {
        edge: edge.0,
        settings: EdgeSettings {
            host: host.map(|host| host.0),
            port,
            protocol,
            path: path.map(|path| path.0),
            status: status.map(|status| status.0),
            tls,
            query: query.map(|query| query.0),
            login: login.map(|login| login.0),
            optional,
            forbidden,
            replica,
        },
        line,
    }
}

/// A code of the catalogue.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CodeName(Code);

impl<'de> Deserialize<'de> for CodeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Code::from_name(&name).map(Self).ok_or_else(|| {
            de::Error::custom(format_args!(
                "`{name}` is no finding code: expected one of those that `k8sverify explain` lists"
            ))
        })
    }
}

/// What a code weighs.
#[derive(Debug)]
struct SeverityName(SeverityOverride);

impl<'de> Deserialize<'de> for SeverityName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As text, so that a bare `off` is the word and not YAML's false.
        let severity = match String::deserialize(deserializer)?.as_str() {
            "error" => SeverityOverride::Is(Severity::Error),
            "warning" => SeverityOverride::Is(Severity::Warning),
            "info" => SeverityOverride::Is(Severity::Info),
            "off" => SeverityOverride::Off,
            other => {
                return Err(de::Error::custom(format_args!(
                    "`{other}` is no severity: expected error, warning, info or off"
                )));
            }
        };
        Ok(Self(severity))
    }
}

/// Names of variables with which a client logs in.
#[derive(Debug)]
struct Login(LoginReference);

impl<'de> Deserialize<'de> for Login {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Names {
            url: Option<NonEmpty>,
            host: Option<NonEmpty>,
            port: Option<NonEmpty>,
            user: Option<NonEmpty>,
            password: Option<NonEmpty>,
            database: Option<NonEmpty>,
        }
        let Names {
            url,
            host,
            port,
            user,
            password,
            database,
        } = Names::deserialize(deserializer)?;
        let parts = [host, port, user, password, database];
        if let Some(variable) = url {
            return if parts.iter().all(Option::is_none) {
                let variable = variable.0;
                Ok(Self(LoginReference::Url { variable }))
            } else {
                Err(de::Error::custom(
                    "`login` names `url` and parts: expected either the variable that holds the whole URL, or those of its parts",
                ))
            };
        }
        if parts.iter().all(Option::is_none) {
            return Err(de::Error::custom(
                "`login` names no variable: expected `url`, or some of `host`, `port`, `user`, `password`, `database`",
            ));
        }
        let [host, port, user, password, database] =
            parts.map(|part| part.map(|NonEmpty(name)| name));
        Ok(Self(LoginReference::Parts {
            host,
            port,
            user,
            password,
            database,
        }))
    }
}

/// `none`, one workload or a list of them.
#[derive(Debug)]
struct Workloads(Vec<WorkloadName>);

impl<'de> Deserialize<'de> for Workloads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Workloads;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`none`, KIND/NAME, or a list of KIND/NAME")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Workloads, E> {
                if text == "none" {
                    return Ok(Workloads(Vec::new()));
                }
                Ok(Workloads(vec![text.parse().map_err(E::custom)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Workloads, A::Error> {
                let mut workloads = Vec::new();
                while let Some(Parsed(workload)) = items.next_element()? {
                    workloads.push(workload);
                }
                if workloads.is_empty() {
                    return Err(de::Error::custom(
                        "an empty list: expected `none` for a tier that does not run here",
                    ));
                }
                Ok(Workloads(workloads))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests;
