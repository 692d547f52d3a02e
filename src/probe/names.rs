//! How a Pod looks names up: resolv.conf, /etc/hosts and the order of candidates. Text in, data out. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What resolv.conf says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolverConfig {
    /// Name servers, in order.
    pub(crate) nameservers: Vec<SocketAddr>,
    /// Search domains, in order.
    pub(crate) search: Vec<String>,
    /// From how many dots on a name is tried as it is first.
    pub(crate) ndots: u32,
}

impl ResolverConfig {
    /// Reads resolv.conf as the C library does: the last `search` or `domain` counts, what is unknown is passed over.
    pub(crate) fn parse(text: &str) -> Self {
        let mut config = Self {
            nameservers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
        };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or(line);
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => config.nameservers.extend(words.next().and_then(nameserver)),
                Some("search" | "domain") => config.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    for number in words.filter_map(|word| word.strip_prefix("ndots:")) {
                        config.ndots = number.parse().unwrap_or(config.ndots).min(15);
                    }
                }
                _ => {}
            }
        }
        if config.nameservers.is_empty() {
            // What the C library asks without a name server.
            config
                .nameservers
                .push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
        }
        config
    }

    /// Whether one of the names that are asked for can be that of a Service or of its Pods: `SERVICE.NAMESPACE.svc.DOMAIN`. No other one comes to
    /// be when a Service does.
    pub(crate) fn may_be_service(&self, name: &str) -> bool {
        let domain = self
            .search
            .iter()
            .map(|domain| domain.trim_matches('.'))
            .find(|domain| domain.starts_with("svc."));
        let is_record = |candidate: &String| {
            let candidate = candidate.trim_end_matches('.').to_ascii_lowercase();
            match domain {
                Some(domain) => candidate
                    .strip_suffix(&domain.to_ascii_lowercase())
                    .and_then(|rest| rest.strip_suffix('.'))
                    .is_some_and(|rest| matches!(rest.split('.').count(), 2 | 3)),
                None => candidate.contains(".svc."),
            }
        };
        self.candidates(name).iter().any(is_record)
    }

    /// The fully qualified names to ask for, in the order in which a Pod's resolver asks.
    pub(crate) fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let absolute = format!("{name}.");
        let mut candidates: Vec<String> = self
            .search
            .iter()
            .map(|domain| domain.trim_matches('.'))
            .filter(|domain| !domain.is_empty())
            .map(|domain| format!("{name}.{domain}."))
            .collect();
        let dots = name.matches('.').count();
        if u32::try_from(dots).unwrap_or(u32::MAX) >= self.ndots {
            candidates.insert(0, absolute);
        } else {
            candidates.push(absolute);
        }
        candidates
    }
}

/// A name server's address, a zone (`fe80::1%eth0`) left out.
fn nameserver(word: &str) -> Option<SocketAddr> {
    let address: IpAddr = word.split('%').next()?.parse().ok()?;
    Some(SocketAddr::from((address, 53)))
}

/// What /etc/hosts says (`hostAliases` of the Pod stand there).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hosts {
    addresses: BTreeMap<String, Vec<IpAddr>>,
}

impl Hosts {
    /// Reads /etc/hosts.
    pub(crate) fn parse(text: &str) -> Self {
        let mut addresses: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or(line).split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse().ok()) else {
                continue;
            };
            for name in words {
                let known = addresses.entry(name.to_ascii_lowercase()).or_default();
                if !known.contains(&address) {
                    known.push(address);
                }
            }
        }
        Self { addresses }
    }

    /// The addresses of exactly that name.
    pub(crate) fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.addresses.get(&name).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "search shop.svc.cluster.local svc.cluster.local cluster.local\n\
        nameserver 10.96.0.10\noptions ndots:5\n";

    #[test]
    fn only_a_services_own_record_comes_to_be_with_it() {
        let pod = ResolverConfig::parse(POD);
        for (name, may) in [
            ("db", true),
            ("db.data", true),
            ("db.data.svc.cluster.local", true),
            ("db-0.db", true),
            ("DB.data.svc.Cluster.Local.", true),
            ("db.", false),
            ("db.data.svc.k8s.internal", false),
            ("db.rds.example.com", false),
        ] {
            assert_eq!(pod.may_be_service(name), may, "{name}");
        }
        let other = ResolverConfig::parse("nameserver 10.96.0.10");
        assert!(other.may_be_service("db.data.svc.cluster.local"));
        assert!(!other.may_be_service("db"));
    }

    #[test]
    fn a_short_name_goes_through_the_search_list_first() {
        let config = ResolverConfig::parse(POD);
        assert_eq!(
            config.candidates("DB"),
            [
                "DB.shop.svc.cluster.local.",
                "DB.svc.cluster.local.",
                "DB.cluster.local.",
                "DB."
            ]
        );
        assert_eq!(
            config.candidates("db.example.com.")[..],
            ["db.example.com."]
        );
        assert_eq!(
            ResolverConfig::parse("nameserver 1.1.1.1").candidates("db.shop")[..],
            ["db.shop."]
        );
        assert_eq!(
            ResolverConfig::parse("search a.b").candidates("db.shop"),
            ["db.shop.", "db.shop.a.b."]
        );
    }

    #[test]
    fn a_broken_resolv_conf_still_names_a_server() {
        let config = ResolverConfig::parse("nameserver not-an-address\noptions ndots:many\n;x\n");
        assert_eq!(config.nameservers[0].to_string(), "127.0.0.1:53");
        assert_eq!(config.ndots, 1);
    }

    #[test]
    fn host_aliases_are_found_whatever_their_case() {
        let hosts = Hosts::parse(
            "# Kubernetes-managed\n127.0.0.1 localhost\n10.1.2.3 Db db.old # x\nbad line\n",
        );
        assert_eq!(hosts.addresses("DB").unwrap()[0].to_string(), "10.1.2.3");
        assert_eq!(hosts.addresses("kvs"), None);
    }
}
