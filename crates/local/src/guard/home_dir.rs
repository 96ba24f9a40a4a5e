//! Which directories are homes, and which may become one.

use std::path::Path;

use crate::session::{SESSIONS, home_identity};
use nightlatch_platform::fs::{Dir, FsError, FsProblem};

/// Every home has this from its first account on.
const ACCOUNTS: &str = "accounts.db";
/// A home also has these, in case the account database is lost.
const LOG: [&str; 2] = ["audit", "seal"];
/// Files allowed in a directory that becomes a home: a configuration, and the remains of an
/// interrupted registration.
const BEGUN: [&str; 3] = ["config.toml", "run", "sign-in"];
const UNFINISHED: &str = ".tmp-";

/// The directory at `path`, opened read-only; `None` when it is absent or not our home.
pub(super) fn home_to_look(path: &Path) -> Result<Option<Dir>, FsError> {
    match Dir::open_to_look(path)? {
        Some(dir) if has_a_home(&dir)? => Ok(Some(dir)),
        _ => Ok(None),
    }
}

/// As [`home_to_look`], for writing.
pub(super) fn home_to_use(path: &Path) -> Result<Option<Dir>, FsError> {
    home_to_look(path)?.map(Dir::into_used).transpose()
}

/// As [`home_to_use`], and also accepts a directory that can become a home.
pub(super) fn home_to_be(path: &Path) -> Result<Option<Dir>, FsError> {
    let Some(dir) = Dir::open_to_look(path)? else {
        return Dir::open_or_create(path).map(Some);
    };
    if has_a_home(&dir)?
        || dir
            .all_names()?
            .iter()
            .all(|name| may_be_in_a_new_home(name))
    {
        dir.into_used().map(Some)
    } else {
        Err(FsError::new("use", path, FsProblem::NotAHome))
    }
}

/// Whether the directory at `path` is a home of Nightlatch. Changes nothing.
///
/// # Errors
/// When it is a link, not a directory, another user's, or cannot be read.
pub fn is_home(path: &Path) -> Result<bool, FsError> {
    home_to_look(path).map(|home| home.is_some())
}

fn has_a_home(dir: &Dir) -> Result<bool, FsError> {
    Ok(dir.contains(ACCOUNTS)?
        || dir.contains(LOG[0])? && dir.contains(LOG[1])?
        // Sessions that `lock` must still be able to end.
        || dir.contains(SESSIONS)? && home_identity(dir)?.is_some())
}

fn may_be_in_a_new_home(name: &str) -> bool {
    LOG.contains(&name)
        || BEGUN.contains(&name)
        || name.starts_with(UNFINISHED)
        || name.starts_with(ACCOUNTS)
}
