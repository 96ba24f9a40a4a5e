//! The guard: what stands between a person and a command that must not run for just anyone.

mod accounts;
mod active;
#[cfg(unix)]
mod alert;
#[cfg(windows)]
#[path = "alert_absent.rs"]
mod alert;
mod command;
mod error;
mod lease;
mod opening;
#[cfg(unix)]
pub mod run;
#[cfg(windows)]
#[path = "run_absent.rs"]
pub mod run;
#[cfg(unix)]
pub mod signals;
#[cfg(windows)]
#[path = "signals_absent.rs"]
pub mod signals;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use accounts::{ProvenPassword, Registered};
pub use active::ActiveSession;
pub use alert::{AlertFailed, AlertKind};
pub use command::{Finished, Refusals, RunOptions, Scripts};
pub use error::{
    CommandError, Denied, GuardError, PasswordChangeError, RegisterError, SignInError,
};

use crate::account::{AccountService, DelayNotice, Email};
use crate::audit::{AuditLog, AuditName, Retention};
use crate::clock::{Clock, SystemClock};
use crate::config::{KeeperChoice, Limits, PasswordRules};
use crate::fs::Dir;
use crate::id::AccountId;
use crate::memory::CoreLimit;
use crate::paths::{NoHomeDirectory, Paths};
use crate::session::keeper::AutoKeeper;
use crate::session::{
    AgentLaunch, AgentLauncher, NameLookup, Owner, SessionService, SessionStatus, Touch,
};
use lease::Leases;
pub use lease::count_leases;
#[cfg(any(test, fuzzing))]
pub(crate) use lease::properties;

/// Is told why the command of `audit.on_tamper` did not do its work.
pub type AlertFailureNotice = Arc<dyn Fn(&AlertFailed) + Send + Sync>;

/// What a guard needs to know before it opens.
#[derive(Clone)]
pub struct GuardConfig {
    paths: Paths,
    account: Option<Email>,
    keeper: Option<KeeperChoice>,
    launch: Option<AgentLaunch>,
    core_limit: Option<CoreLimit>,
    on_delay: Option<DelayNotice>,
    on_alert_failure: Option<AlertFailureNotice>,
    clock: Arc<dyn Clock>,
}

impl GuardConfig {
    /// With the platform's directories for this user: what the `nightlatch` command uses.
    ///
    /// # Errors
    /// When the user has no home directory.
    pub fn of_user() -> Result<Self, NoHomeDirectory> {
        Paths::of_user().map(Self::at)
    }

    /// With everything under `home`, as `nightlatch --home` does.
    pub fn under(home: impl Into<PathBuf>) -> Self {
        Self::at(Paths::under(home.into()))
    }

