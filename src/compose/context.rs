//! A build's folder → the configuration files that such builds copy into their image. Pure: files come through `Files`.
//!
//! Only well-known names in well-known places are read: what else lies there is code, tests, or another service's.

use std::path::{Path, PathBuf};

use super::model::{Copied, Files, MountedFile};
use super::{mounts, paths};
use crate::catalog::words;

/// No build has more configuration than that.
const MAX_FILES: usize = 24;
/// Nor more modules.
const MAX_MODULES: usize = 32;
/// Nor deeper in what it copies.
const MAX_DEPTH: usize = 3;

/// The folders of a build that may hold its configuration: that of its Dockerfile, and those of the modules that it copies.
pub(super) fn folders(dockerfile: &Path, copies: &[&Copied], context: &Path) -> Vec<PathBuf> {
    let sources = copies.iter().flat_map(|copy| &copy.sources);
    let modules = sources.map(|source| paths::join(context, source.trim_start_matches('/')));
    let mut found = vec![dockerfile.to_path_buf()];
    for module in modules.take(MAX_MODULES) {
        if module.starts_with(context) && module != context && !found.contains(&module) {
            found.push(module);
        }
    }
    found
}

/// Reads the configuration beside a Dockerfile. What cannot be read is no evidence, and no error: the image decides.
pub(super) fn read(files: &dyn Files, folder: &Path, working_directory: &Path) -> Vec<MountedFile> {
    let places = if folder == working_directory {
        words().root_folders
    } else {
        words().build_folders
    };
    let mut found = Vec::new();
    for place in places.words() {
        let place = if place.is_empty() {
            folder.to_path_buf()
        } else {
            folder.join(place)
        };
        let Ok(names) = files.list(&place) else {
            continue;
        };
        // Among sources only what shows a development server where the rest is.
        let code = place.ends_with("src");
        // The project's own `.env` is compose's, and names all that there is.
        let own = |name: &str| name == ".env" && place == folder && folder != working_directory;
        for name in names
            .iter()
            .filter(|name| is_configuration(name) || own(name))
            .filter(|name| !code || name.to_ascii_lowercase().starts_with("setupproxy"))
        {
            let path = place.join(name);
            let shown = paths::shown(&path, working_directory);
            one(files, &path, (shown.clone(), false), shown, &mut found);
        }
    }
    found
}

/// Reads what a Dockerfile copies from its context to where programs read their configuration.
pub(super) fn copied(
    files: &dyn Files,
    copies: &[Copied],
    context: &Path,
    working_directory: &Path,
) -> Vec<MountedFile> {
    let mut found: Vec<MountedFile> = Vec::new();
    for copy in copies {
        let place = is_read(&copy.target);
        if let Some(text) = copy.text.as_ref().filter(|_| place) {
            found.push(MountedFile {
                target: copy.target.clone(),
                source: format!(
                    "{} in the Dockerfile of {}",
                    copy.target,
                    paths::shown(context, working_directory)
                ),
                direct: true,
                text: text.clone(),
            });
        }
        for source in &copy.sources {
            let path = paths::join(context, source.trim_start_matches('/'));
            if !path.starts_with(context) {
                continue;
            }
            let into = copy.target.trim_end_matches(['/', '.']);
            match files.list(&path) {
                // The whole context is code.
                Ok(_) if path == context || !place => {}
                Ok(names) => inside(
                    files,
                    (&path, into),
                    (&names, MAX_DEPTH),
                    working_directory,
                    &mut found,
                ),
                Err(_) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let last = copy.target.rsplit('/').next().unwrap_or_default();
                    // A name without an end is the folder that the file goes into.
                    let folder = matches!(last, "" | ".")
                        || copy.sources.len() > 1
                        || !place && !last.contains('.') && name.contains('.');
                    let target = if folder {
                        format!("{}/{name}", into.trim_end_matches('/'))
                    } else {
                        copy.target.clone()
                    };
                    if is_read(&target) {
                        let source = paths::shown(&path, working_directory);
                        one(files, &path, (target, true), source, &mut found);
                    }
                }
            }
        }
    }
    found
}

/// Whether programs in an image read their configuration there.
fn is_read(target: &str) -> bool {
    let lower = target.to_ascii_lowercase();
    let (places, ends) = (words().configuration_places, words().configuration_ends);
    places.iter().any(|place| lower.contains(place)) || ends.iter().any(|end| lower.ends_with(end))
}

