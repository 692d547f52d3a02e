//! The story's graph, and one case for each rule.

use super::*;
use crate::compose::{
    DependsOn, EnvironmentValue, Link, MountedFile, Network, NetworkMode, Port, ServiceNetwork,
};

fn service(name: &str, image: &str) -> Service {
    Service {
        name: name.to_owned(),
        image: (!image.is_empty()).then(|| image.to_owned()),
        networks: BTreeMap::from([("default".to_owned(), ServiceNetwork::default())]),
        ..Service::default()
    }
}

fn with_environment(mut service: Service, pairs: &[(&str, &str)]) -> Service {
    for (name, value) in pairs {
        service.environment.insert(
            (*name).to_owned(),
            EnvironmentValue {
                value: (*value).to_owned(),
                location: crate::compose::Location::default(),
                from_env_file: false,
            },
        );
    }
    service
}

/// The same variables, written once and handed to several services: an anchor, or an env file.
fn handed(service: Service, pairs: &[(&str, &str)]) -> Service {
    let mut service = with_environment(service, pairs);
    for (line, (name, _)) in pairs.iter().enumerate() {
        if let Some(value) = service.environment.get_mut(*name) {
            value.location.file = "shared.env".to_owned();
            value.location.line = line + 1;
        }
    }
    service
}

fn depending(mut service: Service, on: &[&str]) -> Service {
    for name in on {
        service.depends_on.insert(
            (*name).to_owned(),
            DependsOn {
                condition: "service_started".into(),
                required: true,
                restart: false,
                implied_by: None,
            },
        );
    }
    service
}

fn listening(mut service: Service, target: u16) -> Service {
    service.ports.push(Port {
        target,
        published: Some(target.to_string()),
        host_ip: None,
        transport: "tcp".into(),
        mode: "ingress".into(),
        app_protocol: None,
        name: None,
    });
    service
}

fn linked(mut service: Service, to: &str) -> Service {
    service.links.push(Link {
        service: to.to_owned(),
        alias: to.to_owned(),
    });
    service
}

fn mounting(mut service: Service, target: &str, text: &str) -> Service {
    service.mounts.push(MountedFile {
        target: target.to_owned(),
        source: format!("./{target}"),
        direct: true,
        text: text.to_owned(),
    });
    service
}

fn file(services: Vec<Service>) -> ComposeFile {
    ComposeFile {
        project: "p".into(),
        services: services
            .into_iter()
            .map(|service| (service.name.clone(), service))
            .collect(),
        networks: BTreeMap::from([("default".to_owned(), Network::default())]),
        ..ComposeFile::default()
    }
}

fn edges(file: &ComposeFile) -> Vec<String> {
    let inferred = infer(file, &Catalog::embedded());
    inferred
        .edges
        .iter()
        .map(|edge| format!("{} {:?}", edge.id, edge.confidence).to_lowercase())
        .collect()
}

fn story() -> ComposeFile {
    let db = with_environment(
        service("DB", "mysql:8"),
        &[("MYSQL_ROOT_PASSWORD", "r"), ("MYSQL_DATABASE", "app")],
    );
    let mut kvs = service("KVS", "redis:7");
    kvs.command = Some(vec!["redis-server".into(), "--save".into(), String::new()]);
    kvs.container_name = Some("KVS".into());
    let web = with_environment(
        listening(
            depending(service("WEB", "python:3.12-slim"), &["DB", "AP"]),
            3000,
        ),
        &[("AP_URL", "http://AP:2000")],
    );
    let ap = with_environment(
        listening(
            linked(depending(service("AP", "python:3.12-slim"), &["DB"]), "DB"),
            2000,
        ),
        &[
            ("DB_HOST", "DB"),
            ("DB_USER", "app"),
            ("DB_PASS", "s"),
            ("DB_NAME", "app"),
            ("KVS_URL", "redis://KVS:6379/0"),
        ],
    );
    file(vec![db, kvs, web, ap])
}

#[test]
fn the_story() {
    assert_eq!(
        edges(&story()),
        [
            "ap->db:3306/mysql declared",
            "ap->kvs:6379/redis declared",
            "web->ap:2000/http declared",
            "web->db:3306/mysql weak",
        ]
    );
    let inferred = infer(&story(), &Catalog::embedded());
    let login = inferred.edges[0].login.as_ref().unwrap();
    assert_eq!(
        login.variables(),
        ["DB_HOST", "DB_USER", "DB_PASS", "DB_NAME"]
    );
    assert_eq!(inferred.edges[0].host, "DB");
    assert!(inferred.edges[0].origin.contains(&Origin::link("AP")));
    assert_eq!(inferred.notes, []);
}

#[test]
fn the_story_in_its_shortest_form() {
    let mut kvs = service("KVS", "sample-KVS:1.0");
    kvs.command = Some(vec!["redis".into(), "--appendonly".into(), "yes".into()]);
    let short = file(vec![
        service("DB", "mysql:8"),
        kvs,
        listening(depending(service("WEB", "sample-WEB:1.0"), &["DB"]), 3000),
        listening(
            linked(depending(service("AP", "sample-AP:1.0"), &["DB"]), "DB"),
            2000,
        ),
    ]);
    assert_eq!(
        edges(&short),
        ["ap->db:3306/mysql declared", "web->db:3306/mysql weak"]
    );
    let tiers = infer(&short, &Catalog::embedded()).tiers;
    let hint = tiers["KVS"].server.as_ref().unwrap();
    assert_eq!((hint.port.get(), hint.protocol.name()), (6379, "redis"));
    assert_eq!(tiers["WEB"].server.as_ref().unwrap().port.get(), 3000);
}

#[test]
fn data_that_looks_like_a_host_is_none() {
    let project = file(vec![
        service("db", "postgres:16"),
        service("redis", "redis"),
        with_environment(
            service("app", "app"),
            &[
                ("POSTGRES_DB", "db"),
                ("CACHE_DRIVER", "redis"),
                ("NO_PROXY", "db,redis"),
                ("APP_NAME", "db"),
            ],
        ),
    ]);
    assert!(edges(&project).is_empty());
}

#[test]
fn isolation_keeps_edges_out_and_says_so() {
    let mut db = service("db", "postgres:16");
    db.networks = BTreeMap::from([("back".to_owned(), ServiceNetwork::default())]);
    let app = with_environment(
        depending(service("app", "app"), &["db"]),
        &[("DB_HOST", "db")],
    );
    let project = file(vec![db, app]);
    assert!(edges(&project).is_empty());
    assert_eq!(infer(&project, &Catalog::embedded()).notes.len(), 1);
}

#[test]
fn one_namespace_is_localhost() {
    let mut sidecar = with_environment(
        service("sidecar", "x"),
        &[
            ("APP_URL_INTERNAL", "http://app:80"),
            ("APP_HOST", "app"),
            ("DB_HOST", "db"),
        ],
    );
    sidecar.network_mode = Some(NetworkMode::Service("app".into()));
    sidecar.networks.clear();
    let project = file(vec![
        service("app", "nginx"),
        service("db", "mysql:8"),
        sidecar,
    ]);
    assert_eq!(edges(&project), ["sidecar->db:3306/mysql declared"]);
}

