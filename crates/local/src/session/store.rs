//! Storage of session files and of the account in use.

use std::sync::Arc;
use std::time::Duration;

use super::ended::{ENDED, ENDED_LIMIT, Ends};
use super::file::{FILE_LENGTH, FileBytes};
use super::home::{self, HOME, Identity};
use super::revocation::{NOTE_LIMIT, Revocations};
use nightlatch_core::clock::BootTime;
use nightlatch_core::id::{AccountId, HomeId};
use nightlatch_platform::fs::{Dir, DirLock, Durability, FsError, FsProblem, read_bounded};

/// The directory of the session files.
pub const SESSIONS: &str = "sessions";
const SUFFIX: &str = ".session";
const REVOKED_SUFFIX: &str = ".revoked";
const CURRENT: &str = "current";
/// The last line where `account switch` chose the account.
const SWITCHED: &str = "switched";
/// Room for two ids and that line, each with a newline, and little more.
const CURRENT_LIMIT: usize = 128;
/// A newer version's file may be longer than ours; anything longer than this is no session file.
const READ_LIMIT: usize = 16 * FILE_LENGTH;

/// How an account came to be the one in use where none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InUse {
    /// It signed in last.
    SignedIn,
    /// `account switch` chose it.
    Switched,
}

/// The account in use where none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountInUse {
    /// The account.
    pub account: AccountId,
    /// How it came to be in use.
    pub how: InUse,
    /// The last other account that was in use before it.
    pub before: Option<AccountId>,
}

impl AccountInUse {
    fn parse(content: &str) -> Option<Self> {
        let mut lines = content.lines().map(str::trim_end).peekable();
        let account = lines.next()?.parse().ok()?;
        let before = lines.next_if(|&line| line != SWITCHED);
        let is_switched = lines.next() == Some(SWITCHED);
        Some(Self {
            account,
            how: if is_switched {
                InUse::Switched
            } else {
                InUse::SignedIn
            },
            before: before.and_then(|line| line.parse().ok()),
        })
    }

    fn content(self) -> String {
        let Self {
            account,
            how,
            before,
        } = self;
        let before = before.map(|before| format!("{before}\n"));
        let switched = match how {
            InUse::SignedIn => String::new(),
            InUse::Switched => format!("{SWITCHED}\n"),
        };
        format!("{account}\n{}{switched}", before.unwrap_or_default())
    }
}

/// The session files of a home.
#[derive(Clone)]
pub struct Store {
    home: Arc<Dir>,
}

impl Store {
    /// The store in `home`; touches nothing yet.
    pub fn new(home: Arc<Dir>) -> Self {
        Self { home }
    }

    /// The identity of this home; `None` when it has no id, or a garbled one.
    ///
    /// # Errors
    /// When it is not a private regular file of this user (see [`nightlatch_platform::fs`]), or
    /// cannot be read.
    pub fn identity(&self) -> Result<Option<Identity>, FsError> {
        home::identity(&self.home)
    }

    /// As [`Store::identity`], but gives the home an id when it has none.
    ///
    /// # Errors
    /// As [`Store::identity`], and when the id cannot be written.
    pub fn identity_or_create(&self) -> Result<Identity, FsError> {
        if let Some(identity) = self.identity()? {
            return Ok(identity);
        }
        let _lock = self.home.lock()?;
        match self.identity()? {
            // Another process has just written it.
            Some(identity) => Ok(identity),
            None => self.write_identity(),
        }
    }

    /// Gives the home a new id, which no copy of it has. This ends its sessions.
    ///
    /// # Errors
    /// When the id cannot be written.
    pub fn renew_identity(&self) -> Result<Identity, FsError> {
        let _lock = self.home.lock()?;
        self.write_identity()
    }

    /// Call it under the home's lock.
    fn write_identity(&self) -> Result<Identity, FsError> {
        let failed =
            |error: std::io::Error| FsError::new("write", self.home.path().join(HOME), error);
        let random = HomeId::random().map_err(std::io::Error::other);
        let id = random.map_err(failed)?;
        let content = home::content(id);
        self.home
            .write_atomic(HOME, content.as_bytes(), Durability::Volatile)?;
        let written = self.identity()?;
        written.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
    }

