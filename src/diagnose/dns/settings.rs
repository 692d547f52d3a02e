//! A client's own DNS settings: whether they keep it from cluster DNS. Pure.

use std::net::IpAddr;

use crate::diagnose::{Context, target};
use crate::graph::Edge;
use crate::observe::HostMeaning;
use crate::observe::kinds::PodSpec;

/// Why a client's DNS settings keep it from cluster DNS, or from the search list that the name needs.
pub(in crate::diagnose) fn kept_from_cluster_dns(
    context: &Context<'_>,
    spec: &PodSpec,
    edge: &Edge,
) -> Option<String> {
    match spec.dns_policy.as_str() {
        "Default" => Some("its dnsPolicy is Default, the node's resolver".to_owned()),
        "None" => {
            let config = spec.dns_config.clone().unwrap_or_default();
            let host = edge.host.trim_end_matches('.').to_ascii_lowercase();
            let namespace = target::client_namespace(context, edge);
            if !host.contains(".svc.") && !is_completed(&config.searches, &host, namespace) {
                return Some(format!(
                    "its dnsPolicy is None, and its search list has no domain in which `{}` would be found",
                    edge.host
                ));
            }
            let other = config
                .nameservers
                .iter()
                .all(|server| !may_be_cluster_dns(context, server));
            other.then(|| {
                let servers = config.nameservers.join(", ");
                format!("its dnsPolicy is None, and it asks {servers}")
            })
        }
        "" | "ClusterFirst" if spec.host_network => Some(
            "it runs in the host network, where dnsPolicy ClusterFirst means the node's resolver"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Whether a search list makes the whole name of a Service of a host, in the namespace that is meant: `NAMESPACE.svc…` of `db`, `svc…` of
/// `db.data`.
fn is_completed(searches: &[String], host: &str, namespace: &str) -> bool {
    let own = host.split('.').count();
    searches.iter().any(|domain| {
        let whole = format!("{host}.{domain}");
        let labels: Vec<&str> = whole.split('.').collect();
        let svc = labels.iter().position(|label| *label == "svc");
        svc.is_some_and(|at| at > 1 && (at <= own || labels[at - 1] == namespace))
    })
}

/// Whether a server that a Pod names itself may be cluster DNS: which one that is, manifests do not show.
fn may_be_cluster_dns(context: &Context<'_>, server: &str) -> bool {
    if !context.snapshot.offline {
        return matches!(
            context.snapshot.meaning(server, ""),
            HostMeaning::ServiceAddress(_)
        );
    }
    match server.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [first, second, ..] = address.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            address.is_private() || address.is_link_local() || shared
        }
        Ok(IpAddr::V6(address)) => address.is_unique_local(),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_list_makes_whole_names_of_short_ones() {
        let of = |host, domain: &str| is_completed(&[domain.to_owned()], host, "shop");
        assert!(of("db", "shop.svc.cluster.local"));
        assert!(!of("db", "other.svc.cluster.local"));
        assert!(!of("db", "svc.cluster.local"));
        assert!(of("db.data", "svc.cluster.local"));
        assert!(of("kvs-0.kvs", "shop.svc.cluster.local"));
        assert!(of("db.data.svc", "cluster.local"));
        assert!(!of("db.data", "cluster.local"));
    }
}
