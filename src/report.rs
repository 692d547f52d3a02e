//! [`Report`] (serialisable) → bytes, one file per format. Pure.

pub mod console;
pub mod drill;
pub mod github;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
mod model;
pub mod sql;
pub mod unfinished;
pub mod words;

pub use model::*;
