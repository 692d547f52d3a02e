//! What becomes of compose's edges where the Pods lack the variable, or have the address elsewhere.

use crate::address::{FlawKind, LoginReference};
use crate::graph::fixture::{App, edge, login, shown, story};
use crate::graph::{Confidence, Edge, TierGraph};

const DB_HOST: &str = "        - {name: DB_HOST, value: DB}\n";
const AP_DB: &str = "AP->DB:3306/mysql";

/// What is said of the edge's variable, if the client does not have it.
fn absent(graph: &TierGraph) -> Option<&str> {
    let flaw = edge(graph, AP_DB).flaw.as_ref()?;
    assert_eq!(flaw.variable, "DB_HOST");
    (flaw.flaw.kind == FlawKind::Absent).then_some(flaw.flaw.words.as_str())
}

#[test]
fn composes_name_is_not_dialled_for_a_variable_that_no_container_has() {
    let app = || story().compose("    links: [DB]\n", "");
    assert_eq!(absent(&app().graph()), None);
    let gone = app().deploy(DB_HOST, "").graph();
    assert_eq!(
        absent(&gone),
        Some("is set in no container of deployment/ap")
    );
    assert!(edge(&gone, AP_DB).login.is_none());
    let optional = "        - {name: DB_HOST, valueFrom: {configMapKeyRef: {name: conf, key: host, optional: true}}}\n";
    let optional = app().deploy(DB_HOST, optional).graph();
    let words = absent(&optional).unwrap();
    assert!(words.contains("key host of configmap/conf"), "{words}");
    // The image may bring it.
    let image = app()
        .compose(
            "    build: ap\n",
            "    build: {context: ap, dockerfile_inline: \"FROM x\\nENV DB_HOST=DB\\n\"}\n",
        )
        .deploy(DB_HOST, "")
        .graph();
    assert_eq!(absent(&image), None);
}

#[test]
fn what_one_config_map_gives_to_all_is_weak_for_those_that_compose_does_not_give_it_to() {
    let graph = |map: &str| {
        let common = "envFrom: [{configMapRef: {name: common}}]\n        ";
        let env = "env: [{name: AP_URL, value: \"http://AP:2000\"}]";
        story()
            .deploy(env, &format!("{common}{env}"))
            .deploy(
                "        image: registry.example/notes/ap:1\n",
                &format!("        image: registry.example/notes/ap:1\n        envFrom: [{{configMapRef: {{name: {map}}}}}]\n"),
            )
            .add("kind: ConfigMap\nmetadata: {name: common}\ndata: {KVS_URL: 'redis://KVS:6379/0'}\n")
            .graph()
    };
    let confidence = |graph: &TierGraph| edge(graph, "WEB->KVS:6379/redis").confidence;
    assert_eq!(confidence(&graph("common")), Confidence::Weak);
    assert_ne!(confidence(&graph("other")), Confidence::Weak);
    assert_ne!(
        edge(&graph("common"), "AP->KVS:6379/redis").confidence,
        Confidence::Weak
    );
}

#[test]
fn the_users_word_takes_the_place_of_a_variable_that_no_container_has() {
    let graph = |config: &str| {
        let app = story().deploy(DB_HOST, "");
        app.config(&format!("edges: {config}\n")).graph()
    };
    let unknown = graph("{adjust: [{edge: \"AP->DB:3306\", optional: true}]}");
    assert!(absent(&unknown).is_some());
    for said in [
        "{adjust: [{edge: \"AP->DB:3306\", host: mysql}]}",
        "{add: [{from: AP, to: DB, port: 3306, host: mysql}]}",
    ] {
        let graph = graph(said);
        assert_eq!(absent(&graph), None, "{said}");
        assert_eq!(edge(&graph, AP_DB).host, "mysql", "{said}");
        let to_db = graph.edges.iter().filter(|edge| edge.to == "DB");
        assert_eq!(to_db.filter(|edge| edge.from == "AP").count(), 1, "{said}");
    }
    let by_name = graph("{add: [{from: AP, to: DB, port: 3306}]}");
    assert_eq!(absent(&by_name), None);
}

