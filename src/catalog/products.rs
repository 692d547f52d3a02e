//! What products are called, serve, dial and are known by, from `checks/products.yaml`, indexed once. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::ops::Range;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::protocol::Protocol;

use super::words::List;

const TEXT: &str = include_str!("../../checks/products.yaml");

/// The file as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    known: Vec<Image>,
    dials: Vec<ImageDials>,
    mariadb_client: Vec<String>,
    not_servers: Vec<String>,
    ports: BTreeMap<u16, Protocol>,
    programs: Vec<Program>,
    unmistakable: List,
    clients: List,
    client_starts: List,
    tools: BTreeMap<Protocol, List>,
    server_variables: Vec<ServerVariable>,
    drivers: BTreeMap<Protocol, List>,
    strict: BTreeMap<String, String>,
    web_servers: List,
    sinks: List,
    pages: List,
    telemetry: Telemetry,
    keys: BTreeMap<String, Key>,
    own_keys: List,
    schemes: Vec<SchemeRow>,
    called: BTreeMap<Protocol, List>,
    same: Vec<List>,
}

/// The table of products, by each of the names under which one is looked up.
#[derive(Debug, PartialEq, Eq)]
pub struct Products {
    table: Table,
    programs: BTreeMap<String, ImagePort>,
    tools: BTreeMap<&'static str, Protocol>,
    drivers: BTreeMap<&'static str, Protocol>,
    schemes: BTreeMap<String, Scheme>,
    called: BTreeMap<&'static str, Protocol>,
}

/// Programs that serve.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    names: Vec<String>,
    port: NonZeroU16,
    protocol: Protocol,
}

/// A variable that only a server's own image reads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerVariable {
    /// Its name.
    pub name: String,
    /// What the server speaks.
    pub protocol: Protocol,
}

/// Where telemetry goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Telemetry {
    ports: Vec<u16>,
    variables: List,
}

/// What an application's own key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Protocol.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// Port where none is written.
    #[serde(default)]
    pub port: Option<NonZeroU16>,
}

/// URL schemes that say the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct SchemeRow {
    names: Vec<String>,
    #[serde(flatten)]
    says: Scheme,
}

/// What a URL's scheme says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Scheme {
    /// The protocol; `None`: a connection, about whose protocol the scheme says nothing.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// The port where none is written.
    #[serde(default)]
    pub port: Option<u16>,
    /// Whether it means TLS for a protocol that has it as an option.
    #[serde(default)]
    pub secured: bool,
}

/// One well-known image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    names: Vec<String>,
    /// The end of the image's path, where the name alone is too common.
    #[serde(default)]
    path: Option<String>,
    /// What it serves; the first is what clients dial.
    pub serves: Vec<ImagePort>,
    /// Where its members call each other, if not on the first port.
    #[serde(default)]
    peer: Option<NonZeroU16>,
}

/// A port that an image serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePort {
    /// Port.
    pub port: NonZeroU16,
    /// Protocol.
    pub protocol: Protocol,
}

/// What an image dials by default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageDials {
    names: Vec<String>,
    dials: Vec<ImageDial>,
}

/// A connection that an image opens where nothing else is configured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageDial {
    /// Host.
    pub host: String,
    /// Port; without one, where the tier of that name serves.
    #[serde(default)]
    pub port: Option<NonZeroU16>,
    /// Variables any of which changes that.
    #[serde(default)]
    pub unless: Vec<String>,
}

/// php-fpm stands in the tag of many images.
const FASTCGI: ImagePort = ImagePort {
    port: NonZeroU16::new(9000).expect("9000 is not zero"),
    protocol: Protocol::Fastcgi,
};

fn by_name(all: &BTreeMap<Protocol, List>) -> BTreeMap<&'static str, Protocol> {
    let names = all.iter();
    names
        .flat_map(|(protocol, list)| list.words().iter().map(|name| (*name, *protocol)))
        .collect()
}

impl From<Table> for Products {
    fn from(table: Table) -> Self {
        let programs = table.programs.iter().flat_map(|row| {
            let port = ImagePort {
                port: row.port,
                protocol: row.protocol,
            };
            row.names.iter().map(move |name| (name.clone(), port))
        });
        let schemes = table.schemes.iter();
        let schemes = schemes.flat_map(|row| row.names.iter().map(|name| (name.clone(), row.says)));
        Self {
            programs: programs.collect(),
            tools: by_name(&table.tools),
            drivers: by_name(&table.drivers),
            schemes: schemes.collect(),
            called: by_name(&table.called),
            table,
        }
    }
}

