//! Where a login may stand that no variable holds: in a mounted file with a password, or in what is mounted and not read. Pure.

use std::sync::LazyLock;

use regex::Regex;

use super::{DeployedContainer, Maps};
use crate::address::{self, Family};
use crate::compose::{MountedFile, SOURCES};
use crate::observe::kinds::{Container, Volume};
use crate::redact;

// The patterns are constants and compile: the tests of this file use them.
static PAIR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?P<key>[A-Za-z_][\w.\-]*)["']?\s*(?:=>|=|:)\s*(?P<value>"[^"\n]+"|'[^'\n]+'|[^\s"',;&{}()\[\]]+)"#,
    )
    .ok()
});
static USER_INFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"://[^/\s:@]*:(?P<value>[^/\s@]+)@").ok());

impl DeployedContainer {
    /// Where the login for a host may stand beside the variables: a file with a password that is of no other host, or what is not read.
    pub(in crate::graph) fn login_place(&self, host: &str) -> Option<String> {
        self.place(|file| holds(file, &redact::names_value) && !is_of_others(&file.text, host))
    }

    /// Where the user may stand to whom a variable's password belongs.
    pub(in crate::graph) fn user_place(&self) -> Option<String> {
        let is_user = |key: &str| {
            let words = address::words(key);
            words.iter().any(|word| word.starts_with("user"))
        };
        self.place(|file| holds(file, &is_user))
    }

    fn place(&self, is_it: impl Fn(&MountedFile) -> bool) -> Option<String> {
        let file = self.files.iter().find(|file| is_it(file));
        let place = file.map(|file| format!("{}, {}", file.target, file.source));
        place.or_else(|| self.unread.first().cloned())
    }
}

/// What a container mounts that may hold settings and is not read, or is not there to be read.
pub(super) fn unread(container: &Container, volumes: &[Volume], maps: Maps<'_>) -> Vec<String> {
    let of = |name: &str| {
        let volume = volumes.iter().find(|volume| volume.name == name)?;
        let sources = volume.projected.as_ref();
        let sources = sources.and_then(|all| all["sources"].as_array());
        let projected = sources.into_iter().flatten();
        let mut projected = projected.filter_map(|source| source["secret"]["name"].as_str());
        let own = volume.secret.as_ref();
        let own = own.map(|secret| secret.secret_name.as_str());
        if let Some(name) = own.or_else(|| projected.next()) {
            return Some(format!("secret/{name}"));
        }
        let map = volume.config_map.as_ref()?;
        let is_there = maps.get(&map.name).is_some_and(|found| {
            let mut items = map.items.iter();
            items.all(|item| found.texts().any(|(key, _)| key == item.key))
        });
        (!is_there).then(|| format!("configmap/{}", map.name))
    };
    let mounts = container.volume_mounts.iter();
    mounts.filter_map(|mount| of(&mount.name)).collect()
}

/// Whether a file holds the value of such a key itself, or a URL with a password. A program's text names its variables in the same form:
/// there only a literal counts.
fn holds(file: &MountedFile, is_key: &impl Fn(&str) -> bool) -> bool {
    let is_source = SOURCES.iter().any(|end| file.target.ends_with(end));
    let is_value = |value: &str| {
        let literal = value.trim_matches(['"', '\'']);
        (literal.len() < value.len() || !is_source)
            && !literal.is_empty()
            && !literal.starts_with(['$', '<', '{', '%'])
    };
    let has_pair = |text: &str| {
        let pairs = PAIR.iter().flat_map(|pattern| pattern.captures_iter(text));
        let mut named = pairs.filter(|pair| {
            let key = pair["key"].rsplit('.').next().unwrap_or_default();
            is_key(key)
        });
        named.any(|pair| is_value(&pair["value"]))
    };
    let has_user_info = |text: &str| {
        let mut found = USER_INFO.iter().flat_map(|one| one.captures_iter(text));
        found.any(|one| is_value(&one["value"]) || is_source)
    };
    let comments = ["#", "//", ";", "--"];
    let lines = file.text.lines().map(str::trim_start);
    let mut lines = lines.filter(|line| !comments.iter().any(|mark| line.starts_with(mark)));
    lines.any(|line| {
        // `"Main": "Host=db;Password=x"`: pairs within a text.
        let mut parts = line.split(';').skip(1);
        has_pair(line) || !is_source && parts.any(has_pair) || has_user_info(line)
    })
}

/// Whether every password of a file of settings stands beside the address of another host.
fn is_of_others(text: &str, host: &str) -> bool {
    let settings = address::settings(text);
    let families = address::families(&settings);
    let is_own = |family: &Family| address::is_same_host(&family.target.host, host);
    let logins = families.iter().filter_map(|family| {
        let login = family.login.as_ref()?;
        Some((is_own(family), login.variables()))
    });
    let (own, others): (Vec<_>, Vec<_>) = logins.partition(|(is_own, _)| *is_own);
    let is_taken = |key: &String| {
        others
            .iter()
            .any(|(_, names)| names.contains(&key.as_str()))
    };
    let mut passwords = settings.iter().filter(|(key, value)| {
        let last = key.rsplit('.').next().unwrap_or_default();
        !value.is_empty() && redact::names_value(last)
    });
    own.is_empty() && !others.is_empty() && passwords.all(|(key, _)| is_taken(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(target: &str, text: &str) -> bool {
        let file = MountedFile {
            target: target.to_owned(),
            source: "configmap/x".to_owned(),
            direct: true,
            text: text.to_owned(),
        };
        super::holds(&file, &redact::names_value)
    }

    #[test]
    fn a_password_in_a_file_is_found_and_the_name_of_a_variable_is_none() {
        for text in [
            "spring:\n  redis:\n    password: x-pass\n",
            r#"{"ConnectionStrings": {"Main": "Host=db;Username=u;Password=x-pass"}}"#,
            r#"{"redis": {"host": "kvs", "password": "x-pass"}}"#,
            "db.password=x-pass",
            "url: redis://:x-pass@kvs:6379/0",
        ] {
            assert!(holds("/app/settings.yml", text), "{text}");
        }
        assert!(holds("/app/config.php", "'password' => 'x-pass',"));
        for text in [
            "redis:\n  host: kvs\n",
            "# password: old\n",
            "password: ${DB_PASSWORD}",
            "password: <%= ENV['DB_PASSWORD'] %>",
            "password: \"\"",
            "password:\n",
            "url: redis://kvs:6379/0",
            "url: redis://:$PASS@kvs:6379/0",
        ] {
            assert!(!holds("/app/settings.yml", text), "{text}");
        }
        assert!(!holds("/srv/ap.py", "connect(password=E[\"DB_PASS\"])"));
    }

    #[test]
    fn a_password_of_another_host_in_the_file_is_none_for_this_one() {
        let spring = "spring:\n  datasource:\n    url: jdbc:mariadb://db:3306/x\n    username: u\n    password: x-pass\n  redis:\n    host: kvs\n";
        assert!(is_of_others(spring, "kvs"));
        assert!(!is_of_others(spring, "db"));
        assert!(!is_of_others(
            &format!("{spring}extra:\n  password: y-pass\n"),
            "kvs"
        ));
        assert!(!is_of_others("password: x-pass\n", "kvs"));
    }
}
