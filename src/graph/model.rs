//! The tier graph as data. Pure.

mod entry;
mod origin;

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::address::{Flaw, FlawKind, HttpQuestion, LoginReference, TlsMode};
use crate::finding::EdgeId;
use crate::observe::{ServiceKey, WorkloadKey};
use crate::protocol::Protocol;
pub use entry::{Entry, EntryAddress, EntryKind, EntryQuestion, EntryRule, Unreached};
pub use origin::{Origin, OriginKind};

/// Tiers, and what each must reach.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TierGraph {
    /// Tiers by name (compose's, else the workload's).
    pub tiers: BTreeMap<String, Tier>,
    /// Edges, sorted by id.
    pub edges: Vec<Edge>,
    /// Ways in from outside the cluster, sorted by id.
    pub entries: Vec<Entry>,
    /// Tiers that compose publishes although nothing leads to them from outside.
    pub unreached: Vec<Unreached>,
    /// Outside hosts that are no edge (an HTTP API somewhere), for the list in the report.
    pub outside: Vec<Outside>,
    /// What a reader should know: where the deployed Pods differ from compose, what could not be mapped or read.
    pub notes: Vec<Note>,
    /// Questions that only the user can answer (ambiguous mapping); each is a warning `graph-incomplete`.
    pub questions: Vec<String>,
    /// Whether a compose file took part.
    pub from_compose: bool,
    /// Set where no tier of compose runs in the namespace: nothing can be said of the application there.
    pub absent: Option<Absent>,
    /// Tiers that the user maps to a workload that does not exist, each with the sentence that says so.
    pub unmapped: BTreeMap<String, String>,
    /// Names in the user's file that stand for nothing, each with its line: the run must not go on with what is left of the file.
    pub errors: Vec<String>,
}

/// None of the application's tiers runs in the namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absent {
    /// The compose file that was named first.
    pub file: String,
    /// How many tiers were looked for.
    pub tiers: usize,
    /// Namespaces in which half of them or more are known, with how many, most first.
    pub found: Vec<(String, usize)>,
}

impl TierGraph {
    /// The workloads that run a tier; none for a tier that is not there.
    pub fn workloads(&self, tier: &str) -> &[WorkloadKey] {
        self.tiers
            .get(tier)
            .map_or(&[], |tier| tier.workloads.as_slice())
    }

    /// Whether a tier is of the application that the run is about, and is meant to run here.
    pub fn counts(&self, tier: &Tier) -> bool {
        tier.expected && (tier.in_compose || !self.from_compose)
    }
}

/// One tier.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Whether compose declares it.
    pub in_compose: bool,
    /// The workloads that run it.
    pub workloads: Vec<WorkloadKey>,
    /// Services of its workloads' namespace that select its Pods (or are called like it).
    pub services: Vec<ServiceKey>,
    /// The names under which compose lets peers call it: service key, aliases, `container_name`, `hostname`.
    pub names: Vec<String>,
    /// Where it serves, if it plainly is a server (database, cache, broker, web server by image, command, port, healthcheck).
    pub server: Option<ServerHint>,
    /// Every TCP port that compose, image or Pod say it listens on.
    pub ports: Vec<NonZeroU16>,
    /// Whether it ends on its own.
    pub one_shot: bool,
    /// Whether it is meant to run here: compose replicas 0 or an inactive profile say no.
    pub expected: bool,
    /// The image that compose names, or the deployed one.
    pub image: Option<String>,
    /// The HTTP path that compose's healthcheck declares on the tier itself, with the port it asks.
    pub health_path: Option<HealthPath>,
    /// Networks that it shares with peers in compose (for isolation checks).
    pub networks: Vec<String>,
}

impl Tier {
    /// The protocol that it serves, if it plainly is a server.
    pub fn protocol(&self) -> Option<Protocol> {
        self.server.as_ref().map(|server| server.protocol)
    }

    /// Whether anything of it is in the cluster: a workload or a Service.
    pub fn is_deployed(&self) -> bool {
        !self.workloads.is_empty() || !self.services.is_empty()
    }
}

/// Where a tier serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerHint {
    /// Port.
    pub port: NonZeroU16,
    /// Protocol.
    pub protocol: Protocol,
    /// Why we think so ("image redis:7", "command redis-server", "compose expose").
    pub evidence: String,
    /// Whether a container's own `ports` alone say so: it may be a port for metrics, which no one calls by name.
    #[serde(skip)]
    pub by_container_alone: bool,
}

/// A health path of a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthPath {
    /// Path with query.
    pub path: String,
    /// The port it was asked on.
    pub port: NonZeroU16,
    /// Where it is declared ("compose healthcheck of AP").
    pub origin: String,
}

/// How sure an edge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// `depends_on` alone: an order of start, no proof of a connection.
    Weak,
    /// Host and port put together from parts.
    Likely,
    /// A host that configuration names, `links`, or the user's own file.
    Declared,
}

