//! The two keys of a drill: the namespace's and the person's; what is refused whatever is said. Pure.

use std::collections::BTreeSet;

use super::model::Fault;
use crate::observe::Snapshot;
use crate::shell::Command;

/// The annotation of a namespace that allows drills in it.
pub const ANNOTATION: &str = "k8sverify.io/drill";
/// The word that allows every fault.
const ALLOWED: &str = "allowed";
/// The word that allows drills in a namespace or context that is called like one of production.
const PRODUCTION: &str = "production-too";
/// Words of names that stand for production.
const PRODUCTION_WORDS: [&str; 3] = ["prod", "production", "live"];
/// What the cluster's own namespaces begin with.
const CLUSTER_PREFIX: &str = "kube-";

/// What the namespace says of drills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceKey {
    /// Its annotation allows some.
    Allowed {
        /// Which faults; `None`: all.
        faults: Option<BTreeSet<Fault>>,
        /// Whether names of production are no hindrance.
        production: bool,
    },
    /// It cannot be read, and the person spelt the namespace out.
    SpeltOut,
    /// It has no such annotation.
    Absent,
    /// The annotation says something else.
    Malformed {
        /// What it says.
        says: String,
    },
    /// It cannot be read.
    Unreadable,
}

impl NamespaceKey {
    /// The key of the run's namespace; `spelt_out` are the namespaces that the person named for one that cannot be read.
    pub fn of(snapshot: &Snapshot, spelt_out: &[String]) -> Self {
        let object = snapshot.own().and_then(|own| own.object.as_ref());
        match object {
            Some(object) => match object.metadata.annotations.get(ANNOTATION) {
                Some(text) => Self::read(text),
                None => Self::Absent,
            },
            None if spelt_out.contains(&snapshot.namespace) => Self::SpeltOut,
            None => Self::Unreadable,
        }
    }

    /// What the annotation says: `allowed`, or a list of faults; with `production-too` also where names speak of production.
    fn read(text: &str) -> Self {
        let mut faults = BTreeSet::new();
        let (mut all, mut production) = (false, false);
        for word in text.split(',').map(str::trim) {
            match word.parse::<Fault>() {
                Ok(fault) => {
                    faults.insert(fault);
                }
                Err(_) if word == ALLOWED => all = true,
                Err(_) if word == PRODUCTION => production = true,
                Err(_) => {
                    return Self::Malformed {
                        says: text.chars().take(80).collect(),
                    };
                }
            }
        }
        if !all && faults.is_empty() {
            return Self::Malformed {
                says: text.chars().take(80).collect(),
            };
        }
        Self::Allowed {
            faults: (!all).then_some(faults),
            production,
        }
    }

    /// Whether it fits that fault.
    pub fn fits(&self, fault: Fault) -> bool {
        match self {
            Self::Allowed { faults, .. } => {
                faults.as_ref().is_none_or(|faults| faults.contains(&fault))
            }
            Self::SpeltOut => true,
            Self::Absent | Self::Malformed { .. } | Self::Unreadable => false,
        }
    }

    /// Whether it lifts the names of production.
    const fn lifts_production(&self) -> bool {
        matches!(
            self,
            Self::Allowed {
                production: true,
                ..
            }
        )
    }

    /// What allows it, as a key of the plan.
    pub fn key(&self, namespace: &str) -> Option<String> {
        match self {
            Self::Allowed { faults: None, .. } => {
                Some(format!("annotation {ANNOTATION}: {ALLOWED}"))
            }
            Self::Allowed {
                faults: Some(faults),
                ..
            } => {
                let names: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
                Some(format!("annotation {ANNOTATION}: {}", names.join(", ")))
            }
            Self::SpeltOut => Some(format!("--allow-namespace {namespace}")),
            Self::Absent | Self::Malformed { .. } | Self::Unreadable => None,
        }
    }

    /// Why it does not fit a fault, with how to get one that does.
    pub fn why_refused(&self, namespace: &str, fault: Fault) -> Option<String> {
        let annotate = annotate(namespace, ALLOWED);
        if self.fits(fault) {
            return None;
        }
        Some(match self {
            Self::Allowed { .. } | Self::SpeltOut => format!(
                "{fault} is not among the faults that the annotation {ANNOTATION} of namespace {namespace} allows; to allow all: {annotate}"
            ),
            Self::Absent => format!(
                "namespace {namespace} has no annotation {ANNOTATION}; if databases there may be taken away: {annotate}"
            ),
            Self::Malformed { says } => format!(
                "the annotation {ANNOTATION} of namespace {namespace} says `{says}`; expected `{ALLOWED}` or a list of faults; to allow all: {annotate}"
            ),
            Self::Unreadable => format!(
                "namespace {namespace} cannot be read, so that its annotation {ANNOTATION} is not known; spell it out: --allow-namespace {namespace}"
            ),
        })
    }
}

