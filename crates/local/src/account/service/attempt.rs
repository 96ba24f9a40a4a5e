//! Attempts to sign in: counted durably before the password is checked, and at the same cost for
//! every email.

use super::decoy::Decoy;
use super::tags::tag;
use super::{AccountService, SignInError};
use crate::account::directory::{Attempted, Directory, DirectoryError, Record};
use crate::account::model::Account;
use crate::account::sealed_key::{SealedKey, Whose};
use nightlatch_core::crypto::kdf::Argon2Params;
use nightlatch_core::crypto::{AccountKey, Key};
use nightlatch_core::email::Email;
use nightlatch_core::id::AccountId;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_core::password::{into_normalized, untypeable};
use nightlatch_core::throttle::{self, FAILURES_TO_LOCK, Failures, Gate, remaining_attempts};
use nightlatch_platform::fs::DirLock;

/// An attempt to sign in with an email, which may be no account's. The account directory is opened
/// once for all of it.
#[must_use = "nothing is counted or checked yet"]
pub(crate) struct Attempt<'a> {
    pub(super) service: &'a AccountService,
    pub(super) email: &'a Email,
    pub(super) directory: Directory,
    pub(super) tag_key: Key,
    /// What is opened in vain if there is no account.
    pub(super) decoy: Decoy,
    known: Option<Account>,
}

/// Proof that the right password was given at the time of the call, with the key that it opens.
#[must_use]
pub(crate) struct Authenticated {
    /// The account whose password was given.
    pub account: Account,
    /// The key that seals the account's data. Every password change replaces it.
    pub account_key: AccountKey,
    /// The sealed key that the password opened, used to verify the password again.
    pub(super) sealed: SealedKey,
}

/// A right password, and the open account directory.
#[must_use]
pub(crate) struct Checked {
    pub proven: Authenticated,
    pub directory: Directory,
}

/// An attempt that was counted, and may be a right one.
pub(super) struct Counted {
    pub directory: Directory,
    /// Held until the password is checked.
    pub turn: DirLock,
    pub attempted: Attempted,
    pub failures: Failures,
    pub gate: Gate,
}

/// The result of opening a record with the right password.
struct Opened {
    record: Record,
    account_key: AccountKey,
    /// The re-sealed record, if its hash was cheaper than new ones.
    raised: Option<Record>,
}

impl AccountService {
    /// Begins an attempt to sign in. Nothing is counted yet.
    ///
    /// # Errors
    /// From the directory.
    pub(crate) fn attempt<'a>(&'a self, email: &'a Email) -> Result<Attempt<'a>, DirectoryError> {
        let directory = Directory::open_or_create(&self.home)?;
        let tag_key = directory.tag_key()?;
        let decoy = Decoy::of(&tag_key, email, self.params);
        let found = directory.attempted(email, decoy.id)?.record;
        Ok(Attempt {
            service: self,
            email,
            directory,
            tag_key,
            decoy,
            known: found.map(|record| record.account),
        })
    }

    /// Counts an attempt under `tag` as failed, once the delay has passed that earlier failures
    /// cause, and reads what the attempt needs. Waits without holding a lock.
    pub(super) fn count_attempt(
        &self,
        mut directory: Directory,
        tag: [u8; 16],
        (email, decoy_id): (&Email, AccountId),
    ) -> Result<Counted, DirectoryError> {
        let mut is_told = false;
        loop {
            let turn = self.wait_for_turn(tag)?;
            let now = self.clock.now().wall;
            let writing = directory.begin()?;
            writing.prune(now)?;
            let (failures, gate) = throttle::begin(writing.failures(&tag)?, now);
            writing.remember(&tag, failures)?;
            let attempted = writing.attempted(email, decoy_id)?;
            directory = writing.commit()?;
            let Gate::TooEarly { retry_after } = gate else {
                return Ok(Counted {
                    directory,
                    turn,
                    attempted,
                    failures,
                    gate,
                });
            };
            drop(turn);
            if let Some(told) = self.on_delay.as_ref().filter(|_| !is_told) {
                told(retry_after);
            }
            is_told = true;
            self.clock.sleep(retry_after);
        }
    }
}

impl Attempt<'_> {
    /// The account with the email. Do not show whether there is one.
    pub fn known(&self) -> Option<&Account> {
        self.known.as_ref()
    }

    /// The digest that replaces the email of an unknown account in the audit log: under a key of
    /// this home, the same each time.
    pub fn tag(&self) -> [u8; 16] {
        tag(&self.tag_key, self.email)
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
    pub fn check(self, password: SecretBuffer) -> Result<Checked, SignInError> {
        if let Some(found) = untypeable(&password) {
            return Err(SignInError::Untypeable(found));
        }
        let tag = self.tag();
        let Self {
            service,
            email,
            directory,
            decoy: Decoy { id, sealed, .. },
            ..
        } = self;
        let Counted {
            directory,
            turn,
            attempted: Attempted { record, params },
            failures,
            gate,
        } = service.count_attempt(directory, tag, (email, id))?;
        let known = record.as_ref().map(|record| record.account.id);
        let decoy = SealedKey {
            params: params.unwrap_or(sealed.params),
            ..sealed
        };
        let opened = service.open(record, password, (email, id, decoy), gate);
        let wrong = failure(tag, known, failures);
        if let Gate::Locked { until } = gate {
            return Err(SignInError::Locked { tag, known, until });
        }
        let Opened {
            record,
            account_key,
            raised,
        } = opened?.ok_or_else(&wrong)?;
        let generation = record.account.generation;
        let writing = directory.begin()?;
        // Refuse a password that was changed while it was being hashed.
        if !writing.is_current(&record.account)? {
            return Err(wrong());
        }
        if let Some(raised) = &raised {
            writing.reseal(raised, generation)?;
        }
        writing.forget(&tag)?;
        let directory = writing.commit()?;
        if raised.is_some() {
            // The key sealed under the cheaper hash.
            directory.erase_leftovers();
        }
        drop(turn);
        let Record { account, sealed } = raised.unwrap_or(record);
        Ok(Checked {
            proven: Authenticated {
                account,
                account_key,
                sealed,
            },
            directory,
        })
    }
}

impl AccountService {
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
        let (whose, sealed) = match &record {
            Some(Record { account, sealed }) => (Whose::of(account), sealed),
            None => (Whose::nobody(decoy_id, email), &decoy),
        };
        let dearer = raised(sealed.params, self.params)
            .filter(|_| record.is_some() && matches!(gate, Gate::Counted));
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

    /// Seals the record again, at the cost of `params`.
    fn rehash(
        &self,
        record: &Record,
        password: SecretBuffer,
        params: Argon2Params,
        account_key: &AccountKey,
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

/// The error for a wrong password or code, whether there is an account or not.
pub(super) fn failure(
    tag: [u8; 16],
    known: Option<AccountId>,
    failures: Failures,
) -> impl Fn() -> SignInError {
    move || SignInError::Wrong {
        tag,
        known,
        remaining_attempts: remaining_attempts(failures.count),
        just_locked: failures.count >= FAILURES_TO_LOCK,
        failures: failures.count,
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
