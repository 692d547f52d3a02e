//! The text of a `.env` or `env_file` → variables, by compose's rules for such files. Pure.

use std::collections::BTreeMap;

use super::error::ComposeError;
use super::interpolate::{InterpolationError, interpolate};
use super::model::Location;

/// One variable of an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvLine {
    /// The name.
    pub name: String,
    /// The value, interpolated.
    pub value: String,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// Reads the variables of a file. A bare name takes its value from `lookup`, or is left out. Variables inside values are looked
/// up there first and then among the lines above. `unset` receives the names that have no value.
///
/// # Errors
/// Names with spaces or odd characters, quotes that never close, broken `${…}`.
pub fn parse_env_file(
    file: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    unset: &mut dyn FnMut(&str),
) -> Result<Vec<EnvLine>, ComposeError> {
    parse_after(file, text, BTreeMap::new(), lookup, unset)
}

/// The same for a file that stands after others, whose values count where its own lines above have none.
pub(super) fn parse_after(
    file: &str,
    text: &str,
    earlier: BTreeMap<String, String>,
    lookup: &dyn Fn(&str) -> Option<String>,
    unset: &mut dyn FnMut(&str),
) -> Result<Vec<EnvLine>, ComposeError> {
    let mut reader = Reader {
        file,
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 1,
        known: earlier,
        lines: Vec::new(),
    };
    while reader.skip_blank() {
        reader.statement(lookup, unset)?;
    }
    Ok(reader.lines)
}

/// The same without quotes, comments at the end of lines and interpolation (`format: raw`).
pub(super) fn parse_raw(text: &str) -> Vec<EnvLine> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with('#'))
        .filter_map(|(index, line)| {
            let (name, value) = line.split_once('=')?;
            Some(EnvLine {
                name: name.trim().to_owned(),
                value: value.to_owned(),
                line: index + 1,
            })
        })
        .filter(|line| !line.name.is_empty())
        .collect()
}

struct Reader<'a> {
    file: &'a str,
    rest: &'a str,
    line: usize,
    known: BTreeMap<String, String>,
    lines: Vec<EnvLine>,
}

impl<'a> Reader<'a> {
    fn error(&self, problem: String, expected: &str) -> ComposeError {
        ComposeError::Invalid {
            location: Location {
                file: self.file.to_owned(),
                line: self.line,
                column: 0,
            },
            problem,
            expected: expected.to_owned(),
        }
    }

    /// Takes that many bytes and counts their lines.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
        taken
    }

    /// Goes to the next statement; false at the end.
    fn skip_blank(&mut self) -> bool {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.take(blank);
            if self.rest.is_empty() {
                return false;
            }
            if !self.rest.starts_with('#') {
                return true;
            }
            self.take(line_length(self.rest));
        }
    }

    fn statement(
        &mut self,
        lookup: &dyn Fn(&str) -> Option<String>,
        unset: &mut dyn FnMut(&str),
    ) -> Result<(), ComposeError> {
        if let Some(tail) = self.rest.strip_prefix("export")
            && tail.starts_with([' ', '\t'])
        {
            let spaces = tail.len() - tail.trim_start_matches([' ', '\t']).len();
            self.take("export".len() + spaces);
        }
        let line = self.line;
        let length = line_length(self.rest);
        let end = self.rest[..length].find(['=', ':']).unwrap_or(length);
        let has_value = end < length;
        let name = self.rest[..end].trim();
        self.check_name(name, has_value)?;
        self.take(end);
        if !has_value {
            // `export` alone names nothing.
            if let Some(value) = lookup(name).filter(|_| !name.is_empty()) {
                self.add(name, value, line);
            }
            return Ok(());
        }
        self.take(1);
        let spaces = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.take(spaces);
        let value = if let Some(quote @ (b'\'' | b'"')) = self.rest.as_bytes().first() {
            let quote = char::from(*quote);
            let body = self.quoted(quote)?;
            if quote == '\'' {
                body.replace("\\'", "'")
            } else {
                self.expand(&unescape(body), lookup, unset, line)?
            }
        } else {
            let whole = self.take(line_length(self.rest));
            let value = whole.find(" #").map_or(whole, |comment| &whole[..comment]);
            self.expand(value.trim(), lookup, unset, line)?
        };
        self.add(name, value, line);
        Ok(())
    }

    fn check_name(&self, name: &str, has_value: bool) -> Result<(), ComposeError> {
        let expected = "NAME=value, NAME, a comment or an empty line";
        if name.is_empty() && has_value {
            return Err(self.error("no name before `=`".to_owned(), expected));
        }
        // The line may be the tail of a password that lacks its quotes: its text is not shown.
        if name.contains(char::is_whitespace) {
            return Err(self.error("a space in the name of a variable".to_owned(), expected));
        }
        let odd = name.chars().find(|character| {
            !(character.is_alphanumeric() || matches!(character, '_' | '.' | '-' | '[' | ']'))
        });
        match odd {
            Some(odd) => Err(self.error(
                format!("the character `{odd}` in the name of a variable"),
                expected,
            )),
            None => Ok(()),
        }
    }

    /// The text between two quotes; the reader stands behind the second.
    fn quoted(&mut self, quote: char) -> Result<&'a str, ComposeError> {
        let mut escaped = false;
        let body = &self.rest[1..];
        for (index, character) in body.char_indices() {
            if character == quote && !escaped {
                self.take(1);
                let text = self.take(index);
                self.take(1);
                return Ok(text);
            }
            escaped = character == '\\' && !escaped;
        }
        Err(self.error(
            format!("a value that begins with {quote} and never ends"),
            "the closing quote",
        ))
    }

    fn expand(
        &self,
        text: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
        unset: &mut dyn FnMut(&str),
        line: usize,
    ) -> Result<String, ComposeError> {
        let both = |name: &str| lookup(name).or_else(|| self.known.get(name).cloned());
        interpolate(text, &both, unset).map_err(|error| ComposeError::Invalid {
            location: Location {
                file: self.file.to_owned(),
                line,
                column: 0,
            },
            expected: match &error {
                InterpolationError::Malformed(_) => {
                    "`${NAME}`, `${NAME:-default}` or single quotes around a literal `$`".to_owned()
                }
                InterpolationError::Required { name, .. } => format!("a value for {name}"),
            },
            problem: error.to_string(),
        })
    }

    fn add(&mut self, name: &str, value: String, line: usize) {
        self.known.insert(name.to_owned(), value.clone());
        self.lines.push(EnvLine {
            name: name.to_owned(),
            value,
            line,
        });
    }
}

fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// The escapes of double quotes. `\$` becomes `$$`, so that interpolation leaves a `$`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        rest = &rest[backslash + 1..];
        let Some(next) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        let single = match next {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '"' | '\\' => Some(next),
            _ => None,
        };
        if let Some(character) = single {
            out.push(character);
            rest = &rest[1..];
        } else if next == '$' {
            out.push_str("$$");
            rest = &rest[1..];
        } else if next == '0' {
            let digits = rest[1..]
                .bytes()
                .take(3)
                .take_while(|byte| matches!(byte, b'0'..=b'7'))
                .count();
            let code = u32::from_str_radix(&rest[..=digits], 8).ok();
            out.push(code.and_then(char::from_u32).unwrap_or('\0'));
            rest = &rest[1 + digits..];
        } else {
            out.push('\\');
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        let lookup = |name: &str| (name == "OSV").then(|| "os".to_owned());
        parse_env_file("a.env", text, &lookup, &mut |_| {})
            .map(|lines| {
                lines
                    .into_iter()
                    .map(|line| (line.name, line.value))
                    .collect()
            })
            .map_err(|error| error.to_string())
    }

    fn value(text: &str) -> String {
        read(text).unwrap().pop().unwrap().1
    }

    #[test]
    fn export_alone_names_nothing() {
        let lines = parse_env_file(
            "a.env",
            "A=1\nexport ",
            &|_| Some("x".to_owned()),
            &mut |_| {},
        );
        assert_eq!(lines.unwrap().len(), 1);
    }

    #[test]
    fn every_rule_of_a_line() {
        for (text, expected) in [
            ("A=1", "1"),
            ("A = 2 ", "2"),
            ("A: 3", "3"),
            ("export A=4", "4"),
            ("\u{feff}A=1\r\n", "1"),
            ("A=5 # comment", "5"),
            ("A=a#b", "a#b"),
            ("A=#x", "#x"),
            ("A=x\t# c", "x\t# c"),
            ("A=", ""),
            ("A==e", "=e"),
            ("A=x\"y\"", "x\"y\""),
            ("A=\"x\\ny\" # c", "x\ny"),
            ("A='x\\ny$OSV'", "x\\ny$OSV"),
            ("A='a\\'b'", "a'b"),
            ("A=\"a\\\"b\"", "a\"b"),
            ("A=\"a\nb\"", "a\nb"),
            ("A=a\\nb", "a\\nb"),
            ("A=$OSV-x", "os-x"),
            ("A=\"${OSV}\"", "os"),
            ("A=${NO:-d}", "d"),
            ("A=$$x", "$x"),
            ("A=\"\\$x\"", "$x"),
            ("A=\\$x", "\\"),
            ("A=\"\\t\\0101\\q\"", "\tA\\q"),
            ("OSV", "os"),
            ("B=1\nA=${B}2", "12"),
            ("OSV=file\nA=$OSV", "os"),
            ("A=\"x\" B=2", "2"),
            ("A.b-c[0]=4", "4"),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
        assert_eq!(read("NOVALUE\n#c\n\n"), Ok(vec![]));
    }

    #[test]
    fn broken_lines_name_file_and_line_but_no_value() {
        assert_eq!(
            read("A=1\nsecret words=2\n").unwrap_err(),
            "a.env:2: a space in the name of a variable, expected NAME=value, NAME, a comment or an empty line"
        );
        assert!(read("A=\"abc\n").unwrap_err().contains("never ends"));
        assert!(read("{}\n").unwrap_err().contains("the character `{`"));
        assert!(read("A=${B\n").unwrap_err().contains("is no variable"));
        assert!(read("=x").unwrap_err().contains("no name"));
    }

    #[test]
    fn raw_lines_are_taken_as_they_are() {
        let lines = parse_raw("A=\"1\" # x\n# c\nB=$A\nC\n");
        let pairs: Vec<_> = lines
            .iter()
            .map(|l| (l.name.as_str(), l.value.as_str()))
            .collect();
        assert_eq!(pairs, [("A", "\"1\" # x"), ("B", "$A")]);
    }
}
