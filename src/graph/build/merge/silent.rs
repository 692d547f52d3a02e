//! Edges of compose about which the Pods' known configuration is silent: what stays of them. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::address::{self, Flaw, LoginReference};
use crate::graph::deployed::{DeployedContainer, VariableSource};
use crate::graph::{Confidence, Edge, EdgeFlaw, Note, NoteKind, Origin};
use crate::observe::ServiceKey;
use crate::protocol::Protocol;

use super::super::rules::usable_name;
use super::{Client, Draft};

impl Client<'_> {
    /// Whether `localhost` of the client's Pods may be that tier. Whether it is in the same Pod is reported where the edge is planned;
    /// without one here the client has its own.
    fn is_at_home(&self, to: &str) -> bool {
        let is_here = self
            .tiers
            .get(to)
            .is_some_and(|tier| !tier.workloads.is_empty());
        let containers = &self.deployed.containers;
        let alone = containers.iter().filter(|one| !one.init).count() == 1;
        is_here && (alone || self.shares_pod(to))
    }

    /// The login of an edge of compose as the Pods have it; `unread` is the variable that they have and whose value is not seen.
    fn login_of(&self, edge: &mut Edge, unread: Option<&String>) -> Option<LoginReference> {
        match edge.login.take() {
            _ if edge.flaw.is_some() => None,
            Some(login) => deployed_login(&login, &self.deployed.containers),
            // The URL of compose holds no login; that of the Pod's Secret may.
            None => unread.cloned().map(|variable| {
                if self.is_url_in_compose(&variable) {
                    LoginReference::Url { variable }
                } else {
                    host_in(variable)
                }
            }),
        }
    }

    /// Settles an edge that the Pods lead to themselves; gives it back where they do not.
    fn lead_home(&mut self, mut draft: Draft) -> Option<Draft> {
        let edge = &mut draft.edge;
        let home = match &edge.variable {
            Some(name) => self.home(name, &edge.to).map(|is_at_home| {
                let origin = format!("env {name} of the Pod leads to the Pod itself");
                (origin, is_at_home)
            }),
            None => self.place_in_pod(edge).map(|place| (place, true)),
        };
        let Some((origin, is_at_home)) = home else {
            return Some(draft);
        };
        if is_at_home {
            "localhost".clone_into(&mut edge.host);
            edge.origin.push(origin.into());
            edge.login = None;
            draft.deployed = true;
            self.drafts.push(draft);
        } else {
            self.notes.push(Note {
                kind: NoteKind::Differs,
                message: format!(
                    "{} of {} leads to no other Pod, where compose says {}:{}: no edge",
                    edge.variable.as_deref().unwrap_or_default(),
                    edge.from,
                    edge.host,
                    edge.port
                ),
            });
        }
        None
    }

    /// Whether the Pods' own value of a variable leads to no other Pod; and then whether that tier may stand in this one.
    fn home(&self, name: &str, to: &str) -> Option<bool> {
        let of = |one: &DeployedContainer| one.environment.variables.get(name)?.value.clone();
        let texts: Vec<String> = self.deployed.containers.iter().filter_map(of).collect();
        let names_itself = |text: &String| {
            !address::has_address(text) && !address::local_targets("host", text).is_empty()
        };
        if texts.iter().any(names_itself) {
            return Some(self.is_at_home(to));
        }
        // A file or a word that switches it off is no host: only a server in the same Pod can stand behind it.
        let is_none = texts
            .iter()
            .any(|text| address::is_file(text) || address::is_off(text));
        is_none.then(|| self.shares_pod(to))
    }

    /// Edges of compose that no known configuration of the Pods names.
    pub(super) fn settle_silent_edges(&mut self) {
        let (deployed, silent): (Vec<Draft>, Vec<Draft>) = std::mem::take(&mut self.drafts)
            .into_iter()
            .partition(|draft| draft.deployed);
        self.drafts = deployed;
        let wished: BTreeMap<&str, Protocol> = silent
            .iter()
            .map(|draft| (draft.edge.to.as_str(), draft.edge.protocol))
            .collect();
        self.wished = wished.into_values().collect();
        for draft in silent {
            let Some(mut draft) = self.lead_home(draft) else {
                continue;
            };
            let containers = &self.deployed.containers;
            let edge = &mut draft.edge;
            let variable = edge.variable.clone();
            let kept = variable.clone().filter(|name| self.may_have(name));
            let value = kept.as_ref().and_then(|name| known_value(name, containers));
            let is_off = value
                .as_ref()
                .is_some_and(|value| value.text.trim().is_empty());
            if (kept.is_none() || is_off) && (self.absorb(edge) || self.replaced(edge)) {
                continue;
            }
            let leads = kept.is_none()
                && (self.lead_by_file(edge)
                    || self.lead_by_secret(edge)
                    || self.lead_by_secret_file(edge));
            if leads {
                edge.unseen = edge.variable.is_some();
                draft.deployed = true;
                self.drafts.push(draft);
                continue;
            }
            if kept.is_none() {
                edge.tls = None;
                edge.flaw = match &variable {
                    Some(name) => self.lost(edge, name),
                    None => self.unread(edge),
                };
                // The Pods lack the variable, and nothing runs what it led to: it is left out on purpose.
                let target = self.tiers.get(&edge.to);
                let is_gone = target.is_some_and(|tier| !tier.is_deployed());
                if variable.is_some() && is_gone {
                    edge.confidence = Confidence::Weak;
                }
            }
            if value.is_none()
                && kept
                    .as_ref()
                    .is_some_and(|name| self.is_borne_out(edge, name))
            {
                edge.confidence = edge.confidence.max(Confidence::Likely);
            }
            edge.login = self.login_of(edge, kept.as_ref().filter(|_| value.is_none()));
            edge.variable = kept;
            if let Some(value) = value {
                value.lead(edge);
                draft.deployed = true;
            }
            edge.unseen = !draft.deployed;
            self.drafts.push(draft);
        }
    }

    /// Whether a Service of the target has the port that compose's variable of this client alone says: then the port is no guess any more.
    fn is_borne_out(&self, edge: &Edge, name: &str) -> bool {
        let claim = (self.name.to_owned(), name.to_owned(), edge.to.clone());
        let has_port = |key: &ServiceKey| {
            let service = self.sources.snapshot.service(key);
            service.is_some_and(|service| {
                let mut ports = service.spec.ports.iter();
                ports.any(|one| one.port == i32::from(edge.port.get()))
            })
        };
        let target = self.tiers.get(&edge.to);
        !self.sources.shared.contains(&claim)
            && target.is_some_and(|tier| tier.services.iter().any(has_port))
    }

    /// Whether the other tier runs in a Pod of this one.
    fn shares_pod(&self, other: &str) -> bool {
        let workloads = |name: &str| self.tiers.get(name).map(|tier| &tier.workloads);
        match (workloads(self.name), workloads(other)) {
            (Some(own), Some(theirs)) => own.iter().any(|key| theirs.contains(key)),
            _ => false,
        }
    }

    /// The mounted file that names the port of a tier in the same Pod as one of its own.
    fn place_in_pod(&self, edge: &Edge) -> Option<String> {
        let mut containers = self.deployed.containers.iter();
        let place = |container: &DeployedContainer| {
            let mut files = container.files.iter();
            let file = files.find(|file| names_own_port(&file.text, edge.port))?;
            Some(format!("{} of container {}", file.target, container.name))
        };
        self.shares_pod(&edge.to)
            .then(|| containers.find_map(place))
            .flatten()
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
        let other = same.edge.variable.clone();
        for (index, origin) in edge.origin.iter().enumerate() {
            if !same.edge.origin.contains(origin) {
                same.edge.origin.insert(index, origin.clone());
            }
        }
        let renamed = self.renamed(edge, other.as_ref());
        self.notes.extend(renamed);
        true
    }

    /// An edge whose variable the Pods have in other letters than compose is not what the program asks for.
    pub(super) fn mark_other_case(&mut self) {
        for name in self.asked.keys() {
            let Some((other, flaw)) = self.in_other_case(name) else {
                continue;
            };
            for draft in &mut self.drafts {
                if draft.deployed && draft.edge.variable.as_ref() == Some(&other) {
                    draft.edge.flaw = Some(flaw.clone());
                }
            }
        }
    }

    /// The variable of a container that has this name in other letters, capital or small, and what that means: a program asks for the name as
    /// compose writes it.
    fn in_other_case(&self, name: &str) -> Option<(String, EdgeFlaw)> {
        if name.contains("__") {
            // A path of keys, as configuration libraries write it: those compare without regard to letters.
            return None;
        }
        let of = |one: &DeployedContainer| {
            let mut names = one.environment.variables.keys();
            names
                .find(|other| other.eq_ignore_ascii_case(name))
                .cloned()
        };
        let other = self.deployed.containers.iter().find_map(of)?;
        let is_known = |one: &DeployedContainer| one.environment.variables.contains_key(name);
        if self.deployed.containers.iter().any(is_known) {
            return None;
        }
        let workload = self.tiers.get(self.name)?.workloads.first()?;
        let flaw = EdgeFlaw {
            variable: name.to_owned(),
            flaw: Flaw::absent(format!(
                "is set in no container of {workload}, which has {other}, and such names are not the same"
            )),
            origin: Origin::variable(self.name, name).into(),
        };
        Some((other, flaw))
    }

    /// What is to be said of an edge whose variable no container of the Pods has: what the client dials in its place is not known, so that
    /// compose's name proves nothing. The image may have the variable by its own Dockerfile.
    fn lost(&self, edge: &Edge, name: &str) -> Option<EdgeFlaw> {
        let is_here = self.tiers.get(&edge.to)?.is_deployed();
        let file = self.sources.compose?;
        let service = file.services.get(self.name)?;
        let by_image = service
            .build
            .as_ref()
            .is_some_and(|build| build.environment.contains_key(name));
        if !is_here
            || by_image
            || edge.confidence == Confidence::Weak
            || !service.environment.contains_key(name)
        {
            return None;
        }
        let mut containers = self.deployed.containers.iter();
        let reason = containers.find_map(|container| container.environment.lost.get(name));
        let workload = self.tiers.get(self.name)?.workloads.first()?;
        let words = reason.map_or_else(
            || format!("is set in no container of {workload}"),
            Clone::clone,
        );
        Some(EdgeFlaw {
            variable: name.to_owned(),
            flaw: Flaw::absent(words),
            origin: Origin::variable(self.name, name).into(),
        })
    }

    /// What is to be said of an edge that compose has from a file, where the Pods mount what is not read and the cluster has no such name:
    /// the host may stand there, under the name that the tier has here.
    fn unread(&self, edge: &Edge) -> Option<EdgeFlaw> {
        let target = self.tiers.get(&edge.to)?;
        let by_name = edge.origin.iter().all(Origin::is_without_port);
        if edge.confidence == Confidence::Weak
            || by_name
            || target.services.is_empty()
            || !self.resolver.is_nowhere(&edge.host, self.namespace)
        {
            return None;
        }
        let mut containers = self.deployed.containers.iter().filter(|one| !one.init);
        let place = containers.find_map(|container| container.unread.first())?;
        Some(EdgeFlaw {
            variable: "the configuration".to_owned(),
            flaw: Flaw::unread(format!("may stand in {place}, which is not read")),
            origin: edge.origin.first()?.to_string(),
        })
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
                // An order of start says nothing about a name: what the tier is called here will do.
                let (snapshot, port) = (self.sources.snapshot, i32::from(edge.port.get()));
                let is_here = |key: &&ServiceKey| {
                    key.namespace == self.namespace
                        && snapshot.service(key).is_some_and(|service| {
                            let mut ports = service.spec.ports.iter();
                            ports.any(|one| one.port == port)
                        })
                };
                let mut services = tier.services.iter().filter(is_here);
                if edge.confidence == Confidence::Weak
                    && edge.variable.is_none()
                    && self.resolver.is_nowhere(&edge.host, self.namespace)
                    && let (Some(only), None) = (services.next(), services.next())
                {
                    edge.host.clone_from(&only.name);
                }
            }
        }
    }
}

