//! An account's record.

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;

use nightlatch_core::clock::Timestamp;
use nightlatch_core::display_name::DisplayName;
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;

/// An account's public data; nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account's permanent identifier.
    pub id: AccountId,
    /// The email used to sign in.
    pub email: Email,
    /// The display name, if given.
    pub name: Option<DisplayName>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When its name, email or password last changed.
    pub updated_at: Timestamp,
    /// Incremented each time all sessions of the account are ended at once; a session of another
    /// generation is dead.
    pub generation: u64,
}
