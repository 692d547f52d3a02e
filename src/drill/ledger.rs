//! The scratch table: the texts that make, fill, read and drop it, and the comparison of what was acknowledged with what is there. Pure.

use std::collections::BTreeMap;

use super::model::{Engine, LaneRows, Ledger, Span};
use super::seqs::SeqSet;

mod compare;

pub use compare::{Comparison, Lanes, Written, compare, count};

/// Redis forgets the keys of a run that was killed after this many seconds.
const EXPIRES_S: u32 = 86_400;

/// The statements of a table; no parameter, no text that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statements {
    /// Makes it where it is not there: the server's default engine, a primary key, nothing that counts by itself.
    pub create: String,
    /// Removes it.
    pub drop: String,
    /// A row a lane: lane, smallest seq, largest seq.
    pub tip: String,
    /// A row a write: lane, seq, half, node, checksum.
    pub rows: String,
}

impl Ledger {
    /// The name as statements write it.
    fn quoted(&self, engine: Engine) -> String {
        let mark = if engine == Engine::Postgres { '"' } else { '`' };
        let doubled = self.name.replace(mark, &format!("{mark}{mark}"));
        format!("{mark}{doubled}{mark}")
    }

    /// The statements for `MySQL` and `PostgreSQL`.
    pub fn statements(&self, engine: Engine) -> Statements {
        let table = self.quoted(engine);
        let small = if engine == Engine::Postgres {
            "SMALLINT"
        } else {
            "TINYINT"
        };
        Statements {
            create: format!(
                "CREATE TABLE IF NOT EXISTS {table} (lane VARCHAR(64) NOT NULL, seq BIGINT NOT NULL, half {small} NOT NULL, node VARCHAR(64) NOT NULL, \
                 checksum BIGINT NOT NULL, PRIMARY KEY (lane, seq, half))"
            ),
            drop: format!("DROP TABLE IF EXISTS {table}"),
            tip: format!("SELECT lane, MIN(seq), MAX(seq) FROM {table} GROUP BY lane"),
            rows: format!(
                "SELECT lane, seq, half, node, checksum FROM {table} ORDER BY lane, seq, half"
            ),
        }
    }

    /// The INSERT of one row. `half`: 0 for a write of one row, 1 and 2 for those of a transaction.
    pub fn insert(&self, engine: Engine, lane: &str, seq: u64, half: u8, node: &str) -> String {
        format!(
            "INSERT INTO {} (lane, seq, half, node, checksum) VALUES ({}, {seq}, {half}, {}, {})",
            self.quoted(engine),
            literal(lane),
            literal(node),
            checksum(lane, seq, half, node)
        )
    }

    /// Redis: the sorted set of a lane; the lane in braces keeps it on one slot of a cluster.
    pub fn key(&self, lane: &str) -> String {
        format!("{}{{{lane}}}", self.name)
    }

    /// Redis: the commands of one write, to be sent between `MULTI` and `EXEC`. `halves` as in [`Ledger::insert`].
    pub fn commands(&self, lane: &str, seq: u64, halves: &[u8], node: &str) -> Vec<Vec<String>> {
        let key = self.key(lane);
        let row = |half: &u8| {
            let check = checksum(lane, seq, *half, node);
            vec![
                "ZADD".to_owned(),
                key.clone(),
                seq.to_string(),
                format!("{seq}/{half}/{check}/{node}"),
            ]
        };
        let expire = vec!["EXPIRE".to_owned(), key.clone(), EXPIRES_S.to_string()];
        halves.iter().map(row).chain([expire]).collect()
    }

    /// Redis: smallest and largest member of a lane's set, two commands; each answers with one member or none.
    pub fn tip_commands(&self, lane: &str) -> [Vec<String>; 2] {
        ["0", "-1"].map(|at| {
            vec![
                "ZRANGE".to_owned(),
                self.key(lane),
                at.to_owned(),
                at.to_owned(),
            ]
        })
    }

    /// Redis: all members of a lane's set.
    pub fn rows_command(&self, lane: &str) -> Vec<String> {
        vec![
            "ZRANGE".to_owned(),
            self.key(lane),
            "0".to_owned(),
            "-1".to_owned(),
        ]
    }
}

/// A text between quotes. Ours hold letters, digits and `-./_` alone; anything else is left out rather than escaped.
fn literal(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-./_".contains(*letter))
        .take(64)
        .collect();
    format!("'{plain}'")
}

