//! The structure of the source: which layer of a crate may use which, and the maximum size of a
//! file.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Which modules of its own crate each module may use. A module that is not listed may use none;
/// the compiler enforces which crate may use which. (`nightlatch-audit` is one module.)
const LAYERS: &[(&str, &str, &[&str])] = &[
    ("core", "memory", &[]),
    ("core", "clock", &[]),
    ("core", "id", &[]),
    ("core", "email", &[]),
    ("core", "crypto", &["memory"]),
    ("core", "display_name", &["email"]),
    ("core", "limits", &[]),
    ("core", "lifetime", &["clock", "limits"]),
    ("core", "password", &["display_name", "email", "memory"]),
    ("core", "recovery_code", &["crypto", "id", "memory"]),
    ("core", "suggestion", &[]),
    ("core", "throttle", &["clock"]),
    ("platform", "fs", &[]),
    ("platform", "clock", &["fs"]),
    ("local", "paths", &[]),
    ("local", "binding", &[]),
    ("local", "config", &["binding", "paths"]),
    ("local", "mask", &[]),
    ("local", "session", &["config"]),
    ("local", "account", &["config"]),
    ("local", "secrets", &["account", "binding"]),
    (
        "local",
        "guard",
        &["account", "config", "mask", "paths", "secrets", "session"],
    ),
    ("server", "token", &[]),
    ("server", "clock", &[]),
    ("server", "requester", &[]),
    ("server", "store", &["clock", "token"]),
    ("server", "record", &["clock", "requester", "store"]),
    (
        "server",
        "service",
        &["clock", "record", "requester", "store", "token"],
    ),
    ("server", "backup", &["clock", "record", "store"]),
    (
        "server",
        "node",
        &["backup", "clock", "record", "service", "store"],
    ),
    ("server", "client", &[]),
    ("server", "main", &[]),
    ("server", "config", &["service"]),
    (
        "server",
        "api",
        &["clock", "node", "requester", "service", "store", "token"],
    ),
    (
        "server",
        "pages",
        &["api", "record", "requester", "service", "store", "token"],
    ),
    (
        "server",
        "http",
        &["api", "config", "pages", "requester", "service", "token"],
    ),
    (
        "server",
        "cli",
        &[
            "api", "backup", "client", "config", "http", "node", "service",
        ],
    ),
];

/// The maximum number of lines of a source file; a longer one must be split.
const LONGEST: usize = 500;

pub struct Source {
    /// The crate below `crates/`, or `nightlatch`.
    pub krate: String,
    /// Relative to the crate's `src/`.
    pub path: PathBuf,
    text: String,
}

impl Source {
    /// The path for messages.
    pub fn shown(&self) -> String {
        let path = self.path.display();
        match self.krate.as_str() {
            "nightlatch" => format!("src/{path}"),
            krate => format!("crates/{krate}/src/{path}"),
        }
    }

    /// The first name below `src/`: `session` for `session/file.rs`.
    fn layer(&self) -> String {
        let first = self.path.components().next().unwrap();
        let first: &Path = first.as_ref();
        first.file_stem().unwrap().to_str().unwrap().to_owned()
    }

    /// The module's depth in the crate.
    fn depth(&self) -> usize {
        let own = self.path.file_stem().unwrap();
        self.path.components().count() - usize::from(own == "mod")
    }

    pub fn is_test_code(&self) -> bool {
        self.path.iter().any(|part| {
            let name = part.to_str().unwrap();
            ["tests", "tests.rs", "test_clock.rs"].contains(&name)
        })
    }

    /// Its lines of code with their numbers, without comments, up to the test module.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self
            .text
            .find("\n#[cfg(test)]\nmod tests {")
            .or_else(|| self.text.find("\n#[cfg(test)]\n#[allow"))
            .or_else(|| {
                self.text
                    .find("\n#[cfg(all(test, target_os = \"linux\"))]\n#[allow")
            })
            .or_else(|| {
                self.text
                    .find("\n#[cfg(all(test, target_os = \"linux\"))]\nmod tests {")
            })
            .or_else(|| self.text.find("\n#[cfg(test)]\npub(super) mod tests {"))
            .unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate();
        lines.map(|(at, line)| (at + 1, line.split("//").next().unwrap()))
    }

    /// The modules of the crate that it names, with the line numbers: the names after `crate::`,
    /// also in braces. Items that `lib.rs` re-exports are returned under their own names.
    fn uses(&self) -> Vec<(usize, String)> {
        let mut uses = Vec::new();
        let mut code = String::new();
        let mut starts = Vec::new();
        for (number, line) in self.lines() {
            starts.push((code.len(), number));
            code.push_str(line);
            code.push('\n');
        }
        for (at, _) in code.match_indices("crate::") {
            // Not `other_crate::`.
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' {
                continue;
            }
            let number = starts[starts.partition_point(|&(start, _)| start <= at) - 1].1;
            for name in names_after(&code[at + "crate::".len()..]) {
                uses.push((number, name));
            }
        }
        // As many `super::` as the module is deep also lead to the crate root.
        for (at, _) in code.match_indices(&"super::".repeat(self.depth())) {
            let rest = &code[at + "super::".len() * self.depth()..];
            let number = starts[starts.partition_point(|&(start, _)| start <= at) - 1].1;
            uses.extend(names_after(rest).into_iter().map(|name| (number, name)));
        }
        uses
    }
}

