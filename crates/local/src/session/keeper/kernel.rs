//! The kernel keeper: a `user` key per slot in the user keyring `@u`.
//!
//! The keyring has pitfalls, and every step here has a reason:
//! - `@u` is linked into the process keyring first. Without that link, a process whose session
//!   keyring does not lead to `@u` (after `su`, in tmux after logout, under systemd's private mode)
//!   finds keys there but does not possess them, and reading fails with EACCES. Reading first tries
//!   without the link, because creating the process keyring takes longer than everything else.
//! - A payload is added to the process keyring, given its timeout, and only then linked into `@u`,
//!   which replaces the old key atomically. Nobody ever sees a key without a timeout, part of a
//!   payload, or no key.
//! - The payload is then unlinked from the process keyring: a second `add_key` there would update
//!   the live key in place and clear its timeout. The key also grants no write permission, which
//!   prevents any update.
//! - A replaced key counts against the user's quota (20,000 bytes) until the kernel frees it some
//!   milliseconds later. A burst of publishes waits for that.
//! - Since Linux 3.8, the "process" keyring belongs to the thread that created it and the threads
//!   that it starts from then on, so the link is made once per thread.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use linux_keyutils::{
    Key, KeyError, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission,
};
use rustix::io::Errno;

use nightlatch_core::clock::Clock;
use nightlatch_platform::clock::SystemClock;

use super::{Keeper, KeeperError, KeeperKind, PAYLOAD_LENGTH, Payload, Slot, bounded};

/// How often to look for the successor of a key that was replaced while in use.
const RACE_ATTEMPTS: usize = 64;
/// How many of these attempts run without a pause. Each further one waits first, so that a burst of
/// publishes cannot starve a reader. An error with another cause costs some ten milliseconds.
const HASTY_ATTEMPTS: usize = 8;
const RACE_PAUSE: Duration = Duration::from_micros(200);
/// How often to look again for a missing key.
const ABSENT_ATTEMPTS: usize = 4;
/// How often, and how long each time, to wait for a full quota: one second in all.
const QUOTA_ATTEMPTS: usize = 100;
const QUOTA_PAUSE: Duration = Duration::from_millis(10);

thread_local! {
    /// The process keyring of this thread, once `@u` is linked into it.
    static RING: Cell<Option<KeyRing>> = const { Cell::new(None) };
}

/// Threads may share a process keyring, and two of them must not stage the same slot in it at once.
static STAGING: Mutex<()> = Mutex::new(());

/// Holds payloads in the kernel's keyring.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelKeeper;

impl Keeper for KernelKeeper {
    fn publish(
        &self,
        slot: &Slot,
        payload: &Payload,
        lifetime: Duration,
    ) -> Result<(), KeeperError> {
        let ring = process_ring()?;
        let user = KeyRing::from_special_id(KeyRingIdentifier::User, false)
            .map_err(|error| refused("find the user keyring", error))?;
        let _staging = STAGING.lock().unwrap_or_else(PoisonError::into_inner);
        let description = slot.to_string();
        let key = with_room(|| ring.add_key(&description, payload.expose()))
            .map_err(|error| refused("add a key", error))?;
        let placed = place(key, user, lifetime);
        if placed.is_err() {
            // The staged key must not stay: it holds the secret even if nobody can find it.
            let _ = key.invalidate();
        }
        // Another thread's retry may have unlinked it already.
        let _ = ring.unlink_key(key);
        placed
    }

    fn read(&self, slot: &Slot) -> Result<Option<Payload>, KeeperError> {
        let description = slot.to_string();
        let mut payload = Payload::zeroed();
        let length = match read_as_we_are(&description, &mut payload) {
            Some(length) => Some(length),
            None => with_key(&description, |key| key.read(payload.expose_mut()))?,
        };
        match length {
            None => Ok(None),
            Some(PAYLOAD_LENGTH) => Ok(Some(payload)),
            Some(length) => Err(KeeperError::Corrupt {
                keeper: KeeperKind::Kernel,
                length,
            }),
        }
    }