/// FNV-1a over what a row holds: a row that was changed or mixed up does not fit.
pub fn checksum(lane: &str, seq: u64, half: u8, node: &str) -> u32 {
    format!("{lane}|{seq}|{half}|{node}")
        .bytes()
        .fold(0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
}

/// One lane of a table's tip, by its columns as text: lane, first and last seq.
pub fn span(text: impl Fn(usize) -> Option<String>) -> Option<(String, Span)> {
    let number = |column| text(column)?.parse().ok();
    let (first, last) = (number(1)?, number(2)?);
    Some((text(0)?, Span { first, last }))
}

/// Rows as they come from a server, folded into sets lane by lane.
#[derive(Debug, Clone, Default)]
pub struct RowFold {
    lanes: BTreeMap<String, Halves>,
}

#[derive(Debug, Clone, Default)]
struct Halves {
    single: SeqSet,
    one: SeqSet,
    two: SeqSet,
    damaged: SeqSet,
}

impl RowFold {
    /// Adds one row.
    pub fn row(&mut self, lane: &str, seq: u64, half: u8, node: &str, check: u64) {
        let halves = self.lanes.entry(lane.to_owned()).or_default();
        if check != u64::from(checksum(lane, seq, half, node)) {
            halves.damaged.insert(seq);
            return;
        }
        match half {
            0 => halves.single.insert(seq),
            1 => halves.one.insert(seq),
            2 => halves.two.insert(seq),
            _ => halves.damaged.insert(seq),
        }
    }

    /// Adds one row of a table, by its columns as text: lane, seq, half, node, checksum. What does not read is a damaged row.
    pub fn columns(&mut self, text: impl Fn(usize) -> Option<String>) {
        let (Some(lane), Some(node)) = (text(0), text(3)) else {
            return;
        };
        let number = |column| text(column)?.parse::<u64>().ok();
        let half = number(2).and_then(|half| u8::try_from(half).ok());
        self.row(
            &lane,
            number(1).unwrap_or(0),
            half.unwrap_or(u8::MAX),
            &node,
            number(4).unwrap_or(u64::MAX),
        );
    }

    /// Adds one member of a sorted set of Redis (`SEQ/HALF/CHECKSUM/NODE`); what does not read is a damaged row.
    pub fn member(&mut self, lane: &str, text: &str) {
        let mut parts = text.splitn(4, '/');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        match (number(), number(), number(), parts.next()) {
            (Some(seq), Some(half), Some(check), Some(node)) => {
                self.row(
                    lane,
                    seq,
                    u8::try_from(half).unwrap_or(u8::MAX),
                    node,
                    check,
                );
            }
            (seq, ..) => {
                let halves = self.lanes.entry(lane.to_owned()).or_default();
                halves.damaged.insert(seq.unwrap_or(0));
            }
        }
    }

    /// Lane → what is whole, half, damaged.
    pub fn finish(self) -> BTreeMap<String, LaneRows> {
        self.lanes
            .into_iter()
            .map(|(lane, halves)| {
                let both = halves.one.intersection(&halves.two);
                let any = halves.one.union(&halves.two);
                let rows = LaneRows {
                    whole: halves.single.union(&both).difference(&halves.damaged),
                    half: any.difference(&both).difference(&halves.damaged),
                };
                (lane, rows)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger {
            name: "k8sverify_drill_ab12".into(),
        }
    }

    #[test]
    fn statements_name_our_table_alone() {
        let ledger = ledger();
        let mysql = ledger.statements(Engine::Mysql);
        assert!(
            mysql
                .create
                .starts_with("CREATE TABLE IF NOT EXISTS `k8sverify_drill_ab12` (lane "),
            "{}",
            mysql.create
        );
        assert!(!mysql.create.contains("ENGINE"));
        assert_eq!(
            ledger.statements(Engine::Postgres).drop,
            "DROP TABLE IF EXISTS \"k8sverify_drill_ab12\""
        );
        let insert = ledger.insert(Engine::Mysql, "a/w-new", 7, 0, "node-1'); DROP TABLE x; --");
        assert!(
            insert.contains("VALUES ('a/w-new', 7, 0, 'node-1DROPTABLEx--', "),
            "{insert}"
        );
        let hostile = Ledger { name: "a`b".into() };
        assert_eq!(
            hostile.statements(Engine::Mysql).drop,
            "DROP TABLE IF EXISTS `a``b`"
        );
    }

    #[test]
    fn redis_keeps_a_lane_in_one_set_that_expires() {
        let redis = Ledger {
            name: "k8sverify:ab12:".into(),
        };
        let commands = redis.commands("a/w-held/0", 3, &[1, 2], "node-1");
        assert_eq!(commands.len(), 3);
        assert_eq!(
            commands[0][..3],
            ["ZADD", "k8sverify:ab12:{a/w-held/0}", "3"]
        );
        assert_eq!(
            commands[2],
            ["EXPIRE", "k8sverify:ab12:{a/w-held/0}", "86400"]
        );
        let mut fold = RowFold::default();
        fold.member("a/w-held/0", &commands[0][3]);
        fold.member("a/w-held/0", &commands[1][3]);
        fold.member("a/w-held/0", "nonsense");
        let rows = &fold.finish()["a/w-held/0"];
        assert_eq!(rows.whole.to_string(), "3");
    }

    #[test]
    fn halves_and_damaged_rows_are_distinguished() {
        let mut fold = RowFold::default();
        let mut add = |lane: &str, seq, half| {
            fold.row(
                lane,
                seq,
                half,
                "n",
                u64::from(checksum(lane, seq, half, "n")),
            );
        };
        for seq in 1..=3 {
            add("held", seq, 1);
        }
        add("held", 1, 2);
        add("held", 4, 2);
        add("new", 1, 0);
        fold.row("new", 2, 0, "n", 1);
        let rows = fold.finish();
        assert_eq!(rows["held"].whole.to_string(), "1");
        assert_eq!(rows["held"].half.to_string(), "2-4");
        assert_eq!(rows["new"].whole.to_string(), "1");
    }
}
