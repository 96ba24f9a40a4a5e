//! Judging an open file, and reading it within bounds.

use std::fs::File;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, chmodat, fchmod, fstat, open, statat};
use rustix::io::Errno;

use super::dir::Dir;
use super::error::{FsError, FsProblem};

/// Whether a write must survive a loss of power before it is reported as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Synced, the directory too.
    Synced,
    /// Left to the system: its loss is safe.
    Volatile,
}

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Judges an open file that should be ours alone and closes it to others where that is safe.
pub(super) fn check_own_file(file: &File, path: &Path) -> Result<(), FsError> {
    let stat =
        fstat(file).map_err(|error| FsError::new("inspect", path, std::io::Error::from(error)))?;
    if let Some(closed) = judge(&stat, path)? {
        fchmod(file, closed)
            .map_err(|error| FsError::new("close to others", path, std::io::Error::from(error)))?;
        warn_closed(&stat, path);
    }
    Ok(())
}

/// Judges the file `name` in `dir` as if it were opened, without opening it: whether there is one.
///
/// For files that another library opens and locks (SQLite's): a process that closes any descriptor
/// of a file loses every POSIX lock it has on that file, through whatever descriptor. Nobody else
/// can put another file there between the judgement and its use, as the directory is ours alone.
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
    if let Some(closed) = judge(&stat, &path)? {
        if let Err(error) = chmodat(dir.handle(), name, closed, AtFlags::empty()) {
            return refused("close to others", error);
        }
        warn_closed(&stat, &path);
    }
    Ok(true)
}

/// Refuses what is no regular file of ours alone; the mode to give it when others may read it.
fn judge(stat: &Stat, path: &Path) -> Result<Option<Mode>, FsError> {
    let problem = |problem| FsError::new("use", path, problem);
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(problem(FsProblem::NotRegular));
    }
    check_owner(stat, path)?;
    let mode = permission_bits(stat);
    if mode & OTHERS_WRITE != 0 {
        return Err(problem(FsProblem::WritableByOthers { mode }));
    }
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // its width differs by platform
    let links = u64::from(stat.st_nlink);
    if links > 1 {
        return Err(problem(FsProblem::HardLinked { links }));
    }
    Ok((mode & OTHERS != 0).then(|| Mode::from_raw_mode((mode & !OTHERS) as rustix::fs::RawMode)))
}

fn warn_closed(stat: &Stat, path: &Path) {
    let mode = permission_bits(stat);
    tracing::warn!(path = %path.display(), mode = format_args!("{mode:04o}"), "was readable by others; closed");
}

pub(super) fn check_owner(stat: &Stat, path: &Path) -> Result<(), FsError> {
    if stat.st_uid == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        Err(FsError::new(
            "use",
            path,
            FsProblem::ForeignOwner { owner: stat.st_uid },
        ))
    }
}

#[allow(clippy::unnecessary_cast)] // `mode_t` is 16 bits wide on macOS
pub(super) fn permission_bits(stat: &Stat) -> u32 {
    (stat.st_mode as u32) & 0o7777
}

/// Reads the rest of `file`, which must not be longer than `limit` bytes.
///
/// # Errors
/// [`FsProblem::TooLong`], or the system's refusal.
pub fn read_bounded(file: &File, path: &Path, limit: usize) -> Result<Vec<u8>, FsError> {
    use std::io::Read;
    // Room for what such files usually hold, so that they are read in one go.
    let mut content = Vec::with_capacity(limit.min(1024) + 1);
    file.take(limit as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|error| FsError::new("read", path, error))?;
    if content.len() > limit {
        return Err(FsError::new("read", path, FsProblem::TooLong { limit }));
    }
    Ok(content)
}

/// Reads a file that the user edits and may have linked to from elsewhere (the configuration), of
/// at most `limit` bytes; `None` when there is none.
///
/// Links are followed, but the file itself must be regular, belong to this user or to root, and be
/// writable by its owner only.
///
/// # Errors
/// When it is none of that, too long, or cannot be read.
pub fn read_user_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, FsError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // With a file where a directory on the way should be, there is none either.
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(FsError::new("open", path, std::io::Error::from(error))),
    };
    let stat =
        fstat(&file).map_err(|error| FsError::new("inspect", path, std::io::Error::from(error)))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FsError::new("use", path, FsProblem::NotRegular));
    }
    if stat.st_uid != 0 {
        check_owner(&stat, path)?;
    }
    let mode = permission_bits(&stat);
    if mode & OTHERS_WRITE != 0 {
        return Err(FsError::new(
            "use",
            path,
            FsProblem::WritableByOthers { mode },
        ));
    }
    read_bounded(&file, path, limit).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

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