/// The files of a copied folder, and those of its own folders.
fn inside(
    files: &dyn Files,
    (path, target): (&Path, &str),
    (names, depth): (&[String], usize),
    working_directory: &Path,
    found: &mut Vec<MountedFile>,
) {
    for name in names {
        if found.len() >= MAX_FILES {
            return;
        }
        let (path, target) = (path.join(name), format!("{target}/{name}"));
        match files.list(&path) {
            Ok(names) if depth > 1 => {
                inside(
                    files,
                    (&path, &target),
                    (&names, depth - 1),
                    working_directory,
                    found,
                );
            }
            Ok(_) => {}
            Err(_) => {
                let source = paths::shown(&path, working_directory);
                one(files, &path, (target, true), source, found);
            }
        }
    }
}

/// One file, as long as there are not too many.
fn one(
    files: &dyn Files,
    path: &Path,
    (target, direct): (String, bool),
    source: String,
    found: &mut Vec<MountedFile>,
) {
    if found.len() >= MAX_FILES {
        return;
    }
    found.extend(mounts::text(files, path).map(|text| MountedFile {
        target,
        source,
        direct,
        text,
    }));
}

fn is_configuration(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let fits = |(start, end)| name.starts_with(start) && name.ends_with(end);
    let mut known = words()
        .build_files
        .iter()
        .filter_map(|one| one.split_once('*'));
    known.any(fits) && !words().not_deployed.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryFiles;
    use super::*;

    #[test]
    fn what_is_copied_to_a_place_of_configuration_is_read_whatever_its_name() {
        let files = MemoryFiles::new(&[
            ("/p/web/conf", "a"),
            ("/p/web/sites/app", "b"),
            ("/p/web/main.py", "c"),
            ("/p/web/settings/app.yml", "d"),
        ]);
        let copy = |source: &str, target: &str| Copied {
            sources: vec![source.to_owned()],
            target: target.to_owned(),
            text: None,
        };
        let copies = [
            copy("conf", "/etc/nginx/conf.d/default.conf"),
            copy("./sites/app", "/etc/nginx/sites-enabled/"),
            copy("main.py", "/app/main.py"),
            copy(".", "/etc/x"),
            copy("none", "/etc/none"),
            copy("settings/app.yml", "/app/."),
            copy("settings/app.yml", "/srv"),
            copy("main.py", "/app/."),
        ];
        let read: Vec<(String, String)> =
            copied(&files, &copies, Path::new("/p/web"), Path::new("/p"))
                .into_iter()
                .map(|file| (file.target, file.text))
                .collect();
        let expected = [
            ("/etc/nginx/conf.d/default.conf", "a"),
            ("/etc/nginx/sites-enabled/app", "b"),
            ("/app/app.yml", "d"),
            ("/srv/app.yml", "d"),
        ];
        assert_eq!(
            read,
            expected.map(|(path, text)| (path.to_owned(), text.to_owned()))
        );
    }

    #[test]
    fn the_modules_that_a_build_copies_may_hold_its_configuration() {
        let copy = |source: &str| Copied {
            sources: vec![source.to_owned()],
            target: "/app".to_owned(),
            text: None,
        };
        let copies = [
            copy("."),
            copy("shop/cart"),
            copy("/shop/cart/"),
            copy("../x"),
        ];
        let copies: Vec<&Copied> = copies.iter().collect();
        assert_eq!(
            folders(Path::new("/p/docker"), &copies, Path::new("/p")),
            [Path::new("/p/docker"), Path::new("/p/shop/cart")]
        );
    }

    #[test]
    fn only_known_names_in_known_places_are_read() {
        let files = MemoryFiles::new(&[
            ("/p/web/nginx.conf", "a"),
            ("/p/web/src/main/resources/application.yml", "b"),
            ("/p/web/src/nginx.conf", "c"),
            ("/p/web/package.json", "d"),
            ("/p/web/appsettings.Development.json", "e"),
            ("/p/nginx/nginx.conf", "f"),
            ("/p/.env", "g"),
            ("/p/web/.env", "h"),
            ("/p/web/package-lock.json", "i"),
        ]);
        let read = |folder: &str| -> Vec<String> {
            super::read(&files, Path::new(folder), Path::new("/p"))
                .into_iter()
                .map(|file| file.text)
                .collect()
        };
        assert_eq!(read("/p/web"), ["h", "a", "d", "b"]);
        assert!(read("/p").is_empty());
        assert!(read("/p/none").is_empty());
    }
}
