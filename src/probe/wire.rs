//! The versioned format between the tool and its agent: the spec goes in by environment variables, outcomes come out as one
//! JSON object per line of the Pod's log, closed by an end record. Pure data. No value of a secret ever travels here.

pub mod sql;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroUsize};

use serde::{Deserialize, Serialize};

use crate::address::{HttpQuestion, LoginReference, TlsMode};
use crate::drill::model::RunnerSpec;
use crate::protocol::Protocol;

/// The version of spec and records; agent and tool refuse another.
pub const VERSION: u32 = 3;
/// The spec's JSON is cut into chunks in variables `K8SVERIFY_SPEC_0`, `K8SVERIFY_SPEC_1` …, joined in order.
pub const SPEC_VARIABLE: &str = "K8SVERIFY_SPEC_";
/// The client tier's variables reach the agent under this prefix, so that none of them changes the agent itself.
pub const ENVIRONMENT_PREFIX: &str = "T_";

/// [`EdgeTask::no_login_reason`] of a client whose whole configuration is known and holds no password: only then is a server that asks
/// for one a failure.
pub const NO_CREDENTIALS: &str = "no credentials in the tier's environment";

/// The fact of an answer that holds type and length of its body, for comparison.
pub const HTTP_CONTENT: &str = "http_content";
/// The fact that says that the host was read in the Pod, from a Secret: a name that the API shows, else the place in words.
pub const HOST_FROM_SECRET: &str = "host_from_secret";
/// The fact of a step that holds the port which the client has out of a Secret.
pub const PORT_FROM_SECRET: &str = "port_from_secret";
/// The fact of an edge whose host's variable, which only the probe sees, names a file or a word that switches it off: there is no server.
pub const NO_SERVER: &str = "no_server";
/// The fact of such a host that leads back into the client's own Pod, where no other Pod can look; it says so in words.
pub const WITHIN_POD: &str = "within_pod";
/// The fact of a step that says what is wrong with the text of the client's own variable: `malformed` or `unresolved`.
pub const FLAW_KIND: &str = "flaw";
/// The fact of a refused endpoint that names the other ports on which it takes connections: `8080, 9090`.
pub const LISTENS_FACT: &str = "listens";
/// The fact that says it in words, the variable's name first.
pub const FLAW_PLACE: &str = "flaw_place";

/// What one container of a probe Pod has to do: everything for one tier from one vantage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeSpec {
    /// [`VERSION`].
    pub version: u32,
    /// The run's label.
    pub run: String,
    /// Seconds after which the agent ends on its own, with unknown outcomes for what is left.
    pub deadline_ms: u64,
    /// How many edges are walked at a time; the agent's own number without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges_at_once: Option<NonZeroUsize>,
    /// Names to resolve, each with its own outcome.
    pub names: Vec<NameTask>,
    /// Edges to walk.
    pub edges: Vec<EdgeTask>,
    /// Where to dial and resolve; empty in a cluster.
    #[serde(default)]
    pub network: NetworkTable,
    /// The Services of the client's namespace, where it has a host that only the probe sees: names that may be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Files of the client's container that hold CAs, each with the variable that brings its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<ClientFile>,
    /// Variables that the client reads from a file: what ends the text's last line is not part of their value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_files: Vec<String>,
    /// Files of settings in which a part of a login stands, each with the variable that brings its text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<ClientFile>,
    /// Whether an edge whose server's certificate is not proven to be trusted counts as unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_trust: bool,
    /// SQL to run instead of walking the edges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<sql::SqlSpec>,
    /// What a runner of a drill does instead of walking edges; it logs in as the first edge says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<RunnerSpec>,
}

/// A file of the client's container that the agent can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientFile {
    /// Its path in the client's container.
    pub path: String,
    /// The variable of the tier's environment that its text comes in.
    pub variable: String,
    /// A Secret's key is mounted instead, in a folder of the variable's name below [`FILES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretKey>,
}

/// A key of a Secret of the Pod's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretKey {
    /// The Secret.
    pub name: String,
    /// The key.
    pub key: String,
}

/// Where the agent finds the keys of Secrets that it is given as files.
pub const FILES: &str = "/run/k8sverify/files";
/// The name of each such file in its folder.
pub const FILE: &str = "text";

/// The one seam of the network: empty in a cluster; a sandbox maps addresses to listeners on loopback.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkTable {
    /// The name server (`host:port`) instead of those of resolv.conf.
    pub nameserver: Option<String>,
    /// Search domains instead of those of resolv.conf.
    pub search: Option<Vec<String>>,
    /// `ADDRESS:PORT` as the cluster knows it → `HOST:PORT` to dial instead.
    pub addresses: BTreeMap<String, String>,
}

/// A name whose DNS record matters although no edge may use it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NameTask {
    /// Identity in outcomes: `name:TIER:NAME`.
    pub id: String,
    /// The name as peers would write it.
    pub name: String,
    /// Milliseconds to go on asking after NXDOMAIN, because the API shows a Service younger than the negative cache.
    pub retry_not_found_ms: u64,
}

