//! Quoted text without secrets: of a log line, an event, an API message or a peer's message only what is known to be harmless stays. Pure.
//!
//! An allow-list, because no list of secrets is complete: words, numbers, addresses, paths and names that the run knows stay;
//! any other token becomes `***`. What follows a word such as `password` goes even if it is a plain word.

mod shape;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use shape::{is_host, is_path_start, is_plain};
pub(crate) use words::names_value;
use words::{connects, follows, names_scheme, names_secret, says_nothing};

/// Stands for what was left out.
pub const MASK: &str = "***";
/// Characters that end a token, besides blanks.
const DELIMITERS: &str = "\"'`()[]{}<>,;=|&?!#\\“”‘’«»";
/// What closes a text that one of these opened.
const QUOTES: &str = "\"'`";

/// What a quoted text may show, and what it must never show.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// Names that the run shows anyway: of objects, containers, images, hosts.
    known: Arc<BTreeSet<String>>,
    /// Texts that go wherever they stand, the longest first.
    hidden: Vec<String>,
}

/// What the words before say of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It is judged by itself.
    Free,
    /// The word before names a secret: `password X`.
    Named,
    /// And a separator or a flag says that its value follows: `password=X`, `-a X`.
    Value,
    /// `-p`: a port or a password.
    PortOrPassword,
    /// `-u`: `user:password`.
    Login,
}

impl Redactor {
    /// Lets these names pass wherever they stand as a token.
    pub fn with_names(names: impl IntoIterator<Item = String>) -> Self {
        Self {
            known: Arc::new(names.into_iter().filter(|name| !name.is_empty()).collect()),
            hidden: Vec::new(),
        }
    }

