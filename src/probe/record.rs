//! Writes outcomes as JSON lines, flushed at once; whatever a peer said is made printable, and nothing secret passes. IO: the output.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use crate::probe::found::ADVERTISED;
use crate::probe::wire::sql::{Answer, SqlRecord};
use crate::probe::wire::{Record, Step};
use crate::redact::{Redactor, is_invisible};

/// How long a text of a peer may be.
const TEXT: usize = 600;
/// How long a fact may be.
const FACT: usize = 2000;

/// Replaces what must not be read in a log.
#[derive(Clone, Default)]
pub(crate) struct Scrubber {
    secrets: Vec<(String, String)>,
    users: BTreeSet<String>,
    hosts: Vec<(String, String)>,
    words: Redactor,
}

impl Scrubber {
    /// Never lets this text pass; `instead` stands in its place.
    pub(crate) fn hide(&mut self, secret: &str, instead: &str) {
        // An empty or one-letter text would tear every word apart, and gives nothing away.
        if secret.len() > 1 && !self.secrets.iter().any(|(known, _)| known == secret) {
            self.secrets.push((secret.to_owned(), instead.to_owned()));
            // The longest first, so that a URL goes before the password within it.
            self.secrets
                .sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        }
    }

    /// Lets these names pass wherever a peer's message has them as a word.
    pub(crate) fn show(&mut self, names: impl IntoIterator<Item = String>) {
        self.words = Redactor::with_names(names);
    }

    /// Never lets this host name pass where it stands as a name of its own.
    pub(crate) fn hide_host(&mut self, host: &str, instead: &str) {
        self.hosts.push((host.to_owned(), instead.to_owned()));
    }

    /// Never lets this user name pass where a peer's message names a user.
    pub(crate) fn hide_user(&mut self, user: &str) {
        if !user.is_empty() {
            self.users.insert(user.to_owned());
        }
    }

    /// The text without secrets and control characters, and not too long.
    pub(crate) fn clean(&self, text: &str, limit: usize) -> String {
        let mut clean: String = text
            .chars()
            .map(|c| if is_invisible(c) { ' ' } else { c })
            .collect();
        for (secret, instead) in &self.secrets {
            clean = if secret.len() >= 4 {
                clean.replace(secret, instead)
            } else {
                // A short one only where it stands alone, else half of every message would be stars.
                replace_word(&clean, secret, instead, "")
            };
        }
        for (host, instead) in &self.hosts {
            clean = replace_word(&clean, host, instead, "-_");
        }
        for user in &self.users {
            for quote in ["'", "\"", "`"] {
                let quoted = format!("{quote}{user}{quote}");
                for lead in ["user ", "role ", "for "] {
                    clean = clean.replace(
                        &format!("{lead}{quoted}"),
                        &format!("{lead}{quote}***{quote}"),
                    );
                }
            }
            clean = clean.replace(&format!("User {user} has"), "User *** has");
        }
        if clean.len() > limit {
            let end = clean.floor_char_boundary(limit);
            clean.truncate(end);
            clean.push('…');
        }
        clean.trim().to_owned()
    }

    fn step(&self, mut step: Step) -> Step {
        step.target = self.clean(&step.target, TEXT);
        // What a peer says may hold what it knows and we do not. Where it sends its clients is what this step is about.
        let detail = self.clean(&step.detail, FACT);
        let words = step.facts.get(ADVERTISED).map(|address| {
            let host = address.rsplit_once(':').map_or("", |(host, _)| host);
            let in_detail = detail.split([' ', '=', ';', '`']);
            let names =
                in_detail.filter(|word| word.split(['.', ':']).next() == host.split('.').next());
            self.words.also(names.chain([host, address]))
        });
        let words = words.as_ref().unwrap_or(&self.words);
        step.detail = self.clean(&words.text(&detail), TEXT);
        step.facts = step
            .facts
            .into_iter()
            .map(|(key, value)| {
                let value = self.clean(&value, FACT);
                (key, value)
            })
            .collect::<BTreeMap<_, _>>();
        step
    }
}

/// Replaces a text where it stands as a word of its own, not within letters, digits or `inner` characters.
fn replace_word(text: &str, word: &str, instead: &str, inner: &str) -> String {
    let joined = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || inner.contains(c));
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for (at, found) in text.match_indices(word) {
        let end = at + found.len();
        result.push_str(&text[done..at]);
        let within = joined(text[..at].chars().next_back()) || joined(text[end..].chars().next());
        result.push_str(if within { found } else { instead });
        done = end;
    }
    result.push_str(&text[done..]);
    result
}

/// Writes records.
pub(crate) struct Recorder<'a> {
    out: &'a mut (dyn Write + Send),
    scrubber: &'a Scrubber,
    steps: usize,
}

impl<'a> Recorder<'a> {
    /// A recorder on that output.
    pub(crate) const fn new(out: &'a mut (dyn Write + Send), scrubber: &'a Scrubber) -> Self {
        Self {
            out,
            scrubber,
            steps: 0,
        }
    }

    /// Writes that an edge begins or is done.
    pub(crate) fn mark(&mut self, mark: &Record) -> io::Result<()> {
        write(self.out, mark)
    }

    /// Writes one step.
    pub(crate) fn step(&mut self, step: Step) -> io::Result<()> {
        self.steps += 1;
        let step = self.scrubber.step(step);
        write(self.out, &Record::Step(step))
    }

    /// Writes one record of SQL.
    pub(crate) fn sql(&mut self, mut record: SqlRecord) -> io::Result<()> {
        self.steps += 1;
        let clean = |text: &mut String| *text = self.scrubber.clean(text, FACT);
        let answer = |answer: &mut Answer| clean(&mut answer.message);
        match &mut record {
            SqlRecord::Server { version, .. } => clean(version),
            SqlRecord::Failed { message, .. } => clean(message),
            SqlRecord::Member { error, .. } => error.iter_mut().for_each(clean),
            SqlRecord::Scratch { answer: said, .. }
            | SqlRecord::Statement { answer: said, .. }
            | SqlRecord::Query { answer: said, .. }
            | SqlRecord::Unusable { answer: said, .. }
            | SqlRecord::Dropped { answer: said, .. } => answer(said),
        }
        write(self.out, &Record::Sql(record))
    }

    /// Writes the end record.
    pub(crate) fn end(self, cut_short: bool) -> io::Result<()> {
        write(
            self.out,
            &Record::End {
                steps: self.steps,
                cut_short,
            },
        )
    }
}

/// Writes one record as one line, at once.
pub(crate) fn write(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_control_characters_never_pass() {
        let mut scrubber = Scrubber::default();
        scrubber.hide("s3cret", "***");
        scrubber.hide("mysql://app:s3cret@db/app", "DATABASE_URL");
        scrubber.hide("ab", "***");
        scrubber.hide_user("app");
        scrubber.hide_host("MariaDB", "the host in URL");
        assert_eq!(
            scrubber.clean("MariaDB.shop. 10.11-MariaDB-0", TEXT),
            "the host in URL.shop. 10.11-MariaDB-0"
        );
        assert_eq!(
            scrubber.clean(
                "Access denied for user 'app'@'10.1.1.1' to database 'app'",
                TEXT
            ),
            "Access denied for user '***'@'10.1.1.1' to database 'app'"
        );
        assert_eq!(
            scrubber.clean(
                "\x1b[1m mysql://app:s3cret@db/app and s3cret, ab not abc",
                TEXT
            ),
            "[1m DATABASE_URL and ***, *** not abc"
        );
        assert_eq!(scrubber.clean(&"é".repeat(400), 601).chars().count(), 301);
    }
}
