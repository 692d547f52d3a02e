//! Names of objects on the command line, refused before any call where the API could not have such an object. Pure.

use crate::address::is_host;

/// The longest label of a DNS name, and so the longest name of a namespace.
const LONGEST: usize = 63;

/// Reads the name of a namespace: a DNS label (RFC 1123).
pub(super) fn namespace(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("the name is empty; is the variable set that it comes from?".to_owned());
    }
    let ends = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let valid = text.len() <= LONGEST
        && text
            .chars()
            .all(|character| ends(character) || character == '-')
        && text.starts_with(ends)
        && text.ends_with(ends);
    if valid {
        return Ok(text.to_owned());
    }
    Err(format!(
        "no namespace can have this name: expected at most {LONGEST} lower-case letters, digits and `-`, with a letter or digit at both ends"
    ))
}

/// Reads the name of an object of the API: a DNS name, at most 253 letters long.
pub(super) fn object(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(|label| namespace(label).is_ok()) {
        return Ok(text.to_owned());
    }
    Err(
        "no object can have this name: expected lower-case letters, digits, `-` and `.`, with a letter or digit at both ends"
            .to_owned(),
    )
}

/// Reads a host.
pub(super) fn host(text: &str) -> Result<String, String> {
    if is_host(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is no host: expected a name or an address, without scheme and port"
    ))
}

/// Reads the name of a service account (a DNS name), with its namespace before a colon or without.
pub(super) fn account(text: &str) -> Result<String, String> {
    let (space, name) = text
        .split_once(':')
        .map_or((None, text), |(space, name)| (Some(space), name));
    if let Some(space) = space {
        namespace(space)?;
    }
    for label in name.split('.') {
        namespace(label).map_err(|_| {
            "no service account can have this name: expected NAME or NAMESPACE:NAME of lower-case letters, digits, `-` and `.`".to_owned()
        })?;
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labels_name_a_namespace() {
        for right in ["default", "shop-2", "0", &"a".repeat(63)] {
            assert_eq!(namespace(right).as_deref(), Ok(right));
        }
        let long = "a".repeat(64);
        for wrong in ["", "Foo Bar", "Shop", "-a", "a-", "a.b", "a/b", "é", &long] {
            assert!(namespace(wrong).is_err(), "{wrong}");
        }
        assert!(namespace("").unwrap_err().contains("empty"));
    }

    #[test]
    fn objects_and_hosts_have_names() {
        for right in ["a", "high.priority", "x-1"] {
            assert_eq!(object(right).as_deref(), Ok(right));
        }
        let long = "a".repeat(64);
        for wrong in ["", "A b", "a..b", ".a", "a_b", &long] {
            assert!(object(wrong).is_err(), "{wrong}");
        }
        for right in ["db.example.com", "10.0.0.1", "fd00::1", "DB"] {
            assert_eq!(host(right).as_deref(), Ok(right));
        }
        for wrong in ["", " ", "http://db", "db:3306", "a b"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_account_may_stand_with_its_namespace() {
        for right in ["k8sverify", "ci:bot", "ci:bot.x"] {
            assert_eq!(account(right).as_deref(), Ok(right));
        }
        for wrong in ["", "ci:", ":bot", "a:b:c", "Bot", "a b", "a{}"] {
            assert!(account(wrong).is_err(), "{wrong}");
        }
    }
}