#[test]
fn a_name_in_other_letters_is_another_variable() {
    let small = DB_HOST.replace("DB_HOST", "db_host");
    let graph = story().deploy(DB_HOST, &small).graph();
    let words = absent(&graph).unwrap();
    assert!(words.contains("db_host"), "{words}");
    let renamed = DB_HOST.replace("DB_HOST", "DATABASE_HOST");
    let graph = story().deploy(DB_HOST, &renamed).graph();
    assert_eq!(absent(&graph), None);
}

#[test]
fn a_value_that_no_longer_names_composes_host_does_not_prove_it() {
    let of = |value: &str| {
        let deployed = format!("        - {{name: DB_HOST, value: '{value}'}}\n");
        story().deploy(DB_HOST, &deployed).graph()
    };
    let options = of("-Xmx1g -Dmysql.host=mysql-old -Dmysql.port=3306");
    assert_eq!(edge(&options, AP_DB).host, "mysql-old");
    let document = of("{\"mysql\": {\"host\": \"mysql-old\", \"port\": 3306}}");
    assert_eq!(edge(&document, AP_DB).host, "mysql-old");
    assert!(absent(&of("-Xmx1g -Dprofile=big")).is_some());
    assert_eq!(absent(&of("-Xmx1g -Dx.y=DB")), None);
}

#[test]
fn the_command_and_any_settings_say_where_the_client_goes() {
    let flag = story().deploy(DB_HOST, "").deploy(
        "        image: registry.example/notes/ap:1\n",
        "        image: registry.example/notes/ap:1\n        args: [ap, --mysql-host=mysql-old]\n",
    );
    assert_eq!(edge(&flag.graph(), AP_DB).host, "mysql-old");
    for (name, text) in [
        ("application.properties", "mysql.host=mysql-old"),
        ("app.ini", "[mysql]\\nhost = mysql-old\\nport = 3306"),
        ("app.yml", "mysql:\\n  host: mysql-old\\n"),
        (".env", "MYSQL_HOST=mysql-old"),
        ("app.toml", "[mysql]\\naddr = 'mysql-old:3306'"),
    ] {
        let graph = story()
            .deploy(DB_HOST, "")
            .deploy(
                "        livenessProbe: {httpGet: {path: /alive, port: 2000}}\n",
                "        volumeMounts: [{name: c, mountPath: /config}]\n      volumes: [{name: c, configMap: {name: c}}]\n",
            )
            .add(&format!("kind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{name}: \"{text}\\n\"}}\n"))
            .graph();
        assert_eq!(edge(&graph, AP_DB).host, "mysql-old", "{text}");
    }
}

#[test]
fn another_workload_of_the_client_may_have_another_host_for_the_same_tier() {
    let graph = story()
        .add(
            "kind: Deployment\nmetadata: {name: ap-canary}\nspec: {selector: {matchLabels: {io.kompose.service: ap}}, template: {metadata: {labels: {io.kompose.service: ap}}, spec: {containers: [{name: ap, image: registry.example/notes/ap:1, env: [{name: DB_HOST, value: mysql-old}]}]}}}\n",
        )
        .graph();
    let to_db = graph
        .edges
        .iter()
        .filter(|edge| edge.from == "AP" && edge.to == "DB");
    let hosts: Vec<&str> = to_db.map(|edge| edge.host.as_str()).collect();
    assert!(
        hosts.contains(&"mysql-old") && hosts.len() == 2,
        "{:?}",
        shown(&graph)
    );
    assert!(!graph.edges.iter().any(|edge| edge.to == "mysql-old"));
}

