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
//! [`Guard`] hands out [`ActiveSession`]s, runs commands, keeps [`Secrets`] and has the [`AuditLog`].
//!
//! This crate has what a program needs to guard its own commands, and nothing else. A type that a
//! function here returns for another function here, such as a proof of a password, needs no name. What
//! the `nightlatch` command needs besides is in the crates `nightlatch-local`, `nightlatch-audit` (to
//! query and verify logs) and `nightlatch-core`.

#![deny(missing_docs)]
#![warn(unnameable_types, unreachable_pub)]

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;

// Sessions, and whether there is one.
#[cfg(unix)]
pub use nightlatch_local::guard::SessionWatch;
pub use nightlatch_local::guard::{
    ActiveSession, Denied, Guard, GuardConfig, GuardError, SessionListing,
};
pub use nightlatch_local::session::{EndReason, SessionState, SessionStatus};

// Commands that run only during one.
pub use nightlatch_local::guard::run::Ended;
pub use nightlatch_local::guard::{
    CommandError, Finished, Orphans, Refusals, RunOptions, Running, Scripts,
};

// Accounts, and signing in to them.
pub use nightlatch_local::account::{DisplayName, Email};
pub use nightlatch_local::guard::{
    AccountError, AccountNotice, PasswordChangeError, RecoverError, RegisterError, Registered,
    Registration, SignInError, SignedIn,
};

// Ending sessions for a reason.
pub use nightlatch_local::guard::{CommandsUnder, Revoke, Revoked};

// How long sessions last, and where their keys are.
pub use nightlatch_local::config::{KeeperChoice, Limits};
pub use nightlatch_local::session::AgentLauncher;

// The secrets of an account, and secrets in memory.
pub use nightlatch_core::memory::{Secret, SecretBuffer, WipingAllocator, harden};
pub use nightlatch_local::guard::{SecretError, Secrets};
pub use nightlatch_local::secrets::{SecretBinding, SecretGiven, SecretName};

pub use nightlatch_audit::AuditLog;

/// Times, and the clocks that a test passes to [`GuardConfig::with_danger_clock`].
pub mod clock {
    pub use nightlatch_core::clock::{Boot, BootTime, Clock, Moment, Timestamp};
    pub use nightlatch_platform::clock::SystemClock;
}
