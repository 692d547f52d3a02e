//! Tests of `family`.

use std::num::NonZeroU16;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(pairs: &[(&str, &str)]) -> Vec<Family> {
    families(&environment(pairs), &BTreeSet::new())
}

fn parts(family: &Family) -> (Option<&str>, Option<&str>, Option<&str>) {
    match family.login.as_ref().unwrap() {
        LoginReference::Parts {
            user,
            password,
            database,
            ..
        } => (user.as_deref(), password.as_deref(), database.as_deref()),
        LoginReference::Url { variable } => (Some(variable), None, None),
    }
}

#[test]
fn host_port_and_login_of_one_family() {
    let found = read(&[
        ("DB_HOST", "db"),
        ("DB_PORT", "3307"),
        ("DB_USER", "app"),
        ("DB_PASS", "x"),
        ("DB_NAME", "shop"),
        ("DB_TYPE", "mysql"),
        ("DB_SSL", "true"),
    ]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].target.port, NonZeroU16::new(3307));
    assert_eq!(found[0].target.protocol, Some(Protocol::Mysql));
    assert_eq!(found[0].target.tls, Some(TlsMode::Required));
    assert_eq!(
        parts(&found[0]),
        (Some("DB_USER"), Some("DB_PASS"), Some("DB_NAME"))
    );
}

#[test]
fn a_web_url_with_user_and_password_is_a_login_and_one_with_a_token_is_none() {
    let login = |url: &str| read(&[("API_URL", url)])[0].login.clone();
    let whole = Some(LoginReference::Url {
        variable: "API_URL".into(),
    });
    assert_eq!(login("http://elastic:x@es:9200"), whole);
    assert_eq!(login("https://u:p@api/v1?key=z"), whole);
    assert_eq!(login("https://token@api/v1"), None);
    assert_eq!(login("http://api:8080/hook/token"), None);
}

