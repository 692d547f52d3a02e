//! A statement in tokens: names, words, literals, signs; what stands in comments that servers read (`/*!50003 … */`) is part of it. Pure.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or a bare name.
    Word,
    /// A name in backquotes.
    Quoted,
    /// A literal whose content is never shown: a string, a hexadecimal one, the host of an account.
    Text,
    /// A number.
    Number,
    /// `@x`, `@@global.x`.
    Variable,
    /// Anything else, one byte.
    Sign,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
}

impl Token {
    /// Its bytes.
    pub fn of<'s>(&self, sql: &'s [u8]) -> &'s [u8] {
        &sql[self.start..self.end]
    }

    /// Whether it is this keyword.
    pub fn is(&self, sql: &[u8], word: &str) -> bool {
        self.kind == Kind::Word && self.of(sql).eq_ignore_ascii_case(word.as_bytes())
    }

    /// Whether it is this sign.
    pub fn is_sign(&self, sql: &[u8], sign: u8) -> bool {
        self.kind == Kind::Sign && self.of(sql) == [sign]
    }

    /// The name that it is, without quotes; `None` for what is no name.
    pub fn name(&self, sql: &[u8]) -> Option<String> {
        match self.kind {
            Kind::Word => Some(String::from_utf8_lossy(self.of(sql)).into_owned()),
            Kind::Quoted => {
                let text = self.of(sql);
                let inner = text.strip_prefix(b"`").unwrap_or(text);
                let inner = inner.strip_suffix(b"`").unwrap_or(inner);
                Some(String::from_utf8_lossy(inner).replace("``", "`"))
            }
            _ => None,
        }
    }
}

/// The tokens of a statement.
pub fn tokens(sql: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < sql.len() {
        let rest = &sql[at..];
        let byte = rest[0];
        if byte.is_ascii_whitespace() || byte == 0x0b {
            at += 1;
        } else if let Some(length) = comment(rest) {
            at += length;
        } else {
            let (kind, length) = token(rest);
            tokens.push(Token {
                kind,
                start: at,
                end: at + length,
            });
            at += length;
        }
    }
    tokens
}

/// How much of a text is a comment that it begins with; of one that servers read, its marks alone.
fn comment(rest: &[u8]) -> Option<usize> {
    let line = |rest: &[u8]| {
        rest.iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |end| end + 1)
    };
    if rest.starts_with(b"#") {
        return Some(line(rest));
    }
    if rest.starts_with(b"--")
        && rest
            .get(2)
            .is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
    {
        return Some(line(rest));
    }
    if rest.starts_with(b"*/") {
        return Some(2);
    }
    let opened = [&b"/*!"[..], b"/*M!"]
        .into_iter()
        .find(|mark| rest.starts_with(mark));
    if let Some(mark) = opened {
        let digits = rest[mark.len()..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        return Some(mark.len() + digits);
    }
    rest.starts_with(b"/*").then(|| {
        rest.windows(2)
            .skip(2)
            .position(|pair| pair == b"*/")
            .map_or(rest.len(), |end| end + 4)
    })
}

fn token(rest: &[u8]) -> (Kind, usize) {
    let byte = rest[0];
    match byte {
        b'\'' | b'"' => (Kind::Text, quoted(rest, byte, true)),
        b'`' => (Kind::Quoted, quoted(rest, byte, false)),
        b'@' => variable(rest),
        _ if byte.is_ascii_digit() => number(rest),
        _ if is_inner(byte) => {
            let length = word(rest);
            // X'4D7953514C', b'0101', _utf8'x', N'x'
            match rest.get(length) {
                Some(b'\'') if length == 1 && b"xXbBnN".contains(&byte) => {
                    (Kind::Text, length + quoted(&rest[length..], b'\'', true))
                }
                _ => (Kind::Word, length),
            }
        }
        _ => (Kind::Sign, 1),
    }
}

fn number(rest: &[u8]) -> (Kind, usize) {
    let length = word(rest);
    let text = &rest[..length];
    if text.len() > 2 && (text.starts_with(b"0x") || text.starts_with(b"0X")) {
        return (Kind::Text, length);
    }
    if text.iter().all(u8::is_ascii_digit) && rest.get(length) == Some(&b'.') {
        let fraction = rest[length + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if fraction > 0 {
            return (Kind::Number, length + 1 + fraction);
        }
    }
    // A name may begin with a digit.
    let exponent = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'e' | b'E');
    if text.iter().all(exponent) {
        (Kind::Number, length)
    } else {
        (Kind::Word, length)
    }
}

fn variable(rest: &[u8]) -> (Kind, usize) {
    let signs = if rest.starts_with(b"@@") { 2 } else { 1 };
    if let Some(quote @ (b'\'' | b'"' | b'`')) = rest.get(signs) {
        return (Kind::Text, signs + quoted(&rest[signs..], *quote, true));
    }
    let length = rest[signs..]
        .iter()
        .take_while(|byte| is_inner(**byte) || **byte == b'.')
        .count();
    (Kind::Variable, signs + length)
}

fn word(rest: &[u8]) -> usize {
    rest.iter().take_while(|byte| is_inner(**byte)).count()
}

const fn is_inner(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

/// The length of a quoted text with its quotes; all of it where it is never closed.
fn quoted(rest: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < rest.len() {
        if escapes && rest[at] == b'\\' {
            at += 2;
        } else if rest[at] == quote {
            if rest.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    rest.len()
}