/// One connection that must work.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Identity.
    pub id: EdgeId,
    /// The client tier.
    pub from: String,
    /// The server tier, or the outside host.
    pub to: String,
    /// Exactly the host that the client's own (deployed) configuration uses.
    pub host: String,
    /// The port that the client dials.
    pub port: NonZeroU16,
    /// The protocol that it speaks.
    pub protocol: Protocol,
    /// Where the edge is known from: `compose services.AP.links`, `env DB_HOST of deployment/ap`.
    pub origin: Vec<Origin>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Whether the host is none of the application's own: outside the cluster, or a Service behind which no tier stands. `to` is
    /// then that host, or the compose tier whose place it has taken (RDS for `db`).
    pub external: bool,
    /// The variable of the client's container in which the host stands, if any.
    pub variable: Option<String>,
    /// Whether the client's own words show the protocol (a scheme), or the user's.
    pub by_scheme: bool,
    /// Whether nothing but the number of the port (or a library of the client) shows the protocol: then no more than the connection
    /// counts, but for what a server says in that protocol.
    pub guessed: bool,
    /// Whether no configuration of the client's Pods that can be read names it: it may stand in a Secret or in the program, and whether the
    /// client speaks TLS there with it.
    pub unseen: bool,
    /// What is wrong with the text of that address in the client's own container.
    pub flaw: Option<EdgeFlaw>,
    /// The name servers that the client asks by itself, past its Pod's own resolver.
    pub resolver: Option<OwnResolver>,
    /// Whether the client resolves the host once, when it starts, and keeps the address.
    pub at_start: bool,
    /// What compose said where the Pods say otherwise: `DB:3306`.
    pub compose_said: Option<String>,
    /// HTTP: what to ask.
    pub http: Option<HttpQuestion>,
    /// TLS as the client's own configuration says (`sslmode=require`, `rediss://`, `?ssl=true`).
    pub tls: Option<TlsMode>,
    /// How the client logs in: the names of its variables.
    pub login: Option<LoginReference>,
    /// Where a login may stand that no variable of the Pods holds: a mounted file, a Secret. None is tried then.
    pub login_place: Option<String>,
    /// The password's variable that nothing else in the Pods can stand in for: compose's, which they do not have, or the login's own, where
    /// only the probe sees whether what it comes from holds it.
    pub lacks: Option<String>,
    /// Where the user's own file names the login's variables: `k8sverify.yaml:7`.
    pub login_said: Option<String>,
    /// The user says that it may fail.
    pub optional: bool,
    /// The user says that it must not work.
    pub forbidden: bool,
    /// The host or the user marks a read replica: read-only is a warning.
    pub replica: bool,
    /// SQL or key that the user wants looked for, where the protocol has one.
    pub query: Option<String>,
}

impl Edge {
    /// Whether the verdict counts an edge.
    pub fn is_firm(&self) -> bool {
        self.confidence != Confidence::Weak && !self.optional
    }

    /// Whether what the client dials cannot be read from outside: its variable stands in a Secret, or is not there at all. The host is then
    /// compose's word alone.
    pub fn is_unread(&self) -> bool {
        let is_hidden = self.unseen && self.variable.is_some();
        is_hidden || self.flaw.as_ref().is_some_and(EdgeFlaw::is_absent)
    }

    /// Its identity where no other edge has the same: `FROM->TO:PORT/PROTOCOL`.
    pub fn plain_id(&self) -> String {
        let Self { from, to, port, .. } = self;
        format!("{from}->{to}:{port}/{}", self.protocol)
    }

    /// Its identity beside others that are the same but for the host.
    pub fn id_with_host(&self) -> EdgeId {
        EdgeId(format!("{}@{}", self.plain_id(), self.host))
    }

    /// A declared edge of which nothing more is known. Its identity is empty until all edges of the graph are there.
    pub fn new(
        from: impl Into<String>,
        to: impl Into<String>,
        host: impl Into<String>,
        port: NonZeroU16,
        protocol: Protocol,
    ) -> Self {
        Self {
            id: EdgeId(String::new()),
            from: from.into(),
            to: to.into(),
            host: host.into(),
            port,
            protocol,
            origin: Vec::new(),
            confidence: Confidence::Declared,
            external: false,
            variable: None,
            by_scheme: false,
            guessed: false,
            unseen: false,
            flaw: None,
            resolver: None,
            at_start: false,
            compose_said: None,
            http: None,
            tls: None,
            login: None,
            login_place: None,
            lacks: None,
            login_said: None,
            optional: false,
            forbidden: false,
            replica: false,
            query: None,
        }
    }
}

/// A resolver of a client's own configuration: without the Pod's search list and hosts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnResolver {
    /// The name servers as they are written: addresses, names, `$VARIABLES`; none: nothing can be resolved.
    pub servers: Vec<String>,
}

/// A variable of the client whose text is not the address that was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeFlaw {
    /// The variable.
    pub variable: String,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// Where it stands: `env REDIS_HOST of deployment/ap, configmap/ap-config`.
    pub origin: String,
}

impl EdgeFlaw {
    /// Whether the client does not have the variable at all: there is nothing to dial, and nothing is proven either.
    pub fn is_absent(&self) -> bool {
        matches!(self.flaw.kind, FlawKind::Absent | FlawKind::Unread)
    }
}

/// A host outside that no edge is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outside {
    /// The tier that names it.
    pub from: String,
    /// The host.
    pub host: String,
    /// The port, if any.
    pub port: Option<NonZeroU16>,
    /// Where it stands.
    pub origin: Origin,
}

/// Something a reader of the graph should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// One sentence.
    pub message: String,
}

/// The kinds of [`Note`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// The deployed Pods differ from compose.
    Differs,
    /// Edges may be missing (`graph-incomplete`).
    Incomplete,
    /// Plain information.
    Information,
}
