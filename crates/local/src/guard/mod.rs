//! The guard: runs protected commands only under a live session.

mod account_changes;
mod accounts;
mod active;
#[cfg(unix)]
mod alert;
#[cfg(windows)]
#[path = "alert_absent.rs"]
mod alert;
mod command;
mod command_secrets;
mod config;
mod configured_secrets;
mod enrolment;
mod error;
mod guarded_commands;
mod home_dir;
mod last_known;
mod lease;
mod opening;
mod owner;
mod password_change;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(not(target_os = "linux"))]
#[path = "processes_absent.rs"]
mod processes;
mod profile;
mod recovery;
mod revoking;
#[cfg(unix)]
pub mod run;
#[cfg(windows)]
#[path = "run_absent.rs"]
pub mod run;
mod run_options;
mod secrets;
#[cfg(unix)]
pub mod signals;
#[cfg(windows)]
#[path = "signals_absent.rs"]
pub mod signals;
mod target;
mod upkeep;
#[cfg(unix)]
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

pub use crate::secrets::{SecretBinding, SecretGiven};
pub use account_changes::{AccountRemoved, ProvenAccount};
pub use accounts::SignedIn;
pub use active::ActiveSession;
pub use alert::{AlertFailed, AlertKind};
pub use command::{Finished, HangUp, Running};
pub use config::{AlertFailureNotice, GuardConfig};
pub use enrolment::{Registered, Registration, Vouched};
pub use error::{
    AccountError, CommandError, Denied, GuardError, PasswordChangeError, RecoverError,
    RegisterError, SignInError,
};
pub use guarded_commands::{EndCommandsError, EndedCommand, GuardedCommand};
pub use owner::AccountNotice;
pub use password_change::ProvenPassword;
pub use profile::{AccountOverview, Profile};
pub use recovery::{ProvenCode, RecoveredAccount};
pub use revoking::{CommandsUnder, Revoke, Revoked, SessionListing};
pub use run_options::{Orphans, Refusals, RunOptions, Scripts};
pub use secrets::{Expected, IfExists, Imported, SecretError, Secrets, SecretsCheck};
pub use upkeep::Upkeep;

use crate::account::{AccountService, Email};
use crate::config::{ConfiguredSecrets, Limits, OnEnd, PasswordRules};
use crate::session::keeper::Keepers;
use crate::session::{NameLookup, SessionService};
pub use home_dir::is_home;
pub use last_known::last_guarded_commands;
use lease::Leases;
pub use lease::count_leases;
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub use lease::properties;
use nightlatch_audit::{AuditLog, AuditName, Retention};
use nightlatch_core::clock::Clock;
use nightlatch_core::id::AccountId;
use nightlatch_core::memory::CoreLimit;
use nightlatch_platform::fs::Dir;
#[cfg(unix)]
pub use watch::SessionWatch;

/// The guard over one home.
///
/// ```
/// # let scratch = tempfile::tempdir()?;
/// # let config = nightlatch_local::guard::GuardConfig::under(scratch.path().join("home"));
/// use nightlatch_local::guard::{Denied, Guard};
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
    /// The accounts whose sessions count; `None` for all.
    accepted: Option<Vec<Email>>,
    limits: Limits,
    on_end: OnEnd,
    /// The secrets that commands get without being asked; the first entry for a variable counts.
    configured_secrets: Vec<ConfiguredSecrets>,
    password_rules: PasswordRules,
    retention: Retention,
    core_limit: Option<CoreLimit>,
    on_tamper: Option<String>,
    on_alert_failure: Option<AlertFailureNotice>,
    clock: Arc<dyn Clock>,
    path: PathBuf,
    /// `None` while there is no home on disk: then nobody is signed in, and reading creates
    /// nothing.
    home: Option<Home>,
}

/// The services of an opened home.
struct Home {
    dir: Arc<Dir>,
    audit: Arc<AuditLog>,
    sessions: SessionService,
    accounts: Arc<AccountService>,
}

impl Guard {
    /// The configured limits for new sessions.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What the configuration says about a running command whose session ends.
    pub fn on_end(&self) -> OnEnd {
        self.on_end
    }

    /// The configured retention of the audit log.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Runs the `audit.on_tamper` command, with the kind and `message` in its environment, and
    /// waits at most 12 seconds for it. `false` when none is configured.
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

    /// The audit log; `None` when there is no home yet.
    pub fn audit(&self) -> Option<&AuditLog> {
        self.home.as_ref().map(|home| &*home.audit)
    }

    /// The home. Commands that change something have opened it with [`Guard::open_or_create`].
    fn home(&self) -> Result<&Home, GuardError> {
        self.home.as_ref().ok_or_else(|| {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            GuardError::File(nightlatch_platform::fs::FsError::new(
                "open", &self.path, missing,
            ))
        })
    }
}

impl Home {
    fn new(
        dir: Arc<Dir>,
        accounts: AccountService,
        keepers: Keepers,
        audit: AuditLog,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let accounts = Arc::new(accounts);
        let audit = audit.created_only_while({
            let accounts = Arc::clone(&accounts);
            // An account is recorded before it exists.
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
            keepers,
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

/// The account's name for the audit log, if the directory knows the account.
fn name_of(accounts: &AccountService, id: AccountId) -> Option<AuditName> {
    let account = accounts.by_id(id).ok().flatten()?;
    Some(AuditName::known(account.email.normalized()))
}
