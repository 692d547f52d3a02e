//! Where an edge's host leads, as far as the API shows: the Services on the way, `ExternalName` followed, and what stands at
//! the end. In: snapshot and graph. Pure.

use crate::graph::{Edge, TierGraph};
use crate::observe::{Snapshot, Way};

/// Where a host leads.
#[derive(Debug, Clone)]
pub(super) struct Destination<'a> {
    /// The way that its host leads.
    pub(super) way: Way<'a>,
    /// Whether the client's own `hostAliases` answer instead of the cluster's DNS.
    pub(super) aliased: bool,
}

/// The namespace from which an edge's client asks: that of its workload, else the run's.
pub(super) fn client_namespace<'a>(
    graph: &'a TierGraph,
    snapshot: &'a Snapshot,
    edge: &Edge,
) -> &'a str {
    graph
        .workloads(&edge.from)
        .first()
        .map_or(snapshot.namespace.as_str(), |workload| {
            workload.namespace.as_str()
        })
}

/// Where an edge's host leads.
pub(super) fn of_edge<'a>(
    graph: &'a TierGraph,
    snapshot: &'a Snapshot,
    edge: &Edge,
) -> Destination<'a> {
    let namespace = client_namespace(graph, snapshot, edge);
    let alias = graph
        .workloads(&edge.from)
        .first()
        .and_then(|workload| snapshot.template(workload))
        .and_then(|template| {
            template.spec.host_aliases.iter().find(|alias| {
                alias
                    .hostnames
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(&edge.host))
            })
        });
    match alias {
        Some(alias) => Destination {
            way: snapshot.way(&alias.ip, namespace),
            aliased: true,
        },
        None => Destination {
            way: snapshot.way(&edge.host, namespace),
            aliased: false,
        },
    }
}
