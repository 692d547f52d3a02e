//! What a start command of a shell gives to variables before the program runs: `sh -c "export DB_HOST=db; exec app"`. Pure.
//!
//! The process has that value, whatever the Pod's specification says. Read are the plain commands at the script's beginning; what stands
//! below an `if` or a loop may run or not, and is left as it is.

use super::Environment;

/// Programs that take a script behind `-c`.
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "ksh", "zsh"];
/// Words after which it is not known what runs.
const BRANCHES: [&str; 8] = ["if", "for", "while", "until", "case", "{", "(", "function"];

/// Lays the assignments of a container's command over its variables.
pub(super) fn apply(words: &[String], environment: &mut Environment) {
    let commands = match script(words) {
        Some(script) => commands(script),
        // `env A=b app`, without a shell.
        None if words.first().is_some_and(|word| is_called(word, &["env"])) => vec![words.to_vec()],
        None => return,
    };
    let mut exported = false;
    for command in commands {
        let mut words = command.iter().map(String::as_str).peekable();
        words.next_if_eq(&"exec");
        let Some(first) = words.peek().copied() else {
            continue;
        };
        if BRANCHES.contains(&first) || first.ends_with("()") {
            return;
        }
        if command.len() == 2 && first == "set" && command[1] == "-a" {
            exported = true;
        }
        let exports = first == "export";
        if exports || is_called(first, &["env"]) {
            words.next();
        }
        let assigned: Vec<(&str, &str)> =
            std::iter::from_fn(|| words.next_if(|word| pair(word).is_some()))
                .filter_map(pair)
                .collect();
        // `A=b` alone stays in the shell, unless the variable was exported to it; before a program it is that one's.
        let passed = exports || exported || words.peek().is_some();
        for (name, text) in assigned {
            if passed || environment.may_have(name) {
                let value = value(text, environment);
                // `export DB_HOST=$(cat $DB_HOST_FILE)` is what `DB_HOST_FILE` says already.
                let same = reads_file(text, name) && environment.may_have(name);
                if !same {
                    environment.assign(name, value);
                }
            }
        }
    }
}

/// Whether a word is one of these programs, by its path or without.
fn is_called(word: &str, programs: &[&str]) -> bool {
    programs.contains(&word.rsplit('/').next().unwrap_or(word))
}

/// The script that a shell runs.
fn script(words: &[String]) -> Option<&str> {
    let shell = words.iter().position(|word| is_called(word, &SHELLS))?;
    let is_option = |word: &&String| word.starts_with('-') && !word.starts_with("--");
    let options = words[shell + 1..].iter().take_while(is_option).count();
    let runs = words[shell + 1..][..options]
        .iter()
        .any(|option| option.ends_with('c'));
    words
        .get(shell + 1 + options)
        .filter(|_| runs)
        .map(String::as_str)
}

/// `NAME=text`.
fn pair(word: &str) -> Option<(&str, &str)> {
    let (name, text) = word.split_once('=')?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (starts && is_name).then_some((name, text))
}

/// The plain commands of a script, each with its words as they are written, quotes included.
fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut depth = 0_usize;
    let mut letters = script.chars().peekable();
    while let Some(letter) = letters.next() {
        let inside = quote.is_some() || depth > 0;
        match letter {
            '\\' => {
                word.push(letter);
                word.extend(letters.next());
                continue;
            }
            '\'' | '"' if quote.is_none() => quote = Some(letter),
            _ if quote == Some(letter) => quote = None,
            '(' if quote != Some('\'') && word.ends_with('$') => depth += 1,
            ')' if quote != Some('\'') && depth > 0 => depth -= 1,
            '#' if !inside && word.is_empty() => {
                while letters.next_if(|letter| *letter != '\n').is_some() {}
                continue;
            }
            ' ' | '\t' | ';' | '\n' | '&' | '|' if !inside => {
                let last = commands.last_mut();
                if let Some(command) = last.filter(|_| !word.is_empty()) {
                    command.push(std::mem::take(&mut word));
                }
                if !matches!(letter, ' ' | '\t') {
                    commands.push(Vec::new());
                }
                continue;
            }
            _ => {}
        }
        word.push(letter);
    }
    if let Some(command) = commands.last_mut().filter(|_| !word.is_empty()) {
        command.push(word);
    }
    commands
}

/// Whether a text is the content of the file that `NAME_FILE` names.
fn reads_file(text: &str, name: &str) -> bool {
    let text = text.trim_matches('"');
    let inner = text
        .strip_prefix("$(")
        .and_then(|text| text.strip_suffix(')'))
        .map(str::trim);
    let path = inner.and_then(|inner| {
        inner
            .strip_prefix("cat ")
            .or_else(|| inner.strip_prefix('<'))
    });
    path.is_some_and(|path| {
        let path = path.trim().trim_matches('"').trim_start_matches(['$', '{']);
        path.trim_end_matches('}').strip_suffix("_FILE") == Some(name)
    })
}