    fn destroy(&self, slot: &Slot) -> Result<bool, KeeperError> {
        let description = slot.to_string();
        let destroyed = with_key(&description, |key| {
            // Revoking wipes the payload too, but keeps the description for a while.
            key.invalidate().or_else(|_| key.revoke())?;
            // The kernel soon removes an invalidated key from all keyrings; unlinking it only
            // tidies up.
            if let Ok(user) = KeyRing::from_special_id(KeyRingIdentifier::User, false) {
                let _ = user.unlink_key(key);
            }
            Ok(())
        });
        let hidden = invalidate_in_session(&description);
        match destroyed {
            Ok(destroyed) => Ok(destroyed.is_some() | hidden),
            // Creating a keyring counts against the user's key quota, which may be used up.
            Err(error) => remove_as_we_are(&description).map_err(|_| error),
        }
    }
}

impl KernelKeeper {
    /// Checks whether the kernel keeps keys for this process, with a temporary key that no other
    /// process uses. Sessions' keys are not touched.
    ///
    /// # Errors
    /// Why it does not.
    pub fn probe(&self) -> Result<(), KeeperError> {
        let ring = process_ring()?;
        KeyRing::from_special_id(KeyRingIdentifier::User, false)
            .map_err(|error| refused("find the user keyring", error))?;
        let key = ring
            .add_key("nightlatch:probe", &[0_u8; PAYLOAD_LENGTH])
            .map_err(|error| refused("add a key", error))?;
        let tried = restrict(key, Duration::from_secs(1)).and_then(|()| {
            key.read(&mut [0; PAYLOAD_LENGTH])
                .map_err(|error| refused("use a key", error))
        });
        let _ = key.invalidate();
        let _ = ring.unlink_key(key);
        tried.map(drop)
    }
}

/// Reads the key without a process keyring, which the kernel takes longer to create than everything
/// else: usually the login session's keyring leads to `@u`. `None` is inconclusive: the link may
/// make more keys readable.
fn read_as_we_are(description: &str, payload: &mut Payload) -> Option<usize> {
    if RING.get().is_some() {
        return None;
    }
    let user = KeyRing::from_special_id(KeyRingIdentifier::User, false).ok()?;
    let key = user.search(description).ok()?;
    key.read(payload.expose_mut()).ok()
}

/// Invalidates keys with that description that were moved from the user keyring into the session
/// keyring. Returns whether there were any. A key that is only unlinked could be linked into a
/// keyring again.
fn invalidate_in_session(description: &str) -> bool {
    let Ok(session) = KeyRing::from_special_id(KeyRingIdentifier::Session, false) else {
        return false;
    };
    let mut were_there = false;
    for _ in 0..RACE_ATTEMPTS {
        match session.search(description) {
            Ok(key) if key.invalidate().is_ok() => were_there = true,
            _ => break,
        }
    }
    were_there
}

/// Removes the key from `@u` without a process keyring. Returns whether it was there. A keyring's
/// owner may remove its keys, and a key without links is freed.
fn remove_as_we_are(description: &str) -> Result<bool, KeyError> {
    let user = KeyRing::from_special_id(KeyRingIdentifier::User, false)?;
    match user.search(description) {
        Ok(key) => user.unlink_key(key)?,
        Err(KeyError::KeyDoesNotExist) => return Ok(false),
        Err(error) => return Err(error),
    }
    match user.search(description) {
        Err(KeyError::KeyDoesNotExist) => Ok(true),
        Ok(_) => Err(KeyError::AccessDenied),
        Err(error) => Err(error),
    }
}

/// Gives the staged `key` its timeout and permissions, and links it into `user`.
fn place(key: Key, user: KeyRing, lifetime: Duration) -> Result<(), KeeperError> {
    restrict(key, lifetime)?;
    with_room(|| user.link_key(key))
        .map_err(|error| refused("link a key into the user keyring", error))
}

/// Gives `key` its timeout and permissions.
fn restrict(key: Key, lifetime: Duration) -> Result<(), KeeperError> {
    key.set_timeout(timeout_seconds(lifetime))
        .map_err(|error| refused("set a key's timeout", error))?;
    // Grants rights to processes that possess the key, and none by user id alone. No WRITE.
    let rights = Permission::VIEW
        | Permission::READ
        | Permission::SEARCH
        | Permission::LINK
        | Permission::SETATTR;
    let permissions = KeyPermissionsBuilder::builder().posessor(rights).build();
    key.set_perms(permissions)
        .map_err(|error| refused("restrict a key", error))
}

