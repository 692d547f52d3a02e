//! The shape of `k8sverify.yaml`, and its validation into [`Config`]. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::Spanned;

use super::pattern::EdgePattern;
use super::values::{Checked, CodeName, HttpPath, HttpStatus, Lined, NonEmpty, by, checked};
use super::{
    AddedEdge, AdjustedEdge, CandidateRule, Config, ConfigError, DroppedEdge, EdgeSettings,
    EntryPattern, EntryRules, EntryUrl, HostPort, Ignore, SeverityOverride, TierRule, WorkloadName,
};
use crate::address::{LoginReference, TlsMode};
use crate::finding::Severity;
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
    #[serde(deserialize_with = "by::<_, BTreeMap<String, Spanned<TierRule>>>")]
    tiers: BTreeMap<String, TierRule>,
    edges: Edges,
    entries: EntryRules,
    #[serde(deserialize_with = "by::<_, Vec<Spanned<Ignore>>>")]
    ignore: Vec<Ignore>,
    severity: BTreeMap<CodeName, SeverityOverride>,
    fail_on: Option<Severity>,
    #[serde(deserialize_with = "by::<_, BTreeMap<String, Spanned<CandidateRule>>>")]
    candidates: BTreeMap<String, CandidateRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Edges {
    #[serde(deserialize_with = "by::<_, Vec<Spanned<Add>>>")]
    add: Vec<AddedEdge>,
    #[serde(deserialize_with = "by::<_, Vec<Spanned<EdgePattern>>>")]
    drop: Vec<DroppedEdge>,
    #[serde(deserialize_with = "by::<_, Vec<Spanned<Adjust>>>")]
    adjust: Vec<AdjustedEdge>,
}

/// A rule of an edge: what names the edge, and what every rule may say of it.
macro_rules! edge_rule {
    ($name:ident { $($own:ident: $kind:ty),+ }, port: $port:ty, flags: $flag:ty) => {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            $($own: $kind,)+
            host: Option<NonEmpty>,
            port: $port,
            protocol: Option<Protocol>,
            path: Option<HttpPath>,
            status: Option<HttpStatus>,
            tls: Option<TlsMode>,
            query: Option<NonEmpty>,
            login: Option<Login>,
            #[serde(default)]
            optional: $flag,
            #[serde(default)]
            forbidden: $flag,
            #[serde(default)]
            replica: $flag,
        }

        impl $name {
            fn split(self) -> (($($kind,)+), EdgeSettings) {
                let settings = EdgeSettings {
                    host: self.host.bare(),
                    port: self.port.into(),
                    protocol: self.protocol,
                    path: self.path.bare(),
                    status: self.status.bare(),
                    tls: self.tls,
                    query: self.query.bare(),
                    login: self.login.bare(),
                    optional: self.optional.into(),
                    forbidden: self.forbidden.into(),
                    replica: self.replica.into(),
                };
                (($(self.$own,)+), settings)
            }
        }
    };
}

edge_rule!(Add { from: NonEmpty, to: NonEmpty }, port: NonZeroU16, flags: bool);
edge_rule!(Adjust { edge: EdgePattern }, port: Option<NonZeroU16>, flags: Option<bool>);

impl Lined for Add {
    type Rule = AddedEdge;

    fn at(self, line: u64) -> AddedEdge {
        let ((from, to), settings) = self.split();
        AddedEdge {
            from: from.0,
            to: to.0,
            settings,
            line,
        }
    }
}

impl Lined for Adjust {
    type Rule = AdjustedEdge;

    fn at(self, line: u64) -> AdjustedEdge {
        let ((edge,), settings) = self.split();
        AdjustedEdge {
            edge,
            settings,
            line,
        }
    }
}

impl Lined for EdgePattern {
    type Rule = DroppedEdge;

    fn at(self, line: u64) -> DroppedEdge {
        DroppedEdge { edge: self, line }
    }
}

impl File {
    fn into_config(self, file_name: &str) -> Config {
        let severity = self.severity.into_iter();
        Config {
            file: file_name.to_owned(),
            namespaces: self.namespaces,
            tiers: self.tiers,
            add: self.edges.add,
            drop: self.edges.drop,
            adjust: self.edges.adjust,
            entries: self.entries,
            ignore: self.ignore,
            severity: severity
                .map(|(code, severity)| (code.0, severity))
                .collect(),
            fail_on: self.fail_on,
            candidates: self.candidates,
        }
    }
}

/// Values that are written as text of their own form.
macro_rules! written_as_text {
    ($($kind:ident),+ $(,)?) => {
        $(impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        })+
    };
}

written_as_text!(
    EdgePattern,
    EntryPattern,
    EntryUrl,
    HostPort,
    SeverityOverride,
    WorkloadName
);

/// Names of variables with which a client logs in.
#[derive(Debug)]
struct Login(LoginReference);

checked!(Login => LoginReference);

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
        let [host, port, user, password, database] = parts.map(Checked::bare);
        Ok(Self(LoginReference::Parts {
            host,
            port,
            user,
            password,
            database,
        }))
    }
}

#[cfg(test)]
mod tests;
