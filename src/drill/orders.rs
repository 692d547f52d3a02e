//! What the conductor orders a runner to do while it runs: an annotation of its own Pod, which reaches it as a file. Pure data; no value of a secret
//! ever stands here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::Address;

/// The annotation of the runner's Pod.
pub const ANNOTATION: &str = "k8sverify.io/orders";
/// The folder that the annotation is mounted in; the image holds nothing there.
pub const FOLDER: &str = "/run/k8sverify-orders";
/// The file in it.
pub const FILE: &str = "orders";

/// The newest orders; an older number than one that was seen means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders {
    /// 1, 2, 3 …
    pub number: u64,
    /// What to do.
    pub act: Act,
    /// Where members answer now; one that is missing stays where it was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, Address>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Every lane runs.
    #[default]
    Run,
    /// Lanes that write or read by a new connection stop; members are asked further.
    Quiet,
    /// Quiet, and once nothing is under way every row is read in every place.
    Audit,
    /// Quiet, and the runner ends.
    End,
    /// The runner removes the ledger, and ends.
    Remove,
}

impl Act {
    /// Whether lanes attempt anything.
    pub const fn runs(self) -> bool {
        matches!(self, Self::Run)
    }
}

impl Orders {
    /// As the annotation has it.
    pub fn text(&self) -> String {
        // Maps, numbers and words always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What stands in the file; nothing where it holds none yet.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text.trim()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_survive_the_annotation_and_an_empty_file_is_none() {
        let orders = Orders {
            number: 3,
            act: Act::Audit,
            members: BTreeMap::from([(
                "db-0".to_owned(),
                Address {
                    host: "10.1.0.9".to_owned(),
                    port: 3306,
                },
            )]),
        };
        assert_eq!(Orders::read(&orders.text()), Some(orders));
        assert_eq!(Orders::read(""), None);
        assert_eq!(Orders::read("{\"number\":1"), None);
    }
}
