//! What is left in memory once a secret is gone, looked at through the system, as another would.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

use std::alloc::{GlobalAlloc, Layout};
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use super::*;

const MARK: u8 = 0xA7;
const LENGTH: usize = 4096;

/// Whether sixteen marks in a row are in the `LENGTH` bytes at `start`. Another test may have been
/// given that memory since, but writes no marks.
fn is_marked(start: *const u8) -> bool {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut content = vec![0; LENGTH];
    memory
        .read_exact_at(&mut content, start.addr() as u64)
        .unwrap();
    content.windows(16).any(|part| part == [MARK; 16])
}

/// Says so when this process may not look at itself.
fn sees_itself() -> bool {
    let sees = File::open("/proc/self/mem").is_ok();
    if !sees {
        eprintln!("skipped: this process may not look at its own memory");
    }
    sees
}

#[test]
fn a_dropped_secret_is_wiped() {
    if !sees_itself() {
        return;
    }
    let key = Secret::<LENGTH>::init_with(|bytes| bytes.fill(MARK));
    let start = key.expose().as_ptr();
    assert!(is_marked(start));
    drop(key);
    assert!(!is_marked(start));

    let mut password = SecretBuffer::with_capacity(LENGTH);
    assert!(password.push(&[MARK; LENGTH]));
    let start = password.expose().as_ptr();
    assert!(is_marked(start));
    drop(password);
    assert!(!is_marked(start));
}

#[test]
#[allow(unsafe_code)]
fn what_is_freed_or_outgrown_is_wiped() {
    if !sees_itself() {
        return;
    }
    let layout = Layout::from_size_align(LENGTH, 8).unwrap();
    // SAFETY: each allocation is written and read within its size, and freed once.
    unsafe {
        let first = WipingAllocator.alloc(layout);
        first.write_bytes(MARK, LENGTH);
        assert!(is_marked(first));
        let second = WipingAllocator.realloc(first, layout, 2 * LENGTH);
        assert!(!is_marked(first));
        assert!(is_marked(second), "what it grew to keeps its bytes");
        let layout = Layout::from_size_align(2 * LENGTH, 8).unwrap();
        WipingAllocator.dealloc(second, layout);
        assert!(!is_marked(second));
    }
}

#[test]
fn what_a_computation_spills_on_the_stack_is_wiped() {
    if !sees_itself() {
        return;
    }
    let spill = || {
        let mut spilled = [MARK; LENGTH];
        let start = black_box(&mut spilled).as_ptr();
        assert!(is_marked(start));
        start
    };
    let start = on_wiped_stack::<SHALLOW, _>(spill);
    assert!(!is_marked(start));
}
