//! What computing with a secret leaves behind on the stack.

use std::hint::black_box;

/// More than a password's hash, rules and normal form use.
pub const DEEP: usize = 64 * 1024;
/// More than deriving a key, a keyed digest, sealing and opening use: what is wiped beyond that are
/// pages which the system first has to find.
pub const SHALLOW: usize = 16 * 1024;

/// Does `work`, then overwrites the `DEPTH` bytes of the stack that it may have used.
///
/// A hash or cipher wipes itself when it is dropped, but not where it stood before it was moved, nor
/// what the compiler spilled from registers: keys would be found there until something else happens
/// to be written over them. What `work` returns must hold secrets on the heap only.
pub fn on_wiped_stack<const DEPTH: usize, T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    overwrite::<DEPTH>();
    result
}

/// A call of its own, so that all that `work` leaves is below the frame of its caller, where
/// [`overwrite`] gets.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
#[allow(clippy::large_stack_arrays)] // its size is its purpose; every stack is far larger
fn overwrite<const DEPTH: usize>() {
    // What is lent to the black box must have been written.
    black_box(&mut [0_u8; DEPTH]);
}
