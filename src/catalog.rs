//! Data tables, embedded from `checks/*.yaml`: finding texts and severities; products and the words of names. Pure.

pub mod answers;
pub mod findings;
pub mod products;
pub mod words;

use std::num::NonZeroU16;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::finding::Code;
use crate::protocol::Protocol;

pub use findings::{FindingText, FindingTexts};
pub use products::{ImageDial, ImagePort, Products};
pub use words::words;

/// A table of `checks/`. Each reader of a language has its own code for each type, so YAML is read into values, and these by the reader of
/// JSON, whose code is a third as long.
pub(crate) fn table<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())
}

/// Every table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Texts of the findings.
    pub findings: &'static FindingTexts,
    /// What products are known by.
    pub products: &'static Products,
}

impl Catalog {
    /// The tables that the binary carries.
    pub fn embedded() -> Self {
        Self {
            findings: FindingTexts::shared(),
            products: Products::shared(),
        }
    }

    /// What clients of an image dial, if it is a well-known server.
    pub fn image_server(&self, image: &str) -> Option<(Protocol, NonZeroU16)> {
        let first = *self.products.serves(image).first()?;
        Some((first.protocol, first.port))
    }

    /// What a port number usually means.
    pub fn port_protocol(&self, port: u16) -> Option<Protocol> {
        self.products.port_protocol(port)
    }

    /// The text of a finding.
    pub fn finding(&self, code: Code) -> &FindingText {
        self.findings.get(code)
    }
}
