//! The contents of a directory, for comparing and searching.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file or directory at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: PathBuf,
    pub is_dir: bool,
    pub mode: u32,
    pub modified_nanos: i128,
    pub content: Vec<u8>,
}

/// Everything in `directory`, and the directory itself, in order.
pub fn tree(directory: &Path) -> Vec<Entry> {
    let metadata = std::fs::symlink_metadata(directory).unwrap();
    let mut entries = vec![Entry {
        path: directory.to_owned(),
        is_dir: metadata.is_dir(),
        mode: metadata.mode() & 0o7777,
        modified_nanos: i128::from(metadata.mtime()) * 1_000_000_000
            + i128::from(metadata.mtime_nsec()),
        content: if metadata.is_file() {
            std::fs::read(directory).unwrap()
        } else {
            Vec::new()
        },
    }];
    if metadata.is_dir() {
        for path in super::files_in(directory) {
            entries.extend(tree(&path));
        }
    }
    entries
}

/// Whether the bytes contain `text`, in upper or lower case.
pub fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}
