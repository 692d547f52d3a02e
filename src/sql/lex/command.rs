//! The client's own commands, by name at the beginning of a statement and by letter behind a backslash. Pure.

use super::{Client, is_space};

/// A command of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Sends what is pending.
    Go,
    /// Forgets what is pending.
    Clear,
    /// Changes the delimiter.
    Delimiter,
    /// Changes the database.
    Use,
    /// Ends the client.
    Quit(&'static str),
    /// Any other.
    Other(&'static str),
}

struct Command {
    name: &'static str,
    letter: u8,
    takes: bool,
    found: Found,
}

const fn command(name: &'static str, letter: u8, takes: bool) -> Command {
    special(name, letter, takes, Found::Other(name))
}

const fn special(name: &'static str, letter: u8, takes: bool, found: Found) -> Command {
    Command {
        name,
        letter,
        takes,
        found,
    }
}

static COMMANDS: [Command; 24] = [
    command("?", b'?', true),
    special("clear", b'c', false, Found::Clear),
    command("connect", b'r', true),
    special("delimiter", b'd', true, Found::Delimiter),
    command("edit", b'e', false),
    special("ego", b'G', false, Found::Go),
    special("exit", b'q', false, Found::Quit("exit")),
    special("go", b'g', false, Found::Go),
    command("help", b'h', true),
    command("nopager", b'n', false),
    command("notee", b't', false),
    command("pager", b'P', true),
    command("print", b'p', false),
    command("prompt", b'R', true),
    special("quit", b'q', false, Found::Quit("quit")),
    command("rehash", b'#', false),
    command("source", b'.', true),
    command("status", b's', false),
    command("system", b'!', true),
    command("tee", b'T', true),
    special("use", b'u', true, Found::Use),
    command("charset", b'C', true),
    command("warnings", b'W', false),
    command("nowarning", b'w', false),
];
static SANDBOX: Command = command("sandbox", b'-', false);
static RESET: Command = command("resetconnection", b'x', false);

fn commands(client: Client) -> impl Iterator<Item = &'static Command> {
    let own = match client {
        Client::Mariadb => &SANDBOX,
        Client::Mysql => &RESET,
    };
    COMMANDS.iter().chain([own])
}

/// The command whose letter stands behind a backslash, and whether it takes parameters.
pub(super) fn by_letter(letter: u8, client: Client) -> Option<(Found, bool)> {
    commands(client)
        .find(|command| command.letter == letter)
        .map(|command| (command.found, command.takes))
}

/// The command that a line is. One that holds the delimiter is left to be read byte by byte, unless it is DELIMITER.
pub(super) fn by_name(line: &[u8], delimiter: &[u8], client: Client) -> Option<Found> {
    let start = line.iter().position(|byte| !is_space(*byte))?;
    let line = &line[start..];
    let holds = |text: &[u8]| line.windows(text.len()).any(|window| window == text);
    if holds(b"\\g") || (holds(delimiter) && !super::starts_with_delimiter(line)) {
        return None;
    }
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    let (name, parameters) = match end {
        Some(end) => (
            &line[..end],
            line[end..].iter().any(|byte| !is_space(*byte)),
        ),
        None => (line, false),
    };
    commands(client)
        .find(|command| {
            name.eq_ignore_ascii_case(command.name.as_bytes()) && (!parameters || command.takes)
        })
        .map(|command| command.found)
}

/// The first argument of a command's line.
pub(super) fn argument(line: &[u8]) -> Option<Vec<u8>> {
    let skip = |from: usize, want: bool| {
        let space = |byte: &u8| is_space(*byte) == want;
        from + line[from..]
            .iter()
            .position(space)
            .unwrap_or(line.len() - from)
    };
    let start = skip(0, false);
    let mut at = if line.get(start) == Some(&b'\\') {
        (start + 2).min(line.len())
    } else {
        skip(start, true)
    };
    at = skip(at, false);
    let quote = line
        .get(at)
        .copied()
        .filter(|byte| matches!(byte, b'\'' | b'"' | b'`'));
    if quote.is_some() {
        at += 1;
    }
    let mut word = Vec::new();
    while let Some(&byte) = line.get(at) {
        if byte == b'\\' && at + 1 < line.len() {
            at += 1;
            word.push(line[at]);
        } else if byte == quote.unwrap_or(b' ') {
            break;
        } else {
            word.push(byte);
        }
        at += 1;
    }
    (!word.is_empty()).then_some(word)
}

/// The database of USE: the argument; with more than two quotes, the name between them with doubled ones made single.
pub(super) fn database(line: &[u8]) -> Option<Vec<u8>> {
    let quotes = line
        .iter()
        .filter(|byte| matches!(byte, b'\'' | b'"' | b'`'))
        .count();
    if quotes <= 2 {
        return argument(line);
    }
    let start = line
        .iter()
        .position(|byte| matches!(byte, b'\'' | b'"' | b'`'))?;
    let quote = line[start];
    let mut name = Vec::new();
    let mut at = start + 1;
    while let Some(&byte) = line.get(at) {
        if byte == quote {
            if line.get(at + 1) != Some(&quote) {
                break;
            }
            at += 1;
        }
        name.push(byte);
        at += 1;
    }
    (!name.is_empty()).then_some(name)
}
