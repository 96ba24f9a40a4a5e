//! Inspects a home without opening, closing or repairing anything in it.

mod found;

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

use super::error::{FsError, FsProblem};
use super::file::{check_owner, judge, permission_bits};
use super::names::names_in;
pub use found::Survey;

/// More than a home has after many years.
const ENTRY_LIMIT: usize = 100_000;
/// A home has three levels; anything deeper is not ours.
const DEPTH_LIMIT: usize = 4;

/// Inspects the directory at `home` and everything in it, except the files named in `except`, which
/// have other rules.
pub fn survey(home: &Path, except: &[&str]) -> Survey {
    let mut survey = Survey::default();
    let stat = match statat(CWD, home, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return survey,
        Err(error) => {
            let error = FsError::new("inspect", home, std::io::Error::from(error));
            survey.refused.push(error);
            return survey;
        }
    };
    survey.exists = true;
    let as_directory = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(()),
        FileType::Symlink => Err(FsProblem::Symlink),
        _ => Err(FsProblem::NotDirectory),
    };
    match as_directory {
        Ok(()) => survey.directory(home, &stat, except, 0),
        Err(problem) => survey.refused.push(FsError::new("use", home, problem)),
    }
    survey
}

impl Survey {
    fn directory(&mut self, path: &Path, stat: &Stat, except: &[&str], depth: usize) {
        self.entries += 1;
        if let Err(error) = check_owner(stat, path) {
            self.refused.push(error);
            return;
        }
        let mode = permission_bits(stat);
        if mode & 0o077 != 0 {
            let problem = FsProblem::OpenToOthers { mode };
            self.open.push(FsError::new("use", path, problem));
        }
        let listed = open_directory(path).and_then(|handle| Ok((names_in(&handle)?, handle)));
        let (names, handle) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let error = FsError::new("list", path, std::io::Error::from(error));
                self.refused.push(error);
                return;
            }
        };
        for name in names {
            if depth == 0 && except.contains(&name.as_str()) || self.entries > ENTRY_LIMIT {
                continue;
            }
            // An entry that is missing now was removed by another process.
            if let Ok(stat) = statat(&handle, &name, AtFlags::SYMLINK_NOFOLLOW) {
                self.entry(&path.join(&name), &stat, depth + 1);
            }
        }
    }

    fn entry(&mut self, path: &Path, stat: &Stat, depth: usize) {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if depth < DEPTH_LIMIT => self.directory(path, stat, &[], depth),
            FileType::Symlink => {
                self.entries += 1;
                let error = FsError::new("use", path, FsProblem::Symlink);
                self.refused.push(error);
            }
            // The agent's socket.
            FileType::Socket => {
                self.entries += 1;
                self.refused.extend(check_owner(stat, path).err());
            }
            _ => {
                self.entries += 1;
                match judge(stat, path) {
                    Ok(None) => {}
                    Ok(Some(_)) => {
                        let mode = permission_bits(stat);
                        let problem = FsProblem::OpenToOthers { mode };
                        self.open.push(FsError::new("use", path, problem));
                    }
                    Err(error) => self.refused.push(error),
                }
            }
        }
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_survey_finds_what_is_refused_and_what_is_open_and_mends_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().join("home");
        assert!(!survey(&home, &[]).exists);
        std::fs::create_dir_all(home.join("audit")).unwrap();
        let set_mode = |name: &str, mode| {
            std::fs::set_permissions(home.join(name), PermissionsExt::from_mode(mode)).unwrap();
        };
        set_mode("", 0o700);
        set_mode("audit", 0o750);
        for (name, mode) in [
            ("a", 0o600),
            ("b", 0o644),
            ("c", 0o622),
            ("config.toml", 0o666),
        ] {
            std::fs::write(home.join(name), "x").unwrap();
            set_mode(name, mode);
        }
        symlink("a", home.join("audit/link")).unwrap();
        let found = survey(&home, &["config.toml"]);
        assert_eq!(found.entries, 6);
        let names = |errors: &[FsError]| {
            let mut names: Vec<_> = errors
                .iter()
                .map(|error| {
                    error
                        .path
                        .strip_prefix(&home)
                        .unwrap()
                        .display()
                        .to_string()
                })
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(&found.refused), ["audit/link", "c"]);
        assert_eq!(names(&found.open), ["audit", "b"]);
        assert_eq!(names(&survey(&home, &["config.toml"]).open), ["audit", "b"]);
        let file = survey(&home.join("a"), &[]);
        assert!(matches!(file.refused[0].problem, FsProblem::NotDirectory));
    }
}
