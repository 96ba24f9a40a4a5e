//! Nightlatch gives terminal work a real login session: sign in once, keep working, and it locks
//! itself 15 minutes after you stop. The `nightlatch` command is built on this library; other
//! command-line programs can use it to guard their own commands.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let scratch = tempfile::tempdir()?;
//! # let config = nightlatch::GuardConfig::under(scratch.path().join("home"));
//! use nightlatch::{ActiveSession, Denied, Guard};
//!
//! // A function that needs a session takes proof of one.
//! fn deploy(session: &ActiveSession<'_>, target: &str) {
//!     println!("{} deploys to {target}", session.username());
//! }
//!
//! let guard = Guard::open(config)?; // GuardConfig::of_user()? for the user's own home
//! match guard.require("deploy") {
//!     Ok(session) => deploy(&session, "production"),
//!     Err(Denied::NoSession { .. }) => eprintln!("sign in first: nightlatch login"),
//!     Err(denied) => return Err(denied.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Guard`] hands out [`ActiveSession`]s and runs commands. It is built on the [`SessionService`],
//! the [`AccountService`](account::AccountService) and the [`AuditLog`].

#![deny(missing_docs)]

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;

pub use nightlatch_audit as audit;
pub use nightlatch_audit::AuditLog;
pub use nightlatch_core::crypto::kdf::{Argon2Params, HashFailed, ParamsOutOfBounds};
pub use nightlatch_core::{id, memory};
pub use nightlatch_local::config::Config;
#[cfg(unix)]
pub use nightlatch_local::guard::SessionWatch;
pub use nightlatch_local::guard::run::Ended;
pub use nightlatch_local::guard::{
    AccountError, AccountNotice, AccountOverview, AccountRemoved, ActiveSession, AlertFailed,
    AlertKind, CommandError, CommandsUnder, Denied, Finished, Guard, GuardConfig, GuardError,
    HangUp, Orphans, PasswordChangeError, Profile, ProvenAccount, ProvenCode, ProvenPassword,
    RecoverError, RecoveredAccount, Refusals, RegisterError, Registered, Registration, Revoke,
    Revoked, RunOptions, Running, Scripts, SecretError, Secrets, SessionListing, SignInError,
    SignedIn, Upkeep, Vouched, is_home, last_guarded_commands,
};
pub use nightlatch_local::session::SessionService;
pub use nightlatch_local::{account, config, guard, mask, paths, secrets, session};
pub use nightlatch_platform::fs::{
    Dir, Erasure, FsError, FsProblem, Kept, MemoryFile, Storage, Survey, Unsure, Wait, shell_word,
    storage, survey, tell_of_waits,
};
#[cfg(unix)]
pub use nightlatch_platform::fs::{LockHolder, record_lock_holder};

/// Timestamps and clocks.
pub mod clock {
    pub use nightlatch_core::clock::*;
    pub use nightlatch_platform::clock::SystemClock;
}
