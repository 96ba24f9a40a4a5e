//! What must hold for any bytes in place of the sealing state; see `crate::fuzz`.

use std::io::Write;
use std::path::Path;

use super::{BadState, CHECKED, SLOT, Sealing, StateFile};
use crate::crypto::sha256;

/// A slot is accepted only as it is written, and not with a byte changed; of two, the newer state is
/// the one that counts, and a file without one is never taken for a state.
pub(crate) fn seal_state(bytes: &[u8]) -> bool {
    let mut slots = [[0; SLOT]; 2];
    let mut newest = None;
    for (slot, part) in slots.iter_mut().zip(bytes.chunks(SLOT)) {
        slot[..part.len()].copy_from_slice(part);
        with_its_checksum(slot);
        if part.len() == SLOT
            && let Some(version) = accepted(slot)
        {
            newest = newest.max(Some(version));
        }
    }
    let read = read(bytes);
    assert_eq!(read.as_ref().ok().map(|state| state.version), newest);
    if read.as_ref().err() == Some(&BadState::Unwritten) {
        let whole = bytes.get(..2 * SLOT);
        let first = bytes.get(..SLOT).unwrap_or_default();
        assert!(whole.unwrap_or(first).iter().all(|&byte| byte == 0));
    }
    read.is_ok()
}

/// The version of the state in `slot`, which is then the one form of it.
fn accepted(slot: &[u8; SLOT]) -> Option<u64> {
    let state = Sealing::decode(slot)?;
    assert!(state.encode().expose() == slot, "two forms of a state");
    // A different place each time, and the one next to the checksum.
    let checksum = usize::from(slot[CHECKED]) * 2 + usize::from(slot[CHECKED + 1] & 1);
    for at in [checksum, CHECKED - 1, CHECKED, CHECKED + 32, SLOT - 1] {
        let mut changed = *slot;
        changed[at] ^= 1 | slot[CHECKED + 2];
        assert!(Sealing::decode(&changed).is_none(), "byte {at} was changed");
    }
    Some(state.version)
}

/// What a state says is judged, too, when the checksum is right.
fn with_its_checksum(slot: &[u8; SLOT]) {
    let mut slot = *slot;
    let check = sha256(&slot[..CHECKED]);
    slot[CHECKED..CHECKED + 32].copy_from_slice(&check);
    accepted(&slot);
    slot[CHECKED + 32..].fill(0);
    accepted(&slot);
}

/// Reads the file of these bytes, as every process that appends does.
fn read(bytes: &[u8]) -> Result<Sealing, BadState> {
    let file = tempfile::tempfile().and_then(|mut file| file.write_all(bytes).map(|()| file));
    let Ok(Ok(state)) = file.map(|file| StateFile::new(file).read(Path::new("."))) else {
        unreachable!("a scratch file could not be written or read")
    };
    state
}