    fn at(paths: Paths) -> Self {
        Self {
            paths,
            account: None,
            keeper: None,
            launch: None,
            core_limit: None,
            on_delay: None,
            on_alert_failure: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// The home everything is kept in.
    pub fn home(&self) -> &Path {
        &self.paths.home
    }

    /// The configuration file, which need not exist.
    pub fn config_file(&self) -> &Path {
        &self.paths.config_file
    }

    /// The keeper that was chosen in place of the configuration file's, if one was.
    pub fn chosen_keeper(&self) -> Option<KeeperChoice> {
        self.keeper
    }

    /// For this account, instead of the one that signed in last.
    #[must_use]
    pub fn account(mut self, email: Email) -> Self {
        self.account = Some(email);
        self
    }

    /// With this keeper, whatever the configuration file says.
    #[must_use]
    pub fn keeper(mut self, choice: KeeperChoice) -> Self {
        self.keeper = Some(choice);
        self
    }

    /// With a way to start the agent, without which only the kernel's keyring can keep a new
    /// session's key.
    #[must_use]
    pub fn launcher(self, launcher: AgentLauncher) -> Self {
        self.launched_by(Arc::new(move || Some(launcher.clone())))
    }

    /// As [`GuardConfig::launcher`], asked only when an agent is to be started.
    #[must_use]
    pub fn launched_by(mut self, launch: AgentLaunch) -> Self {
        self.launch = Some(launch);
        self
    }

    /// Gives guarded commands this core-size limit back, where the process lowered its own with
    /// [`harden`](crate::memory::harden).
    #[must_use]
    pub fn core_limit(mut self, limit: CoreLimit) -> Self {
        self.core_limit = Some(limit);
        self
    }

    /// Tells `told` of each wait that failed sign-ins have caused, before it begins, for a person
    /// not to wonder.
    #[must_use]
    pub fn on_delay(mut self, told: DelayNotice) -> Self {
        self.on_delay = Some(told);
        self
    }

    /// Calls `told` when the command of `audit.on_tamper` failed on a lockout.
    #[must_use]
    pub fn on_alert_failure(mut self, told: AlertFailureNotice) -> Self {
        self.on_alert_failure = Some(told);
        self
    }

    /// With another clock, for tests: whoever holds the clock decides when sessions end.
    #[must_use]
    pub fn with_danger_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

/// The guard over one home.
///
/// ```
/// # let scratch = tempfile::tempdir()?;
/// # let config = nightlatch::GuardConfig::under(scratch.path().join("home"));
/// use nightlatch::{Denied, Guard};
///
/// let guard = Guard::open(config)?;
/// match guard.require("deploy") {
///     Ok(session) => println!("{} may deploy", session.username()),
///     Err(Denied::NoSession { .. }) => println!("sign in first: nightlatch login"),
///     Err(other) => return Err(other.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Guard {
    account: Option<Email>,
    limits: Limits,
    password_rules: PasswordRules,
    retention: Retention,
    core_limit: Option<CoreLimit>,
    on_tamper: Option<String>,
    on_alert_failure: Option<AlertFailureNotice>,
    clock: Arc<dyn Clock>,
    path: PathBuf,
    /// `None` while there is no home on disk: then nobody is signed in, and looking creates none.
    home: Option<Home>,
}

/// The services over an opened home.
struct Home {
    dir: Arc<Dir>,
    audit: Arc<AuditLog>,
    sessions: SessionService,
    accounts: Arc<AccountService>,
}

impl Guard {
    /// The configured limits of a new session.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How long the audit log is to be kept, as configured.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Runs the command of `audit.on_tamper`, with the kind and `message` in its environment, and waits
    /// for it, at most 12 seconds. `false` when none is configured.
    ///
    /// # Errors
    /// When the command could not be started, failed, or did not end in time.
    pub fn alert(&self, kind: AlertKind, message: &str) -> Result<bool, AlertFailed> {
        match &self.on_tamper {
            None => Ok(false),
            Some(command) => {
                alert::run(command, kind, message, &self.path, &*self.clock).map(|()| true)
            }
        }
    }

    /// The audit log; `None` while there is no home.
    pub fn audit(&self) -> Option<&AuditLog> {
        self.home.as_ref().map(|home| &*home.audit)
    }

    /// The state of the session. Passive: extends, records and creates nothing.
    ///
    /// # Errors
    /// When the keeper or the disk fails.
    pub fn status(&self) -> Result<SessionStatus, GuardError> {
        let Some(home) = &self.home else {
            return Ok(SessionStatus::none());
        };
        match self.owner(home)? {
            None => Ok(SessionStatus::none()),
            Some(owner) => Ok(home.sessions.status(owner)?),
        }
    }

    /// Demands a live session for `action` (a word or two for the audit log, such as "deploy"):
    /// proof of it, to be handed to whatever needs one. Counts as activity and is recorded.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn require(&self, action: &str) -> Result<ActiveSession<'_>, Denied> {
        let (home, owner) = self.signed_in()?;
        self.require_of(home, owner, action)
    }

    /// As [`Guard::require`], of this account.
    fn require_of<'guard>(
        &'guard self,
        home: &'guard Home,
        owner: Owner,
        action: &str,
    ) -> Result<ActiveSession<'guard>, Denied> {
        let touch = Touch {
            action,
            extend: true,
            min_remaining: Duration::ZERO,
        };
        let touched = home.sessions.touch(owner, touch, |_| None, |_| Ok(()))?;
        // Not synced: nothing is at stake yet. What the session is then used for syncs it.
        Ok(ActiveSession::mint(self, home, touched.session))
    }

    /// Counts as activity, without a command.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn extend(&self) -> Result<SessionStatus, Denied> {
        self.require("extend").map(|session| session.status())
    }

    /// The home, and whose session is meant in it.
    fn signed_in(&self) -> Result<(&Home, Owner), Denied> {
        let none = Denied::NoSession { ended: None };
        let Some(home) = &self.home else {
            return Err(none);
        };
        match self.owner(home)? {
            Some(owner) => Ok((home, owner)),
            None => Err(none),
        }
    }

    fn owner(&self, home: &Home) -> Result<Option<Owner>, GuardError> {
        let Some(email) = &self.account else {
            return Ok(home.sessions.current()?.map(Owner::from));
        };
        // Mostly it is the one that signed in last; then its session tells, and the account
        // directory need not be opened.
        if let Some(current) = home.sessions.current()?
            && home.sessions.is_live_for(current, email.normalized())?
        {
            return Ok(Some(Owner::from(current)));
        }
        let account = home.accounts.find(email)?;
        Ok(account.map(|found| Owner {
            account: found.id,
            generation: Some(found.generation),
        }))
    }

    /// The home, which commands that change something opened with [`Guard::open_or_create`].
    fn home(&self) -> Result<&Home, GuardError> {
        self.home.as_ref().ok_or_else(|| {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            GuardError::File(crate::fs::FsError::new("open", &self.path, missing))
        })
    }
}

impl Home {
    fn new(
        dir: Arc<Dir>,
        accounts: AccountService,
        keeper: AutoKeeper,
        audit: AuditLog,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let accounts = Arc::new(accounts);
        let audit = audit.created_only_while({
            let accounts = Arc::clone(&accounts);
            // An account is on record before it exists.
            move || accounts.count().is_ok_and(|count| count == 0)
        });
        let audit = audit.with_accounts({
            let accounts = Arc::clone(&accounts);
            move |email| {
                let email = email.parse::<Email>();
                email.is_ok_and(|email| matches!(accounts.find(&email), Ok(Some(_))))
            }
        });
        let audit = Arc::new(audit);
        let names: NameLookup = Box::new({
            let accounts = Arc::clone(&accounts);
            move |id| name_of(&accounts, id)
        });
        let sessions = SessionService::new(
            Arc::clone(&dir),
            Box::new(keeper),
            Arc::clone(clock),
            Arc::clone(&audit),
            Box::new(Leases::new(Arc::clone(&dir))),
            names,
        );
        Self {
            dir,
            audit,
            sessions,
            accounts,
        }
    }

    fn name_of(&self, account: AccountId) -> Option<AuditName> {
        name_of(&self.accounts, account)
    }
}

/// The name under which the audit log tells of an account, where the directory knows it.
fn name_of(accounts: &AccountService, id: AccountId) -> Option<AuditName> {
    let account = accounts.by_id(id).ok().flatten()?;
    Some(AuditName::known(account.email.normalized()))
}
