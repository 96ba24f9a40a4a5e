//! The session file: a clear-text header that identifies the session, and the sealed claims.
//!
//! | offset | length | what |
//! |---|---|---|
//! | 0 | 4 | `NLSF` |
//! | 4 | 2 | version (1), little-endian like every number here |
//! | 6 | 1 | the keeper that has the key: 1 the kernel, 2 the agent |
//! | 7 | 1 | zero |
//! | 8 | 16 | session id |
//! | 24 | 16 | account id |
//! | 40 | 16 | boot id |
//! | 56 | 16 | machine, a digest |
//! | 72 | 8 | user namespace |
//! | 80 | 12 | nonce |
//! | 92 | 320 | claims, AES-256-GCM under a key derived from K and the session id |
//! | 412 | 16 | tag, over the claims and all of the header |
//!
//! The claims before sealing: creation time on the wall clock (8) and on the boot clock (8), idle
//! limit in nanoseconds (8), absolute deadline (8), account key (32), length of the email (2), the
//! email, zeros. Every file has the same length, which hides even the length of the email. Nothing
//! in the header is secret: the audit log has the ids too.

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;

use std::time::Duration;

use super::keeper::KeeperKind;
use super::model::Claims;
use super::payload::array;
use super::surroundings::Surroundings;
use crate::config::{FLOOR, IDLE_CEILING, MAX_CEILING};
use nightlatch_core::clock::{BootTime, Moment, Timestamp};
use nightlatch_core::crypto::{AccountKey, Key, SessionKey, kdf, labels, seal, sha256};
use nightlatch_core::id::{AccountId, SessionId};
use nightlatch_core::memory::Secret;

/// The length of every session file of this version.
pub const FILE_LENGTH: usize = HEADER_LENGTH + CLAIMS_LENGTH + seal::TAG_LENGTH;

const MAGIC: &[u8; 4] = b"NLSF";
const VERSION: u16 = 1;
const NONCE_OFFSET: usize = 80;
const HEADER_LENGTH: usize = NONCE_OFFSET + seal::NONCE_LENGTH;
const CLAIMS_LENGTH: usize = 320;
const KERNEL: u8 = 1;
const AGENT: u8 = 2;
const EMAIL_OFFSET: usize = 66;

/// The bytes of a session file.
pub type FileBytes = [u8; FILE_LENGTH];

/// The header's content, not yet authenticated by the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The session the file belongs to.
    pub session: SessionId,
    /// The account the file belongs to.
    pub account: AccountId,
    /// Where the session began and which keeper has its key.
    pub origin: Origin,
}

/// Where a session began and where its key was placed, which determines who can see the key.
/// Readable without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The keeper that has the key.
    pub keeper: KeeperKind,
    /// The boot the session was created in.
    pub boot_id: [u8; 16],
    /// The machine and the user namespace that it was created in.
    pub surroundings: Surroundings,
}

/// Why bytes are not a session file, or do not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Truncated, changed, or not a session file.
    #[error("the session file is damaged")]
    Corrupt,
    /// Written by a newer version.
    #[error("the session file was written by a newer version of nightlatch (format {0})")]
    UnsupportedVersion(u16),
}

/// Seals `claims` under the session's key and returns the bytes of the file.
///
/// # Errors
/// When the system provides no random bytes for the nonce. An email longer than 254 bytes cannot
/// occur.
pub fn seal_claims(
    key: &SessionKey,
    origin: &Origin,
    claims: &Claims,
) -> Result<FileBytes, getrandom::Error> {
    let mut file = [0; FILE_LENGTH];
    file[..4].copy_from_slice(MAGIC);
    file[4..6].copy_from_slice(&VERSION.to_le_bytes());
    file[8..24].copy_from_slice(claims.session.as_bytes());
    file[24..40].copy_from_slice(claims.account.as_bytes());
    file[6] = match origin.keeper {
        KeeperKind::Kernel => KERNEL,
        KeeperKind::Agent => AGENT,
    };
    file[40..56].copy_from_slice(&origin.boot_id);
    file[56..72].copy_from_slice(&origin.surroundings.machine);
    file[72..80].copy_from_slice(&origin.surroundings.user_namespace.to_le_bytes());
    let mut nonce = [0; seal::NONCE_LENGTH];
    getrandom::fill(&mut nonce)?;
    file[NONCE_OFFSET..HEADER_LENGTH].copy_from_slice(&nonce);

    let mut plain = Secret::<CLAIMS_LENGTH>::init_with(|into| encode_claims(claims, into));
    let (header, rest) = file.split_at_mut(HEADER_LENGTH);
    let key = file_key(key, claims.session);
    let tag = seal::seal(&key, &nonce, header, plain.expose_mut());
    rest[..CLAIMS_LENGTH].copy_from_slice(plain.expose());
    rest[CLAIMS_LENGTH..].copy_from_slice(&tag);
    Ok(file)
}

