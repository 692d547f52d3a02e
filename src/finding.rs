//! The public codes of the finding catalogue, and a finding as data. Pure.
//!
//! Texts and severities of the codes stand in `checks/findings.yaml`; a test proves that the two match one to one.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use strum::Display;

use crate::shell::Command;

/// How much a finding weighs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, Display,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// Something is broken.
    #[default]
    Error,
    /// Something that a good engineer would act on.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// An error where that is so, else a warning.
    pub const fn error_if(so: bool) -> Self {
        if so { Self::Error } else { Self::Warning }
    }
}

/// The sections of the catalogue, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Services, selectors, ports, endpoints.
    Services,
    /// Pods and workloads.
    Workloads,
    /// Readiness, liveness and startup probes.
    Probes,
    /// Network policies.
    Policies,
    /// DNS.
    Names,
    /// Connection and protocol.
    Connections,
    /// What could not be verified.
    NotVerified,
    /// What `sql` finds.
    Databases,
    /// What `drill` finds.
    Drills,
    /// What `drill` could not measure.
    NotMeasured,
}

impl Section {
    /// Every section with its title.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Services, "Services, selectors, ports, endpoints"),
        (Self::Workloads, "Pods and workloads"),
        (Self::Probes, "Probes"),
        (Self::Policies, "Network policy"),
        (Self::Names, "DNS"),
        (Self::Connections, "Connection and protocol"),
        (Self::NotVerified, "Could not verify"),
        (Self::Databases, "Databases (sql)"),
        (
            Self::Drills,
            "Drills: what a database does when a member is taken away",
        ),
        (Self::NotMeasured, "Drills: could not measure"),
    ];
}

macro_rules! codes {
    ($($section:ident: $($variant:ident = $name:literal),+ ;)+) => {
        /// A stable, public finding code: one root cause that a person can act on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(
                #[doc = concat!("`", $name, "`: see `checks/findings.yaml`.")]
                #[serde(rename = $name)]
                $variant,
            )+)+
        }

        impl Code {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            /// The code as it is written in reports.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)+)+ }
            }

            /// Its section of the catalogue.
            pub const fn section(self) -> Section {
                match self { $($(Self::$variant => Section::$section,)+)+ }
            }
        }
    };
}

