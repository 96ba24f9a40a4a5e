//! Properties of session files that hold for any input.

use super::{
    CLAIMS_LENGTH, EMAIL_OFFSET, FILE_LENGTH, FLOOR, FileBytes, FileError, Header, IDLE_CEILING,
    KeeperKind, MAX_CEILING, Origin, Surroundings, decode_claims, encode_claims, open_claims,
    read_header, seal_claims,
};
use nightlatch_core::crypto::SessionKey;
use nightlatch_core::id::{AccountId, SessionId};

/// The only file that opens with [`key`].
const GENUINE: &[u8] = include_bytes!("../../../tests/vectors/session-v1.bin");

fn key() -> SessionKey {
    SessionKey::init_with(|key| key.fill(0x4B))
}

/// As a file, the input is either the genuine one or does not open. As claims, it is either within
/// bounds or refused.
pub fn session_file(bytes: &[u8]) -> bool {
    let opened = open_claims(&key(), bytes);
    assert_eq!(opened.is_ok(), bytes == GENUINE);
    match read_header(bytes) {
        Ok(header) => {
            assert_eq!(bytes.len(), FILE_LENGTH);
            assert_eq!(header.session.as_bytes()[..], bytes[8..24]);
            assert_eq!(header.account.as_bytes()[..], bytes[24..40]);
            assert_eq!(header.origin.boot_id[..], bytes[40..56]);
            assert_eq!(header.origin.surroundings.machine[..], bytes[56..72]);
        }
        Err(error) => assert_eq!(opened.err(), Some(error)),
    }
    let as_claims = bytes.try_into().is_ok_and(claims);
    bytes == GENUINE || as_claims
}

fn claims(plain: &[u8; CLAIMS_LENGTH]) -> bool {
    let header = Header {
        session: SessionId::from_bytes([0x5E; 16]),
        account: AccountId::from_bytes([0xA1; 16]),
        origin: Origin {
            keeper: KeeperKind::Kernel,
            boot_id: [0xB7; 16],
            surroundings: Surroundings {
                machine: [0x3A; 16],
                user_namespace: 4_026_531_837,
            },
        },
    };
    let Some(claims) = decode_claims(header, plain) else {
        return false;
    };
    assert!((FLOOR..=IDLE_CEILING).contains(&claims.idle));
    assert!(claims.deadline.since(claims.created.wall) <= MAX_CEILING);
    assert!(claims.username.len() <= CLAIMS_LENGTH - EMAIL_OFFSET);
    let mut again = [0; CLAIMS_LENGTH];
    encode_claims(&claims, &mut again);
    assert_eq!(&again, plain, "two ways to write the same claims");

    // Sealing fails only without random bytes, and then there is nothing to check.
    if let Ok(file) = seal_claims(&key(), &header.origin, &claims) {
        check_sealed(file, plain);
    }
    true
}

fn check_sealed(mut file: FileBytes, plain: &[u8; CLAIMS_LENGTH]) {
    let mut opened = [0; CLAIMS_LENGTH];
    match open_claims(&key(), &file) {
        Ok(claims) => encode_claims(&claims, &mut opened),
        Err(error) => assert_eq!(error.to_string(), "", "what was sealed does not open"),
    }
    assert_eq!(&opened, plain);
    let other = SessionKey::init_with(|key| key.fill(0x4C));
    assert_eq!(open_claims(&other, &file).err(), Some(FileError::Corrupt));
    // The input selects which byte changes.
    let at = plain
        .iter()
        .fold(0, |sum, &byte| (sum * 31 + usize::from(byte)) % FILE_LENGTH);
    file[at] ^= 1;
    assert!(open_claims(&key(), &file).is_err(), "byte {at}");
}