#[test]
fn a_proxys_host_that_leads_nowhere_is_the_edge_that_compose_knows_by_its_order() {
    let graph = |conf: &str| {
        story()
            .compose("    environment: {AP_URL: \"http://AP:2000\"}\n", "")
            .compose("    depends_on: [AP, DB]\n", "    depends_on: [AP]\n")
            .deploy(
                "        env: [{name: AP_URL, value: \"http://AP:2000\"}]\n        ports: [{containerPort: 3000}]\n",
                "        volumeMounts: [{name: c, mountPath: /etc/nginx/conf.d}]\n      volumes: [{name: c, configMap: {name: c}}]\n",
            )
            .add(&format!("kind: ConfigMap\nmetadata: {{name: c}}\ndata: {{default.conf: \"{conf}\"}}\n"))
            .graph()
    };
    let hosts = |graph: &TierGraph| {
        let from_web = graph.edges.iter().filter(|edge| edge.from == "WEB");
        from_web
            .map(|edge| format!("{} {}", edge.to, edge.host))
            .collect::<Vec<String>>()
    };
    let wrong = graph(
        "upstream pool { server backend:2000; } server { location / { proxy_pass http://pool; } }",
    );
    assert_eq!(hosts(&wrong), ["AP backend"]);
    let other = graph("server { server_name backend; location / { root /srv; } }");
    assert!(!hosts(&other).concat().contains("backend"));
}

#[test]
fn a_socket_file_is_no_edge() {
    let of = |value: &str| {
        let deployed = format!("        - {{name: DB_HOST, value: \"{value}\"}}\n");
        story().deploy(DB_HOST, &deployed).graph()
    };
    assert!(of("db").edges.iter().any(|edge| edge.id.0 == AP_DB));
    for value in ["unix:///run/db.sock", "/run/mysqld/mysqld.sock", "none"] {
        let graph = of(value);
        let to_db = |edge: &&Edge| edge.from == "AP" && edge.to == "DB";
        let firm = graph.edges.iter().filter(to_db);
        let firm: Vec<_> = firm
            .filter(|edge| edge.confidence != Confidence::Weak)
            .collect();
        assert!(firm.is_empty(), "{value}: {firm:?}");
    }
}

#[test]
fn the_start_command_decides() {
    let words = |script: &str| {
        story()
            .deploy(
                "        image: registry.example/notes/ap:1\n",
                &format!("        image: registry.example/notes/ap:1\n        args: [sh, -c, \"{script}\"]\n"),
            )
            .graph()
    };
    let other = words("export DB_HOST=mysql-old; exec ap");
    let db = edge(&other, AP_DB);
    assert_eq!(db.host, "mysql-old");
    assert!(!login(db).contains(&"DB_HOST"), "{:?}", db.login);
    assert!(
        db.origin
            .contains(&"DB_HOST in the command of deployment/ap".to_owned().into())
    );
    let hidden = words("export DB_HOST=$(vault read db); exec ap");
    assert!(absent(&hidden).unwrap().contains("start command"));
    let same = words("export DB_HOST=${DB_HOST:-x}; exec ap");
    assert_eq!(edge(&same, AP_DB).host, "DB");
}

#[test]
fn another_name_of_the_variable_is_the_same_edge() {
    let named = |host: &str| {
        story()
            .compose("    links: [DB]\n", "")
            .deploy(
                DB_HOST,
                &format!(
                    "        - {{name: DATABASE_URL, value: \"mysql://{host}:3306/notes\"}}\n"
                ),
            )
            .graph()
    };
    assert_eq!(shown(&named("db")).len(), 4);
    let other = named("mysql-server");
    assert_eq!(shown(&other).len(), 4, "{:?}", shown(&other));
    let db = edge(&other, AP_DB);
    assert_eq!((db.host.as_str(), db.external), ("mysql-server", false));
    assert_eq!(db.compose_said.as_deref(), Some("DB:3306"));
    let secret = story()
        .compose("    links: [DB]\n", "")
        .deploy(
            DB_HOST,
            "        - {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: ap, key: url}}}\n",
        )
        .graph();
    assert_eq!(login(edge(&secret, AP_DB)), ["DATABASE_URL"]);
    assert!(edge(&secret, AP_DB).flaw.is_none());
}

