//! Where in a statement a name stands. Pure.

use super::Scan;

/// Words after which the name of a table stands.
const LEAD: [&str; 26] = [
    "FROM",
    "JOIN",
    "STRAIGHT_JOIN",
    "INTO",
    "UPDATE",
    "TABLE",
    "TABLES",
    "REFERENCES",
    "VIEW",
    "TRIGGER",
    "PROCEDURE",
    "FUNCTION",
    "EVENT",
    "CALL",
    "TRUNCATE",
    "DESC",
    "DESCRIBE",
    "EXPLAIN",
    "INSERT",
    "REPLACE",
    "DELETE",
    "HANDLER",
    "LIKE",
    "BEFORE",
    "AFTER",
    "USING",
];

/// Words that may stand between.
const THROUGH: [&str; 12] = [
    "IF",
    "NOT",
    "EXISTS",
    "LOW_PRIORITY",
    "HIGH_PRIORITY",
    "DELAYED",
    "IGNORE",
    "QUICK",
    "ONLY",
    "LATERAL",
    "WITH",
    "AS",
];

/// Words behind which no name of a table stands.
const END: [&str; 17] = [
    "WHERE",
    "SET",
    "VALUES",
    "VALUE",
    "SELECT",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "ON",
    "BEGIN",
    "RETURN",
    "THEN",
    "DO",
    "ELSE",
    "BY",
    "DUPLICATE",
];

/// Whether a table is due.
#[derive(Default)]
pub(super) struct Place {
    /// The next name is one of a table.
    pub(super) table: bool,
    /// A comma leads to another table.
    pub(super) list: bool,
    pub(super) depth: Vec<(bool, bool)>,
}

impl Place {
    /// Takes the token at `at`.
    pub(super) fn step(&mut self, scan: &Scan<'_>, at: usize) {
        if scan.sign(at, b'(') {
            self.depth.push((self.table, self.list));
            return;
        }
        if scan.sign(at, b')') {
            let (_, list) = self.depth.pop().unwrap_or_default();
            (self.table, self.list) = (false, list);
            return;
        }
        if scan.sign(at, b',') {
            self.table = self.list;
            return;
        }
        if scan.sign(at, b';') {
            (self.table, self.list) = (false, false);
            return;
        }
        let is = |words: &[&str]| words.iter().any(|word| scan.is(at, word));
        if is(&THROUGH) {
            return;
        }
        if is(&LEAD) {
            self.table = true;
            self.list = !is(&["CALL", "LIKE", "BEFORE", "AFTER"]);
        } else if scan.is(at, "ON") && Self::is_of_table(scan, at) {
            (self.table, self.list) = (true, false);
        } else if scan.is(at, "TO") || scan.is(at, "RENAME") {
            // RENAME TABLE a TO b
            self.table = scan.is(0, "RENAME") || scan.is(0, "ALTER");
        } else if is(&END) {
            (self.table, self.list) = (false, false);
        } else if at > 0 && scan.name(at).is_some() && scan.chain(at) == 1 {
            // A name of one part took the place.
            self.table = false;
        }
    }

    /// CREATE INDEX … ON, CREATE TRIGGER … ON, DROP INDEX … ON: before any body.
    pub(super) fn is_of_table(scan: &Scan<'_>, at: usize) -> bool {
        matches!(scan.object(), Some("INDEX" | "TRIGGER"))
            && !(0..at).any(|before| scan.is(before, "ON") || scan.is(before, "BEGIN"))
    }

    /// A name took the place.
    pub(super) fn passed(&mut self) {
        self.table = false;
    }
}
