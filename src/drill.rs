//! `k8sverify drill`: what happens to a database, and to the writes of its clients, when a member is taken away. What is pure: [`model`], [`consent`],
//! [`orders`], [`plan`], [`ledger`], [`measure`], [`judge`], [`limit`], [`marks`], [`refused`], [`seqs`]; IO: [`conduct`].
//!
//! A round goes one way: the plan names members and faults; runners attempt writes and reads and print [`model::RunnerRecord`]s; the conductor adds
//! [`model::Event`]s and collects the [`model::Audit`]; all of it is one [`model::Round`], out of which the numbers are measured.

pub mod conduct;
pub mod consent;
pub mod judge;
pub mod ledger;
pub mod limit;
pub mod marks;
pub mod measure;
pub mod model;
pub mod orders;
pub mod plan;
#[cfg(test)]
pub(crate) mod recording;
pub mod refused;
pub mod seqs;
