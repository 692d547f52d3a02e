//! Where a login may stand that no variable holds: in a mounted file with a password, or in what is mounted and not read. Pure.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::{DeployedContainer, Maps};
use crate::address::{self, Family, LoginReference};
use crate::compose::{MountedFile, SOURCES};
use crate::observe::kinds::{Container, Volume};
use crate::observe::mounted_secret;
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
        self.place(|file| {
            let passwords = count(file, &redact::names_value);
            passwords > of_others(&file.text, host)
        })
    }

    /// Where the user may stand to whom a variable's password belongs.
    pub(in crate::graph) fn user_place(&self) -> Option<String> {
        let is_user = |key: &str| {
            let words = address::words(key);
            words.iter().any(|word| word.starts_with("user"))
        };
        self.place(|file| count(file, &is_user) > 0)
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
        if let Some(name) = mounted_secret(volume) {
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

/// How many values of such a key a file holds itself, and URLs with a password. A program's text names its variables in the same form:
/// there only a literal counts.
fn count(file: &MountedFile, is_key: &impl Fn(&str) -> bool) -> usize {
    let is_source = SOURCES.iter().any(|end| file.target.ends_with(end));
    let is_value = |value: &str| {
        let literal = value.trim_matches(['"', '\'']);
        (literal.len() < value.len() || !is_source)
            && !literal.is_empty()
            && !literal.starts_with(['$', '<', '{', '%'])
    };
    let pairs = |text: &str| {
        let pairs = PAIR.iter().flat_map(|pattern| pattern.captures_iter(text));
        let named = pairs.filter(|pair| {
            let key = pair["key"].rsplit('.').next().unwrap_or_default();
            is_key(key) && is_value(&pair["value"])
        });
        named.count()
    };
    let urls = |text: &str| {
        let found = USER_INFO.iter().flat_map(|one| one.captures_iter(text));
        let passwords = found.filter(|one| is_value(&one["value"]) || is_source);
        passwords.count()
    };
    let comments = ["#", "//", ";", "--"];
    let lines = file.text.lines().map(str::trim_start);
    let lines = lines.filter(|line| !comments.iter().any(|mark| line.starts_with(mark)));
    let counts = lines.map(|line| {
        // `"Main": "Host=db;Password=x"`: pairs within a text.
        let parts = line.split(';').skip(1).filter(|_| !is_source);
        pairs(line).max(parts.map(pairs).sum()) + urls(line)
    });
    counts.sum()
}

/// How many passwords of a file of settings stand beside the address of another host; 0 where one stands beside this one's.
fn of_others(text: &str, host: &str) -> usize {
    let families = address::families(&address::settings(text));
    let with_login = families.iter().filter(|family| family.login.is_some());
    let (own, others): (Vec<&Family>, Vec<&Family>) =
        with_login.partition(|family| address::is_same_host(&family.target.host, host));
    let names = others.iter().filter_map(|family| match &family.login {
        Some(LoginReference::Url { variable }) => Some(variable),
        Some(LoginReference::Parts { password, .. }) => password.as_ref(),
        None => None,
    });
    let names: BTreeSet<&String> = names.collect();
    if own.is_empty() { names.len() } else { 0 }
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
        count(&file, &redact::names_value) > 0
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
        let is_place = |text: &str, host: &str| {
            let file = MountedFile {
                target: "/app/application.yml".to_owned(),
                source: "configmap/x".to_owned(),
                direct: true,
                text: text.to_owned(),
            };
            count(&file, &redact::names_value) > of_others(text, host)
        };
        assert!(!is_place(spring, "kvs"));
        assert!(is_place(spring, "db"));
        let extra = format!("{spring}extra:\n  password: y-pass\n");
        assert!(is_place(&extra, "kvs"));
        let in_line = spring.replace(
            "redis:\n    host: kvs",
            "redis: {host: kvs, password: y-pass}",
        );
        assert!(is_place(&in_line, "kvs"), "{in_line}");
        assert!(is_place("password: x-pass\n", "kvs"));
    }
}
