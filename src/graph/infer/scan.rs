//! One client's own configuration (environment, command, files) → what it dials. Pure; used for compose services and for Pods.

use std::collections::BTreeMap;

use crate::address::{self, Role, Shape};
use crate::catalog::Catalog;
use crate::protocol::Protocol;

use super::super::Confidence;
use super::files;
use super::found::{Hit, Place, RawEdge, RawTarget, Source};
use super::names::NameTable;
use super::words;

/// Everything that a client's configuration dials, in the order environment, command, files, image; repetitions included.
pub fn scan(source: &Source, names: &NameTable, catalog: &Catalog) -> Vec<RawEdge> {
    let mut edges = written(source, names);
    edges.extend(by_image(source, names, catalog));
    edges
}

/// What stands in the configuration itself, without what its image dials by default.
pub(in crate::graph) fn written(source: &Source, names: &NameTable) -> Vec<RawEdge> {
    let mut edges = Vec::new();
    let (documents, environment) = documents(&source.environment);
    for family in address::families_beside(&environment, &source.secret_variables) {
        let name = family.host_variable.clone();
        edges.extend(of_family(family, (&name, &name), names));
    }
    for (name, document) in documents {
        for mut family in address::families(&document) {
            // Its parts are no variables: no one can look a login up by their names.
            family.login = None;
            let key = format!("{name}.{}", family.host_variable);
            edges.extend(of_family(family, (name, &key), names));
        }
    }
    for (name, value) in &environment {
        // A page that a server renders calls the tier that its address names; from a browser no one can.
        if address::is_for_browsers(name) {
            let urls = address::targets("", value).into_iter();
            let weak = urls
                .filter(|target| target.shape == Shape::Url)
                .map(|target| Hit::new(name, target, Confidence::Weak));
            let found = weak.filter_map(|hit| raw(hit, Place::Variable(name.clone()), names));
            edges.extend(found.filter(|edge| matches!(edge.target, RawTarget::Tier(_))));
        }
        // `JAVA_OPTS=-Dredis.host=redis -Dredis.port=6379`.
        if (value.starts_with('-') || value.contains(" -D") || value.contains(" --"))
            && address::role(name) != Role::Never
        {
            for hit in words::scan(std::slice::from_ref(value), names) {
                let edge = raw(hit, Place::Variable(name.clone()), names);
                edges.extend(edge.filter(|edge| matches!(edge.target, RawTarget::Tier(_))));
            }
        }
    }
    let command: Vec<String> = source
        .words
        .iter()
        .map(|word| files::substitute(word, source, names).text)
        .collect();
    for hit in words::scan(&command, names) {
        edges.extend(raw(hit, Place::Words, names));
    }
    for (path, text) in &source.files {
        let hits = files::scan(path, text, source, names);
        let logins = match hits.as_slice() {
            [] => Vec::new(),
            _ => files::logins(path, text, source, names),
        };
        for hit in hits {
            let beside = logins.iter().find(|(target, _)| {
                let ports = (target.port, hit.target.port);
                address::is_same_host(&target.host, &hit.target.host)
                    && (ports.0 == ports.1 || ports.0.is_none() || ports.1.is_none())
            });
            let login = beside.map(|(_, login)| login.clone());
            let edge = raw(hit, Place::File(path.clone()), names);
            edges.extend(edge.map(|edge| RawEdge { login, ..edge }));
        }
    }
    edges
}

/// What configuration files name that no name leads to: a store's URL, or a host beside its port. A variable that ends like the key may
/// stand for it.
pub(in crate::graph) fn strangers(source: &Source, names: &NameTable) -> Vec<RawEdge> {
    let all = NameTable::of_all();
    let variables = source.environment.keys().chain(&source.secret_variables);
    let variables: Vec<Vec<String>> = variables.map(|name| address::words(name)).collect();
    let is_stranger = |hit: &Hit| {
        let target = &hit.target;
        let is_address = match target.shape {
            Shape::Url => target.protocol.is_some_and(Protocol::is_store),
            Shape::Host => target.port.is_some() && files::is_host_key(&hit.key),
            Shape::HostPort => false,
        };
        let host = target.host.as_str();
        let key = address::words(&hit.key);
        is_address
            && !host.contains(['.', ':'])
            && names.resolve(host).is_none()
            && !address::is_local(host)
            && !variables.iter().any(|words| words.ends_with(&key))
    };
    let files = source
        .files
        .iter()
        .filter(|(path, _)| files::is_settings(path, source));
    let found = files.flat_map(|(path, text)| {
        let hits = files::scan(path, text, source, &all).into_iter();
        let strangers = hits.filter(&is_stranger);
        strangers.filter_map(move |hit| raw(hit, Place::File(path.clone()), names))
    });
    found.collect()
}

