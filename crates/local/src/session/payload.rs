//! The encoding of a keeper's payload. The layout is fixed, so that it fits one locked buffer:
//!
//! | offset | length | what |
//! |---|---|---|
//! | 0 | 8 | version (1), little-endian like every number here |
//! | 8 | 32 | K |
//! | 40 | 16 | session id |
//! | 56 | 16 | boot id |
//! | 72 | 4 | generation of the account |
//! | 76 | 4 | revocations of its sessions before this one |
//! | 80 | 8 + 8 | last activity: wall clock, boot clock (nanoseconds) |
//! | 96 | 8 + 8 | absolute deadline: wall clock, boot clock (nanoseconds) |
//! | 112 | 32 | SHA-256 of the session file |
//! | 144 | 8 + 8 | the home's id file: device, inode |
//! | 160 | 8 | when that file was last changed (wall clock, nanoseconds) |
//! | 168 | 24 | zero |

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;

use super::keeper::{PAYLOAD_LENGTH, Payload};
use super::model::Activity;
use nightlatch_core::clock::{BootTime, Moment, Timestamp};
use nightlatch_core::crypto::SessionKey;
use nightlatch_core::id::SessionId;
use nightlatch_platform::fs::FileIdentity;

const VERSION: u64 = 1;
const USED: usize = 168;

/// The keeper holds something that we did not put there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the keeper holds something that is no session of this version")]
pub struct BadPayload;

/// Encodes `activity` straight into a payload.
pub fn encode(activity: &Activity) -> Payload {
    Payload::init_with(|bytes| {
        let mut rest = &mut bytes[..];
        let mut put = |field: &[u8]| {
            let (into, after) = std::mem::take(&mut rest).split_at_mut(field.len());
            into.copy_from_slice(field);
            rest = after;
        };
        put(&VERSION.to_le_bytes());
        put(activity.key.expose());
        put(activity.session.as_bytes());
        put(&activity.boot_id);
        put(&activity.generation.to_le_bytes());
        for moment in [activity.last, activity.deadline] {
            put(&moment.wall.unix_nanos().to_le_bytes());
            put(&moment.boot.nanos().to_le_bytes());
        }
        put(&activity.file_hash);
        put(&activity.home.device.to_le_bytes());
        put(&activity.home.inode.to_le_bytes());
        put(&activity.home.changed.to_le_bytes());
    })
}

/// Decodes a payload. K is copied from buffer to buffer, each wiped when dropped.
///
/// # Errors
/// [`BadPayload`] for another version or nonzero padding.
pub fn decode(payload: &Payload) -> Result<Activity, BadPayload> {
    let bytes: &[u8; PAYLOAD_LENGTH] = payload.expose();
    let mut at = 0;
    let mut take = |length: usize| {
        at += length;
        &bytes[at - length..at]
    };
    let version = number(take(8));
    let key = take(32);
    let key = SessionKey::init_with(|into| into.copy_from_slice(key));
    let session = SessionId::from_bytes(array(take(16)));
    let boot_id = array(take(16));
    let generation = number(take(8));
    let mut moment = || Moment {
        wall: Timestamp::from_unix_nanos(number(take(8)).cast_signed()),
        boot: BootTime::from_nanos(number(take(8))),
    };
    let (last, deadline) = (moment(), moment());
    let file_hash = array(take(32));
    let home = FileIdentity {
        device: number(take(8)),
        inode: number(take(8)),
        changed: number(take(8)).cast_signed(),
    };
    if version != VERSION || bytes[USED..].iter().any(|&byte| byte != 0) {
        return Err(BadPayload);
    }
    Ok(Activity {
        key,
        session,
        boot_id,
        generation,
        last,
        deadline,
        file_hash,
        home,
    })
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(array(bytes))
}

/// Converts to an array; the caller guarantees the length.
pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn activity() -> Activity {
        Activity {
            key: SessionKey::init_with(|key| key.fill(0xAA)),
            session: SessionId::from_bytes([2; 16]),
            boot_id: [3; 16],
            generation: 4,
            last: Moment {
                wall: Timestamp::from_unix_nanos(-5),
                boot: BootTime::from_nanos(6),
            },
            deadline: Moment {
                wall: Timestamp::from_unix_nanos(7),
                boot: BootTime::from_nanos(8),
            },
            file_hash: [9; 32],
            home: FileIdentity {
                device: 10,
                inode: 11,
                changed: -12,
            },
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let read = decode(&encode(&activity())).unwrap();
        let wrote = activity();
        assert_eq!(read.key.expose(), wrote.key.expose());
        assert_eq!(
            (
                read.session,
                read.boot_id,
                read.generation,
                read.last,
                read.deadline,
                read.file_hash
            ),
            (
                wrote.session,
                wrote.boot_id,
                wrote.generation,
                wrote.last,
                wrote.deadline,
                wrote.file_hash
            )
        );
    }

    #[test]
    fn another_version_is_refused() {
        let mut payload = encode(&activity());
        payload.expose_mut()[0] = 2;
        assert_eq!(decode(&payload).err(), Some(BadPayload));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_what_encodes_to_them_or_are_refused(
            bytes in prop::collection::vec(any::<u8>(), PAYLOAD_LENGTH), versioned: bool, padded: bool
        ) {
            let mut payload = Payload::init_with(|into| into.copy_from_slice(&bytes));
            if versioned {
                payload.expose_mut()[..8].copy_from_slice(&VERSION.to_le_bytes());
            }
            if padded {
                payload.expose_mut()[USED..].fill(0);
            }
            if let Ok(activity) = decode(&payload) {
                let again = encode(&activity);
                prop_assert_eq!(again.expose(), payload.expose());
            }
        }
    }
}
