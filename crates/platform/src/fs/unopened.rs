//! Checks a file without opening it.

use rustix::fs::{AtFlags, FileType, chmodat, statat};
use rustix::io::Errno;

use super::dir::Dir;
use super::error::{FsError, FsProblem};
use super::file::Access;
use super::file::{closed, judge};

/// Checks the file `name` in `dir` as if it were opened, without opening it. Returns whether it
/// exists.
///
/// For files that another library opens and locks (SQLite's): a process that closes any descriptor
/// of a file loses all of its POSIX locks on that file. The directory is private, so nobody else
/// can replace the file between the check and its use.
///
/// # Errors
/// As [`Dir::open_file`].
pub fn check_unopened(dir: &Dir, name: &str) -> Result<bool, FsError> {
    let path = dir.path().join(name);
    let refused =
        |operation, error| Err(FsError::new(operation, &path, std::io::Error::from(error)));
    let stat = match statat(dir.handle(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return refused("inspect", error),
    };
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return Err(FsError::new("use", &path, FsProblem::Symlink));
    }
    if let Some(mode) = judge(&stat, &path)?
        && dir.access() == Access::Use
    {
        let done = chmodat(dir.handle(), name, mode, AtFlags::empty());
        closed(done, &stat, &path)?;
    }
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::fs::Durability;

    #[test]
    fn a_file_is_judged_unopened_as_it_is_opened() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_or_create(&temp.path().join("home")).unwrap();
        let set_mode = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path().join("a"), permissions).unwrap();
        };
        let problem = |name| check_unopened(&dir, name).unwrap_err().problem;
        assert!(!check_unopened(&dir, "a").unwrap());
        dir.write_atomic("a", b"x", Durability::Volatile).unwrap();
        assert!(check_unopened(&dir, "a").unwrap());
        set_mode(0o644);
        assert!(check_unopened(&dir, "a").unwrap());
        let mode = std::fs::metadata(dir.path().join("a")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o600);
        set_mode(0o620);
        assert!(matches!(
            problem("a"),
            FsProblem::WritableByOthers { mode: 0o620 }
        ));
        set_mode(0o600);
        symlink("a", dir.path().join("soft")).unwrap();
        assert!(matches!(problem("soft"), FsProblem::Symlink));
        std::fs::hard_link(dir.path().join("a"), dir.path().join("hard")).unwrap();
        assert!(matches!(
            problem("hard"),
            FsProblem::HardLinked { links: 2 }
        ));
        dir.subdir_or_create("sub").unwrap();
        assert!(matches!(problem("sub"), FsProblem::NotRegular));
    }
}
