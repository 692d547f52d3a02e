//! Which profiles are active, and which of them no service has. Pure.

use std::collections::BTreeSet;

use super::LoadOptions;
use super::environment::Variables;
use super::model::{ComposeFile, Location, Warning, WarningKind};
use crate::spelling;

/// The active profiles.
pub(super) struct Profiles {
    /// Their names; `*` means all.
    pub(super) names: BTreeSet<String>,
    /// What named them.
    from: &'static str,
}

impl Profiles {
    /// Those of the command line, else of `COMPOSE_PROFILES`.
    pub(super) fn active(options: &LoadOptions, environment: &Variables) -> Self {
        if !options.profiles.is_empty() {
            return Self {
                names: options.profiles.iter().cloned().collect(),
                from: "--profile",
            };
        }
        let list = environment
            .get("COMPOSE_PROFILES")
            .map_or("", String::as_str);
        Self {
            names: list
                .split(',')
                .map(|profile| profile.trim().to_owned())
                .filter(|profile| !profile.is_empty())
                .collect(),
            from: "COMPOSE_PROFILES",
        }
    }

    /// A warning for each that no service has.
    pub(super) fn unknown(&self, model: &ComposeFile) -> Vec<Warning> {
        let known: BTreeSet<&str> = model
            .services
            .values()
            .chain(model.inactive.values())
            .flat_map(|service| &service.profiles)
            .map(String::as_str)
            .collect();
        self.names
            .iter()
            .filter(|name| *name != "*" && !known.contains(name.as_str()))
            .map(|name| Warning {
                kind: WarningKind::UnknownProfile,
                message: format!(
                    "no service has the profile `{name}`{}",
                    spelling::hint(name, known.iter().copied())
                ),
                location: Location {
                    file: self.from.to_owned(),
                    ..Location::default()
                },
            })
            .collect()
    }
}
