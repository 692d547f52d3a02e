//! Compose text(s) and environment → [`ComposeFile`]: find, parse, interpolate, merge, resolve. Pure: files are read through [`Files`].
//!
//! The order is that of Docker Compose: YAML with anchors ([`tree`]) → variables ([`interpolate`]) → `extends` and `include`
//! ([`load`](mod@load)) → several files ([`merge`]) → the typed model ([`service`]) → profiles and networks ([`normalise`]).

mod context;
mod disk;
mod dockerfile;
mod duration;
mod env_file;
mod environment;
mod error;
mod find;
mod include;
mod interpolate;
mod load;
#[cfg(test)]
pub(crate) mod memory;
mod merge;
mod model;
mod mounts;
mod node;
mod normalise;
mod paths;
mod ports;
mod profiles;
mod reader;
mod refuse;
mod resolved;
mod scalar;
mod schema;
mod service;
mod shape;
mod sources;
mod tree;
mod veil;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use disk::{DiskFiles, ProjectFiles};
pub use env_file::{EnvLine, parse_env_file};
pub use error::ComposeError;
pub use find::find;
pub use interpolate::{InterpolationError, interpolate};
pub use model::*;
pub use resolved::resolved;
pub use veil::veiled;
pub use words::split_words;

pub(crate) use sources::ENDS as SOURCES;

use environment::{Variables, normal_name, of_project, project_name};
use load::{Loader, unset_warnings};
use node::{Node, Place, Value};
use profiles::Profiles;
use reader::Reader;
use shape::Field;

/// What the user said about compose files, and the process' environment.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Files that were named; empty: search for them.
    pub files: Vec<PathBuf>,
    /// The project's name, if it was given.
    pub project_name: Option<String>,
    /// Active profiles; empty: `COMPOSE_PROFILES`. `*` means all.
    pub profiles: Vec<String>,
    /// Env files instead of `.env`.
    pub env_files: Vec<PathBuf>,
    /// Where the user stands, as an absolute path: relative names count from here, and the search for files begins here.
    pub working_directory: PathBuf,
    /// An `env_file` that is not here is a warning: the deployed Pods show what it would have set.
    pub without_env_files: bool,
    /// The environment of the process, where what may be a secret is [`veiled`].
    pub environment: BTreeMap<String, String>,
}

/// Reads the application that the options name.
///
/// # Errors
/// No file, a file that cannot be read, and all that Docker Compose would refuse as well: with file, line, column, and what was expected.
pub fn load(options: &LoadOptions, files: &dyn Files) -> Result<ComposeFile, ComposeError> {
    let is_foreign =
        |location: &Location| files.is_foreign(&options.working_directory.join(&location.file));
    let mut model = project(options, files).map_err(|error| match error {
        ComposeError::Invalid { location, .. } if is_foreign(&location) => {
            ComposeError::unquoted(location)
        }
        error => error,
    })?;
    for warning in &mut model.warnings {
        if is_foreign(&warning.location) {
            warning.message = format!("something is ignored here; {}", crate::reason::UNQUOTED);
        }
    }
    Ok(model)
}

fn project(options: &LoadOptions, files: &dyn Files) -> Result<ComposeFile, ComposeError> {
    let searched = options.files.is_empty();
    let Some(paths) = find(options, files)?.filter(|paths| !paths.is_empty()) else {
        return Err(ComposeError::NotFound {
            directory: options.working_directory.display().to_string(),
            names: find::NAMES.join(", "),
        });
    };
    let directory = paths::folder(&paths[0]);
    let mut warnings = Vec::new();
    // What stands in the folder of the search wins over what stands beside the file that was found.
    let folders = if searched && directory != options.working_directory {
        vec![options.working_directory.clone(), directory.clone()]
    } else {
        vec![directory.clone()]
    };
    let mut environment = of_project(options, files, &folders, &mut warnings)?;
    let mut loader = Loader::new(files, &options.working_directory);
    let project = name_of(options, &loader, &paths, &directory, &environment)?;
    environment.insert("COMPOSE_PROJECT_NAME".to_owned(), project.clone());

    let root = loader.project(&paths, &directory, &environment)?;
    warnings.extend(unset_warnings(&loader.unset));
    warnings.append(&mut loader.warnings);
    schema::only_known_keys(&root)?;

    let mut model = ComposeFile {
        project,
        sources: loader.sources,
        ..ComposeFile::default()
    };
    let declared = |kind: &str| match root.get(kind).map(|node| &node.value) {
        Some(Value::Map(declared)) => Some(declared),
        _ => None,
    };
    let mut reader = Reader {
        files,
        without_env_files: options.without_env_files,
        environment: &environment,
        directory: &directory,
        working_directory: &options.working_directory,
        relative: &loader.relative,
        configs: declared("configs"),
        volumes: declared("volumes"),
        secrets: declared("secrets"),
        room: ports::MOST,
        warnings,
    };
    let profiles = Profiles::active(options, &environment);
    services(&mut reader, &root, &profiles.names, &mut model)?;
    reader.warnings.extend(profiles.unknown(&model));
    model.warnings = reader.warnings;
    model.warnings.dedup();
    normalise::networks(&mut model, &root)?;
    normalise::check_dependencies(&model)?;
    Ok(model)
}

