//! The report of a drill: `k8sverify/drill/v1`, and one file per format. Pure.

mod compare;
mod console;
mod html;
mod junit;
mod markdown;
mod model;
mod words;

pub use compare::compare;
pub use console::console;
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use model::*;

/// The report as pretty-printed JSON with a final newline.
///
/// # Errors
/// Never for a report whose maps have string keys; the signature keeps the serialiser's error visible.
pub fn json(report: &DrillReport) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}
