//! Account operations: register, sign in, change a password, look up.

mod enrolment;
mod error;
mod lockout;

use std::sync::Arc;
use std::time::Duration;

use crate::config::PasswordRules;
use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_core::crypto::kdf::{Argon2Params, HashFailed, SALT_LENGTH, argon2id};
use nightlatch_core::crypto::{Key, keyed_digest};
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_core::password::{self, into_normalized, untypeable};
use nightlatch_core::throttle::{self, FAILURES_TO_LOCK, Failures, Gate, remaining_attempts};
use nightlatch_platform::fs::{Dir, DirLock};

use super::directory::{Attempted, Directory, DirectoryError, Record, Writing};
use super::model::Account;
use super::sealed_key::{SealedKey, Whose};

pub use enrolment::{NewAccount, PrepareError, Sponsor};
pub use error::{ChangeError, RegisterError, SignInError};
pub use lockout::Lockout;

/// The directory of the locks that serialize attempts on one email.
const TURNS: &str = "sign-in";

/// Hashes a password; tests replace it to count calls and to act in between.
type Hasher =
    dyn Fn(&[u8], &[u8; SALT_LENGTH], Argon2Params) -> Result<Key, HashFailed> + Send + Sync;

/// Called with the duration before each wait that failed sign-ins cause.
pub type DelayNotice = Arc<dyn Fn(Duration) + Send + Sync>;

/// The accounts of one home.
///
/// Every call opens the account directory again; only the settings are kept between calls. Hold no
/// lock of the home or its contents when calling, because hashing takes a while.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let home = std::sync::Arc::new(nightlatch_platform::fs::Dir::open_or_create(&scratch.path().join("home"))?);
/// use nightlatch_core::crypto::kdf::Argon2Params;
/// use nightlatch_local::account::AccountService;
/// use nightlatch_platform::clock::SystemClock;
/// use nightlatch_local::config::PasswordRules;
/// use nightlatch_core::memory::SecretBuffer;
///
/// let clock = std::sync::Arc::new(SystemClock);
/// let accounts = AccountService::new(home, clock, PasswordRules::Nist, Argon2Params::FLOOR);
/// // Hashing consumes the password, so that it can be wiped.
/// let password = || {
///     let mut password = SecretBuffer::with_capacity(64);
///     assert!(password.push(b"violet tractor humming"));
///     password
/// };
///
/// let email = "alice@example.com".parse()?;
/// let new = accounts.prepare(&email, None, password())?;
/// let created = accounts.create(new, None, |_| Ok::<_, std::io::Error>(()))?;
/// let proven = accounts.sign_in(&email, password())?;
/// assert_eq!(proven.account.id, created.account.id);
/// # Ok(())
/// # }
/// ```
pub struct AccountService {
    home: Arc<Dir>,
    clock: Arc<dyn Clock>,
    rules: PasswordRules,
    params: Argon2Params,
    hasher: Box<Hasher>,
    on_delay: Option<DelayNotice>,
}

/// Proof that the right password was given at the time of the call, with the key that it opens.
#[must_use]
pub struct Authenticated {
    /// The account whose password was given.
    pub account: Account,
    /// The key that seals the account's data. Every password change replaces it.
    pub account_key: Key,
    /// The sealed key that the password opened, used to verify the password again.
    sealed: SealedKey,
}

/// The result of opening a record with the right password.
struct Opened {
    record: Record,
    account_key: Key,
    /// The re-sealed record, if its hash was cheaper than new ones.
    raised: Option<Record>,
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