#[test]
fn a_mounted_file_says_where_the_client_goes() {
    let with = |name: &str, text: &str| {
        let graph = story()
            .deploy(DB_HOST, "")
            .deploy(
                "        livenessProbe: {httpGet: {path: /alive, port: 2000}}\n",
                "        volumeMounts: [{name: c, mountPath: /config}]\n      volumes: [{name: c, configMap: {name: c}}]\n",
            )
            .add(&format!(
                "kind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  {name}: '{text}'\n"
            ))
            .graph();
        (edge(&graph, AP_DB).host.clone(), absent(&graph).is_some())
    };
    let jdbc = "spring.datasource.url=jdbc:mysql://mysql-server:3306/notes";
    let found = |host: &str, absent: bool| (host.to_owned(), absent);
    assert_eq!(
        with("application.properties", jdbc),
        found("mysql-server", false)
    );
    let json = r#"{"mysql": {"host": "mysql-master", "port": 3306}}"#;
    assert_eq!(with("config.json", json), found("mysql-master", false));
    // A comment, a document of another product and a file of examples say nothing.
    assert_eq!(
        with("application.properties", &format!("# {jdbc}")),
        found("DB", true)
    );
    assert_eq!(
        with("config.yaml", "cache: redis://elsewhere:6379"),
        found("DB", true)
    );
    assert_eq!(with("readme.md", jdbc), found("DB", true));
}

