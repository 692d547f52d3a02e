//! What of a statement and of a server's message may be read by people: no content of strings, nothing of users and passwords. Pure.

use std::collections::BTreeSet;

use super::token::{Kind, Token, tokens};

/// Characters of a statement that are shown.
const SHOWN: usize = 80;
/// Words of statements about accounts: nothing of them is shown but the first words.
const ACCOUNTS: [&str; 9] = [
    "USER",
    "ROLE",
    "GRANT",
    "REVOKE",
    "IDENTIFIED",
    "PASSWORD",
    "MASTER",
    "REPLICATION",
    "SERVER",
];

/// Whether a statement is about users or passwords.
fn is_private(sql: &[u8], tokens: &[Token]) -> bool {
    let Some(first) = tokens.first() else {
        return false;
    };
    let says = |words: &[&str], among: &[Token]| {
        among
            .iter()
            .any(|token| words.iter().any(|word| token.is(sql, word)))
    };
    let head = &tokens[..tokens.len().min(4)];
    match first
        .name(sql)
        .unwrap_or_default()
        .to_ascii_uppercase()
        .as_str()
    {
        "CREATE" | "ALTER" | "DROP" | "RENAME" | "SET" | "GRANT" | "REVOKE" | "CHANGE" => {
            says(&ACCOUNTS, head) || says(&["IDENTIFIED"], tokens)
        }
        _ => false,
    }
}

/// The first characters of a statement on one line, its literals masked.
pub fn statement(sql: &[u8]) -> String {
    let all = tokens(sql);
    if is_private(sql, &all) {
        let words: Vec<String> = all
            .iter()
            .take_while(|token| token.kind == Kind::Word)
            .take(2)
            .filter_map(|token| token.name(sql))
            .collect();
        return format!("{} … (about accounts: not shown)", words.join(" "));
    }
    let mut shown = String::new();
    let mut end: Option<usize> = None;
    let mut definer = false;
    for token in &all {
        if end.is_some_and(|end| end < token.start) {
            shown.push(' ');
        }
        end = Some(token.end);
        definer = token.is(sql, "DEFINER") || (definer && !matches!(token.kind, Kind::Word));
        let masked = token.kind == Kind::Text || (definer && token.kind == Kind::Quoted);
        if masked {
            shown.push_str("'…'");
        } else {
            shown.push_str(&String::from_utf8_lossy(token.of(sql)));
        }
        if shown.chars().count() > SHOWN {
            break;
        }
    }
    let mut line: Vec<char> = shown
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    if line.len() > SHOWN {
        line.truncate(SHOWN - 1);
        line.push('…');
    }
    line.into_iter().collect()
}

/// A server's message about a statement: of what stands in quotes only names of the statement and words of servers stay.
pub fn message(sql: &[u8], message: &str) -> String {
    let all = tokens(sql);
    if is_private(sql, &all) {
        // Behind the first quote there may be anything that the statement holds.
        let end = message.find(['\'', '"', '`']).unwrap_or(message.len());
        return message[..end].trim_end().to_owned();
    }
    let names: BTreeSet<String> = all
        .iter()
        .filter_map(|token| token.name(sql))
        .map(|name| name.to_lowercase())
        .collect();
    let mut clear = String::new();
    let mut rest = message;
    while let Some(start) = opening(rest) {
        clear.push_str(&rest[..start]);
        let before_near = rest[..start].trim_end().ends_with("near");
        let inner = &rest[start + 1..];
        let end = if before_near {
            // The text of the statement, which may hold quotes itself.
            inner.rfind('\'')
        } else {
            inner.find('\'')
        };
        let Some(end) = end else {
            clear.push_str("'…'");
            return clear;
        };
        let word = &inner[..end];
        clear.push('\'');
        if before_near {
            clear.push_str(&statement(word.as_bytes()));
        } else if is_known(word, &names) {
            clear.push_str(word);
        } else {
            clear.push('…');
        }
        clear.push('\'');
        rest = &inner[end + 1..];
    }
    clear.push_str(rest);
    clear
}

/// The first quote that is no apostrophe.
fn opening(text: &str) -> Option<usize> {
    text.match_indices('\'')
        .map(|(at, _)| at)
        .find(|at| !text[..*at].ends_with(char::is_alphanumeric))
}

/// Whether all parts of a quoted text are names of the statement, variables of servers or words in capitals.
fn is_known(word: &str, names: &BTreeSet<String>) -> bool {
    let capital = |part: &str| {
        part.len() <= 40
            && part.contains('_')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    !word.is_empty()
        && word
            .split(['.', ' '])
            .map(|part| part.trim_matches('`'))
            .all(|part| names.contains(&part.to_lowercase()) || capital(part))
}

/// The words of a statement in capitals, literals left out: what patterns of `checks/sql.yaml` are held against.
pub fn shape(sql: &[u8]) -> String {
    let mut words = Vec::new();
    for token in tokens(sql).iter().take(400) {
        match token.kind {
            Kind::Word | Kind::Variable | Kind::Sign => {
                words.push(String::from_utf8_lossy(token.of(sql)).to_ascii_uppercase());
            }
            Kind::Quoted => words.push("`".to_owned()),
            Kind::Text => words.push("'".to_owned()),
            Kind::Number => words.push("0".to_owned()),
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_accounts_are_not_shown() {
        assert_eq!(
            statement(b"INSERT INTO `items`\n VALUES (1,'pencil; HB', 0xCAFE,\"x\") /* c */"),
            "INSERT INTO `items` VALUES (1,'…', '…','…')"
        );
        for secret in [
            &b"CREATE USER IF NOT EXISTS 'report'@'%' IDENTIFIED BY 'report-pass-1'"[..],
            b"SET PASSWORD FOR 'app' = 'hunter2'",
            b"GRANT ALL ON x.* TO 'report'@'%' IDENTIFIED BY 'hunter2'",
            b"/*!50003 ALTER USER report IDENTIFIED BY 'hunter2' */",
        ] {
            let shown = statement(secret);
            assert!(shown.ends_with("(about accounts: not shown)"), "{shown}");
            assert!(
                !shown.contains("report") && !shown.contains("hunter2"),
                "{shown}"
            );
            let said = message(secret, "Operation failed for 'report'@'%' near 'hunter2'");
            assert_eq!(said, "Operation failed for");
        }
        let trigger = b"/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER `t` AFTER INSERT ON `orders` FOR EACH ROW BEGIN END */";
        assert!(!statement(trigger).contains("root"));
        assert_eq!(statement(&"x".repeat(300).into_bytes()).chars().count(), 80);
    }

    #[test]
    fn of_a_message_names_stay_and_values_go() {
        let sql = b"INSERT INTO shop.items (name) VALUES ('a@example.com')";
        for (said, shown) in [
            (
                "Duplicate entry 'a@example.com' for key 'items.by_name'",
                "Duplicate entry '…' for key '…'",
            ),
            (
                "Table 'shop.items' doesn't exist",
                "Table 'shop.items' doesn't exist",
            ),
            (
                "syntax to use near 'VALUES ('a@example.com')' at line 1",
                "syntax to use near 'VALUES ('…')' at line 1",
            ),
            (
                "Variable 'sql_mode' can't be set to the value of 'NO_AUTO_CREATE_USER'",
                "Variable '…' can't be set to the value of 'NO_AUTO_CREATE_USER'",
            ),
        ] {
            assert_eq!(message(sql, said), shown);
        }
    }
}
