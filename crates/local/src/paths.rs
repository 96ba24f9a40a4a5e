//! Locations of files: the platform's directories, or everything under one home.

#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;

use directories::ProjectDirs;

/// Larger than the file on any machine that lists its users there.
#[cfg(target_os = "linux")]
const PASSWD_LIMIT: usize = 16 * 1024 * 1024;

/// The two locations that Nightlatch uses: its home and its configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The directory for accounts, sessions, locks and the audit log.
    pub home: PathBuf,
    /// The configuration file, which may be absent.
    pub config_file: PathBuf,
}

/// There is no directory to keep data in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoHomeDirectory {
    /// The environment does not name one.
    #[cfg_attr(
        unix,
        error("cannot tell where your home directory is: HOME is not set")
    )]
    #[cfg_attr(not(unix), error("cannot tell where your home directory is"))]
    Unset,
    /// The user has no entry with an absolute home directory in `/etc/passwd`.
    #[error("user {user} has no home directory in /etc/passwd")]
    NoEntry {
        /// The user id.
        user: u32,
    },
    /// The environment names another user's directory, as it may after `sudo`.
    #[error(
        "HOME or an XDG variable leads to {path}, which belongs to user {owner}, and this is user {user}",
        path = .path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// This user's id.
        user: u32,
    },
}

impl Paths {
    /// Everything under `home`, including the configuration as `config.toml`.
    pub fn under(home: PathBuf) -> Self {
        let config_file = home.join("config.toml");
        Self { home, config_file }
    }

    /// This user's locations, regardless of the environment. On Linux: `.local/share/nightlatch`
    /// and `.config/nightlatch/config.toml` in the home directory given in `/etc/passwd`. On other
    /// systems as [`Paths::of_environment`].
    ///
    /// Only that file is consulted: a program without shared libraries cannot load the modules for
    /// other sources of users, and crashes if it tries.
    ///
    /// # Errors
    /// When the user has no entry there, or the file cannot be read.
    #[cfg(target_os = "linux")]
    pub fn of_user() -> Result<Self, NoHomeDirectory> {
        let user = rustix::process::geteuid().as_raw();
        let home = nightlatch_platform::fs::read_user_file(Path::new("/etc/passwd"), PASSWD_LIMIT)
            .ok()
            .flatten()
            .and_then(|passwd| home_in(&passwd, user))
            .ok_or(NoHomeDirectory::NoEntry { user })?;
        Ok(Self {
            home: home.join(".local/share/nightlatch"),
            config_file: home.join(".config/nightlatch/config.toml"),
        })
    }

    /// This user's locations, as given by the platform.
    ///
    /// # Errors
    /// As [`Paths::of_environment`].
    #[cfg(not(target_os = "linux"))]
    pub fn of_user() -> Result<Self, NoHomeDirectory> {
        Self::of_environment()
    }

    /// The locations that the environment names: on Linux `$XDG_DATA_HOME/nightlatch` and
    /// `$XDG_CONFIG_HOME/nightlatch/config.toml`, `~/Library/Application Support` on macOS,
    /// `%APPDATA%` on Windows.
    ///
    /// # Errors
    /// When the environment names none or, except on Windows, one that belongs to another user:
    /// root would create its own files there.
    pub fn of_environment() -> Result<Self, NoHomeDirectory> {
        #[cfg(unix)]
        #[allow(clippy::disallowed_methods)] // the next line checks what it names
        let home = std::env::var_os("HOME")
            .filter(|home| !home.is_empty())
            .ok_or(NoHomeDirectory::Unset)?;
        let project = ProjectDirs::from("", "", "nightlatch").ok_or(NoHomeDirectory::Unset)?;
        let paths = Self {
            home: project.data_local_dir().to_owned(),
            config_file: project.config_dir().join("config.toml"),
        };
        #[cfg(unix)]
        for place in [&paths.home, &paths.config_file] {
            refuse_foreign(place)?;
            if place.starts_with(&home) {
                refuse_foreign(Path::new(&home))?;
            }
        }
        Ok(paths)
    }
}

/// Refuses a path in another user's directory. Directories of root are accepted.
#[cfg(unix)]
fn refuse_foreign(place: &Path) -> Result<(), NoHomeDirectory> {
    use std::os::unix::fs::MetadataExt;
    let user = rustix::process::geteuid().as_raw();
    let nearest = place
        .ancestors()
        .find_map(|path| Some((path, std::fs::metadata(path).ok()?.uid())));
    match nearest {
        Some((path, owner)) if owner != user && owner != 0 => Err(NoHomeDirectory::Foreign {
            path: path.to_owned(),
            owner,
            user,
        }),
        _ => Ok(()),
    }
}

/// The home directory of `user` in the text of `/etc/passwd`.
#[cfg(target_os = "linux")]
fn home_in(passwd: &[u8], user: u32) -> Option<PathBuf> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    passwd.split(|&byte| byte == b'\n').find_map(|line| {
        let fields: Vec<_> = line.split(|&byte| byte == b':').collect();
        let number = std::str::from_utf8(fields.get(2)?).ok()?.parse::<u32>();
        let home = Path::new(OsStr::from_bytes(fields.get(5)?));
        (number == Ok(user) && home.is_absolute()).then(|| home.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_home_holds_the_configuration_too() {
        let paths = Paths::under(PathBuf::from("/x"));
        assert_eq!(paths.config_file, PathBuf::from("/x/config.toml"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_home_directory_of_a_user_is_that_of_the_entry_with_its_number() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\n# x:x:7\nbad:x:seven:0::/no:/bin/sh\n\
            none:x:8:8::relative:/bin/sh\nann:x:1000:1000:Ann,,,:/home/ann:/bin/bash\n\
            two:x:1000:1000::/home/two:/bin/sh";
        let home = |user| home_in(passwd, user);
        assert_eq!(home(0), Some(PathBuf::from("/root")));
        assert_eq!(home(1000), Some(PathBuf::from("/home/ann")));
        assert_eq!(home(7), None);
        assert_eq!(home(8), None);
    }
}
