//! What a refusal means: the table `checks/sql.yaml`. Pure.

use std::sync::OnceLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

const TEXT: &str = include_str!("../../checks/sql.yaml");

/// How much a refusal weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Nothing is missed: noise of a dump.
    Cosmetic,
    /// Something of the application's is missing.
    Real,
    /// The application says that it does not work without.
    Required,
}

/// A class of refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: Weight,
    /// What to do.
    pub advice: String,
}

/// What a server said.
#[derive(Debug, Clone, Copy)]
pub struct StatementRefusal<'r> {
    /// `mysql`, `mariadb` or `vitess`.
    pub product: &'r str,
    /// The code.
    pub code: u16,
    /// SQLSTATE.
    pub state: &'r str,
    /// The message.
    pub message: &'r str,
    /// The statement in capitals, without literals ([`super::show::shape`]).
    pub shape: &'r str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    class: String,
    weight: Weight,
    advice: String,
    #[serde(default, rename = "match")]
    when: Vec<When>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    product: Option<String>,
    #[serde(default)]
    code: Vec<u16>,
    state: Option<String>,
    message: Option<String>,
    statement: Option<String>,
    source: String,
}

struct Rule {
    class: usize,
    product: Option<String>,
    codes: Vec<u16>,
    state: Option<String>,
    message: Option<Regex>,
    statement: Option<Regex>,
}

/// The table.
pub struct Classes {
    classes: Vec<Class>,
    rules: Vec<Rule>,
}

impl Classes {
    /// The embedded table.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read it.
    pub fn embedded() -> &'static Self {
        static CLASSES: OnceLock<Classes> = OnceLock::new();
        CLASSES.get_or_init(|| match Self::read(TEXT) {
            Ok(classes) => classes,
            Err(error) => panic!("checks/sql.yaml does not read: {error}"),
        })
    }

    fn read(text: &str) -> Result<Self, String> {
        let rows: Vec<Row> = crate::catalog::table(text)?;
        let (mut classes, mut rules) = (Vec::new(), Vec::new());
        for row in rows {
            for when in row.when {
                if when.source.is_empty() {
                    return Err(format!("{}: a row without its source", row.class));
                }
                let pattern = |text: Option<String>| {
                    text.map(|text| Regex::new(&text))
                        .transpose()
                        .map_err(|error| error.to_string())
                };
                rules.push(Rule {
                    class: classes.len(),
                    product: when.product,
                    codes: when.code,
                    state: when.state,
                    message: pattern(when.message)?,
                    statement: pattern(when.statement)?,
                });
            }
            classes.push(Class {
                name: row.class,
                weight: row.weight,
                advice: row.advice,
            });
        }
        Ok(Self { classes, rules })
    }

    /// The class of that name.
    pub fn named(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.name == name)
    }

    /// The class of a refusal: the first rule that fits; `None` for one that nothing is known of.
    pub fn of(&self, refusal: &StatementRefusal<'_>) -> Option<&Class> {
        let fits = |rule: &Rule| {
            rule.product
                .as_deref()
                .is_none_or(|product| product == refusal.product)
                && (rule.codes.is_empty() || rule.codes.contains(&refusal.code))
                && rule
                    .state
                    .as_deref()
                    .is_none_or(|state| state == refusal.state)
                && rule
                    .message
                    .as_ref()
                    .is_none_or(|pattern| pattern.is_match(refusal.message))
                && rule
                    .statement
                    .as_ref()
                    .is_none_or(|pattern| pattern.is_match(refusal.shape))
        };
        self.rules
            .iter()
            .find(|rule| fits(rule))
            .map(|rule| &self.classes[rule.class])
    }
}

#[cfg(test)]
mod tests {
    use super::super::show::shape;
    use super::*;

