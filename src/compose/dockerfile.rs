//! A Dockerfile → what matters of its last stage: `EXPOSE`, `ENV`, `ENTRYPOINT`, `CMD`, `COPY`, the base image. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use super::interpolate::interpolate;
use super::model::{Build, Copied};
use super::ports::exposed;
use super::words::split_words;

/// A stage while it is read.
#[derive(Default, Clone)]
struct Stage {
    build: Build,
    name: Option<String>,
    /// `WORKDIR`.
    folder: String,
}

/// An image that exposes more says nothing by them.
const MOST_EXPOSED: usize = 4096;

/// Reads the last stage, or the one that `target` names. What cannot be understood is left out: the image itself decides.
pub(super) fn read(
    text: &str,
    target: Option<&str>,
    arguments: &BTreeMap<String, String>,
) -> Build {
    let mut stages: Vec<Stage> = Vec::new();
    let mut values = arguments.clone();
    for (line, here) in logical_lines(text) {
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
                        if stage.build.exposed.len() == MOST_EXPOSED {
                            break;
                        }
                        if !stage.build.exposed.contains(&port) {
                            stage.build.exposed.push(port);
                        }
                    }
                }
            }
            "WORKDIR" => {
                if let Some(stage) = stages.last_mut() {
                    stage.folder = absolute(&stage.folder, &expand(rest, &values));
                }
            }
            "COPY" | "ADD" => {
                let rest = expand(rest, &values);
                let built = earlier(&rest, &stages);
                if let Some(stage) = stages.last_mut() {
                    stage.build.built_from.extend(built);
                    let copy = copy(&rest, here, &stage.folder);
                    stage.build.copies.extend(copy);
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
    let before = earlier.iter().rev().find(|stage| {
        stage
            .name
            .as_deref()
            .is_some_and(|known| known.eq_ignore_ascii_case(image))
    });
    match before {
        Some(stage) => Stage {
            name,
            ..stage.clone()
        },
        None => Stage {
            build: Build {
                base_image: (!image.is_empty()).then(|| image.to_owned()),
                ..Build::default()
            },
            name,
            folder: "/".to_owned(),
        },
    }
}

/// What the stage out of which a `COPY` takes was built from.
fn earlier(rest: &str, stages: &[Stage]) -> Vec<Copied> {
    let mut options = rest
        .split_whitespace()
        .take_while(|word| word.starts_with("--"));
    let Some(from) = options.find_map(|word| word.strip_prefix("--from=")) else {
        return Vec::new();
    };
    let named = |stage: &&Stage| {
        let name = stage.name.as_deref();
        name.is_some_and(|name| name.eq_ignore_ascii_case(from))
    };
    let by_number = || stages.get(from.parse::<usize>().ok()?);
    let stage = stages.iter().find(named).or_else(by_number);
    stage.map_or_else(Vec::new, |stage| {
        let build = &stage.build;
        // What lies in the folder of one module was built from that, and not from the modules beside it.
        let taken = rest.split_whitespace().rev().nth(1).unwrap_or_default();
        let taken = absolute(&stage.folder, taken);
        let targets = build.copies.iter().map(|copy| copy.target.as_str());
        let homes: Vec<&str> = targets
            .filter(|target| !target.ends_with(['/', '.']) && Path::new(&taken).starts_with(target))
            .collect();
        let is_at_home = |copy: &Copied| {
            let target = Path::new(&copy.target);
            homes.iter().any(|home| target.starts_with(home))
        };
        let copies = build.copies.iter();
        let own = copies.filter(|copy| homes.is_empty() || is_at_home(copy));
        build.built_from.iter().chain(own).cloned().collect()
    })
}

/// A `COPY` or `ADD` from the context; one from another stage or image shows nothing that is here.
fn copy(rest: &str, here: Option<String>, folder: &str) -> Option<Copied> {
    let mut rest = rest;
    while let Some(option) = rest.strip_prefix("--") {
        if option.starts_with("from=") {
            return None;
        }
        rest = rest.split_once(char::is_whitespace)?.1.trim_start();
    }
    let mut words: Vec<String> = serde_json::from_str(rest)
        .unwrap_or_else(|_| rest.split_whitespace().map(str::to_owned).collect());
    let target = words.pop().filter(|_| !words.is_empty())?;
    if here.is_some() {
        words.clear();
    }
    Some(Copied {
        sources: words,
        target: absolute(folder, &target),
        text: here,
    })
}

fn absolute(folder: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!(
            "{}/{}",
            folder.trim_end_matches('/'),
            path.trim_start_matches("./")
        )
    }
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

/// Lines without comments, with those that end in a backslash joined; each with the text of its here-document.
fn logical_lines(text: &str) -> Vec<(String, Option<String>)> {
    let mut out: Vec<(String, Option<String>)> = Vec::new();
    let mut current = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with('#') || (line.is_empty() && current.is_empty()) {
            continue;
        }
        if let Some(head) = line.strip_suffix('\\') {
            current.push_str(head);
            current.push(' ');
        } else {
            current.push_str(line);
            let here = here_word(&current).map(|end| {
                let text: Vec<&str> = lines
                    .by_ref()
                    .take_while(|line| line.trim() != end)
                    .collect();
                text.join("\n")
            });
            out.push((std::mem::take(&mut current), here));
        }
    }
    if !current.is_empty() {
        out.push((current, None));
    }
    out
}

