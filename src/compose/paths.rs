//! Relative paths of a compose file → paths from where the user stands. Lexical: nothing is looked up. Pure.

use std::path::{Component, Path, PathBuf};

use super::node::{Map, Node, Value};

/// Joins and takes out `.` and `..` where that is possible without the file system.
pub(super) fn join(base: &Path, path: &str) -> PathBuf {
    clean(&base.join(path))
}

/// The same path without `.` and, where something stands before it, without `..`.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => {
                    out.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                _ => out.push(component),
            },
            _ => out.push(component),
        }
    }
    if out.as_os_str().is_empty() {
        out.push(".");
    }
    out
}

/// The folder of a file.
pub(super) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// How a path is shown: below the folder in which the user stands it is shown from there.
pub(super) fn shown(path: &Path, working_directory: &Path) -> String {
    let relative = path
        .strip_prefix(working_directory)
        .ok()
        .filter(|relative| !relative.as_os_str().is_empty())
        .unwrap_or(path);
    relative.display().to_string()
}

/// Whether a volume's source is a path on the host, and not the name of a volume.
pub(super) fn is_host_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
}

/// Makes every path of one file's services and configs independent of where that file lies. `home` replaces `~`. Gives what the file
/// mounts by a path of its own folder: that belongs to the application, wherever on the host it lies.
pub(super) fn resolve_paths(root: &mut Node, base: &Path, home: Option<&str>) -> Vec<PathBuf> {
    let Value::Map(top) = &mut root.value else {
        return Vec::new();
    };
    let mut resolver = Resolver {
        base,
        home,
        relative: Vec::new(),
    };
    if let Some(services) = map_mut(top, "services") {
        for service in services.values_mut() {
            if let Value::Map(service) = &mut service.value {
                resolver.service(service);
            }
        }
    }
    if let Some(configs) = map_mut(top, "configs") {
        for config in configs.values_mut() {
            resolver.entry(config, "file");
        }
    }
    resolver.relative
}

struct Resolver<'a> {
    base: &'a Path,
    home: Option<&'a str>,
    relative: Vec<PathBuf>,
}

impl Resolver<'_> {
    fn service(&mut self, service: &mut Map) {
        if let Some(build) = service.get_mut("build") {
            if matches!(build.value, Value::Text(_)) {
                self.context(build);
            } else if let Value::Map(build) = &mut build.value
                && let Some(context) = build.get_mut("context")
            {
                self.context(context);
            }
        }
        if let Some(extends) = service.get_mut("extends") {
            self.entry(extends, "file");
        }
        if let Some(env_file) = service.get_mut("env_file") {
            self.text_or_list(env_file, "path");
        }
        if let Some(Node {
            value: Value::List(volumes),
            ..
        }) = service.get_mut("volumes")
        {
            for volume in volumes {
                self.volume(volume);
            }
        }
    }

    /// A build context may also be a URL.
    fn context(&mut self, node: &mut Node) {
        if let Value::Text(text) = &node.value
            && !text.contains("://")
            && !text.starts_with("git@")
        {
            self.text(node);
        }
    }

    fn text_or_list(&mut self, node: &mut Node, key: &str) {
        match &mut node.value {
            Value::Text(_) => self.text(node),
            Value::List(items) => {
                for item in items {
                    if matches!(item.value, Value::Map(_)) {
                        self.entry(item, key);
                    } else {
                        self.text(item);
                    }
                }
            }
            _ => {}
        }
    }

    fn volume(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Text(text) => {
                if let Some((source, rest)) = text.split_once(':')
                    && is_host_path(source)
                {
                    *text = format!("{}:{rest}", self.path(source).display());
                }
            }
            Value::Map(map) => {
                let bind = map
                    .get("type")
                    .is_some_and(|kind| kind.text().as_deref() == Some("bind"));
                if bind && let Some(source) = map.get_mut("source") {
                    self.text(source);
                }
            }
            _ => {}
        }
    }

    fn entry(&mut self, node: &mut Node, key: &str) {
        if let Value::Map(map) = &mut node.value
            && let Some(path) = map.get_mut(key)
        {
            self.text(path);
        }
    }

    fn text(&mut self, node: &mut Node) {
        if let Value::Text(text) = &mut node.value
            && !text.is_empty()
        {
            *text = self.path(text).display().to_string();
        }
    }

    /// Always begins with `/`, `./` or `../`, so that it still reads as a path on the host.
    fn path(&mut self, text: &str) -> PathBuf {
        let from_home = text
            .strip_prefix('~')
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .and_then(|rest| Some(format!("{}{rest}", self.home?)));
        let joined = match from_home {
            Some(path) => clean(Path::new(&path)),
            None if text.starts_with('~') => return PathBuf::from(text),
            None => {
                let joined = join(self.base, text);
                if text.starts_with('.') {
                    self.relative.push(joined.clone());
                }
                joined
            }
        };
        if joined.is_absolute() || joined.starts_with("..") || joined.starts_with(".") {
            joined
        } else {
            Path::new(".").join(joined)
        }
    }
}

fn map_mut<'a>(map: &'a mut Map, key: &str) -> Option<&'a mut Map> {
    match map.get_mut(key) {
        Some(Node {
            value: Value::Map(map),
            ..
        }) => Some(map),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    #[test]
    fn paths_are_joined_without_looking() {
        for (base, path, expected) in [
            ("/app", "./x", "/app/x"),
            ("/app/sub", "../x", "/app/x"),
            ("/", "../x", "/x"),
            (".", "./x", "x"),
            (".", "../x", "../x"),
            ("sub", "..", "."),
            ("/app", "/x", "/x"),
        ] {
            assert_eq!(
                join(Path::new(base), path),
                Path::new(expected),
                "{base} {path}"
            );
        }
    }

    #[test]
    fn every_path_of_a_service_follows_its_file() {
        let text = "services: {a: {build: ., env_file: [e, {path: f}], extends: {file: b.yaml, service: x}, \
                    volumes: ['./v:/v:ro', 'named:/n', '~/q:/q', {type: bind, source: s, target: /t}]}}\nconfigs: {c: {file: c.txt}}\n";
        let expected = "services: {a: {build: /p/sub, env_file: [/p/sub/e, {path: /p/sub/f}], extends: {file: /p/sub/b.yaml, service: x}, \
                        volumes: ['/p/sub/v:/v:ro', 'named:/n', '/home/q:/q', {type: bind, source: /p/sub/s, target: /t}]}}\nconfigs: {c: {file: /p/sub/c.txt}}\n";
        let mut tree = parse("f", text).unwrap().remove(0);
        resolve_paths(&mut tree, Path::new("/p/sub"), Some("/home"));
        assert_eq!(tree, parse("f", expected).unwrap().remove(0));
    }
}
