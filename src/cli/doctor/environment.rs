//! The input of the checks.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nightlatch_local::account::Email;
use nightlatch_local::config::{ConfigError, KeeperChoice, Settings};
use nightlatch_local::guard::is_home;
use nightlatch_local::paths::{NoHomeDirectory, Paths};
use nightlatch_platform::fs::{Survey, survey};

use crate::cli::args::Global;
use crate::cli::origin::{Origin, Origins};
use crate::cli::surroundings::Surroundings;
use crate::cli::system;

/// The input of the checks.
pub struct Environment {
    pub origins: Origins,
    pub paths: Result<Paths, NoHomeDirectory>,
    /// `None` if there is no place for a file.
    pub settings: Option<Result<Settings, ConfigError>>,
    /// The value of `NIGHTLATCH_KEEPER`; an error if it is not a keeper.
    pub forced: Option<Result<KeeperChoice, String>>,
    /// What is wrong with the named account, if anything.
    pub bad_account: Option<String>,
    pub survey: Survey,
    /// Whether the directory is one of our homes.
    pub is_home: bool,
    pub program: Option<PathBuf>,
    /// `PATH`.
    pub search_path: Option<OsString>,
    /// `HOME`.
    pub user_home: Option<PathBuf>,
}

impl Environment {
    pub fn new(global: Global, surroundings: Surroundings) -> Self {
        let origins = Origins::of(&global, &surroundings);
        let account = global.account.map(OsString::from).or(surroundings.account);
        let home = global.home.or(surroundings.home.map(PathBuf::from));
        let paths = home.map_or_else(Paths::of_environment, |home| Ok(Paths::under(home)));
        let settings = paths
            .as_ref()
            .ok()
            .map(|paths| Settings::load(&paths.config_file));
        let survey = paths.as_ref().map_or_else(
            |_| Survey::default(),
            |paths| survey(&paths.home, &["config.toml"]),
        );
        // If this cannot be determined, check the directory as a home.
        let is_home = paths
            .as_ref()
            .is_ok_and(|paths| is_home(&paths.home).unwrap_or(true));
        Self {
            settings,
            forced: surroundings.keeper.map(|word| {
                let parsed = word.to_string_lossy().parse();
                parsed.map_err(|error: nightlatch_local::config::UnknownKeeper| error.to_string())
            }),
            bad_account: account.and_then(|account| {
                let (Origin::Flag(name) | Origin::Variable(name)) = origins.account else {
                    return None;
                };
                let parsed = account.to_string_lossy().parse::<Email>();
                parsed.err().map(|error| format!("{name}: {error}"))
            }),
            survey,
            is_home,
            paths,
            origins,
            program: (surroundings.program)(),
            search_path: surroundings.path,
            user_home: surroundings.user_home.map(PathBuf::from),
        }
    }

    /// The home, if it exists on disk.
    pub fn home(&self) -> Option<&Path> {
        let paths = self.paths.as_ref().ok()?;
        (self.survey.exists && self.is_home).then_some(&*paths.home)
    }

    /// The configuration in force, if it is valid.
    pub fn config(&self) -> Option<&nightlatch_local::config::Config> {
        Some(self.settings.as_ref()?.as_ref().ok()?.config())
    }
}

/// The content of a small system file, such as one in `/proc`; `None` if it does not exist or may
/// not be read.
pub fn read_small(path: &str) -> Option<String> {
    let bytes = system::read(Path::new(path), 64 * 1024)?;
    String::from_utf8(bytes).ok()
}
