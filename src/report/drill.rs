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
use super::unfinished::can_be_unfinished;

can_be_unfinished!(DrillReport);