#[test]
fn static_addresses_and_container_names_lead_to_their_tier() {
    let mut dns = service("dns", "cloudflared");
    dns.container_name = Some("resolver".into());
    dns.networks.get_mut("default").unwrap().ipv4_address = Some("172.20.0.2".into());
    let client = with_environment(
        service("hole", "pihole"),
        &[
            ("PIHOLE_DNS_", "172.20.0.2#5054;1.1.1.1"),
            ("METRICS_URL", "http://resolver:9000"),
        ],
    );
    assert_eq!(
        edges(&file(vec![dns, client])),
        [
            "hole->dns:5054/udp declared",
            "hole->dns:9000/http declared"
        ]
    );
}

#[test]
fn start_orders_that_are_no_connections() {
    let one_shot = {
        let mut service = listening(service("migrate", "app"), 80);
        service.restart = Some("no".into());
        service
    };
    let project = file(vec![
        listening(service("web", "app"), 8000),
        one_shot,
        depending(service("worker", "app"), &["web", "migrate"]),
        with_environment(depending(service("alert", "alertmanager"), &["prom"]), &[]),
        mounting(
            service("prom", "prom/prometheus"),
            "/etc/prometheus/prometheus.yml",
            "targets: ['alert:9093']",
        ),
    ]);
    assert_eq!(edges(&project), ["prom->alert:9093/http declared"]);
}

#[test]
fn a_firm_edge_absorbs_the_weak_one_and_keeps_its_origin() {
    let runner = with_environment(
        depending(service("runner", "runners"), &["n8n"]),
        &[("BROKER_URI", "http://n8n:5679")],
    );
    let project = file(vec![listening(service("n8n", "n8n"), 5678), runner]);
    let inferred = infer(&project, &Catalog::embedded());
    assert_eq!(edges(&project), ["runner->n8n:5679/http declared"]);
    assert_eq!(inferred.edges[0].origin.len(), 2);
}

#[test]
fn stores_outside_are_edges_and_other_hosts_are_listed() {
    let app = with_environment(
        service("app", "app"),
        &[
            ("DATABASE_URL", "postgres://u:p@pg.example.com/x"),
            ("HOOK_URL", "https://hooks.example.com/x"),
            ("CACHE_URL", "redis://typo:6379"),
        ],
    );
    let project = file(vec![app]);
    assert_eq!(
        edges(&project),
        [
            "app->pg.example.com:5432/postgres declared",
            "app->typo:6379/redis declared"
        ]
    );
    let inferred = infer(&project, &Catalog::embedded());
    assert!(inferred.edges.iter().all(|edge| edge.external));
    assert_eq!(inferred.outside.len(), 1);
}

#[test]
fn a_shared_file_concerns_those_that_wait_or_are_named_and_the_rest_is_weak() {
    let text = "{ \"GeoMongo\": \"mongo-geo:27017\", \"RateMongo\": \"mongo-rate:27017\", \"trace\": \"jaeger:6831\" }";
    let mount = |service: Service| mounting(service, "/config.json", text);
    let project = file(vec![
        service("mongo-geo", "mongo"),
        service("mongo-rate", "mongo"),
        service("jaeger", "jaegertracing/all-in-one"),
        mount(depending(service("geo", "hotel"), &["mongo-geo"])),
        mount(depending(service("rate", "hotel"), &["mongo-rate"])),
    ]);
    assert_eq!(
        edges(&project),
        [
            "geo->jaeger:6831/udp weak",
            "geo->mongo-geo:27017/mongodb declared",
            "rate->jaeger:6831/udp weak",
            "rate->mongo-rate:27017/mongodb declared"
        ]
    );
}

#[test]
fn traefik_finds_its_targets_by_label() {
    let mut proxy = listening(service("edge", "traefik:3"), 80);
    proxy.docker_socket = true;
    let mut api = service("api", "api");
    api.labels.insert("traefik.enable".into(), "true".into());
    api.labels.insert(
        "traefik.http.services.a.loadbalancer.server.port".into(),
        "8080".into(),
    );
    assert_eq!(
        edges(&file(vec![proxy, api])),
        ["edge->api:8080/http likely"]
    );
}

#[test]
fn a_link_without_any_port_is_a_note() {
    let project = file(vec![
        service("thing", "thing"),
        linked(service("app", "app"), "thing"),
    ]);
    let inferred = infer(&project, &Catalog::embedded());
    assert!(inferred.edges.is_empty());
    assert_eq!(inferred.notes[0].kind, NoteKind::Incomplete);
}

#[test]
fn tiers_that_name_their_peers_wait_for_the_rest() {
    let project = file(vec![
        service("db", "postgres:16"),
        listening(service("metrics", "metrics"), 4000),
        listening(service("vector", "vector"), 9001),
        with_environment(
            depending(service("api", "api"), &["db", "metrics"]),
            &[("DB_HOST", "db")],
        ),
        depending(service("mirror", "postgres:16"), &["vector", "db"]),
        {
            let mut shell = depending(service("shell", "tools"), &["db", "metrics"]);
            shell.entrypoint = Some(vec!["/bin/sh".into()]);
            shell
        },
    ]);
    // A database may follow another one.
    assert_eq!(
        edges(&project),
        [
            "api->db:5432/postgres declared",
            "mirror->db:5432/postgres weak",
        ]
    );
}

#[test]
fn a_store_called_like_a_tier_is_its_own() {
    let project = file(vec![
        listening(service("carts", "carts"), 80),
        service("carts-db", "mongo"),
        service("db", "mysql"),
    ]);
    assert_eq!(edges(&project), ["carts->carts-db:27017/mongodb weak"]);
}

#[test]
fn a_preparation_needs_what_it_waits_for() {
    let environment = [
        ("DATABASE_URL", "postgres://u:p@db/x"),
        ("AMQP_URL", "amqp://u:p@mq"),
    ];
    let mut migrator = handed(depending(service("migrator", "app"), &["db"]), &environment);
    migrator.restart_condition = Some("on-failure".into());
    let project = file(vec![
        service("db", "postgres:16"),
        service("mq", "rabbitmq"),
        handed(
            depending(service("api", "app"), &["db", "mq"]),
            &environment,
        ),
        migrator,
    ]);
    assert_eq!(
        edges(&project),
        [
            "api->db:5432/postgres declared",
            "api->mq:5672/amqp declared",
            "migrator->db:5432/postgres declared",
        ]
    );
}

