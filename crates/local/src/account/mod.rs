//! Accounts: who may sign in, with which password, and how often it may be guessed.

mod directory;
mod model;
mod password;
mod policy;
mod sealed_key;
mod service;
mod throttle;

pub use directory::{DatabaseState, DirectoryError, check_database};
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub use model::properties;
pub use model::{Account, BadName, DisplayName, NAME_MAX_CHARS};
pub use nightlatch_core::email::{BadEmail, EMAIL_MAX_BYTES, Email};
pub use password::{
    BadPassword, PASSWORD_MAX_BYTES, Untypeable, normalize as normalize_password, untypeable,
};
pub use policy::{
    Kind, MIN_SCORE, NIST_MIN_CHARS, PCI_MIN_CHARS, PolicyRefusal, Strength, Telling,
    check as check_password,
};
pub use service::{
    AccountService, Authenticated, ChangeError, DelayNotice, Lockout, NewAccount, PrepareError,
    RegisterError, SignInError, Sponsor,
};
pub use throttle::{FAILURES_TO_LOCK, LOCK, delay_before_attempt, remaining_attempts};
