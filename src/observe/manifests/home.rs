//! Which namespace manifests are for, where the user names none. Pure.

use super::{ASSUMED, Manifests};

impl Manifests<'_> {
    /// The namespace that the objects name; where they name several, the one in which something runs. `default` where an object
    /// names none.
    ///
    /// # Errors
    /// Several namespaces in which something runs, with their names.
    pub(super) fn home(&self) -> Result<String, String> {
        if self.unnamed || self.named.contains(ASSUMED) {
            return Ok(ASSUMED.to_owned());
        }
        let runs = |name: &&String| {
            let state = self.states.get(*name);
            state.is_some_and(|state| !state.workloads.is_empty() || !state.pods.is_empty())
        };
        let mut homes: Vec<&String> = self.named.iter().filter(runs).collect();
        if homes.is_empty() {
            homes = self.named.iter().collect();
        }
        match *homes.as_slice() {
            [] => Ok(ASSUMED.to_owned()),
            [only] => Ok(only.clone()),
            _ => {
                let homes: Vec<&str> = homes.into_iter().map(String::as_str).collect();
                Err(format!(
                    "the objects are in several namespaces ({}): name one of them with --namespace",
                    homes.join(", ")
                ))
            }
        }
    }
}