/// What a word of a script becomes; `None` where it depends on what cannot be read.
fn value(text: &str, environment: &Environment) -> Option<String> {
    let mut value = String::new();
    let mut rest = text;
    let mut literal = false;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        match letter {
            '\'' => {
                let (inside, behind) = after.split_once('\'')?;
                value.push_str(inside);
                rest = behind;
                continue;
            }
            '"' => literal = !literal,
            '`' => return None,
            '\\' => {
                let escaped = after.chars().next()?;
                value.push(escaped);
                rest = &after[escaped.len_utf8()..];
                continue;
            }
            '$' => {
                let (text, behind) = reference(after, environment)?;
                value.push_str(&text);
                rest = behind;
                continue;
            }
            _ => value.push(letter),
        }
        rest = after;
    }
    (!literal).then_some(value)
}

/// What `$NAME`, `${NAME}` or `${NAME:-word}` becomes, `$` taken off, and what follows it.
fn reference<'t>(text: &'t str, environment: &Environment) -> Option<(String, &'t str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, default, behind) = if let Some(inside) = text.strip_prefix('{') {
        let (inside, behind) = inside.split_once('}')?;
        let end = inside.find(|c: char| !part(c)).unwrap_or(inside.len());
        let (name, operator) = inside.split_at(end);
        let word = || {
            operator
                .strip_prefix(":-")
                .or_else(|| operator.strip_prefix('-'))
        };
        let default = if operator.is_empty() {
            None
        } else {
            Some(word()?)
        };
        (name, default, behind)
    } else {
        let end = text.find(|c: char| !part(c)).unwrap_or(text.len());
        let (name, behind) = text.split_at(end);
        (name, None, behind)
    };
    if name.is_empty() {
        return None;
    }
    let known = environment
        .variables
        .get(name)
        .map(|variable| variable.value.clone());
    let text = match (known, default) {
        (Some(None), _) => return None,
        (Some(Some(text)), _) if !text.is_empty() || default.is_none() => text,
        (None, _) if environment.may_have(name) => return None,
        (_, Some(word)) => value(word, environment)?,
        // Kubernetes or the image may set what the specification does not.
        _ => return None,
    };
    Some((text, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(script: &str) -> Environment {
        let mut environment = Environment::default();
        environment.assign("DB_HOST", Some("db".to_owned()));
        environment.assign("PORT", Some("3306".to_owned()));
        environment.open_prefixes.push("SECRET_".to_owned());
        let words = ["/bin/sh", "-ec", script].map(str::to_owned);
        apply(&words, &mut environment);
        environment
    }

    fn host(script: &str) -> Option<String> {
        after(script).variables.get("DB_HOST")?.value.clone()
    }

    #[test]
    fn the_start_command_has_the_last_word() {
        for (script, expected) in [
            ("export DB_HOST=mysql-old; exec app", Some("mysql-old")),
            ("DB_HOST=\"my-$PORT\" exec app", Some("my-3306")),
            ("DB_HOST=other\nexec app", Some("other")),
            ("env DB_HOST='x y' app", Some("x y")),
            ("exec env DB_HOST=other app", Some("other")),
            ("exec /usr/bin/env DB_HOST=other app", Some("other")),
            ("export DB_HOST=${DB_HOST:-fallback} && app", Some("db")),
            ("export DB_HOST=${NONE:-fallback} && app", Some("fallback")),
            ("exec app --host=$DB_HOST", Some("db")),
            ("# DB_HOST=x\nexec app", Some("db")),
            ("if true; then export DB_HOST=x; fi; app", Some("db")),
            ("echo 'a; DB_HOST=x'; app", Some("db")),
            ("export DB_HOST=$(cat /run/host); app", None),
            ("export DB_HOST=`hostname`; app", None),
            ("export DB_HOST=$SECRET_HOST; app", None),
            ("export DB_HOST=${UNKNOWN}; app", None),
        ] {
            assert_eq!(host(script).as_deref(), expected, "{script}");
        }
    }

    #[test]
    fn what_stays_in_the_shell_or_cannot_be_read_is_no_variable_of_the_program() {
        let environment = after("NEW=x; export OTHER=y; app");
        assert!(!environment.may_have("NEW"));
        assert!(environment.may_have("OTHER"));
        let hidden = after("export DB_HOST=$(vault read host); app");
        assert!(hidden.lost["DB_HOST"].contains("start command"));
        assert!(!hidden.may_have("DB_HOST"));
        // No shell, no script; the program that sets variables needs none.
        let words = ["/usr/bin/env", "DB_HOST=x", "app"].map(str::to_owned);
        let mut set = Environment::default();
        apply(&words, &mut set);
        assert!(set.may_have("DB_HOST"));
        let mut plain = Environment::default();
        apply(&["app".to_owned(), "DB_HOST=x".to_owned()], &mut plain);
        assert_eq!(plain, Environment::default());
    }

    #[test]
    fn the_file_of_a_variable_is_what_its_own_name_says() {
        assert!(reads_file("$(cat $DB_HOST_FILE)", "DB_HOST"));
        assert!(reads_file("\"$(cat \"${DB_HOST_FILE}\")\"", "DB_HOST"));
        assert!(reads_file("$(< $DB_HOST_FILE)", "DB_HOST"));
        assert!(!reads_file("$(cat /run/x)", "DB_HOST"));
    }
}
