//! Compares the stack that computing with keys uses to the part that is wiped.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use super::*;
use crate::memory::{DEEP, SHALLOW, SecretBuffer};

const MARK: u8 = 0xA7;
/// Far deeper than any function here uses.
const PAINTED: usize = 256 * 1024;
/// Bytes at each end used by the wiping call and by the check itself.
const CALLS: usize = 1024;

/// Fills the stack below the caller with marks, and returns where they begin.
#[inline(never)]
#[allow(clippy::large_stack_arrays)] // the stack itself is under test
fn paint() -> usize {
    let mut marks = [MARK; PAINTED];
    black_box(&mut marks).as_ptr().addr()
}

/// `None` where this process may not read its own memory.
#[inline(never)]
fn stack_after(work: impl FnOnce()) -> Option<Vec<u8>> {
    let start = paint();
    work();
    let memory = File::open("/proc/self/mem").ok()?;
    let mut stack = vec![0; PAINTED];
    memory.read_exact_at(&mut stack, start as u64).unwrap();
    Some(stack)
}

#[test]
fn computing_with_keys_uses_no_more_stack_than_is_wiped_behind_it() {
    let key = Key::init_with(|bytes| bytes.fill(3));
    let (mut text, data) = ([5; 320], [6; 68]);
    let mut sealed = text;
    let tag = seal::seal(&key, &[1; 12], &data, &mut sealed);
    let one = sealed_for::SecretKey::from_seed(Key::init_with(|bytes| bytes.fill(4)));
    let mut works: [(&str, usize, &mut dyn FnMut()); 7] = [
        ("public key", DEEP, &mut || {
            black_box(one.public());
        }),
        ("agreement", DEEP, &mut || {
            drop(sealed_for::shared(&key, &[9; 32]));
        }),
        ("derive", SHALLOW, &mut || {
            drop(kdf::derive(&key, labels::SESSION_FILE, &[9; 16]));
        }),
        ("digest", SHALLOW, &mut || {
            black_box(keyed_digest(&key, [&data[..], &data]));
        }),
        ("seal", SHALLOW, &mut || {
            black_box(seal::seal(&key, &[1; 12], &data, &mut text));
        }),
        ("open", SHALLOW, &mut || {
            seal::open(&key, &[1; 12], &data, &mut sealed.clone(), &tag).unwrap();
        }),
        ("open many", SHALLOW, &mut || {
            seal::open_many(&key, |opener| {
                for _ in 0..3 {
                    let mut text = SecretBuffer::copy_of(&sealed);
                    let text = text.expose_mut();
                    opener.open(&[1; 12], &data, text, &tag).unwrap();
                }
            });
        }),
    ];
    for (name, depth, work) in &mut works {
        let Some(stack) = stack_after(work) else {
            eprintln!("skipped: this process may not look at its own memory");
            return;
        };
        let deepest = stack.iter().position(|&byte| byte != MARK).unwrap();
        // Wiping starts at the deepest byte that was written.
        let wiped = &stack[deepest + CALLS..deepest + *depth - CALLS];
        let left = wiped.iter().filter(|&&byte| byte != 0).count();
        assert_eq!(
            left,
            0,
            "{name} goes deeper than is wiped: to {}",
            PAINTED - deepest
        );
    }
}
