//! What well-known images and ports serve, from `checks/images.yaml`. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use crate::protocol::Protocol;

const TEXT: &str = include_str!("../../checks/images.yaml");

/// The table of images and ports.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    known: Vec<Image>,
    dials: Vec<ImageDials>,
    mariadb_client: Vec<String>,
    not_servers: Vec<String>,
    ports: BTreeMap<u16, Protocol>,
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
    /// A health path on the first port.
    #[serde(default)]
    pub health: Option<String>,
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

impl Images {
    /// The embedded table, read once.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read the embedded file.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static TABLE: LazyLock<Arc<Images>> =
            LazyLock::new(|| match serde_saphyr::from_str(TEXT) {
                Ok(table) => Arc::new(table),
                Err(error) => panic!("checks/images.yaml does not read: {error}"),
            });
        Arc::clone(&TABLE)
    }

    /// What the image serves; empty if it is not known. The first is what clients dial.
    #[must_use]
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

    /// The health path that the image is known to have on its first port.
    #[must_use]
    pub fn health(&self, image: &str) -> Option<&str> {
        self.find(&path_and_tag(image).0)?.health.as_deref()
    }

    /// The product that the image serves, by its first name in the table.
    #[must_use]
    pub fn product(&self, image: &str) -> Option<&str> {
        self.find(&path_and_tag(image).0)?
            .names
            .first()
            .map(String::as_str)
    }

    /// Where the members of a cluster of this image call each other, if not where clients do.
    #[must_use]
    pub fn peer(&self, image: &str) -> Option<NonZeroU16> {
        self.find(&path_and_tag(image).0)?.peer
    }

    /// What the image dials by default, where a tier of that name exists.
    #[must_use]
    pub fn dials(&self, image: &str) -> Vec<ImageDial> {
        let (path, _) = path_and_tag(image);
        let name = path.rsplit('/').next().unwrap_or(&path);
        self.dials
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
    #[must_use]
    pub fn port_protocol(&self, port: u16) -> Option<Protocol> {
        self.ports.get(&port).copied()
    }

    /// Whether the image brings `mariadb` as its client, and not `mysql`.
    #[must_use]
    pub fn has_mariadb_client(&self, image: &str) -> bool {
        let (path, _) = path_and_tag(image);
        let words = words(&path);
        let mut names = self.mariadb_client.iter();
        names.any(|wanted| self.matches(&words, wanted))
    }

    fn find(&self, path: &str) -> Option<&Image> {
        let words = words(path);
        self.known.iter().find(|image| {
            let at_path = image
                .path
                .as_deref()
                .is_none_or(|end| path == end || path.ends_with(&format!("/{end}")));
            at_path
                && image
                    .names
                    .iter()
                    .any(|wanted| self.matches(&words, wanted))
        })
    }

    /// Whether the words of an image's name hold those of `wanted` side by side, and none that makes it something else.
    fn matches(&self, words: &[&str], wanted: &str) -> bool {
        let wanted: Vec<&str> = wanted.split(['-', '_']).collect();
        let Some(at) = words.windows(wanted.len()).position(|window| {
            window
                .iter()
                .zip(&wanted)
                .all(|(word, wanted)| same_word(word, wanted))
        }) else {
            return false;
        };
        let others = words[..at].iter().chain(&words[at + wanted.len()..]);
        others
            .into_iter()
            .all(|word| !self.not_servers.iter().any(|other| other == word))
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
        let found = Images::shared().serves(image);
        found.first().map(|one| (one.port.get(), one.protocol))
    }

    #[test]
    fn the_client_of_mariadb_comes_with_its_own_images_only() {
        let has = |image| Images::shared().has_mariadb_client(image);
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
        ] {
            assert_eq!(first(image), None, "{image}");
        }
    }

    #[test]
    fn ports() {
        let images = Images::shared();
        assert_eq!(images.port_protocol(3306), Some(Protocol::Mysql));
        assert_eq!(images.port_protocol(1), None);
    }
}