#[test]
fn what_a_profile_switches_off_is_optional_or_a_note() {
    let mut project = file(vec![
        listening(service("vote", "vote"), 80),
        with_environment(
            service("api", "api"),
            &[("SEARCH_URL", "http://search:9200")],
        ),
    ]);
    for service in [
        depending(service("seed", "seed"), &["vote"]),
        service("search", "elasticsearch"),
    ] {
        project.inactive.insert(service.name.clone(), service);
    }
    let inferred = infer(&project, &Catalog::embedded());
    assert_eq!(edges(&project), ["seed->vote:80/http weak"]);
    assert!(inferred.edges[0].optional);
    assert!(!inferred.tiers["seed"].expected && inferred.tiers["vote"].expected);
    assert!(inferred.notes[0].message.contains("switches off"));
}

fn built(mut service: Service, build: crate::compose::Build) -> Service {
    service.image = None;
    service.build = Some(build);
    service
}

#[test]
fn a_plain_web_server_waits_for_a_store_and_never_calls_it() {
    let db = || service("db", "postgres:16");
    let waits = |image: &str| {
        edges(&file(vec![
            db(),
            depending(listening(service("web", image), 80), &["db"]),
        ]))
    };
    for image in [
        "nginx:1.27-alpine",
        "docker.io/library/caddy@sha256:0",
        "httpd",
    ] {
        assert!(waits(image).is_empty(), "{image}");
    }
    assert_eq!(waits("shop/php-nginx:3"), ["web->db:5432/postgres weak"]);
    let base = crate::compose::Build {
        base_image: Some("nginx".into()),
        ..Default::default()
    };
    let web = built(depending(service("web", ""), &["db"]), base);
    assert!(edges(&file(vec![db(), web])).is_empty());
}

#[test]
fn a_plain_web_server_reads_no_variable_that_others_are_handed() {
    for image in ["nginx:1.27", "caddy:2", "registry/x/haproxy"] {
        for pairs in [
            [("DB_HOST", "db"), ("DB_PORT", "5432")],
            [("DATABASE_URL", "postgres://db:5432/x"), ("MODE", "a")],
        ] {
            for waits in [&["db"][..], &["db", "api"], &["api"], &[]] {
                let web = handed(
                    depending(listening(service("web", image), 80), waits),
                    &pairs,
                );
                let api = handed(depending(service("api", "shop/api"), &["db"]), &pairs);
                let found = edges(&file(vec![service("db", "postgres:16"), api, web]));
                let wrong = found.iter().any(|edge| edge.starts_with("web->db"));
                assert!(!wrong, "{image} {waits:?}: {found:?}");
                assert!(
                    found.contains(&"api->db:5432/postgres declared".to_owned()),
                    "{found:?}"
                );
            }
        }
    }
}

#[test]
fn a_page_that_is_given_the_published_address_calls_from_the_browser() {
    let api = || listening(service("api", "shop/api"), 8000);
    let page = |url: &str| {
        let arguments = BTreeMap::from([("API".to_owned(), url.to_owned())]);
        let build = crate::compose::Build {
            arguments,
            ..Default::default()
        };
        let page = built(depending(service("page", ""), &["api"]), build);
        edges(&file(vec![api(), page]))
    };
    assert!(page("http://localhost:8000/v1").is_empty());
    for other in ["http://localhost:80001", "/api", "https://shop.example"] {
        assert_eq!(page(other), ["page->api:8000/http weak"], "{other}");
    }
}

#[test]
fn a_server_that_is_not_restarted_is_one_where_its_port_is_dialled() {
    let mut api = service("api", "shop/api");
    api.restart = Some("on-failure".into());
    let web = with_environment(
        listening(service("web", "shop/web"), 80),
        &[("API_URL", "http://api:8000")],
    );
    let inferred = infer(&file(vec![api.clone(), web]), &Catalog::embedded());
    assert_eq!(inferred.edges.len(), 1);
    assert!(!inferred.tiers["api"].one_shot);
    let alone = infer(&file(vec![api]), &Catalog::embedded());
    assert!(alone.tiers["api"].one_shot, "no one says that it serves");
}

#[test]
fn a_name_of_extra_hosts_leads_elsewhere_also_for_depends_on() {
    let mut web = depending(service("web", "shop/web"), &["db"]);
    web.extra_hosts = BTreeMap::from([("db".to_owned(), vec!["192.0.2.4".to_owned()])]);
    let found = edges(&file(vec![service("db", "postgres:16"), web]));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn what_a_framework_listens_on_is_its_port() {
    let api = with_environment(
        service("api", "shop/api"),
        &[("ASPNETCORE_URLS", "http://+:8000")],
    );
    let web = depending(linked(service("web", "nginx"), "api"), &["api"]);
    assert_eq!(
        edges(&file(vec![api, web])),
        ["web->api:8000/http declared"]
    );
}

#[test]
fn a_section_of_a_shared_file_concerns_the_role_that_it_is_called_like() {
    let text = "querier:\n  frontend_worker:\n    frontend_address: query-frontend:9095\nstorage:\n  endpoint: minio:9000\n";
    let role = |name: &str| mounting(service(name, "grafana/tempo"), "/etc/tempo.yaml", text);
    let minio = || service("minio", "minio/minio");
    let found = edges(&file(vec![
        role("querier"),
        role("query-frontend"),
        role("ingester-0"),
        minio(),
    ]));
    let expected = [
        "ingester-0->minio:9000/http declared",
        "querier->minio:9000/http declared",
        "querier->query-frontend:9095/tcp declared",
        "query-frontend->minio:9000/http declared",
    ];
    assert_eq!(found, expected);
    // One that waits for the store shows nothing against a peer of the same image.
    let waiting = depending(role("ingester-0"), &["minio"]);
    let found = edges(&file(vec![role("querier"), waiting, minio()]));
    assert!(
        found.contains(&"querier->minio:9000/http declared".to_owned()),
        "{found:?}"
    );
}

#[test]
fn a_node_of_kafka_that_only_votes_calls_no_broker() {
    let node = |name: &str, roles: &str, listener: &str| {
        with_environment(
            service(name, "apache/kafka"),
            &[
                ("KAFKA_PROCESS_ROLES", roles),
                ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@c1:9093"),
                ("KAFKA_ADVERTISED_LISTENERS", listener),
            ],
        )
    };
    let found = edges(&file(vec![
        node("c1", "controller", ""),
        node("k1", "broker", "PLAINTEXT://k1:19092"),
        node("k2", "broker", "PLAINTEXT://:19092"),
    ]));
    let brokers: Vec<&String> = found.iter().filter(|edge| edge.contains("19092")).collect();
    assert_eq!(
        brokers,
        ["k1->k2:19092/kafka likely", "k2->k1:19092/kafka likely"]
    );
}

#[test]
fn a_store_of_an_unknown_image_is_known_by_its_variables() {
    let app = depending(service("app", "shop/app"), &["db"]);
    let db = with_environment(service("db", "shop/data"), &[("POSTGRES_PASSWORD", "p")]);
    assert_eq!(edges(&file(vec![app, db])), ["app->db:5432/postgres weak"]);
    let client = with_environment(service("app", "shop/app"), &[("POSTGRES_PASSWORD", "p")]);
    let inferred = infer(&file(vec![client]), &Catalog::embedded());
    assert!(inferred.tiers["app"].server.is_none());
}

#[test]
fn a_store_with_the_applications_variables_calls_no_other_store() {
    let shared = [("REDIS_CACHE_HOST", "cache"), ("REDIS_QUEUE_HOST", "queue")];
    let redis = |name: &str| handed(service(name, "redis:8"), &shared);
    let app = handed(service("app", "shop/app"), &shared);
    let found = edges(&file(vec![redis("cache"), redis("queue"), app]));
    assert_eq!(
        found,
        [
            "app->cache:6379/redis declared",
            "app->queue:6379/redis declared"
        ]
    );
    let member = |name: &str| {
        with_environment(
            service(name, "zookeeper:3.9"),
            &[(
                "ZOO_SERVERS",
                "server.1=zoo1:2888:3888;2181 server.2=zoo2:2888:3888;2181",
            )],
        )
    };
    let found = edges(&file(vec![member("zoo1"), member("zoo2")]));
    assert!(
        found.iter().any(|edge| edge.starts_with("zoo1->zoo2:2888")),
        "{found:?}"
    );
}

#[test]
fn an_upstream_may_stand_in_another_file_of_the_server() {
    let web = mounting(
        mounting(
            service("web", "nginx"),
            "/etc/nginx/conf.d/default.conf",
            "upstream api { server api:8000; }\nserver { include conf.d/locations; }",
        ),
        "/etc/nginx/conf.d/locations",
        "location / { proxy_pass http://api; }",
    );
    let found = edges(&file(vec![web, service("api", "shop/api")]));
    assert_eq!(found, ["web->api:8000/http declared"]);
}

#[test]
fn a_broker_is_dialled_where_it_advertises_its_own_name() {
    let kafka = with_environment(
        service("kafka", "confluentinc/cp-kafka"),
        &[(
            "KAFKA_ADVERTISED_LISTENERS",
            "HOST://localhost:9092,INNER://kafka:29092",
        )],
    );
    let app = depending(service("app", "shop/app"), &["kafka"]);
    assert_eq!(
        edges(&file(vec![kafka, app])),
        ["app->kafka:29092/kafka weak"]
    );
}

#[test]
fn who_only_has_variables_of_a_bundler_runs_in_the_browser() {
    let page = |key: &str| {
        let page = with_environment(service("page", "shop/page"), &[(key, "x")]);
        edges(&file(vec![
            depending(page, &["api"]),
            listening(service("api", "shop/api"), 80),
        ]))
    };
    assert!(page("VITE_TITLE").is_empty());
    assert_eq!(page("TITLE"), ["page->api:80/http weak"]);
}

/// Numbers for generated projects; the same ones in every run.
struct Numbers(u32);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % end
    }
}

