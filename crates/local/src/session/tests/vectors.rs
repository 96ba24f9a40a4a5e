//! Formats that must stay readable for ever: files written by an earlier build, in `tests/vectors`.
//! The ignored test here writes them once; a new format version gets new vectors.

use std::path::Path;

use super::super::file::Origin;
use super::super::model::{Activity, Claims};
use super::super::{file, payload};
use super::*;
use nightlatch_core::clock::{BootTime, Moment, Timestamp};
use nightlatch_platform::fs::FileIdentity;

const SESSION_FILE: &[u8] = include_bytes!("../../../tests/vectors/session-v1.bin");
const PAYLOAD: &[u8] = include_bytes!("../../../tests/vectors/payload-v1.bin");

const BOOT_ID: [u8; 16] = [0xB7; 16];

fn key() -> SessionKey {
    SessionKey::init_with(|key| key.fill(0x4B))
}

fn origin() -> Origin {
    Origin {
        keeper: KeeperKind::Kernel,
        boot_id: BOOT_ID,
        surroundings: Surroundings {
            machine: [0x3A; 16],
            user_namespace: 4_026_531_837,
        },
    }
}

fn claims() -> Claims {
    Claims {
        session: SessionId::from_bytes([0x5E; 16]),
        account: ALICE,
        username: "alice@example.com".to_owned(),
        created: Moment {
            wall: Timestamp::from_unix_seconds(1_800_000_000),
            boot: BootTime::from_nanos(3_600_000_000_000),
        },
        idle: IDLE,
        deadline: Timestamp::from_unix_seconds(1_800_014_400),
        account_key: AccountKey::init_with(|key| key.fill(0xAC)),
    }
}

fn activity(file_hash: [u8; 32]) -> Activity {
    let moment = |wall, boot| Moment {
        wall: Timestamp::from_unix_seconds(wall),
        boot: BootTime::from_nanos(boot),
    };
    Activity {
        key: key(),
        session: claims().session,
        boot_id: BOOT_ID,
        generation: 7,
        last: moment(1_800_000_060, 3_660_000_000_000),
        deadline: moment(1_800_014_400, 18_000_000_000_000),
        file_hash,
        home: FileIdentity {
            device: 0xfe00,
            inode: 0x1234_5678,
            changed: 1_799_999_999_123_456_789,
        },
    }
}

#[test]
fn a_session_file_of_version_1_opens_for_ever() {
    let header = file::read_header(SESSION_FILE).unwrap();
    assert_eq!(header.origin, origin());
    let (found, wrote) = (file::open_claims(&key(), SESSION_FILE).unwrap(), claims());
    assert_eq!(
        (found.session, found.account, found.username),
        (wrote.session, wrote.account, wrote.username)
    );
    assert_eq!(
        (found.created, found.idle, found.deadline),
        (wrote.created, wrote.idle, wrote.deadline)
    );
    assert_eq!(found.account_key.expose(), wrote.account_key.expose());
}

#[test]
fn a_payload_of_version_1_is_read_for_ever_and_knows_its_file() {
    let held = Payload::init_with(|into| into.copy_from_slice(PAYLOAD));
    let found = payload::decode(&held).unwrap();
    let wrote = activity(file::hash(SESSION_FILE));
    assert_eq!(found.key.expose(), wrote.key.expose());
    assert_eq!(
        (found.session, found.boot_id, found.generation),
        (wrote.session, wrote.boot_id, wrote.generation)
    );
    assert_eq!((found.last, found.deadline), (wrote.last, wrote.deadline));
    assert_eq!((found.file_hash, found.home), (wrote.file_hash, wrote.home));
    assert_eq!(payload::encode(&wrote).expose(), PAYLOAD);
}

#[test]
#[ignore = "writes the vectors, once for each version of the format"]
fn write_vectors() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let sealed = file::seal_claims(&key(), &origin(), &claims()).unwrap();
    let held = payload::encode(&activity(file::hash(&sealed)));
    let written = [
        ("session-v1.bin", &sealed[..]),
        ("payload-v1.bin", held.expose()),
    ];
    for (name, bytes) in written {
        let path = vectors.join(name);
        assert!(!path.exists(), "{} is there for ever", path.display());
        std::fs::write(path, bytes).unwrap();
    }
}
