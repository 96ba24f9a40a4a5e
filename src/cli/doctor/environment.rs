//! What the checks look at.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nightlatch::account::Email;
use nightlatch::config::{ConfigError, KeeperChoice, Settings};
use nightlatch::paths::{NoHomeDirectory, Paths};
use nightlatch::{Survey, is_home, survey};

use crate::cli::args::Global;
use crate::cli::origin::{Origin, Origins};
use crate::cli::surroundings::Surroundings;
use crate::cli::system;

/// What the checks look at.
pub struct Environment {
    pub origins: Origins,
    pub paths: Result<Paths, NoHomeDirectory>,
    /// `None` where there is no place for a file.
    pub settings: Option<Result<Settings, ConfigError>>,
    /// What `NIGHTLATCH_KEEPER` says; the error when it is no keeper.
    pub forced: Option<Result<KeeperChoice, String>>,
    /// What is wrong with the account that was named, if anything.
    pub bad_account: Option<String>,
    pub survey: Survey,
    /// Whether what stands there is a home of ours.
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
        // One that cannot be told is looked at as if it were.
        let is_home = paths
            .as_ref()
            .is_ok_and(|paths| is_home(&paths.home).unwrap_or(true));
        Self {
            settings,
            forced: surroundings.keeper.map(|word| {
                let parsed = word.to_string_lossy().parse();
                parsed.map_err(|error: nightlatch::config::UnknownKeeper| error.to_string())
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

    /// The home, where there is one on disk.
    pub fn home(&self) -> Option<&Path> {
        let paths = self.paths.as_ref().ok()?;
        (self.survey.exists && self.is_home).then_some(&*paths.home)
    }

    /// The configuration in force, where it can be used.
    pub fn config(&self) -> Option<&nightlatch::Config> {
        Some(self.settings.as_ref()?.as_ref().ok()?.config())
    }
}

/// The content of a small file of the system's, such as those of `/proc`; `None` where there is none or
/// it may not be read.
pub fn read_small(path: &str) -> Option<String> {
    let bytes = system::read(Path::new(path), 64 * 1024)?;
    String::from_utf8(bytes).ok()
}
