//! The cluster's own words as evidence: one line, of bearable length, without secrets. Pure.

/// Longer texts are cut: the first words of an event say what happened.
const LIMIT: usize = 320;

/// Words that name a secret, where `=` or `:` follows.
const SECRET_WORDS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
];

/// A text of the cluster as one line of evidence: control characters and runs of blanks become one blank, the login part of
/// URLs and what follows a word such as `password=` is left out.
#[must_use]
pub(super) fn quote(text: &str) -> String {
    let mut line = String::new();
    for word in text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&without_secret(word));
        if line.len() > LIMIT {
            let cut = line.floor_char_boundary(LIMIT);
            line.truncate(cut);
            line.push('…');
            break;
        }
    }
    line
}

/// The last `count` lines of a log, each quoted.
#[must_use]
pub(super) fn last_lines(log: &str, count: usize) -> Vec<String> {
    let mut lines: Vec<String> = log
        .lines()
        .rev()
        .map(quote)
        .filter(|line| !line.is_empty())
        .take(count)
        .collect();
    lines.reverse();
    lines
}

fn without_secret(word: &str) -> String {
    if let Some((scheme, rest)) = word.split_once("://")
        && let Some((_, host)) = rest.rsplit_once('@')
    {
        return format!("{scheme}://***@{host}");
    }
    let lower = word.to_ascii_lowercase();
    for secret in SECRET_WORDS {
        if let Some(start) = lower.find(secret)
            && let Some(separator) = lower[start..].find(['=', ':'])
            && start + separator + 1 < word.len()
        {
            return format!("{}***", &word[..=start + separator]);
        }
    }
    // `mysql -ps3cret`: the kubelet quotes the whole command of an exec probe that it cannot run.
    let bare = word.trim_start_matches(['"', '\'', '[', '(', '\\']);
    if let Some(value) = bare.strip_prefix("-p")
        && !value.is_empty()
        && !value.starts_with(|letter: char| letter.is_ascii_digit())
        && !["ort", "rotocol", "ath", "ipe", "ing"].contains(&value)
        && bare.len() == bare.trim_end_matches('-').len()
    {
        return word.replace(value, "***");
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_cluster_stay_as_they_are() {
        assert_eq!(
            quote("0/2 nodes are available: 2 Insufficient cpu.\n\tpreemption: none"),
            "0/2 nodes are available: 2 Insufficient cpu. preemption: none"
        );
        assert_eq!(
            quote("secret \"db\" not found, token: "),
            "secret \"db\" not found, token:"
        );
        assert_eq!(
            quote(
                "Get \"http://10.244.1.5:2001/live\": dial tcp 10.244.1.5:2001: connect: connection refused"
            ),
            "Get \"http://10.244.1.5:2001/live\": dial tcp 10.244.1.5:2001: connect: connection refused"
        );
    }

    #[test]
    fn secrets_are_left_out() {
        assert_eq!(
            quote("redis://app:kvspw@KVS:6379/0"),
            "redis://***@KVS:6379/0"
        );
        assert_eq!(quote("DB_PASSWORD=s3cret x"), "DB_PASSWORD=*** x");
        assert_eq!(
            quote("exec: \"mysqladmin ping -ps3cret\": executable file not found"),
            "exec: \"mysqladmin ping -p*** executable file not found"
        );
    }

    #[test]
    fn long_and_odd_texts_are_bearable() {
        assert!(quote(&"ä".repeat(1000)).len() <= LIMIT + 4);
        assert_eq!(quote("\u{1b}[31mred\u{7}"), "[31mred");
        assert_eq!(last_lines("a\n\nb\nc\n", 2), ["b", "c"]);
    }
}