#[test]
fn localhost_of_the_hosts_network_is_the_other_ones_port() {
    let graph = story()
        .compose(
            "    build: web\n",
            "    build: web\n    network_mode: host\n",
        )
        .compose("    build: ap\n", "    build: ap\n    network_mode: host\n")
        .compose("    ports: [\"2000:2000\"]\n", "")
        .compose("http://AP:2000", "http://localhost:2000")
        .compose("    ports: [\"3000:3000\"]\n", "")
        .deploy("\"http://AP:2000\"", "\"http://localhost:2000\"")
        .graph();
    let hosts: Vec<(&str, &str)> = graph
        .edges
        .iter()
        .filter(|edge| edge.from == "WEB" && edge.to == "AP")
        .map(|edge| {
            (
                edge.host.as_str(),
                edge.variable.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(hosts, [("localhost", "AP_URL")]);
}

#[test]
fn a_port_that_only_the_service_bears_out_is_no_guess_where_the_pods_keep_the_url_in_a_secret() {
    const COMPOSE: &str = "name: a
services:
  api:
    image: api
    environment: {DATABASE_URL: \"postgres://u:p@pool:6432/x\"}
  pool: {image: \"edoburu/pgbouncer\"}
";
    const MANIFESTS: &str = "kind: Deployment
metadata: {name: api, namespace: shop}
spec: {template: {metadata: {labels: {app: api}}, spec: {containers: [{name: api, image: api, env: [{name: DATABASE_URL, valueFrom: {secretKeyRef: {name: s, key: url}}}]}]}}}
---
kind: Deployment
metadata: {name: pool, namespace: shop}
spec: {template: {metadata: {labels: {app: pool}}, spec: {containers: [{name: pool, image: edoburu/pgbouncer}]}}}
---
kind: Service
metadata: {name: pool, namespace: shop}
spec: {clusterIP: 10.96.0.7, selector: {app: pool}, ports: [{port: PORT}]}";
    let confidence = |port: &str| {
        let graph = App::of(COMPOSE, &MANIFESTS.replace("PORT", port)).graph();
        edge(&graph, "api->pool:6432/postgres").confidence
    };
    assert_eq!(confidence("6432"), Confidence::Likely);
    assert_eq!(confidence("5432"), Confidence::Weak);
}

#[test]
fn a_mounted_file_that_names_the_pods_own_port_leads_to_the_tier_beside() {
    let compose = "
services:
  web: {image: \"nginx:1.27\", configs: [{source: conf, target: /etc/nginx/conf.d/default.conf}]}
  ap: {image: \"python:3.12\", expose: [\"2000\"]}
configs:
  conf: {content: \"server { location / { proxy_pass http://ap:2000; } }\"}
";
    let manifests = "kind: ConfigMap
metadata: {name: conf}
data: {default.conf: \"server { location / { proxy_pass http://ADDRESS; } }\"}
---
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - {name: web, image: \"nginx:1.27\", volumeMounts: [{name: conf, mountPath: /etc/nginx/conf.d}]}
      - {name: ap, image: \"python:3.12\"}
      volumes: [{name: conf, configMap: {name: conf}}]";
    let host = |address: &str| {
        let graph = App::of(compose, &manifests.replace("ADDRESS", address)).graph();
        edge(&graph, "web->ap:2000/http").host.clone()
    };
    assert_eq!(host("127.0.0.1:2000"), "localhost");
    assert_eq!(host("localhost:20001"), "ap");
    assert_eq!(host("ap:2000"), "ap");
}

#[test]
fn a_variable_with_several_addresses_leads_each_edge_by_its_own() {
    const COMPOSE: &str = "      DB_HOST: DB\n      DB_USER: notes\n      DB_PASS: not-a-secret\n      DB_NAME: notes\n      KVS_URL: redis://KVS:6379/0\n";
    const PODS: &str = "        - {name: DB_HOST, value: DB}\n        - {name: DB_USER, value: notes}\n        - {name: DB_PASS, value: not-a-secret}\n        - {name: DB_NAME, value: notes}\n        - {name: KVS_URL, value: \"redis://KVS:6379/0\"}\n";
    let document = |db: &str, kvs: &str| {
        format!(
            r#"'{{"database": {{"host": "{db}", "port": 3306, "user": "notes", "password": "x"}}, "redis": {{"url": "redis://{kvs}:6379/0"}}}}'"#
        )
    };
    let of = |db: &str, kvs: &str| {
        let compose = format!("      CONFIG: {}\n", document("DB", "KVS"));
        let pods = format!("        - {{name: CONFIG, value: {}}}\n", document(db, kvs));
        let app = story().compose("    links: [DB]\n", "");
        shown(&app.compose(COMPOSE, &compose).deploy(PODS, &pods).graph())
    };
    for (db, kvs) in [
        ("DB", "KVS"),
        ("db", "kvs"),
        ("db", "cache"),
        ("mysql", "kvs"),
    ] {
        let found = of(db, kvs);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0], format!("AP->DB:3306/mysql {db}"));
        assert_eq!(found[1], format!("AP->KVS:6379/redis {kvs}"));
    }
}

#[test]
fn a_url_whose_port_stands_beside_it_leads_where_the_tier_listens() {
    let graph = story()
        .deploy(
            "value: \"http://AP:2000\"}]",
            "value: \"http://AP\"}, {name: AP_PORT, value: \"2000\"}]",
        )
        .graph();
    let from_web = graph.edges.iter().filter(|edge| edge.from == "WEB");
    let to_ap: Vec<u16> = from_web
        .filter(|edge| edge.to == "AP")
        .map(|edge| edge.port.get())
        .collect();
    assert_eq!(to_ap, [2000]);
}

#[test]
fn without_compose_a_host_alone_leads_to_the_port_that_its_service_offers() {
    let port = |ports: &str| {
        let pod = |name: &str, image: &str, more: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: {name}, image: '{image}', {more}}}]}}}}}}\n---\n"
            )
        };
        let text = [
            pod(
                "api",
                "my/api:1",
                "ports: [{containerPort: 3000}, {containerPort: 9100}]",
            ),
            pod("web", "my/web:1", "env: [{name: API_HOST, value: api}]"),
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: api}}\nspec: {{selector: {{app: api}}, ports: [{ports}]}}\n"
            ),
        ];
        let graph = App::of("", &text.concat()).alone();
        let edges = graph.edges.iter();
        edges.map(|edge| edge.port.get()).collect::<Vec<_>>()
    };
    assert_eq!(port("{port: 80, targetPort: 3000}"), [80]);
    assert_eq!(port("{port: 9100}"), [9100]);
    assert_eq!(port("{port: 3000}, {port: 80}"), [3000]);
    let named = "{name: m, port: 90, targetPort: 9100}, {name: w, port: 80, targetPort: 3000}";
    assert_eq!(port(named), [80]);
}

