//! Finds the program that a shell would run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::system::is_executable;

/// Where a shell finds the program `name` in `search_path`, the value of `PATH`.
pub fn find(search_path: &OsStr, name: &Path) -> Option<PathBuf> {
    std::env::split_paths(search_path)
        .map(|directory| directory.join(name))
        .find(|path| std::fs::metadata(path).is_ok_and(|found| is_executable(&found)))
}
