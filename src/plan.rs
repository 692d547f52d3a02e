//! [`crate::graph::TierGraph`] + [`crate::observe::Snapshot`] → [`ProbePlan`]: which edges to probe from which vantage; plan → `batch/v1` Jobs. Pure.

mod model;

pub use model::*;