#[test]
fn a_replica_shares_the_login_of_its_primary_and_another_host_does_not() {
    let of = |host: &str, more: (&str, &str)| {
        let found = read(&[
            ("DB_CONNECTION", "mysql"),
            ("DB_HOST", "db"),
            (host, "other"),
            ("DB_USER", "app"),
            ("DB_PASSWORD", "x"),
            more,
        ]);
        let family = found.iter().find(|family| family.target.host == "other");
        let login = family.unwrap().login.as_ref()?;
        Some(
            login
                .variables()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    };
    let shared = Some(
        ["DB_READ_HOST", "DB_USER", "DB_PASSWORD"]
            .map(str::to_owned)
            .into(),
    );
    assert_eq!(of("DB_READ_HOST", ("A", "b")), shared);
    assert_eq!(of("DB_AUDIT_HOST", ("A", "b")), None);
    assert_eq!(of("DB_READ_HOST", ("DB_READ_USER", "reader")), None);
}

#[test]
fn an_empty_password_beside_a_user_is_a_login_without_one() {
    let host = ("DB_HOST", "mysql://db:3306");
    let (user, password) = (("DB_USER", "app"), ("DB_PASS", ""));
    let found = read(&[host, user, password]);
    assert_eq!(parts(&found[0]), (Some("DB_USER"), Some("DB_PASS"), None));
    for other in [
        vec![host, password],
        vec![host, user],
        vec![host, user, password, ("DB_PASS_FILE", "/run/secrets/db")],
    ] {
        assert_eq!(read(&other)[0].login, None, "{other:?}");
    }
}

#[test]
fn a_login_beside_a_host_that_says_connection_is_its_login() {
    let found = read(&[
        ("database__client", "mysql"),
        ("database__connection__host", "db"),
        ("database__connection__user", "app"),
        ("database__connection__password", "x"),
        ("database__connection__database", "shop"),
    ]);
    let c = |part: &str| format!("database__connection__{part}");
    let (user, password, database) = (c("user"), c("password"), c("database"));
    assert_eq!(
        parts(&found[0]),
        (Some(&*user), Some(&*password), Some(&*database))
    );
}

#[test]
fn a_url_without_a_login_may_say_what_the_client_does_there() {
    let url = |text: &str| read(&[("CACHE_URL", text)])[0].login.is_some();
    assert!(url("redis://kvs:6379/16"));
    assert!(!url("redis://kvs:6379/0"));
    assert!(!url("redis://kvs:6379"));
    assert!(!url("memcached://kvs:11211/16"));
    assert!(url("mongodb://mongo:27017/app?directConnection=true"));
    assert!(!url("mongodb://mongo:27017/app?replicaSet=rs0"));
    let found = read(&[("REDIS_HOST", "kvs"), ("REDIS_DB", "16")]);
    assert_eq!(parts(&found[0]), (None, None, Some("REDIS_DB")));
}

#[test]
fn a_password_stays_with_its_own_host() {
    let found = read(&[
        ("REDIS_HOST", "redis"),
        ("REDIS_PASSWORD", "a"),
        ("REDIS_CACHE_HOST", "cache"),
        ("REDIS_CACHE_PASSWORD", "b"),
        ("MONGO_HOST", "mongo"),
    ]);
    let login = |variable: &str| {
        found
            .iter()
            .find(|one| one.host_variable == variable)
            .unwrap()
            .login
            .clone()
    };
    assert!(
        login("REDIS_HOST")
            .unwrap()
            .variables()
            .contains(&"REDIS_PASSWORD")
    );
    assert!(
        login("REDIS_CACHE_HOST")
            .unwrap()
            .variables()
            .contains(&"REDIS_CACHE_PASSWORD")
    );
    assert_eq!(login("MONGO_HOST"), None);
    // Without a password of its own the cache gets none: the other belongs to REDIS_HOST.
    let found = read(&[
        ("REDIS_HOST", "redis"),
        ("REDIS_PASSWORD", "a"),
        ("REDIS_CACHE_HOST", "cache"),
    ]);
    let cache = found
        .iter()
        .find(|one| one.host_variable == "REDIS_CACHE_HOST")
        .unwrap();
    assert_eq!(cache.login, None);
}

#[test]
fn the_password_of_a_secret_counts_by_its_name() {
    let hidden = BTreeSet::from(["PGPASSWORD".to_owned()]);
    let found = families(
        &environment(&[("PGHOST", "pg"), ("PGUSER", "u"), ("PGSSLMODE", "require")]),
        &hidden,
    );
    assert_eq!(parts(&found[0]), (Some("PGUSER"), Some("PGPASSWORD"), None));
    assert_eq!(found[0].target.tls, Some(TlsMode::Required));
}

#[test]
fn a_url_without_password_takes_the_one_beside_it() {
    let found = read(&[
        ("PENPOT_DATABASE_URI", "postgresql://pg/penpot"),
        ("PENPOT_DATABASE_USERNAME", "p"),
        ("PENPOT_DATABASE_PASSWORD", "x"),
    ]);
    assert_eq!(
        parts(&found[0]),
        (
            Some("PENPOT_DATABASE_USERNAME"),
            Some("PENPOT_DATABASE_PASSWORD"),
            None
        )
    );
    let found = read(&[
        ("DATABASE_URL", "mysql://u:p@db/x"),
        ("DATABASE_PASSWORD", "other"),
    ]);
    assert_eq!(parts(&found[0]), (Some("DATABASE_URL"), None, None));
}

#[test]
fn the_generic_database_takes_the_only_product() {
    let found = read(&[
        ("DB_HOST", "db"),
        ("MYSQL_USER", "u"),
        ("MYSQL_PASSWORD", "p"),
    ]);
    assert_eq!(
        parts(&found[0]),
        (Some("MYSQL_USER"), Some("MYSQL_PASSWORD"), None)
    );
    let two = read(&[
        ("DB_HOST", "db"),
        ("MYSQL_PASSWORD", "p"),
        ("POSTGRES_PASSWORD", "p"),
    ]);
    assert_eq!(two[0].login, None);
}

#[test]
fn ports_that_belong_to_a_host() {
    let found = read(&[
        ("OTEL_COLLECTOR_HOST", "otel"),
        ("OTEL_COLLECTOR_PORT_GRPC", "4317"),
        ("OTEL_COLLECTOR_PORT_HTTP", "4318"),
        ("FLAGD_HOST", "flagd"),
        ("FLAGD_PORT", "8013"),
        ("FLAGD_OFREP_PORT", "8016"),
        ("FLAGD_UI_HOST", "ui"),
        ("FLAGD_UI_PORT", "4000"),
    ]);
    let ports: Vec<(&str, u16, usize)> = found
        .iter()
        .map(|one| {
            (
                one.target.host.as_str(),
                one.target.port.unwrap().get(),
                one.further_ports.len(),
            )
        })
        .collect();
    assert_eq!(
        ports,
        [
            ("flagd", 8013, 1),
            ("ui", 4000, 0),
            ("otel", 4317, 0),
            ("otel", 4318, 0)
        ]
    );
    assert_eq!(found[2].target.protocol, Some(Protocol::Grpc));
}

#[test]
fn the_port_of_another_number_is_another_hosts() {
    let found = read(&[
        ("STORE_HOST_1", "first"),
        ("STORE_PORT_1", "5001"),
        ("STORE_HOST_2", "second"),
        ("STORE_PORT_2", "5002"),
        ("STORE_PORT", "5000"),
        ("STORE_HOST_3", "third"),
    ]);
    let ports: Vec<(&str, u16)> = found
        .iter()
        .map(|one| (one.target.host.as_str(), one.target.port.unwrap().get()))
        .collect();
    assert_eq!(ports, [("first", 5001), ("second", 5002), ("third", 5000)]);
}

/// Twice the variables may cost about twice the time, and not four times: each lookup is by key.
#[test]
fn many_variables_of_one_stem_are_read_by_key() {
    let count = |hosts: usize| {
        let mut values = BTreeMap::new();
        for at in 0..hosts {
            values.insert(format!("DB_HOST_{at}"), "db".to_owned());
            values.insert(format!("DB_PORT_{at}"), "5432".to_owned());
            values.insert(format!("FEATURE_{at}_SSL_ENABLED"), "true".to_owned());
        }
        families(&values, &BTreeSet::new()).len()
    };
    assert_eq!(count(300), 300);
}