/// A host that stands in a Secret, and nothing beside it.
pub(super) const fn host_in(variable: String) -> LoginReference {
    LoginReference::Parts {
        host: Some(variable),
        port: None,
        user: None,
        password: None,
        database: None,
    }
}

/// What the Pods set a variable to.
struct KnownValue {
    variable: String,
    text: String,
    origin: String,
}

/// The value of a variable, where a container has it and it may be read.
fn known_value(name: &str, containers: &[DeployedContainer]) -> Option<KnownValue> {
    containers.iter().find_map(|container| {
        let variable = container.environment.variables.get(name)?;
        let place = match &variable.source {
            VariableSource::ConfigMap { name } => format!(", configmap/{name}"),
            _ => String::new(),
        };
        Some(KnownValue {
            variable: name.to_owned(),
            text: variable.value.clone()?,
            origin: format!("env {name} of container {}{place}", container.name),
        })
    })
}

impl KnownValue {
    /// The only address of that protocol in a value that is a document, or options of a command.
    fn in_settings(&self, protocol: Protocol) -> Option<address::Target> {
        let words: Vec<String> = self.text.split_whitespace().map(str::to_owned).collect();
        let settings = [address::settings(&self.text), address::options(&words)];
        let mut found = settings
            .iter()
            .flat_map(|settings| address::of_protocol(settings, protocol));
        let first = found.next()?;
        found
            .all(|other| address::is_same_host(&other.host, &first.host))
            .then_some(first)
    }

