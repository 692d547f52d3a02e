//! Edges of compose about which the Pods' known configuration is silent: what stays of them. Pure.

use crate::address::{self, LoginReference};
use crate::graph::deployed::DeployedContainer;
use crate::graph::{Edge, Note, NoteKind};
use crate::protocol::Protocol;

use super::super::rules::usable_name;
use super::{Client, Draft};

impl Client<'_> {
    /// Edges of compose that no known configuration of the Pods names.
    pub(super) fn settle_silent_edges(&mut self) {
        let (deployed, silent): (Vec<Draft>, Vec<Draft>) = std::mem::take(&mut self.drafts)
            .into_iter()
            .partition(|draft| draft.deployed);
        self.drafts = deployed;
        let containers = &self.deployed.containers;
        for mut draft in silent {
            let edge = &mut draft.edge;
            let variable = edge.variable.clone();
            let leads_home = |name: &String| {
                containers
                    .iter()
                    .filter_map(|container| container.environment.variables.get(name))
                    .filter_map(|variable| variable.value.as_deref())
                    .any(names_itself)
            };
            if let Some(name) = variable.as_ref().filter(|name| leads_home(name)) {
                self.notes.push(Note {
                    kind: NoteKind::Differs,
                    message: format!(
                        "{name} of {} leads to the Pod itself, where compose says {}:{}: no edge",
                        edge.from, edge.host, edge.port
                    ),
                });
                continue;
            }
            let may_have = |name: &String| {
                containers
                    .iter()
                    .any(|container| container.environment.may_have(name))
            };
            let kept = variable.filter(may_have);
            if kept.is_none() && self.absorb(edge) {
                continue;
            }
            if kept.is_none() {
                edge.tls = None;
            }
            edge.login = match edge.login.take() {
                Some(login) => deployed_login(&login, containers),
                // The URL of compose holds no login; that of the Pod's Secret may.
                None => kept
                    .clone()
                    .filter(|name| self.is_url_in_compose(name))
                    .map(|variable| LoginReference::Url { variable }),
            };
            edge.variable = kept;
            self.drafts.push(draft);
        }
    }

    /// Whether compose gives the variable a URL, so that the Pod's value of it is one too.
    fn is_url_in_compose(&self, name: &str) -> bool {
        self.sources
            .compose
            .and_then(|file| file.services.get(self.name))
            .and_then(|service| service.environment.get(name))
            .is_some_and(|entry| entry.value.contains("://"))
    }

    /// The Pods name the same tier in another way: that is this edge, and what compose adds is one more origin of it.
    fn absorb(&mut self, edge: &Edge) -> bool {
        let kind = |protocol| match protocol {
            Protocol::Https | Protocol::Grpc => Protocol::Http,
            other => other,
        };
        let by_variable = edge.variable.is_some();
        let same = self.drafts.iter_mut().find(|draft| {
            draft.deployed
                && draft.edge.to == edge.to
                && (!by_variable || kind(draft.edge.protocol) == kind(edge.protocol))
        });
        let Some(same) = same else {
            return false;
        };
        for (index, origin) in edge.origin.iter().enumerate() {
            if !same.edge.origin.contains(origin) {
                same.edge.origin.insert(index, origin.clone());
            }
        }
        true
    }

    /// Where no Pod says how a tier is called, a name that Kubernetes cannot have was changed by the converter.
    pub(super) fn name_hosts(&mut self) {
        for draft in &mut self.drafts {
            let edge = &mut draft.edge;
            if draft.deployed || edge.external {
                continue;
            }
            if let Some(tier) = self.tiers.get(&edge.to)
                && edge.host == tier.name
            {
                edge.host = usable_name(tier, self.sources.snapshot);
            }
        }
    }
}

/// Whether a value is an address of the container itself.
fn names_itself(value: &str) -> bool {
    let host = value
        .split_once("://")
        .map_or(value, |(_, rest)| rest)
        .rsplit('@')
        .next()
        .unwrap_or(value);
    let host = host.split(['/', '?']).next().unwrap_or(host);
    address::host_and_port(host).is_some_and(|(host, _)| address::is_local(&host))
}

/// A login of compose as the Pod has it: by the same names, if one container has them or may have them from a Secret. A Pod that
/// lacks the password or user that compose names logs in by other means.
fn deployed_login(
    login: &LoginReference,
    containers: &[DeployedContainer],
) -> Option<LoginReference> {
    containers.iter().find_map(|container| {
        let has = |name: &String| container.environment.may_have(name);
        match login {
            LoginReference::Url { variable } => has(variable).then(|| login.clone()),
            LoginReference::Parts {
                host,
                port,
                user,
                password,
                database,
            } => {
                let needed = [user, password].into_iter().flatten();
                if !needed.clone().all(has) || needed.count() == 0 {
                    return None;
                }
                let kept = |part: &Option<String>| part.clone().filter(|name| has(name));
                Some(LoginReference::Parts {
                    host: kept(host),
                    port: kept(port),
                    user: user.clone(),
                    password: password.clone(),
                    database: kept(database),
                })
            }
        }
    })
}