#[test]
fn what_is_handed_to_many_is_sure_only_for_those_that_wait() {
    let mut numbers = Numbers(7);
    for _ in 0..40 {
        let port = u16::try_from(2000 + numbers.below(30_000)).unwrap();
        let target = format!("t{}", numbers.below(1000));
        let value = format!("{target}:{port}");
        let variable = ["PEER_ADDR", "QUEUE_SERVER", "STATS_ENDPOINT"][numbers.below(3) as usize];
        let pairs = [(variable, value.as_str())];
        let client = |name: &str| handed(service(name, &format!("shop/{name}")), &pairs);
        let open = || listening(service(&target, "shop/target"), port);
        let of = |edges: Vec<String>, from: &str| -> Vec<String> {
            edges
                .into_iter()
                .filter(|edge| edge.starts_with(from))
                .collect()
        };
        let line = |from: &str, how: &str| vec![format!("{from}->{target}:{port}/tcp {how}")];
        // No one waits: weak for all, and nothing for a store that has a copy.
        let store = handed(service("store", "postgres:16"), &pairs);
        let found = edges(&file(vec![open(), client("a"), client("b"), store]));
        assert_eq!(of(found.clone(), "a"), line("a", "weak"));
        assert_eq!(of(found.clone(), "b"), line("b", "weak"));
        assert!(of(found, "store").is_empty());
        // One waits: sure for that one, and nothing for the one that waits for none.
        let waiting = depending(client("a"), &[&target]);
        let found = edges(&file(vec![open(), waiting, client("b")]));
        assert_eq!(found, line("a", "declared"));
        // The only one that may read it.
        let found = edges(&file(vec![open(), client("a")]));
        assert_eq!(found, line("a", "declared"));
    }
}

#[test]
fn a_port_on_which_a_target_does_not_listen_is_never_sure_and_lists_of_such_are_labels() {
    let mut numbers = Numbers(11);
    for _ in 0..40 {
        let port = u16::try_from(2000 + numbers.below(30_000)).unwrap();
        let (one, two) = (
            format!("x{}", numbers.below(99)),
            format!("y{}", numbers.below(99)),
        );
        let project = |value: &str| {
            let client = with_environment(service("client", "shop/client"), &[("JOBS", value)]);
            let open = |name: &str| listening(service(name, "shop/x"), port);
            edges(&file(vec![open(&one), open(&two), client]))
        };
        let other = port + 1;
        assert!(project(&format!("{one}:{other},{two}:{other}")).is_empty());
        assert_eq!(
            project(&format!("{one}:{other}")),
            [format!("client->{one}:{other}/tcp weak")]
        );
        assert_eq!(project(&format!("{one}:{port},{two}:{port}")).len(), 2);
    }
}

/// Names, ports and places of the class: no rule may depend on one of them.
const CLASS: [(&str, &str, u16); 4] = [
    ("ledger", "vault", 4_300),
    ("mobile-app", "files_2", 8_333),
    ("a", "inner.store", 18_080),
    ("worker9", "objects", 1_024),
];

#[test]
fn a_port_variable_beside_an_address_shows_its_port() {
    for (from, to, port) in CLASS {
        let text = port.to_string();
        let url = format!("http://{to}");
        for (host, value, name) in [
            ("DB_HOST_ADDRESS", to, "DB_PORT"),
            ("APP_FILES_ENDPOINT", url.as_str(), "APP_FILES_PORT"),
        ] {
            let client = with_environment(service(from, "x/app"), &[(host, value), (name, &text)]);
            let found = edges(&file(vec![client, listening(service(to, "x/srv"), port)]));
            assert_eq!(found.len(), 1, "{host}: {found:?}");
            assert!(found[0].contains(&format!(":{port}/")), "{host}: {found:?}");
            assert!(found[0].ends_with("declared"), "{host}: {found:?}");
        }
        // The variable is the published one: the target itself says that it listens on the usual port.
        let client = with_environment(
            service(from, "x/app"),
            &[("APP_FILES_URL", url.as_str()), ("APP_FILES_PORT", &text)],
        );
        let found = edges(&file(vec![client, listening(service(to, "x/srv"), 80)]));
        assert!(found.len() == 1 && found[0].contains(":80/"), "{found:?}");
    }
}