/// An edge to walk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeTask {
    /// The edge's id.
    pub id: String,
    /// Exactly the host that the client uses.
    pub host: String,
    /// The port that it dials.
    pub port: NonZeroU16,
    /// What it speaks.
    pub protocol: Protocol,
    /// The name servers that the client asks by itself, without search list and hosts file; `None`: it resolves as its Pod does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nameservers: Option<Vec<String>>,
    /// The endpoints behind the Service as the API shows them, each walked as well.
    pub endpoints: Vec<EndpointTask>,
    /// Why no endpoint is walked although there may be some (a mesh, say).
    pub skip_endpoints: Option<String>,
    /// HTTP: what to ask.
    pub http: Option<HttpQuestion>,
    /// HTTP: the name in the request and in TLS, where that is not the host that is dialled (an Ingress by its controller's address).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// TLS as the client wants it.
    pub tls: Option<TlsMode>,
    /// Whether nothing that could be read says how the client secures the connection: a server of TLS contradicts nothing then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// The variable of the client's container in which the host stands: one beside it may name the CA of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_variable: Option<String>,
    /// How the client logs in; `None`: stop at `protocol`, with [`EdgeTask::no_login_reason`].
    pub login: Option<LoginReference>,
    /// The addresses to which the login may go; `None`: to whatever the host resolves to.
    #[serde(default)]
    pub login_addresses: Option<BTreeSet<IpAddr>>,
    /// Whether only the host is taken from `login`, and no login is tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// Why there is no login, beside a login if that holds none; [`NO_CREDENTIALS`] means that the client surely sends none, beside a login
    /// that it has none if its password's variable is not there.
    pub no_login_reason: String,
    /// Milliseconds to go on asking after NXDOMAIN (see [`NameTask`]).
    pub retry_not_found_ms: u64,
    /// Milliseconds after the agent's start until which a failure at DNS, connect or first byte is repeated (policies take time).
    pub retry_until_ms: u64,
    /// Whether the rules deny this edge: a pass is dialled again after 6 s, and only that answer counts.
    pub recheck_pass: bool,
    /// Whether the rules deny the client its DNS: an answer is asked for again after 6 s, and only that one counts.
    #[serde(default)]
    pub recheck_dns: bool,
    /// Whether a proxy stands between: connect proves nothing, only bytes of the peer do.
    pub mesh: bool,
    /// A read replica is fine.
    pub replica: bool,
    /// A query that the user wants.
    pub query: Option<String>,
    /// The user says that this must not work: connect only, no login.
    pub forbidden: bool,
}

impl EdgeTask {
    /// A task of which nothing but its place and protocol is known: no endpoints, no login, no patience.
    pub fn bare(id: String, host: String, port: NonZeroU16, protocol: Protocol) -> Self {
        Self {
            id,
            host,
            port,
            protocol,
            nameservers: None,
            endpoints: Vec::new(),
            skip_endpoints: None,
            http: None,
            authority: None,
            tls: None,
            unseen: false,
            host_variable: None,
            login: None,
            login_addresses: None,
            withheld: false,
            no_login_reason: String::new(),
            retry_not_found_ms: 0,
            retry_until_ms: 0,
            recheck_pass: false,
            recheck_dns: false,
            mesh: false,
            replica: false,
            query: None,
            forbidden: false,
        }
    }

    /// The name that is asked for, without its port, where that is not the host that is dialled.
    pub fn name(&self) -> Option<&str> {
        let name = self.authority.as_deref()?;
        let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
        // An address in brackets is what is dialled anyway.
        (!host.starts_with('[')).then_some(host)
    }
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointTask {
    /// Its address.
    pub address: IpAddr,
    /// Its target port.
    pub port: NonZeroU16,
    /// What stands behind it, for people: the Pod's name or empty.
    pub pod: String,
    /// Whether the API calls it ready.
    pub ready: bool,
    /// Where else it may listen, to be dialled if it refuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<NonZeroU16>,
}

/// A line of the agent's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// The first line.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The tool's version.
        tool: String,
        /// Name servers of resolv.conf.
        nameservers: Vec<String>,
        /// Search domains.
        search: Vec<String>,
        /// `ndots`.
        ndots: u32,
    },
    /// The agent cannot work: its spec is bad. Nothing follows.
    Error {
        /// What was wrong with it, and what was expected.
        message: String,
    },
    /// An edge is walked from here on.
    Started {
        /// The edge's id.
        task: String,
    },
    /// One step of one task.
    Step(Step),
    /// Every step of an edge was written: it stands, whatever becomes of the agent.
    Finished {
        /// The edge's id.
        task: String,
    },
    /// What was seen while a script of SQL ran.
    Sql(sql::SqlRecord),
    /// The last line: without it the log is not whole.
    End {
        /// How many steps, and records of SQL, were written.
        steps: usize,
        /// Whether the deadline cut the work short.
        cut_short: bool,
    },
}

