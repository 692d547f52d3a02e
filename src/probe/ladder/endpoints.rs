//! The endpoints of an edge, each by itself, and where a server listens instead. IO: the network.

use super::step::{about, as_endpoint};
use super::{ENDPOINTS_AT_ONCE, Walk};
use crate::probe::found::Found;
use crate::probe::wire::{EndpointTask, LISTENS_FACT, StepError, StepName};
use futures::{FutureExt, StreamExt};
use std::collections::BTreeMap;
use std::net::SocketAddr;

impl Walk<'_> {
    /// Every endpoint of the task; an outcome each, whatever happens.
    pub(super) async fn endpoints(&self, resolved: bool, known: &BTreeMap<SocketAddr, Vec<Found>>) {
        let skip = self
            .task
            .skip_endpoints
            .clone()
            .or_else(|| self.target.elsewhere());
        let mut walks = Vec::new();
        for endpoint in &self.task.endpoints {
            let address = SocketAddr::from((endpoint.address, endpoint.port.get()));
            let skip = skip.clone();
            let walk = async move {
                let found = match (skip, known.get(&address)) {
                    (Some(reason), _) => vec![Found::skipped(StepName::Endpoint, reason)],
                    // A headless name leads to the endpoints themselves: dialled already.
                    (None, Some(found)) => as_endpoint(found),
                    (None, None) => self.address(address, StepName::Endpoint, resolved).await,
                };
                let found = self.listens_elsewhere(endpoint, found).await;
                (endpoint, address, found)
            };
            walks.push(walk.boxed());
        }
        let mut walks = futures::stream::iter(walks).buffered(ENDPOINTS_AT_ONCE);
        while let Some((endpoint, address, found)) = walks.next().await {
            for step in found {
                self.write(Some(address), about(self.target.explain(step), endpoint));
            }
        }
    }

    /// Where a Pod that refuses takes connections instead.
    async fn listens_elsewhere(
        &self,
        endpoint: &EndpointTask,
        mut found: Vec<Found>,
    ) -> Vec<Found> {
        let Some(first) = found.first_mut() else {
            return found;
        };
        if first.error != Some(StepError::Refused) || self.task.mesh {
            return found;
        }
        let agent = self.agent;
        let tries = endpoint.elsewhere.iter().map(|port| async move {
            let address = SocketAddr::from((endpoint.address, port.get()));
            if !agent.network.may_dial(address) {
                return None;
            }
            let answer = agent.network.connect(address, &agent.clock).await;
            answer.is_ok().then(|| port.to_string())
        });
        let open: Vec<String> = futures::future::join_all(tries)
            .await
            .into_iter()
            .flatten()
            .collect();
        if !open.is_empty() {
            first.facts.insert(LISTENS_FACT.to_owned(), open.join(", "));
        }
        found
    }
}
