//! Each kind of mistake that was seen on files of ordinary teams, as a property: whatever its tiers, images, folders and ports are called,
//! the edges are those that a person reads in the files.
//!
//! `tests/fixtures/kinds/expected.tsv`: the kind (a folder), its edges (`?`: may be there, weak), the words and the ports that stand for any
//! others, and why. Words are replaced wherever they stand: in files, in their paths, in the edges.

#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use k8sverify::catalog::Catalog;
use k8sverify::compose::{self, Files, LoadOptions};
use k8sverify::graph::{Confidence, infer};
use proptest::prelude::*;

/// The files of a kind, as they are called for the reader.
struct Project(BTreeMap<PathBuf, String>);

impl Files for Project {
    fn read(&self, path: &Path) -> io::Result<String> {
        let text = self.0.get(path);
        text.cloned()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let inner = self.0.keys().filter_map(|path| {
            let rest = path.strip_prefix(directory).ok()?;
            let first = rest.components().next()?;
            Some(first.as_os_str().to_string_lossy().into_owned())
        });
        let names: BTreeSet<String> = inner.collect();
        if names.is_empty() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(names.into_iter().collect())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.keys().any(|file| file.starts_with(path))
    }
}

/// One row of the table with its files.
struct Kind {
    name: String,
    edges: Vec<String>,
    words: Vec<String>,
    ports: Vec<String>,
    files: BTreeMap<String, String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kinds")
}

fn kinds() -> Vec<Kind> {
    let table = std::fs::read_to_string(folder().join("expected.tsv")).unwrap();
    let list = |text: &str, by: char| -> Vec<String> {
        let parts = text.split(by).filter(|part| *part != "-");
        parts.map(str::to_owned).collect()
    };
    let rows = table.lines().skip(1).map(|row| {
        let [name, edges, words, ports, _why] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        let mut files = BTreeMap::new();
        collect(&folder().join(name), "", &mut files);
        assert!(!files.is_empty(), "{name}");
        Kind {
            name: name.to_owned(),
            edges: list(edges, ';'),
            words: list(words, ' '),
            ports: list(ports, ' '),
            files,
        }
    });
    rows.collect()
}

fn collect(folder: &Path, within: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{within}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// Whole words replaced.
fn rename(text: &str, names: &BTreeMap<String, String>) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if part(first) {
            rest.find(|c: char| !part(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(end);
        out.push_str(names.get(word).map_or(word, String::as_str));
        rest = after;
    }
    out
}

/// What is wrong with the edges of a kind whose words are called otherwise.
fn wrong(kind: &Kind, names: &BTreeMap<String, String>) -> Vec<String> {
    let project = Project(
        kind.files
            .iter()
            .map(|(path, text)| {
                let path = Path::new("/p").join(rename(path, names));
                (path, rename(text, names))
            })
            .collect(),
    );
    let options = LoadOptions {
        working_directory: PathBuf::from("/p"),
        files: vec![PathBuf::from("/p/compose.yaml")],
        ..LoadOptions::default()
    };
    let file = match compose::load(&options, &project) {
        Ok(file) => file,
        Err(error) => return vec![error.to_string()],
    };
    let bare = |edge: &str| {
        let edge = rename(edge.trim_end_matches('?'), names);
        edge.rsplit_once('/')
            .map_or(edge.clone(), |(head, _)| head.to_owned())
    };
    let may: BTreeSet<String> = kind.edges.iter().map(|edge| bare(edge)).collect();
    let must = kind.edges.iter().filter(|edge| !edge.ends_with('?'));
    let found: BTreeMap<String, bool> = infer(&file, &Catalog::embedded())
        .edges
        .into_iter()
        .map(|edge| {
            let sure = edge.confidence > Confidence::Weak && !edge.optional;
            (format!("{}>{}:{}", edge.from, edge.to, edge.port), sure)
        })
        .collect();
    let missing = must
        .map(|edge| bare(edge))
        .filter(|edge| !found.contains_key(edge))
        .map(|edge| format!("missing {edge}"));
    let wrong = found
        .iter()
        .filter(|(edge, sure)| **sure && !may.contains(*edge))
        .map(|(edge, _)| format!("wrong {edge}"));
    missing.chain(wrong).collect()
}

#[test]
fn each_kind_is_read_as_a_person_reads_it() {
    for kind in kinds() {
        let wrong = wrong(&kind, &BTreeMap::new());
        assert!(wrong.is_empty(), "{}: {wrong:?}", kind.name);
    }
}

/// A word that is no product's, no kind's and no framework's: syllables, sometimes with a number or a second part.
fn word() -> impl Strategy<Value = String> {
    let syllables = prop::sample::select(vec!["ko", "zu", "ve", "mi", "lor", "tan", "bex", "rum"]);
    let tails = prop::sample::select(vec!["", "", "", "7", "-nal", "_nal"]);
    (prop::collection::vec(syllables, 2..4), tails)
        .prop_map(|(syllables, tail)| format!("{}{tail}", syllables.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_rule_depends_on_what_things_are_called(
        words in prop::collection::btree_set(word(), 12),
        order in any::<prop::sample::Index>(),
        ports in prop::collection::btree_set(20_000_u16..32_000, 4),
    ) {
        let mut words: Vec<String> = words.into_iter().collect();
        let start = order.index(words.len());
        words.rotate_left(start);
        for kind in kinds() {
            let names: BTreeMap<String, String> = kind
                .words
                .iter()
                .cloned()
                .zip(words.iter().cloned())
                .chain(kind.ports.iter().cloned().zip(ports.iter().map(u16::to_string)))
                .collect();
            let wrong = wrong(&kind, &names);
            prop_assert!(wrong.is_empty(), "{}: {wrong:?} with {names:?}", kind.name);
        }
    }
}
