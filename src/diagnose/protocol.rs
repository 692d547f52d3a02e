//! Section 6, above the connection: TLS, protocol, login, query. The steps' own errors in, findings out. Pure.

use super::target::{self, line};
use super::walk::{EdgeEvidence, Stage, breaks, stage};
use super::{Context, Rule};
use crate::finding::{Code, Finding, ObjectRef, Severity};
use crate::graph::Edge;
use crate::probe::wire::{Step, StepError, StepName};
use crate::protocol::Protocol;
use crate::shell::Command;

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::EdgeMany(peer_answers_wrongly)];

/// Every step above the connection that failed says itself what is wrong.
fn peer_answers_wrongly(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Vec<Finding> {
    let edge = evidence.edge;
    // A pass may carry a warning as its error.
    let is_warning = |error| {
        matches!(
            error,
            StepError::HttpNotFound | StepError::ReadOnly | StepError::ReplicationStopped
        )
    };
    let is_worth_saying = |step: &&Step| {
        stage(step.name) == Stage::Protocol
            && (breaks(step, edge) || step.error.is_some_and(is_warning))
    };
    let said = evidence.firm().flat_map(|walk| {
        let steps = walk.counted().filter(is_worth_saying);
        steps.map(move |step| {
            finding(context, edge, step)
                .on([&edge.id])
                .because([line(&walk.place(), step)])
        })
    });
    said.collect()
}

/// The finding that a failed step above the connection stands for, without edges and evidence.
pub(super) fn finding(context: &Context<'_>, edge: &Edge, step: &Step) -> Finding {
    let error = step.error.unwrap_or(StepError::Broken);
    let code = code(edge.protocol, error, step);
    let object = target::object(context, edge, Some(step));
    let severity = match error {
        StepError::HttpNotFound | StepError::ReplicationStopped => Severity::Warning,
        StepError::ReadOnly if edge.replica => Severity::Warning,
        _ => Severity::Error,
    };
    let mut finding = Finding::new(
        code,
        severity,
        object.clone(),
        message(edge, error, step, &object),
    )
    .fix(if code == Code::TlsNotOffered {
        format!(
            "switch TLS on in {object}, or drop the demand from the client ({} of {}: sslmode, ssl-mode, rediss://)",
            edge.variable.as_deref().unwrap_or("the address"),
            edge.from
        )
    } else {
        fix(context, edge, step, &object)
    });
    let waits = matches!(error, StepError::HttpServerError | StepError::HttpTimeout);
    let hangs_up = matches!(error, StepError::Reset | StepError::Closed);
    if waits || hangs_up {
        // A server that cannot answer may itself wait for something, and one that passes the same protocol on hangs up: its own failed
        // edges are the better cause.
        finding.follows = context
            .graph
            .edges
            .iter()
            .filter(|other| other.from == edge.to && !other.forbidden)
            .filter(|other| waits || other.protocol == edge.protocol)
            .map(|other| other.id.clone())
            .collect();
    }
    finding
}

/// Whether the server speaks HTTP as it should, and says 400.
fn refuses_the_request(step: &Step) -> bool {
    step.facts
        .get("http_status")
        .is_some_and(|status| status == "400")
        && step
            .facts
            .get("seen_protocol")
            .is_some_and(|seen| seen == "http")
}

/// Whether the server speaks the client's protocol, and only TLS is what it does not have. A web server on a port of its own is another
/// server.
fn lacks_tls(protocol: Protocol, error: StepError, step: &Step) -> bool {
    let fact = |name: &str| step.facts.get(name).map(String::as_str);
    let seen = fact("seen_protocol");
    step.name == StepName::Tls
        && matches!(error, StepError::TlsFailed | StepError::Mismatch)
        && (fact("tls_offered") == Some("no")
            || (protocol.is_store() && (seen == Some("plain") || seen == Some(protocol.name()))))
}

/// The code of an error. Protocols without codes of their own share the general ones.
fn code(protocol: Protocol, error: StepError, step: &Step) -> Code {
    use Protocol::{Mysql, Postgres, Redis};
    if lacks_tls(protocol, error, step) {
        return Code::TlsNotOffered;
    }
    match (error, protocol) {
        (StepError::LoginDenied, Mysql) => Code::MysqlLoginDenied,
        (StepError::LoginDenied, Postgres) => Code::PostgresLoginDenied,
        (StepError::LoginDenied, Redis) => Code::RedisLoginDenied,
        (StepError::DatabaseMissing | StepError::QueryFailed, Mysql) => Code::MysqlDatabaseMissing,
        (StepError::DatabaseMissing | StepError::QueryFailed, Postgres) => {
            Code::PostgresDatabaseMissing
        }
        (StepError::ConnectionsExhausted | StepError::HostBlocked, Mysql) => {
            Code::MysqlConnectionsExhausted
        }
        (StepError::ConnectionsExhausted | StepError::HostBlocked, Postgres) => {
            Code::PostgresConnectionsExhausted
        }
        (StepError::ReadOnly, Mysql) => Code::MysqlReadOnly,
        (StepError::ReadOnly, Postgres) => Code::PostgresReadOnly,
        (StepError::ReadOnly, Redis) => Code::RedisReadOnly,
        (StepError::DatabaseMissing, Redis) => Code::RedisDatabaseMissing,
        (StepError::ReplicationStopped, _) => Code::MysqlReplicationStopped,
        (StepError::GaleraNotPrimary, _) => Code::GaleraNotPrimary,
        (StepError::Loading, Redis) => Code::RedisLoading,
        (
            StepError::Unavailable
            | StepError::ConnectionsExhausted
            | StepError::HostBlocked
            | StepError::QueryFailed,
            Redis,
        ) => Code::RedisUnavailable,
        (
            StepError::LoginDenied
            | StepError::DatabaseMissing
            | StepError::QueryFailed
            | StepError::ConnectionsExhausted
            | StepError::HostBlocked
            | StepError::ReadOnly,
            _,
        ) => Code::LoginDenied,
        (
            StepError::CertificateExpired
            | StepError::CertificateName
            | StepError::CertificateUntrusted,
            _,
        ) => Code::TlsCertificateInvalid,
        (StepError::HttpServerError, _) => Code::HttpServerError,
        (StepError::HttpTimeout, _) => Code::HttpTimeout,
        (StepError::HttpRedirectLoop, _) => Code::HttpRedirectLoop,
        (StepError::HttpNotFound, _) => Code::HttpNotFound,
        (StepError::HttpStatus, _) => match step.facts.get("http_status") {
            Some(status) if status.starts_with('5') => Code::HttpServerError,
            _ => Code::HttpNotFound,
        },
        (StepError::AdvertisedUnreachable, _) => Code::AdvertisedAddressUnreachable,
        (StepError::Mismatch | StepError::TlsFailed | StepError::TlsRequired, _) => {
            Code::ProtocolMismatch
        }
        (StepError::Refused, _) => Code::ConnectionRefused,
        (
            StepError::Timeout | StepError::Silent | StepError::Unreachable | StepError::Deadline,
            _,
        ) => Code::ConnectionTimeout,
        _ => Code::ConnectionReset,
    }
}

fn message(edge: &Edge, error: StepError, step: &Step, object: &ObjectRef) -> String {
    let at = format!("{}:{}", edge.host, edge.port);
    let who = &edge.from;
    let protocol = edge.protocol;
    let said = if step.detail.is_empty() {
        String::new()
    } else {
        format!(": {}", step.detail)
    };
    let seen = step
        .facts
        .get("seen_protocol")
        .map_or("something else", String::as_str);
    match error {
        StepError::LoginDenied => {
            format!("{object} refuses the login that {who} is configured with{said}")
        }
        StepError::DatabaseMissing => {
            format!("{object} lets {who} in, but has not the database that it asks for{said}")
        }
        StepError::QueryFailed => {
            format!("{object} lets {who} in, but the query that was asked for fails{said}")
        }
        StepError::ConnectionsExhausted => {
            format!("{object} has no connection left for {who}{said}")
        }
        StepError::HostBlocked => {
            format!("{object} blocks the host that {who} connects from{said}")
        }
        StepError::ReadOnly => {
            format!("{at}, where {who} writes, leads to a server that only reads{said}")
        }
        StepError::ReplicationStopped => {
            format!("a member of {object} follows its source no longer{said}")
        }
        StepError::GaleraNotPrimary => {
            format!("{object} is a Galera member that has lost its primary component{said}")
        }
        StepError::Loading => format!("{object} is still loading its data{said}"),
        StepError::Unavailable => format!("{object} answers, and refuses to work{said}"),
        StepError::CertificateExpired
        | StepError::CertificateName
        | StepError::CertificateUntrusted => {
            format!("the certificate of {at} does not verify for {who}{said}")
        }
        StepError::TlsRequired => {
            format!("{object} talks over TLS only, and {who} is configured without{said}")
        }
        StepError::TlsFailed => format!("TLS with {at} fails{said}"),
        StepError::Mismatch if refuses_the_request(step) => {
            format!("{object} answers {who} in HTTP, and refuses the request as such{said}")
        }
        StepError::Mismatch => {
            format!("{at} should speak {protocol} with {who}, but speaks {seen}{said}")
        }
        StepError::HttpServerError => format!("{object} answers {who} with an error{said}"),
        StepError::HttpTimeout => {
            format!("{object} takes the request of {who} and never answers{said}")
        }
        StepError::HttpRedirectLoop => format!("{object} redirects without end{said}"),
        StepError::HttpNotFound => {
            format!("{object} does not know the health path that is declared for it{said}")
        }
        StepError::HttpStatus => {
            format!("{object} answers with another status than the one that is expected{said}")
        }
        StepError::AdvertisedUnreachable => format!(
            "{object} answers at {at}, and sends {who} on to an address that it cannot reach{said}"
        ),
        StepError::Timeout | StepError::Silent | StepError::Unreachable | StepError::Deadline => {
            format!("{at} takes the connection of {who} and never says a word of {protocol}{said}")
        }
        _ => format!("{object} ends the connection of {who} before it has spoken {protocol}{said}"),
    }
}

/// What to do about answers whose own words say more than their code; `{}` stands for the server.
const BY_WORDS: [(&str, &str); 13] = [
    (
        "pg_hba.conf",
        "let pg_hba.conf of {} admit this user and database from the clients' addresses, and reload it",
    ),
    ("is locked", "unlock that account in {}"),
    (
        "not currently accepting connections",
        "let the database of {} take connections again (ALTER DATABASE … ALLOW_CONNECTIONS true)",
    ),
    (
        "NOREPLICAS",
        "bring the replicas of {} back, or set its min-replicas-to-write to 0",
    ),
    (
        "password has expired",
        "give that account of {} a new password (and its clients too), or let its password not expire",
    ),
    (
        "vhost",
        "create that virtual host in {}, or correct the path of the client's URL",
    ),
    (
        "CLUSTERDOWN",
        "give every hash slot of {} a node (`redis-cli --cluster create`, or `--cluster fix`), or turn cluster-enabled off where one server is meant",
    ),
    (
        "MISCONF",
        "let {} save again (free its disk, or give `dir` a folder that it may write), or turn saving off",
    ),
    (
        "MASTERDOWN",
        "bring the primary of {} back, or make it one itself (`REPLICAOF NO ONE`)",
    ),
    (
        "protected mode",
        "give {} a password that its clients send, or start it with `--protected-mode no`, as the image's own start script does",
    ),
    (
        "DB index",
        "correct the number of the database in the client, or raise `databases` of {} (16 where nothing is said)",
    ),
    (
        "cluster mode",
        "let the client use database 0: a Redis Cluster as {} has no other",
    ),
    (
        "maxclients",
        "raise maxclients of {}, or find the client that holds its connections",
    ),
];

fn fix(context: &Context<'_>, edge: &Edge, step: &Step, object: &ObjectRef) -> String {
    let error = step.error.unwrap_or(StepError::Broken);
    let refused = matches!(
        error,
        StepError::LoginDenied | StepError::DatabaseMissing | StepError::Unavailable
    );
    let detail = step.detail.to_ascii_lowercase();
    let by_words = BY_WORDS
        .iter()
        .find(|(words, _)| refused && detail.contains(&words.to_ascii_lowercase()));
    if let Some((_, text)) = by_words {
        return text.replace("{}", &object.to_string());
    }
    let client = target::clients(context, edge)
        .first()
        .map_or_else(|| edge.from.clone(), ToString::to_string);
    let variables = edge
        .login
        .as_ref()
        .map(|login| login.variables().join(", "))
        .filter(|names| !names.is_empty())
        .unwrap_or_else(|| "its credentials".to_owned());
    let host_variable = edge.variable.as_deref().unwrap_or("its configuration");
    match error {
        StepError::LoginDenied => {
            format!(
                "give {client} ({variables}) the credentials that {object} knows, or create that user there"
            )
        }
        StepError::DatabaseMissing | StepError::QueryFailed => format!(
            "create the database in {object} (its variable for the database works on an empty volume only), or correct it in {variables} of {client}"
        ),
        StepError::ConnectionsExhausted => format!(
            "raise the connection limit of {object}, or find the client that holds its connections"
        ),
        StepError::HostBlocked => {
            format!(
                "unblock the host in {object} (`FLUSH HOSTS`), and find the client whose connections broke off"
            )
        }
        StepError::ReadOnly => format!(
            "let {} lead to the writable server, or end its read-only mode; if {} only reads there, mark the edge `replica: true`",
            edge.host, edge.from
        ),
        StepError::ReplicationStopped => format!(
            "remove what SHOW REPLICA STATUS on that member of {object} names, then START REPLICA there"
        ),
        StepError::GaleraNotPrimary => format!(
            "where other members of {object} still serve, restart that one, so that it joins them; where none does, bring them back, or bootstrap the newest one (`SET GLOBAL wsrep_provider_options='pc.bootstrap=YES'`)"
        ),
        StepError::Loading => {
            format!("wait until {object} has loaded its data, and let its readiness probe show it")
        }
        StepError::Unavailable => {
            format!("end the state that {object} names; its log says how it came to it")
        }
        StepError::CertificateExpired
        | StepError::CertificateName
        | StepError::CertificateUntrusted => format!(
            "renew the certificate of {object} for the name {}, signed by a CA that {client} trusts",
            edge.host
        ),
        StepError::Mismatch if refuses_the_request(step) => format!(
            "see the log of {object} for what is wrong with the request; often it takes only hosts that it knows: add `{}` to them (ALLOWED_HOSTS, AllowedHosts, server_name)",
            edge.host
        ),
        StepError::TlsRequired | StepError::TlsFailed | StepError::Mismatch => format!(
            "correct protocol, host or port in {host_variable} of {client}, or what listens on that port of {object}"
        ),
        StepError::HttpNotFound | StepError::HttpStatus => {
            format!("correct the path in compose or in the probe, or let {object} serve it")
        }
        StepError::AdvertisedUnreachable => format!(
            "let {object} advertise the name of its Service instead of an address that only it knows"
        ),
        _ => format!(
            "look into the log of {object}: `{}`",
            Command::kubectl(&object.namespace, &["logs", &object.to_string()])
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{edge, fail, graph, outcomes, pass, probe, snapshot};
    use super::*;
    use crate::probe::wire::{StepName, StepStatus};

    fn raised(id: &str, step: Step) -> Vec<Finding> {
        let graph = graph(&[id, "DB->KVS:6379/redis"]);
        let snapshot = snapshot("");
        let outcomes = outcomes(vec![probe(
            "AP",
            "n1",
            vec![pass(id, StepName::Service), step],
        )]);
        Rule::EdgeMany(peer_answers_wrongly).raise(&Context::new(
            &graph,
            &snapshot,
            Some(&outcomes),
        ))
    }

    #[test]
    fn who_passes_a_protocol_on_and_hangs_up_may_lack_what_is_behind() {
        let follows = |protocol: &str, error: StepError| {
            let id = format!("AP->DB:1/{protocol}");
            let found = raised(&id, fail(&id, StepName::Protocol, error));
            found[0].follows.len()
        };
        assert_eq!(follows("redis", StepError::Reset), 1);
        assert_eq!(follows("redis", StepError::Closed), 1);
        assert_eq!(follows("mysql", StepError::Reset), 0);
        assert_eq!(follows("redis", StepError::LoginDenied), 0);
    }

    #[test]
    fn a_server_that_says_400_speaks_http() {
        let id = "AP->DB:1/http";
        let mut step = fail(id, StepName::Protocol, StepError::Mismatch);
        let facts = [("http_status", "400"), ("seen_protocol", "http")];
        step.facts
            .extend(facts.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let found = raised(id, step);
        assert!(
            found[0].message.contains("refuses the request"),
            "{}",
            found[0].message
        );
        let fix = found[0].fix.as_ref().unwrap();
        assert!(fix.text.contains("add `DB` to them"), "{}", fix.text);
    }

    #[test]
    fn the_servers_own_words_decide_what_is_to_be_done() {
        for (protocol, error, words, wanted) in [
            (
                "postgres",
                StepError::LoginDenied,
                "FATAL 28000: no pg_hba.conf entry for host \"10.0.0.7\"",
                "let pg_hba.conf of",
            ),
            (
                "mysql",
                StepError::LoginDenied,
                "4151: Access denied, this account is locked",
                "unlock that account",
            ),
            (
                "amqp",
                StepError::DatabaseMissing,
                "530 NOT_ALLOWED - vhost shop not found",
                "create that virtual host",
            ),
            (
                "redis",
                StepError::Unavailable,
                "CLUSTERDOWN Hash slot not served",
                "redis-cli --cluster",
            ),
            (
                "mysql",
                StepError::LoginDenied,
                "1045: Access denied for user",
                "give deployment/ap",
            ),
        ] {
            let id = format!("AP->DB:1/{protocol}");
            let mut step = fail(&id, StepName::Login, error);
            step.detail = words.to_owned();
            let found = raised(&id, step);
            let text = &found[0].fix.as_ref().unwrap().text;
            assert!(text.contains(wanted), "{words}: {text}");
        }
    }

    #[test]
    fn each_protocol_has_its_own_code() {
        let table = [
            ("mysql", StepError::LoginDenied, Code::MysqlLoginDenied),
            (
                "postgres",
                StepError::LoginDenied,
                Code::PostgresLoginDenied,
            ),
            ("redis", StepError::LoginDenied, Code::RedisLoginDenied),
            ("amqp", StepError::LoginDenied, Code::LoginDenied),
            (
                "mysql",
                StepError::HostBlocked,
                Code::MysqlConnectionsExhausted,
            ),
            ("redis", StepError::Loading, Code::RedisLoading),
            ("redis", StepError::ReadOnly, Code::RedisReadOnly),
            ("http", StepError::HttpTimeout, Code::HttpTimeout),
            ("mysql", StepError::Silent, Code::ConnectionTimeout),
            ("mysql", StepError::Closed, Code::ConnectionReset),
            ("mysql", StepError::TlsRequired, Code::ProtocolMismatch),
        ];
        for (protocol, error, code) in table {
            let id = format!("AP->DB:3306/{protocol}");
            let found = raised(&id, fail(&id, StepName::Login, error));
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].code, code);
            assert_eq!(found[0].object.to_string(), "deployment/db");
            assert_eq!(found[0].severity, Severity::Error);
        }
    }

    #[test]
    fn a_replica_that_stands_still_is_a_warning() {
        let id = "AP->DB:3306/mysql";
        let mut stopped = pass(id, StepName::Query);
        stopped.error = Some(StepError::ReplicationStopped);
        let found = raised(id, stopped);
        assert_eq!(found[0].code, Code::MysqlReplicationStopped);
        assert_eq!(found[0].severity, Severity::Warning);
    }

    #[test]
    fn a_missing_health_path_is_a_warning_and_a_pass_nothing() {
        let id = "AP->DB:80/http";
        let mut missing = pass(id, StepName::Protocol);
        missing.error = Some(StepError::HttpNotFound);
        assert_eq!(raised(id, missing)[0].severity, Severity::Warning);
        assert!(raised(id, pass(id, StepName::Protocol)).is_empty());
        let mut refused = fail(id, StepName::Service, StepError::Refused);
        assert!(raised(id, refused.clone()).is_empty());
        refused.status = StepStatus::Unknown;
        assert!(raised(id, refused).is_empty());
    }

    #[test]
    fn an_error_of_a_server_may_follow_from_what_it_cannot_reach() {
        let id = "AP->DB:80/http";
        let found = raised(id, fail(id, StepName::Protocol, StepError::HttpServerError));
        assert!(found[0].follows.contains(&edge("DB->KVS:6379/redis").id));
        let login = raised(id, fail(id, StepName::Login, StepError::LoginDenied));
        assert!(login[0].follows.is_empty());
    }
}