#[test]
fn a_switch_chooses_the_port_for_encrypted_connections() {
    for (from, to, port) in CLASS {
        for (value, wanted) in [("true", port), ("1", port), ("false", 1_883)] {
            let client = with_environment(
                service(from, "x/app"),
                &[
                    ("MQTT_BROKER", to),
                    ("MQTT_USE_TLS", value),
                    ("MQTT_PORT", "1883"),
                    ("MQTT_TLS_PORT", &port.to_string()),
                ],
            );
            let broker = listening(listening(service(to, "eclipse-mosquitto:2"), 1_883), port);
            let found = edges(&file(vec![client, broker]));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(&format!(":{wanted}/")), "{found:?}");
        }
    }
}

#[test]
fn the_variable_shows_the_protocol_and_the_console_is_no_target() {
    for (from, to, _) in CLASS {
        let client = with_environment(service(from, "x/app"), &[("PGHOST", to)]);
        let proxy = listening(service(to, "haproxy:3"), 5_432);
        let found = edges(&file(vec![client, proxy]));
        assert!(found[0].contains(":5432/postgres"), "{found:?}");
        let client = with_environment(service(from, "x/app"), &[("FILES_HOST", to)]);
        let console = listening(service(to, "minio/minio"), 9_001);
        let found = edges(&file(vec![client, console]));
        assert!(found[0].contains(":9000/"), "{found:?}");
    }
}

#[test]
fn what_compose_publishes_beats_what_an_image_exposes() {
    for (from, to, port) in CLASS {
        let mut target = listening(service(to, ""), port);
        target.build = Some(crate::compose::Build {
            exposed: vec![crate::compose::Expose {
                port: 3_000,
                transport: "tcp".into(),
            }],
            ..crate::compose::Build::default()
        });
        let client = with_environment(service(from, "x/app"), &[("DEV_SERVER_HOST", to)]);
        let found = edges(&file(vec![client, target]));
        assert!(found[0].contains(&format!(":{port}/")), "{found:?}");
    }
}

#[test]
fn counts_of_topics_and_what_a_member_advertises_to_others_are_no_addresses() {
    for (from, to, port) in CLASS {
        let client = with_environment(
            service(from, "x/app"),
            &[
                ("KAFKA_CREATE_TOPICS", &format!("{to}:{port}:1")),
                ("SETUP", &format!("{to}:12:3")),
                ("MEMBER_CONNECT_ADDRESS", &format!("{to}:{port}")),
            ],
        );
        let found = edges(&file(vec![client, listening(service(to, "x/srv"), port)]));
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_host_name_leads_to_its_container_unless_a_service_is_called_so() {
    for (from, to, port) in CLASS {
        let mut named = listening(service(to, "x/srv"), port);
        named.hostname = Some("inner-name".to_owned());
        let url = format!("http://inner-name:{port}");
        let client = with_environment(service(from, "x/app"), &[("API_URL", url.as_str())]);
        let found = edges(&file(vec![client.clone(), named.clone()]));
        assert!(
            found[0].starts_with(&format!("{from}->{to}:{port}/")),
            "{found:?}"
        );
        let other = service("inner-name", "x/other");
        let found = edges(&file(vec![client, named, other]));
        assert!(found[0].contains("->inner-name:"), "{found:?}");
    }
}

#[test]
fn a_list_to_scrape_in_a_folder_of_sources_is_not_read_by_what_runs_there() {
    for (from, to, port) in CLASS {
        let text = format!(
            "scrape_configs:\n- job_name: x\n  static_configs:\n  - targets: ['{to}:{port}']\n"
        );
        let target = listening(service(to, "x/srv"), port);
        for (path, direct, wanted) in [
            ("/src/deploy/metrics.yml", false, 0),
            ("/etc/prometheus/prometheus.yml", false, 1),
            ("/data/scrape.yml", true, 1),
        ] {
            let mut client = mounting(service(from, "x/app"), path, &text);
            client.mounts[0].direct = direct;
            let found = edges(&file(vec![client, target.clone()]));
            assert_eq!(found.len(), wanted, "{path}: {found:?}");
        }
    }
}

#[test]
fn an_order_of_start_behind_a_proxy_of_the_same_protocol_is_no_connection() {
    for (from, to, port) in CLASS {
        let text = port.to_string();
        let client = with_environment(
            depending(service(from, "x/app"), &["pooler", to]),
            &[("POSTGRES_HOST", "pooler"), ("POSTGRES_PORT", &text)],
        );
        let pooler = with_environment(
            listening(service("pooler", "x/pooler"), port),
            &[("DATABASE_URL", &format!("postgres://{to}/x"))],
        );
        let found = edges(&file(vec![client, pooler, service(to, "postgres:17")]));
        let ours: Vec<&String> = found.iter().filter(|edge| edge.starts_with(from)).collect();
        assert!(
            ours.len() == 1 && ours[0].contains("->pooler:"),
            "{found:?}"
        );
    }
}

#[test]
fn a_library_says_nothing_where_the_configuration_of_others_names_the_store() {
    for (from, to, port) in CLASS {
        let library = "<artifactId>spring-boot-starter-data-redis</artifactId>";
        let program = |name: &str, pairs: &[(&str, &str)]| {
            let one = mounting(service(name, "x/app"), "/app/pom.xml", library);
            with_environment(one, pairs)
        };
        let url = format!("http://other:{port}");
        let others = || {
            vec![
                service(to, "redis:8"),
                listening(service("other", "x/other"), port),
                program("fellow", &[("REDIS_HOST", to)]),
            ]
        };
        let mut silent = others();
        silent.push(program(from, &[("OTHER_URL", &url)]));
        let count = |services: Vec<Service>| {
            let found = edges(&file(services));
            let start = format!("{from}->{to}:");
            found.iter().filter(|edge| edge.starts_with(&start)).count()
        };
        assert_eq!(count(silent), 0);
        // Without any configuration of its own, the library is all that there is.
        let mut bare = others();
        bare.push(program(from, &[]));
        assert_eq!(count(bare), 1);
    }
}

#[test]
fn a_name_of_a_registry_leads_to_all_that_register_under_it() {
    for (from, to, port) in CLASS {
        let gateway = mounting(
            service(from, "x/gateway"),
            "/app/application.yml",
            &format!("routes:\n- uri: lb://{to}-one\n- uri: lb://STOCK\n"),
        );
        let named = |name: &str| {
            let text = "spring:\n  application:\n    name: stock\n";
            mounting(
                listening(service(name, "x/s"), port),
                "/app/bootstrap.yml",
                text,
            )
        };
        let replica = listening(service(&format!("{to}-one-1"), "x/srv"), port);
        let found = edges(&file(vec![gateway, named("s1"), named("s2"), replica]));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found
                .iter()
                .all(|edge| edge.contains(&format!(":{port}/")) && edge.ends_with("weak")),
            "{found:?}"
        );
    }
}

#[test]
fn a_file_of_variables_expands_itself() {
    for (from, to, port) in CLASS {
        for path in ["/app/.env", "/app/prod.env"] {
            let text =
                format!("INNER_PORT={port}\nexport HUB_URL=\"https://{to}:${{INNER_PORT}}/x\"\n");
            let client = mounting(service(from, "x/app"), path, &text);
            let found = edges(&file(vec![client, listening(service(to, "x/srv"), port)]));
            assert!(
                found.len() == 1 && found[0].contains(&format!(":{port}/")),
                "{found:?}"
            );
        }
    }
}

#[test]
fn a_variable_of_a_proxy_holds_in_its_own_block() {
    for (from, to, port) in CLASS {
        let text = format!(
            "server {{ location / {{ set $x http://{to}:{port}; proxy_pass $x; }} }}\nserver {{ set $x http://second:9; location / {{ proxy_pass $x; }} }}\n"
        );
        let proxy = mounting(
            service(from, "nginx:1"),
            "/etc/nginx/conf.d/site.conf",
            &text,
        );
        let found = edges(&file(vec![
            proxy,
            listening(service(to, "x/srv"), port),
            listening(service("second", "x/srv"), 9),
        ]));
        assert_eq!(found.len(), 2, "{found:?}");
    }
}

#[test]
fn a_build_that_is_called_like_a_product_reads_only_what_is_its_own() {
    for (from, to, port) in CLASS {
        let url = format!("http://{to}:{port}");
        let shared: [(&str, &str); 1] = [("BACKEND_URL", &url)];
        let mut dashboards = handed(service("grafana", ""), &shared);
        dashboards.build = Some(crate::compose::Build::default());
        let client = handed(depending(service(from, "x/app"), &[to]), &shared);
        let found = edges(&file(vec![
            dashboards,
            client,
            listening(service(to, "x/srv"), port),
        ]));
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("{from}->")),
            "{found:?}"
        );
    }
}