#[test]
fn a_name_of_one_label_that_no_service_has_is_not_passed_over_in_silence() {
    let graph = |variables: &str| {
        let pod = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: 'my/web:1', env: [{variables}]}}]}}}}}}\n"
        );
        App::of("", &pod).alone()
    };
    let said = |variables: &str| {
        let notes = graph(variables).notes.into_iter();
        let named = notes.filter(|note| note.message.contains("no Service that was read"));
        named.map(|note| note.message).collect::<Vec<_>>()
    };
    for (variables, named) in [
        (
            "{name: API_URL, value: 'http://app:2000'}",
            "web names app:2000 (env API_URL",
        ),
        (
            "{name: AUTH_HOST, value: auth}, {name: AUTH_PORT, value: '9000'}",
            "web names auth:9000 (env AUTH_HOST",
        ),
        (
            "{name: DB_HOST, value: mysql-primary}",
            "web names mysql-primary (env DB_HOST",
        ),
        (
            "{name: API_URL, value: 'http://app.default.svc:2000'}",
            "web names app.default.svc:2000 (env API_URL",
        ),
    ] {
        let said = said(variables);
        assert!(said.len() == 1 && said[0].starts_with(named), "{said:?}");
    }
    let alias = App::of(
        "",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {metadata: {labels: {app: web}}, spec: {hostAliases: [{ip: 10.1.2.3, hostnames: [app]}], containers: [{name: web, image: 'my/web:1', env: [{name: API_URL, value: 'http://app:2000'}]}]}}}\n",
    );
    assert!(
        alias
            .alone()
            .notes
            .iter()
            .all(|note| !note.message.contains("no Service"))
    );
    let flawed = "{name: DB_HOST, value: '$(DB_SERVICE_HOST)'}, {name: DB_PORT, value: '5432'}";
    assert!(said(flawed).is_empty());
    let flaw = graph(flawed).edges[0].flaw.clone().unwrap();
    assert!(flaw.flaw.certain && flaw.flaw.kind == FlawKind::Unresolved);
    assert!(said("{name: API_URL, value: 'http://app.example.com:2000'}").is_empty());
    assert!(said("{name: MODE_HOST, value: production}").is_empty());
}

#[test]
fn a_name_that_no_service_has_leads_to_the_only_one_that_is_called_nearly_so_and_offers_the_port() {
    let edges = |host: &str, services: &[(&str, u16)]| {
        let one = |(name, port): &(&str, u16)| {
            format!(
                "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: {name}, image: 'my/{name}:1'}}]}}}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: {port}}}]}}\n"
            )
        };
        let web = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: 'my/web:1', env: [{{name: CART_ADDR, value: '{host}'}}]}}]}}}}}}\n"
        );
        let others: String = services.iter().map(one).collect();
        let graph = App::of("", &(web + &others)).alone();
        let edges = graph.edges.iter();
        edges
            .map(|edge| format!("{}:{}", edge.to, edge.port))
            .collect::<Vec<_>>()
    };
    let cart = ("cartservice", 7070);
    for host in ["cart-service:7070", "cart:7070", "cart.default.svc:7070"] {
        assert_eq!(edges(host, &[cart]), ["cartservice:7070"], "{host}");
    }
    assert!(edges("cart:7071", &[cart]).is_empty());
    assert!(edges("payment:7070", &[cart]).is_empty());
    assert!(edges("cart:7070", &[cart, ("cart-redis", 7070)]).is_empty());
}

