//! Where an edge is known from. Pure.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Where an edge is known from: what kind of place, and the place as a reader is shown it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Origin {
    text: String,
    /// The kind of place.
    pub kind: OriginKind,
}

/// The kinds of place that rules distinguish.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum OriginKind {
    /// Compose's `depends_on`: which tier, and neither host nor port.
    Order,
    /// Compose's `links`: which tier by which name, and no port.
    Link,
    /// A file that a Pod mounts: its path, and the object that holds it.
    Mounted {
        /// In the container.
        path: String,
        /// `configmap/NAME KEY`.
        source: String,
    },
    /// What says the address itself, or stands for one: a variable, a command, compose's file, a default, a library, the user's word.
    Said,
}

/// How a service's order of start is shown.
const ORDER: &str = ".depends_on";

impl Origin {
    const fn new(kind: OriginKind, text: String) -> Self {
        Self { text, kind }
    }

    /// `depends_on` of a service.
    pub fn order(service: &str) -> Self {
        let text = format!("compose services.{service}{ORDER}");
        Self::new(OriginKind::Order, text)
    }

    /// `links` of a service.
    pub fn link(service: &str) -> Self {
        let text = format!("compose services.{service}.links");
        Self::new(OriginKind::Link, text)
    }

    /// A variable that compose gives to a service.
    pub fn variable(service: &str, name: &str) -> Self {
        format!("compose services.{service}.environment.{name}").into()
    }

    /// A file that Pods of `owner` mount.
    pub fn mounted(path: &str, source: &str, owner: &dyn fmt::Display) -> Self {
        let text = format!("{path} of {owner}, {source}");
        let (path, source) = (path.to_owned(), source.to_owned());
        Self::new(OriginKind::Mounted { path, source }, text)
    }

    /// Whether it shows a tier alone: the port was put there from the target.
    pub const fn is_without_port(&self) -> bool {
        matches!(self.kind, OriginKind::Order | OriginKind::Link)
    }

    /// All of them as a reader is shown them.
    pub fn list(all: &[Self]) -> String {
        let texts: Vec<&str> = all.iter().map(|one| one.text.as_str()).collect();
        texts.join(", ")
    }
}

impl From<String> for Origin {
    fn from(text: String) -> Self {
        Self::new(OriginKind::Said, text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.text
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// Of a report that is read again no more than the text is there.
impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(match text.strip_suffix(ORDER) {
            Some(_) => Self::new(OriginKind::Order, text),
            None => text.into(),
        })
    }
}
