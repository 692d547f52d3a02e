//! Text from the cluster made fit for a terminal, for XML and for a log: no control characters, no ANSI sequences, bounded. Pure.

/// Replaces what must not reach a reader: ANSI escape sequences go away, tabs become blanks, other control characters, characters that XML forbids, and
/// those that turn the direction of text become `·`. Line breaks stay.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\n' => out.push('\n'),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\t' => out.push(' '),
            _ if is_forbidden(character) => out.push('·'),
            _ => out.push(character),
        }
    }
    out
}

/// [`clean`], on one line.
#[must_use]
pub fn line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `most` characters, with `…` where something was cut.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
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
            "red x·y\nz"
        );
        assert_eq!(line(" a\n\tb "), "a b");
        assert_eq!(cut("überlang", 5), "über…");
        assert_eq!(clean("日本 ]]>"), "日本 ]]>");
    }
}
