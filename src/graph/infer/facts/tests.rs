//! Tests of `facts`.

use super::super::tiers::declared;
use super::*;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn hint(evidence: &Evidence<'_>) -> Option<(u16, Protocol)> {
    let facts = TierFacts::read(evidence, &Catalog::embedded());
    facts
        .server()
        .map(|server| (server.port.get(), server.protocol))
}

#[test]
fn servers_are_known_by_image_command_environment_and_port() {
    let redis = words("redis-server --port 6380");
    let base = Evidence {
        tier: "kvs",
        ..Evidence::default()
    };
    assert_eq!(hint(&base), None);
    assert_eq!(
        hint(&Evidence {
            image: Some("mysql:8"),
            ..base.clone()
        }),
        Some((3306, Protocol::Mysql))
    );
    assert_eq!(
        hint(&Evidence {
            image: Some("sample-KVS:1.0"),
            words: &words("redis --save"),
            ..base.clone()
        }),
        Some((6379, Protocol::Redis))
    );
    assert_eq!(
        hint(&Evidence {
            image: Some("redis"),
            words: &redis,
            ..base.clone()
        }),
        Some((6380, Protocol::Redis))
    );
    let environment = BTreeMap::from([("MYSQL_ROOT_PASSWORD".to_owned(), "x".to_owned())]);
    assert_eq!(
        hint(&Evidence {
            environment,
            ..base.clone()
        }),
        Some((3306, Protocol::Mysql))
    );
    let ports = vec![declared(2000, "tcp", None, PortOrigin::Ports).unwrap()];
    assert_eq!(
        hint(&Evidence {
            ports,
            ..base.clone()
        }),
        Some((2000, Protocol::Tcp))
    );
    assert_eq!(
        hint(&Evidence {
            image: Some("redis"),
            words: &words("redis-cli -h x ping"),
            ..base.clone()
        }),
        None
    );
    // A loop of the shell around a client is a client, unless it starts the server in the end.
    for (script, expected) in [
        ("until mysql -hDB -e 'SELECT 1'; do sleep 1; done", None),
        ("while ! mysqladmin ping -h DB; do sleep 1; done", None),
        (
            "until mysql -hother -e 'SELECT 1'; do sleep 1; done; exec mysqld --port 3307",
            Some((3307, Protocol::Mysql)),
        ),
    ] {
        assert_eq!(
            hint(&Evidence {
                image: Some("mysql:8"),
                words: &["sh".to_owned(), "-c".to_owned(), script.to_owned()],
                ..base.clone()
            }),
            expected,
            "{script}"
        );
    }
}

#[test]
fn ports_without_a_number_in_the_address() {
    let catalog = Catalog::embedded();
    let ports = vec![
        declared(8080, "tcp", None, PortOrigin::Ports).unwrap(),
        declared(80, "tcp", None, PortOrigin::Ports).unwrap(),
    ];
    let facts = TierFacts::read(
        &Evidence {
            tier: "edge",
            ports,
            ..Evidence::default()
        },
        &catalog,
    );
    assert_eq!(
        facts
            .dial(None, None, false)
            .map(|found| (found.port.get(), found.guessed)),
        Some((80, false))
    );
    let kafka = TierFacts::read(
        &Evidence {
            tier: "k",
            image: Some("cp-kafka"),
            ..Evidence::default()
        },
        &catalog,
    );
    let inner = kafka.dial(NonZeroU16::new(19092), None, false).unwrap();
    assert_eq!(inner.protocol, Protocol::Kafka);
    let none = TierFacts::read(&Evidence::default(), &catalog);
    assert_eq!(none.dial(None, None, false), None);
    assert_eq!(
        none.dial(None, Some(Protocol::Mysql), false)
            .map(|found| found.port.get()),
        Some(3306)
    );
}

#[test]
fn a_declared_port_outweighs_the_usual_one_of_what_is_no_store() {
    for (image, ports, expected) in [
        ("logstash:8", &[5000][..], 5000),
        ("logstash:8", &[5044, 5000], 5044),
        ("fluent/fluent-bit:2", &[2020, 5170], 2020),
        ("fluent/fluentd:1", &[], 24224),
        ("otel/opentelemetry-collector", &[4318], 4317),
        ("nginx", &[8080], 8080),
        ("postgres:16", &[5433], 5432),
    ] {
        assert_eq!(
            declaring(image, ports).map(|(port, _)| port),
            Some(expected),
            "{image} {ports:?}"
        );
    }
}

#[test]
fn an_image_called_after_a_store_that_declares_none_of_its_ports_is_another_program() {
    for (image, ports, expected) in [
        ("acme/mongo-api:1", &[3000][..], (3000, Protocol::Http)),
        ("couchdb-to-postgresql", &[3000], (3000, Protocol::Http)),
        (
            "acme/orders-postgres:1",
            &[5432],
            (5432, Protocol::Postgres),
        ),
        ("acme/orders-postgres:1", &[], (5432, Protocol::Postgres)),
        ("acme-mysql:1", &[33061], (3306, Protocol::Mysql)),
        ("flask-mysql:1", &[5000], (5000, Protocol::Http)),
        ("mongo-api:1", &[33061], (33061, Protocol::Tcp)),
        ("acme/rabbitmq-own", &[15672], (5672, Protocol::Amqp)),
        ("bitnami/postgresql", &[5433], (5432, Protocol::Postgres)),
    ] {
        assert_eq!(declaring(image, ports), Some(expected), "{image} {ports:?}");
    }
}

fn declaring(image: &str, ports: &[u16]) -> Option<(u16, Protocol)> {
    let ports = ports
        .iter()
        .filter_map(|port| declared(*port, "tcp", None, PortOrigin::Container));
    hint(&Evidence {
        tier: "kvs",
        image: Some(image),
        ports: ports.collect(),
        ..Evidence::default()
    })
}

#[test]
fn a_client_with_a_copy_of_a_servers_variables_is_no_server() {
    let environment = |name: &str| BTreeMap::from([(name.to_owned(), "x".to_owned())]);
    for (variable, port, protocol) in [
        ("RABBITMQ_DEFAULT_USER", 5672, Protocol::Amqp),
        ("MYSQL_ROOT_PASSWORD", 3306, Protocol::Mysql),
    ] {
        let listening = |port: u16| Evidence {
            tier: "orders",
            base_image: Some("eclipse-temurin:21"),
            environment: environment(variable),
            ports: vec![declared(port, "tcp", None, PortOrigin::Dockerfile).unwrap()],
            ..Evidence::default()
        };
        assert_eq!(hint(&listening(port)), Some((port, protocol)));
        let (_, other) = hint(&listening(8082)).unwrap();
        assert_ne!(other, protocol, "{variable}");
    }
}
