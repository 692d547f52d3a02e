//! The SQL that an application brings along: which statements a file holds, whose names they use, and what a refusal means. Pure.
//!
//! There is no parser of SQL here: whether a statement is good is for the server to say. [`lex`] finds the statements as the official clients do,
//! byte for byte.

pub mod classify;
pub mod judge;
pub mod lex;
pub mod names;
pub mod script;
pub mod show;
pub mod token;