    fn class(product: &str, code: u16, message: &str, sql: &str) -> String {
        let refusal = StatementRefusal {
            product,
            code,
            state: "HY000",
            message,
            shape: &shape(sql.as_bytes()),
        };
        Classes::embedded()
            .of(&refusal)
            .map_or("none", |class| &class.name)
            .to_owned()
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, a case to each few lines")]
    fn the_refusals_of_the_bed_have_their_classes() {
        for (product, code, message, sql, expected) in [
            (
                "mysql",
                1231,
                "Variable '…' can't be set to the value of 'NO_AUTO_CREATE_USER'",
                "/*!50003 SET sql_mode = 'NO_AUTO_CREATE_USER' */",
                "dump-cosmetic",
            ),
            (
                "mysql",
                1418,
                "This function has none of DETERMINISTIC, NO SQL, or READS SQL DATA",
                "CREATE FUNCTION f(a INT) RETURNS INT RETURN a + 1",
                "routine-needs-super",
            ),
            (
                "mariadb",
                1419,
                "You do not have the SUPER privilege and binary logging is enabled",
                "CREATE TRIGGER t BEFORE UPDATE ON x FOR EACH ROW SET NEW.a = 1",
                "routine-needs-super",
            ),
            (
                "mysql",
                1227,
                "Access denied; you need (at least one of) the SUPER or SET_ANY_DEFINER privilege(s)",
                "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER t AFTER INSERT ON o FOR EACH ROW BEGIN END */",
                "definer",
            ),
            (
                "mysql",
                1227,
                "Access denied; you need (at least one of) the CREATE USER privilege(s)",
                "CREATE USER 'x'@'%'",
                "privilege",
            ),
            (
                "mysql",
                1044,
                "Access denied for user",
                "GRANT SELECT ON shop.* TO 'x'@'%'",
                "privilege",
            ),
            (
                "mysql",
                1227,
                "Access denied; you need (at least one of) the RELOAD privilege(s)",
                "FLUSH PRIVILEGES",
                "dump-cosmetic",
            ),
            (
                "vitess",
                1105,
                "vtgate: http://vtgate-0:15001/: target: commerce.0.master, used tablet: zone1-101: vttablet: rpc error: code = FailedPrecondition desc = SELECT_LOCK disallowed outside transaction",
                "SELECT 1 FROM t LOCK IN SHARE MODE",
                "locking-read-outside-transaction",
            ),
            (
                "vitess",
                1105,
                "vtgate: http://vtgate-0:15001/: unrecognized statement: LOCK TABLES",
                "LOCK TABLES `items` WRITE",
                "lock-tables",
            ),
            (
                "vitess",
                1105,
                "vtgate: http://vtgate-0:15001/: syntax error at position 26 near 'restock'",
                "CREATE PROCEDURE p() BEGIN END",
                "routine",
            ),
            (
                "vitess",
                1105,
                "vtgate: http://vtgate-0:15001/: syntax error at position 5 near 'over'",
                "SELECT RANK() OVER (ORDER BY x) FROM t",
                "syntax",
            ),
            (
                "vitess",
                1235,
                "vtgate: http://vtgate-0:15001/: create database not allowed",
                "CREATE DATABASE a",
                "database-ddl",
            ),
            (
                "mysql",
                1286,
                "Unknown storage engine '…'",
                "CREATE TABLE t (a INT) ENGINE=Aria",
                "engine",
            ),
            (
                "mysql",
                1273,
                "Unknown collation",
                "CREATE TABLE t (a INT) COLLATE=utf8mb4_0900_ai_ci",
                "charset",
            ),
            (
                "mysql",
                3750,
                "Unable to create or change a table without a primary key",
                "CREATE TABLE t (a INT)",
                "primary-key",
            ),
            (
                "mysql",
                1064,
                "You have an error in your SQL syntax",
                "SELEC 1",
                "syntax",
            ),
        ] {
            assert_eq!(class(product, code, message, sql), expected, "{code} {sql}");
        }
        assert_eq!(class("mysql", 9999, "x", "SELECT 1"), "none");
        for class in &Classes::embedded().classes {
            assert!(class.advice.ends_with('.'), "{}", class.name);
        }
    }
}
