//! [`Report`] (serialisable) → bytes, one file per format. Pure.

mod model;

pub use model::*;
