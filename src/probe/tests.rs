//! The agent against servers on loopback that answer well, badly, or not at all.

mod hostile;
mod servers;
mod tls;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::address::{HttpQuestion, LoginReference, TlsMode};
use crate::probe::tests::servers::{Server, dns, mysql_error, mysql_greeting, serve};
use crate::probe::wire::{
    ClientFile, EdgeTask, EndpointTask, NO_CREDENTIALS, NameTask, NetworkTable, ProbeSpec, Record,
    Step, StepError, StepName, StepStatus, VERSION,
};
use crate::probe::{ProbeError, run, spec};
use crate::protocol::Protocol;

fn edge(id: &str, port: u16, protocol: Protocol) -> EdgeTask {
    let port = port.try_into().unwrap();
    EdgeTask {
        no_login_reason: NO_CREDENTIALS.to_owned(),
        ..EdgeTask::bare(id.to_owned(), "127.0.0.1".to_owned(), port, protocol)
    }
}

fn endpoint(port: u16) -> EndpointTask {
    EndpointTask {
        address: "127.0.0.1".parse().unwrap(),
        port: port.try_into().unwrap(),
        pod: "pod".to_owned(),
        ready: true,
        elsewhere: Vec::new(),
    }
}

fn login(variable: &str) -> LoginReference {
    LoginReference::Url {
        variable: variable.to_owned(),
    }
}

struct Outcome {
    steps: Vec<Step>,
    text: String,
    cut_short: bool,
}

impl Outcome {
    fn step(&self, task: &str, name: StepName) -> &Step {
        self.steps
            .iter()
            .find(|step| step.task == task && step.name == name)
            .unwrap_or_else(|| panic!("no {name:?} of {task} in\n{}", self.text))
    }

    fn error(&self, task: &str, name: StepName) -> Option<StepError> {
        self.step(task, name).error
    }
}

async fn probe(spec: ProbeSpec, environment: &[(&str, &str)]) -> Outcome {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let mut out = Vec::new();
    let (_, never) = tokio::sync::watch::channel(false);
    run(spec, environment, &mut out, never).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let records: Vec<Record> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(matches!(records.first(), Some(Record::Hello { .. })));
    let Some(Record::End { steps, cut_short }) = records.last() else {
        panic!("no end record in\n{text}");
    };
    let (count, cut_short) = (*steps, *cut_short);
    let steps: Vec<Step> = records
        .into_iter()
        .filter_map(|record| match record {
            Record::Step(step) => Some(step),
            _ => None,
        })
        .collect();
    assert_eq!(steps.len(), count);
    Outcome {
        steps,
        text,
        cut_short,
    }
}

async fn edges(edges: Vec<EdgeTask>, environment: &[(&str, &str)]) -> Outcome {
    edges_of(edges, environment, |_| {}).await
}

async fn edges_of(
    edges: Vec<EdgeTask>,
    environment: &[(&str, &str)],
    change: impl Fn(&mut ProbeSpec),
) -> Outcome {
    let mut spec = ProbeSpec {
        version: VERSION,
        run: "r".to_owned(),
        deadline_ms: 25_000,
        edges,
        ..ProbeSpec::default()
    };
    change(&mut spec);
    probe(spec, environment).await
}

