//! A report for terminals that show nothing but ASCII. Pure.

use serde_json::Value;

use crate::report::Report;
use crate::terminal::Style;

/// The same report with every text in ASCII: arrows, dashes and quotes by their nearest signs, everything else as `?`.
pub(super) fn report(report: &Report) -> Report {
    let mapped = serde_json::to_value(report)
        .map(map)
        .and_then(|mapped| serde_json::from_str(&mapped.to_string()));
    // A report that serialises also reads back; if it ever does not, unreadable signs are better than none.
    mapped.unwrap_or_else(|_| report.clone())
}

/// The same for a text, where the terminal shows nothing but ASCII.
pub(in crate::report) fn shown(text: String, style: Style) -> String {
    if style.unicode {
        text
    } else {
        self::text(&text)
    }
}

fn text(text: &str) -> String {
    text.chars().map(sign).collect()
}

fn map(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(self::text(&text)),
        Value::Array(items) => items.into_iter().map(map).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, map(value)))
            .collect(),
        other => other,
    }
}

fn sign(character: char) -> String {
    match character {
        '✔' => "+",
        '✗' | '×' => "x",
        'ℹ' => "i",
        '◎' => "@",
        '○' => "o",
        '△' => "~",
        '±' => "+-",
        '→' => "->",
        '←' => "<-",
        '…' => "...",
        '·' | '–' | '—' | '−' => "-",
        '‘' | '’' => "'",
        '“' | '”' | '„' => "\"",
        '≥' => ">=",
        '≤' => "<=",
        '\u{a0}' => " ",
        _ if character.is_ascii() => return character.to_string(),
        _ => "?",
    }
    .to_owned()
}