    /// The lock under which sessions change. Taken before the audit log's, never after.
    ///
    /// # Errors
    /// When the directory cannot be opened, created or locked.
    pub fn lock(&self) -> Result<DirLock, FsError> {
        self.home.subdir_or_create(SESSIONS)?.lock()
    }

    /// As [`Store::lock`], but waits at most `limit`; `None` when another process holds it all that
    /// time.
    ///
    /// # Errors
    /// As [`Store::lock`].
    pub fn lock_within(&self, limit: Duration) -> Result<Option<DirLock>, FsError> {
        self.home.subdir_or_create(SESSIONS)?.lock_within(limit)
    }

    /// Whether the session lock is held right now. Creates nothing.
    ///
    /// # Errors
    /// When the directory cannot be opened, or the lock cannot be tried.
    pub fn is_locked(&self) -> Result<bool, FsError> {
        match self.home.subdir(SESSIONS)? {
            None => Ok(false),
            Some(dir) => dir.is_locked(),
        }
    }

    /// The account in use where none is named; `None` when there is none, or its record is garbled
    /// (it is a convenience, and signing in rewrites it).
    ///
    /// # Errors
    /// When it is not a private regular file of this user, or cannot be read.
    pub fn current(&self) -> Result<Option<AccountId>, FsError> {
        Ok(self.in_use()?.map(|in_use| in_use.account))
    }

