//! Wiping the stack after computing with a secret.

use std::hint::black_box;

/// More than hashing, checking and normalizing a password use.
pub const DEEP: usize = 64 * 1024;
/// More than deriving a key, a keyed digest, sealing and opening use. Wiping more would touch pages
/// that the system first has to map.
pub const SHALLOW: usize = 16 * 1024;

/// Runs `work`, then overwrites the `DEPTH` bytes of stack that it may have used.
///
/// A hash or cipher wipes itself when dropped, but not the place it was moved from, nor registers
/// that the compiler spilled: keys would stay there until something overwrites them. The result of
/// `work` must hold secrets on the heap only.
pub fn on_wiped_stack<const DEPTH: usize, T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    overwrite::<DEPTH>();
    result
}

/// A separate call, so that everything `work` leaves is below its caller's frame, where
/// [`overwrite`] reaches.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
#[allow(clippy::large_stack_arrays)] // the array must be large; every stack is far larger
fn overwrite<const DEPTH: usize>() {
    // The black box takes a reference, so the bytes must have been written.
    black_box(&mut [0_u8; DEPTH]);
}
