//! What a program is built from → the kind of store that it talks to: a driver among its libraries, and one store of that kind in the
//! project, are a weak edge. Pure.

use crate::catalog::Products;
use crate::compose::MountedFile;
use crate::protocol::Protocol;

/// The drivers in a file that lists libraries: name and protocol, each protocol once. Empty for any other file.
pub(super) fn drivers(file: &MountedFile) -> Vec<(String, Protocol)> {
    let path = file.target.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or(&path);
    if path
        .split('/')
        .any(|part| matches!(part, "node_modules" | "vendor" | "test" | "tests"))
    {
        return Vec::new();
    }
    let ends = |end: &str| name.ends_with(end);
    let libraries = match name {
        "package.json" | "composer.json" => json(&file.text),
        "pom.xml" => marked(&file.text, "<artifactId>", "</artifactId>"),
        "gemfile" => ruby(&file.text),
        "go.mod" => words(&file.text, &[]),
        "pyproject.toml" | "cargo.toml" => words(
            &file.text,
            &["dev", "test", "optional", "dependency-groups"],
        ),
        _ if ends(".csproj") => marked(&file.text, "Include=\"", "\""),
        _ if name.starts_with("requirements") && ends(".txt") => words(&file.text, &[]),
        _ if name.starts_with("build.gradle") => words(&file.text, &[]),
        _ => return Vec::new(),
    };
    let mut found: Vec<(String, Protocol)> = Vec::new();
    for library in libraries {
        let library = library.to_ascii_lowercase();
        // Go adds the major version to a module's path.
        let plain = match library.rsplit_once("/v") {
            Some((path, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => path,
            _ => &library,
        };
        let protocol = Products::shared().driver(plain);
        let new = protocol.filter(|wanted| found.iter().all(|(_, known)| known != wanted));
        found.extend(new.map(|protocol| (plain.to_owned(), protocol)));
    }
    found
}

/// What runs, of npm's and Composer's files; not what only developers need.
fn json(text: &str) -> Vec<String> {
    let Ok(read) = serde_json::from_str::<serde_json::Value>(text) else {
        return Vec::new();
    };
    let lists = ["dependencies", "optionalDependencies", "require"];
    lists
        .iter()
        .filter_map(|list| read.get(*list)?.as_object())
        .flat_map(|list| list.keys().cloned())
        .collect()
}

fn marked(text: &str, open: &str, close: &str) -> Vec<String> {
    text.split(open)
        .skip(1)
        .filter_map(|rest| rest.split(close).next())
        .map(|name| name.trim().to_owned())
        .collect()
}

/// Gems, those of groups for development and tests left out.
fn ruby(text: &str) -> Vec<String> {
    let (mut found, mut skipped) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("group ") {
            skipped = !line.contains(":production") && !line.contains(":default");
        } else if line == "end" {
            skipped = false;
        } else if let Some(rest) = line.strip_prefix("gem ").filter(|_| !skipped) {
            found.extend(rest.split(['"', '\'']).nth(1).map(str::to_owned));
        }
    }
    found
}

/// Every word of a line that may be a library; sections whose head has one of the words are left out.
fn words(text: &str, sections: &[&str]) -> Vec<String> {
    let (mut found, mut skipped) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') && line.ends_with(']') {
            skipped = sections.iter().any(|word| line.contains(word));
        }
        if skipped || line.starts_with(['#', '/']) {
            continue;
        }
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        found.extend(
            line.split(|c: char| !part(c))
                .filter(|word| !word.is_empty())
                .map(str::to_owned),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Vec<Protocol> {
        let file = MountedFile {
            target: format!("web/{name}"),
            source: name.to_owned(),
            direct: false,
            text: text.to_owned(),
        };
        drivers(&file)
            .into_iter()
            .map(|(_, protocol)| protocol)
            .collect()
    }

    #[test]
    fn drivers_are_found_in_every_kind_of_list() {
        for (name, text) in [
            (
                "package.json",
                r#"{"dependencies": {"redis": "3"}, "devDependencies": {"pg": "8"}}"#,
            ),
            (
                "requirements.txt",
                "flask\nredis[hiredis]>=5 # cache\n#pymongo",
            ),
            (
                "pyproject.toml",
                "[project]\ndependencies = [\"redis>=4\"]\n[project.optional-dependencies]\ntest = [\"pymongo\"]",
            ),
            (
                "go.mod",
                "require (\n\tgithub.com/redis/go-redis/v9 v9.1.0\n)",
            ),
            (
                "pom.xml",
                "<dependency><artifactId>jedis</artifactId></dependency>",
            ),
            (
                "build.gradle.kts",
                "implementation(\"redis.clients:jedis:5.1.0\")",
            ),
            (
                "Gemfile",
                "gem \"sidekiq\"\ngroup :test do\n  gem 'mongoid'\nend",
            ),
            ("composer.json", r#"{"require": {"predis/predis": "^2"}}"#),
            (
                "app.csproj",
                "<PackageReference Include=\"StackExchange.Redis\" Version=\"2\" />",
            ),
            (
                "Cargo.toml",
                "[dependencies]\nredis = \"0.27\"\n[dev-dependencies]\ntokio-postgres = \"1\"",
            ),
        ] {
            assert_eq!(read(name, text), [Protocol::Redis], "{name}");
        }
    }

    #[test]
    fn other_files_and_broken_ones_show_nothing() {
        assert!(read("package-lock.json", r#"{"dependencies": {"redis": "3"}}"#).is_empty());
        assert!(read("package.json", "{").is_empty());
        assert!(read("main.py", "import redis").is_empty());
    }
}