codes! {
    Services:
        ServiceMissing = "service-missing",
        ServiceNameMismatch = "service-name-mismatch",
        ServiceInOtherNamespace = "service-in-other-namespace",
        ServicePortMissing = "service-port-missing",
        ServicePortProtocol = "service-port-protocol",
        ServiceSelectorMismatch = "service-selector-mismatch",
        ServiceSelectorTooBroad = "service-selector-too-broad",
        ServiceTargetPortUnknown = "service-target-port-unknown",
        ServiceTargetPortClosed = "service-target-port-closed",
        ServiceEndpointsNotReady = "service-endpoints-not-ready",
        ServiceEndpointsPartial = "service-endpoints-partial",
        ServiceEndpointsStale = "service-endpoints-stale",
        ServiceNoEndpoints = "service-no-endpoints",
        ServiceTrafficPolicyLocal = "service-traffic-policy-local",
        ServiceExternalNameInvalid = "service-external-name-invalid",
        ServiceExternalNameUnresolvable = "service-external-name-unresolvable",
        ServiceHeadlessPort = "service-headless-port",
        ServiceIpFamilyMismatch = "service-ip-family-mismatch",
        ServiceLoadBalancerPending = "service-load-balancer-pending",
        IngressBackendMissing = "ingress-backend-missing",
        EntryUnreachable = "entry-unreachable",
        EntryMissing = "entry-missing",
        SharedNetworkSplit = "shared-network-split",
        AddressStale = "address-stale",
        WorkloadMissing = "workload-missing";
    Workloads:
        PodUnschedulable = "pod-unschedulable",
        PodCreateForbidden = "pod-create-forbidden",
        ImagePullFailed = "image-pull-failed",
        ContainerConfigError = "container-config-error",
        ContainerStartFailed = "container-start-failed",
        ContainerCrashLooping = "container-crash-looping",
        ContainerOutOfMemory = "container-out-of-memory",
        InitContainerFailing = "init-container-failing",
        VolumeClaimPending = "volume-claim-pending",
        VolumeMountFailed = "volume-mount-failed",
        ConfigurationStale = "configuration-stale",
        VariableUnresolved = "variable-unresolved",
        VariableMalformed = "variable-malformed",
        RolloutStalled = "rollout-stalled",
        WorkloadScaledToZero = "workload-scaled-to-zero",
        WorkloadDegraded = "workload-degraded",
        ServiceEnvCollision = "service-env-collision",
        JobFailed = "job-failed",
        NodeNotReady = "node-not-ready";
    Probes:
        ReadinessProbeMissing = "readiness-probe-missing",
        LivenessProbeMissing = "liveness-probe-missing",
        ReadinessProbeFailing = "readiness-probe-failing",
        LivenessProbeFailing = "liveness-probe-failing",
        StartupProbeFailing = "startup-probe-failing",
        ProbePortUnknown = "probe-port-unknown",
        ProbeCommandInvalid = "probe-command-invalid",
        ProbeTargetDiffers = "probe-target-differs",
        ProbeTooImpatient = "probe-too-impatient";
    Policies:
        NetworkPolicyIngressDenied = "network-policy-ingress-denied",
        NetworkPolicyEgressDenied = "network-policy-egress-denied",
        NetworkPolicyDnsDenied = "network-policy-dns-denied",
        PolicyOtherDenied = "policy-other-denied",
        NetworkPolicyNotEnforced = "network-policy-not-enforced",
        ForbiddenEdgeOpen = "forbidden-edge-open",
        IsolationBroken = "isolation-broken";
    Names:
        DnsUnavailable = "dns-unavailable",
        DnsPolicyNotCluster = "dns-policy-not-cluster",
        DnsRecordWrong = "dns-record-wrong",
        ClientResolverWrong = "client-resolver-wrong",
        NoProxyMissing = "no-proxy-missing",
        DnsNameNotFound = "dns-name-not-found";
    Connections:
        ConnectionRefused = "connection-refused",
        ConnectionTimeout = "connection-timeout",
        ConnectionReset = "connection-reset",
        NodeNetworkBroken = "node-network-broken",
        ListensOnLoopback = "listens-on-loopback",
        ProtocolMismatch = "protocol-mismatch",
        TlsCertificateInvalid = "tls-certificate-invalid",
        TlsNotOffered = "tls-not-offered",
        MysqlLoginDenied = "mysql-login-denied",
        MysqlDatabaseMissing = "mysql-database-missing",
        MysqlConnectionsExhausted = "mysql-connections-exhausted",
        MysqlReadOnly = "mysql-read-only",
        MysqlReplicationStopped = "mysql-replication-stopped",
        GaleraNotPrimary = "galera-not-primary",
        GaleraSplit = "galera-split",
        PostgresLoginDenied = "postgres-login-denied",
        PostgresDatabaseMissing = "postgres-database-missing",
        PostgresConnectionsExhausted = "postgres-connections-exhausted",
        PostgresReadOnly = "postgres-read-only",
        RedisLoginDenied = "redis-login-denied",
        RedisLoading = "redis-loading",
        RedisReadOnly = "redis-read-only",
        RedisDatabaseMissing = "redis-database-missing",
        RedisUnavailable = "redis-unavailable",
        LoginDenied = "login-denied",
        AdvertisedAddressUnreachable = "advertised-address-unreachable",
        HttpServerError = "http-server-error",
        HttpTimeout = "http-timeout",
        HttpRedirectLoop = "http-redirect-loop",
        HttpNotFound = "http-not-found";
    NotVerified:
        ApiUnreachable = "api-unreachable",
        ApiForbidden = "api-forbidden",
        ProbeForbidden = "probe-forbidden",
        NamespaceNotFound = "namespace-not-found",
        TiersNotFound = "tiers-not-found",
        ProbeImageFailed = "probe-image-failed",
        ProbeUnschedulable = "probe-unschedulable",
        ProbeTimeout = "probe-timeout",
        ProbeLost = "probe-lost",
        GraphEmpty = "graph-empty",
        GraphIncomplete = "graph-incomplete";
    Databases:
        SqlRefused = "sql-refused",
        SqlNotReplicated = "sql-not-replicated",
        SqlObjectUnusable = "sql-object-unusable";
    Drills:
        DrillNotRecovered = "drill-not-recovered",
        DrillDowntimeExceeded = "drill-downtime-exceeded",
        DrillDataLost = "drill-data-lost",
        DrillMembersDiverged = "drill-members-diverged",
        DrillSplitBrain = "drill-split-brain",
        DrillPoolPinned = "drill-pool-pinned",
        DrillReadyNotServing = "drill-ready-not-serving",
        DrillMemberNotJoined = "drill-member-not-joined",
        DrillServiceEmpty = "drill-service-empty",
        DrillServiceNotSwitched = "drill-service-not-switched",
        DrillExpectedTableMissing = "drill-expected-table-missing",
        DrillNotPersistent = "drill-not-persistent";
    NotMeasured:
        DrillNotHealthyBefore = "drill-not-healthy-before",
        DrillBaselineUnclean = "drill-baseline-unclean",
        DrillRunnerLost = "drill-runner-lost",
        DrillNoEffect = "drill-no-effect",
        DrillChangedByOthers = "drill-changed-by-others";
}

