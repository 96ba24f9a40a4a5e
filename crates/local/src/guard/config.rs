//! The configuration needed to open a guard.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::alert::AlertFailed;
use crate::account::{DelayNotice, Email};
use crate::config::{CommandName, ConfiguredSecrets, KeeperChoice};
use crate::paths::{NoHomeDirectory, Paths};
use crate::secrets::SecretBinding;
use crate::session::{AgentLaunch, AgentLauncher};
use nightlatch_core::clock::Clock;
use nightlatch_core::memory::CoreLimit;
use nightlatch_platform::clock::SystemClock;

/// Called with the reason when the `audit.on_tamper` command fails.
pub type AlertFailureNotice = Arc<dyn Fn(&AlertFailed) + Send + Sync>;

/// Which home a guard opens, and how.
///
/// ```
/// use nightlatch_local::config::KeeperChoice;
/// use nightlatch_local::guard::GuardConfig;
///
/// // For a user who keeps the home at another place, and only this account's session counts.
/// let config = GuardConfig::under("/srv/alice/nightlatch")
///     .accounts(["alice@example.com".parse()?])
///     .keeper(KeeperChoice::Kernel);
/// # let _ = config;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct GuardConfig {
    pub(super) paths: Paths,
    pub(super) account: Option<Email>,
    pub(super) accounts: Option<Vec<Email>>,
    pub(super) keeper: Option<KeeperChoice>,
    pub(super) secrets: Vec<ConfiguredSecrets>,
    pub(super) launch: Option<AgentLaunch>,
    pub(super) core_limit: Option<CoreLimit>,
    pub(super) on_delay: Option<DelayNotice>,
    pub(super) on_alert_failure: Option<AlertFailureNotice>,
    pub(super) clock: Arc<dyn Clock>,
}

impl GuardConfig {
    /// The user's home, for a program that uses the guard itself. The directory comes from the
    /// user's entry in `/etc/passwd`, not from `HOME` or `XDG_DATA_HOME`, because whoever starts
    /// the program could set those to a home of their own.
    ///
    /// # Errors
    /// When the user has no entry there, as with accounts from a directory service. Use
    /// [`GuardConfig::under`] then.
    pub fn of_user() -> Result<Self, NoHomeDirectory> {
        Paths::of_user().map(Self::at)
    }

    /// The home given by the environment variables `XDG_DATA_HOME`, `XDG_CONFIG_HOME` or `HOME`, as
    /// the `nightlatch` command uses. Not for a program that uses the guard itself; see
    /// [`GuardConfig::of_user`].
    ///
    /// # Errors
    /// When the environment names no home, or one that belongs to another user.
    pub fn of_environment() -> Result<Self, NoHomeDirectory> {
        Paths::of_environment().map(Self::at)
    }

    /// Keeps everything under `home`, as `nightlatch --home` does.
    pub fn under(home: impl Into<PathBuf>) -> Self {
        Self::at(Paths::under(home.into()))
    }

    fn at(paths: Paths) -> Self {
        Self {
            paths,
            account: None,
            accounts: None,
            keeper: None,
            secrets: Vec::new(),
            launch: None,
            core_limit: None,
            on_delay: None,
            on_alert_failure: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// The home directory.
    pub fn home(&self) -> &Path {
        &self.paths.home
    }

    /// The configuration file, which may be absent.
    pub fn config_file(&self) -> &Path {
        &self.paths.config_file
    }

    /// The keeper that overrides the configuration file's, if any.
    pub fn chosen_keeper(&self) -> Option<KeeperChoice> {
        self.keeper
    }

    /// Selects an account in place of the one in use.
    #[must_use]
    pub fn account(mut self, email: Email) -> Self {
        self.account = Some(email);
        self
    }

    /// Only sessions of these accounts count: for [`Guard::require`](crate::guard::Guard::require),
    /// for commands and for the status. `[guard] account` in the configuration file can narrow this
    /// down, but not widen it. Another account's session is refused with
    /// [`Denied::OtherAccount`](crate::guard::Denied::OtherAccount).
    #[must_use]
    pub fn accounts(mut self, emails: impl IntoIterator<Item = Email>) -> Self {
        self.accounts = Some(emails.into_iter().collect());
        self
    }

    /// Gives `command` these secrets whenever it runs, as `[guard.NAME] secrets` in the configuration
    /// file does, which these override.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let scratch = tempfile::tempdir()?;
    /// # let config = nightlatch_local::guard::GuardConfig::under(scratch.path().join("home"));
    /// use nightlatch_local::guard::{SecretBinding, SecretGiven};
    ///
    /// let password =
    ///     SecretBinding::new("prod/db".parse()?, "PGPASSWORD".parse()?, SecretGiven::Value);
    /// let config = config.secrets_for("psql".parse()?, [password]);
    /// # let _ = config;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn secrets_for(
        mut self,
        command: CommandName,
        bindings: impl IntoIterator<Item = SecretBinding>,
    ) -> Self {
        self.secrets.push(ConfiguredSecrets {
            command,
            bindings: bindings.into_iter().collect(),
        });
        self
    }

    /// Sets the keeper, overriding the configuration file.
    #[must_use]
    pub fn keeper(mut self, choice: KeeperChoice) -> Self {
        self.keeper = Some(choice);
        self
    }

    /// Sets how to start the agent. Without it, only the kernel's keyring can keep a new session's
    /// key.
    #[must_use]
    pub fn launcher(self, launcher: AgentLauncher) -> Self {
        self.launched_by(Arc::new(move || Some(launcher.clone())))
    }

    /// As [`GuardConfig::launcher`], called only when an agent has to be started.
    #[must_use]
    pub fn launched_by(mut self, launch: AgentLaunch) -> Self {
        self.launch = Some(launch);
        self
    }

    /// Restores this core-size limit for guarded commands, where the process lowered its own with
    /// [`harden`](nightlatch_core::memory::harden).
    #[must_use]
    pub fn core_limit(mut self, limit: CoreLimit) -> Self {
        self.core_limit = Some(limit);
        self
    }

    /// Calls `told` before each wait that failed sign-ins cause, so that the user knows why it
    /// takes time.
    #[must_use]
    pub fn on_delay(mut self, told: DelayNotice) -> Self {
        self.on_delay = Some(told);
        self
    }

    /// Calls `told` when the `audit.on_tamper` command fails after a lockout.
    #[must_use]
    pub fn on_alert_failure(mut self, told: AlertFailureNotice) -> Self {
        self.on_alert_failure = Some(told);
        self
    }

    /// Replaces the clock, for tests: whoever controls the clock decides when sessions end.
    #[must_use]
    pub fn with_danger_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
