//! The two halves of a session: the claims in its file and the activity in the keeper's payload.

use std::time::Duration;

pub use super::reasons::{Elsewhere, EndReason};
use nightlatch_core::clock::{Moment, Timestamp};
use nightlatch_core::crypto::Key;
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
    pub account_key: Key,
}

/// The changing part of a session, held by the keeper and never on disk.
pub struct Activity {
    /// K: opens the session file.
    pub key: Key,
    /// The session it belongs to.
    pub session: SessionId,
    /// The boot it belongs to.
    pub boot_id: [u8; 16],
    /// The account's generation at sign-in; a password change increments the account's.
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

impl Activity {
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

/// Whether the keeper's payload can belong to a session with these `claims`. This bounds a forged
/// session.
///
/// # Errors
/// [`EndReason::Corrupt`] when it would have been used before it began, by the boot clock, which nobody
/// can set; when it could last longer than any session may; or when no account can have its
/// generation.
pub fn check(claims: &Claims, activity: &Activity) -> Result<(), EndReason> {
    let begun = claims.created;
    if activity.deadline.wall != claims.deadline
        || activity.deadline.boot > begun.boot.plus(MAX_CEILING)
        || activity.last.boot < begun.boot
        || activity.generation > GENERATION_CEILING
    {
        return Err(EndReason::Corrupt);
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
            key: Key::zeroed(),
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
            account_key: Key::zeroed(),
        }
    }

    #[test]
    fn a_payload_that_does_not_fit_its_claims_is_corrupt() {
        let checked = |change: fn(&mut Activity)| {
            let mut activity = activity();
            change(&mut activity);
            check(&claims(), &activity)
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
    fn a_session_that_begins_in_the_future_is_not_taken() {
        let begun = |boot| Claims {
            created: Moment { boot, ..START },
            ..claims()
        };
        assert_eq!(check(&begun(START.boot), &activity()), Ok(()));
        let later = START.boot.plus(Duration::from_nanos(1));
        assert_eq!(check(&begun(later), &activity()), Err(EndReason::Corrupt));
        let mut used = activity();
        used.last.boot = later;
        assert_eq!(check(&begun(later), &used), Ok(()));
        assert_eq!(used.lifetime(IDLE).judge(START, BOOT), Err(Expired::Clock));
    }
}