#[test]
fn a_folder_of_programs_is_read_by_each_as_far_as_its_command_says() {
    for (from, to, port) in CLASS {
        let folder = |service: Service| {
            let first = format!("BROKER = '{to}:{port}'");
            let second = "STORE = 'second:9'".to_owned();
            let shared = "MORE = 'third:7'".to_owned();
            let files = [("one.py", first), ("two.py", second), ("common.py", shared)];
            files.into_iter().fold(service, |service, (name, text)| {
                let mut service = mounting(service, &format!("/jobs/{name}"), &text);
                for file in &mut service.mounts {
                    file.direct = false;
                }
                service
            })
        };
        let job = |name: &str, command: &str| {
            let mut one = folder(service(name, "x/runner"));
            one.command = Some(vec!["run".into(), command.into()]);
            one
        };
        let found = edges(&file(vec![
            job(from, "/jobs/one.py"),
            job("other", "/jobs/two.py"),
            listening(service(to, "x/srv"), port),
            listening(service("second", "x/srv"), 9),
            listening(service("third", "x/srv"), 7),
        ]));
        let has = |start: String| found.iter().any(|edge| edge.starts_with(&start));
        assert!(has(format!("{from}->{to}:{port}/")), "{found:?}");
        assert!(has("other->second:9/".to_owned()), "{found:?}");
        assert!(has(format!("{from}->third:7/")), "{found:?}");
        assert!(!has(format!("{from}->second:")), "{found:?}");
        assert!(!has(format!("other->{to}:")), "{found:?}");
    }
}

