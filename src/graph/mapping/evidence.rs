//! What speaks for a workload to run a tier, from strong to weak. Pure.

use crate::catalog::Catalog;
use crate::observe::Snapshot;

use super::candidate::{Candidate, Wanted, image_name, image_path, normal};

/// A kind of evidence; the order is that of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// A label that a converter writes from the compose key.
    Converter,
    /// The workload's own name.
    Name,
    /// `app.kubernetes.io/component`.
    Component,
    /// `app.kubernetes.io/name`, `app` and the like.
    AppLabel,
    /// The name of a container (kompose: that of compose's `container_name`).
    Container,
    /// A Service called like the tier selects its Pods.
    Service,
    /// The tier's name with a customary affix: `shop-db`, `db-deployment`.
    Affix,
    /// The same image, which no one else has.
    Image,
}

/// Labels that converters write from the compose key.
const CONVERTER_LABELS: [&str; 2] = ["io.kompose.service", "com.docker.compose.service"];

/// Labels by which people name an application.
const APP_LABELS: [&str; 5] = [
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "service",
    "name",
];

const COMPONENT_LABELS: [&str; 2] = ["app.kubernetes.io/component", "component"];

/// What people put behind a tier's name without meaning another thing.
const PLAIN_SUFFIXES: [&str; 14] = [
    "deployment",
    "deploy",
    "statefulset",
    "sts",
    "daemonset",
    "ds",
    "pod",
    "app",
    "server",
    "service",
    "svc",
    "main",
    "master",
    "0",
];

/// What people call releases that run side by side.
const TRACKS: [&str; 9] = [
    "canary", "stable", "blue", "green", "primary", "baseline", "preview", "active", "next",
];

impl Evidence {
    pub(super) const ALL: [Self; 8] = [
        Self::Converter,
        Self::Name,
        Self::Component,
        Self::AppLabel,
        Self::Container,
        Self::Service,
        Self::Affix,
        Self::Image,
    ];

    /// Evidence that is a name's own, without looking at images or Services.
    pub(super) const SURE: [Self; 4] =
        [Self::Converter, Self::Name, Self::Component, Self::AppLabel];

    /// Evidence that no other application shares by chance.
    pub(super) const NAMES: [Self; 2] = [Self::Converter, Self::Name];

    /// Whether it says that `candidate` runs `tier`.
    pub(super) fn speaks_for(
        self,
        candidate: &Candidate,
        tier: &Wanted,
        snapshot: &Snapshot,
        catalog: &Catalog,
    ) -> bool {
        match self {
            _ if self.is_denied_by_label(candidate, tier) => false,
            Self::Service => snapshot
                .services_selecting(&candidate.key.namespace, &candidate.pod_labels)
                .iter()
                .any(|service| tier.is_called(&service.metadata.name)),
            Self::Image => candidate.runs_on && same_image(candidate, tier, catalog),
            _ => self.is_said_by(candidate, tier),
        }
    }

    /// Whether the workload's own labels, names and containers say so.
    pub(super) fn is_said_by(self, candidate: &Candidate, tier: &Wanted) -> bool {
        if self.is_denied_by_label(candidate, tier) {
            return false;
        }
        let labelled = |labels: &[&str]| {
            let mut values = labels
                .iter()
                .filter_map(|label| candidate.labels.get(*label));
            values.any(|value| tier.is_called(value))
        };
        match self {
            Self::Converter => converter_values(candidate)
                .any(|value| tier.is_called(value) || tier.is_also_called(value)),
            Self::Name => {
                tier.is_called(&candidate.key.name)
                    || tier.is_also_called(&candidate.key.name)
                    || is_track(&candidate.key.name, &tier.normal)
            }
            Self::Component => labelled(&COMPONENT_LABELS),
            Self::AppLabel => labelled(&APP_LABELS),
            // A lone container called like the tier; in a Pod of several it may be a sidecar of something else.
            Self::Container => matches!(
                candidate.containers.as_slice(),
                [(name, _)] if tier.is_called(name) || tier.is_also_called(name)
            ),
            Self::Affix => has_affix(candidate, tier) && image_fits(candidate, tier),
            Self::Service | Self::Image => false,
        }
    }

