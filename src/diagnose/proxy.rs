//! Section 5: clients whose requests go to a proxy, since `NO_PROXY` does not cover the target. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::subject::WorkloadFacts;
use super::{Context, Rule, variables};
use crate::address;
use crate::finding::{Code, Finding, Severity};
use crate::graph::{self, Edge};
use crate::observe::HostMeaning;
use crate::protocol::Protocol;

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::Whole(no_proxy_missing)];

fn no_proxy_missing(context: &Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut by_client: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
    for edge in &context.graph.edges {
        let is_http = matches!(edge.protocol, Protocol::Http | Protocol::Https);
        if is_http && !edge.forbidden && !edge.external {
            by_client.entry(&edge.from).or_default().push(edge);
        }
    }
    for subject in &context.subjects {
        let edges: Vec<&Edge> = subject
            .tiers
            .iter()
            .filter_map(|tier| by_client.get(tier.name.as_str()))
            .flatten()
            .copied()
            .collect();
        if edges.is_empty() {
            continue;
        }
        for (environment, text) in graph::known_containers(context.snapshot, &subject.key) {
            for edge in &edges {
                if let Some(proxy) = proxy(&environment, edge) {
                    found.push(finding(context, subject, edge, &proxy, &text));
                }
            }
        }
    }
    found
}

/// The variable that sends an edge's requests to a proxy, and the proxy's host.
struct Proxy {
    variable: String,
    host: String,
    exceptions: Option<String>,
}

fn proxy(environment: &BTreeMap<String, String>, edge: &Edge) -> Option<Proxy> {
    let names = match edge.protocol {
        Protocol::Https => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let get = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let (variable, value) = names.iter().find_map(|name| Some((*name, get(name)?)))?;
    let no_proxy = get("no_proxy").or_else(|| get("NO_PROXY"));
    if no_proxy.is_some_and(|list| is_covered(list, &edge.host, edge.port.get())) {
        return None;
    }
    Some(Proxy {
        variable: variable.to_owned(),
        host: address::any_target(value)?.host,
        exceptions: no_proxy.cloned(),
    })
}

/// Whether a list exempts a host: `*`, names and their domains, networks, each with a port or without.
fn is_covered(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ', ';']).map(str::trim).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        let (entry, only) = match entry.rsplit_once(':') {
            Some((name, number)) if !name.contains(':') => (name.to_owned(), number.parse().ok()),
            _ => (entry, None::<u16>),
        };
        if entry.is_empty() || only.is_some_and(|only| only != port) {
            return false;
        }
        if entry == "*" {
            return true;
        }
        if let (Some(address), Some((network, length))) = (address, entry.split_once('/')) {
            return is_within(address, network, length);
        }
        let name = entry.trim_start_matches("*.").trim_start_matches('.');
        host == name || host.ends_with(&format!(".{name}"))
    })
}

fn is_within(address: IpAddr, network: &str, length: &str) -> bool {
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

/// What a text shows of a library that obeys the variables.
fn obeys(text: &str, variable: &str) -> Option<&'static str> {
    const LIBRARIES: [(&str, &str); 4] = [
        ("urllib.request", "urllib"),
        ("import requests", "requests"),
        ("requests.get(", "requests"),
        ("import httpx", "httpx"),
    ];
    let python = LIBRARIES.iter().find(|(word, _)| text.contains(word));
    let tool = || {
        ["curl", "wget"].into_iter().find(|tool| {
            variable.chars().all(|letter| !letter.is_ascii_uppercase())
                && text.split_whitespace().any(|word| word == *tool)
        })
    };
    python.map(|(_, name)| *name).or_else(tool)
}

fn finding(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    edge: &Edge,
    proxy: &Proxy,
    text: &str,
) -> Finding {
    let Proxy {
        variable,
        host,
        exceptions,
    } = proxy;
    let name = subject.name(&context.snapshot.namespace);
    // A proxy of the cluster may know its Services.
    let meaning = context.snapshot.meaning(host, &subject.key.namespace);
    let is_outside = matches!(
        meaning,
        HostMeaning::Outside | HostMeaning::Address(_) | HostMeaning::Missing
    );
    let library = obeys(text, variable);
    let fails = is_outside
        && !context.snapshot.offline
        && (library.is_some() || variables::suffers(context, subject));
    let listed = match exceptions {
        Some(_) => "NO_PROXY does not cover it",
        None => "there is no NO_PROXY",
    };
    Finding::new(
        Code::NoProxyMissing,
        subject.scoped(Severity::error_if(fails)),
        subject.key.object(),
        format!(
            "{name} has {variable}, and {listed}: its requests to {} go to the proxy {host}",
            edge.host
        ),
    )
    .on([&edge.id])
    .overruling(fails.then_some(&edge.id))
    .because([match library {
        Some(library) => {
            format!("{variable} is set, and the client uses {library}, which obeys it")
        }
        None => format!("{variable} is set; whether the client obeys it depends on its runtime"),
    }])
    .fix(format!(
        "add {} (or the suffixes .svc,.cluster.local with whole names) to NO_PROXY and no_proxy of {name}",
        edge.host
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_covers_a_name_its_domain_a_network_or_everything() {
        for (list, host, covered) in [
            ("localhost,127.0.0.1,ap", "AP", true),
            (".svc,.cluster.local", "ap.shop.svc", true),
            (".svc,.cluster.local", "ap", false),
            ("svc.cluster.local", "ap.shop.svc.cluster.local", true),
            ("*", "ap", true),
            ("*.shop", "ap.shop", true),
            ("ap:80", "ap", false),
            ("ap:2000", "ap", true),
            ("10.96.0.0/12", "10.97.1.2", true),
            ("10.96.0.0/16", "10.97.1.2", false),
            ("ap2", "ap", false),
            ("", "ap", false),
        ] {
            assert_eq!(is_covered(list, host, 2000), covered, "{list} {host}");
        }
    }

    #[test]
    fn only_what_surely_obeys_makes_it_certain() {
        assert_eq!(
            obeys("import os, urllib.request", "HTTP_PROXY"),
            Some("urllib")
        );
        assert_eq!(obeys("sh -c curl http://ap", "HTTP_PROXY"), None);
        assert_eq!(obeys("sh -c curl http://ap", "http_proxy"), Some("curl"));
        assert_eq!(obeys("java -jar app.jar", "HTTP_PROXY"), None);
    }
}