#[test]
fn an_image_that_another_service_builds_holds_the_same_configuration() {
    for (from, to, port) in CLASS {
        let mut built = service(from, "x/board");
        built.build = Some(crate::compose::Build {
            context: Some("./board".to_owned()),
            files: vec![MountedFile {
                target: "board/appsettings.json".to_owned(),
                source: "board/appsettings.json".to_owned(),
                direct: false,
                text: format!("{{\"Url\": \"http://{to}:{port}\"}}"),
            }],
            ..crate::compose::Build::default()
        });
        let found = edges(&file(vec![
            built,
            service("second", "x/board"),
            listening(service(to, "x/srv"), port),
        ]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found.iter().all(|edge| edge.ends_with("likely")),
            "{found:?}"
        );
    }
}

#[test]
fn a_link_takes_the_port_that_other_clients_agree_on() {
    for (from, to, port) in CLASS {
        let url = format!("http://{to}:{port}");
        let client = with_environment(service("client", "x/app"), &[("SRV_URL", &url)]);
        let linking = linked(service(from, "x/app"), to);
        let found = edges(&file(vec![client, linking, service(to, "x/srv")]));
        let wanted = format!("{from}->{to}:{port}/");
        assert!(
            found
                .iter()
                .any(|edge| edge.starts_with(&wanted) && edge.ends_with("weak")),
            "{found:?}"
        );
    }
}

#[test]
fn a_web_server_is_called_on_a_port_that_something_declares() {
    for (from, to, port) in CLASS {
        let target = listening(
            listening(service(to, "mcr.microsoft.com/dotnet/aspnet:8.0"), 80),
            port + 1,
        );
        let client = with_environment(service(from, "x/app"), &[("SRV_HOST", to)]);
        let found = edges(&file(vec![client, target]));
        assert!(found.len() == 1 && found[0].contains(":80/"), "{found:?}");
    }
}

#[test]
fn what_an_image_dials_by_default_is_the_only_tier_that_it_can_mean() {
    for (from, to, _) in CLASS {
        let board = || service(from, "kibana:8.12.0");
        let index = |name: &str| service(name, "elasticsearch:8.12.0");
        let other = service("unrelated", "x/app");
        let found = edges(&file(vec![board(), index(to), other.clone()]));
        assert_eq!(found, [format!("{from}->{to}:9200/http weak")]);
        // Two that it may mean, or a word of its own: nothing.
        assert!(edges(&file(vec![board(), index(to), index("second")])).is_empty());
        let linked = with_environment(
            board(),
            &[("ELASTICSEARCH_HOSTS", "http://elsewhere.example:9200")],
        );
        assert!(edges(&file(vec![linked, index(to)])).is_empty());
    }
}

#[test]
fn the_value_of_a_variable_may_stand_in_a_file() {
    for (from, to, port) in CLASS {
        let text = port.to_string();
        let place = format!("/run/{from}/host");
        let client = || {
            let mut client = with_environment(
                service(from, "x/app"),
                &[("DB_HOST_FILE", place.as_str()), ("DB_PORT", text.as_str())],
            );
            client.mounts.push(MountedFile {
                target: place.clone(),
                source: "configs.host".to_owned(),
                direct: true,
                text: format!("{to}\n"),
            });
            client
        };
        let target = || listening(service(to, "x/srv"), port);
        let found = edges(&file(vec![client(), target()]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(&format!("{from}->{to}:{port}/")),
            "{found:?}"
        );
        assert!(found[0].ends_with("declared"), "{found:?}");
        // A file that no one reads here, a secret's, shows nothing.
        let mut hidden = client();
        hidden.mounts.clear();
        assert!(edges(&file(vec![hidden, target()])).is_empty());
    }
}

#[test]
fn what_several_are_handed_is_sure_for_the_one_whose_sources_read_it() {
    for (from, to, port) in CLASS {
        let url = format!("http://{to}:{port}");
        let program = |name: &str, text: &str| {
            let mut program = handed(service(name, ""), &[("PEER_URL", url.as_str())]);
            program.build = Some(crate::compose::Build {
                context: Some(format!("./{name}")),
                files: vec![MountedFile {
                    target: format!("{name}/main.js"),
                    source: format!("{name}/main.js"),
                    direct: false,
                    text: text.to_owned(),
                }],
                ..crate::compose::Build::default()
            });
            program
        };
        let reader = program(from, "const url = process.env.PEER_URL");
        let other = program("bystander", "const url = process.env.PEER_URL_OF_OTHERS");
        let third = depending(program("waiting", ""), &[to]);
        let target = listening(service(to, "x/srv"), port);
        let found = edges(&file(vec![reader, other, third, target]));
        let sure = |name: &str| {
            found.iter().any(|edge| {
                edge.starts_with(&format!("{name}->{to}:{port}/")) && !edge.ends_with("weak")
            })
        };
        assert!(
            sure(from) && sure("waiting") && !sure("bystander"),
            "{found:?}"
        );
    }
}

#[test]
fn a_variable_that_is_called_like_a_product_names_the_tier_that_is_one() {
    for (from, to, _) in CLASS {
        let client = |value: &str| with_environment(service(from, "x/app"), &[("REDIS", value)]);
        let cache = || service(to, "redis:7");
        let found = edges(&file(vec![client(to), cache()]));
        assert_eq!(found, [format!("{from}->{to}:6379/redis likely")]);
        // A tier of another kind, or a word that is no tier.
        let other = service(to, "postgres:16");
        assert!(edges(&file(vec![client(to), other])).is_empty());
        assert!(edges(&file(vec![client("enabled"), cache()])).is_empty());
    }
}

#[test]
fn a_port_in_a_label_is_enough_for_a_proxy_that_reads_labels() {
    for (from, to, port) in CLASS {
        let mut proxy = service(from, "traefik:v3.0");
        proxy.docker_socket = true;
        let mut web = service(to, "x/web");
        let key = format!("traefik.http.services.{to}.loadbalancer.server.port");
        web.labels.insert(key, port.to_string());
        let found = edges(&file(vec![proxy.clone(), web.clone()]));
        assert_eq!(found, [format!("{from}->{to}:{port}/http likely")]);
        web.labels
            .insert("traefik.enable".to_owned(), "false".to_owned());
        assert!(edges(&file(vec![proxy, web])).is_empty());
    }
}

#[test]
fn a_document_in_a_variable_is_an_environment_of_its_own() {
    for (from, to, port) in CLASS {
        let client =
            |text: String| with_environment(service(from, "x/app"), &[("SETTINGS", &text)]);
        let peer = || listening(service(to, "x/srv"), port);
        let nested = format!(r#"{{"peer": {{"host": "{to}", "port": {port}}}, "name": "{to}"}}"#);
        let dotted = format!(r#"{{ "peer.url" : "http://{to}:{port}/v1" }}"#);
        let listed = format!(r#"[{{"credentials": {{"hostname": "{to}", "port": "{port}"}}}}]"#);
        for text in [nested, dotted, listed] {
            let found = edges(&file(vec![client(text.clone()), peer()]));
            let start = format!("{from}->{to}:{port}/");
            assert!(
                matches!(found.as_slice(), [one] if one.starts_with(&start) && one.ends_with("declared")),
                "{text}: {found:?}"
            );
        }
        // Who may ask is not whom it asks.
        let asked = format!(r#"{{"cors": {{"allowedOrigins": ["http://{to}:{port}"]}}}}"#);
        assert!(edges(&file(vec![client(asked), peer()])).is_empty());
    }
}

#[test]
fn an_option_may_set_another_key() {
    for (from, to, port) in CLASS {
        for form in [
            format!("run -var='servers=[\"{to}:{port}\"]'"),
            format!("run --set peer.servers={to}:{port}"),
            format!("run --set=peer.servers={to}:{port}"),
        ] {
            let mut client = service(from, "x/app");
            client.command = Some(vec!["sh".to_owned(), "-c".to_owned(), form.clone()]);
            let found = edges(&file(vec![client, listening(service(to, "x/srv"), port)]));
            assert_eq!(found.len(), 1, "{form}: {found:?}");
        }
    }
}

#[test]
fn an_address_for_pages_that_names_a_tier_is_weak() {
    for (from, to, port) in CLASS {
        let client = |host: &str| {
            let url = format!("http://{host}:{port}/graphql");
            with_environment(service(from, "x/pages"), &[("NEXT_PUBLIC_API_URL", &url)])
        };
        let peer = || listening(service(to, "x/srv"), port);
        let found = edges(&file(vec![client(to), peer()]));
        assert_eq!(found, [format!("{from}->{to}:{port}/http weak")]);
        assert!(edges(&file(vec![client("localhost"), peer()])).is_empty());
    }
}

#[test]
fn a_twin_has_the_stores_of_its_role_whatever_the_two_are_called() {
    for (main, role) in [("alpha", "omega"), ("omega", "alpha")] {
        let found = edges(&file(vec![
            depending(service(main, "shop/app"), &["sql"]),
            depending(service(role, "shop/app"), &[main]),
            service("sql", "postgres:16"),
        ]));
        let mut wanted = [main, role].map(|from| format!("{from}->sql:5432/postgres weak"));
        wanted.sort();
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_store_waits_for_another_kind_of_store_without_calling_it() {
    for (from, to, _) in CLASS {
        for (image, target, calls) in [
            ("eclipse-mosquitto:2", "postgres:16", false),
            ("redis:7", "mysql:8", false),
            ("postgres:16", "postgres:16", true),
            ("x/app", "postgres:16", true),
        ] {
            let found = edges(&file(vec![
                depending(service(from, image), &[to]),
                service(to, target),
            ]));
            assert_eq!(
                found.len(),
                usize::from(calls),
                "{image} {target}: {found:?}"
            );
        }
    }
}

#[test]
fn a_web_server_hands_on_what_its_configuration_says() {
    for (from, to, port) in CLASS {
        let server = |text: &str| {
            let mut server = depending(service(from, "nginx:1.27"), &[to]);
            server
                .mounts
                .extend((!text.is_empty()).then(|| MountedFile {
                    target: "/etc/nginx/nginx.conf".to_owned(),
                    source: "nginx.conf".to_owned(),
                    direct: true,
                    text: text.to_owned(),
                }));
            server
        };
        let peer = || listening(service(to, "x/srv"), port);
        let of = |text: &str| edges(&file(vec![server(text), peer()])).len();
        assert_eq!(of(""), 1);
        assert_eq!(of("http { include conf.d/*; }"), 1);
        assert_eq!(
            of("server { location / { proxy_pass http://elsewhere-1:80; } }"),
            0
        );
        assert_eq!(
            of(&format!(
                "server {{ location / {{ proxy_pass http://{to}:{port}; }} }}"
            )),
            1
        );
    }
}

#[test]
fn who_waits_for_the_end_of_a_preparation_waits_for_what_it_prepares() {
    for (from, to, port) in CLASS {
        let url = format!("http://{to}:{port}");
        let role = |name: &str, on: &str, ended: bool| {
            let mut role = depending(handed(service(name, "x/app"), &[("PEER_URL", &url)]), &[on]);
            role.restart = Some("on-failure:1".to_owned());
            if let Some(depends) = role.depends_on.get_mut(on).filter(|_| ended) {
                depends.condition = "service_completed_successfully".into();
            }
            role
        };
        let found = edges(&file(vec![
            depending(service("prepare", "x/tools"), &[to]),
            role(from, "prepare", true),
            role("second-role", from, false),
            listening(service(to, "x/srv"), port),
        ]));
        for name in [from, "second-role"] {
            let sure = format!("{name}->{to}:{port}/http declared");
            assert!(found.contains(&sure), "{found:?}");
        }
    }
}

#[test]
fn a_list_to_scrape_counts_where_one_place_of_it_is_read() {
    for (from, to, port) in CLASS {
        let list = |direct: bool| MountedFile {
            target: "/opt/x/conf/prometheus.yml".to_owned(),
            source: "prometheus/prometheus.yml".to_owned(),
            direct,
            text: format!(
                "scrape_configs:\n  - job_name: x\n    static_configs:\n      - targets: ['{to}:{port}']\n"
            ),
        };
        let scraper = |mounted: bool| {
            let mut scraper = service(from, "");
            scraper.build = Some(crate::compose::Build {
                context: Some("./prometheus".to_owned()),
                files: vec![list(false)],
                ..crate::compose::Build::default()
            });
            scraper.mounts.extend(mounted.then(|| list(true)));
            scraper
        };
        let of = |mounted: bool| {
            edges(&file(vec![
                scraper(mounted),
                listening(service(to, "x/srv"), port),
            ]))
            .len()
        };
        assert_eq!((of(true), of(false)), (1, 0));
    }
}

#[test]
fn a_file_is_handed_to_those_that_mount_it_itself() {
    for (from, to, port) in CLASS {
        let configuration = |target: &str, direct: bool| MountedFile {
            target: target.to_owned(),
            source: "proxy/site.conf".to_owned(),
            direct,
            text: format!("server {{ location / {{ proxy_pass http://{to}:{port}; }} }}"),
        };
        let mut proxy = service(from, "nginx:1.27");
        proxy
            .mounts
            .push(configuration("/etc/nginx/conf.d/site.conf", true));
        let mut sources = depending(service("sources", "x/app"), &[to]);
        sources
            .mounts
            .push(configuration("/src/proxy/site.conf", false));
        let found = edges(&file(vec![
            proxy,
            sources,
            listening(service(to, "x/srv"), port),
        ]));
        let sure = format!("{from}->{to}:{port}/http declared");
        assert!(found.contains(&sure), "{found:?}");
    }
}

#[test]
fn a_key_of_ones_own_address_may_name_a_peer_that_it_waits_for() {
    let peer = || listening(service("peer", "x/peer"), 5005);
    let of = |key: &str, url: &str, on: &[&str], to: Service| {
        let app = with_environment(service("app", "x/app"), &[(key, url)]);
        edges(&file(vec![depending(app, on), to]))
    };
    for key in ["SERVER_URL", "BASE_URL"] {
        let found = of(key, "http://peer:5005/x", &["peer"], peer());
        assert_eq!(found, ["app->peer:5005/http declared"], "{key}");
        assert!(of(key, "http://peer:5005", &[], peer()).is_empty(), "{key}");
        assert!(of(key, "http://app:80", &["peer"], service("peer", "x/p")).is_empty());
    }
    let page = listening(service("web", "nginx"), 80);
    assert!(
        of("BASE_URL", "http://web", &["web"], page)
            .iter()
            .all(|edge| edge.ends_with("weak"))
    );
}

#[test]
fn a_link_beside_addresses_is_weak_unless_it_leads_to_a_store() {
    let app = with_environment(service("app", "x/app"), &[("PEER_URL", "http://peer:5005")]);
    let app = linked(linked(app, "other"), "cache");
    let services = vec![
        app,
        listening(service("peer", "x/peer"), 5005),
        listening(service("other", "x/other"), 8080),
        service("cache", "redis"),
    ];
    let inferred = infer(&file(services), &Catalog::embedded());
    let weak: Vec<&str> = inferred
        .edges
        .iter()
        .filter(|edge| edge.confidence == Confidence::Weak)
        .map(|edge| edge.to.as_str())
        .collect();
    assert_eq!(weak, ["other"]);
}

#[test]
fn a_web_server_reads_no_settings_in_the_folder_that_it_hands_out() {
    let settings =
        |service: Service| mounting(service, "/var/www/.env", "DB_HOST=db\nDB_PORT=3306\n");
    let services = vec![
        settings(depending(service("site", "nginx:1"), &["app", "db"])),
        settings(depending(service("app", "php:8-fpm"), &["db"])),
        service("db", "mysql:8"),
    ];
    let edges = edges(&file(services));
    assert!(
        edges.contains(&"app->db:3306/mysql declared".to_owned()),
        "{edges:?}"
    );
    assert!(
        !edges.iter().any(|edge| edge.starts_with("site->db")),
        "{edges:?}"
    );
}

#[test]
fn the_address_of_the_web_server_in_front_is_no_peers() {
    let conf = "server {\n listen 80;\n location / { proxy_pass http://app:8000; }\n}\n";
    let front = mounting(service("front", "nginx"), "/etc/nginx/conf.d/a.conf", conf);
    let app = listening(service("app", "x/app"), 8000);
    let app = with_environment(app, &[("ASSET_URL", "http://front/x")]);
    assert_eq!(
        edges(&file(vec![front, app])),
        ["app->front:80/http weak", "front->app:8000/http declared"]
    );
}

#[test]
fn switches_are_no_addresses_and_a_document_that_is_sent_is_for_others() {
    let app = with_environment(service("app", "x/app"), &[("FLAGS", "search:1,peer:2")]);
    let search = service("search", "elasticsearch:8");
    let peer = listening(service("peer", "x/peer"), 8080);
    assert!(edges(&file(vec![app, search, peer.clone()])).is_empty());
    let mut sender = mounting(
        service("sender", "curlimages/curl"),
        "/c/a.json",
        r#"{"config": {"database.hostname": "db", "database.port": "5432"}}"#,
    );
    sender.command = Some(vec![
        "-d".into(),
        "@/c/a.json".into(),
        "http://peer:8080/x".into(),
    ]);
    let db = service("db", "postgres:16");
    assert_eq!(
        edges(&file(vec![sender, peer, db])),
        ["sender->peer:8080/http declared"]
    );
}
