//! `expect` of a scenario. Pure data.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is expected of k8sverify.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The exit code.
    pub exit: i32,
    /// How the report's list of findings begins, as ids: `service-missing deployment/db`.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Ids of findings that stand anywhere in the report.
    #[serde(default)]
    pub also: Vec<String>,
    /// Codes of findings that must not be there.
    #[serde(default)]
    pub never: Vec<String>,
    /// The edges that fail, all of them: `AP->DB:3306/mysql`.
    #[serde(default)]
    pub fail: Vec<String>,
    /// The edges that are unknown, all of them. Every other edge passes, or is skipped.
    #[serde(default)]
    pub unknown: Vec<String>,
    /// Edge → the first step that fails, and how: `protocol timeout`.
    #[serde(default)]
    pub steps: BTreeMap<String, String>,
    /// What must not stand in any output.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// More arguments of k8sverify.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Whether `findings` is the whole list.
    #[serde(default)]
    pub only: bool,
    /// The exit code of a second run, after what the first one proposes was done: the manifests applied, and the commands carried out
    /// where there is no manifest. None of `findings` may be left.
    #[serde(default)]
    pub fixed: Option<i32>,
    /// Whether commands go before manifests where a finding has both.
    #[serde(default)]
    pub by_command: bool,
}
