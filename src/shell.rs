//! Commands that people copy into a shell. Whatever a tenant of the cluster or a file of the repository can name stays one word. Pure.

use std::fmt::{self, Write};
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Signs that mean nothing to any shell, wherever they stand in a word.
const PLAIN: &[u8] = b"@%+=:,./_-";

/// A command line for a POSIX shell. It is made of words only, each of which is quoted here: none can be made from unquoted text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Command(String);

impl Command {
    /// The command of these words.
    pub fn new(words: &[&str]) -> Self {
        let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
        Self(quoted.join(" "))
    }

    /// `kubectl` in a namespace; an empty one is that of the reader's context.
    pub fn kubectl(namespace: &str, words: &[&str]) -> Self {
        let mut all = vec!["kubectl"];
        if !namespace.is_empty() {
            all.extend(["-n", namespace]);
        }
        all.extend(words);
        Self::new(&all)
    }

    /// `kubectl patch` of `kind/name` by a JSON (`json`) or merge patch (`merge`).
    pub fn patch(namespace: &str, object: &str, kind: &str, patch: &Value) -> Self {
        let kind = format!("--type={kind}");
        Self::kubectl(namespace, &["patch", object, &kind, "-p", &json(patch)])
    }

    /// This one, and where it succeeds the next.
    #[must_use]
    pub fn and(&self, next: &Self) -> Self {
        Self(format!("{self} && {next}"))
    }

    /// What this one prints goes to the next.
    #[must_use]
    pub fn pipe(&self, next: &Self) -> Self {
        Self(format!("{self} | {next}"))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Deref for Command {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Whether a reader does not see the character as it is: control characters, those that turn or hide text, and those that XML forbids.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'
                ..='\u{202e}'
        )
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
        || matches!(character, '\u{e0000}'..='\u{e007f}')
}

/// One word for a POSIX shell, on one line. (Line breaks at its very end are lost where it has hidden characters; no command of ours needs one.)
fn quote(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte);
    // Some shells read `=name` as the path of a program.
    if !word.is_empty() && !word.starts_with('=') && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains(is_hidden) {
        // `##[` anywhere in a line of a log is a command to some CI servers.
        let word = word.replace('\'', "'\\''").replace("##", "#''#");
        return format!("'{word}'");
    }
    let mut format = String::new();
    for character in word.chars() {
        match character {
            '%' => format += "%%",
            '\\' => format += "\\\\",
            '\'' | '#' => octal(&mut format, character),
            _ if is_hidden(character) => octal(&mut format, character),
            _ => format.push(character),
        }
    }
    format!("\"$(printf -- '{format}')\"")
}

fn octal(out: &mut String, character: char) {
    for byte in character.to_string().bytes() {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\{byte:03o}");
    }
}

/// JSON without a character that a reader does not see.
fn json(value: &Value) -> String {
    escaped(&value.to_string())
}

/// A text of JSON in which each character that a reader does not see is escaped; its line breaks stand between values, and stay.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests;