/// Parses the header without authenticating it.
///
/// # Errors
/// When `file` is not a session file of this version.
pub fn read_header(file: &[u8]) -> Result<Header, FileError> {
    let field = |range: std::ops::Range<usize>| file.get(range).ok_or(FileError::Corrupt);
    if field(0..4)? != MAGIC {
        return Err(FileError::Corrupt);
    }
    let version = u16::from_le_bytes(array(field(4..6)?));
    if version > VERSION {
        return Err(FileError::UnsupportedVersion(version));
    }
    if version != VERSION || file.len() != FILE_LENGTH {
        return Err(FileError::Corrupt);
    }
    let keeper = match field(6..8)? {
        [KERNEL, 0] => KeeperKind::Kernel,
        [AGENT, 0] => KeeperKind::Agent,
        _ => return Err(FileError::Corrupt),
    };
    Ok(Header {
        session: SessionId::from_bytes(array(field(8..24)?)),
        account: AccountId::from_bytes(array(field(24..40)?)),
        origin: Origin {
            keeper,
            boot_id: array(field(40..56)?),
            surroundings: Surroundings {
                machine: array(field(56..72)?),
                user_namespace: u64::from_le_bytes(array(field(72..80)?)),
            },
        },
    })
}

/// Opens the claims of `file` with the session's key.
///
/// # Errors
/// When `file` is not a session file of this version, was changed anywhere, or was sealed with
/// another key.
pub fn open_claims(key: &SessionKey, file: &[u8]) -> Result<Claims, FileError> {
    let header = read_header(file)?;
    let bytes: &FileBytes = file.try_into().map_err(|_| FileError::Corrupt)?;
    let (clear, rest) = bytes.split_at(HEADER_LENGTH);
    let mut plain = Secret::<CLAIMS_LENGTH>::init_with(|into| {
        into.copy_from_slice(&rest[..CLAIMS_LENGTH]);
    });
    let nonce = array(&clear[NONCE_OFFSET..]);
    let tag = array(&rest[CLAIMS_LENGTH..]);
    seal::open(
        &file_key(key, header.session),
        &nonce,
        clear,
        plain.expose_mut(),
        &tag,
    )
    .map_err(|_| FileError::Corrupt)?;
    decode_claims(header, plain.expose()).ok_or(FileError::Corrupt)
}

/// The file's hash, which the keeper stores to recognize the file.
pub fn hash(file: &[u8]) -> [u8; 32] {
    sha256(file)
}

fn file_key(key: &SessionKey, session: SessionId) -> Key {
    kdf::derive(key.key(), labels::SESSION_FILE, session.as_bytes())
}

fn encode_claims(claims: &Claims, into: &mut [u8; CLAIMS_LENGTH]) {
    let idle = u64::try_from(claims.idle.as_nanos()).unwrap_or(u64::MAX);
    into[..8].copy_from_slice(&claims.created.wall.unix_nanos().to_le_bytes());
    into[8..16].copy_from_slice(&claims.created.boot.nanos().to_le_bytes());
    into[16..24].copy_from_slice(&idle.to_le_bytes());
    into[24..32].copy_from_slice(&claims.deadline.unix_nanos().to_le_bytes());
    into[32..64].copy_from_slice(claims.account_key.expose());
    let email = claims.username.as_bytes();
    let length = email.len().min(CLAIMS_LENGTH - EMAIL_OFFSET);
    debug_assert_eq!(length, email.len(), "an email has at most 254 bytes");
    #[allow(clippy::cast_possible_truncation)] // at most 254
    into[64..EMAIL_OFFSET].copy_from_slice(&(length as u16).to_le_bytes());
    into[EMAIL_OFFSET..EMAIL_OFFSET + length].copy_from_slice(&email[..length]);
}

