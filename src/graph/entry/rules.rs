//! The user's rules for the ways in from outside: added, dropped, corrected. Pure.

use super::question;
use crate::config::{AddedEntry, Config};
use crate::finding::ObjectRef;
use crate::graph::{Entry, EntryAddress, EntryKind, EntryQuestion, TierGraph};
use crate::observe::{ServiceKey, Snapshot};
use crate::protocol::Protocol;
use crate::spelling;

/// An added entry whose tier stands for nothing is an error: the run must not go on with what is left of the file.
pub(super) fn check(graph: &mut TierGraph, config: &Config) {
    for rule in &config.entries.add {
        if !graph.tiers.contains_key(&rule.to) {
            let near = spelling::hint(&rule.to, graph.tiers.keys().map(String::as_str));
            graph.errors.push(format!(
                "{}:{}: `entries.add` names `{}`, which is no tier{near}",
                config.file, rule.line, rule.to
            ));
        }
    }
}

/// Applies the rules in the order drop, adjust, add. A rule that finds nothing becomes a question.
pub(super) fn apply(
    graph: &mut TierGraph,
    entries: &mut Vec<Entry>,
    config: &Config,
    snapshot: &Snapshot,
) {
    for rule in &config.entries.drop {
        let before = entries.len();
        entries.retain(|entry| !rule.entry.matches(&entry.id));
        if entries.len() == before {
            let question = unmatched(config, rule.line, "drop", &rule.entry.to_string());
            graph.questions.push(question);
        }
    }
    let added = config.entries.add.iter();
    entries.extend(added.filter_map(|rule| add(graph, snapshot, rule)));
    for rule in &config.entries.adjust {
        let mut found = false;
        for entry in entries
            .iter_mut()
            .filter(|entry| rule.entry.matches(&entry.id))
        {
            found = true;
            let asked = entry
                .question
                .take()
                .unwrap_or_else(|| question::by_address(entry));
            entry.question = Some(EntryQuestion {
                path: rule.path.clone().unwrap_or(asked.path),
                status: rule.status.or(asked.status),
                ..asked
            });
        }
        if !found {
            let question = unmatched(config, rule.line, "adjust", &rule.entry.to_string());
            graph.questions.push(question);
        }
    }
}

fn unmatched(config: &Config, line: u64, what: &str, entry: &str) -> String {
    format!(
        "{}:{line}: `entries.{what}` names {entry}, and no entry is like that: correct or remove it",
        config.file
    )
}

fn add(graph: &TierGraph, snapshot: &Snapshot, rule: &AddedEntry) -> Option<Entry> {
    let AddedEntry {
        to,
        url,
        address,
        status,
        line: _,
    } = rule;
    let tier = graph.tiers.get(to)?;
    let service = tier.services.first();
    let key = service.cloned().unwrap_or_else(|| ServiceKey {
        namespace: snapshot.namespace.clone(),
        name: to.clone(),
    });
    let object = match service {
        Some(service) => service.object(),
        None => ObjectRef::new("tier", to, ""),
    };
    let ports = snapshot.service(&key).map(|service| &service.spec.ports);
    let port = ports
        .and_then(|ports| ports.first())
        .and_then(|port| u16::try_from(port.port).ok());
    let authority = url.authority();
    Some(Entry {
        id: format!("{}/{authority}{}", EntryKind::Url, url.path),
        kind: EntryKind::Url,
        object,
        to: to.clone(),
        service: key,
        port: port.unwrap_or(url.port.get()),
        transport: "TCP".to_owned(),
        addresses: vec![EntryAddress {
            host: address.clone().unwrap_or_else(|| url.host.clone()),
            port: url.port,
            node: None,
        }],
        rule: None,
        question: Some(EntryQuestion {
            authority,
            path: url.path.clone(),
            tls: url.tls,
            status: *status,
        }),
        protocol: Protocol::Http,
        local: false,
        sources: Vec::new(),
    })
}