/// Runs `act` on the key with that description; `None` when there is none.
///
/// A key may be replaced between the search and the action. It is then no longer usable (EACCES) or
/// gone, and the search starts again for its successor.
fn with_key<T>(
    description: &str,
    mut act: impl FnMut(Key) -> Result<T, KeyError>,
) -> Result<Option<T>, KeeperError> {
    let (mut absent, mut last) = (0, KeyError::KeyDoesNotExist);
    for attempt in 0..RACE_ATTEMPTS {
        if attempt >= HASTY_ATTEMPTS {
            // Real time, whatever clock judges the sessions.
            SystemClock.sleep(RACE_PAUSE);
        }
        let found = process_ring()?.search(description);
        if found.is_err() {
            absent += 1;
        }
        match found.and_then(&mut act) {
            Ok(value) => return Ok(Some(value)),
            Err(error) if !lost_race(error) => return Err(refused("use a key", error)),
            Err(error) => last = error,
        }
        if absent == ABSENT_ATTEMPTS {
            break;
        }
        if last == KeyError::AccessDenied {
            // Or this thread's keyring has changed.
            RING.set(None);
        }
    }
    match last {
        KeyError::AccessDenied => Err(refused("use a key", last)),
        _ => Ok(None),
    }
}

/// Runs `act`, and retries for a while if the user's key quota is used up.
fn with_room<T>(mut act: impl FnMut() -> Result<T, KeyError>) -> Result<T, KeyError> {
    for _ in 1..QUOTA_ATTEMPTS {
        match act() {
            // Real time, whatever clock judges the sessions.
            Err(KeyError::QuotaExceeded) => SystemClock.sleep(QUOTA_PAUSE),
            other => return other,
        }
    }
    act()
}

fn lost_race(error: KeyError) -> bool {
    matches!(
        error,
        KeyError::AccessDenied
            | KeyError::KeyDoesNotExist
            | KeyError::KeyRevoked
            | KeyError::KeyExpired
    )
}

/// The process keyring, with `@u` linked into it.
fn process_ring() -> Result<KeyRing, KeeperError> {
    if let Some(ring) = RING.get() {
        return Ok(ring);
    }
    let ring = KeyRing::from_special_id(KeyRingIdentifier::Process, true)
        .map_err(|error| refused("make a process keyring", error))?;
    with_room(|| ring.link_keyring_id(KeyRingIdentifier::User)).map_err(|error| match error {
        // The kernel's error when it could not create the user keyring, for whatever reason. A
        // keyring that does not exist holds no keys of ours.
        KeyError::KeyDoesNotExist => KeeperError::Unusable {
            keeper: KeeperKind::Kernel,
            why: "it cannot make the user keyring (is the share of kernel keys used up?)"
                .to_owned(),
        },
        error => refused("link the user keyring", error),
    })?;
    RING.set(Some(ring));
    Ok(ring)
}

/// The kernel's timeout for a lifetime. It is never zero (which would mean none at all) and never
/// shorter, because the kernel counts from the start of the current second.
fn timeout_seconds(lifetime: Duration) -> usize {
    let lifetime = bounded(lifetime);
    let whole = lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0);
    // At most half a day in seconds, which fits everywhere.
    usize::try_from(whole + 1).unwrap_or(usize::MAX)
}

/// Classifies the kernel's errors: not usable here, quota full, and others. SELinux and gVisor
/// return EACCES, which also results from losing a race repeatedly.
fn refused(operation: &'static str, error: KeyError) -> KeeperError {
    match errno(error) {
        Errno::DQUOT => KeeperError::Quota {
            keeper: KeeperKind::Kernel,
        },
        errno @ (Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::INVAL) => {
            KeeperError::Unusable {
                keeper: KeeperKind::Kernel,
                why: format!("cannot {operation}: {}", std::io::Error::from(errno)),
            }
        }
        errno => KeeperError::system(operation, errno),
    }
}

