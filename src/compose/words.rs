//! A command line in one string → words, as compose splits it: quotes and backslashes, no expansion; an operator ends it. Pure.

/// Splits a command line; none if a quote never closes.
pub fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(characters.next()?),
            '\'' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        inner => quoted.push(inner),
                    }
                }
            }
            '"' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => quoted.push(characters.next()?),
                        inner => quoted.push(inner),
                    }
                }
            }
            ';' | '&' | '|' | '<' | '>' => break,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_operators() {
        for (line, expected) in [
            ("a b", &["a", "b"][..]),
            ("a \"b c\" 'd e'", &["a", "b c", "d e"]),
            ("a''b \"\"", &["ab", ""]),
            ("a \\\\ b\\ c", &["a", "\\", "b c"]),
            ("a \\\"b", &["a", "\"b"]),
            ("a # b", &["a", "#", "b"]),
            ("a;b", &["a"]),
            ("a && b", &["a"]),
            ("", &[]),
            ("a\n b", &["a", "b"]),
        ] {
            assert_eq!(split_words(line).unwrap(), expected, "{line}");
        }
        assert_eq!(split_words("a \"b"), None);
        assert_eq!(split_words("a \\"), None);
    }
}
