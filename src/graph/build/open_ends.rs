//! What the compose files leave open → notes: edges may be missing, unless every tier's Pods show what they were given. Pure.

use crate::compose::{ComposeFile, Warning, WarningKind};
use crate::graph::deployed;
use crate::graph::{Note, NoteKind, TierGraph};
use crate::observe::Snapshot;

/// Notes what was noticed in the compose files.
pub(super) fn note(compose: &ComposeFile, snapshot: &Snapshot, graph: &mut TierGraph) {
    let expected = || graph.tiers.values().filter(|tier| tier.expected);
    let deployed = expected().all(|tier| !tier.workloads.is_empty());
    // Values of Secrets are not read: what such Pods were given in place of the file is not known.
    let shown = deployed
        && (of(compose, WarningKind::EnvFileMissing).next().is_none()
            || !expected()
                .flat_map(|tier| &tier.workloads)
                .flat_map(|key| deployed::containers(snapshot, key))
                .any(|container| container.environment.may_hide_address()));
    for (kind, what, known) in [
        (
            WarningKind::UnsetVariable,
            "variables without a value",
            deployed,
        ),
        (
            WarningKind::FileMissing,
            "files that are not here",
            deployed,
        ),
        (
            WarningKind::Withheld,
            "addresses that are withheld",
            deployed,
        ),
        (
            WarningKind::EnvFileMissing,
            "env files that are not here",
            shown,
        ),
    ] {
        let found: Vec<&Warning> = of(compose, kind).collect();
        let [first, ..] = found.as_slice() else {
            continue;
        };
        if !known {
            graph.notes.push(Note {
                kind: NoteKind::Incomplete,
                message: format!(
                    "the compose files name {} {what} ({}: {})",
                    found.len(),
                    first.location,
                    first.message
                ),
            });
        }
    }
    for (kind, missing) in [
        (WarningKind::UnknownProfile, true),
        (WarningKind::Obsolete, false),
    ] {
        let kind_of_note = if missing && !deployed {
            NoteKind::Incomplete
        } else {
            NoteKind::Information
        };
        graph.notes.extend(of(compose, kind).map(|warning| Note {
            kind: kind_of_note,
            message: format!("{}: {}", warning.location, warning.message),
        }));
    }
}

fn of(compose: &ComposeFile, kind: WarningKind) -> impl Iterator<Item = &Warning> {
    compose
        .warnings
        .iter()
        .filter(move |warning| warning.kind == kind)
}