    /// The edge goes where the Pods' own value says; no other name is verified in its place.
    fn lead(self, edge: &mut Edge) {
        let flaw = address::flaw_of_address(&self.text);
        let target = address::any_target(&self.text);
        if let Some(target) = target.or_else(|| self.in_settings(edge.protocol)) {
            lead(edge, target.host, target.port);
        } else if !flaw.as_ref().is_some_and(|flaw| flaw.certain) {
            // No address: what the value means is the application's own business, and compose's name is not in it any more.
            let names = |part: &str| address::is_same_host(part, &edge.host);
            let apart = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if !self.text.is_empty() && !self.text.split(apart).any(names) {
                edge.flaw = Some(EdgeFlaw {
                    variable: self.variable,
                    flaw: Flaw::absent("names no host that can be read".to_owned()),
                    origin: self.origin,
                });
            }
            return;
        }
        edge.origin.push(self.origin.clone().into());
        edge.flaw = flaw.map(|flaw| EdgeFlaw {
            variable: self.variable,
            flaw,
            origin: self.origin,
        });
    }
}

/// The edge goes to another host than compose says, if it is another.
pub(super) fn lead(edge: &mut Edge, host: String, port: Option<NonZeroU16>) {
    if !address::is_same_host(&edge.host, &host) {
        edge.compose_said = Some(format!("{}:{}", edge.host, edge.port));
        edge.host = host;
    }
    edge.port = port.unwrap_or(edge.port);
}

/// Whether a text names that port of the container's own address.
fn names_own_port(text: &str, port: NonZeroU16) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| {
        let address = format!("{host}:{port}");
        let mut after = text.split(&address).skip(1);
        after.any(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    })
}

/// A login of compose as the Pod has it: by the same names, if one container has them or may have them from a Secret. A Pod that
/// lacks the password or user that compose names logs in by other means.
pub(super) fn deployed_login(
    login: &LoginReference,
    containers: &[DeployedContainer],
) -> Option<LoginReference> {
    let names_no_one = matches!(
        login,
        LoginReference::Parts {
            user: None,
            password: None,
            ..
        }
    );
    let mut containers = containers.iter().filter(|_| !names_no_one);
    containers.find_map(|container| login.within(|name| container.environment.may_have(name)))
}
