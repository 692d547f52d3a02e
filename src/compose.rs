//! Compose text(s) and environment → [`ComposeFile`]: parse, interpolate, merge. Pure: files are read through [`Files`].

mod model;

pub use model::*;
