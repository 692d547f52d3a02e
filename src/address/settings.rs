//! Settings written as text (properties, ini, TOML, YAML, `.env`) or as options of a command → variables of their own, by path. Pure.
//!
//! Read by line and indentation, so that templates which are no valid YAML are read too. What is no key and value is passed over.

use std::collections::BTreeMap;

/// Larger texts hold data, not configuration.
const MAX_BYTES: usize = 64 * 1024;

/// What a text says by path (`redis.host`), a list of plain values joined by commas.
pub(super) fn of_text(text: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    if text.len() > MAX_BYTES {
        return found;
    }
    let mut section = String::new();
    // The keys above, each with its indentation.
    let mut above: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let bare = line.trim();
        let indent = line.len() - line.trim_start().len();
        if bare.is_empty() || bare.starts_with(['#', ';', '!']) || bare.starts_with("//") {
            continue;
        }
        if let Some(name) = bare
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            && !name.contains([',', '"', ' '])
        {
            name.trim_matches(['[', ']']).clone_into(&mut section);
            above.clear();
            continue;
        }
        let (item, bare) = bare
            .strip_prefix("- ")
            .map_or((false, bare), |rest| (true, rest.trim()));
        above.retain(|(depth, _)| *depth < indent || item && *depth == indent);
        let path = |key: Option<&str>| {
            let above = above.iter().map(|(_, key)| key.as_str());
            let section = Some(section.as_str()).filter(|name| !name.is_empty());
            let parts: Vec<&str> = section.into_iter().chain(above).chain(key).collect();
            parts.join(".")
        };
        match pair(bare) {
            Some((key, "")) => above.push((indent, key.to_owned())),
            Some((key, value)) => {
                found.entry(path(Some(key))).or_insert_with(|| plain(value));
            }
            None if item => {
                let list = found.entry(path(None)).or_default();
                if !list.is_empty() {
                    list.push(',');
                }
                list.push_str(&plain(bare));
            }
            None => {}
        }
    }
    found
}

/// What the options of a command say: `--redis-host=x`, `--redis x:6379`, `-Dredis.host=x`.
pub(super) fn of_words(words: &[String]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut words = words
        .iter()
        .flat_map(|word| word.split_whitespace())
        .peekable();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix('-') else {
            continue;
        };
        let option = option.strip_prefix('-').unwrap_or(option);
        let option = option
            .strip_prefix('D')
            .filter(|rest| rest.contains('.'))
            .unwrap_or(option);
        if let Some((key, value)) = option.split_once('=') {
            found.entry(key.to_owned()).or_insert_with(|| plain(value));
        } else if let Some(value) = words.next_if(|next| !next.starts_with('-')) {
            found
                .entry(option.to_owned())
                .or_insert_with(|| plain(value));
        }
    }
    found
}

/// A key and its value; none, where the line opens a block.
fn pair(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let end = line.find(['=', ':'])?;
    let (key, rest) = line.split_at(end);
    let (separator, value) = rest.split_at(1);
    let key = key.trim().trim_matches(['"', '\'']);
    let is_key = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    // `host:port` is a value; a colon that ends a key has a blank or nothing behind it.
    let ends = separator == "=" || value.is_empty() || value.starts_with([' ', '\t', '"', '\'']);
    let value = value.trim().trim_end_matches(['{', '(', '[']).trim();
    (is_key && ends).then_some((key, value))
}

/// A value without its quotes, a comma at its end and a comment behind it.
fn plain(value: &str) -> String {
    let value = value.split(" #").next().unwrap_or(value);
    let value = value.trim().trim_end_matches([',', ';']).trim();
    value.trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: &BTreeMap<String, String>) -> String {
        let pairs = found.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_usual_form_gives_paths() {
        for (text, wanted) in [
            (
                "spring.redis.host=x\n# no\nspring.redis.port = 6379",
                "spring.redis.host=x spring.redis.port=6379",
            ),
            (
                "[web]\nport = 1\n[redis]\nhost = x ; \n",
                "redis.host=x web.port=1",
            ),
            ("[redis]\naddr = \"x:6379\" # here", "redis.addr=x:6379"),
            (
                "redis:\n  host: x\n  port: 6379\nweb:\n  port: 1",
                "redis.host=x redis.port=6379 web.port=1",
            ),
            (
                "redis:\n  nodes:\n    - x:1\n    - y:2\n",
                "redis.nodes=x:1,y:2",
            ),
            ("redis:\n  nodes:\n  - x:1\n", "redis.nodes=x:1"),
            ("export REDIS_HOST='x'\n", "REDIS_HOST=x"),
            (
                "module.exports = {\n  redis: {\n    host: 'x',\n  },\n};",
                "module.exports.redis.host=x",
            ),
            ("just words\nhttp://x:1/y", ""),
        ] {
            assert_eq!(shown(&of_text(text)), wanted, "{text}");
        }
    }

    #[test]
    fn options_of_a_command_are_settings() {
        let words = [
            "app",
            "--redis-host=x",
            "--db",
            "y:1",
            "-Dredis.port=2",
            "-v",
            "--flag",
        ];
        let found = of_words(&words.map(str::to_owned));
        assert_eq!(shown(&found), "db=y:1 redis-host=x redis.port=2");
        let script = [
            "sh".to_owned(),
            "-c".to_owned(),
            "exec app --cache z".to_owned(),
        ];
        assert_eq!(of_words(&script)["cache"], "z");
    }
}
