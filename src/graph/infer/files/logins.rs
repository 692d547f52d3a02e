//! The login that stands beside an address in a file of settings: `username` and `password` beside `url`. Pure.
//!
//! A part of it is named by its file and key (`/etc/app.toml:database.password`), or by the variable that the file takes it from. Where
//! anything else may say another password, there is none: what is sent must be what the client sends.

use std::collections::BTreeMap;

use crate::address::{self, LoginReference, Target};

use super::super::found::Source;
use super::super::names::NameTable;
use super::{is_settings, substitute};

/// Every address of a file with the login beside it; nothing for a file that is not one of settings.
pub(in super::super) fn logins(
    path: &str,
    text: &str,
    source: &Source,
    names: &NameTable,
) -> Vec<(Target, LoginReference)> {
    // Of several documents in one file a profile chooses; where a file of the build stands in the container is not known.
    if !is_settings(path, source) || text.contains("\n---") || !path.starts_with('/') {
        return Vec::new();
    }
    let read = address::settings(&substitute(text, source, names).text);
    let mut families = address::families(&read);
    families.retain(|family| family.login.is_some());
    if families.is_empty() {
        return Vec::new();
    }
    let written = address::settings(text);
    // The same file may be seen in two places: where it is built from and where it is mounted.
    let beside = source.files.iter();
    let beside = beside.filter(|(other, same)| other != path && same != text);
    let elsewhere: Vec<Vec<String>> = beside
        .filter(|(other, _)| is_settings(other, source))
        .flat_map(|(_, text)| address::settings(text).into_keys())
        .filter(|key| address::names_password(key))
        .map(|key| address::words(&key))
        .collect();
    let deployed = |login: LoginReference| {
        let login = login.renamed(|key| named(path, key, &written, source))?;
        let mut variables = source.environment.keys().chain(&source.secret_variables);
        let may_change = |name: &String| {
            address::names_password(name) && !login.variables().contains(&name.as_str())
        };
        let mut keys = login.variables().into_iter().filter_map(|name| {
            let (_, key) = address::file_and_key(name)?;
            Some(address::words(key))
        });
        let is_unique = keys.all(|key| !elsewhere.contains(&key));
        (is_unique && !variables.any(may_change)).then_some(login)
    };
    families
        .into_iter()
        .filter_map(|family| Some((family.target, deployed(family.login?)?)))
        .collect()
}

/// How a key of a file is named: by its path, or as the variable that is its whole value. `None` where the value is put together from
/// something, or stands for something.
fn named(
    path: &str,
    key: &str,
    written: &BTreeMap<String, String>,
    source: &Source,
) -> Option<String> {
    let value = written.get(key)?;
    let inner = value
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    if let Some(inner) = inner {
        let name = inner.split([':', '-']).next().unwrap_or(inner);
        let is_set =
            source.environment.contains_key(name) || source.secret_variables.contains(name);
        return is_set.then(|| name.to_owned());
    }
    (!address::is_placeholder(value)).then(|| address::key_of_file(path, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the login of the only address of a file consists of.
    fn read(text: &str, variables: &[&str], beside: &[(&str, &str)]) -> String {
        let path = "/etc/app.yaml".to_owned();
        let mut source = Source {
            files: vec![(path.clone(), text.to_owned())],
            ..Source::default()
        };
        let files = beside
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        source.files.extend(files);
        for name in variables {
            source.secret_variables.insert((*name).to_owned());
        }
        let mut names = NameTable::default();
        names.insert("db", "db");
        let found = logins(&path, text, &source, &names);
        let shown = found.iter().map(|(target, login)| {
            let names = login.variables().join(" ");
            format!("{}: {}", target.host, names.replace("/etc/app.yaml", ""))
        });
        shown.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_parts_beside_an_address_are_its_login() {
        let yaml =
            "database:\n  host: db\n  port: 3306\n  user: app\n  password: hush\n  name: shop\n";
        let spring = "spring:\n  datasource:\n    url: jdbc:mysql://db:3306/shop\n    username: app\n    password: hush\n";
        let url = "cache_url: redis://:hush@db:6379/0\n";
        assert_eq!(
            read(yaml, &[], &[]),
            "db: :database.host :database.port :database.user :database.password :database.name"
        );
        assert_eq!(
            read(spring, &[], &[]),
            "db: :spring.datasource.url :spring.datasource.username :spring.datasource.password"
        );
        assert_eq!(read(url, &[], &[]), "db: :cache_url");
    }

    #[test]
    fn a_reference_to_a_variable_is_that_variable() {
        let text = "database:\n  host: db\n  user: app\n  password: ${DB_PASSWORD:none}\n";
        assert_eq!(
            read(text, &["DB_PASSWORD"], &[]),
            "db: :database.host :database.user DB_PASSWORD"
        );
        assert_eq!(read(text, &[], &[]), "", "its default is a guess");
    }

    #[test]
    fn what_another_place_may_say_is_not_taken_from_the_file() {
        let text = "database:\n  host: db\n  user: app\n  password: hush\n";
        let whole = "db: :database.host :database.user :database.password";
        assert_eq!(read(text, &["LOG_LEVEL", "DB_USER"], &[]), whole);
        assert_eq!(read(text, &["DATABASE_PASSWORD"], &[]), "");
        let other = [("/etc/app.local.yaml", "database:\n  password: other\n")];
        assert_eq!(read(text, &[], &other), "");
        let note = [("/etc/notes.txt", "database:\n  password: other\n")];
        assert_eq!(read(text, &[], &note), whole);
        let same = [("app/app.yaml", text)];
        assert_eq!(read(text, &[], &same), whole, "the file that is mounted");
        assert_eq!(read(&format!("{text}---\nx: y\n"), &[], &[]), "");
        for value in [
            "{{ .Password }}",
            "__DB_PASSWORD__",
            "%PASSWORD%",
            "<password>",
            "$PASS",
            "@pw@",
        ] {
            let text = text.replace("hush", value);
            assert_eq!(read(&text, &[], &[]), "", "{value}");
        }
    }

    #[test]
    fn what_belongs_to_another_host_is_no_login() {
        let two = "database:\n  host: db\nqueue:\n  host: mq\n  user: app\n  password: hush\n";
        let found = read(two, &[], &[]);
        assert!(!found.contains("db:"), "{found}");
        let loose = "host: db\nother: x\nadmin_password: hush\n";
        assert_eq!(read(loose, &[], &[]), "");
        assert_eq!(
            read(
                "# database.password: hush\ndatabase:\n  host: db\n",
                &[],
                &[]
            ),
            ""
        );
    }
}
