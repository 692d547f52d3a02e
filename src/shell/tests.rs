//! Tests of `shell`.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use serde_json::json;

use super::*;

/// Words that a shell would act on, and some that it would not.
const WORDS: [&str; 22] = [
    "plain/word.1",
    "",
    " a  b ",
    "it's",
    "a\"b\\c",
    "$(touch${IFS}pwned);DB_HOST",
    "`touch pwned`",
    "a;touch pwned",
    "a&&b|c>pwned<d",
    "x\ny",
    "\n::error::y",
    "tab\tand %s %n \\n",
    "<script>alert(1)</script>",
    "* ? [a] {b,c} ~ !x #y",
    "##[add-mask]x",
    "'##[x]\u{1b}'",
    "=ls",
    "-n",
    "esc\u{1b}[31m bell\u{7}",
    "\u{202e}right\u{200b}",
    "日本 über",
    "${HOME} $1 $@",
];

/// What a program called `kubectl` is started with when the text is pasted into a shell, a list of words for each start.
fn started(text: &str) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let stub = folder.path().join("kubectl");
    std::fs::write(
        &stub,
        "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done >>out; printf '\\001\\0' >>out\n",
    )
    .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&stub, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let ended = Process::new("sh")
        .args(["-c", text])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .status()
        .unwrap();
    assert!(ended.success(), "{text}");
    assert!(!folder.path().join("pwned").exists(), "{text}");
    let out = std::fs::read_to_string(folder.path().join("out")).unwrap();
    let mut calls = vec![Vec::new()];
    for word in out.split_terminator('\0') {
        if word == "\u{1}" {
            calls.push(Vec::new());
        } else if let Some(call) = calls.last_mut() {
            call.push(word.to_owned());
        }
    }
    calls.pop();
    calls
}

#[test]
fn a_printed_command_is_started_with_its_words_and_nothing_else() {
    let all = Command::kubectl("", &WORDS);
    assert_eq!(started(&all), [WORDS]);
    assert!(!all.contains(is_hidden), "{all}");
    for word in WORDS.into_iter().filter(|word| !word.is_empty()) {
        let twice = Command::kubectl(word, &[word]).and(&Command::kubectl("", &["x", word]));
        assert_eq!(started(&twice), [vec!["-n", word, word], vec!["x", word]]);
        assert!(!twice.contains("##["), "{twice}");
    }
    let from = Command::new(&["printf", "%s", "a"]).pipe(&Command::kubectl("", &["apply"]));
    assert_eq!(started(&from), [["apply"]]);
}

#[test]
fn a_patch_is_one_word_that_hides_nothing() {
    let patch = json!({"a": WORDS});
    let command = Command::patch("shop", "deployment/ap", "json", &patch);
    assert!(!command.contains(is_hidden), "{command}");
    let calls = started(&command);
    assert_eq!(calls[0].len(), 7);
    let word: Value = serde_json::from_str(&calls[0][6]).unwrap();
    assert_eq!(word, patch);
}

#[test]
fn plain_words_are_printed_as_people_write_them() {
    assert_eq!(
        Command::kubectl("shop", &["set", "env", "deployment/ap", "DB_HOST=my-db"]).to_string(),
        "kubectl -n shop set env deployment/ap DB_HOST=my-db"
    );
    assert_eq!(quote("it's"), r"'it'\''s'");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// A command with something in it is made by [`Command`], not by `format!`.
#[test]
fn no_command_is_put_together_as_text() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files.len() > 100);
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for program in ["kubectl ", "k8sverify rbac"] {
                if line
                    .split_once(program)
                    .is_some_and(|(_, rest)| rest.contains('{'))
                    && !file.ends_with("tests.rs")
                {
                    found.push(format!("{}: {}", file.display(), line.trim()));
                }
            }
        }
    }
    assert_eq!(found, [""; 0]);
}