impl Products {
    /// The embedded table, read once.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read the embedded file.
    pub fn shared() -> &'static Self {
        static TABLE: LazyLock<Products> = LazyLock::new(|| match super::table::<Table>(TEXT) {
            Ok(table) => table.into(),
            Err(error) => panic!("checks/products.yaml does not read: {error}"),
        });
        &TABLE
    }

    /// What a program serves, by its base name.
    pub fn program(&self, name: &str) -> Option<ImagePort> {
        self.programs.get(name).copied()
    }

    /// Whether a word in a client's command can only be a server's program.
    pub fn is_plainly_a_server(&self, name: &str) -> bool {
        name.ends_with("-server") || self.table.unmistakable.contains(&name)
    }

    /// Whether a program only calls others.
    pub fn is_client(&self, program: &str) -> bool {
        let mut starts = self.table.client_starts.iter();
        self.table.clients.contains(&program) || starts.any(|start| program.starts_with(start))
    }

    /// The protocol of the server whose own tool a program is.
    pub fn tool(&self, name: &str) -> Option<Protocol> {
        self.tools.get(name).copied()
    }

    /// Variables that only a server's own image reads, in the order in which they count.
    pub fn server_variables(&self) -> &[ServerVariable] {
        &self.table.server_variables
    }

    /// What a library connects to, by its name in lower case.
    pub fn driver(&self, library: &str) -> Option<Protocol> {
        self.drivers.get(library).copied()
    }

    /// The library in a program's text that fails at a password which the server does not ask for.
    pub fn strict_library(&self, text: &str) -> Option<&str> {
        let mut all = self.table.strict.iter();
        all.find(|(word, _)| text.contains(word.as_str()))
            .map(|(_, library)| library.as_str())
    }

    /// Whether the last element of an image's path is a web server's as it is.
    pub fn is_web_server(&self, name: &str) -> bool {
        self.table.web_servers.contains(&name)
    }

    /// Whether a product takes what others send and calls no application.
    pub fn only_answers(&self, product: &str) -> bool {
        self.table.sinks.contains(&product)
    }

    /// Whether only people call a product.
    pub fn is_page(&self, product: &str) -> bool {
        self.table.pages.contains(&product)
    }

    /// Whether telemetry goes to a port, or by a variable.
    pub fn is_telemetry(&self, port: u16, variable: Option<&str>) -> bool {
        let telemetry = &self.table.telemetry;
        let named = |name: &str| {
            telemetry
                .variables
                .iter()
                .any(|start| name.starts_with(start))
        };
        telemetry.ports.contains(&port) || variable.is_some_and(named)
    }

    /// What an application's own key says, in the form `DISCOVERY_SEED_HOSTS`.
    pub fn key(&self, canonical: &str) -> Option<Key> {
        self.table.keys.get(canonical).copied()
    }

    /// Whether a key, whole, names the application's own address.
    pub fn is_own_key(&self, canonical: &str) -> bool {
        self.table.own_keys.contains(&canonical)
    }

    /// What a scheme says, if it is known.
    pub fn scheme(&self, name: &str) -> Option<Scheme> {
        self.schemes.get(name).copied()
    }

    /// The protocol that a product's name stands for, in lower case.
    pub fn called(&self, name: &str) -> Option<Protocol> {
        self.called.get(name).copied()
    }

    /// Names under which one product goes.
    pub fn same(&self) -> &[List] {
        &self.table.same
    }

    /// What the image serves; empty if it is not known. The first is what clients dial.
    pub fn serves(&self, image: &str) -> Vec<ImagePort> {
        let (path, tag) = path_and_tag(image);
        if tag
            .split(['-', '_', '.'])
            .any(|word| word == "fpm" || word == "phpfpm")
        {
            return vec![FASTCGI];
        }
        self.find(&path)
            .map_or_else(Vec::new, |image| image.serves.clone())
    }

    /// The product that the image serves, by its first name in the table.
    pub fn product(&self, image: &str) -> Option<&str> {
        self.find(&path_and_tag(image).0)?
            .names
            .first()
            .map(String::as_str)
    }

    /// Whether the image's name holds nothing but that of its product.
    pub fn is_called(&self, image: &str) -> bool {
        let (path, _) = path_and_tag(image);
        let words = words(&path);
        self.find(&path).is_some_and(|image| {
            let mut names = image.names.iter();
            names.any(|name| self.place(&words, name) == Some(0..words.len()))
        })
    }

    /// Whether the image's name ends with that of its product: `acme-mysql`.
    pub fn ends_with_product(&self, image: &str) -> bool {
        let (path, _) = path_and_tag(image);
        let words = words(&path);
        self.find(&path).is_some_and(|image| {
            let places = image.names.iter();
            let mut places = places.filter_map(|name| self.place(&words, name));
            places.any(|place| place.end == words.len())
        })
    }

    /// Where the members of a cluster of this image call each other, if not where clients do.
    pub fn peer(&self, image: &str) -> Option<NonZeroU16> {
        self.find(&path_and_tag(image).0)?.peer
    }

    /// What the image dials by default, where a tier of that name exists.
    pub fn dials(&self, image: &str) -> Vec<ImageDial> {
        let (path, _) = path_and_tag(image);
        let name = path.rsplit('/').next().unwrap_or(&path);
        self.table
            .dials
            .iter()
            .filter(|entry| {
                entry.names.iter().any(|wanted| {
                    *wanted == name || *wanted == path || path.ends_with(&format!("/{wanted}"))
                })
            })
            .flat_map(|entry| entry.dials.clone())
            .collect()
    }

    /// What a port number usually means.
    pub fn port_protocol(&self, port: u16) -> Option<Protocol> {
        self.table.ports.get(&port).copied()
    }

    /// Whether the image brings `mariadb` as its client, and not `mysql`.
    pub fn has_mariadb_client(&self, image: &str) -> bool {
        let (path, _) = path_and_tag(image);
        let words = words(&path);
        let mut names = self.table.mariadb_client.iter();
        names.any(|wanted| self.place(&words, wanted).is_some())
    }

    fn find(&self, path: &str) -> Option<&Image> {
        let words = words(path);
        let mut fitting = self.table.known.iter().filter_map(|image| {
            let at_path = image
                .path
                .as_deref()
                .is_none_or(|end| path == end || path.ends_with(&format!("/{end}")));
            let names = image.names.iter().filter(|_| at_path);
            let places = names.filter_map(|name| self.place(&words, name));
            Some((image, places.max_by_key(Range::len)?))
        });
        let (image, place) = fitting.next()?;
        // A coordinator comes along with what it coordinates.
        let store = |image: &Image| {
            let first = image.serves.first().map(|port| port.protocol);
            first.filter(|protocol| protocol.is_store() && *protocol != Protocol::Zookeeper)
        };
        // What is called after two stores works with both, and is neither.
        let own = store(image);
        let another = own.is_some()
            && fitting.any(|(other, at)| {
                let apart = at.end <= place.start || place.end <= at.start;
                apart && store(other).is_some_and(|protocol| Some(protocol) != own)
            });
        (!another).then_some(image)
    }

    /// Where the words of an image's name hold those of `wanted` side by side, and none that makes it something else.
    fn place(&self, words: &[&str], wanted: &str) -> Option<Range<usize>> {
        let wanted: Vec<&str> = wanted.split(['-', '_', '.']).collect();
        let at = words.windows(wanted.len()).position(|window| {
            window
                .iter()
                .zip(&wanted)
                .all(|(word, wanted)| same_word(word, wanted))
        })?;
        let end = at + wanted.len();
        let mut others = words[..at].iter().chain(&words[end..]);
        let server = others.all(|word| !self.table.not_servers.iter().any(|other| other == word));
        server.then_some(at..end)
    }
}

