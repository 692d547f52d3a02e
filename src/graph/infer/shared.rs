//! What several tiers have in common: files that they see, and images that one of them builds. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::{Build, ComposeFile};

use super::{all, files_of};

/// Who sees a file.
#[derive(Default)]
pub(super) struct FileReaders<'a> {
    /// Their names.
    pub tiers: BTreeSet<&'a str>,
    /// Whether one of them mounts it by itself: then it is that one's, and the rest only see the folder around it.
    pub direct: bool,
}

/// The tiers that see each file, where more than one does: such a file says what the project has, not what one tier calls.
pub(super) fn shared_files(file: &ComposeFile) -> BTreeMap<&str, FileReaders<'_>> {
    let mut seen: BTreeMap<&str, FileReaders<'_>> = BTreeMap::new();
    for service in all(file) {
        for mount in files_of(service) {
            let sharers = seen.entry(&mount.source).or_default();
            sharers.tiers.insert(&service.name);
            sharers.direct |= mount.direct;
        }
    }
    seen.retain(|_, sharers| sharers.tiers.len() > 1);
    seen
}

/// The project with the build of each image wherever that image runs, if one service runs what another builds.
pub(super) fn share_builds(file: &ComposeFile) -> Option<ComposeFile> {
    let builds: BTreeMap<&str, &Build> = all(file)
        .filter_map(|service| Some((service.image.as_deref()?, service.build.as_ref()?)))
        .collect();
    let lent: Vec<(String, Build)> = file
        .services
        .values()
        .filter(|service| service.build.is_none())
        .filter_map(|service| {
            let build = *builds.get(service.image.as_deref()?)?;
            Some((service.name.clone(), build.clone()))
        })
        .collect();
    if lent.is_empty() {
        return None;
    }
    let mut file = file.clone();
    for (name, build) in lent {
        if let Some(service) = file.services.get_mut(&name) {
            service.build = Some(build);
        }
    }
    Some(file)
}
