//! Text → lines of a width. Pure.

use unicode_width::UnicodeWidthStr;

/// Breaks text into lines of at most `width` columns, each behind `indent`; a word longer than a line stands alone. Line breaks of the text stay.
pub(crate) fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut current = String::new();
        for word in paragraph.split(' ') {
            if !current.is_empty() && indent.width() + current.width() + 1 + word.width() > width {
                lines.push(format!("{indent}{current}"));
                current.clear();
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current += word;
        }
        lines.push(format!("{indent}{current}"));
    }
    lines.join("\n")
}

/// At most `most` columns, with `…` (or `~`) where something was cut.
pub(super) fn fit(text: &str, most: usize, unicode: bool) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let mut out = String::new();
    for character in text.chars() {
        if out.width() + unicode_width::UnicodeWidthChar::width(character).unwrap_or(0) + 1 > most {
            break;
        }
        out.push(character);
    }
    out.push(if unicode { '…' } else { '~' });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wide_as_they_may_be_and_long_words_stand_alone() {
        assert_eq!(wrap("aa bb cc", 7, "  "), "  aa bb\n  cc");
        assert_eq!(wrap("aaaaaaaaaa b", 5, ""), "aaaaaaaaaa\nb");
        assert_eq!(fit("日本語", 5, true), "日本…");
        assert_eq!(fit("abcdef", 4, false), "abc~");
    }
}
