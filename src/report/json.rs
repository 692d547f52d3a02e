//! The canonical reports as JSON. Pure.

use serde::Serialize;

/// A report as pretty-printed JSON with a final newline.
///
/// # Errors
/// Never for a report whose maps have string keys; the signature keeps the serialiser's error visible.
pub fn render<T: Serialize>(report: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}
