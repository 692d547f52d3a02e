//! The report of a drill: `k8sverify/drill/v1`, and one file per format. Pure.

mod compare;
mod console;
mod html;
mod junit;
mod markdown;
mod model;
mod sql;
mod words;

pub use compare::compare;
pub use console::console;
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use model::*;
pub use sql::summaries;

use std::collections::BTreeMap;

use super::VerdictValue;
use super::unfinished::Begun;

/// The report of a drill that did not finish.
#[must_use]
pub fn unfinished(begun: &Begun, note: &str) -> DrillReport {
    DrillReport {
        schema: SCHEMA.to_owned(),
        tool_version: begun.tool_version.clone(),
        verdict: VerdictValue::Unknown,
        exit_code: VerdictValue::Unknown.exit_code(),
        run: String::new(),
        namespace: begun.namespace.clone(),
        cluster: String::new(),
        started_at: begun.started_at.clone(),
        duration_ms: begun.duration_ms,
        seed: 0,
        limits: BTreeMap::new(),
        candidates: Vec::new(),
        findings: Vec::new(),
        notes: vec![note.to_owned()],
    }
}

/// The report as pretty-printed JSON with a final newline.
///
/// # Errors
/// Never for a report whose maps have string keys; the signature keeps the serialiser's error visible.
pub fn json(report: &DrillReport) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    Ok(bytes)
}
