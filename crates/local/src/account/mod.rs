//! Accounts: who may sign in, with which password, and how often it may be guessed.

mod directory;
mod model;
mod sealed_key;
mod service;

pub(crate) use directory::Directory;
pub use directory::{DatabaseState, DirectoryError, check_database};
pub use model::Account;
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub use model::properties;
pub use nightlatch_core::display_name::{BadName, DisplayName, NAME_MAX_CHARS};
pub use nightlatch_core::email::{BadEmail, EMAIL_MAX_BYTES, Email};
pub use nightlatch_core::password::{
    BadPassword, Kind, MIN_SCORE, NIST_MIN_CHARS, PASSWORD_MAX_BYTES, PCI_MIN_CHARS, PolicyRefusal,
    Strength, Telling, Untypeable, check as check_password, normalize as normalize_password,
    untypeable,
};
pub use nightlatch_core::recovery_code::{BadRecoveryCode, RECOVERY_CODE_CHARS, RecoveryCode};
pub use nightlatch_core::throttle::{
    FAILURES_TO_LOCK, LOCK, delay_before_attempt, remaining_attempts,
};
pub use service::{AccountService, DelayNotice, Lockout};
pub(crate) use service::{
    Attempt, Authenticated, ChangeError, Checked, NewAccount, PasswordChange, PrepareError,
    Recovered, RegisterError, SignInError, Sponsor,
};
