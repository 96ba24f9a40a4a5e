//! A log of the corpus: its files, the auditor's data about it, and the rules it may break.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::forge::Forge;
use nightlatch_core::crypto::{hex, sha256};

pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A directory entry.
pub(super) enum Entry {
    Bytes(Vec<u8>),
    Link(&'static str),
    Directory,
    Pipe,
}

pub(super) struct Case {
    pub(super) name: String,
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) fingerprint: Option<String>,
    /// A file of anchors.
    pub(super) anchors: Option<Vec<u8>>,
    /// In days.
    pub(super) retention: Option<u64>,
    /// The rules that may be found broken, at least one of which must be; empty for an honest log.
    may: Vec<u8>,
}

impl Case {
    pub(super) fn new(name: impl Into<String>, files: Files, may: &[u8]) -> Self {
        let entries = files.into_iter();
        Self {
            name: name.into(),
            entries: entries
                .map(|(name, bytes)| (name, Entry::Bytes(bytes)))
                .collect(),
            fingerprint: None,
            anchors: None,
            retention: None,
            may: may.to_vec(),
        }
    }

    pub(super) fn honest(name: impl Into<String>, files: Files) -> Self {
        Self::new(name, files, &[])
    }

    /// Adds the fingerprint of the log of `forge`, as noted elsewhere.
    pub(super) fn noted(mut self, forge: &Forge) -> Self {
        self.fingerprint = Some(forge.fingerprint.clone());
        self
    }

    pub(super) fn anchored(mut self, anchors: impl Into<Vec<u8>>) -> Self {
        self.anchors = Some(anchors.into());
        self
    }

    pub(super) fn kept_for(mut self, days: u64) -> Self {
        self.retention = Some(days);
        self
    }

    pub(super) fn with(mut self, name: &str, entry: Entry) -> Self {
        self.entries.insert(name.to_owned(), entry);
        self
    }

    pub(super) fn is_honest(&self) -> bool {
        self.may.is_empty()
    }

    /// Whether verification may find exactly these rules broken.
    pub(super) fn allows(&self, found: &BTreeSet<u8>) -> bool {
        found.is_empty() == self.is_honest() && found.iter().all(|rule| self.may.contains(rule))
    }

    /// Creates the log in a new directory.
    pub(super) fn write(&self, directory: &Path) {
        std::fs::create_dir(directory).unwrap();
        for (name, entry) in &self.entries {
            let path = directory.join(name);
            match entry {
                Entry::Bytes(bytes) => std::fs::write(path, bytes).unwrap(),
                Entry::Link(to) => std::os::unix::fs::symlink(to, path).unwrap(),
                Entry::Directory => std::fs::create_dir(path).unwrap(),
                Entry::Pipe => {
                    let (cwd, kind) = (rustix::fs::CWD, rustix::fs::FileType::Fifo);
                    rustix::fs::mknodat(cwd, path, kind, rustix::fs::Mode::RUSR, 0).unwrap();
                }
            }
        }
    }
}

/// A placeholder, in lines handled as text, for a byte that never occurs in UTF-8.
pub(super) const NO_UTF8: char = '\u{e000}';
/// A placeholder for the bytes of half a surrogate pair, which UTF-8 forbids.
pub(super) const SURROGATE: char = '\u{e001}';

/// The lines of all segments without their line ends, each with the name of its file.
pub(super) type Lines = Vec<(String, String)>;

pub(super) fn lines_of(files: &Files) -> Lines {
    let segments = files.iter().filter(|(name, _)| name.starts_with('0'));
    let lines = segments.flat_map(|(name, bytes)| {
        let text = std::str::from_utf8(bytes).unwrap();
        text.lines().map(|line| (name.clone(), line.to_owned()))
    });
    lines.collect()
}

/// `files` with the segments replaced by these lines.
pub(super) fn with_lines(files: &Files, lines: &[(String, String)]) -> Files {
    let mut files = files.clone();
    files.retain(|name, _| !name.starts_with('0'));
    for (name, line) in lines {
        let file = files.entry(name.clone()).or_default();
        for c in line.chars().chain(['\n']) {
            match c {
                NO_UTF8 => file.push(0xff),
                SURROGATE => file.extend_from_slice(b"\xed\xa0\x80"),
                c => file.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    files
}

pub(super) fn is_sealed(line: &str) -> bool {
    line.contains(",\"seal\":{")
}

pub(super) fn without_seal(line: &str) -> String {
    line.split_once(",\"seal\":{")
        .map_or(line.to_owned(), |(line, _)| format!("{line}}}"))
}

/// The hash in a line.
pub(super) fn hash_of(line: &str) -> String {
    let at = line.rfind(",\"hash\":\"").unwrap() + 9;
    line[at..at + 64].to_owned()
}

/// The line with the hash of its current content, as anybody can compute it.
pub(super) fn rehashed(line: &str) -> String {
    let (body, rest) = line.rsplit_once(",\"hash\":\"").unwrap();
    format!(
        "{body},\"hash\":\"{}{}",
        hex(&sha256(body.as_bytes())),
        &rest[64..]
    )
}

/// Recomputes numbers, links and hashes of all lines from `from` on, as anybody can.
pub(super) fn rechain(lines: &mut [(String, String)], from: usize) {
    for at in from..lines.len() {
        let (seq, prev) = match at.checked_sub(1) {
            Some(before) => (number_of(&lines[before].1) + 1, hash_of(&lines[before].1)),
            None => (1, "0".repeat(64)),
        };
        let line = &lines[at].1;
        let (body, rest) = line.rsplit_once(",\"hash\":\"").unwrap();
        let (_, body) = body.split_once(',').unwrap();
        let (body, _) = body.rsplit_once("\"prev\":\"").unwrap();
        let line = format!("{{\"seq\":{seq},{body}\"prev\":\"{prev}\",\"hash\":\"{rest}");
        lines[at].1 = rehashed(&line);
    }
}

pub(super) use super::forge::number_of;
