//! [`Report`] (serialisable) → bytes, one file per format. Pure.

pub mod console;
pub mod json;
pub mod junit;
mod model;
pub mod sanitise;

pub use model::*;
