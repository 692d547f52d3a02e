//! Whose names a statement uses: schemas are mapped to scratch ones, and what reaches beyond them is not run. Pure.
//!
//! Without a parser: a name with a dot is a table of a schema where a table is due, or has three parts, or is called; else it is a column, unless
//! nothing in the statement bears its first part. What then cannot be determined is left to the server's own list of schemas.

mod place;

use std::collections::BTreeSet;

use place::Place;

use super::token::{Kind, Token, tokens};

/// The longest name of a schema.
const LONGEST: usize = 64;
/// Schemas that may be read and never written.
const SYSTEM: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];

/// How schemas are called in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scratch {
    /// What stands before each name; `None`: the names themselves, in place.
    pub prefix: Option<String>,
}

/// A statement with its names mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    /// What is sent.
    pub text: Vec<u8>,
    /// Why it is not sent at all.
    pub beyond: Option<String>,
    /// Schemas that it names, as the file has them.
    pub uses: BTreeSet<String>,
    /// The schema that it creates, as the file has it.
    pub creates_schema: Option<String>,
    /// The table that it creates: schema, if named, and name.
    pub creates_table: Option<(Option<String>, String)>,
    /// First parts of names that may be schemas: not sent if a schema of the server is called so.
    pub may_reach: BTreeSet<String>,
}

impl Scratch {
    /// How a schema is called on the server.
    pub fn schema(&self, name: &str) -> String {
        let Some(prefix) = &self.prefix else {
            return name.to_owned();
        };
        let whole = format!("{prefix}{name}");
        if whole.len() <= LONGEST {
            return whole;
        }
        // Shortened, and made distinct by a hash of what was cut off.
        let sum = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let kept = whole.floor_char_boundary(LONGEST - 17);
        format!("{}_{sum:016x}", &whole[..kept])
    }

    /// Maps the names of a statement; `known` are the schemas that the files name anywhere.
    pub fn map(&self, sql: &[u8], known: &BTreeSet<String>) -> Mapped {
        let tokens = tokens(sql);
        if tokens.is_empty() {
            return Mapped {
                text: sql.to_vec(),
                ..Mapped::default()
            };
        }
        let scan = Scan {
            sql,
            tokens: &tokens,
            known,
        };
        let mut mapped = Mapped {
            text: sql.to_vec(),
            beyond: beyond(sql, &tokens, self.prefix.is_some()),
            ..Mapped::default()
        };
        let found = scan.schemas();
        mapped.creates_table = scan.created_table();
        if scan.object() == Some("DATABASE") && tokens[0].is(sql, "CREATE") {
            mapped.creates_schema = found.first().and_then(|at| tokens[*at].name(sql));
        }
        let reads = [
            "SELECT", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "WITH", "TABLE",
        ];
        let reads = reads.iter().any(|word| tokens[0].is(sql, word));
        let mut replaced: Vec<(usize, usize, String)> = Vec::new();
        for at in found {
            let Some(name) = tokens[at].name(sql) else {
                continue;
            };
            if SYSTEM
                .iter()
                .any(|system| name.eq_ignore_ascii_case(system))
            {
                let database = scan.object() == Some("DATABASE");
                if self.prefix.is_some() && (!reads || database) {
                    mapped.beyond = Some(format!("it reaches into the schema {name}"));
                }
                continue;
            }
            let quoted = format!("`{}`", self.schema(&name).replace('`', "``"));
            replaced.push((tokens[at].start, tokens[at].end, quoted));
            mapped.uses.insert(name);
        }
        if self.prefix.is_some() {
            mapped.may_reach = scan.doubtful();
            for (start, end, mut name) in replaced.into_iter().rev() {
                // Two quoted names side by side would read as one.
                if sql.get(end) == Some(&b'`') {
                    name.push(' ');
                }
                if start > 0 && sql[start - 1] == b'`' {
                    name.insert(0, ' ');
                }
                mapped.text.splice(start..end, name.into_bytes());
            }
        }
        mapped
    }
}

