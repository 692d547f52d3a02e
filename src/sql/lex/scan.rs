//! A line of SQL under the reader, byte by byte. Pure.

use super::Special;

/// Where the reader is in a line.
pub(super) struct Scan<'l> {
    pub(super) line: &'l [u8],
    pub(super) at: usize,
    /// What was taken since the last flush.
    pub(super) out: Vec<u8>,
    pub(super) special: Special,
    /// A comment ended: a blank stands for it.
    pub(super) space: bool,
}

impl<'l> Scan<'l> {
    /// A byte from here; 0 behind the end.
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        self.line.get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn rest(&self) -> &'l [u8] {
        &self.line[self.at.min(self.line.len())..]
    }
}

/// What C calls a space.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

pub(super) fn starts_with_delimiter(text: &[u8]) -> bool {
    text.get(..9)
        .is_some_and(|head| head.eq_ignore_ascii_case(b"delimiter"))
}
