//! Section 6, above the connection: TLS, protocol, login, query. The steps' own errors in, findings out. Pure.

use super::target::{self, line};
use super::walk::{EdgeEvidence, Stage, breaks, stage};
use super::{Context, Rule};
use crate::catalog::answers::{AnswerTexts, filled};
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
        message(edge, step, &object),
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

/// The error's name in the table of texts.
fn name_of(step: &Step) -> &'static str {
    match step.error.unwrap_or(StepError::Broken) {
        StepError::Mismatch if refuses_the_request(step) => "refused-request",
        error => error.into(),
    }
}

fn message(edge: &Edge, step: &Step, object: &ObjectRef) -> String {
    let said = match step.detail.as_str() {
        "" => String::new(),
        detail => format!(": {detail}"),
    };
    let seen = step.facts.get("seen_protocol");
    let (object, at) = (object.to_string(), format!("{}:{}", edge.host, edge.port));
    let values: [(&str, &str); 6] = [
        ("object", &object),
        ("at", &at),
        ("who", &edge.from),
        ("protocol", edge.protocol.name()),
        ("seen", seen.map_or("something else", String::as_str)),
        ("said", &said),
    ];
    filled(AnswerTexts::shared().message(name_of(step)), &values)
}

fn fix(context: &Context<'_>, edge: &Edge, step: &Step, object: &ObjectRef) -> String {
    let texts = AnswerTexts::shared();
    let refused = matches!(
        step.error,
        Some(StepError::LoginDenied | StepError::DatabaseMissing | StepError::Unavailable)
    );
    let by_words = texts
        .words
        .on(&step.detail.to_ascii_lowercase())
        .filter(|_| refused);
    let client = target::clients(context, edge)
        .first()
        .map_or_else(|| edge.from.clone(), ToString::to_string);
    let variables = edge
        .login
        .as_ref()
        .map(|login| login.variables().join(", "))
        .filter(|names| !names.is_empty())
        .unwrap_or_else(|| "its credentials".to_owned());
    let name = object.to_string();
    let logs = Command::kubectl(&object.namespace, &["logs", &name]);
    let variable = edge.variable.as_deref();
    let values: [(&str, &str); 7] = [
        ("object", &name),
        ("host", &edge.host),
        ("who", &edge.from),
        ("client", &client),
        ("variables", &variables),
        ("variable", variable.unwrap_or("its configuration")),
        ("logs", &logs),
    ];
    filled(
        by_words.unwrap_or_else(|| texts.fix(name_of(step))),
        &values,
    )
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
    fn every_error_of_the_table_is_one() {
        for name in AnswerTexts::shared().errors() {
            let read = serde_json::from_value::<StepError>(name.into());
            assert!(read.is_ok() || name == "refused-request", "{name}");
        }
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
