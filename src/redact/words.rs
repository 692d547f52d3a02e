//! Words that say that a secret follows, and those that stand between it and them. Pure.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Words that speak of a secret wherever they stand.
static SECRETS: Words = Words::new(|| {
    set(
        "password passwords passwd passphrase passcode pwd pass pw secret token bearer credential credentials \
    apikey jwt cookie",
    )
});
/// Ends of such words.
const SECRET_ENDS: &str = "password passwd passphrase apikey secretkey accesskey privatekey";
/// Parts of names whose value is a secret.
const VALUE_PARTS: &str = "password passwd passphrase passcode pwd secret token apikey accesskey privatekey credential \
    authorization cookie signature session bearer jwt salt";
/// Ends of such names.
const VALUE_ENDS: &str = "pass key auth pw dsn sig webhook";
/// Such names that are common parts of others.
static VALUES: Words = Words::new(|| set("pin otp code"));
/// Kinds of credentials, before the credential.
static SCHEMES: Words = Words::new(|| set("basic bearer digest negotiate plain token"));
/// What says that there is a value, or none, and not which.
static NO_VALUES: Words =
    Words::new(|| set("yes no true false null none nil empty unset undefined"));
/// Between the word for a secret and the secret.
static BETWEEN: Words = Words::new(|| set("is was key value of plain basic"));
/// Words that follow a word for a secret in a message and are none.
static FOLLOWERS: Words = Words::new(|| {
    set(
        "a again algorithm already an and are as at auth authenticated authentication based be because been \
    but by can cannot changed check could did does doesn't error exceeded exchange expired failed failure field file for \
    from had has hash have if in incorrect invalid isn't lookup manager may method mismatch missing must needed needs no not \
    on or plugin policy provided provider references rejected request required rotation set should store supplied supported \
    than that the to too under unknown using validation verification volume were which will with without wrong yes",
    )
});

/// Words that are looked up for each word of each message.
pub(super) type Words = LazyLock<HashSet<&'static str>>;

/// The words of a text.
pub(super) fn set(text: &'static str) -> HashSet<&'static str> {
    text.split_whitespace().collect()
}

fn has(list: &Words, word: &str) -> bool {
    list.contains(word)
}

fn letters(word: &str) -> String {
    word.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether the word speaks of a secret wherever it stands.
pub(super) fn names_secret(word: &str) -> bool {
    // `username-password pair`
    if !word.starts_with('-') && word.contains('-') {
        return false;
    }
    let plain = letters(word);
    has(&SECRETS, &plain) || SECRET_ENDS.split(' ').any(|end| plain.ends_with(end))
}

/// Whether what follows the name and `=` or `:` is a secret.
pub(crate) fn names_value(name: &str) -> bool {
    let plain = letters(name);
    VALUE_PARTS
        .split_whitespace()
        .any(|part| plain.contains(part))
        || VALUE_ENDS.split(' ').any(|end| plain.ends_with(end))
        || has(&VALUES, &plain)
}

/// `Basic`, `Bearer`: the credential follows.
pub(super) fn names_scheme(word: &str) -> bool {
    has(&SCHEMES, &letters(word))
}

/// Whether it says only that there is a value, or none.
pub(super) fn says_nothing(word: &str) -> bool {
    has(&NO_VALUES, &word.to_ascii_lowercase())
}

/// Whether the secret may still follow.
pub(super) fn connects(word: &str) -> bool {
    has(&BETWEEN, &word.to_ascii_lowercase())
}

/// Whether the message goes on without a secret.
pub(super) fn follows(word: &str) -> bool {
    has(&FOLLOWERS, &word.to_ascii_lowercase()) || word.parse::<u8>().is_ok()
}
