//! Properties of the sealing state that hold for any bytes in its place; see `nightlatch::fuzz`.

use super::{CHECKED, SECTOR, Sealer};
use nightlatch_core::crypto::sha256;

/// A state is accepted only exactly as written; with any byte changed it is rejected.
///
/// # Panics
/// When the property does not hold.
pub fn seal_state(bytes: &[u8]) -> bool {
    let mut sector = [0; SECTOR];
    let length = bytes.len().min(SECTOR);
    sector[..length].copy_from_slice(&bytes[..length]);
    with_its_checksum(&sector);
    is_accepted(&sector)
}

/// Whether `sector` is a valid state, which then has only one form.
fn is_accepted(sector: &[u8; SECTOR]) -> bool {
    let Some(state) = Sealer::decode(sector) else {
        return false;
    };
    assert!(state.encode().expose() == sector, "two forms of a state");
    // Change a different byte each time, including those next to the checksum.
    let checksum = usize::from(sector[CHECKED]) * 2 + usize::from(sector[CHECKED + 1] & 1);
    for at in [checksum, CHECKED - 1, CHECKED, CHECKED + 32, SECTOR - 1] {
        let mut changed = *sector;
        changed[at] ^= 1 | sector[CHECKED + 2];
        assert!(Sealer::decode(&changed).is_none(), "byte {at} was changed");
    }
    true
}

/// With a correct checksum, the values are still checked.
fn with_its_checksum(sector: &[u8; SECTOR]) {
    let mut sector = *sector;
    let check = sha256(&sector[..CHECKED]);
    sector[CHECKED..CHECKED + 32].copy_from_slice(&check);
    is_accepted(&sector);
    sector[CHECKED + 32..].fill(0);
    is_accepted(&sector);
}
