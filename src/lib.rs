//! k8sverify proves after `kubectl apply` that every tier of an application reaches the tiers it needs, and names the one
//! thing to fix when it cannot.
//!
//! A batch pipeline: text and API objects in, a verdict and reports out. The modules are its stages, in this order: [`compose`],
//! [`observe`], [`graph`], [`plan`], `jobs` and [`probe`], [`diagnose`], `verdict`, [`report`].
#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")
)]

pub mod address;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod compose;
pub mod config;
pub mod diagnose;
pub mod drill;
pub mod finding;
pub mod graph;
pub mod jobs;
pub mod observe;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod protocol;
mod reason;
pub mod redact;
pub mod report;
pub mod sanitise;
pub mod shell;
mod spelling;
pub mod sql;
pub mod terminal;
pub mod verdict;