impl Code {
    /// The code of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a finding is about: `deployment/db`, in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Lower-case kind: `deployment`, `service`, `networkpolicy`, `tier`, `name`, `resource`, `namespace`, `input` …
    pub kind: String,
    /// The object's name as the API has it (compose's own spelling for a tier).
    pub name: String,
    /// The namespace; empty for what has none (nodes, tiers, inputs).
    pub namespace: String,
}

impl ObjectRef {
    /// An object of that kind and name in that namespace.
    pub fn new(
        kind: impl Into<String>,
        name: impl Into<String>,
        namespace: impl Into<String>,
    ) -> Self {
        Self {
            kind: kind.into(),
            name: name.into(),
            namespace: namespace.into(),
        }
    }
}

/// `kind/name`, without the namespace.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// A finding's identity: `CODE KIND/NAME`, with `@NAMESPACE` when that is not the run's namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FindingId(pub String);

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An edge's identity: `FROM->TO:PORT/PROTOCOL`, with `@HOST` appended where those alone would repeat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EdgeId(pub String);

impl fmt::Display for EdgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How to fix a finding.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fix {
    /// One sentence or command that a person can follow as printed.
    pub text: String,
    /// A command that fixes it as printed, where one fits (`kubectl …`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<Command>,
    /// A manifest (YAML) that fixes it when applied as printed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub manifest: Option<String>,
}

impl Fix {
    /// What a person can do, in words alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// The same with a command, where one fits.
    #[must_use]
    pub fn run(self, command: impl Into<Option<Command>>) -> Self {
        Self {
            command: command.into(),
            ..self
        }
    }
}

impl<T: Into<String>> From<T> for Fix {
    fn from(text: T) -> Self {
        Self::text(text)
    }
}