/// The first names of the paths that follow: one, or those at the top level of `{...}`.
fn names_after(code: &str) -> Vec<String> {
    let name_at = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = code.strip_prefix('{') else {
        return vec![name_at(code)];
    };
    let mut names = vec![name_at(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name_at(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = sources_below(&root.join("src"), "nightlatch");
    for member in std::fs::read_dir(root.join("crates")).unwrap() {
        let member = member.unwrap();
        let name = member.file_name().into_string().unwrap();
        sources.extend(sources_below(&member.path().join("src"), &name));
    }
    sources.sort_by_key(Source::shown);
    assert!(sources.len() > 50, "these are not the sources");
    sources
}

fn sources_below(src: &Path, krate: &str) -> Vec<Source> {
    let mut directories = vec![src.to_owned()];
    let mut sources = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|is| is == "rs") {
                sources.push(Source {
                    krate: krate.to_owned(),
                    text: std::fs::read_to_string(&path).unwrap(),
                    path: path.strip_prefix(src).unwrap().to_owned(),
                });
            }
        }
    }
    sources
}

#[track_caller]
fn assert_none(findings: &str) {
    assert!(findings.is_empty(), "\n{findings}");
}

#[test]
fn every_layer_of_a_crate_uses_only_those_below_it() {
    let layers: BTreeMap<(&str, &str), &[&str]> = LAYERS
        .iter()
        .map(|&(krate, layer, uses)| ((krate, layer), uses))
        .collect();
    let layered: BTreeSet<&str> = LAYERS.iter().map(|(krate, ..)| *krate).collect();
    let mut findings = String::new();
    for source in sources().iter().filter(|source| !source.is_test_code()) {
        let layer = source.layer();
        if layer == "lib" || !layered.contains(source.krate.as_str()) {
            continue;
        }
        let shown = source.shown();
        let Some(allowed) = layers.get(&(source.krate.as_str(), layer.as_str())) else {
            writeln!(findings, "{shown}: no layer of the design").unwrap();
            continue;
        };
        for (line, used) in source.uses() {
            if layer != used && !allowed.contains(&used.as_str()) {
                writeln!(findings, "{shown}:{line}: {layer} uses {used}").unwrap();
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn the_layers_have_no_cycle() {
    let mut below: BTreeMap<(&str, &str), BTreeSet<&str>> = LAYERS
        .iter()
        .map(|&(krate, layer, uses)| ((krate, layer), uses.iter().copied().collect()))
        .collect();
    while !below.is_empty() {
        let free: Vec<(&str, &str)> = below
            .iter()
            .filter(|(_, uses)| uses.is_empty())
            .map(|(layer, _)| *layer)
            .collect();
        assert!(!free.is_empty(), "a cycle among {below:?}");
        for (krate, layer) in free {
            below.remove(&(krate, layer));
            for ((other, _), uses) in &mut below {
                if *other == krate {
                    uses.remove(layer);
                }
            }
        }
    }
}

#[test]
fn sessions_and_accounts_do_not_know_of_each_other() {
    let mut findings = String::new();
    for source in sources() {
        let other = match source.layer().as_str() {
            "session" => "account",
            "account" => "session",
            _ => continue,
        };
        // Tests are included: the guard provides what layers need of each other.
        for (line, used) in source.uses() {
            if used == other {
                writeln!(findings, "{}:{line} uses {used}", source.shown()).unwrap();
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn main_reads_the_environment_and_does_little_else() {
    for source in sources() {
        if source.shown() == "src/main.rs" {
            assert!(source.text.lines().count() < 40);
        }
    }
}

#[test]
fn only_the_memory_layer_is_unsafe() {
    let mut findings = String::new();
    for source in sources().iter().filter(|source| !source.is_test_code()) {
        for (line, code) in source.lines() {
            let is_unsafe = code
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "unsafe");
            if is_unsafe && (source.krate != "core" || source.layer() != "memory") {
                writeln!(findings, "{}:{line}: {code}", source.shown()).unwrap();
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn no_source_file_is_longer_than_one_reads_at_a_sitting() {
    let mut findings = String::new();
    for source in sources() {
        let length = source.text.lines().count();
        if length > LONGEST {
            writeln!(findings, "{}: {length} lines; split it", source.shown()).unwrap();
        }
    }
    assert_none(&findings);
}

#[test]
fn the_names_after_crate_are_found_one_by_one_and_in_braces() {
    assert_eq!(names_after("fs::Dir;"), ["fs"]);
    assert_eq!(
        names_after("{audit::{Event, Query},\n clock::Clock, id};"),
        ["audit", "clock", "id"]
    );
}
