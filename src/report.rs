//! [`Report`] (serialisable) → bytes, one file per format. Pure.

pub mod console;
pub mod html;
pub mod json;
pub mod junit;
mod model;
pub mod sanitise;

pub use model::*;
