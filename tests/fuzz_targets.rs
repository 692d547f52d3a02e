//! The fuzz targets on stable Rust: the same bodies, fed with real files that are cut, doubled and mixed.
//!
//! A fixed number of inputs by default, the same in every run. `FUZZ_SECONDS=300 FUZZ_SEED=7 cargo test --test fuzz_targets` goes on
//! for that long with other ones; what breaks is printed whole.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A small generator: the same inputs for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// Pieces that have a meaning somewhere.
const PIECES: [&str; 44] = [
    "${",
    "}",
    "$",
    "$$",
    ":-",
    ":?",
    ":+",
    "{",
    "[",
    "]",
    "<<: *a",
    "&a ",
    "*a",
    "!reset null",
    "!override ",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\"",
    "'",
    "#",
    " #",
    "\t",
    "://",
    "@",
    ":",
    ",",
    ";",
    "=",
    "tcp(db:1)",
    "jdbc:",
    "65536",
    "0x10",
    "1e9",
    "null",
    "~",
    "\u{feff}",
    "\u{0}",
    "ä",
    "\n%%\n",
    "services:\n  a:\n    image: x\n",
    "..",
    "\\",
];

/// A text cut, doubled, mixed with another one, and peppered with pieces.
fn mutated(seeds: &[String], random: &mut Random) -> String {
    let mut text: Vec<char> = seeds[random.below(seeds.len())].chars().collect();
    for _ in 0..=random.below(6) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(40)).min(text.len());
        match random.below(5) {
            0 => drop(text.drain(at..end)),
            1 => {
                let copy = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            2 => {
                let other: Vec<char> = seeds[random.below(seeds.len())].chars().collect();
                let from = random.below(other.len() + 1);
                let to = (from + random.below(60)).min(other.len());
                text.splice(at..end, other[from..to].iter().copied());
            }
            3 => text.truncate(end.max(1)),
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                text.splice(at..at, piece.chars());
            }
        }
    }
    text.into_iter().take(20_000).collect()
}

/// Texts of the repository's own files whose names `wanted` takes.
fn seeds(folder: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut open: Vec<PathBuf> = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let mut inner: Vec<PathBuf> = std::fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            inner.sort();
            open.extend(inner);
        } else if wanted(&path.file_name().unwrap().to_string_lossy()) {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    assert!(!found.is_empty(), "{folder} has files to begin with");
    found
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Feeds a body; `count` inputs, or as many as fit into the time that was asked for.
fn drive(seeds: &[String], count: usize, body: &dyn Fn(&str, &mut Random)) {
    let seconds = number("FUZZ_SECONDS");
    let mut random = Random(number("FUZZ_SEED").unwrap_or(88_172_645_463_325_252).max(1));
    let start = Instant::now();
    let mut done = 0;
    loop {
        let more = match seconds {
            Some(seconds) => start.elapsed() < Duration::from_secs(seconds),
            None => done < count,
        };
        if !more {
            break;
        }
        let text = mutated(seeds, &mut random);
        let result = catch_unwind(AssertUnwindSafe(|| body(&text, &mut random)));
        assert!(result.is_ok(), "input {done} breaks it: {text:?}");
        done += 1;
    }
    assert!(done > 0);
}

#[test]
fn compose_files() {
    let mut all = seeds("tests/compose", &|name| {
        name.ends_with("yaml") || name.ends_with("yml")
    });
    let real =
        |name: &str| name.contains("compose") && (name.ends_with("yaml") || name.ends_with("yml"));
    all.extend(
        seeds("tests/fixtures/compose", &real)
            .into_iter()
            .filter(|text| text.len() < 6000),
    );
    drive(&all, 400, &|text, _| bodies::compose(text));
}

#[test]
fn variables() {
    let all: Vec<String> = seeds("tests/compose", &|name| {
        name == "interpolation.yaml" || name == "commands.yaml"
    })
    .iter()
    .flat_map(|text| text.lines().map(str::to_owned))
    .collect();
    drive(&all, 4000, &|text, _| bodies::interpolate(text));
}

#[test]
fn env_files() {
    let all = seeds("tests", &|name| name.contains(".env"));
    drive(&all, 4000, &|text, _| bodies::env_file(text));
}

#[test]
fn addresses() {
    let lines: Vec<String> = seeds("tests/fixtures/compose", &|name| {
        name.contains("compose") || name.starts_with(".env")
    })
    .iter()
    .flat_map(|text| {
        text.split(['\n', ',', '{', '}'])
            .map(|part| part.trim().to_owned())
            .collect::<Vec<_>>()
    })
    .filter(|part| part.contains([':', '=']))
    .collect();
    drive(&lines, 4000, &|text, random| {
        let at = random.below(text.len() + 1);
        let (key, value) = text
            .split_once(['=', ':'])
            .unwrap_or_else(|| text.split_at(text.floor_char_boundary(at)));
        bodies::address(key.trim_matches(['-', ' ']), value.trim());
    });
}

/// Statements that name schemas in every way, and what real clients were fed with.
const STATEMENTS: [&str; 12] = [
    "SELECT i.id, shop.items.x FROM shop.items i, other.y JOIN a.b ON a.b.c = i.d WHERE x IN (SELECT a.c FROM a.c);\n",
    "INSERT INTO shop.t (a) SELECT b.c FROM b;\n",
    "DELIMITER $$\nCREATE TRIGGER a.t BEFORE INSERT ON shop.x FOR EACH ROW BEGIN SET NEW.a = 1; END$$\nDELIMITER ;\n",
    "LOCK TABLES a.b READ, `shop`.`c` WRITE;\n",
    "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 PROCEDURE shop.p() BEGIN SELECT 1; END */;\n",
    "USE `shop`;\n",
    "DROP TABLE IF EXISTS a.b, shop.c;\n",
    "SHOW TABLES FROM shop;\n",
    "CREATE DATABASE IF NOT EXISTS `shop`;\n",
    "UPDATE a.b, shop.c SET b.x = c.x WHERE b.y = 'a.b';\n",
    "ALTER TABLE a.b RENAME TO shop.c;\n",
    "SELECT shop.f(1), a.g(2) -- a.b\n;\n",
];

#[test]
fn statements() {
    let recorded = seeds("tests/sql", &|name| name == "lex.json");
    let recorded: serde_json::Value = serde_json::from_str(&recorded[0]).unwrap();
    let files = recorded.as_array().unwrap().iter();
    let mut all: Vec<String> = files
        .map(|entry| entry["file"].as_str().unwrap().to_owned())
        .collect();
    all.extend(STATEMENTS.map(str::to_owned));
    all.push(STATEMENTS.concat());
    drive(&all, 4000, &|text, _| bodies::sql(text));
}
