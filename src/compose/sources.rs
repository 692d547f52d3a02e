//! The sources of a program that a build copies into its image → those of their lines in which a URL stands, or that read the
//! environment. Pure: files come through `Files`.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::model::{Copied, Files, MountedFile};
use super::{mounts, paths};

/// Ends of program sources.
pub(crate) const ENDS: [&str; 18] = [
    ".py", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".rb", ".php", ".go", ".java", ".kt",
    ".cs", ".rs", ".ex", ".exs", ".pl", ".scala",
];
/// Of one build no more sources are looked at.
const MAX_READ: usize = 160;
/// Nor more folders.
const MAX_FOLDERS: usize = 80;
/// Nor what lies deeper: Java's packages are the deepest that teams have.
const MAX_DEPTH: usize = 10;
/// Words in the names of what does not run in the image.
const ASIDE: [&str; 10] = [
    "build", "test", "tests", "spec", "specs", "docs", "mock", "mocks", "example", "examples",
];

/// Reads what a Dockerfile copies of its context.
pub(super) fn read(
    files: &dyn Files,
    copies: &[&Copied],
    context: &Path,
    working_directory: &Path,
) -> Vec<MountedFile> {
    let mut found = Vec::new();
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let mut left = (MAX_READ, MAX_FOLDERS);
    let sources = copies.iter().flat_map(|copy| &copy.sources);
    let mut waiting: VecDeque<(PathBuf, usize)> = sources
        .map(|source| paths::join(context, source.trim_start_matches('/')))
        .filter(|path| path.starts_with(context))
        .map(|path| (path, 0))
        .collect();
    while let Some((path, depth)) = waiting.pop_front() {
        if left.0 == 0 || !seen.insert(path.clone()) {
            continue;
        }
        if is_source(&path) {
            left.0 -= 1;
            found.extend(evidence(files, &path, working_directory));
            continue;
        }
        if depth > MAX_DEPTH || left.1 == 0 {
            continue;
        }
        let Ok(names) = files.list(&path) else {
            continue;
        };
        left.1 -= 1;
        // What has a Dockerfile of its own is another image.
        if path != context && names.iter().any(|name| name == "Dockerfile") {
            continue;
        }
        let inner = names
            .iter()
            .filter(|name| !name.starts_with('.') && !is_aside(name))
            // Of names with an end only sources are looked at: the rest is no folder.
            .filter(|name| is_source(Path::new(name)) || !name.contains('.'));
        waiting.extend(inner.map(|name| (path.join(name), depth + 1)));
    }
    found
}

fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    ENDS.iter().any(|end| name.ends_with(end)) && !is_aside(&name)
}

fn is_aside(name: &str) -> bool {
    let words = crate::address::words(name);
    mounts::SKIPPED.contains(&name) || words.iter().any(|word| ASIDE.contains(&word.as_str()))
}

/// The lines of a source that say whom it calls, or which variable says so.
fn evidence(files: &dyn Files, path: &Path, working_directory: &Path) -> Option<MountedFile> {
    let text = mounts::text(files, path)?;
    let marks = ["://", "env", "Env", "ENV"];
    let marked = |line: &&str| marks.iter().any(|mark| line.contains(mark));
    let lines: Vec<&str> = text.lines().filter(marked).collect();
    if lines.is_empty() {
        return None;
    }
    let shown = paths::shown(path, working_directory);
    Some(MountedFile {
        target: shown.clone(),
        source: shown,
        direct: false,
        text: lines.join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryFiles;
    use super::*;

    #[test]
    fn lines_that_read_the_environment_are_kept() {
        let files = MemoryFiles::new(&[(
            "/p/a.js",
            "const x = 1;\nconst url = process.env.PEER_URL;\nget(url);",
        )]);
        let copy = Copied {
            sources: vec![".".to_owned()],
            target: "/app".to_owned(),
            text: None,
        };
        let found = super::read(&files, &[&copy], Path::new("/p"), Path::new("/p"));
        assert_eq!(found[0].text, "const url = process.env.PEER_URL;");
    }

    #[test]
    fn sources_are_read_that_the_image_is_built_from_and_no_others() {
        let url = "x = 'http://peer:80'\nsecret = 'y'";
        let files = MemoryFiles::new(&[
            ("/p/web/main.py", url),
            ("/p/web/src/main/java/org/team/shop/cart/Client.java", url),
            ("/p/web/src/ClientTest.java", url),
            ("/p/web/tests/x.py", url),
            ("/p/web/node_modules/x/index.js", url),
            ("/p/web/worker/Dockerfile", "FROM x"),
            ("/p/web/worker/main.py", url),
            ("/p/web/quiet.py", "x = 1"),
            ("/p/web/notes.md", url),
            ("/p/other/main.py", url),
        ]);
        let read = |sources: &[&str]| -> Vec<String> {
            let copies = Copied {
                sources: sources.iter().map(|one| (*one).to_owned()).collect(),
                target: "/app".to_owned(),
                text: None,
            };
            super::read(&files, &[&copies], Path::new("/p/web"), Path::new("/p"))
                .into_iter()
                .map(|file| {
                    assert_eq!(file.text, "x = 'http://peer:80'");
                    file.source
                })
                .collect()
        };
        let all = [
            "web/main.py",
            "web/src/main/java/org/team/shop/cart/Client.java",
        ];
        assert_eq!(read(&["."]), all);
        assert_eq!(read(&["main.py", "notes.md"]), all[..1]);
        assert_eq!(read(&["src/"]), all[1..]);
        assert!(read(&["../other"]).is_empty());
        assert!(read(&[]).is_empty());
    }
}
