//! Words that names are made of, from `checks/words.yaml`. Pure.

use std::ops::Deref;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};

const TEXT: &str = include_str!("../../checks/words.yaml");

/// A list of words that is read once and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct List(&'static [&'static str]);

impl Deref for List {
    type Target = [&'static str];

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl List {
    /// The words, for as long as the program runs.
    pub fn words(self) -> &'static [&'static str] {
        self.0
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let words: Vec<String> = Vec::deserialize(from)?;
        let kept: Vec<&'static str> = words.into_iter().map(|word| &*word.leak()).collect();
        Ok(Self(kept.leak()))
    }
}

/// The lists.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Last words of a key that announce a host.
    pub host_tails: List,
    /// Those of them that also stand at the end of a word (`DBHOST`, `BOOTSTRAPSERVERS`).
    pub fused_tails: List,
    /// Words that end like that and mean something else.
    pub not_fused: List,
    /// Last words behind which no bare word is a host.
    pub data_tails: List,
    /// Last words whose values are opaque; `topic:partitions:replicas` only looks like an address.
    pub opaque_tails: List,
    /// Words of a key, or of the one above it, that make its value nothing to dial.
    pub never: List,
    /// Beginnings of variables that a bundler writes into code for browsers.
    pub browser_prefixes: List,
    /// Last words of a variable that holds the user of a login, the most usual first; then passwords and databases.
    pub users: List,
    /// Last words of a variable that holds a password.
    pub passwords: List,
    /// Last words of a variable that holds a database's name.
    pub databases: List,
    /// Last words of a variable that names the product (`DB_TYPE=pgsql`).
    pub kinds: List,
    /// Stems that say "the database", whichever.
    pub generic: List,
    /// Schemes that name no host to dial.
    pub local_schemes: List,
    /// Values of a host or URL that say: none.
    pub off: List,
    /// Programs, and words of the shell, before the program that counts.
    pub wrappers: List,
    /// Words of a command that works in the background: it takes jobs, and no one calls it.
    pub background: List,
    /// Words of a tier's name that make it a helper of the store that the name mentions.
    pub preparing: List,
    /// Words of a variable that names a port that no peer dials for what the tier is there for.
    pub aside: List,
    /// Options that take a host although their name has no word for one.
    pub host_options: List,
    /// Keys whose bare value is a host in a file; more would catch ordinary words.
    pub host_keys: List,
    /// Ends of files that no configuration has.
    pub skipped_files: List,
    /// Files by name that only tools at build time read.
    pub tool_files: List,
    /// Folders of code that is not the application's own, or does not run.
    pub foreign_folders: List,
    /// Words of a name that mark a read replica.
    pub replicas: List,
    /// Parameters and ends of variables that name a CA, a store of several, or a folder of them.
    pub authorities: List,
    /// Bundles of the public CAs, as images have them.
    pub public_bundles: List,
    /// Variables that a whole process goes by, whatever it dials.
    pub process_authorities: List,
    /// Containers that a mesh or a platform puts into Pods: their settings are not the tier's.
    pub sidecars: List,
    /// Folders of a build in which its configuration lies.
    pub build_folders: List,
    /// The same in the project's own folder, which belongs to no single service.
    pub root_folders: List,
    /// Where programs in an image read their configuration: parts of a path.
    pub configuration_places: List,
    /// Ends of files that are configuration, wherever an image has them.
    pub configuration_ends: List,
    /// Configuration that such builds copy into their image, and lists of libraries: beginning and end of a name.
    pub build_files: List,
    /// Words of a file that belongs to a developer's machine or to tests: it does not run in the image.
    pub not_deployed: List,
}

/// The embedded lists, read once.
///
/// # Panics
/// Never in a build that passed its tests: they read the embedded file.
pub fn words() -> &'static Words {
    static WORDS: LazyLock<Words> = LazyLock::new(|| match super::table(TEXT) {
        Ok(words) => words,
        Err(error) => panic!("checks/words.yaml does not read: {error}"),
    });
    &WORDS
}