/// Many Services may stand before one server that does not answer.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_silence_of_one_server_costs_one_wait_not_one_for_each_edge() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = socket.listen(1).unwrap();
    let address = server.local_addr().unwrap();
    // Once its queue is full, no connect is answered.
    let mut queue = Vec::new();
    let soon = Duration::from_millis(300);
    while let Ok(accepted) =
        tokio::time::timeout(soon, tokio::net::TcpStream::connect(address)).await
    {
        queue.push(accepted.unwrap());
    }
    let names: Vec<String> = (0..60).map(|edge| format!("e{edge}")).collect();
    let all = names
        .iter()
        .map(|name| edge(name, address.port(), Protocol::Tcp))
        .collect();
    let outcome = edges(all, &[]).await;
    for name in &names {
        let error = outcome.error(name, StepName::Service);
        assert_eq!(error, Some(StepError::Timeout), "{name}: {}", outcome.text);
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, a case to each few lines")]
async fn misbehaving_servers_are_distinguished_and_never_hang() {
    let protocols = [
        Protocol::Mysql,
        Protocol::Redis,
        Protocol::Http,
        Protocol::Postgres,
        Protocol::Amqp,
        Protocol::Mongodb,
        Protocol::Kafka,
        Protocol::Memcached,
        Protocol::Smtp,
        Protocol::Grpc,
        Protocol::Mqtt,
        Protocol::Nats,
        Protocol::Zookeeper,
        Protocol::Cassandra,
        Protocol::Mssql,
        Protocol::Ldap,
    ];
    let servers = [
        ("silent", serve(Server::Silent).await),
        ("close", serve(Server::Close).await),
        ("reset", serve(Server::Reset).await),
        (
            "garbage",
            serve(Server::Say(b"\xde\xad\xbe\xef\r\n".repeat(8))).await,
        ),
        ("drip", serve(Server::Drip).await),
        ("endless", serve(Server::Endless).await),
        (
            "ssh",
            serve(Server::Say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())).await,
        ),
    ];
    let mut tasks = Vec::new();
    for (name, port) in &servers {
        for protocol in protocols {
            tasks.push(edge(&format!("{name} {protocol}"), *port, protocol));
        }
    }
    let begun = Instant::now();
    let mut spec = ProbeSpec {
        version: VERSION,
        deadline_ms: 120_000,
        edges: tasks,
        ..ProbeSpec::default()
    };
    spec.run = "r".to_owned();
    let outcome = probe(spec, &[]).await;
    assert!(begun.elapsed() < Duration::from_secs(100));
    assert!(!outcome.cut_short);
    for protocol in protocols {
        let error = |server: &str| {
            let task = format!("{server} {protocol}");
            let connect = outcome.step(&task, StepName::Service);
            // A reset that is faster than the look at the new connection is seen as one of the connect itself.
            if server == "reset" && connect.error == Some(StepError::Reset) {
                return StepError::Reset;
            }
            assert_eq!(connect.status, StepStatus::Pass, "{connect:?}");
            let step = outcome.step(&task, StepName::Protocol);
            assert_eq!(step.status, StepStatus::Fail, "{step:?}");
            step.error.unwrap()
        };
        let silent = if protocol == Protocol::Http {
            StepError::HttpTimeout
        } else {
            StepError::Silent
        };
        assert_eq!(error("silent"), silent, "{protocol}");
        assert!(
            matches!(error("close"), StepError::Closed | StepError::Reset),
            "{protocol}: {:?}",
            error("close")
        );
        assert!(
            matches!(error("reset"), StepError::Reset | StepError::Closed),
            "{protocol}: {:?}",
            error("reset")
        );
        assert!(
            matches!(error("garbage"), StepError::Mismatch | StepError::Broken),
            "{protocol}: {:?}",
            error("garbage")
        );
        let ssh = outcome.step(&format!("ssh {protocol}"), StepName::Protocol);
        assert_eq!(ssh.error, Some(StepError::Mismatch), "{ssh:?}");
        assert_eq!(
            ssh.facts.get("seen_protocol").map(String::as_str),
            Some("ssh")
        );
        error("drip");
        error("endless");
    }
}