    /// Checks a password. The attempt is recorded durably as failed before the password is checked;
    /// success reverses that. Text that cannot be a password is refused before that. An unknown
    /// email, a wrong password and a locked email all cost the same. The password is wiped as soon
    /// as it is hashed.
    ///
    /// Attempts on one email are serialized, so that several concurrent correct ones do not count
    /// as failures. A killed process releases its lock.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub fn sign_in(
        &self,
        email: &Email,
        password: SecretBuffer,
    ) -> Result<Authenticated, SignInError> {
        if let Some(found) = untypeable(&password) {
            return Err(SignInError::Untypeable(found));
        }
        let mut directory = Directory::open_or_create(&self.home)?;
        let tag_key = directory.tag_key()?;
        let tag = tag(&tag_key, email);
        let _turn = self.wait_for_turn(tag)?;

        let now = self.clock.now().wall;
        let (decoy_id, decoy) = decoy(&tag_key, email, self.params);
        let (attempted, failures, gate) = directory.write(|writing| {
            let (failures, gate) = count_attempt(writing, &tag, now)?;
            Ok::<_, DirectoryError>((writing.attempted(email, decoy_id)?, failures, gate))
        })?;
        if let Gate::Counted { delay } = gate
            && !delay.is_zero()
        {
            if let Some(told) = &self.on_delay {
                told(delay);
            }
            self.clock.sleep(delay);
        }

        let Attempted { record, params } = attempted;
        let known = record.as_ref().map(|record| record.account.id);
        let decoy = SealedKey {
            params: params.unwrap_or(decoy.params),
            ..decoy
        };
        let opened = self.open(record, password, (email, decoy_id, decoy), gate);
        if let Gate::Locked { until } = gate {
            return Err(SignInError::Locked { tag, known, until });
        }
        let wrong = || SignInError::Wrong {
            tag,
            known,
            remaining_attempts: remaining_attempts(failures.count),
            just_locked: failures.count >= FAILURES_TO_LOCK,
            failures: failures.count,
        };
        let Opened {
            record,
            account_key,
            raised,
        } = opened?.ok_or_else(wrong)?;
        let generation = record.account.generation;
        directory.write(|writing| {
            // Refuse a password that was changed while it was being hashed.
            let current = writing.by_email(email)?;
            if current.is_none_or(|current| {
                current.account.id != record.account.id || current.account.generation != generation
            }) {
                return Err(wrong());
            }
            if let Some(raised) = &raised {
                writing.reseal(raised, generation)?;
            }
            Ok(writing.forget(&tag)?)
        })?;
        let Record { account, sealed } = raised.unwrap_or(record);
        Ok(Authenticated {
            account,
            account_key,
            sealed,
        })
    }

    /// Changes the password of the `proven` account to `new`, and with it the account's generation
    /// and key. Someone with an older copy of the database and the old password cannot open what is
    /// sealed from now on.
    ///
    /// `lock` runs after the password is hashed and before the directory is locked. Its result is
    /// held until the change is committed or has failed. `before_commit` gets that result and the
    /// changed account when only the commit can still fail (it ends sessions and writes the audit
    /// event). If either fails, the old password stays. `before_commit` must not use this service,
    /// because the directory is locked.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn change_password<L, E>(
        &self,
        proven: Authenticated,
        new: SecretBuffer,
        lock: impl FnOnce() -> Result<L, E>,
        before_commit: impl FnOnce(&Account, &L) -> Result<(), E>,
    ) -> Result<Account, ChangeError<E>> {
        let Authenticated {
            mut account,
            sealed: old,
            ..
        } = proven;
        password::check(&new, self.rules, &account.email, account.name.as_ref())
            .map_err(ChangeError::Policy)?;
        let new = into_normalized(new).map_err(|bad| ChangeError::Policy(bad.into()))?;
        // The old password is wiped, so detect an equal new one by opening the old sealed key with
        // it.
        let root = (self.hasher)(new.expose(), &old.salt, old.params).map_err(ChangeError::Hash)?;
        if old.open(&root, Whose::of(&account)).is_ok() {
            return Err(ChangeError::SameAsOld);
        }
        let generation = account.generation;
        account.generation = generation.saturating_add(1);
        account.updated_at = self.clock.now().wall;
        let account_key = Key::random().map_err(DirectoryError::Random)?;
        let sealed = self.seal(new, self.params, &account, &account_key)?;
        let sealed = sealed.map_err(ChangeError::Hash)?;
        let record = Record { account, sealed };
        let mut directory = Directory::open_or_create(&self.home)?;
        let held = lock().map_err(ChangeError::BeforeCommit)?;
        directory.write(|writing| {
            if !writing.reseal(&record, generation)? {
                return Err(ChangeError::ChangedMeanwhile);
            }
            before_commit(&record.account, &held).map_err(ChangeError::BeforeCommit)
        })?;
        drop(held);
        Ok(record.account)
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

    /// The account with this email, and the tag that replaces the email of an unknown account in
    /// the audit log: a digest under a key of this home, the same each time. Takes the same work in
    /// both cases.
    ///
    /// # Errors
    /// From the directory.
    pub fn attempted(&self, email: &Email) -> Result<(Option<Account>, [u8; 16]), DirectoryError> {
        let directory = Directory::open_or_create(&self.home)?;
        let tag_key = directory.tag_key()?;
        let (decoy_id, _) = decoy(&tag_key, email, self.params);
        let record = directory.attempted(email, decoy_id)?.record;
        Ok((record.map(|record| record.account), tag(&tag_key, email)))
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

    /// Hashes and wipes the password, and opens the sealed key with the result.
    ///
    /// It takes the same work whether there is a record or not, and whether the text can be a
    /// password or not: one hash, one derivation, one opening. Only the right password of an
    /// unlocked account is hashed once more, if the cost has been raised.
    fn open(
        &self,
        record: Option<Record>,
        password: SecretBuffer,
        (email, decoy_id, decoy): (&Email, AccountId, SealedKey),
        gate: Gate,
    ) -> Result<Option<Opened>, SignInError> {
        // The empty password belongs to no account, so it replaces text that cannot be a password.
        let password = into_normalized(password).unwrap_or_else(|_| SecretBuffer::with_capacity(0));
        let nobody = Whose {
            id: decoy_id,
            generation: 0,
            email: email.normalized(),
        };
        let (whose, sealed) = match &record {
            Some(Record { account, sealed }) => (Whose::of(account), sealed),
            None => (nobody, &decoy),
        };
        let dearer = raised(sealed.params, self.params)
            .filter(|_| record.is_some() && matches!(gate, Gate::Counted { .. }));
        let root = (self.hasher)(password.expose(), &sealed.salt, sealed.params);
        // Wiped here, unless it has to be hashed once more.
        let password = dearer.map(|params| (params, password));
        let opened = sealed.open(&root.map_err(SignInError::Hash)?, whose);
        let Some((record, account_key)) = record.zip(opened.ok()) else {
            return Ok(None);
        };
        let raised = match password {
            Some((params, password)) => self.rehash(&record, password, params, &account_key)?,
            None => None,
        };
        Ok(Some(Opened {
            record,
            account_key,
            raised,
        }))
    }

    /// Seals the account key under `password` with a new salt, and wipes the password.
    fn seal(
        &self,
        password: SecretBuffer,
        params: Argon2Params,
        account: &Account,
        account_key: &Key,
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

    /// Seals the record again, at the cost of `params`.
    fn rehash(
        &self,
        record: &Record,
        password: SecretBuffer,
        params: Argon2Params,
        account_key: &Key,
    ) -> Result<Option<Record>, DirectoryError> {
        let account = record.account.clone();
        match self.seal(password, params, &account, account_key)? {
            Ok(sealed) => Ok(Some(Record { account, sealed })),
            Err(failed) => {
                // The password was right; the next sign-in tries again.
                tracing::warn!(%failed, "the password's hash keeps its old cost");
                Ok(None)
            }
        }
    }
}

/// The maximum of each parameter, if that exceeds what is `stored`.
fn raised(stored: Argon2Params, wanted: Argon2Params) -> Option<Argon2Params> {
    let greater = Argon2Params::new(
        stored.memory_kib().max(wanted.memory_kib()),
        stored.passes().max(wanted.passes()),
        stored.lanes().max(wanted.lanes()),
    );
    greater.ok().filter(|&greater| greater != stored)
}

/// Counts the attempt, and decides whether it may proceed.
fn count_attempt(
    writing: &Writing<'_>,
    tag: &[u8; 16],
    now: Timestamp,
) -> Result<(Failures, Gate), DirectoryError> {
    writing.prune(now)?;
    let (failures, gate) = throttle::begin(writing.failures(tag)?, now);
    writing.remember(tag, failures)?;
    Ok((failures, gate))
}

/// The tag under which failures are counted, for known and unknown emails alike.
fn tag(tag_key: &Key, email: &Email) -> [u8; 16] {
    cut(&digest(tag_key, "tag", email))
}

/// A sealed key for an email without an account, to be opened in vain. It is always the same, as an
/// account's is.
fn decoy(tag_key: &Key, email: &Email, params: Argon2Params) -> (AccountId, SealedKey) {
    let bytes = |purpose| digest(tag_key, purpose, email);
    let sealed = SealedKey {
        salt: cut(&bytes("decoy salt")),
        params,
        nonce: cut(&bytes("decoy nonce")),
        text: bytes("decoy key"),
        tag: cut(&bytes("decoy tag")),
    };
    (AccountId::from_bytes(cut(&bytes("decoy id"))), sealed)
}

fn digest(tag_key: &Key, purpose: &str, email: &Email) -> [u8; 32] {
    keyed_digest(tag_key, [purpose.as_bytes(), email.normalized().as_bytes()])
}

fn cut<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    let mut start = [0; N];
    start.copy_from_slice(&digest[..N]);
    start
}

#[cfg(test)]
mod tests;