    /// The same, which also lets these names pass.
    #[must_use]
    pub fn also<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut known = self.known.as_ref().clone();
        known.extend(
            names
                .into_iter()
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        );
        Self {
            known: Arc::new(known),
            hidden: self.hidden.clone(),
        }
    }

    /// The same, which also never shows these texts, unless they are names that it knows.
    #[must_use]
    pub fn hiding<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Self {
        let fresh: BTreeSet<&str> = texts
            .into_iter()
            .filter(|text| text.len() > 1 && !self.known.contains(*text))
            .collect();
        let mut hidden = self.hidden.clone();
        hidden.extend(fresh.into_iter().map(str::to_owned));
        hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self {
            known: Arc::clone(&self.known),
            hidden,
        }
    }

    /// The text without secrets; line breaks stay, other control characters become blanks.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for hidden in &self.hidden {
            text = text.replace(hidden, MASK);
        }
        let mut out = Out {
            text: String::with_capacity(text.len()),
            next: Next::Free,
            last: String::new(),
        };
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let length = rest.find(is_delimiter).unwrap_or(rest.len());
            if length > 0 {
                let (token, after) = rest.split_at(length);
                self.token(token, &mut out);
                rest = after;
                continue;
            }
            rest = &rest[first.len_utf8()..];
            rest = Self::delimiter(first, rest, &mut out);
        }
        out.text
    }

    /// Whether nothing of the text would be left out.
    pub fn passes(&self, text: &str) -> bool {
        self.text(text) == text
    }

    fn delimiter<'t>(first: char, rest: &'t str, out: &mut Out) -> &'t str {
        if QUOTES.contains(first) && out.next == Next::Value {
            // `password="a b c"`: all of it, and the rest of the line where the quote is never closed.
            let line = rest.split('\n').next().unwrap_or(rest);
            let end = line.find(first).unwrap_or(line.len());
            if end > 0 {
                out.text.push(first);
                out.mask();
                out.next = Next::Free;
                return &rest[end..];
            }
        }
        if first == '?' && rest.starts_with(|c: char| c.is_alphanumeric()) {
            // The query of a URL, whose keys and values are anybody's.
            let end = rest
                .find(|c: char| c.is_whitespace() || "\"'`<>)]}".contains(c))
                .unwrap_or(rest.len());
            out.text.push(first);
            out.mask();
            return &rest[end..];
        }
        if first == '=' && (out.next == Next::Named || names_value(&out.last)) {
            out.next = Next::Value;
        } else if matches!(first, ',' | ';') && out.next == Next::Named {
            out.next = Next::Free;
        }
        match first {
            '\u{1b}' if rest.starts_with('[') => {
                // A terminal's colour: up to its letter.
                let end = rest[1..]
                    .find(|c: char| ('\u{40}'..='\u{7e}').contains(&c))
                    .map_or(rest.len(), |end| end + 2);
                return &rest[end..];
            }
            '\n' => out.text.push('\n'),
            _ if is_invisible(first) => out.text.push(' '),
            _ => out.text.push(first),
        }
        if first.is_whitespace() && out.next != Next::Value {
            out.last.clear();
        }
        rest
    }

    fn token(&self, token: &str, out: &mut Out) {
        let bare = token.trim_matches(|c: char| matches!(c, '.' | ':' | '-' | '…'));
        if token == MASK || bare.is_empty() {
            if token == ":" && out.next == Next::Named {
                out.next = Next::Value;
            } else if token == MASK {
                out.next = Next::Free;
            }
            out.text.push_str(token);
            return;
        }
        let before = std::mem::replace(&mut out.next, Next::Free);
        match before {
            Next::Value if !says_nothing(bare) => {
                out.mask();
                // `credentials: app / X`, `Authorization: Basic X`
                if names_scheme(bare) {
                    out.next = Next::Value;
                }
                return;
            }
            Next::Named if connects(bare) => {
                out.next = if bare == "is" {
                    Next::Value
                } else {
                    Next::Named
                };
                out.text.push_str(token);
                if token.ends_with(':') {
                    out.next = Next::Value;
                }
                return;
            }
            Next::Named if !(follows(bare) || names_secret(bare) || self.known.contains(bare)) => {
                out.mask();
                return;
            }
            Next::PortOrPassword if bare.parse::<u16>().is_err() => {
                out.mask();
                return;
            }
            Next::Login => {
                let (user, login) = token
                    .split_once(':')
                    .map_or((token, false), |(user, _)| (user, true));
                self.piece(user, out);
                if login {
                    out.text.push(':');
                    out.mask();
                }
                return;
            }
            _ => {}
        }
        bare.clone_into(&mut out.last);
        if self.known.contains(bare) || self.known.contains(token) {
            out.text.push_str(token);
        } else {
            self.unknown(token, out);
        }
        if token.ends_with('.') && self.known.contains(token) {
            // A fully qualified name is no key, whatever words are in it.
            out.last.clear();
        } else if out.next == Next::Free {
            out.next = after(token);
        }
    }

    /// A token that is no name the run knows: a URL, an address, `host:port`, `key:value`, `user:password@host`, a path, a word.
    fn unknown(&self, token: &str, out: &mut Out) {
        if shape::is_address(token) {
            out.text.push_str(token);
        } else if let Some((left, right)) = token.split_once("->") {
            self.unknown(left, out);
            out.text.push_str("->");
            self.unknown(right, out);
        } else if let Some((scheme, rest)) = token.split_once("://") {
            self.piece(scheme, out);
            out.text.push_str("://");
            let place = rest.rsplit_once('@').map_or(rest, |(_, place)| {
                out.mask();
                out.text.push('@');
                place
            });
            self.place(place, out);
        } else if let Some((login, place)) = token.rsplit_once('@') {
            // `'app'@'10.1.1.1'`: the quotes have parted the login; `@@read_only`: there is none.
            if login.chars().all(|letter| letter == '@') {
                out.text.push_str(login);
            } else {
                out.mask();
            }
            out.text.push('@');
            self.unknown(place, out);
        } else if let Some(value) = password_flag(token) {
            out.text.push_str(&token[..token.len() - value.len()]);
            out.mask();
        } else {
            self.parts(token, out);
        }
    }

    /// What follows `://` and the login: `host:port/path`.
    fn place(&self, place: &str, out: &mut Out) {
        let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        let (host, port) = authority
            .rsplit_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port)));
        let harmless = port.is_none_or(|port| port.chars().all(|c| c.is_ascii_digit()))
            && (self.known.contains(host) || is_host(host) || shape::is_address(authority));
        if harmless {
            out.text.push_str(authority);
        } else {
            out.mask();
        }
        self.path(path, out);
    }

    /// The parts of a path up to the first that may hold a secret.
    fn path(&self, path: &str, out: &mut Out) {
        for (index, part) in path.split('/').enumerate() {
            if index > 0 {
                out.text.push('/');
            }
            if self.is_harmless(part) {
                out.text.push_str(part);
            } else {
                out.mask();
                return;
            }
        }
    }

    /// `a:b:c`, each part by itself; what stands behind a word for a secret goes.
    fn parts(&self, token: &str, out: &mut Out) {
        if is_path_start(token) {
            return self.path(token, out);
        }
        let mut parts = token.split(':').peekable();
        while let Some(part) = parts.next() {
            self.piece(part, out);
            if parts.peek().is_none() {
                return;
            }
            out.text.push(':');
            if names_value(part) && parts.peek().is_some_and(|next| !next.is_empty()) {
                out.mask();
                return;
            }
        }
    }

    fn piece(&self, piece: &str, out: &mut Out) {
        // `default/ap`, and base64: all of it is harmless, or none.
        if self.known.contains(piece) || piece.split('/').all(|part| self.is_harmless(part)) {
            out.text.push_str(piece);
        } else {
            out.mask();
        }
    }

    fn is_harmless(&self, part: &str) -> bool {
        let bare = part.trim_end_matches(['.', ':', '…']);
        self.known.contains(bare)
            || bare
                .split([':', '_'])
                .all(|part| self.known.contains(part) || is_plain(part))
    }
}

/// What is written, and what is remembered of it.
struct Out {
    text: String,
    next: Next,
    last: String,
}

impl Out {
    fn mask(&mut self) {
        if !self.text.ends_with(MASK) {
            self.text.push_str(MASK);
        }
        self.last.clear();
    }
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || is_invisible(c) || DELIMITERS.contains(c)
}

/// Control characters, and those that change how the text around them is read.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}'..='\u{ffff}')
}

/// What a token announces.
fn after(token: &str) -> Next {
    let bare = token.trim_end_matches(':');
    match token {
        "-a" | "--user-password" => return Next::Value,
        "-p" => return Next::PortOrPassword,
        "-u" | "--user" => return Next::Login,
        _ => {}
    }
    if bare.len() < token.len() && names_value(bare) || bare.starts_with("--") && names_value(bare)
    {
        Next::Value
    } else if names_secret(bare) {
        Next::Named
    } else {
        Next::Free
    }
}

/// `-psecret`, as `mysql` takes it.
fn password_flag(token: &str) -> Option<&str> {
    let value = token.strip_prefix("-p")?;
    let flag = [
        "ort", "rotocol", "ath", "ipe", "ing", "lugin", "refix", "id", "rint", "rofile",
    ]
    .contains(&value);
    (!value.is_empty() && !flag && value.parse::<u16>().is_err()).then_some(value)
}

#[cfg(test)]
mod tests;
