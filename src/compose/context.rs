//! A build's folder → the configuration files that such builds copy into their image. Pure: files come through `Files`.
//!
//! Only well-known names in well-known places are read: what else lies there is code, tests, or another service's.

use std::path::Path;

use super::model::{Files, MountedFile};
use super::paths;

/// Larger files are no configuration.
const MAX_BYTES: usize = 256 * 1024;
/// No build has more configuration than that.
const MAX_FILES: usize = 24;
/// Where builds keep their configuration.
const FOLDERS: [&str; 14] = [
    "",
    "nginx",
    "nginx/conf.d",
    "nginx/templates",
    "conf",
    "conf.d",
    "config",
    "etc",
    "etc/nginx",
    "etc/nginx/conf.d",
    "docker",
    "docker/nginx",
    "templates",
    "src/main/resources",
];
/// The same in the project's own folder, which belongs to no single service.
const ROOT_FOLDERS: [&str; 2] = ["", "src/main/resources"];
/// Beginnings and ends of their names, in lower case.
const NAMES: [(&str, &str); 28] = [
    ("nginx", ".conf"),
    ("nginx", ".template"),
    ("default", ".conf"),
    ("default", ".template"),
    ("caddyfile", ""),
    ("haproxy", ".cfg"),
    ("envoy", ".yaml"),
    ("envoy", ".yml"),
    ("traefik", ".yml"),
    ("traefik", ".yaml"),
    ("traefik", ".toml"),
    ("application", ".properties"),
    ("application", ".yml"),
    ("application", ".yaml"),
    ("bootstrap", ".yml"),
    ("appsettings", ".json"),
    ("prometheus", ".yml"),
    ("prometheus", ".yaml"),
    // What a program is built from: its libraries tell what it talks to.
    ("package", ".json"),
    ("requirements", ".txt"),
    ("pyproject", ".toml"),
    ("pom", ".xml"),
    ("build.gradle", ""),
    ("go", ".mod"),
    ("gemfile", ""),
    ("composer", ".json"),
    ("cargo", ".toml"),
    ("", ".csproj"),
];

/// Reads the configuration beside a Dockerfile. What cannot be read is no evidence, and no error: the image decides.
pub(super) fn read(files: &dyn Files, folder: &Path, working_directory: &Path) -> Vec<MountedFile> {
    let places: &[&str] = if folder == working_directory {
        &ROOT_FOLDERS
    } else {
        &FOLDERS
    };
    let mut found = Vec::new();
    for place in places {
        let place = if place.is_empty() {
            folder.to_path_buf()
        } else {
            folder.join(place)
        };
        let Ok(names) = files.list(&place) else {
            continue;
        };
        // The project's own `.env` is compose's, and names all that there is.
        let own = |name: &str| name == ".env" && place == folder && folder != working_directory;
        for name in names
            .iter()
            .filter(|name| is_configuration(name) || own(name))
        {
            let path = place.join(name);
            let Ok(text) = files.read(&path) else {
                continue;
            };
            if text.len() <= MAX_BYTES && !text.contains('\0') && found.len() < MAX_FILES {
                let shown = paths::shown(&path, working_directory);
                found.push(MountedFile {
                    target: shown.clone(),
                    source: shown,
                    direct: false,
                    text,
                });
            }
        }
    }
    found
}

fn is_configuration(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Settings of a developer's machine and of tests do not run in the image.
    let elsewhere = [
        "development",
        "-dev",
        "-test",
        "-local",
        "storybook",
        "example",
        "sample",
        "lock",
    ];
    NAMES
        .iter()
        .any(|(start, end)| name.starts_with(start) && name.ends_with(end))
        && !elsewhere.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryFiles;
    use super::*;

    #[test]
    fn only_known_names_in_known_places_are_read() {
        let files = MemoryFiles::new(&[
            ("/p/web/nginx.conf", "a"),
            ("/p/web/src/main/resources/application.yml", "b"),
            ("/p/web/src/nginx.conf", "c"),
            ("/p/web/package.json", "d"),
            ("/p/web/appsettings.Development.json", "e"),
            ("/p/nginx/nginx.conf", "f"),
            ("/p/.env", "g"),
            ("/p/web/.env", "h"),
            ("/p/web/package-lock.json", "i"),
        ]);
        let read = |folder: &str| -> Vec<String> {
            super::read(&files, Path::new(folder), Path::new("/p"))
                .into_iter()
                .map(|file| file.text)
                .collect()
        };
        assert_eq!(read("/p/web"), ["h", "a", "d", "b"]);
        assert!(read("/p").is_empty());
        assert!(read("/p/none").is_empty());
    }
}
