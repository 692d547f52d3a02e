//! The fuzz targets on stable Rust: the same bodies, fed with real files that are cut, doubled and mixed.
//!
//! A fixed number of inputs by default, the same in every run. `FUZZ_SECONDS=300 FUZZ_SEED=7 cargo test --test fuzz_targets` goes on
//! for that long with other ones; what breaks is printed whole.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

#[path = "../fuzz/bodies.rs"]
mod bodies;
#[path = "../fuzz/peers.rs"]
mod peers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peers::{Conversation, Reply};

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

/// Configuration of every form, programs and Dockerfiles.
#[test]
fn files_of_a_client() {
    let mut all = seeds("tests/fixtures/kinds", &|name| name != "expected.tsv");
    all.extend(
        seeds("tests/fixtures/compose", &|name| !name.contains("compose"))
            .into_iter()
            .filter(|text| text.len() < 6000),
    );
    drive(&all, 300, &|text, _| bodies::sources(text));
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

/// A packet of MySQL.
fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[number], payload].concat()
}

/// A document of MongoDB in its message.
fn document(fields: &[u8]) -> Vec<u8> {
    let length = i32::try_from(fields.len()).unwrap() + 5;
    let mut message = Vec::new();
    for number in [16 + 5 + length, 1, 1, 2013] {
        message.extend(number.to_le_bytes());
    }
    message.extend([0; 5]);
    message.extend(length.to_le_bytes());
    message.extend(fields);
    message.push(0);
    message
}

/// A method of AMQP's connection class.
fn method(number: u8, arguments: &[u8]) -> Vec<u8> {
    let length = u32::try_from(arguments.len() + 4).unwrap().to_be_bytes();
    let head = [&[1, 0, 0], &length[..], &[0, 10, 0, number]].concat();
    [&head[..], arguments, &[0xce]].concat()
}