#[tokio::test]
async fn mysql_greetings_and_the_errors_in_their_place() {
    let well = serve(Server::Say(mysql_greeting("5.5.5-10.11.6-MariaDB"))).await;
    let full = serve(Server::Say(mysql_error(1040, "Too many connections"))).await;
    let blocked = serve(Server::Say(mysql_error(1129, "Host is blocked"))).await;
    let host = serve(Server::Say(mysql_error(
        1130,
        "Host is not allowed to connect",
    )))
    .await;
    let http = serve(Server::Http(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ))
    .await;
    let mut mute = edge("mute", well, Protocol::Mysql);
    mute.login = Some(login("URL"));
    let outcome = edges(
        vec![
            edge("well", well, Protocol::Mysql),
            edge("full", full, Protocol::Mysql),
            edge("blocked", blocked, Protocol::Mysql),
            edge("host", host, Protocol::Mysql),
            edge("http", http, Protocol::Mysql),
            mute,
        ],
        &[(
            "URL",
            &format!("mysql://app:hunter2hunter2@127.0.0.1:{well}/app"),
        )],
    )
    .await;
    let well = outcome.step("well", StepName::Protocol);
    assert_eq!(well.status, StepStatus::Pass);
    assert_eq!(well.facts["server_version"], "10.11.6-MariaDB");
    assert_eq!(well.facts["auth_plugin"], "mysql_native_password");
    assert_eq!(
        outcome.step("well", StepName::Login).status,
        StepStatus::Skipped
    );
    let error = |task: &str| outcome.error(task, StepName::Protocol);
    assert_eq!(error("full"), Some(StepError::ConnectionsExhausted));
    assert_eq!(error("blocked"), Some(StepError::HostBlocked));
    assert_eq!(error("host"), Some(StepError::LoginDenied));
    assert_eq!(error("http"), Some(StepError::Mismatch));
    assert_eq!(
        outcome.step("http", StepName::Protocol).facts["seen_protocol"],
        "http"
    );
    // It greets and never answers the login.
    assert_eq!(
        outcome.error("mute", StepName::Login),
        Some(StepError::Silent)
    );
    assert!(!outcome.text.contains("hunter2"));
}

#[tokio::test]
async fn redis_logins_are_judged_and_no_password_is_printed() {
    let open = serve(Server::Redis { password: None }).await;
    let locked = serve(Server::Redis {
        password: Some("right-password"),
    })
    .await;
    let full = serve(Server::Say(
        b"-ERR max number of clients reached\r\n".to_vec(),
    ))
    .await;
    let url = |password: &str| format!("redis://app:{password}@127.0.0.1:{locked}/0");
    let with = |id: &str, variable: &str| {
        let mut task = edge(id, locked, Protocol::Redis);
        task.login = Some(login(variable));
        task
    };
    let mut elsewhere = edge("elsewhere", locked, Protocol::Redis);
    elsewhere.no_login_reason = "another vantage logs in".to_owned();
    let mut several = with("several", "BAD");
    several.endpoints = vec![endpoint(open), endpoint(full)];
    let outcome = edges(
        vec![
            edge("open", open, Protocol::Redis),
            edge("none", locked, Protocol::Redis),
            elsewhere,
            with("good", "GOOD"),
            with("bad", "BAD"),
            with("unset", "MISSING"),
            edge("full", full, Protocol::Redis),
            several,
        ],
        &[
            ("GOOD", &url("right-password")),
            ("BAD", &url("wrong-password")),
        ],
    )
    .await;
    assert_eq!(
        outcome.step("open", StepName::Login).status,
        StepStatus::Pass
    );
    assert_eq!(
        outcome.step("open", StepName::Query).facts["role"],
        "master"
    );
    assert_eq!(
        outcome.error("none", StepName::Login),
        Some(StepError::LoginDenied)
    );
    assert_eq!(
        outcome.step("elsewhere", StepName::Login).status,
        StepStatus::Skipped
    );
    assert_eq!(
        outcome.step("good", StepName::Query).status,
        StepStatus::Pass
    );
    let bad = outcome.step("bad", StepName::Login);
    assert_eq!((bad.error, bad.tries), (Some(StepError::LoginDenied), 1));
    assert_eq!(
        outcome.step("unset", StepName::Login).status,
        StepStatus::Skipped
    );
    assert_eq!(
        outcome.error("full", StepName::Protocol),
        Some(StepError::Unavailable)
    );
    // After a refusal no one logs in again, and every endpoint still has its outcome.
    let walked: Vec<&Step> = outcome
        .steps
        .iter()
        .filter(|step| step.task == "several" && step.name == StepName::Endpoint)
        .collect();
    assert_eq!(walked.len(), 2);
    let tried = outcome
        .steps
        .iter()
        .filter(|step| step.task == "several" && step.error == Some(StepError::LoginDenied));
    assert_eq!(tried.count(), 1);
    assert!(!outcome.text.contains("right-password"));
    assert!(!outcome.text.contains("wrong-password"));
}