/// Why no drill may happen in this namespace, whatever else is said.
pub fn forbidden_place(snapshot: &Snapshot, key: &NamespaceKey) -> Option<String> {
    let namespace = &snapshot.namespace;
    if namespace.starts_with(CLUSTER_PREFIX) {
        return Some(format!(
            "namespace {namespace} holds the cluster's own parts: no drill is done there"
        ));
    }
    if key.lifts_production() {
        return None;
    }
    [("namespace", namespace), ("context", &snapshot.cluster)]
        .into_iter()
        .find(|(_, name)| is_production(name))
        .map(|(kind, name)| {
            format!(
                "{kind} {name} is called like one of production: no drill is done there, unless the namespace says so: {}",
                annotate(namespace, &format!("{ALLOWED}, {PRODUCTION}"))
            )
        })
}

/// The command that writes the namespace's key.
fn annotate(namespace: &str, value: &str) -> Command {
    let annotation = format!("{ANNOTATION}={value}");
    let words = [
        "annotate",
        "--overwrite",
        "namespace",
        namespace,
        &annotation,
    ];
    Command::kubectl("", &words)
}

/// Whether a name has a word that stands for production.
fn is_production(name: &str) -> bool {
    name.split(|letter: char| !letter.is_ascii_alphabetic())
        .any(|word| {
            PRODUCTION_WORDS
                .iter()
                .any(|wanted| word.eq_ignore_ascii_case(wanted))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(namespace: &str, context: &str, annotation: Option<&str>) -> Snapshot {
        let mut snapshot = Snapshot {
            cluster: context.to_owned(),
            namespace: namespace.to_owned(),
            ..Snapshot::default()
        };
        let state = snapshot.namespaces.entry(namespace.to_owned()).or_default();
        let mut object = crate::observe::kinds::Namespace::default();
        if let Some(text) = annotation {
            object
                .metadata
                .annotations
                .insert(ANNOTATION.to_owned(), text.to_owned());
        }
        state.object = Some(object);
        snapshot
    }

    #[test]
    fn the_annotation_allows_all_or_a_list_and_nothing_else() {
        let fits = |text: Option<&str>, fault| {
            NamespaceKey::of(&snapshot("shop", "c", text), &["shop".to_owned()]).fits(fault)
        };
        assert!(fits(Some("allowed"), Fault::ScaleZero));
        assert!(fits(Some("delete, evict"), Fault::Evict));
        assert!(!fits(Some("delete, evict"), Fault::DeleteHard));
        // One that can be read is no matter of the person's.
        assert!(!fits(None, Fault::Delete));
        for bad in ["", "yes", "allowed!", "true", "production-too", "delete,x"] {
            assert!(!fits(Some(bad), Fault::Delete), "{bad}");
        }
    }

    #[test]
    fn a_namespace_that_cannot_be_read_must_be_spelt_out() {
        let mut unread = snapshot("shop", "c", None);
        unread.namespaces.clear();
        let key = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            NamespaceKey::of(&unread, &names)
        };
        assert_eq!(key(&[]), NamespaceKey::Unreadable);
        assert_eq!(key(&["shop2"]), NamespaceKey::Unreadable);
        assert_eq!(key(&["shop"]), NamespaceKey::SpeltOut);
    }

    #[test]
    fn the_clusters_own_namespaces_and_production_are_refused() {
        let refused = |namespace: &str, context: &str, annotation: &str| {
            let snapshot = snapshot(namespace, context, Some(annotation));
            let key = NamespaceKey::of(&snapshot, &[]);
            forbidden_place(&snapshot, &key)
        };
        assert!(refused("kube-system", "c", "allowed, production-too").is_some());
        for name in ["prod", "shop-prod", "Production", "live", "eu.live.db"] {
            assert!(refused(name, "c", "allowed").is_some(), "{name}");
            assert!(refused("shop", name, "allowed").is_some(), "{name}");
            assert_eq!(refused(name, name, "allowed, production-too"), None);
        }
        for name in ["product", "delivery", "alive", "reproduce", "kubeshop"] {
            assert_eq!(refused(name, name, "allowed"), None, "{name}");
        }
    }
}