/// The error number for the crate's error, to get the system's message.
fn errno(error: KeyError) -> Errno {
    match error {
        KeyError::AccessDenied => Errno::ACCESS,
        KeyError::QuotaExceeded => Errno::DQUOT,
        KeyError::BadAddress => Errno::FAULT,
        KeyError::KeyExpired => Errno::KEYEXPIRED,
        KeyError::KeyRevoked => Errno::KEYREVOKED,
        KeyError::KeyRejected => Errno::KEYREJECTED,
        KeyError::KeyringDoesNotExist | KeyError::KeyDoesNotExist => Errno::NOKEY,
        KeyError::OutOfMemory => Errno::NOMEM,
        KeyError::OperationNotSupported => Errno::OPNOTSUPP,
        KeyError::PermissionDenied => Errno::PERM,
        KeyError::MissingFileOrDirectory => Errno::NOENT,
        KeyError::InvalidArguments | KeyError::InvalidDescription | KeyError::InvalidIdentifier => {
            Errno::INVAL
        }
        KeyError::WriteError => Errno::IO,
        KeyError::Unknown(number) => Errno::from_raw_os_error(number),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nightlatch_core::id::{AccountId, HomeId};

    #[test]
    fn a_process_whose_session_leads_to_the_user_keyring_reads_without_making_one() {
        let slot = Slot::new(HomeId::random().unwrap(), AccountId::random().unwrap());
        let made = std::thread::spawn(move || {
            let session = KeyRing::from_special_id(KeyRingIdentifier::Session, true).unwrap();
            session.link_keyring_id(KeyRingIdentifier::User).unwrap();
            let payload = Payload::init_with(|into| into.fill(7));
            let lifetime = Duration::from_secs(60);
            KernelKeeper.publish(&slot, &payload, lifetime).unwrap();
            // The state of a new process.
            RING.set(None);
            let read = KernelKeeper.read(&slot).unwrap();
            let read = read.map(|payload| payload.expose()[0]);
            (read, RING.get().is_some())
        });
        assert_eq!(made.join().unwrap(), (Some(7), false));
        assert!(KernelKeeper.destroy(&slot).unwrap());
    }

    #[test]
    fn a_key_that_was_moved_to_the_session_keyring_is_destroyed_there() {
        let slot = Slot::new(HomeId::random().unwrap(), AccountId::random().unwrap());
        let description = slot.to_string();
        let moved = std::thread::spawn(move || {
            let payload = Payload::init_with(|into| into.fill(7));
            let lifetime = Duration::from_secs(60);
            KernelKeeper.publish(&slot, &payload, lifetime).unwrap();
            let session = KeyRing::from_special_id(KeyRingIdentifier::Session, true).unwrap();
            let user = KeyRing::from_special_id(KeyRingIdentifier::User, false).unwrap();
            let key = process_ring().unwrap().search(&description).unwrap();
            session.link_key(key).unwrap();
            user.unlink_key(key).unwrap();
            let destroyed = KernelKeeper.destroy(&slot).unwrap();
            (destroyed, session.search(&description).is_ok())
        });
        assert_eq!(moved.join().unwrap(), (true, false));
    }

    #[test]
    fn the_kernels_timeout_is_never_shorter_than_the_lifetime_and_never_none() {
        for (lifetime, seconds) in [
            (Duration::ZERO, 1),
            (Duration::from_millis(1), 2),
            (Duration::from_secs(1), 2),
            (Duration::from_millis(1001), 3),
            (Duration::from_secs(900), 901),
            (Duration::MAX, 12 * 3600 + 1),
        ] {
            assert_eq!(timeout_seconds(lifetime), seconds, "{lifetime:?}");
        }
    }

    #[test]
    fn refusals_that_mean_not_here_are_told_from_the_others() {
        for error in [
            KeyError::PermissionDenied,
            KeyError::AccessDenied,
            KeyError::Unknown(Errno::NOSYS.raw_os_error()),
            KeyError::OperationNotSupported,
            KeyError::InvalidArguments,
        ] {
            let error = refused("add a key", error);
            assert!(matches!(error, KeeperError::Unusable { .. }), "{error}");
        }
        let full = refused("add a key", KeyError::QuotaExceeded);
        assert!(matches!(full, KeeperError::Quota { .. }), "{full}");
        let other = refused("add a key", KeyError::OutOfMemory);
        assert!(matches!(other, KeeperError::System { .. }), "{other}");
    }
}