#[tokio::test]
async fn a_login_of_http_is_proven_only_where_the_server_asks_for_it() {
    let basic = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"";
    let locked = serve(Server::Locked([basic, "404 Not Found", basic])).await;
    let unchecked = serve(Server::Locked(["200 OK"; 3])).await;
    let digest = "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\"";
    let other = serve(Server::Locked([digest, "200 OK", "500 Sent"])).await;
    let closed = serve(Server::Locked(["403 Forbidden"; 3])).await;
    let mute = serve(Server::Locked(["401 Unauthorized"; 3])).await;
    let with = |id: &str, port: u16, variable: &str| {
        let mut task = edge(id, port, Protocol::Http);
        task.login = Some(login(variable));
        task
    };
    let ports = [locked, locked, unchecked, other, closed, mute];
    let names = ["good", "bad", "unchecked", "other", "closed", "mute"];
    let urls = names.iter().zip(ports).map(|(name, port)| {
        let password = if *name == "good" { "right" } else { "wrong" };
        let url = format!("http://user:{password}-password@127.0.0.1:{port}/hook/s3cret-token");
        (*name, url)
    });
    let urls: Vec<(&str, String)> = urls.collect();
    let variables: Vec<(&str, &str)> = urls.iter().map(|(name, url)| (*name, &**url)).collect();
    let mut tasks: Vec<EdgeTask> = names
        .iter()
        .zip(ports)
        .map(|(name, port)| with(name, port, name))
        .collect();
    tasks.push(edge("none", locked, Protocol::Http));
    let outcome = edges(tasks, &variables).await;
    let status = |task: &str| outcome.step(task, StepName::Login).status;
    assert_eq!(status("good"), StepStatus::Pass);
    let bad = outcome.step("bad", StepName::Login);
    assert_eq!((bad.error, bad.tries), (Some(StepError::LoginDenied), 1));
    for name in ["unchecked", "other", "closed", "mute", "none"] {
        assert_eq!(status(name), StepStatus::Skipped, "{name}");
        let protocol = outcome.step(name, StepName::Protocol).status;
        assert_eq!(protocol, StepStatus::Pass, "{name}");
    }
    for secret in ["right-password", "wrong-password", "s3cret-token"] {
        assert!(!outcome.text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn http_is_proven_by_any_answer_but_server_errors_and_bad_requests() {
    let say = |status: &str, more: &str| {
        Server::Http(format!(
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\n{more}\r\n"
        ))
    };
    let ok = serve(say("200 OK", "")).await;
    let missing = serve(say("404 Not Found", "")).await;
    let broken = serve(say("503 Service Unavailable", "")).await;
    let bad = serve(say("400 Bad Request", "")).await;
    let round = serve(say("302 Found", "Location: /again\r\n")).await;
    let away = serve(say("301 Moved", "Location: https://elsewhere.example/\r\n")).await;
    let tls = serve(Server::Tls).await;
    let tls_only = serve(Server::TlsOnly).await;
    let health = |id: &str, port: u16, expect_status| {
        let mut task = edge(id, port, Protocol::Http);
        task.http = Some(HttpQuestion {
            path: Some("/health?token=s3cret-token".to_owned()),
            origin: "compose healthcheck".to_owned(),
            health: true,
            expect_status,
        });
        task
    };
    let mut verified = edge("verified", tls, Protocol::Https);
    verified.tls = Some(TlsMode::Verify);
    let mut lenient = edge("lenient", tls, Protocol::Https);
    lenient.tls = Some(TlsMode::Required);
    let outcome = edges(
        vec![
            edge("ok", ok, Protocol::Http),
            edge("missing", missing, Protocol::Http),
            health("health", missing, None),
            health("expected", missing, Some(200)),
            edge("broken", broken, Protocol::Http),
            edge("bad", bad, Protocol::Http),
            edge("round", round, Protocol::Http),
            edge("away", away, Protocol::Http),
            edge("tls", tls, Protocol::Http),
            edge("tls only", tls_only, Protocol::Http),
            edge("tls only, mysql", tls_only, Protocol::Mysql),
            edge("plain", ok, Protocol::Https),
            verified,
            lenient,
        ],
        &[],
    )
    .await;
    let error = |task: &str| outcome.error(task, StepName::Protocol);
    assert_eq!(error("ok"), None);
    assert_eq!(error("missing"), None);
    assert_eq!(error("health"), Some(StepError::HttpNotFound));
    assert_eq!(
        outcome.step("health", StepName::Protocol).status,
        StepStatus::Pass
    );
    assert_eq!(error("expected"), Some(StepError::HttpStatus));
    assert_eq!(error("broken"), Some(StepError::HttpServerError));
    assert_eq!(error("bad"), Some(StepError::Mismatch));
    assert_eq!(error("round"), Some(StepError::HttpRedirectLoop));
    assert_eq!(error("away"), None);
    for task in ["tls", "tls only", "tls only, mysql"] {
        assert_eq!(error(task), Some(StepError::Mismatch), "{task}");
        assert_eq!(
            outcome.step(task, StepName::Protocol).facts["seen_protocol"],
            "tls"
        );
    }
    assert_eq!(
        outcome.error("plain", StepName::Tls),
        Some(StepError::Mismatch)
    );
    assert_eq!(
        outcome.error("verified", StepName::Tls),
        Some(StepError::CertificateUntrusted)
    );
    assert_eq!(
        outcome.step("lenient", StepName::Protocol).status,
        StepStatus::Pass
    );
    assert!(!outcome.text.contains("s3cret-token"));
}

fn named(id: &str, host: &str, port: u16) -> EdgeTask {
    let mut task = edge(id, port, Protocol::Tcp);
    task.host = host.to_owned();
    task
}

#[tokio::test]
async fn names_are_walked_through_the_search_list_and_every_answer_is_kept() {
    let server = dns().await;
    let tcp = serve(Server::Silent).await;
    let mut young = named("young", "young", tcp);
    young.retry_not_found_ms = 5000;
    let spec = ProbeSpec {
        version: VERSION,
        deadline_ms: 20_000,
        names: vec![NameTask {
            id: "name:DB:DB".to_owned(),
            name: "DB".to_owned(),
            retry_not_found_ms: 0,
        }],
        edges: vec![
            named("db", "DB", tcp),
            named("missing", "nowhere", tcp),
            named("masked", "token-x7k2q9", tcp),
            named("empty", "headless", tcp),
            named("broken", "servfail", tcp),
            named("quiet", "quiet.shop.svc.cluster.local.", tcp),
            named("invalid", &"a".repeat(70), tcp),
            named("literal", "127.0.0.1", tcp),
            young,
        ],
        network: NetworkTable {
            nameserver: Some(server.to_string()),
            search: Some(vec![
                "shop.svc.cluster.local".to_owned(),
                "cluster.local".to_owned(),
            ]),
            addresses: BTreeMap::from([(format!("10.96.0.9:{tcp}"), format!("127.0.0.1:{tcp}"))]),
        },
        ..ProbeSpec::default()
    };
    let outcome = probe(spec, &[]).await;
    let db = outcome.step("db", StepName::Dns);
    assert_eq!(db.status, StepStatus::Pass);
    assert_eq!(db.facts["addresses"], "10.96.0.9");
    assert_eq!(db.facts["candidate"], "DB.shop.svc.cluster.local.");
    assert_eq!(
        outcome.step("db", StepName::Service).target,
        format!("10.96.0.9:{tcp}")
    );
    assert_eq!(
        outcome.step("name:DB:DB", StepName::Dns).status,
        StepStatus::Pass
    );
    let missing = outcome.step("missing", StepName::Dns);
    assert_eq!(missing.error, Some(StepError::Nxdomain));
    assert_eq!(
        missing.facts["candidates"],
        "nowhere.shop.svc.cluster.local.=NXDOMAIN; nowhere.cluster.local.=NXDOMAIN; nowhere.=NXDOMAIN"
    );
    assert_eq!(
        outcome.step("missing", StepName::Service).status,
        StepStatus::Skipped
    );
    let masked = &outcome.step("masked", StepName::Dns).detail;
    assert!(
        masked.contains("token-x7k2q9.shop.svc.cluster.local.=NXDOMAIN") && !masked.contains("***"),
        "{masked}"
    );
    let error = |task: &str| outcome.error(task, StepName::Dns);
    assert_eq!(error("empty"), Some(StepError::Nodata));
    assert_eq!(error("broken"), Some(StepError::Servfail));
    assert_eq!(error("quiet"), Some(StepError::DnsTimeout));
    assert_eq!(error("invalid"), Some(StepError::DnsInvalid));
    assert_eq!(
        outcome.step("literal", StepName::Dns).status,
        StepStatus::Skipped
    );
    let young = outcome.step("young", StepName::Dns);
    assert_eq!(young.status, StepStatus::Pass);
    assert!(young.tries > 2);
}

#[tokio::test]
async fn the_deadline_leaves_unknown_outcomes_and_an_end() {
    let silent = serve(Server::Silent).await;
    let mut task = edge("slow", silent, Protocol::Mysql);
    task.endpoints = vec![endpoint(silent), endpoint(1)];
    let spec = ProbeSpec {
        version: VERSION,
        deadline_ms: 1000,
        edges: vec![task],
        ..ProbeSpec::default()
    };
    let begun = Instant::now();
    let outcome = probe(spec, &[]).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(outcome.cut_short);
    let protocol = outcome.step("slow", StepName::Protocol);
    assert_eq!(
        (protocol.status, protocol.error),
        (StepStatus::Unknown, Some(StepError::Deadline))
    );
    let endpoints = outcome
        .steps
        .iter()
        .filter(|step| step.name == StepName::Endpoint);
    assert_eq!(endpoints.count(), 2);
}

#[tokio::test]
async fn a_failure_is_repeated_and_a_changed_answer_is_noted() {
    let shaky = serve(Server::CloseFirst(1)).await;
    let policy = serve(Server::CloseFirst(3)).await;
    let mut late = edge("late", policy, Protocol::Redis);
    late.retry_until_ms = 10_000;
    let mut forbidden = edge("forbidden", shaky, Protocol::Redis);
    forbidden.forbidden = true;
    let outcome = edges(
        vec![
            edge("shaky", shaky, Protocol::Redis),
            late,
            edge("gone", 1, Protocol::Redis),
        ],
        &[],
    )
    .await;
    assert_eq!(
        outcome.step("shaky", StepName::Protocol).status,
        StepStatus::Pass
    );
    let flapping = outcome
        .step("shaky", StepName::Service)
        .facts
        .get("flapping");
    assert!(flapping.is_some(), "{}", outcome.text);
    assert!(
        !outcome
            .step("late", StepName::Service)
            .facts
            .contains_key("flapping")
    );
    assert_eq!(
        outcome.step("late", StepName::Protocol).status,
        StepStatus::Pass
    );
    let gone = outcome.step("gone", StepName::Service);
    assert_eq!((gone.error, gone.tries), (Some(StepError::Refused), 2));
    let outcome = edges(vec![forbidden], &[]).await;
    assert_eq!(
        outcome.step("forbidden", StepName::Service).status,
        StepStatus::Pass
    );
    assert!(
        !outcome
            .steps
            .iter()
            .any(|step| step.name == StepName::Protocol)
    );
}

#[tokio::test]
async fn a_secret_that_leads_elsewhere_is_followed_and_its_host_hidden() {
    let redis = serve(Server::Redis { password: None }).await;
    let mut task = edge("secret", 6379, Protocol::Redis);
    task.host = "redis".to_owned();
    task.login = Some(login("CACHE_URL"));
    task.endpoints = vec![endpoint(1)];
    let url = format!("redis://:some-password@127.0.0.1:{redis}/0");
    let outcome = edges(vec![task], &[("CACHE_URL", &url)]).await;
    let service = outcome.step("secret", StepName::Service);
    assert_eq!(service.status, StepStatus::Pass);
    assert_eq!(service.facts["host_from_secret"], "the host in CACHE_URL");
    assert_eq!(
        outcome.step("secret", StepName::Endpoint).status,
        StepStatus::Skipped
    );
    assert!(!outcome.text.contains("some-password"));
}

#[test]
fn a_host_of_a_secret_is_said_where_it_is_a_services_name_or_a_pods_behind_it() {
    let resolver = super::ResolverConfig::parse(
        "search shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5",
    );
    let said = |host: &str| {
        let mut task = edge("e", 6379, Protocol::Redis);
        task.login = Some(login("CACHE_URL"));
        let spec = ProbeSpec {
            edges: vec![task],
            services: vec!["store".to_owned()],
            ..ProbeSpec::default()
        };
        let url = format!("redis://:some-password@{host}:6379/0");
        let environment = BTreeMap::from([("CACHE_URL".to_owned(), url)]);
        let target = super::targets(&spec, &environment, &resolver).remove(0);
        target.from_secret.unwrap() == host
    };
    for host in [
        "store",
        "Store.shop",
        "store.shop.svc",
        "db-0.store",
        "db-0.store.shop.svc",
    ] {
        assert!(said(host), "{host}");
    }
    for host in [
        "other",
        "store.example.com",
        "db-0.other",
        "store.elsewhere",
    ] {
        assert!(!said(host), "{host}");
    }
}

#[test]
fn a_bad_spec_is_an_error_that_says_what_was_expected() {
    let variables = |chunks: &[&str]| -> BTreeMap<String, String> {
        chunks
            .iter()
            .enumerate()
            .map(|(at, text)| (format!("K8SVERIFY_SPEC_{at}"), (*text).to_owned()))
            .collect()
    };
    assert!(matches!(
        spec(&variables(&[])),
        Err(ProbeError::Spec { .. })
    ));
    assert!(matches!(
        spec(&variables(&["{"])),
        Err(ProbeError::Spec { .. })
    ));
    assert!(matches!(
        spec(&variables(&["{\"version\":", "9}"])),
        Err(ProbeError::Version { found: 9 })
    ));
    let good = serde_json::to_string(&ProbeSpec {
        version: VERSION,
        deadline_ms: 1,
        ..ProbeSpec::default()
    })
    .unwrap();
    let (a, b) = good.split_at(good.len() / 2);
    assert_eq!(spec(&variables(&[a, b])).unwrap().deadline_ms, 1);
}

#[tokio::test]
async fn a_host_that_the_clients_container_does_not_have_is_not_dialled_by_another_name() {
    let server = serve(Server::Silent).await;
    let mut task = edge("gone", server, Protocol::Redis);
    task.login = Some(login("GONE_URL"));
    let mut unseen = task.clone();
    unseen.unseen = true;
    let seen = edges(vec![unseen], &[]).await;
    let dns = seen.step("gone", StepName::Dns);
    assert_eq!(dns.status, StepStatus::Unknown, "{}", seen.text);
    assert!(
        dns.detail.contains("GONE_URL does not exist"),
        "{}",
        dns.detail
    );
    assert_eq!(dns.facts["flaw"], "absent");
    // Where the client's configuration names the host beside it, that one is dialled.
    let named = edges(vec![task], &[]).await;
    assert_eq!(
        named.step("gone", StepName::Dns).status,
        StepStatus::Skipped
    );
}

#[tokio::test]
async fn a_login_out_of_a_file_of_settings_is_used_and_not_printed() {
    let locked = serve(Server::Redis {
        password: Some("right-hush"),
    })
    .await;
    let name = |key: &str| Some(crate::address::key_of_file("/etc/app.toml", key));
    let walk = async |password: &str| {
        let mut task = edge("e", locked, Protocol::Redis);
        task.login = Some(LoginReference::Parts {
            host: name("cache.host"),
            port: None,
            user: None,
            password: name("cache.password"),
            database: None,
        });
        let text = format!("[cache]\nhost = \"127.0.0.1\"\npassword = \"{password}\"\n");
        edges_of(vec![task], &[("TEXT", &text)], |spec| {
            spec.settings = vec![ClientFile {
                path: "/etc/app.toml".to_owned(),
                variable: "TEXT".to_owned(),
                secret: None,
            }];
        })
        .await
    };
    let right = walk("right-hush").await;
    assert_eq!(right.step("e", StepName::Login).status, StepStatus::Pass);
    let wrong = walk("wrong-hush").await;
    assert_eq!(
        wrong.error("e", StepName::Login),
        Some(StepError::LoginDenied)
    );
    assert!(!format!("{}{}", right.text, wrong.text).contains("hush"));
}