    /// As [`Store::current`], with how it came to be in use and the account before it.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn in_use(&self) -> Result<Option<AccountInUse>, FsError> {
        let Some(file) = self.home.open_file(CURRENT)? else {
            return Ok(None);
        };
        let content = read_bounded(&file, &self.home.path().join(CURRENT), CURRENT_LIMIT)?;
        let content = String::from_utf8(content).unwrap_or_default();
        Ok(AccountInUse::parse(&content))
    }

    /// Records that this account is in use from now on, and removes half-written files that a crash
    /// left in the home. Takes the home's lock, because another process may be creating a database
    /// there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_current(&self, account: AccountId, how: InUse) -> Result<(), FsError> {
        let _lock = self.home.lock()?;
        self.home.sweep_temporary()?;
        // The existing record may be damaged; it is replaced.
        let before = match self.in_use().unwrap_or_default() {
            Some(last) if last.account == account => last.before,
            last => last.map(|last| last.account),
        };
        let in_use = AccountInUse {
            account,
            how,
            before,
        };
        self.home
            .write_atomic(CURRENT, in_use.content().as_bytes(), Durability::Volatile)
    }

    /// Forgets the account in use, if it is this one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget_current(&self, account: AccountId) -> Result<(), FsError> {
        let _lock = self.home.lock()?;
        if self.current().unwrap_or_default() == Some(account) {
            self.home.unlink(CURRENT)?;
        }
        Ok(())
    }

    /// The bytes of the account's session file; `None` when there is none.
    ///
    /// # Errors
    /// When it is not a private regular file of this user (see [`nightlatch_platform::fs`]), or
    /// cannot be read.
    pub fn read(&self, account: AccountId) -> Result<Option<Vec<u8>>, FsError> {
        let Some(dir) = self.home.subdir(SESSIONS)? else {
            return Ok(None);
        };
        let name = file_name(account);
        let Some(file) = dir.open_file(&name)? else {
            return Ok(None);
        };
        read_bounded(&file, &dir.path().join(&name), READ_LIMIT).map(Some)
    }

    /// Replaces the account's session file atomically. Not synced: losing it ends a session, which
    /// is safe.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, account: AccountId, file: &FileBytes) -> Result<(), FsError> {
        let dir = self.home.subdir_or_create(SESSIONS)?;
        dir.sweep_temporary()?;
        dir.write_atomic(&file_name(account), file, Durability::Volatile)
    }

    /// Removes the account's session file, or whatever has taken its place. Returns whether there
    /// was anything.
    ///
    /// # Errors
    /// When the system refuses, for example because it is a directory that is not empty.
    pub fn remove(&self, account: AccountId) -> Result<bool, FsError> {
        match self.home.subdir(SESSIONS)? {
            None => Ok(false),
            Some(dir) => dir.unlink(&file_name(account)),
        }
    }

    /// When a session of the account last ended on this boot, if known.
    ///
    /// # Errors
    /// When it is not a private regular file of this user (see [`nightlatch_platform::fs`]), or
    /// cannot be read.
    pub fn last_end(
        &self,
        account: AccountId,
        boot_id: [u8; 16],
    ) -> Result<Option<BootTime>, FsError> {
        Ok(self.ends(boot_id)?.of(account))
    }

    /// Records that a session of the account ended `at` this time. Call it under the session lock.
    ///
    /// # Errors
    /// As [`Store::last_end`], and when it cannot be written.
    pub fn note_end(
        &self,
        account: AccountId,
        boot_id: [u8; 16],
        at: BootTime,
    ) -> Result<(), FsError> {
        let mut ends = self.ends(boot_id)?;
        ends.note(account, at);
        self.home
            .write_atomic(ENDED, ends.content().as_bytes(), Durability::Volatile)
    }

    fn ends(&self, boot_id: [u8; 16]) -> Result<Ends, FsError> {
        let content = match self.home.open_file(ENDED)? {
            Some(file) => read_bounded(&file, &self.home.path().join(ENDED), ENDED_LIMIT)?,
            None => Vec::new(),
        };
        Ok(Ends::parse(&content, boot_id))
    }

    /// The revocations of the account's sessions. A note that cannot be trusted counts as damaged.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn revocations(&self, account: AccountId) -> Result<Revocations, FsError> {
        let Some(dir) = self.home.subdir(SESSIONS)? else {
            return Ok(Revocations::default());
        };
        let name = format!("{account}{REVOKED_SUFFIX}");
        let read = dir.open_file(&name).and_then(|file| match file {
            Some(file) => read_bounded(&file, &dir.path().join(&name), NOTE_LIMIT).map(Some),
            None => Ok(None),
        });
        match read {
            Ok(None) => Ok(Revocations::default()),
            Ok(Some(content)) => Ok(Revocations::parse(&content)),
            Err(error) if matches!(error.problem, FsProblem::Io(_)) => Err(error),
            Err(_) => Ok(Revocations::damaged()),
        }
    }

    /// Replaces the note of the account's revocations. Call it under the session lock.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_revocations(
        &self,
        account: AccountId,
        revocations: &Revocations,
    ) -> Result<(), FsError> {
        let dir = self.home.subdir_or_create(SESSIONS)?;
        let name = format!("{account}{REVOKED_SUFFIX}");
        let failed = |error| FsError::new("write", dir.path().join(&name), error);
        let content = revocations.content().map_err(failed)?;
        dir.write_atomic(&name, &content, Durability::Synced)
    }

    /// The accounts that have a session file.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn accounts(&self) -> Result<Vec<AccountId>, FsError> {
        self.accounts_with(SUFFIX)
    }

    /// The accounts that have a note of revocations.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn revoked_accounts(&self) -> Result<Vec<AccountId>, FsError> {
        self.accounts_with(REVOKED_SUFFIX)
    }

    fn accounts_with(&self, suffix: &str) -> Result<Vec<AccountId>, FsError> {
        let Some(dir) = self.home.subdir(SESSIONS)? else {
            return Ok(Vec::new());
        };
        let names = dir.names()?;
        Ok(names
            .iter()
            .filter_map(|name| name.strip_suffix(suffix)?.parse().ok())
            .collect())
    }
}

