//! What the test suites check of fuzz targets and their corpora, on stable Rust and without an engine.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

/// A target's name, and the property that it checks.
pub(crate) type Target = (&'static str, fn(&[u8]) -> bool);

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap_or_else(|error| unreachable!("{}: {error}", directory.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn corpus(fuzz: &Path, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    files_in(&fuzz.join("corpus").join(target))
        .into_iter()
        .map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

/// Checks that the folder `fuzz` has exactly these targets and corpora, and that each target calls
/// its property, which is in the module `module`.
pub(crate) fn are_the_same_ones(fuzz: &Path, module: &str, targets: &[Target]) {
    let stems = |directory: &str| -> BTreeSet<String> {
        files_in(&fuzz.join(directory))
            .iter()
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    let properties: BTreeSet<_> = targets.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems("fuzz_targets"), properties);
    assert_eq!(stems("corpus"), properties);
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), properties.len());
    for name in properties {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name}");
        let path = format!("fuzz_targets/{name}.rs");
        assert!(manifest.contains(&format!("path = \"{path}\"\n")), "{name}");
        let target = std::fs::read_to_string(fuzz.join(path)).unwrap();
        let call = format!("{module}::{name}(");
        assert!(target.contains(&call), "{name} checks something else");
    }
}

/// Checks every file of the corpora, of which some are accepted and some refused.
pub(crate) fn have_their_property(fuzz: &Path, targets: &[Target]) {
    for (name, property) in targets {
        let mut verdicts = BTreeSet::new();
        for (path, bytes) in corpus(fuzz, name) {
            // A failing property does not print the input.
            let verdict = std::panic::catch_unwind(|| property(&bytes));
            assert!(verdict.is_ok(), "{}", path.display());
            verdicts.extend(verdict.ok());
        }
        assert_eq!(verdicts.len(), 2, "{name} sees one side only: {verdicts:?}");
    }
}

/// Checks every truncation and every flipped byte of the corpora.
pub(crate) fn have_it_cut_and_flipped(fuzz: &Path, targets: &[Target]) {
    for (name, property) in targets {
        for (path, bytes) in corpus(fuzz, name) {
            // Long inputs are there for their length.
            if bytes.len() > 2000 {
                continue;
            }
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0xff;
                for changed in [&bytes[..at], &flipped] {
                    let verdict = std::panic::catch_unwind(|| property(changed));
                    assert!(verdict.is_ok(), "{} at {at}", path.display());
                }
            }
        }
    }
}

/// An input, printed in one line if it fails.
#[derive(Clone)]
struct Input(Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// One change to some bytes.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index),
    Put(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<Index>;
        prop_oneof![
            1 => at().prop_map(Self::Cut),
            4 => (at(), any::<u8>()).prop_map(|(at, byte)| Self::Put(at, byte)),
            2 => (at(), prop::collection::vec(any::<u8>(), 1..5))
                .prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            2 => (at(), "[ -~]{1,8}|\\PC{1,4}")
                .prop_map(|(at, text)| Self::Insert(at, text.into_bytes())),
            1 => (at(), at()).prop_map(|(from, to)| Self::Remove(from, to)),
            1 => (at(), at()).prop_map(|(from, to)| Self::Repeat(from, to)),
        ]
    }

    fn make(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let at = |index: &Index| index.index(length + 1);
        let range = |one: &Index, other: &Index| {
            let (one, other) = (at(one), at(other));
            one.min(other)..one.max(other)
        };
        match self {
            Self::Cut(to) => bytes.truncate(at(to)),
            Self::Put(index, byte) => {
                if length > 0 {
                    bytes[index.index(length)] = *byte;
                }
            }
            Self::Insert(index, new) => {
                let index = at(index);
                bytes.splice(index..index, new.iter().copied());
            }
            Self::Remove(from, to) => drop(bytes.drain(range(from, to))),
            Self::Repeat(from, to) => bytes.extend_from_within(range(from, to)),
        }
    }
}

/// Checks random changes of the corpora.
pub(crate) fn have_it_changed(fuzz: &Path, targets: &[Target]) {
    for (name, property) in targets {
        let seeds: Vec<_> = corpus(fuzz, name)
            .into_iter()
            .map(|(_, bytes)| bytes)
            .collect();
        let changed = (
            prop::sample::select(seeds),
            prop::collection::vec(Change::any(), 0..6),
        )
            .prop_map(|(mut bytes, changes)| {
                for change in &changes {
                    change.make(&mut bytes);
                }
                bytes
            });
        let anything = prop::collection::vec(any::<u8>(), 0..600);
        let input = prop_oneof![7 => changed, 1 => anything].prop_map(Input);
        let config = ProptestConfig {
            cases: 512,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let found = TestRunner::new(config).run(&input, |Input(bytes)| {
            property(&bytes);
            Ok(())
        });
        assert!(found.is_ok(), "{name}: {}", found.unwrap_err());
    }
}