/// Variables with the documents that they hold.
type Documents<'a> = Vec<(&'a String, BTreeMap<String, String>)>;

/// The variables that hold a JSON document, unless their name says that it is nothing to dial; and the others.
fn documents(environment: &BTreeMap<String, String>) -> (Documents<'_>, BTreeMap<String, String>) {
    let mut documents = Vec::new();
    let mut others = environment.clone();
    for (name, value) in environment {
        if let Some(document) = address::document(value) {
            others.remove(name);
            if address::role(name) != Role::Never {
                documents.push((name, document));
            }
        }
    }
    (documents, others)
}

/// What belongs together in an environment, or in a document of it, by the variable and the key under which it stands.
fn of_family(
    family: address::Family,
    (variable, key): (&String, &str),
    names: &NameTable,
) -> Option<RawEdge> {
    let hit = Hit::new(key, family.target, Confidence::Declared);
    let edge = raw(hit, Place::Variable(variable.clone()), names)?;
    // A bare unknown word is worth a word only if a port stands beside it.
    let worth = edge.target != RawTarget::Unknown || edge.port.is_some();
    worth.then_some(RawEdge {
        further_ports: family.further_ports,
        login: family.login,
        ..edge
    })
}

/// What the image dials where no variable says otherwise.
fn by_image(source: &Source, names: &NameTable, catalog: &Catalog) -> Vec<RawEdge> {
    let Some(image) = &source.image else {
        return Vec::new();
    };
    let set = |name: &str| {
        source.environment.contains_key(name) || source.secret_variables.contains(name)
    };
    catalog
        .products
        .dials(image)
        .iter()
        .filter(|dial| !dial.unless.iter().any(|name| set(name)))
        .filter_map(|dial| {
            let tier = names.resolve(&dial.host)?;
            Some(RawEdge {
                port: dial.port,
                ..RawEdge::of_tier(tier, &dial.host, Place::Image, "")
            })
        })
        .collect()
}