fn file_name(account: AccountId) -> String {
    format!("{account}{SUFFIX}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Store) {
        let temp = tempfile::tempdir().unwrap();
        let home = Dir::open_or_create(&temp.path().join("home")).unwrap();
        (temp, Store::new(Arc::new(home)))
    }

    #[test]
    fn nothing_is_created_by_looking() {
        let (_temp, store) = scratch();
        let account = AccountId::from_bytes([1; 16]);
        assert!(store.read(account).unwrap().is_none());
        assert!(store.current().unwrap().is_none());
        assert!(!store.remove(account).unwrap());
        assert_eq!(store.accounts().unwrap(), []);
        assert!(store.identity().unwrap().is_none());
        assert_eq!(store.home.names().unwrap(), [""; 0]);
    }

    #[test]
    fn a_home_keeps_its_id_until_it_is_renewed_and_a_garbled_one_is_replaced() {
        let (_temp, store) = scratch();
        let first = store.identity_or_create().unwrap();
        assert_eq!(store.identity_or_create().unwrap(), first);
        let renewed = store.renew_identity().unwrap();
        assert_ne!(renewed.id, first.id);
        assert!(!renewed.place.is_same(first.place));
        assert_eq!(store.identity().unwrap(), Some(renewed));
        store
            .home
            .write_atomic(HOME, b"garbled", Durability::Volatile)
            .unwrap();
        assert_eq!(store.identity().unwrap(), None);
        assert_ne!(store.identity_or_create().unwrap().id, renewed.id);
    }

    #[test]
    fn a_session_file_is_named_by_the_account_id() {
        let (_temp, store) = scratch();
        let account = AccountId::from_bytes([1; 16]);
        store.write(account, &[7; FILE_LENGTH]).unwrap();
        assert_eq!(store.read(account).unwrap().unwrap(), [7; FILE_LENGTH]);
        assert_eq!(store.accounts().unwrap(), [account]);
        assert!(store.remove(account).unwrap());
        assert!(store.read(account).unwrap().is_none());
    }

    #[test]
    fn noting_the_current_account_sweeps_what_a_crash_left_in_the_home() {
        let (_temp, store) = scratch();
        for left in [".tmp-0000", ".tmp-accounts.db-journal"] {
            let _ = store.home.create_new(left).unwrap();
        }
        store
            .set_current(AccountId::from_bytes([1; 16]), InUse::SignedIn)
            .unwrap();
        assert_eq!(store.home.names().unwrap(), [CURRENT]);
    }

    #[test]
    fn the_account_before_is_the_last_other_one() {
        let (_temp, store) = scratch();
        let [alice, bob] = [1, 2].map(|byte| AccountId::from_bytes([byte; 16]));
        let becomes = |account, how, before| {
            store.set_current(account, how).unwrap();
            let expected = AccountInUse {
                account,
                how,
                before,
            };
            assert_eq!(store.in_use().unwrap(), Some(expected));
        };
        becomes(alice, InUse::SignedIn, None);
        becomes(bob, InUse::SignedIn, Some(alice));
        becomes(bob, InUse::SignedIn, Some(alice));
        becomes(alice, InUse::Switched, Some(bob));
        becomes(alice, InUse::SignedIn, Some(bob));
    }

    #[test]
    fn the_first_account_in_use_may_have_been_switched_to() {
        let (_temp, store) = scratch();
        let [alice, bob] = [1, 2].map(|byte| AccountId::from_bytes([byte; 16]));
        store.set_current(alice, InUse::Switched).unwrap();
        let in_use = store.in_use().unwrap().unwrap();
        assert_eq!((in_use.how, in_use.before), (InUse::Switched, None));
        store.set_current(bob, InUse::SignedIn).unwrap();
        let in_use = store.in_use().unwrap().unwrap();
        assert_eq!((in_use.how, in_use.before), (InUse::SignedIn, Some(alice)));
    }

    #[test]
    fn the_current_account_is_forgotten_only_if_it_is_the_one_meant() {
        let (_temp, store) = scratch();
        let [alice, bob] = [1, 2].map(|byte| AccountId::from_bytes([byte; 16]));
        store.set_current(alice, InUse::SignedIn).unwrap();
        store.forget_current(bob).unwrap();
        assert_eq!(store.current().unwrap(), Some(alice));
        store.forget_current(alice).unwrap();
        assert_eq!(store.current().unwrap(), None);
    }

    #[test]
    fn a_garbled_note_of_the_current_account_is_no_account() {
        let (_temp, store) = scratch();
        store
            .set_current(AccountId::from_bytes([1; 16]), InUse::SignedIn)
            .unwrap();
        assert!(store.current().unwrap().is_some());
        store
            .home
            .write_atomic(CURRENT, b"../../etc\n", Durability::Volatile)
            .unwrap();
        assert!(store.current().unwrap().is_none());
    }
}
