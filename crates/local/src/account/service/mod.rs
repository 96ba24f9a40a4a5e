//! Account operations: register, sign in, change a password, look up.

mod attempt;
mod change;
mod code_seal;
mod committed;
mod decoy;
mod enrolment;
mod error;
mod lockout;
mod password_change;
mod recovery;
mod tags;

use std::sync::Arc;
use std::time::Duration;

use crate::config::PasswordRules;
use nightlatch_core::clock::Clock;
use nightlatch_core::crypto::kdf::{Argon2Params, HashFailed, SALT_LENGTH, argon2id};
use nightlatch_core::crypto::{AccountKey, Key};
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_platform::fs::{Dir, DirLock};

use super::directory::{Directory, DirectoryError, Record};
use super::model::Account;
use super::sealed_key::{SealedKey, Whose};

use committed::Committed;

pub(crate) use attempt::{Attempt, Authenticated, Checked};
pub(crate) use enrolment::{NewAccount, PrepareError, Registration, Sponsor};
pub(crate) use error::{ChangeError, RegisterError, SignInError};
pub use lockout::Lockout;
pub(crate) use password_change::{PasswordChange, PreparedPassword};
pub(crate) use recovery::Recovered;

/// The directory of the locks that serialize attempts on one email.
const TURNS: &str = "sign-in";

/// Hashes a password; tests replace it to count calls and to act in between.
type Hasher =
    dyn Fn(&[u8], &[u8; SALT_LENGTH], Argon2Params) -> Result<Key, HashFailed> + Send + Sync;

/// Called with the duration before each wait that failed sign-ins cause.
pub type DelayNotice = Arc<dyn Fn(Duration) + Send + Sync>;

/// The accounts of one home. This only looks them up; [`Guard`](crate::guard::Guard) changes them,
/// because every change is recorded and may end sessions.
///
/// Every call opens the account directory again; only the settings are kept between calls.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let home = std::sync::Arc::new(nightlatch_platform::fs::Dir::open_or_create(&scratch.path().join("home"))?);
/// use nightlatch_core::crypto::kdf::Argon2Params;
/// use nightlatch_local::account::AccountService;
/// use nightlatch_local::config::PasswordRules;
/// use nightlatch_platform::clock::SystemClock;
///
/// let clock = std::sync::Arc::new(SystemClock);
/// let accounts = AccountService::new(home, clock, PasswordRules::Nist, Argon2Params::FLOOR);
/// assert_eq!(accounts.count()?, 0);
/// assert_eq!(accounts.find(&"alice@example.com".parse()?)?, None);
/// # Ok(())
/// # }
/// ```
///
/// An account cannot be created past the guard:
///
/// ```compile_fail,E0624
/// # use nightlatch_core::memory::SecretBuffer;
/// # use nightlatch_local::account::{AccountService, Email};
/// fn create(accounts: &AccountService, email: &Email, password: SecretBuffer) {
///     let _ = accounts.prepare(email, None, password);
/// }
/// ```
pub struct AccountService {
    home: Arc<Dir>,
    clock: Arc<dyn Clock>,
    rules: PasswordRules,
    params: Argon2Params,
    hasher: Box<Hasher>,
    on_delay: Option<DelayNotice>,
}

impl AccountService {
    /// Accounts in `home`; new passwords are checked against `rules` and hashed with the cost
    /// `params`.
    pub fn new(
        home: Arc<Dir>,
        clock: Arc<dyn Clock>,
        rules: PasswordRules,
        params: Argon2Params,
    ) -> Self {
        Self {
            home,
            clock,
            rules,
            params,
            hasher: Box::new(argon2id),
            on_delay: None,
        }
    }

    /// Sets a function called before each wait, so that the user knows why it takes time.
    #[must_use]
    pub fn on_delay(mut self, told: Option<DelayNotice>) -> Self {
        self.on_delay = told;
        self
    }

    /// The account with this email.
    ///
    /// # Errors
    /// From the directory.
    pub fn find(&self, email: &Email) -> Result<Option<Account>, DirectoryError> {
        self.look(|directory| directory.by_email(email))
    }

    /// The account with this id.
    ///
    /// # Errors
    /// From the directory.
    pub fn by_id(&self, id: AccountId) -> Result<Option<Account>, DirectoryError> {
        self.look(|directory| directory.by_id(id))
    }

    /// The account, if there is exactly one.
    ///
    /// # Errors
    /// From the directory.
    pub fn only(&self) -> Result<Option<Account>, DirectoryError> {
        self.look(Directory::only)
    }

    /// The number of accounts.
    ///
    /// # Errors
    /// From the directory.
    pub fn count(&self) -> Result<u64, DirectoryError> {
        Directory::open_existing(&self.home)?.map_or(Ok(0), |directory| directory.count())
    }

    /// The ids of all accounts.
    ///
    /// # Errors
    /// From the directory.
    pub fn ids(&self) -> Result<Vec<AccountId>, DirectoryError> {
        Directory::open_existing(&self.home)?.map_or(Ok(Vec::new()), |directory| directory.ids())
    }

    /// The emails of the first `limit` accounts, normalized and sorted. Takes no lock and creates
    /// no file. Another process's concurrent change may be missing, or make this fail.
    ///
    /// # Errors
    /// When the account directory cannot be read that way.
    pub fn emails_at_rest(&self, limit: u32) -> Result<Vec<String>, DirectoryError> {
        let directory = Directory::open_at_rest(&self.home)?;
        directory.map_or(Ok(Vec::new()), |directory| directory.emails(limit))
    }

    /// The generation of an account's sessions; `None` when there is no such account.
    ///
    /// # Errors
    /// From the directory.
    pub fn generation(&self, id: AccountId) -> Result<Option<u64>, DirectoryError> {
        Ok(self.by_id(id)?.map(|account| account.generation))
    }

    fn look(
        &self,
        find: impl FnOnce(&Directory) -> Result<Option<Record>, DirectoryError>,
    ) -> Result<Option<Account>, DirectoryError> {
        let Some(directory) = Directory::open_existing(&self.home)? else {
            return Ok(None);
        };
        Ok(find(&directory)?.map(|record| record.account))
    }

    /// Takes one of sixteen locks, selected by email. This also bounds the memory that concurrent
    /// hashing takes.
    fn wait_for_turn(&self, tag: [u8; 16]) -> Result<DirLock, DirectoryError> {
        let turns = self.home.subdir_or_create(TURNS)?;
        let turn = turns.subdir_or_create(&format!("{:x}", tag[0] & 0x0f))?;
        Ok(turn.lock()?)
    }

    /// Seals the account key under `password` with a new salt, and wipes the password.
    fn seal(
        &self,
        password: SecretBuffer,
        params: Argon2Params,
        account: &Account,
        account_key: &AccountKey,
    ) -> Result<Result<SealedKey, HashFailed>, DirectoryError> {
        let mut salt = [0; SALT_LENGTH];
        getrandom::fill(&mut salt)?;
        let root = (self.hasher)(password.expose(), &salt, params);
        drop(password);
        let root = match root {
            Ok(root) => root,
            Err(failed) => return Ok(Err(failed)),
        };
        let whose = Whose::of(account);
        Ok(Ok(SealedKey::seal(
            &root,
            (salt, params),
            whose,
            account_key,
        )?))
    }
}

#[cfg(test)]
mod tests;