fn services(
    reader: &mut Reader<'_>,
    root: &Node,
    profiles: &BTreeSet<String>,
    model: &mut ComposeFile,
) -> Result<(), ComposeError> {
    let Some(node) = root.get("services").filter(|node| !node.is_null()) else {
        return Ok(());
    };
    let field = Field::new(node, "services");
    for (name, entry) in field.entries("a mapping of services")? {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(entry.node.place().error(
                format!("the service name `{name}`"),
                "letters, digits, `.`, `_` and `-`",
            ));
        }
        let own = entry
            .get("profiles")
            .map(|field| field.texts())
            .transpose()?
            .unwrap_or_default();
        let active = normalise::is_active(&own, profiles);
        let service = reader.service(name, entry.node, active)?;
        let target = if active {
            &mut model.services
        } else {
            &mut model.inactive
        };
        target.insert(name.clone(), service);
    }
    Ok(())
}

/// `-p` and `COMPOSE_PROJECT_NAME` must be right; a `name` in the file and the folder's name are made right.
fn name_of(
    options: &LoadOptions,
    loader: &Loader<'_>,
    paths: &[PathBuf],
    directory: &std::path::Path,
    environment: &Variables,
) -> Result<String, ComposeError> {
    let given = options
        .project_name
        .as_ref()
        .or_else(|| environment.get("COMPOSE_PROJECT_NAME"))
        .filter(|name| !name.is_empty());
    if let Some(name) = given {
        if normal_name(name) != *name {
            return Err(Place::file("project name").error(
                format!("`{name}`"),
                "lower-case letters, digits, `-` and `_`, with a letter or digit first",
            ));
        }
        return Ok(name.clone());
    }
    let declared = loader
        .name(paths, environment)?
        .map(|name| normal_name(&name));
    let absolute = paths::clean(&options.working_directory.join(directory));
    let name = declared
        .filter(|name| !name.is_empty())
        .or_else(|| project_name(&absolute));
    // Only in the root folder, or with a relative one, is there no name to take.
    Ok(name.unwrap_or_else(|| "default".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::memory::MemoryFiles;
    use super::*;

    fn load_with(files: &[(&str, &str)], change: impl Fn(&mut LoadOptions)) -> ComposeFile {
        let mut options = LoadOptions {
            working_directory: PathBuf::from("/app"),
            ..LoadOptions::default()
        };
        change(&mut options);
        load(&options, &MemoryFiles::new(files)).unwrap()
    }

    fn load_files(files: &[(&str, &str)]) -> ComposeFile {
        load_with(files, |_| {})
    }

    fn messages(model: &ComposeFile) -> Vec<String> {
        model
            .warnings
            .iter()
            .map(|warning| format!("{}: {}", warning.location, warning.message))
            .collect()
    }

    #[test]
    fn mounted_texts_are_read_and_secrets_are_not() {
        let large = "x".repeat(300 * 1024);
        let model = load_files(&[
            (
                "/app/compose.yaml",
                "services:\n  web:\n    image: nginx\n    volumes:\n      - ./nginx.conf:/etc/nginx.conf:ro\n      - {type: bind, source: ./conf.d, target: /etc/conf.d}\n      - ./none.conf:/none\n      - ./large:/large\n      - /var/run/docker.sock:/s.sock\n      - /proc:/host/proc\n      - data:/data\n    configs: [inline, {source: file, target: /f}]\n    secrets: [s]\n\
                 configs: {inline: {content: 'to ${T:-db}:5432'}, file: {file: c.txt}}\nsecrets: {s: {file: ./s.txt}}\nvolumes: {data: }\n",
            ),
            ("/app/nginx.conf", "proxy_pass http://api;"),
            ("/app/conf.d/a.conf", "a"),
            ("/app/conf.d/b.conf", "b"),
            ("/app/conf.d/deeper/c.conf", "c"),
            ("/app/large", &large),
            ("/app/c.txt", "config"),
            ("/app/s.txt", "secret"),
            ("/proc/kmsg", "for ever"),
        ]);
        let web = &model.services["web"];
        let seen: Vec<_> = web
            .mounts
            .iter()
            .map(|m| (m.target.as_str(), m.source.as_str(), m.text.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("/etc/nginx.conf", "nginx.conf", "proxy_pass http://api;"),
                ("/etc/conf.d/a.conf", "conf.d/a.conf", "a"),
                ("/etc/conf.d/b.conf", "conf.d/b.conf", "b"),
                ("/etc/conf.d/deeper/c.conf", "conf.d/deeper/c.conf", "c"),
                ("/inline", "configs.inline", "to db:5432"),
                ("/f", "c.txt", "config"),
            ]
        );
        assert!(web.docker_socket);
        assert_eq!(
            messages(&model),
            ["compose.yaml:7:9: none.conf, which is mounted at /none, is not here"]
        );
    }

    #[test]
    fn volumes_and_secrets_that_no_one_declares_are_refused_where_they_stand() {
        let error = |keys: &str| {
            let text =
                format!("services:\n  web:\n    image: x\n    {keys}\nvolumes: {{data: }}\n");
            let files = memory::MemoryFiles::new(&[("/p/compose.yaml", &text)]);
            let options = LoadOptions {
                working_directory: "/p".into(),
                ..LoadOptions::default()
            };
            load(&options, &files).err().map(|error| error.to_string())
        };
        for (keys, what) in [
            ("volumes: ['data:/d', 'other:/o:ro']", "the volume `other`"),
            (
                "volumes: [{type: volume, source: other, target: /o}]",
                "the volume `other`",
            ),
            ("secrets: [key]", "the secret `key`"),
            ("secrets: [{source: key, target: k}]", "the secret `key`"),
        ] {
            let message = error(keys).unwrap();
            assert!(
                message.contains("compose.yaml:4:") && message.contains(what),
                "{message}"
            );
        }
        for keys in [
            "volumes: ['data:/d', /anonymous, './x:/y', {type: tmpfs, target: /t}, 'C:\\x:/y']",
            "profiles: [off]\n    volumes: ['other:/o']",
        ] {
            assert_eq!(error(keys), None, "{keys}");
        }
    }

    #[test]
    fn what_a_project_mounts_by_a_relative_path_is_its_own_wherever_it_lies() {
        let files = memory::MemoryFiles::new(&[
            (
                "/var/app/deploy/compose.yaml",
                "services:\n  web:\n    image: nginx\n    volumes: ['../conf:/etc/nginx/conf.d', '/var/data:/data', '../one.conf:/one.conf']\n",
            ),
            ("/var/app/conf/default.conf", "a"),
            ("/var/app/one.conf", "b"),
            ("/var/data/x.conf", "c"),
        ]);
        let options = LoadOptions {
            working_directory: "/var/app/deploy".into(),
            ..LoadOptions::default()
        };
        let model = load(&options, &files).unwrap();
        let seen: Vec<&str> = model.services["web"]
            .mounts
            .iter()
            .map(|mount| mount.target.as_str())
            .collect();
        assert_eq!(seen, ["/etc/nginx/conf.d/default.conf", "/one.conf"]);
    }

    #[test]
    fn a_merge_key_with_its_tag_is_one() {
        let model = load_files(&[(
            "/app/compose.yaml",
            "x-a: &a\n  image: nginx\nservices:\n  web:\n    !!merge <<: *a\n    restart: always\n",
        )]);
        assert_eq!(model.services["web"].image.as_deref(), Some("nginx"));
    }

    #[test]
    fn warnings_are_given_once_and_nothing_is_dropped_in_silence() {
        let model = load_files(&[(
            "/app/compose.yaml",
            "x-own: $UNSET\nservices:\n  a: {image: 'x:$TAG', env_file: [{path: no.env, required: false}]}\n  b: {image: 'x:$TAG', expose: [zero]}\n",
        )]);
        assert_eq!(
            messages(&model),
            [
                "compose.yaml:3:14: the variable TAG has no value and no default; it counts as empty",
                "compose.yaml:1:8: the variable UNSET has no value and no default; it counts as empty",
                "compose.yaml:3:35: the optional env file no.env is not here",
                "compose.yaml:4:33: `services.b.expose[0]` is no port; it is ignored",
            ]
        );
    }

    #[test]
    fn profiles_switch_services_off_without_needing_their_files() {
        let files = [(
            "/app/compose.yaml",
            "services:\n  a: {image: x}\n  b: {image: y, profiles: [p], env_file: none.env, networks: [hidden]}\nnetworks: {hidden: }\n",
        )];
        let model = load_files(&files);
        assert!(model.services.contains_key("a") && model.inactive.contains_key("b"));
        assert_eq!(model.networks.keys().collect::<Vec<_>>(), ["default"]);
        let options = LoadOptions {
            working_directory: PathBuf::from("/app"),
            environment: BTreeMap::from([("COMPOSE_PROFILES".to_owned(), "q, p".to_owned())]),
            ..LoadOptions::default()
        };
        let error = load(&options, &MemoryFiles::new(&files))
            .unwrap_err()
            .to_string();
        assert!(error.contains("cannot read none.env"), "{error}");
    }

    #[test]
    fn values_know_where_they_come_from() {
        let model = load_files(&[
            (
                "/app/compose.yaml",
                "services:\n  a:\n    image: x\n    env_file: a.env\n    environment:\n      - HERE=1\n      - GONE\n",
            ),
            ("/app/a.env", "# c\nFILE=${TAG}\nGONE=x\n"),
            ("/app/.env", "TAG=7\n"),
        ]);
        let environment = &model.services["a"].environment;
        let file = &environment["FILE"];
        assert_eq!((file.value.as_str(), file.from_env_file), ("7", true));
        assert_eq!(file.location.to_string(), "a.env:2:1");
        assert_eq!(environment["HERE"].location.to_string(), "compose.yaml:6:9");
        assert!(
            !environment.contains_key("GONE")
                && model.services["a"].unset_environment.contains("GONE")
        );
    }

    #[test]
    fn a_search_from_below_takes_overrides_and_both_env_files() {
        let model = load_with(
            &[
                (
                    "/app/docker-compose.yml",
                    "services: {a: {image: 'x:$TAG', hostname: $H}}",
                ),
                (
                    "/app/docker-compose.override.yml",
                    "services: {a: {command: over}}",
                ),
                ("/app/.env", "TAG=outer\nH=h\n"),
                ("/app/sub/.env", "TAG=inner\n"),
            ],
            |options| options.working_directory = PathBuf::from("/app/sub"),
        );
        let service = &model.services["a"];
        assert_eq!(service.image.as_deref(), Some("x:inner"));
        assert_eq!(service.hostname.as_deref(), Some("h"));
        assert_eq!(service.command.as_deref(), Some(&["over".to_owned()][..]));
        assert_eq!(model.project, "app");
    }

    #[test]
    fn a_dockerfile_shows_ports_and_variables_of_a_build() {
        let model = load_files(&[
            (
                "/app/compose.yaml",
                "services: {a: {build: {context: ./api, args: {V: 3}}}, b: {build: ./none}}",
            ),
            (
                "/app/api/Dockerfile",
                "ARG V=1\nFROM node:$V\nENV DB=db:5432\nEXPOSE 8080\n",
            ),
        ]);
        let build = model.services["a"].build.as_ref().unwrap();
        assert_eq!(build.base_image.as_deref(), Some("node:3"));
        assert_eq!(build.environment["DB"], "db:5432");
        assert_eq!(build.exposed[0].port, 8080);
        assert_eq!(model.services["b"].build.as_ref().unwrap().base_image, None);
    }

    #[test]
    fn nothing_to_read_says_what_was_looked_for() {
        let options = LoadOptions {
            working_directory: PathBuf::from("/app"),
            ..LoadOptions::default()
        };
        let error = load(&options, &MemoryFiles::new(&[]))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(
                "no compose file in /app or a folder above it, expected one of compose.yaml"
            ),
            "{error}"
        );
    }
}
