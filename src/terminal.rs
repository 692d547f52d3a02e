//! How text looks in a terminal: colours, marks, lines of a width. Pure.

use unicode_width::UnicodeWidthStr;

/// How the console looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Marks and arrows beyond ASCII.
    pub unicode: bool,
    /// Columns; at least 40 are assumed.
    pub width: usize,
    /// 0: causes and failed edges; 1: every edge and step.
    pub verbose: u8,
    /// The verdict alone.
    pub quiet: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            unicode: true,
            width: 100,
            verbose: 0,
            quiet: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Red,
    Green,
    Yellow,
    Cyan,
    Dim,
    Bold,
}

impl Style {
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Red => "1;31",
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Cyan => "36",
            Paint::Dim => "2",
            Paint::Bold => "1",
        };
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        // Some CI servers forget the colour at the end of a line.
        text.split('\n')
            .map(|line| format!("\u{1b}[{code}m{line}\u{1b}[0m"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub(crate) const fn mark(self, status: Mark) -> &'static str {
        match (status, self.unicode) {
            (Mark::Good, true) => "✔",
            (Mark::Good, false) => "+",
            (Mark::Bad, true) => "✗",
            (Mark::Bad, false) => "x",
            (Mark::Warn, _) => "!",
            (Mark::Unknown, _) => "?",
            (Mark::Weak, true) => "·",
            (Mark::Weak, false) => "-",
            (Mark::Info, true) => "ℹ",
            (Mark::Info, false) => "i",
        }
    }

    pub(crate) fn painted(self, mark: Mark) -> String {
        self.paint(mark.paint(), self.mark(mark))
    }

    pub(crate) const fn arrow(self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    pub(crate) const fn dot(self) -> &'static str {
        if self.unicode { " · " } else { " - " }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Good,
    Bad,
    Warn,
    Unknown,
    Weak,
    Info,
}

impl Mark {
    pub(crate) const fn paint(self) -> Paint {
        match self {
            Self::Good => Paint::Green,
            Self::Bad => Paint::Red,
            Self::Warn | Self::Unknown => Paint::Yellow,
            Self::Weak | Self::Info => Paint::Dim,
        }
    }
}

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

/// Filled up with blanks to that many columns.
pub(crate) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// At most `most` columns, with `…` (or `~`) where something was cut.
pub(crate) fn fit(text: &str, most: usize, unicode: bool) -> String {
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
