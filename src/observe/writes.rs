//! Who wrote what of an object, as far as rules ask: of `managedFields` only the keys of ConfigMaps and Secrets are kept, since those of other
//! objects are many and no rule reads them. Pure data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// An entry of `managedFields`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldWrite {
    /// When that manager wrote last.
    pub time: Option<Timestamp>,
    /// The keys that it owns.
    fields_v1: Option<Fields>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(clippy::zero_sized_map_values, reason = "it is read as a map")]
struct Fields {
    #[serde(rename = "f:data")]
    data: BTreeMap<String, Owned>,
    #[serde(rename = "f:stringData")]
    string_data: BTreeMap<String, Owned>,
}

/// That a key is owned; what stands below it is not kept.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Owned;

impl FieldWrite {
    /// Whether the manager owns that key of a ConfigMap or Secret.
    pub fn holds(&self, key: &str) -> bool {
        let name = format!("f:{key}");
        self.fields_v1.as_ref().is_some_and(|fields| {
            fields.data.contains_key(&name) || fields.string_data.contains_key(&name)
        })
    }
}

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}