/// The words of an image's name, the last element of its path.
fn words(path: &str) -> Vec<&str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(['-', '_', '.'])
        .filter(|word| !word.is_empty())
        .collect()
}

/// `postgres16` is `postgres`.
fn same_word(word: &str, wanted: &str) -> bool {
    word.strip_prefix(wanted)
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The path of an image and its tag, in lower case: `ghcr.io/a/B:7-x@sha256:…` → (`ghcr.io/a/b`, `7-x`).
fn path_and_tag(image: &str) -> (String, String) {
    let image = image.trim().to_ascii_lowercase();
    let image = image.split('@').next().unwrap_or_default();
    match image.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path.to_owned(), tag.to_owned()),
        _ => (image.to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(image: &str) -> Option<(u16, Protocol)> {
        let found = Products::shared().serves(image);
        found.first().map(|one| (one.port.get(), one.protocol))
    }

    #[test]
    fn the_client_of_mariadb_comes_with_its_own_images_only() {
        let has = |image| Products::shared().has_mariadb_client(image);
        assert!(has("mariadb:11") && has("ghcr.io/a/mariadb-galera:10.11@sha256:00"));
        for other in ["mysql:8", "registry/mariadb/mysql:8", "mariadb-exporter:1"] {
            assert!(!has(other), "{other}");
        }
    }

    #[test]
    fn images_are_known_by_the_words_of_their_name() {
        for (image, port, protocol) in [
            ("mariadb:11", 3306, Protocol::Mysql),
            (
                "docker.io/library/postgres:16@sha256:00",
                5432,
                Protocol::Postgres,
            ),
            ("ghcr.io/valkey-io/valkey:9", 6379, Protocol::Redis),
            ("redislabs/redismod", 6379, Protocol::Redis),
            ("x/rs-mysql-db:2", 3306, Protocol::Mysql),
            ("confluentinc/cp-kafka:7", 9092, Protocol::Kafka),
            ("confluentinc/cp-schema-registry:7", 8081, Protocol::Http),
            ("nextcloud:fpm-alpine", 9000, Protocol::Fastcgi),
            ("registry.local:5000/team/mongo", 27017, Protocol::Mongodb),
            ("rabbitmq:3-management", 5672, Protocol::Amqp),
            ("mongo-express", 8081, Protocol::Http),
        ] {
            assert_eq!(first(image), Some((port, protocol)), "{image}");
        }
    }

    #[test]
    fn names_that_only_mention_a_product_are_none() {
        for image in [
            "myapp:1",
            "sample-KVS:1.0",
            "acme/postgres-backup:2",
            "acme/redis-cli",
            "acme/mysql-operator",
            "acme/kafka-producer:2",
            "acme/mqtt-rabbitmq-consumer",
        ] {
            assert_eq!(first(image), None, "{image}");
        }
    }

    #[test]
    fn a_product_is_distinguished_from_what_is_called_after_it() {
        let called = |image| Products::shared().is_called(image);
        for image in [
            "postgres:16",
            "bitnami/postgresql",
            "x/redis-stack-server:7",
        ] {
            assert!(called(image), "{image}");
        }
        for image in ["acme/mongo-api:1", "couchdb-to-postgresql", "myapp"] {
            assert!(!called(image), "{image}");
        }
    }

    #[test]
    fn an_image_that_is_called_after_two_stores_is_neither() {
        let products = Products::shared();
        let rows = products.table.known.iter().filter(|row| row.path.is_none());
        let stores: Vec<(&str, Protocol)> = rows
            .filter_map(|row| {
                let first = row.serves.first()?.protocol;
                let coordinates = first == Protocol::Zookeeper;
                Some((row.names.first()?.as_str(), first))
                    .filter(|_| first.is_store() && !coordinates)
            })
            .collect();
        for (one, spoken) in &stores {
            for (other, _) in stores.iter().filter(|(_, other)| other != spoken) {
                for image in [
                    format!("shop-{one}-{other}:2"),
                    format!("registry:5000/x/{other}-{one}-demo"),
                ] {
                    assert_eq!(products.product(&image), None, "{image}");
                    assert_eq!(first(&image), None, "{image}");
                }
            }
        }
        assert!(first("acme/zookeeper-kafka:3").is_some());
    }

    #[test]
    fn every_row_can_be_found() {
        let products = Products::shared();
        for image in &products.table.known {
            let names = image.names.iter().filter(|_| image.path.is_none());
            for name in names.chain(&image.path) {
                let first = image.names.first().map(String::as_str);
                assert_eq!(
                    products.product(name),
                    first,
                    "{name} stands in an earlier row"
                );
            }
        }
        for row in &products.table.programs {
            assert!(
                row.names
                    .iter()
                    .all(|name| products.program(name).is_some())
            );
        }
        let count = |lists: &BTreeMap<Protocol, List>| -> usize {
            lists.values().map(|list| list.len()).sum()
        };
        // A name that stands twice would count for one of two.
        assert_eq!(count(&products.table.drivers), products.drivers.len());
        assert_eq!(count(&products.table.called), products.called.len());
        assert_eq!(count(&products.table.tools), products.tools.len());
        assert!(!super::super::words::words().host_tails.is_empty());
    }

    #[test]
    fn ports() {
        let products = Products::shared();
        assert_eq!(products.port_protocol(3306), Some(Protocol::Mysql));
        assert_eq!(products.port_protocol(1), None);
    }
}