fn decode_claims(header: Header, plain: &[u8; CLAIMS_LENGTH]) -> Option<Claims> {
    let number = |at: usize| u64::from_le_bytes(array(&plain[at..at + 8]));
    let time = |at: usize| Timestamp::from_unix_nanos(number(at).cast_signed());
    let created = Moment {
        wall: time(0),
        boot: BootTime::from_nanos(number(8)),
    };
    let (idle, deadline) = (Duration::from_nanos(number(16)), time(24));
    let length = usize::from(u16::from_le_bytes(array(&plain[64..EMAIL_OFFSET])));
    let email = plain.get(EMAIL_OFFSET..EMAIL_OFFSET + length)?;
    let padding = &plain[EMAIL_OFFSET + length..];
    let is_bounded = (FLOOR..=IDLE_CEILING).contains(&idle)
        && created.wall < deadline
        && deadline <= created.wall.plus(MAX_CEILING);
    if !is_bounded || padding.iter().any(|&byte| byte != 0) {
        return None;
    }
    Some(Claims {
        session: header.session,
        account: header.account,
        username: std::str::from_utf8(email).ok()?.to_owned(),
        created,
        idle,
        deadline,
        account_key: AccountKey::init_with(|into| into.copy_from_slice(&plain[32..64])),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims() -> Claims {
        Claims {
            session: SessionId::from_bytes([1; 16]),
            account: AccountId::from_bytes([2; 16]),
            username: "alice@example.com".to_owned(),
            created: Moment {
                wall: Timestamp::from_unix_seconds(1_700_000_000),
                boot: BootTime::from_nanos(5),
            },
            idle: Duration::from_secs(900),
            deadline: Timestamp::from_unix_seconds(1_700_014_400),
            account_key: AccountKey::init_with(|key| key.fill(0xAB)),
        }
    }

    fn key() -> SessionKey {
        SessionKey::init_with(|key| key.fill(7))
    }

    fn sealed() -> FileBytes {
        seal_claims(&key(), &origin(), &claims()).unwrap()
    }

    fn origin() -> Origin {
        Origin {
            keeper: KeeperKind::Agent,
            boot_id: [3; 16],
            surroundings: Surroundings {
                machine: [4; 16],
                user_namespace: 4_026_531_837,
            },
        }
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_and_no_other() {
        let opened = open_claims(&key(), &sealed()).unwrap();
        assert_eq!(opened.username, "alice@example.com");
        assert_eq!(opened.account_key.expose(), &[0xAB; 32]);
        assert_eq!(
            (opened.idle, opened.created),
            (claims().idle, claims().created)
        );
        let other = SessionKey::init_with(|key| key.fill(8));
        assert_eq!(
            open_claims(&other, &sealed()).err(),
            Some(FileError::Corrupt)
        );
    }

    #[test]
    fn where_the_key_is_can_be_read_without_it() {
        assert_eq!(read_header(&sealed()).unwrap().origin, origin());
    }

    #[test]
    fn claims_that_last_longer_than_any_session_are_refused() {
        let header = read_header(&sealed()).unwrap();
        let lasts = |deadline| {
            let mut plain = [0; CLAIMS_LENGTH];
            let claims = Claims {
                deadline,
                ..claims()
            };
            encode_claims(&claims, &mut plain);
            decode_claims(header, &plain).is_some()
        };
        let created = claims().created.wall;
        let longest = created.plus(MAX_CEILING);
        assert!(lasts(longest));
        for bad in [
            longest.plus(Duration::from_nanos(1)),
            created,
            created.minus(MAX_CEILING),
        ] {
            assert!(!lasts(bad), "{bad}");
        }
    }

    #[test]
    fn nothing_of_the_claims_shows_in_the_file() {
        let file = sealed();
        assert!(!file.windows(5).any(|part| part == b"alice"));
        assert!(!file.windows(8).any(|part| part == [0xAB; 8]));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused() {
        let file = sealed();
        for length in 0..file.len() {
            assert!(
                open_claims(&key(), &file[..length]).is_err(),
                "cut to {length}"
            );
        }
        for bit in 0..file.len() * 8 {
            let mut changed = file;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open_claims(&key(), &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_longer_file_is_refused() {
        let longer = [&sealed()[..], b"x"].concat();
        assert_eq!(open_claims(&key(), &longer).err(), Some(FileError::Corrupt));
    }

    #[test]
    fn claims_with_anything_behind_the_email_are_refused() {
        let header = read_header(&sealed()).unwrap();
        let mut plain = [0; CLAIMS_LENGTH];
        encode_claims(&claims(), &mut plain);
        assert!(decode_claims(header, &plain).is_some());
        plain[CLAIMS_LENGTH - 1] = 1;
        assert!(decode_claims(header, &plain).is_none());
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let mut file = sealed();
        file[4] = 2;
        assert_eq!(
            read_header(&file).err(),
            Some(FileError::UnsupportedVersion(2))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(open_claims(&key(), &bytes).is_err());
        }
    }
}
