//! Where things live: the platform's directories, or everything under one home.

use std::path::PathBuf;

use directories::ProjectDirs;

/// The two places Nightlatch keeps anything: its home, and its configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Accounts, sessions, locks and the audit log.
    pub home: PathBuf,
    /// The configuration file; it need not exist.
    pub config_file: PathBuf,
}

/// The platform gives no home directory to put anything in.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(
    unix,
    error("cannot tell where your home directory is: HOME is not set")
)]
#[cfg_attr(not(unix), error("cannot tell where your home directory is"))]
pub struct NoHomeDirectory;

impl Paths {
    /// Everything under `home`, the configuration as `config.toml` in it.
    pub fn under(home: PathBuf) -> Self {
        let config_file = home.join("config.toml");
        Self { home, config_file }
    }

    /// The platform's directories for this user: on Linux `$XDG_DATA_HOME/nightlatch` and
    /// `$XDG_CONFIG_HOME/nightlatch/config.toml`, `~/Library/Application Support` on macOS,
    /// `%APPDATA%` on Windows.
    ///
    /// # Errors
    /// When the user has no home directory, or, but for Windows, the environment does not tell it. The
    /// user database, which knows it then, is not asked: a program without shared libraries cannot
    /// load the modules that a system may have for it, and dies where it tries.
    pub fn of_user() -> Result<Self, NoHomeDirectory> {
        #[cfg(unix)]
        #[allow(clippy::disallowed_methods)] // looked at where the next line reads it
        if std::env::var_os("HOME").is_none_or(|home| home.is_empty()) {
            return Err(NoHomeDirectory);
        }
        let project = ProjectDirs::from("", "", "nightlatch").ok_or(NoHomeDirectory)?;
        Ok(Self {
            home: project.data_local_dir().to_owned(),
            config_file: project.config_dir().join("config.toml"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_home_holds_the_configuration_too() {
        let paths = Paths::under(PathBuf::from("/x"));
        assert_eq!(paths.config_file, PathBuf::from("/x/config.toml"));
    }
}
