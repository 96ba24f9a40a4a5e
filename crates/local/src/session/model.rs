//! The two halves of a session: the claims in its file and the activity in the keeper's payload.

use std::time::Duration;

pub use super::reasons::{Elsewhere, EndReason};
use nightlatch_core::clock::{Moment, Timestamp};
use nightlatch_core::crypto::{AccountKey, SessionKey};
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_core::lifetime::Lifetime;
pub use nightlatch_core::lifetime::{LimitedBy, Live, WALL_CLOCK_SLACK};
use nightlatch_core::limits::{GENERATION_CEILING, MAX_CEILING};
use nightlatch_platform::fs::FileIdentity;

/// The constant part of a session, sealed in the session file.
pub struct Claims {
    /// The session.
    pub session: SessionId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// The account's normalized email, so that nothing else has to be opened to show it.
    pub username: String,
    /// When the account signed in.
    pub created: Moment,
    /// The idle limit, from 1 s to 15 min.
    pub idle: Duration,
    /// The absolute deadline, on the wall clock.
    pub deadline: Timestamp,
    /// The account's key, from which the keys of its data are derived.
    pub account_key: AccountKey,
}

/// The changing part of a session, held by the keeper and never on disk.
pub struct Activity {
    /// K: opens the session file.
    pub key: SessionKey,
    /// The session it belongs to.
    pub session: SessionId,
    /// The boot it belongs to.
    pub boot_id: [u8; 16],
    /// The account's generation at sign-in, which a password change increments, and above its 32
    /// bits the number of revocations before: see [`generation`].
    pub generation: u64,
    /// The last activity.
    pub last: Moment,
    /// The absolute deadline, on both clocks.
    pub deadline: Moment,
    /// SHA-256 of the session file as it was written.
    pub file_hash: [u8; 32],
    /// The file that the home's id was read from, which distinguishes the home from its copies.
    pub home: FileIdentity,
}

/// The generation of a session that begins at the account's generation `of_account`, after this
/// many `revocations`.
pub fn generation(of_account: u64, revocations: u32) -> u64 {
    of_account & GENERATION_CEILING | u64::from(revocations) << ACCOUNT_GENERATION_BITS
}

/// As many as [`GENERATION_CEILING`] has.
const ACCOUNT_GENERATION_BITS: u32 = u32::BITS;

impl Activity {
    /// The account's generation at sign-in.
    pub fn account_generation(&self) -> u64 {
        self.generation & GENERATION_CEILING
    }

    /// How many of the account's sessions had been revoked at sign-in.
    fn revocations(&self) -> u64 {
        self.generation >> ACCOUNT_GENERATION_BITS
    }

    /// The times that decide whether a session with this `idle` limit is live.
    pub fn lifetime(&self, idle: Duration) -> Lifetime {
        Lifetime {
            idle,
            boot_id: self.boot_id,
            last: self.last,
            deadline: self.deadline,
        }
    }
}

/// Whether the keeper's payload can belong to a session with these `claims`, of an account with this
/// many `revocations`. This bounds a forged session.
///
/// # Errors
/// [`EndReason::Corrupt`] when it would have been used before it began, by the boot clock, which nobody
/// can set; when it could last longer than any session may; or when no account can have its
/// generation. [`EndReason::Revoked`] when it began before the last revocation.
pub fn check(claims: &Claims, activity: &Activity, revocations: u32) -> Result<(), EndReason> {
    let begun = claims.created;
    if activity.deadline.wall != claims.deadline
        || activity.deadline.boot > begun.boot.plus(MAX_CEILING)
        || activity.last.boot < begun.boot
        || activity.revocations() > revocations.into()
    {
        return Err(EndReason::Corrupt);
    }
    if activity.revocations() < revocations.into() {
        return Err(EndReason::Revoked);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use nightlatch_core::clock::{Boot, BootTime};
    use nightlatch_core::lifetime::{Expired, deadline};
    use nightlatch_core::limits::Limits;

    use super::*;

    const IDLE: Duration = Duration::from_secs(900);
    const BOOT: Boot = Boot {
        id: [1; 16],
        clock_shifted: false,
    };
    const START: Moment = Moment {
        wall: Timestamp::from_unix_seconds(1_700_000_000),
        boot: BootTime::from_nanos(5_000_000_000),
    };

    fn activity() -> Activity {
        Activity {
            key: SessionKey::init_with(|_| ()),
            session: SessionId::from_bytes([2; 16]),
            boot_id: BOOT.id,
            generation: 1,
            last: START,
            deadline: deadline(START, Limits::default()),
            file_hash: [0; 32],
            home: FileIdentity {
                device: 1,
                inode: 2,
                changed: 3,
            },
        }
    }

    fn claims() -> Claims {
        Claims {
            session: SessionId::from_bytes([2; 16]),
            account: AccountId::from_bytes([3; 16]),
            username: "alice@example.com".to_owned(),
            created: START,
            idle: IDLE,
            deadline: deadline(START, Limits::default()).wall,
            account_key: AccountKey::init_with(|_| ()),
        }
    }

    #[test]
    fn a_payload_that_does_not_fit_its_claims_is_corrupt() {
        let checked = |change: fn(&mut Activity)| {
            let mut activity = activity();
            change(&mut activity);
            check(&claims(), &activity, 0)
        };
        assert_eq!(checked(|_| ()), Ok(()));
        for change in [
            |activity: &mut Activity| {
                activity.deadline.wall = activity.deadline.wall.plus(Duration::from_nanos(1));
            },
            |activity: &mut Activity| {
                activity.deadline.boot = START.boot.plus(MAX_CEILING + Duration::from_nanos(1));
            },
            |activity: &mut Activity| activity.last.boot = BootTime::from_nanos(1),
            |activity: &mut Activity| activity.generation = GENERATION_CEILING + 1,
        ] {
            assert_eq!(checked(change), Err(EndReason::Corrupt));
        }
    }

    #[test]
    fn a_session_from_before_a_revocation_is_over_and_one_from_after_it_is_not() {
        let began_after = |revocations| Activity {
            generation: generation(7, revocations),
            ..activity()
        };
        assert_eq!(began_after(3).account_generation(), 7);
        let checked = |before, now| check(&claims(), &began_after(before), now);
        for count in [0, 1, u32::MAX] {
            assert_eq!(checked(count, count), Ok(()));
        }
        assert_eq!(checked(0, 1), Err(EndReason::Revoked));
        assert_eq!(checked(1, u32::MAX), Err(EndReason::Revoked));
        assert_eq!(checked(2, 1), Err(EndReason::Corrupt));
    }

    #[test]
    fn a_session_that_begins_in_the_future_is_not_taken() {
        let begun = |boot| Claims {
            created: Moment { boot, ..START },
            ..claims()
        };
        assert_eq!(check(&begun(START.boot), &activity(), 0), Ok(()));
        let later = START.boot.plus(Duration::from_nanos(1));
        assert_eq!(
            check(&begun(later), &activity(), 0),
            Err(EndReason::Corrupt)
        );
        let mut used = activity();
        used.last.boot = later;
        assert_eq!(check(&begun(later), &used, 0), Ok(()));
        assert_eq!(used.lifetime(IDLE).judge(START, BOOT), Err(Expired::Clock));
    }
}