/// One step of the ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The edge's or name task's id.
    pub task: String,
    /// Which step.
    pub name: StepName,
    /// What was asked: the name, `10.96.0.9:3306`, `GET /health`.
    pub target: String,
    /// The endpoint (`10.244.4.7:3306`) if the step was walked on one; `None` on the Service address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How it ended.
    pub status: StepStatus,
    /// Which failure, for `fail` and `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// In words: the peer's own message, sanitised, without secrets; why it was skipped.
    #[serde(default)]
    pub detail: String,
    /// Milliseconds that the (last) try took.
    pub duration_ms: u64,
    /// How many tries were made.
    #[serde(default = "one")]
    pub tries: u32,
    /// Facts for the rules: `addresses`, `candidate`, `server_version`, `auth_plugin`, `read_only`, `http_status`, `seen_protocol`, `tls` …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

const fn one() -> u32 {
    1
}

/// The steps of the ladder, in order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum StepName {
    /// Resolve the name.
    Dns,
    /// Connect to the address that the name resolved to.
    Service,
    /// Connect to one endpoint.
    Endpoint,
    /// TLS handshake.
    Tls,
    /// The peer speaks the protocol.
    Protocol,
    /// Log in.
    Login,
    /// A harmless query, and the server's state.
    Query,
}

/// How a step ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum StepStatus {
    /// It works.
    Pass,
    /// It does not.
    Fail,
    /// It could not be determined.
    Unknown,
    /// It was not worth asking, or not allowed; `detail` says why.
    Skipped,
}

/// Why a step failed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum StepError {
    /// NXDOMAIN for every candidate.
    Nxdomain,
    /// The name exists without an address.
    Nodata,
    /// SERVFAIL or REFUSED.
    Servfail,
    /// No name server answered.
    DnsTimeout,
    /// The name is none (too long, bad characters).
    DnsInvalid,
    /// Connection refused.
    Refused,
    /// No answer to the connect.
    Timeout,
    /// Host or network unreachable.
    Unreachable,
    /// Reset after the connect.
    Reset,
    /// Closed by the peer before it said anything.
    Closed,
    /// Connected, and the peer never said a word.
    Silent,
    /// Something else answers; `facts.seen_protocol`.
    Mismatch,
    /// The peer closes or resets in the middle of the protocol.
    Broken,
    /// TLS: expired or not yet valid.
    CertificateExpired,
    /// TLS: another name.
    CertificateName,
    /// TLS: unknown CA.
    CertificateUntrusted,
    /// TLS: nothing that could be seen says that the client trusts the certificate. A passing step carries it as a warning.
    TrustNotProven,
    /// TLS handshake failed otherwise.
    TlsFailed,
    /// The server wants TLS.
    TlsRequired,
    /// Login refused.
    LoginDenied,
    /// The login's database is missing.
    DatabaseMissing,
    /// No connection left.
    ConnectionsExhausted,
    /// The server blocks this host (1129).
    HostBlocked,
    /// Reads only.
    ReadOnly,
    /// A replica that follows its source no longer.
    ReplicationStopped,
    /// A Galera member that is not Primary.
    GaleraNotPrimary,
    /// Redis is loading.
    Loading,
    /// Redis: MASTERDOWN, CLUSTERDOWN, MISCONF, maxclients, protected mode.
    Unavailable,
    /// HTTP 5xx.
    HttpServerError,
    /// HTTP request taken, never answered.
    HttpTimeout,
    /// HTTP redirects without end.
    HttpRedirectLoop,
    /// HTTP 404 on a declared path.
    HttpNotFound,
    /// Another status than the user expects.
    HttpStatus,
    /// The server sends clients to an address that cannot be reached.
    AdvertisedUnreachable,
    /// The query that the user wants failed.
    QueryFailed,
    /// The agent's own deadline.
    Deadline,
    /// Answers changed from try to try.
    Flapping,
}

impl StepError {
    /// Whether a blocked packet may end so: dropped, rejected, or (a proxy) closed before the first byte.
    pub const fn is_network(self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::Timeout
                | Self::Unreachable
                | Self::Reset
                | Self::Closed
                | Self::Silent
        )
    }

    /// Whether it is the server's own answer in the protocol: then that is no guess any more.
    pub const fn is_answer(self) -> bool {
        matches!(
            self,
            Self::LoginDenied
                | Self::DatabaseMissing
                | Self::ConnectionsExhausted
                | Self::HostBlocked
                | Self::ReadOnly
                | Self::ReplicationStopped
                | Self::GaleraNotPrimary
                | Self::Loading
                | Self::Unavailable
                | Self::AdvertisedUnreachable
                | Self::QueryFailed
        )
    }
}