/// Why a statement must not be sent: it is about the whole server, or what it does cannot be determined.
fn beyond(sql: &[u8], tokens: &[Token], scratch: bool) -> Option<String> {
    let word = |at: usize| {
        tokens
            .get(at)
            .filter(|token| token.kind == Kind::Word)
            .and_then(|token| token.name(sql))
            .unwrap_or_default()
            .to_ascii_uppercase()
    };
    let has = |wanted: &str| tokens.iter().any(|token| token.is(sql, wanted));
    let pair = |first: &str, second: &str| {
        tokens
            .windows(2)
            .any(|pair| pair[0].is(sql, first) && pair[1].is(sql, second))
    };
    let (first, second) = (word(0), word(1));
    if matches!(first.as_str(), "SHUTDOWN" | "RESTART" | "KILL") {
        return Some("it would end the server or a connection of others".to_owned());
    }
    if first == "LOAD" || first == "SOURCE" {
        return Some("it reads a file that is not there".to_owned());
    }
    if !scratch {
        return None;
    }
    let global = |what: &str| Some(format!("global: {what}"));
    match first.as_str() {
        "GRANT" | "REVOKE" => return global("it is about rights, which hold for the whole server"),
        "FLUSH" | "RESET" | "PURGE" | "CHANGE" | "INSTALL" | "UNINSTALL" | "CLONE" | "BINLOG"
        | "CACHE" | "IMPORT" | "BACKUP" | "XA" | "STOP" => {
            return global("it is about the whole server");
        }
        "START" if second != "TRANSACTION" => return global("it is about the whole server"),
        "LOCK" | "UNLOCK" if matches!(second.as_str(), "INSTANCE" | "BINLOG") => {
            return global("it is about the whole server");
        }
        "SET" if matches!(second.as_str(), "PASSWORD" | "ROLE" | "DEFAULT") => {
            return global("it is about accounts");
        }
        "SET" if sets_globally(sql, tokens) => return global("it sets a variable of the server"),
        "PREPARE" | "EXECUTE" | "DEALLOCATE" => {
            return Some("dynamic SQL: the names in it cannot be mapped".to_owned());
        }
        _ => {}
    }
    if has("PREPARE") || pair("EXECUTE", "IMMEDIATE") {
        return Some("it holds dynamic SQL: the names in it cannot be mapped".to_owned());
    }
    if has("OUTFILE") || has("DUMPFILE") {
        return global("it writes a file of the server");
    }
    if matches!(first.as_str(), "CREATE" | "ALTER" | "DROP" | "RENAME") {
        let head = &tokens[..tokens.len().min(6)];
        for (word, what) in [
            ("USER", "it is about accounts"),
            ("ROLE", "it is about accounts"),
            ("SERVER", "it is about the whole server"),
            ("TABLESPACE", "it is about the whole server"),
            ("LOGFILE", "it is about the whole server"),
            ("RESOURCE", "it is about the whole server"),
            ("INSTANCE", "it is about the whole server"),
        ] {
            if head.iter().any(|token| token.is(sql, word)) {
                return global(what);
            }
        }
        if has("SONAME") {
            return global("it loads a library into the server");
        }
    }
    None
}

/// Whether SET changes a variable of the server and not of the session.
fn sets_globally(sql: &[u8], tokens: &[Token]) -> bool {
    tokens.iter().enumerate().any(|(at, token)| {
        let starts = at > 0 && (tokens[at - 1].is(sql, "SET") || tokens[at - 1].is_sign(sql, b','));
        let word = ["GLOBAL", "PERSIST", "PERSIST_ONLY"]
            .iter()
            .any(|word| token.is(sql, word));
        let text = token.of(sql).to_ascii_lowercase();
        let variable = token.kind == Kind::Variable
            && [&b"@@global."[..], b"@@persist.", b"@@persist_only."]
                .iter()
                .any(|head| text.starts_with(head));
        starts && (word || variable)
    })
}

struct Scan<'s> {
    sql: &'s [u8],
    tokens: &'s [Token],
    known: &'s BTreeSet<String>,
}