/// What healthy servers say, from greeting to query.
fn conversations() -> Vec<Conversation> {
    let greeting = packet(
        0,
        b"\x0a8.0.36\0\x07\0\0\0AAAAAAAA\0\xff\xf7\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0BBBBBBBBBBBB\0mysql_native_password\0",
    );
    let rows = [
        packet(1, b"\x01"),
        packet(
            2,
            b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0",
        ),
        packet(3, b"\xfe\0\0\x02\0"),
        packet(4, b"\x011"),
        packet(5, b"\xfe\0\0\x02\0"),
    ]
    .concat();
    let switch = packet(2, b"\xfemysql_native_password\0aaaaaaaaaaaaaaaaaaaa\0");
    let let_in = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0016.1\0Z\0\0\0\x05I";
    let row = b"T\0\0\0\x1a\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0D\0\0\0\x0b\0\x01\0\0\0\x011C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
    let hello =
        b"\x02setName\0\x03\0\0\0rs\0\x02primary\0\x06\0\0\0h:270\0\x01ok\0\0\0\0\0\0\0\xf0\x3f";
    let scram = b"\x10conversationId\0\x01\0\0\0\x05payload\0\x08\0\0\0\0r=a,s=b,\x01ok\0\0\0\0\0\0\0\xf0\x3f";
    let start = method(10, b"\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US");
    let brokers = b"\0\0\0\x28\0\0\0\x03\0\0\0\0\0\0\0\x01\0\0\0\x01\0\x05kafka\0\0\x23\x84\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let all: Vec<(&str, bool, Vec<&[u8]>)> = vec![
        ("mysql", true, vec![&greeting, b"\x07\0\0\x02\0\0\0\x02\0\0\0", &rows, &rows, &rows, &rows]),
        ("mysql", true, vec![&greeting, &switch, b"\x07\0\0\x04\0\0\0\x02\0\0\0", &rows, &rows]),
        ("mysql", true, vec![&greeting, b"\x17\0\0\x02\xff\x15\x04#28000Access denied"]),
        ("postgres", false, vec![b"N", let_in, row, row, row, row]),
        ("postgres", false, vec![b"N", b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", b"R\0\0\0\x20\0\0\0\x0br=abc,s=QUFB,i=4096000"]),
        ("postgres", false, vec![b"N", b"R\0\0\0\x0c\0\0\0\x05abcd", b"E\0\0\0\x1eSFATAL\0C28P01\0Mno entry\0\0"]),
        ("redis", false, vec![b"+PONG\r\n", b"+OK\r\n", b"+PONG\r\n", b"$30\r\nredis_version:7\r\ncluster_enab\r\n", b"*2\r\n$1\r\na\r\n:1\r\n"]),
        ("redis", false, vec![b"-NOAUTH Authentication required.\r\n", b"-WRONGPASS invalid\r\n"]),
        ("amqp", false, vec![&start, b"\x01\0\0\0\0\0\x0c\0\x0a\0\x1e\0\0\0\0\0\0\0\0\xce", b"\x01\0\0\0\0\0\x05\0\x0a\0\x29\0\xce"]),
        ("kafka", false, vec![b"\0\0\0\x10\0\0\0\x12\0\0\0\0\0\x01\0\x03\0\0\0\x08", brokers]),
        ("mqtt", false, vec![b"\x20\x02\0\0"]),
        ("nats", true, vec![b"INFO {\"version\":\"2\",\"auth_required\":true,\"tls_required\":false}\r\n", b"+OK\r\nPONG\r\n"]),
        ("smtp", true, vec![b"220 hi ESMTP\r\n", b"250-a\r\n250 b\r\n"]),
        ("zookeeper", false, vec![b"Zookeeper version: 3.9\nMode: leader\n"]),
        ("memcached", false, vec![b"VERSION 1.6\r\n"]),
        ("cassandra", false, vec![b"\x84\0\0\0\x06\0\0\0\0"]),
        ("mssql", false, vec![b"\x04\x01\0\x25\0\0\x01\0"]),
        ("ldap", false, vec![b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0"]),
        ("grpc", false, vec![b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\x10\0\0\0\x06\0\0\x40\0", b"\0\0\0\x04\x01\0\0\0\0"]),
        ("http", false, vec![b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 3\r\n\r\nabc"]),
        ("https", false, vec![b"\x16\x03\x03\0\x40\x02\0\0\x3c\x03\x03AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\x13\x01\0\0\x14"]),
        ("tcp", true, vec![b"SSH-2.0-OpenSSH_9.6\r\n"]),
    ];
    let mut all: Vec<Conversation> = all
        .into_iter()
        .map(|(protocol, greets, parts)| Conversation {
            protocol,
            greets,
            parts: parts.into_iter().map(<[u8]>::to_vec).collect(),
        })
        .collect();
    all.push(Conversation {
        protocol: "mongodb",
        greets: false,
        parts: vec![document(hello), document(scram), document(hello)],
    });
    all
}

/// Numbers that lengths and counts break on.
const NUMBERS: [u32; 8] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x00ff_ffff,
    0x7fff_ffff,
    0xffff_ffff,
];

/// The same conversation with some of its bytes changed, lost, doubled or cut off.
fn garbled(said: &Conversation, random: &mut Random) -> Conversation {
    let mut said = said.clone();
    for _ in 0..=random.below(4) {
        let index = random.below(said.parts.len());
        let part = &mut said.parts[index];
        let at = random.below(part.len() + 1);
        let end = (at + 1 + random.below(8)).min(part.len());
        match random.below(6) {
            0 => part[at..end].fill(u8::try_from(random.below(256)).unwrap()),
            1 => drop(part.drain(at..end.max(at))),
            2 => part.truncate(at),
            3 => {
                let copy = part.clone();
                part.splice(at..at, copy);
            }
            kind => {
                let number = NUMBERS[random.below(NUMBERS.len())];
                let bytes = if kind == 4 {
                    number.to_be_bytes()
                } else {
                    number.to_le_bytes()
                };
                part.splice(at..(at + 4).min(part.len()), bytes);
            }
        }
    }
    said
}

#[test]
fn peers_that_say_anything() {
    let all = conversations();
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let mut random = Random(number("FUZZ_SEED").unwrap_or(88_172_645_463_325_252).max(1));
    let start = Instant::now();
    let mut rounds = 0;
    while seconds.map_or(rounds < 3, |seconds| start.elapsed() < seconds) {
        let said: Vec<Conversation> = (0..64)
            .map(|_| garbled(&all[random.below(all.len())], &mut random))
            .collect();
        peers::peers(&said);
        rounds += 1;
    }
    assert!(rounds > 0);
}

/// Flags and counts of an answer, and the records of a name that a pointer leads to.
fn replies() -> Vec<Reply> {
    let reply = |flags: [u8; 2], counts: [u8; 3], records: &[u8]| Reply {
        fits: true,
        header: [flags[0], flags[1], 0, counts[0], 0, counts[1], 0, counts[2]],
        records: records.to_vec(),
    };
    let a = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x0a\x60\0\x09";
    let aaaa = b"\xc0\x0c\0\x1c\0\x01\0\0\0\x05\0\x10\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
    let alias = b"\xc0\x0c\0\x05\0\x01\0\0\0\x05\0\x0a\x02db\x04shop\xc0\x0f";
    let soa = b"\xc0\x0c\0\x06\0\x01\0\0\0\x05\0\x18\xc0\x0c\xc0\x0c\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05";
    let text = b"\xc0\x0c\0\x10\0\x01\0\0\0\x05\0\x0d\x0c\x1b[31m\n::error";
    vec![
        reply([0x85, 0x80], [1, 0, 0], a),
        reply([0x85, 0x80], [1, 0, 0], aaaa),
        reply([0x85, 0x80], [2, 0, 0], &[&alias[..], &a[..]].concat()),
        reply([0x85, 0x83], [0, 1, 0], soa),
        reply([0x85, 0x82], [0, 0, 0], b""),
        reply([0x87, 0x80], [4, 0, 0], &a.repeat(4)),
        reply([0x85, 0x80], [1, 0, 0], text),
    ]
}

#[test]
fn name_servers_that_say_anything() {
    let all = replies();
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let mut random = Random(number("FUZZ_SEED").unwrap_or(88_172_645_463_325_252).max(1));
    let start = Instant::now();
    let mut rounds = 0;
    while seconds.map_or(rounds < 3, |seconds| start.elapsed() < seconds) {
        let said: Vec<Reply> = (0..64)
            .map(|_| {
                let mut reply = all[random.below(all.len())].clone();
                // As bytes of a conversation, so that they are garbled alike.
                let bytes = Conversation {
                    protocol: "dns",
                    greets: false,
                    parts: vec![reply.header.to_vec(), reply.records.clone()],
                };
                let bytes = garbled(&bytes, &mut random);
                for (to, from) in reply.header.iter_mut().zip(&bytes.parts[0]) {
                    *to = *from;
                }
                reply.records.clone_from(&bytes.parts[1]);
                reply.fits = random.below(8) > 0;
                reply
            })
            .collect();
        peers::dns(&said);
        rounds += 1;
    }
    assert!(rounds > 0);
}

#[test]
fn answers_of_the_api() {
    let objects = seeds("examples/compose-to-kubernetes/kubernetes", &|name| {
        name.ends_with("yaml")
    });
    drive(&objects, 300, &|text, _| peers::api(text));
}
