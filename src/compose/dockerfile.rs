//! A Dockerfile → what matters of its last stage: `EXPOSE`, `ENV`, `ENTRYPOINT`, `CMD`, the base image. Pure.

use std::collections::BTreeMap;

use super::interpolate::interpolate;
use super::model::Build;
use super::ports::exposed;
use super::words::split_words;

/// A stage while it is read.
#[derive(Default, Clone)]
struct Stage {
    build: Build,
    name: Option<String>,
}

/// Reads the last stage, or the one that `target` names. What cannot be understood is left out: the image itself decides.
pub(super) fn read(
    text: &str,
    target: Option<&str>,
    arguments: &BTreeMap<String, String>,
) -> Build {
    let mut stages: Vec<Stage> = Vec::new();
    let mut values = arguments.clone();
    for line in logical_lines(text) {
        let (instruction, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        let rest = rest.trim();
        match instruction.to_ascii_uppercase().as_str() {
            "FROM" => {
                if target.is_some()
                    && stages
                        .last()
                        .is_some_and(|last| last.name.as_deref() == target)
                {
                    break;
                }
                let stage = from(&expand(rest, &values), &stages);
                values.extend(stage.build.environment.clone());
                stages.push(stage);
            }
            "ARG" => {
                let (name, default) = rest.split_once('=').unwrap_or((rest, ""));
                let default = expand(default.trim_matches(['"', '\'']), &values);
                values.entry(name.to_owned()).or_insert(default);
            }
            "ENV" => {
                for (name, value) in pairs(rest) {
                    let value = expand(&value, &values);
                    values.insert(name.clone(), value.clone());
                    if let Some(stage) = stages.last_mut() {
                        stage.build.environment.insert(name, value);
                    }
                }
            }
            "EXPOSE" => {
                if let Some(stage) = stages.last_mut() {
                    let rest = expand(rest, &values);
                    let ports = rest.split_whitespace().filter_map(exposed).flatten();
                    for port in ports {
                        if !stage.build.exposed.contains(&port) {
                            stage.build.exposed.push(port);
                        }
                    }
                }
            }
            "ENTRYPOINT" => {
                if let Some(stage) = stages.last_mut() {
                    stage.build.entrypoint = command(rest);
                }
            }
            "CMD" => {
                if let Some(stage) = stages.last_mut() {
                    stage.build.command = command(rest);
                }
            }
            _ => {}
        }
    }
    stages.pop().unwrap_or_default().build
}

/// The JSON form, or a text for a shell.
fn command(rest: &str) -> Vec<String> {
    serde_json::from_str(rest).unwrap_or_else(|_| {
        if rest.is_empty() {
            Vec::new()
        } else {
            vec![rest.to_owned()]
        }
    })
}

/// A stage built on an earlier one has what that one has.
fn from(rest: &str, earlier: &[Stage]) -> Stage {
    let words: Vec<&str> = rest
        .split_whitespace()
        .filter(|word| !word.starts_with("--"))
        .collect();
    let image = words.first().copied().unwrap_or_default();
    let name = match words.as_slice() {
        [_, keyword, name, ..] if keyword.eq_ignore_ascii_case("as") => Some((*name).to_owned()),
        _ => None,
    };
    let build = earlier
        .iter()
        .rev()
        .find(|stage| {
            stage
                .name
                .as_deref()
                .is_some_and(|known| known.eq_ignore_ascii_case(image))
        })
        .map_or_else(
            || Build {
                base_image: (!image.is_empty()).then(|| image.to_owned()),
                ..Build::default()
            },
            |stage| stage.build.clone(),
        );
    Stage { build, name }
}

/// `A=1 B="x y"`, or the old form `A x y`.
fn pairs(rest: &str) -> Vec<(String, String)> {
    let first = rest.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        return vec![(name.to_owned(), value.trim().to_owned())];
    }
    split_words(rest)
        .unwrap_or_default()
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn expand(text: &str, values: &BTreeMap<String, String>) -> String {
    let lookup = |name: &str| values.get(name).cloned();
    // A broken variable is left as it stands: the image decides, this is only a hint.
    interpolate(text, &lookup, &mut |_| {}).unwrap_or_else(|_| text.to_owned())
}

/// Lines without comments, with those that end in a backslash joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') || (line.is_empty() && current.is_empty()) {
            continue;
        }
        if let Some(head) = line.strip_suffix('\\') {
            current.push_str(head);
            current.push(' ');
        } else {
            current.push_str(line);
            out.push(std::mem::take(&mut current));
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_STAGES: &str = "ARG V=20\nFROM node:${V} AS build\nEXPOSE 1\nFROM nginx:1 AS run\n# c\nENV PORT=8080 \\\n  HOST=\"db one\"\n\
                              ENV OLD some value\nEXPOSE $PORT 53/udp\n";

    #[test]
    fn the_last_stage_counts() {
        let build = read(TWO_STAGES, None, &BTreeMap::new());
        let ports: Vec<_> = build
            .exposed
            .iter()
            .map(|e| (e.port, e.transport.as_str()))
            .collect();
        assert_eq!(ports, [(8080, "tcp"), (53, "udp")]);
        assert_eq!(build.environment["HOST"], "db one");
        assert_eq!(build.environment["OLD"], "some value");
        assert_eq!(build.base_image.as_deref(), Some("nginx:1"));
    }

    #[test]
    fn what_runs_is_read_in_both_forms() {
        let build = read(
            "FROM a\nENTRYPOINT [\"/wait.sh\", \"db:5432\"]\nCMD python app.py --port 81\n",
            None,
            &BTreeMap::new(),
        );
        assert_eq!(build.entrypoint, ["/wait.sh", "db:5432"]);
        assert_eq!(build.command, ["python app.py --port 81"]);
    }

    #[test]
    fn a_target_and_stages_on_stages() {
        let arguments = BTreeMap::from([("V".to_owned(), "22".to_owned())]);
        let build = read(TWO_STAGES, Some("build"), &arguments);
        assert_eq!(build.base_image.as_deref(), Some("node:22"));
        assert_eq!(build.exposed.len(), 1);
        let inherited = read("FROM a AS x\nEXPOSE 5\nFROM x\n", None, &BTreeMap::new());
        assert_eq!(inherited.exposed.len(), 1);
        assert_eq!(read("", None, &BTreeMap::new()), Build::default());
    }
}
