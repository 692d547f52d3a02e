//! Files that several tiers see: which of the addresses in them concern whom. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::ComposeFile;

use super::{all, files_of};

/// Who sees a file.
#[derive(Default)]
pub(super) struct Sharers<'a> {
    /// Their names.
    pub tiers: BTreeSet<&'a str>,
    /// Whether one of them mounts it by itself: then it is that one's, and the rest only see the folder around it.
    pub direct: bool,
}

/// The tiers that see each file, where more than one does: such a file says what the project has, not what one tier calls.
pub(super) fn shared_files(file: &ComposeFile) -> BTreeMap<&str, Sharers<'_>> {
    let mut seen: BTreeMap<&str, Sharers<'_>> = BTreeMap::new();
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