    /// What a converter labelled for one compose service runs no other. A workload with the tier's own name does: were its label that
    /// of a tier, that tier would have claimed it first; it is one that was changed by hand.
    fn is_denied_by_label(self, candidate: &Candidate, tier: &Wanted) -> bool {
        self != Self::Name
            && converter_values(candidate)
                .any(|value| !tier.is_called(value) && !tier.is_also_called(value))
    }

    /// Whether several workloads with this evidence are one tier (stable and canary, shards) rather than a question.
    pub(super) fn allows_several(self, group: &[&Candidate]) -> bool {
        match self {
            Self::Converter | Self::Name | Self::Service => true,
            Self::Component | Self::AppLabel => {
                // A label that the whole application shares names no tier; that of one tier is on workloads of one make.
                let first = group.first().map(|candidate| &candidate.containers);
                group.iter().all(|candidate| {
                    let names = |containers: &[(String, String)]| {
                        containers
                            .iter()
                            .map(|(name, _)| name.clone())
                            .collect::<Vec<_>>()
                    };
                    first.is_some_and(|first| names(first) == names(&candidate.containers))
                })
            }
            Self::Container | Self::Affix | Self::Image => false,
        }
    }

    /// Whether a workload is a further track of the tier: labelled like it, and of a container called like it.
    pub(super) fn is_track_of(candidate: &Candidate, tier: &Wanted) -> bool {
        let labelled = CONVERTER_LABELS
            .iter()
            .chain(&COMPONENT_LABELS)
            .chain(&APP_LABELS)
            .any(|label| {
                candidate
                    .labels
                    .get(*label)
                    .is_some_and(|value| tier.is_called(value))
            });
        let same_container = candidate
            .containers
            .iter()
            .any(|(name, _)| tier.is_called(name) || tier.is_also_called(name));
        labelled && (same_container || is_track(&candidate.key.name, &tier.normal))
    }
}

fn converter_values(candidate: &Candidate) -> impl Iterator<Item = &String> {
    CONVERTER_LABELS
        .iter()
        .filter_map(|label| candidate.labels.get(*label))
}

/// `ap-canary`, `ap-v2` for `ap`.
fn is_track(name: &str, tier: &str) -> bool {
    let name = normal(name);
    let Some(track) = name
        .strip_prefix(tier)
        .and_then(|rest| rest.strip_prefix('-'))
    else {
        return false;
    };
    TRACKS.contains(&track)
        || track.strip_prefix('v').is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// `db-deployment`, `shop-db`, `release-db-0` for `db`.
fn has_affix(candidate: &Candidate, tier: &Wanted) -> bool {
    let name = normal(&candidate.key.name);
    let stem = PLAIN_SUFFIXES
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix('-'))
        .unwrap_or(&name);
    let ends = |name: &str| {
        name == tier.normal
            || name
                .strip_suffix(&tier.normal)
                .is_some_and(|rest| rest.ends_with('-'))
    };
    if ends(stem) || ends(&name) {
        return true;
    }
    // The release's or project's own prefix may hide a track or a plain suffix behind the tier's name.
    let release = candidate
        .labels
        .get("app.kubernetes.io/instance")
        .map(|release| normal(release));
    [release.as_deref(), Some(tier.project.as_str())]
        .into_iter()
        .flatten()
        .filter(|prefix| !prefix.is_empty())
        .filter_map(|prefix| name.strip_prefix(prefix)?.strip_prefix('-'))
        .any(|rest| is_track(rest, &tier.normal))
}

/// Whether the images do not speak against it: compose builds the tier, or both have the same image.
fn image_fits(candidate: &Candidate, tier: &Wanted) -> bool {
    let Some(wanted) = tier.image else {
        return true;
    };
    let mut containers = candidate.containers.iter();
    containers.any(|(_, image)| image_name(image) == image_name(wanted))
}

/// Whether a workload has the very image that compose names, and that image says what it serves: a language's runtime does not.
fn same_image(candidate: &Candidate, tier: &Wanted, catalog: &Catalog) -> bool {
    let Some(wanted) = tier.image else {
        return false;
    };
    let path = image_path(wanted);
    let distinctive = path.contains('/') || catalog.image_server(wanted).is_some();
    distinctive
        && candidate
            .containers
            .iter()
            .any(|(_, image)| image_path(image) == path)
}
