//! Whether a credential is of the product that an edge leads to, by what the deployed side says. Pure.
//!
//! Which variable holds the password may stand in a file of a pull request: no name of such a file is evidence here, neither a tier's nor
//! that of the edge's end.

use std::collections::BTreeSet;

use super::client::Client;
use super::environment::Environment;
use crate::address;
use crate::graph::{self, Edge};
use crate::observe::Snapshot;
use crate::observe::kinds::{Container, KeyRef, Pod, PodSpec};
use crate::policy::Route;

/// One client's container and where its edge leads.
pub(super) struct Case<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) client: &'a Client<'a>,
    pub(super) environment: &'a Environment<'a>,
    pub(super) container: &'a Container,
    pub(super) edge: &'a Edge,
    pub(super) route: &'a Route,
    /// Whether the container's own configuration names the host.
    pub(super) has_host: bool,
}

impl Case<'_> {
    /// Whether the value of the client's variable may go to the edge's end.
    ///
    /// # Errors
    /// In words, what speaks against it.
    pub(super) fn belongs(&self, variable: &str) -> Result<(), String> {
        let key = self.environment.secret_of(self.container, variable);
        if key.as_ref().is_some_and(|key| self.target_has(key)) {
            return Ok(());
        }
        let mut subject = address::subject(variable);
        if subject.is_empty() {
            // A Secret of one login has keys such as `password`: then its own name says of what.
            subject = key.map_or_else(Vec::new, |key| address::words(&key.name));
        }
        if let Some(said) = self.says(&subject) {
            return said;
        }
        if self.is_paired(variable) || self.is_called_like(&subject) {
            return Ok(());
        }
        Err(format!(
            "nothing that is deployed ties {variable} to {} at {}",
            self.edge.protocol, self.edge.host
        ))
    }

    /// What the words say by themselves: a product, or a kind of server; `None` if neither.
    fn says(&self, words: &[String]) -> Option<Result<(), String>> {
        let wanted = self.edge.protocol.in_plain();
        let mut other = None;
        let products = words
            .iter()
            .filter_map(|word| Some((word, vec![address::product(word)?])));
        let kinds = words
            .iter()
            .filter_map(|word| Some((word, address::kind(word)?.to_vec())));
        // A product says more than a kind: `REDIS_CACHE_PASSWORD`.
        for (word, protocols) in products.chain(kinds) {
            if protocols.contains(&wanted) {
                return Some(Ok(()));
            }
            other.get_or_insert_with(|| Err(format!("its word `{word}` is of another product")));
        }
        other
    }

    /// Whether the container's own variables pair it with that very host.
    fn is_paired(&self, variable: &str) -> bool {
        let workload = &self.client.workload;
        graph::own_families(self.snapshot, workload, &self.container.name)
            .iter()
            .any(|family| {
                let login = family.login.as_ref();
                address::is_same_host(&family.target.host, &self.edge.host)
                    && login.is_some_and(|login| login.variables().contains(&variable))
            })
    }

    /// Whether its words are those of the Service or the workloads to which the edge leads, or of a host that the container names itself;
    /// words for the client itself say nothing.
    fn is_called_like(&self, subject: &[String]) -> bool {
        let client = [&self.client.workload.name, &self.client.workload.namespace];
        let own: BTreeSet<String> = client
            .into_iter()
            .flat_map(|name| address::words(name))
            .collect();
        let pods = self.pods();
        let workloads = pods.iter().map(|pod| self.snapshot.workload_of(pod).name);
        let service = self.route.service.iter().map(|key| key.name.clone());
        let host = self.has_host.then(|| self.edge.host.clone());
        let names: BTreeSet<String> = workloads
            .chain(service)
            .chain(host)
            .flat_map(|name| address::words(&name))
            .collect();
        let mut rest = subject
            .iter()
            .filter(|word| !own.contains(*word))
            .peekable();
        rest.peek().is_some() && rest.all(|word| names.contains(word))
    }

    /// Whether every Pod behind the edge has the value already.
    fn target_has(&self, key: &KeyRef) -> bool {
        let pods = self.pods();
        !pods.is_empty()
            && pods.iter().all(|pod| {
                pod.metadata.namespace == self.client.workload.namespace && takes(&pod.spec, key)
            })
    }

    fn pods(&self) -> Vec<&Pod> {
        super::reach::pods_of(self.snapshot, self.route)
    }
}

/// Whether a Pod's containers take a Secret's key as a variable.
fn takes(spec: &PodSpec, key: &KeyRef) -> bool {
    spec.containers.iter().any(|container| {
        let one = container.env.iter().any(|variable| {
            let reference = variable
                .value_from
                .as_ref()
                .and_then(|from| from.secret_key_ref.as_ref());
            reference.is_some_and(|other| other.name == key.name && other.key == key.key)
        });
        let whole = container.env_from.iter().any(|from| {
            from.secret_ref
                .as_ref()
                .is_some_and(|secret| secret.name == key.name)
        });
        one || whole
    })
}