pub(super) fn raw(hit: Hit, place: Place, names: &NameTable) -> Option<RawEdge> {
    let Hit {
        key,
        mut target,
        confidence,
    } = hit;
    // `urls__grpcBasket=http://basket:81`: the scheme is that of the library's addresses.
    let web = matches!(target.protocol, None | Some(Protocol::Http));
    if web && address::words(&key).iter().any(|word| word == "grpc") {
        target.protocol = Some(Protocol::Grpc);
    }
    let lead = match names.resolve(&target.host) {
        Some(tier) => RawTarget::Tier(tier.to_owned()),
        None if names.is_pinned(&target.host) || address::is_docker_host(&target.host) => {
            return None;
        }
        None if target.host.contains(['.', ':']) => RawTarget::Outside,
        None => RawTarget::Unknown,
    };
    Some(RawEdge {
        target: lead,
        host: target.host,
        port: target.port,
        further_ports: Vec::new(),
        protocol: target.protocol,
        by_scheme: target.by_scheme,
        place,
        key,
        confidence: if target.shape == Shape::Host {
            confidence.min(Confidence::Declared)
        } else {
            confidence
        },
        login: None,
        tls: target.tls,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn names() -> NameTable {
        let mut names = NameTable::default();
        for name in ["DB", "kvs", "elasticsearch"] {
            names.insert(name, name);
        }
        names
    }

    fn source(pairs: &[(&str, &str)]) -> Source {
        Source {
            environment: pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Source::default()
        }
    }

    #[test]
    fn tiers_outside_hosts_and_unknown_names_are_distinguished() {
        let source = source(&[
            ("DB_HOST", "db"),
            ("KVS_URL", "redis://kvs:6379/0"),
            ("MAIL_URL", "smtp://mail.example.com:587"),
            ("JAEGER_HOST", "jaeger"),
            ("JAEGER_PORT", "16686"),
            ("LOG_SERVER", "quiet"),
        ]);
        let found = scan(&source, &names(), &Catalog::embedded());
        let leads: Vec<(&str, &RawTarget)> = found
            .iter()
            .map(|edge| (edge.host.as_str(), &edge.target))
            .collect();
        assert_eq!(
            leads,
            [
                ("db", &RawTarget::Tier("DB".into())),
                ("jaeger", &RawTarget::Unknown),
                ("kvs", &RawTarget::Tier("kvs".into())),
                ("mail.example.com", &RawTarget::Outside),
            ]
        );
    }

    #[test]
    fn what_settings_name_and_no_one_has_is_a_stranger() {
        let named = |path: &str, text: &str, variables: &[(&str, &str)]| {
            let mut source = source(variables);
            source.files.push((path.to_owned(), text.to_owned()));
            let found = strangers(&source, &names()).into_iter();
            let hosts = found.map(|edge| {
                let port = edge.port.map_or(0, NonZeroU16::get);
                format!("{}:{port}", edge.host)
            });
            hosts.collect::<Vec<_>>().join(" ")
        };
        let url = "spring:\n  datasource:\n    url: jdbc:mysql://mysql-db:3306/shop\n";
        let toml = "[server]\nlisten = \"0.0.0.0:80\"\n[database]\nhost = \"mysql-master\"\nport = 3306\nname = \"shop\"\n";
        assert_eq!(named("/etc/app.toml", toml, &[]), "mysql-master:3306");
        assert_eq!(named("/etc/app.toml", toml, &[("DB_HOST", "db")]), "");
        assert_eq!(
            named("/config/application-dev.yaml", url, &[]),
            "",
            "it may not be active"
        );
        assert_eq!(named("/etc/app.py", toml, &[]), "");
        let dotenv = "DB_HOST=base\nDB_PORT=3306\nMODE=prod\nCACHE=redis\n";
        assert_eq!(named("/app/.env", dotenv, &[]), "base:3306");
        assert_eq!(named("/config/application.yaml", url, &[]), "mysql-db:3306");
        assert_eq!(
            named(
                "/config/application-dev.yaml",
                url,
                &[("SPRING_PROFILES_ACTIVE", "prod")]
            ),
            ""
        );
        let overridden = [("SPRING_DATASOURCE_URL", "jdbc:mysql://db:3306/shop")];
        assert_eq!(named("/config/application.yaml", url, &overridden), "");
        for plain in [
            "host: db\nport: 3306\n",
            "host: localhost\nport: 3306\n",
            "url: jdbc:mysql://shop.rds.example.com:3306/x\n",
            "# host: old\nimage: app:12\nlevel: info\n",
        ] {
            assert_eq!(named("/etc/app.yaml", plain, &[]), "", "{plain}");
        }
    }

    #[test]
    fn a_key_that_says_grpc_means_it_whatever_the_scheme() {
        let source = source(&[
            ("urls__grpcDb", "http://db:81"),
            ("API_URL", "http://db:80"),
        ]);
        let found = scan(&source, &names(), &Catalog::embedded());
        let protocols: Vec<(Option<u16>, Option<Protocol>)> = found
            .iter()
            .map(|edge| (edge.port.map(NonZeroU16::get), edge.protocol))
            .collect();
        assert_eq!(
            protocols,
            [
                (Some(80), Some(Protocol::Http)),
                (Some(81), Some(Protocol::Grpc))
            ]
        );
    }

    #[test]
    fn a_secret_password_pairs_and_an_image_has_its_own_default() {
        let mut with_secret = source(&[("DB_HOST", "DB"), ("DB_USER", "u")]);
        with_secret.secret_variables.insert("DB_PASSWORD".into());
        let found = scan(&with_secret, &names(), &Catalog::embedded());
        assert!(
            found[0]
                .login
                .as_ref()
                .unwrap()
                .variables()
                .contains(&"DB_PASSWORD")
        );
        let mut kibana = source(&[]);
        kibana.image = Some("kibana:8".into());
        assert_eq!(
            scan(&kibana, &names(), &Catalog::embedded())[0]
                .port
                .map(NonZeroU16::get),
            Some(9200)
        );
        kibana
            .environment
            .insert("ELASTICSEARCH_HOSTS".into(), "http://other:9200".into());
        assert!(
            scan(&kibana, &names(), &Catalog::embedded())
                .iter()
                .all(|edge| edge.host != "elasticsearch")
        );
    }
}
