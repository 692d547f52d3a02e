//! The report of a drill: `k8sverify/drill/v1`, and one file per format. Pure.

mod compare;
mod console;
mod html;
mod junit;
mod markdown;
mod model;
mod sql;
mod words;

pub use super::json::render as json;
pub use compare::compare;
pub use console::console;
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use model::*;
pub use sql::summaries;

use super::VerdictValue;
use super::unfinished::Begun;

/// The report of a drill that did not finish.
#[must_use]
pub fn unfinished(begun: &Begun, note: &str) -> DrillReport {
    DrillReport {
        schema: SCHEMA.to_owned(),
        tool_version: begun.tool_version.clone(),
        exit_code: VerdictValue::Unknown.exit_code(),
        namespace: begun.namespace.clone(),
        started_at: begun.started_at.clone(),
        duration_ms: begun.duration_ms,
        notes: vec![note.to_owned()],
        ..DrillReport::default()
    }
}