/// The word that ends the here-document of an instruction: `COPY <<EOF /x`, `RUN <<-"END"`.
fn here_word(line: &str) -> Option<String> {
    let takes = ["COPY", "ADD", "RUN"].iter().any(|name| {
        line.get(..name.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(name))
    });
    let (_, after) = line.split_once("<<").filter(|_| takes)?;
    let word = after.trim_start_matches('-').split_whitespace().next()?;
    let word = word.trim_matches(['"', '\'']);
    // `cat <<<text` is none.
    (!word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    .then(|| word.to_owned())
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
    fn what_an_earlier_stage_was_built_from_is_known() {
        let build = read(
            "FROM a AS one\nCOPY x /x\nFROM b AS two\nCOPY --from=one /x /x\nCOPY y /y\nFROM c\nCOPY --chown=u --from=1 /y /z\nCOPY --from=other/image /o /o\n",
            None,
            &BTreeMap::new(),
        );
        let sources: Vec<&String> = build
            .built_from
            .iter()
            .flat_map(|copy| &copy.sources)
            .collect();
        assert_eq!(sources, ["x", "y"]);
        assert!(build.copies.is_empty());
    }

    #[test]
    fn what_is_taken_from_a_modules_folder_was_built_from_that_module() {
        let text = "FROM a AS all\nWORKDIR /w\nCOPY gradlew ./\nCOPY one ./one\nCOPY two /w/two\nCOPY shared ./two/shared\nRUN x\nFROM b\n";
        let sources = |taken: &str| -> Vec<String> {
            let text = format!("{text}COPY --from=all {taken} /app/\n");
            let build = read(&text, None, &BTreeMap::new());
            build
                .built_from
                .into_iter()
                .flat_map(|copy| copy.sources)
                .collect()
        };
        assert_eq!(sources("/w/two/build/x.jar"), ["two", "shared"]);
        assert_eq!(sources("one/x.jar"), ["one"]);
        assert_eq!(sources("/w/out"), ["gradlew", "one", "two", "shared"]);
    }

    #[test]
    fn what_is_copied_is_read() {
        let build = read(
            "FROM node AS b\nCOPY x /y\nFROM nginx\nWORKDIR /etc/nginx\nCOPY --from=b /dist /html\nCOPY --chown=a:b conf ./conf.d/default.conf\n\
             ADD [\"a b\", \"/z/\"]\nCOPY <<EOF /etc/app.conf\nEXPOSE 5\nEOF\nRUN apt-get update && docker-php-ext-install pdo_mysql \\\n  mysqli\n",
            None,
            &BTreeMap::new(),
        );
        let copies: Vec<(Vec<String>, &str, Option<&str>)> = build
            .copies
            .iter()
            .map(|copy| {
                (
                    copy.sources.clone(),
                    copy.target.as_str(),
                    copy.text.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            copies,
            [
                (
                    vec!["conf".to_owned()],
                    "/etc/nginx/conf.d/default.conf",
                    None
                ),
                (vec!["a b".to_owned()], "/z/", None),
                (vec![], "/etc/app.conf", Some("EXPOSE 5")),
            ]
        );
        assert!(
            build.exposed.is_empty(),
            "a here-document is no instruction"
        );
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
