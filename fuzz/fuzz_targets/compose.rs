//! Any text as compose file, with a second one beside it: a model or an error, never a panic, a hang or a full memory.
#![no_main]

use std::io;
use std::path::{Path, PathBuf};

use k8sverify::compose::{self, Files, LoadOptions};
use libfuzzer_sys::fuzz_target;

/// The input as three files, parted by a line `%%`.
struct Parts<'a>(Vec<&'a str>);

const NAMES: [&str; 3] = ["/app/compose.yaml", "/app/b.yaml", "/app/.env"];

impl Files for Parts<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        let index = NAMES.iter().position(|name| Path::new(name) == path);
        index
            .and_then(|index| self.0.get(index))
            .map(|text| (*text).to_owned())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, _directory: &Path) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotADirectory.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.read(path).is_ok()
    }
}

fuzz_target!(|text: &str| {
    let files = Parts(text.splitn(3, "\n%%\n").collect());
    let mut options = LoadOptions {
        working_directory: PathBuf::from("/app"),
        ..LoadOptions::default()
    };
    if files.0.len() > 1 {
        options.files = NAMES[..2].iter().map(PathBuf::from).collect();
    }
    if let Ok(model) = compose::load(&options, &files) {
        let _ = compose::resolved(&model);
    }
});
