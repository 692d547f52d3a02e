//! Claims of all sources → one edge for each connection: deduplicated, with identities. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use crate::address::{self, HttpQuestion};
use crate::catalog::words;
use crate::finding::EdgeId;
use crate::protocol::Protocol;

use super::super::{Confidence, Edge, HealthPath, Origin};
use super::claim::Claim;

/// An edge while claims still come in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draft {
    /// What the claims say together; where it is known from stands in them.
    pub edge: Edge,
    pub claims: Vec<Claim>,
    /// Whether nothing on the client's side, nor the server's image, shows the port.
    pub guessed: bool,
}

impl Draft {
    /// A connection of which one claim speaks.
    pub(super) fn new(edge: Edge, claim: impl Into<Claim>) -> Self {
        Self {
            edge,
            claims: vec![claim.into()],
            guessed: false,
        }
    }
}

/// All drafts, by client, server, port and host (DNS does not distinguish case).
#[derive(Debug, Default)]
pub(super) struct Drafts(BTreeMap<(String, String, NonZeroU16, String), Draft>);

impl Drafts {
    /// Adds what one claim says; the strongest says host, variable and login, all are listed.
    pub(super) fn add(&mut self, draft: Draft) {
        let key = (
            draft.edge.from.clone(),
            draft.edge.to.clone(),
            draft.edge.port,
            draft.edge.host.to_ascii_lowercase(),
        );
        let Some(known) = self.0.get_mut(&key) else {
            self.0.insert(key, draft);
            return;
        };
        for one in draft.claims {
            if known.claims.iter().all(|other| other.origin != one.origin) {
                known.claims.push(one);
            }
        }
        known.guessed &= draft.guessed;
        let strength = |edge: &Edge| (edge.confidence, edge.login.is_some());
        let mut second = draft.edge;
        if strength(&second) > strength(&known.edge) {
            std::mem::swap(&mut known.edge, &mut second);
        }
        let first = &mut known.edge;
        if second.by_scheme && !first.by_scheme || first.protocol == Protocol::Tcp {
            first.protocol = second.protocol;
            first.by_scheme |= second.by_scheme;
            first.guessed = second.guessed;
        }
        first.guessed &= second.guessed || first.protocol != second.protocol;
        first.variable = first.variable.take().or(second.variable);
        first.login = first.login.take().or(second.login);
        first.tls = first.tls.or(second.tls);
        first.optional &= second.optional;
    }

    /// Every draft between two tiers.
    pub(super) fn between<'a>(
        &'a self,
        from: &'a str,
        to: &'a str,
    ) -> impl Iterator<Item = &'a Draft> {
        self.of(from).filter(move |draft| draft.edge.to == to)
    }

    /// Every draft of a client.
    pub(super) fn of<'a>(&'a self, from: &'a str) -> impl Iterator<Item = &'a Draft> {
        let of_client = self.0.range(first_of(from)..);
        of_client
            .map(|(_, draft)| draft)
            .take_while(move |draft| draft.edge.from == from)
    }

    /// Every server of which some client's own words show the port.
    pub(super) fn dialled(&self) -> BTreeSet<String> {
        let stated = self.0.values().filter(|draft| !draft.guessed);
        stated.map(|draft| draft.edge.to.clone()).collect()
    }

    /// Every draft to a server.
    pub(super) fn to<'a>(&'a self, to: &'a str) -> impl Iterator<Item = &'a Draft> {
        self.0.values().filter(move |draft| draft.edge.to == to)
    }

    /// Adds a claim to what is known between two tiers.
    pub(super) fn confirm(
        &mut self,
        from: &str,
        to: &str,
        origin: &Origin,
        confidence: Confidence,
    ) {
        let known = self
            .0
            .range_mut(first_of(from)..)
            .map(|(_, draft)| draft)
            .take_while(|draft| draft.edge.from == from)
            .filter(|draft| draft.edge.to == to);
        for draft in known {
            draft.edge.confidence = draft.edge.confidence.max(confidence);
            if draft.claims.iter().all(|one| one.origin != *origin) {
                draft.claims.push(origin.clone().into());
            }
        }
    }

    /// Puts each draft through a rule, which may change how sure it is, or drop it.
    pub(super) fn revise(&mut self, mut rule: impl FnMut(Draft) -> Option<Draft>) {
        self.0 = std::mem::take(&mut self.0)
            .into_iter()
            .filter_map(|(key, draft)| Some((key, rule(draft)?)))
            .collect();
    }

    /// The edges, sorted, with their identities. `health` gives a tier's health path.
    pub(super) fn edges(self, health: &dyn Fn(&str) -> Option<HealthPath>) -> Vec<Edge> {
        let mut edges: Vec<Edge> = self
            .0
            .into_values()
            .map(|draft| edge(draft, health))
            .collect();
        identify(&mut edges);
        edges
    }
}

