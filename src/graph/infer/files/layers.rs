//! Which settings of a file count: what a variable or the chosen variant of the file sets as well stands over it. Pure.

use std::collections::BTreeSet;

use crate::address;

use super::super::found::Source;
use super::{is_chosen, pairs, variant, without_comments};

/// The settings that stand over those of a file: variables under the same key, as Spring (`SPRING_DATASOURCE_URL`) and .NET
/// (`ConnectionStrings__Main`) take them, and the file of the profile that is chosen (`application-X.yml`, `appsettings.X.json`).
pub(super) struct Layers(BTreeSet<String>);

impl Layers {
    /// Those over the file at `path`.
    pub(super) fn over(path: &str, source: &Source) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_over = |other: &str| {
            let (beside, other_name) = other.rsplit_once('/').unwrap_or(("", other));
            beside == folder
                && variant(other_name).is_some_and(|(_, base)| base == name)
                && is_chosen(other, source) == Some(true)
        };
        let variants = source.files.iter().filter(|(other, _)| is_over(other));
        let keys = variants.flat_map(|(_, text)| keys(text));
        let variables = source.environment.keys().chain(&source.secret_variables);
        Self(
            keys.map(|key| plain(&key))
                .chain(variables.map(|name| plain(name)))
                .collect(),
        )
    }

    /// Whether one of them sets that key. A key of one word (`host`) is no path: a variable of that name means something else.
    pub(super) fn set(&self, key: &str) -> bool {
        address::words(key).len() > 1 && self.0.contains(&plain(key))
    }
}

/// The keys of a file that have a value, each with those above it.
fn keys(text: &str) -> Vec<String> {
    match address::document(&without_comments(text)) {
        Some(document) => document.into_keys().collect(),
        None => pairs::keys(text),
    }
}

/// A key without what separates its words: runtimes compare them without.
fn plain(key: &str) -> String {
    address::words(key).concat()
}

#[cfg(test)]
mod tests {
    use super::super::super::names::NameTable;
    use super::super::scan;
    use super::*;

    const SPRING: &str = "spring:\n  datasource:\n    url: jdbc:mariadb://db:3306/x\n  data:\n    redis:\n      host: kvs\n      port: 6379\n";
    const NET: &str = r#"{"ConnectionStrings": {"Main": "Host=db;Port=5432;Username=u"}, "Redis": {"Configuration": "kvs:6379"}}"#;

    fn hosts(path: &str, text: &str, source: &Source) -> Vec<String> {
        let mut names = NameTable::default();
        for name in ["db", "kvs", "new"] {
            names.insert(name, name);
        }
        let found = scan(path, text, source, &names).into_iter();
        found.map(|hit| hit.target.host).collect()
    }

    fn source(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Source {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Source {
            environment: variables.iter().map(own).collect(),
            files: files.iter().map(own).collect(),
            ..Source::default()
        }
    }

    #[test]
    fn a_variable_stands_over_the_same_key_of_a_file() {
        let of =
            |path: &str, text: &str, name: &str| hosts(path, text, &source(&[(name, "x")], &[]));
        let (yaml, json) = ("/app/application.yml", "/app/appsettings.json");
        assert_eq!(of(yaml, SPRING, "SPRING_DATASOURCE_URL"), ["kvs"]);
        assert_eq!(of(yaml, SPRING, "SPRING_DATA_REDIS_HOST"), ["db"]);
        assert_eq!(of(yaml, SPRING, "DATASOURCE_URL"), ["db", "kvs"]);
        assert_eq!(of(json, NET, "ConnectionStrings__Main"), ["kvs"]);
        assert_eq!(of(json, NET, "ConnectionStrings__Other"), ["db", "kvs"]);
        assert_eq!(of("/app/x.yml", "host: db\nport: 5432\n", "HOST"), ["db"]);
        let mut secret = source(&[], &[]);
        let name = "ConnectionStrings__Main".to_owned();
        secret.secret_variables.insert(name);
        assert_eq!(hosts(json, NET, &secret), ["kvs"]);
    }

    #[test]
    fn the_chosen_variant_stands_over_the_plain_file() {
        let of = |path: &str, text: &str, variables: &[(&str, &str)], other: (&str, &str)| {
            hosts(path, text, &source(variables, &[(path, text), other]))
        };
        let (yaml, json) = ("/app/application.yml", "/app/appsettings.json");
        let profile = [("SPRING_PROFILES_ACTIVE", "k8s")];
        let own = "spring:\n  datasource:\n    url: jdbc:mariadb://new:3306/x\n";
        let variant = ("/app/application-k8s.yml", own);
        assert_eq!(of(yaml, SPRING, &profile, variant), ["kvs"]);
        assert_eq!(of(yaml, SPRING, &[], variant), ["db", "kvs"]);
        let elsewhere = ("/etc/application-k8s.yml", own);
        assert_eq!(of(yaml, SPRING, &profile, elsewhere), ["db", "kvs"]);
        let production = (
            "/app/appsettings.Production.json",
            r#"{"ConnectionStrings": {"Main": "Host=new;Username=u"}}"#,
        );
        assert_eq!(of(json, NET, &[], production), ["kvs"]);
        let development = [("ASPNETCORE_ENVIRONMENT", "Development")];
        assert_eq!(of(json, NET, &development, production), ["db", "kvs"]);
    }
}
