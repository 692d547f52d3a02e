//! Tests of `tree`.

use super::*;

fn one(text: &str) -> Node {
    parse("f.yaml", text).unwrap().remove(0)
}

fn fails(text: &str) -> String {
    parse("f.yaml", text).unwrap_err().to_string()
}

#[test]
fn anchors_and_merge_keys_expand_with_the_own_key_first() {
    let tree = one("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 9\n");
    let c = tree.get("c").unwrap();
    let number = |key| c.get(key).unwrap().text().unwrap();
    assert_eq!(
        [number("x"), number("y"), number("z")],
        ["9", "2", "4"].map(String::from)
    );
    assert_eq!(
        c.get("z").unwrap().at.line,
        2,
        "merged values keep their place"
    );
}

#[test]
fn what_yaml_does_not_allow_is_an_error_with_its_place() {
    assert_eq!(
        fails("a: 1\nb: 2\na: 3\n"),
        "f.yaml:3:1: the key `a` stands twice in one mapping (first in line 1), expected every key once"
    );
    assert!(
        fails("a: [1\n").starts_with("f.yaml:"),
        "{}",
        fails("a: [1\n")
    );
    assert!(fails("1: x\n").contains("a key that is a number"));
    assert!(fails("a: {<<: 5}\n").contains("`<<` followed by a number"));
    assert!(fails("a: &a [*a]\n").contains("inside of the value"));
    assert!(fails("a: *b\n").contains("broken YAML"));
}

#[test]
fn bombs_are_refused() {
    use std::fmt::Write as _;
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = level - 1;
        let aliases = vec![format!("*a{below}"); 9].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    assert!(fails(&bomb).contains("too large"));
    let deep = format!("a: {}1{}", "[".repeat(100), "]".repeat(100));
    assert!(fails(&deep).contains("too deep"));
}

#[test]
fn tags_steer_the_merge() {
    let tree = one("a: !reset null\nb: !override [x]\nc: !!str 5\n");
    assert_eq!(tree.get("a").unwrap().merge, Merge::Reset);
    assert_eq!(tree.get("b").unwrap().merge, Merge::Override);
    assert_eq!(tree.get("c").unwrap().value, Value::Text("5".into()));
}
