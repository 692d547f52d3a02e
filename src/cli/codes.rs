//! A finding code on the command line: any text is taken (what a report prints may be pasted whole), shells complete the codes. Pure.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error};

use crate::finding::Code;

/// Takes any text; the code itself is looked up by the command, which names the nearest one.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnyText;

impl TypedValueParser for AnyText {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            Code::ALL.iter().map(|code| PossibleValue::new(code.name())),
        ))
    }
}