#[test]
fn what_is_suspended_calls_no_one() {
    let graph = |suspend: bool| {
        let job = format!(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: prune}}\nspec: {{schedule: '0 3 * * *', suspend: {suspend}, jobTemplate: {{spec: {{template: {{spec: {{containers: [{{name: prune, image: 'my/prune:1', env: [{{name: REDIS_URL, value: 'redis://old-redis:6379/0'}}]}}]}}}}}}}}}}\n"
        );
        App::of("", &job).alone()
    };
    assert_eq!(graph(false).edges.len(), 1);
    assert!(graph(true).edges.is_empty());
    let beside_compose = |suspend: bool| {
        let compose = "services:\n  prune: {image: 'my/prune:1', environment: {DB_HOST: db}}\n  db: {image: 'mysql:8'}\n";
        let job = format!(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: prune}}\nspec: {{schedule: '0 3 * * *', suspend: {suspend}, jobTemplate: {{spec: {{template: {{spec: {{containers: [{{name: prune, image: 'my/prune:1', env: [{{name: DB_HOST, value: old}}]}}]}}}}}}}}}}\n"
        );
        App::of(compose, &job).graph()
    };
    assert_eq!(beside_compose(false).edges.len(), 1);
    assert!(beside_compose(true).edges.is_empty());
}

#[test]
fn a_host_that_may_stand_in_a_mounted_secret_is_not_looked_for_under_composes_name() {
    let graph = |service: &str, volume: &str| {
        let compose = "services:\n  ap: {image: 'x/ap:1', command: ap --config /etc/ap.conf --database mysql://db:3306/x}\n  db: {image: 'mysql:8'}\n";
        let manifests = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: ap}}\nspec: {{selector: {{matchLabels: {{app: ap}}}}, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{containers: [{{name: ap, image: 'x/ap:1', volumeMounts: [{{name: v, mountPath: /etc/ap}}]}}], volumes: [{{name: v, {volume}}}]}}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: db}}\nspec: {{selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: db, image: 'mysql:8'}}]}}}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {service}}}\nspec: {{selector: {{app: db}}, ports: [{{port: 3306}}]}}\n"
        );
        let graph = App::of(compose, &manifests).graph();
        graph.edges[0].flaw.as_ref().map(|flaw| flaw.flaw.kind)
    };
    let secret = "secret: {secretName: conf}";
    assert_eq!(graph("acme-db", secret), Some(FlawKind::Unread));
    assert_eq!(graph("db", secret), None);
    assert_eq!(graph("acme-db", "emptyDir: {}"), None);
}

#[test]
fn another_variable_in_the_place_of_composes_is_said() {
    let said = |variable: &str, image: &str| {
        let env = format!("        - {{name: {variable}, value: DB}}\n");
        let graph = story()
            .compose("    build: ap\n", image)
            .deploy(DB_HOST, &env)
            .graph();
        let mut notes = graph.notes.iter();
        notes.any(|note| note.message.contains("has no DB_HOST") && note.message.contains(variable))
    };
    let built = "    build: ap\n";
    assert!(said("MYSQL_HOST", built));
    assert!(!said("DB_HOST", built));
    assert!(!said("MYSQL_HOST", "    image: 'vendor/other:1'\n"));
}

#[test]
fn a_file_that_comes_from_a_secret_is_read_by_the_probe_alone() {
    let graph = |volume: &str| {
        let compose = "services:\n  ap:\n    image: 'x/ap:1'\n    configs: [{source: conf, target: /app/settings.json}]\n  db: {image: 'mysql:8'}\nconfigs:\n  conf: {content: '{\"database\": {\"host\": \"db\", \"user\": \"ap\", \"password\": \"hush\"}}'}\n";
        let manifests = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: ap}}\nspec: {{selector: {{matchLabels: {{app: ap}}}}, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{containers: [{{name: ap, image: 'x/ap:1', volumeMounts: [{{name: v, mountPath: /app}}]}}], volumes: [{{name: v, {volume}}}]}}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: db}}\nspec: {{selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: db, image: 'mysql:8'}}]}}}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: acme-db}}\nspec: {{selector: {{app: db}}, ports: [{{port: 3306}}]}}\n"
        );
        let graph = App::of(compose, &manifests).graph();
        let edge = &graph.edges[0];
        let login = edge.login.iter().flat_map(LoginReference::variables);
        let names: Vec<String> = login.map(str::to_owned).collect();
        (edge.is_unread(), edge.flaw.is_some(), names.join(" "))
    };
    let login =
        ["host", "user", "password"].map(|key| format!("/app/settings.json:database.{key}"));
    let of_file = (true, false, login.join(" "));
    assert_eq!(graph("secret: {secretName: conf}"), of_file);
    let item = "secret: {secretName: conf, items: [{key: x, path: settings.json}]}";
    assert_eq!(graph(item), of_file);
    let other = "secret: {secretName: conf, items: [{key: x, path: other.yml}]}";
    assert_eq!(graph(other), (true, true, String::new()));
}