/// Where the drafts of a client begin.
fn first_of(from: &str) -> (String, String, NonZeroU16, String) {
    (
        from.to_owned(),
        String::new(),
        NonZeroU16::MIN,
        String::new(),
    )
}

fn edge(draft: Draft, health: &dyn Fn(&str) -> Option<HealthPath>) -> Edge {
    let edge = draft.edge;
    let web = matches!(edge.protocol, Protocol::Http | Protocol::Https);
    let health = health(&edge.to).filter(|health| health.port == edge.port);
    Edge {
        replica: is_replica(&edge.to) || is_replica(&edge.host),
        origin: draft.claims.into_iter().map(|one| one.origin).collect(),
        guessed: edge.guessed && !matches!(edge.protocol, Protocol::Tcp | Protocol::Udp),
        http: health.filter(|_| web).map(question),
        ..edge
    }
}

fn question(health: HealthPath) -> HttpQuestion {
    HttpQuestion {
        path: Some(health.path),
        origin: health.origin,
        health: true,
        expect_status: None,
    }
}

/// Whether a name marks a read replica.
pub fn is_replica(name: &str) -> bool {
    address::words(name)
        .iter()
        .any(|word| words().replicas.contains(&word.as_str()))
}

/// Sorts edges and gives each its identity `FROM->TO:PORT/PROTOCOL`, with `@HOST` where that alone would repeat.
pub fn identify(edges: &mut [Edge]) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for edge in edges.iter() {
        *count.entry(edge.plain_id()).or_default() += 1;
    }
    for edge in edges.iter_mut() {
        let id = edge.plain_id();
        let repeats = count.get(&id).copied().unwrap_or(0) > 1;
        edge.id = if repeats {
            edge.id_with_host()
        } else {
            EdgeId(id)
        };
    }
    edges.sort_by(|one, other| one.id.cmp(&other.id));
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn draft(host: &str, port: u16, confidence: Confidence, origin: &str) -> Draft {
        let port = NonZeroU16::new(port).unwrap();
        let edge = Edge {
            confidence,
            ..Edge::new("ap", "db", host, port, Protocol::Mysql)
        };
        Draft::new(edge, origin.to_owned())
    }

    #[test]
    fn origins_are_collected_and_the_strongest_counts() {
        let mut drafts = Drafts::default();
        drafts.add(draft("DB", 3306, Confidence::Likely, "command"));
        drafts.add(draft("db", 3306, Confidence::Declared, "env DB_HOST"));
        let edges = drafts.edges(&|_| None);
        assert_eq!(edges.len(), 1);
        assert_eq!(
            (edges[0].host.as_str(), edges[0].confidence),
            ("db", Confidence::Declared)
        );
        assert_eq!(Origin::list(&edges[0].origin), "command, env DB_HOST");
        assert_eq!(edges[0].id.0, "ap->db:3306/mysql");
    }

    #[test]
    fn two_names_stay_two_edges() {
        let mut drafts = Drafts::default();
        drafts.add(draft("db", 3307, Confidence::Declared, "env"));
        drafts.add(draft("main-db", 3307, Confidence::Declared, "file"));
        let ids: Vec<String> = drafts
            .edges(&|_| None)
            .into_iter()
            .map(|edge| edge.id.0)
            .collect();
        assert_eq!(ids, ["ap->db:3307/mysql@db", "ap->db:3307/mysql@main-db"]);
    }
}