/// One root cause or consequence, as the rules raise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub code: Code,
    /// Its weight: the catalogue's default unless a rule lowers it.
    pub severity: Severity,
    /// On which object.
    pub object: ObjectRef,
    /// One sentence for a person, naming the objects.
    pub message: String,
    /// What was seen, in the cluster's own words. Never a secret.
    pub evidence: Vec<String>,
    /// The edges whose failure it explains (they may also be explained by another finding; the verdict chooses).
    pub edges: BTreeSet<EdgeId>,
    /// Edges that fail by what their client has, whatever a probe sees: it has something else than the probe.
    pub overrules: BTreeSet<EdgeId>,
    /// Findings of which this one is a consequence, best first; the verdict keeps the first that was really raised.
    pub caused_by: Vec<(Code, ObjectRef)>,
    /// Edges *from* the failing workload, where its failure is of a kind that a target it cannot reach would bring about (it
    /// exits after its start, its probe answers 5xx or times out): if one of them fails, the cause of that edge is the
    /// cause of this finding too.
    pub follows: BTreeSet<EdgeId>,
    /// How to fix it.
    pub fix: Option<Fix>,
}

impl Finding {
    /// A finding of that code, at the given severity, on that object, with nothing else yet.
    pub fn new(
        code: Code,
        severity: Severity,
        object: ObjectRef,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            object,
            message: message.into(),
            evidence: Vec::new(),
            edges: BTreeSet::new(),
            overrules: BTreeSet::new(),
            caused_by: Vec::new(),
            follows: BTreeSet::new(),
            fix: None,
        }
    }

    /// The same with more lines of what was seen.
    #[must_use]
    pub fn because(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.evidence.extend(lines.into_iter().map(Into::into));
        self
    }

    /// One more line of what was seen, unless it is known.
    pub fn note(&mut self, line: &str) {
        if !self.evidence.iter().any(|known| known == line) {
            self.evidence.push(line.to_owned());
        }
    }

    /// The same with edges whose failure it explains.
    #[must_use]
    pub fn on(mut self, edges: impl IntoIterator<Item = impl Borrow<EdgeId>>) -> Self {
        let edges = edges.into_iter().map(|edge| edge.borrow().clone());
        self.edges.extend(edges);
        self
    }

    /// The same with edges that fail whatever a probe sees.
    #[must_use]
    pub fn overruling(mut self, edges: impl IntoIterator<Item = impl Borrow<EdgeId>>) -> Self {
        let edges = edges.into_iter().map(|edge| edge.borrow().clone());
        self.overrules.extend(edges);
        self
    }

    /// The same with edges whose cause is its own cause, too.
    #[must_use]
    pub fn following(mut self, edges: impl IntoIterator<Item = impl Borrow<EdgeId>>) -> Self {
        let edges = edges.into_iter().map(|edge| edge.borrow().clone());
        self.follows.extend(edges);
        self
    }

    /// The same with findings of which it may be a consequence, best first.
    #[must_use]
    pub fn caused_by(mut self, causes: impl IntoIterator<Item = (Code, ObjectRef)>) -> Self {
        self.caused_by.extend(causes);
        self
    }

    /// The same with what to do.
    #[must_use]
    pub fn fix(self, fix: impl Into<Fix>) -> Self {
        Self {
            fix: Some(fix.into()),
            ..self
        }
    }

    /// Its identity in a report of a run on `run_namespace`.
    pub fn id(&self, run_namespace: &str) -> FindingId {
        finding_id(self.code, &self.object, run_namespace)
    }
}

/// The identity of a finding of `code` on `object` in a report of a run on `run_namespace`.
pub fn finding_id(code: Code, object: &ObjectRef, run_namespace: &str) -> FindingId {
    if object.namespace.is_empty() || object.namespace == run_namespace {
        FindingId(format!("{code} {object}"))
    } else {
        FindingId(format!("{code} {object}@{}", object.namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_and_its_id_names_a_foreign_namespace() {
        for code in Code::ALL {
            assert_eq!(Code::from_name(code.name()), Some(*code));
        }
        let object = ObjectRef::new("service", "db", "data");
        assert_eq!(
            finding_id(Code::ServiceMissing, &object, "data").0,
            "service-missing service/db"
        );
        assert_eq!(
            finding_id(Code::ServiceMissing, &object, "default").0,
            "service-missing service/db@data"
        );
    }
}
