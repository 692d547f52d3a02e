//! Text from the cluster made fit for a terminal, for XML and for a log: no control characters, no ANSI sequences, bounded. Pure.

use crate::shell::{self, is_hidden};

/// Replaces what must not reach a reader: ANSI escape sequences go away, tabs become blanks, other control characters, characters that XML forbids, and
/// those that turn or hide text are shown escaped (`\u{202e}`). Line breaks stay.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\n' => out.push('\n'),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\t' => out.push(' '),
            _ if is_hidden(character) => out.extend(character.escape_unicode()),
            _ => out.push(character),
        }
    }
    out
}

/// [`clean`], on one line.
pub fn line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How the commands begin that CI servers read anywhere in a line.
const MARKED: [&str; 3] = ["##[", "##vso[", "##teamcity["];

/// Lines of a log that no CI server takes for a command: none starts with `::`, and none has a `##[` anywhere. For text that may
/// hold the report's own colours.
pub fn without_commands(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let start = start(line);
        out += &line[..start];
        if line[start..].starts_with("::") {
            out.push('·');
        }
        out += &MARKED
            .iter()
            .fold(line[start..].to_owned(), |line, command| {
                line.replace(command, &format!("#·{}", &command[1..]))
            });
    }
    out
}

/// The same for a document in JSON: what would be a command within a string, or what a reader does not see, is escaped, and read back as it
/// was.
pub fn json_without_commands(text: &str) -> String {
    let text = MARKED.iter().fold(text.to_owned(), |text, command| {
        text.replace(command, &format!("\\u0023{}", &command[1..]))
    });
    shell::escaped(&text)
}

/// Where a line begins, behind blanks and colours.
fn start(line: &str) -> usize {
    let mut rest = line;
    loop {
        let next = rest.trim_start();
        let next = next
            .strip_prefix("\u{1b}[")
            .and_then(|colour| colour.split_once('m'))
            .map_or(next, |(_, behind)| behind);
        if next.len() == rest.len() {
            return line.len() - rest.len();
        }
        rest = next;
    }
}

/// At most `most` characters, with `…` where something was cut.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// Skips the rest of a CSI (`ESC [ … letter`), OSC (`ESC ] … BEL` or `ESC \`) or two-character sequence.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => {
            for character in characters.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&character) {
                    break;
                }
            }
        }
        Some(']') => {
            while let Some(character) = characters.next() {
                if character == '\u{7}' {
                    break;
                }
                if character == '\u{1b}' {
                    characters.next();
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_controls_go_away_and_text_stays() {
        assert_eq!(
            clean("\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}x\u{0}y\r\nz"),
            "red x\\u{0}y\nz"
        );
        assert_eq!(
            clean("a\u{202e}b\u{9b}c\u{200b}"),
            "a\\u{202e}b\\u{9b}c\\u{200b}"
        );
        assert_eq!(line(" a\n\tb "), "a b");
        assert_eq!(cut("überlang", 5), "über…");
        assert_eq!(clean("日本 ]]>"), "日本 ]]>");
    }

    #[test]
    fn no_line_is_a_command_to_a_server_that_reads_the_log() {
        assert_eq!(
            without_commands("a ::b\n  ::stop-commands::x\n\u{1b}[2m ::y\u{1b}[0m\n"),
            "a ::b\n  ·::stop-commands::x\n\u{1b}[2m ·::y\u{1b}[0m\n"
        );
        assert_eq!(
            without_commands("x ##[add-mask]y\n###[z]"),
            "x #·#[add-mask]y\n##·#[z]"
        );
        let value =
            serde_json::json!({"##[a": ["##vso[b]", "::c", "\u{9b}1m\u{202e}\u{e0041}é\n"]});
        let text = json_without_commands(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.contains("##"), "{text}");
        let hidden = |letter: char| letter != '\n' && is_hidden(letter);
        assert!(!text.contains(hidden) && text.contains('é'), "{text:?}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