#[test]
fn an_empty_variable_of_a_tier_that_nothing_runs_is_switched_off() {
    let graph = |value: &str| {
        let env = "        - {name: DB_HOST, value: DB}\n";
        story()
            .compose(
                "      DB_HOST: DB\n",
                "      DB_HOST: DB\n      SMTP_HOST: mailhog\n      SMTP_PORT: 1025\n",
            )
            .compose(
                "services:\n",
                "services:\n  mailhog: {image: 'mailhog/mailhog:v1'}\n",
            )
            .deploy(
                env,
                &format!("{env}        - {{name: SMTP_HOST, value: '{value}'}}\n"),
            )
            .graph()
    };
    let mails = |graph: &TierGraph| graph.edges.iter().any(|edge| edge.to == "mailhog");
    assert!(mails(&graph("mailhog")));
    assert!(!mails(&graph("")));
    let empty = story().deploy(DB_HOST, "        - {name: DB_HOST, value: ''}\n");
    assert!(empty.graph().edges.iter().any(|edge| edge.to == "DB"));
    let store = story()
        .compose(
            "      DB_HOST: DB\n",
            "      DB_HOST: DB\n      LOG_DB_URL: mysql://logs/x\n",
        )
        .compose("services:\n", "services:\n  logs: {image: 'mysql:8'}\n")
        .deploy(
            DB_HOST,
            &format!("{DB_HOST}        - {{name: LOG_DB_URL, value: ''}}\n"),
        );
    assert!(store.graph().edges.iter().any(|edge| edge.to == "logs"));
}

#[test]
fn a_variable_that_the_pods_lack_is_no_other_one_that_speaks_something_else_to_the_tier() {
    let compose = "
services:
  ap: {image: x/ap, environment: {BROKER_URL: 'amqp://mq:5672', STATS_URL: 'http://mq:15672'}}
  mq: {image: 'rabbitmq:3-management'}
";
    let flaw = |variable: &str| {
        let manifests = format!(
            "
kind: Deployment
metadata: {{name: ap}}
spec: {{template: {{metadata: {{labels: {{app: ap}}}}, spec: {{containers: [{{name: ap, image: x/ap, env: [{{name: {variable}, value: 'amqp://mq:5672'}}]}}]}}}}}}
---
kind: Deployment
metadata: {{name: mq}}
spec: {{template: {{metadata: {{labels: {{app: mq}}}}, spec: {{containers: [{{name: mq, image: 'rabbitmq:3-management'}}]}}}}}}
---
kind: Service
metadata: {{name: mq}}
spec: {{selector: {{app: mq}}, ports: [{{name: amqp, port: 5672}}, {{name: http, port: 15672}}]}}
"
        );
        let graph = App::of(compose, &manifests).graph();
        let flaws = graph.edges.iter().filter_map(|edge| edge.flaw.as_ref());
        let flaws: Vec<String> = flaws.map(|flaw| flaw.variable.clone()).collect();
        (shown(&graph), flaws)
    };
    let edges = ["ap->mq:15672/http mq", "ap->mq:5672/amqp mq"];
    for variable in ["BROKER_URL", "AMQP_URL"] {
        let (found, flaws) = flaw(variable);
        assert_eq!(found, edges, "{variable}");
        assert_eq!(flaws, ["STATS_URL"], "{variable}");
    }
}