impl Scan<'_> {
    fn is(&self, at: usize, word: &str) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|token| token.is(self.sql, word))
    }

    fn sign(&self, at: usize, sign: u8) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|token| token.is_sign(self.sql, sign))
    }

    fn name(&self, at: usize) -> Option<String> {
        self.tokens.get(at)?.name(self.sql)
    }

    /// What CREATE, ALTER or DROP is about; SCHEMA is DATABASE.
    fn object(&self) -> Option<&'static str> {
        if !["CREATE", "ALTER", "DROP"]
            .iter()
            .any(|verb| self.is(0, verb))
        {
            return None;
        }
        (1..self.tokens.len().min(14)).find_map(|at| {
            let kinds = [
                ("DATABASE", "DATABASE"),
                ("SCHEMA", "DATABASE"),
                ("TABLE", "TABLE"),
                ("VIEW", "VIEW"),
                ("TRIGGER", "TRIGGER"),
                ("PROCEDURE", "PROCEDURE"),
                ("FUNCTION", "FUNCTION"),
                ("EVENT", "EVENT"),
                ("INDEX", "INDEX"),
            ];
            kinds
                .iter()
                .find(|(word, _)| self.is(at, word))
                .map(|(_, kind)| *kind)
        })
    }

    /// The number of names that are joined by dots from here on.
    fn chain(&self, at: usize) -> usize {
        let mut parts = 1;
        while self.sign(at + 2 * parts - 1, b'.') && self.name(at + 2 * parts).is_some() {
            parts += 1;
        }
        parts
    }

    /// The tokens that name a schema.
    fn schemas(&self) -> Vec<usize> {
        let mut found = Vec::new();
        if self.object() == Some("DATABASE") {
            return self.database_name().into_iter().collect();
        }
        if self.is(0, "USE") {
            return (1..self.tokens.len().min(2)).collect();
        }
        let bare = self.bare();
        let mut place = Place::default();
        let mut at = 0;
        while at < self.tokens.len() {
            place.step(self, at);
            let Some(first) = self.name(at) else {
                at += 1;
                continue;
            };
            let parts = self.chain(at);
            if self.is_schema(at, &first, parts, place.table, &bare) {
                found.push(at);
            }
            if parts > 1 {
                place.passed();
            }
            at += 2 * parts - 1;
        }
        found
    }

    fn is_schema(
        &self,
        at: usize,
        first: &str,
        parts: usize,
        table: bool,
        bare: &BTreeSet<String>,
    ) -> bool {
        if parts == 1 {
            // SHOW TABLES FROM shop
            return self.is(0, "SHOW")
                && at > 0
                && (self.is(at - 1, "FROM") || self.is(at - 1, "IN"))
                && self.known.contains(first);
        }
        let end = at + 2 * parts - 1;
        let star = self.sign(end, b'.') && self.sign(end + 1, b'*');
        let called = parts == 2 && self.sign(end, b'(');
        table
            || called
            || parts > 2
            || ((star || self.is(0, "SHOW")) && self.known.contains(first))
            || (self.known.contains(first) && !bare.contains(&first.to_lowercase()))
    }

    /// CREATE DATABASE [IF NOT EXISTS] NAME
    fn database_name(&self) -> Option<usize> {
        let start = (1..self.tokens.len())
            .find(|at| self.is(*at, "DATABASE") || self.is(*at, "SCHEMA"))?
            + 1;
        (start..self.tokens.len()).find(|at| {
            !["IF", "NOT", "EXISTS"]
                .iter()
                .any(|word| self.is(*at, word))
                && self.name(*at).is_some()
        })
    }

    fn created_table(&self) -> Option<(Option<String>, String)> {
        if !self.is(0, "CREATE") || self.object() != Some("TABLE") {
            return None;
        }
        if (1..4).any(|at| self.is(at, "TEMPORARY")) {
            return None;
        }
        let start = (1..self.tokens.len()).find(|at| self.is(*at, "TABLE"))? + 1;
        let at = (start..self.tokens.len()).find(|at| {
            !["IF", "NOT", "EXISTS"]
                .iter()
                .any(|word| self.is(*at, word))
        })?;
        if self.chain(at) > 1 {
            return Some((self.name(at), self.name(at + 2)?));
        }
        Some((None, self.name(at)?))
    }

    /// Names that stand alone, and the last parts of those with dots: aliases and tables that columns may be named by.
    fn bare(&self) -> BTreeSet<String> {
        let mut bare: BTreeSet<String> = ["new", "old", "excluded", "values"]
            .map(str::to_owned)
            .into();
        let mut at = 0;
        while at < self.tokens.len() {
            if self.name(at).is_none() {
                at += 1;
                continue;
            }
            let parts = self.chain(at);
            bare.extend(
                self.name(at + 2 * (parts - 1))
                    .map(|name| name.to_lowercase()),
            );
            at += 2 * parts - 1;
        }
        bare
    }

    /// First parts of names with a dot that nothing else in the statement bears and that were not taken for schemas.
    fn doubtful(&self) -> BTreeSet<String> {
        let (bare, schemas) = (self.bare(), self.schemas());
        let mut doubtful = BTreeSet::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let Some(first) = self.name(at) else {
                at += 1;
                continue;
            };
            let parts = self.chain(at);
            let system = SYSTEM.iter().any(|one| first.eq_ignore_ascii_case(one));
            if parts > 1
                && !schemas.contains(&at)
                && !system
                && !bare.contains(&first.to_lowercase())
            {
                doubtful.insert(first);
            }
            at += 2 * parts - 1;
        }
        doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<String> {
        ["shop".to_owned()].into()
    }

    fn map(sql: &str) -> Mapped {
        let scratch = Scratch {
            prefix: Some("s_".to_owned()),
        };
        scratch.map(sql.as_bytes(), &known())
    }

    fn text(sql: &str) -> String {
        let mapped = map(sql);
        assert_eq!(mapped.beyond, None, "{sql}");
        String::from_utf8(mapped.text).unwrap()
    }

    #[test]
    fn schemas_are_mapped_where_a_table_is_due_and_columns_are_not() {
        for (sql, mapped) in [
            ("USE shop", "USE `s_shop`"),
            (
                "CREATE DATABASE IF NOT EXISTS `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */",
                "CREATE DATABASE IF NOT EXISTS `s_shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */",
            ),
            ("DROP SCHEMA shop", "DROP SCHEMA `s_shop`"),
            (
                "DROP TABLE IF EXISTS `shop`.`audit`, other.t",
                "DROP TABLE IF EXISTS `s_shop`.`audit`, `s_other`.t",
            ),
            (
                "SELECT i.id, shop.items.name FROM shop.items i JOIN other.x AS x ON x.id = i.id",
                "SELECT i.id, `s_shop`.items.name FROM `s_shop`.items i JOIN `s_other`.x AS x ON x.id = i.id",
            ),
            (
                "SELECT shop.id FROM items shop WHERE shop.id IN (SELECT a.id FROM other.a a, far.b)",
                "SELECT shop.id FROM items shop WHERE shop.id IN (SELECT a.id FROM `s_other`.a a, `s_far`.b)",
            ),
            ("INSERT other.t VALUES (1)", "INSERT `s_other`.t VALUES (1)"),
            (
                "UPDATE a.t, b.u SET t.x = u.x",
                "UPDATE `s_a`.t, `s_b`.u SET t.x = u.x",
            ),
            (
                "DELETE FROM a.t WHERE t.x = 'shop.x'",
                "DELETE FROM `s_a`.t WHERE t.x = 'shop.x'",
            ),
            (
                "LOCK TABLES a.t WRITE, b.u READ",
                "LOCK TABLES `s_a`.t WRITE, `s_b`.u READ",
            ),
            ("CREATE INDEX i ON a.t (x)", "CREATE INDEX i ON `s_a`.t (x)"),
            (
                "SELECT shop.value_of(1), x.f(2)",
                "SELECT `s_shop`.value_of(1), `s_x`.f(2)",
            ),
            ("CALL shop.restock(1, 1)", "CALL `s_shop`.restock(1, 1)"),
            (
                "ALTER TABLE t RENAME TO a.u",
                "ALTER TABLE t RENAME TO `s_a`.u",
            ),
            ("RENAME TABLE a.t TO b.t", "RENAME TABLE `s_a`.t TO `s_b`.t"),
            (
                "CREATE TABLE a.t LIKE b.u",
                "CREATE TABLE `s_a`.t LIKE `s_b`.u",
            ),
            ("SHOW TABLES FROM shop", "SHOW TABLES FROM `s_shop`"),
            ("TRUNCATE a.t", "TRUNCATE `s_a`.t"),
            (
                "CREATE TRIGGER a.g AFTER INSERT ON a.t FOR EACH ROW UPDATE b.u SET n = NEW.id WHERE u.id = NEW.id",
                "CREATE TRIGGER `s_a`.g AFTER INSERT ON `s_a`.t FOR EACH ROW UPDATE `s_b`.u SET n = NEW.id WHERE u.id = NEW.id",
            ),
            (
                "CREATE TABLE o (c INT, FOREIGN KEY (c) REFERENCES a.t (id))",
                "CREATE TABLE o (c INT, FOREIGN KEY (c) REFERENCES `s_a`.t (id))",
            ),
            (
                "SELECT TABLE_NAME FROM information_schema.tables",
                "SELECT TABLE_NAME FROM information_schema.tables",
            ),
            (
                "SELECT `stock` * 1.5 FROM `items`",
                "SELECT `stock` * 1.5 FROM `items`",
            ),
        ] {
            assert_eq!(text(sql), mapped, "{sql}");
        }
        assert!(map("SELECT x.a FROM t").may_reach.contains("x"));
        assert!(map("SELECT t.a FROM t").may_reach.is_empty());
    }

    #[test]
    fn what_is_about_the_server_is_not_run() {
        for sql in [
            "CREATE USER IF NOT EXISTS 'report'@'%' IDENTIFIED BY 'x'",
            "GRANT SELECT ON shop.* TO report",
            "FLUSH PRIVILEGES",
            "SET GLOBAL max_connections = 1",
            "SET a = 1, GLOBAL b = 2",
            "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'a:1-5'",
            "INSERT INTO mysql.user VALUES (1)",
            "DROP DATABASE mysql",
            "PREPARE s FROM 'DROP TABLE shop.items'",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "START REPLICA",
            "SHUTDOWN",
            "LOAD DATA INFILE 'x' INTO TABLE t",
            "CREATE PROCEDURE p() BEGIN PREPARE s FROM @a; END",
        ] {
            assert!(map(sql).beyond.is_some(), "{sql}");
        }
        for sql in [
            "SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO'",
            "SET SESSION sql_mode = ''",
            "START TRANSACTION",
            "SELECT @@global.gtid_executed",
        ] {
            assert_eq!(map(sql).beyond, None, "{sql}");
        }
        let place = Scratch::default();
        assert_eq!(place.map(b"GRANT ALL ON a.* TO b", &known()).beyond, None);
        assert!(place.map(b"KILL 5", &known()).beyond.is_some());
        assert_eq!(
            place.map(b"DROP TABLE a.t", &known()).text,
            b"DROP TABLE a.t"
        );
    }

    #[test]
    fn long_names_stay_apart() {
        let scratch = Scratch {
            prefix: Some("k8sverify_abcdefg_".to_owned()),
        };
        let (one, other) = (
            scratch.schema(&format!("{}a", "x".repeat(60))),
            scratch.schema(&format!("{}b", "x".repeat(60))),
        );
        assert!(one.len() <= 64 && other.len() <= 64 && one != other);
    }

    #[test]
    fn created_tables_are_known() {
        assert_eq!(
            map("CREATE TABLE IF NOT EXISTS `shop`.`a` (id INT)").creates_table,
            Some((Some("shop".into()), "a".into()))
        );
        assert_eq!(map("CREATE TEMPORARY TABLE a (id INT)").creates_table, None);
        assert_eq!(map("CREATE SCHEMA x").creates_schema.as_deref(), Some("x"));
    }
}
