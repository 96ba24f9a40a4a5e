//! Checks what remains in memory after a secret is dropped, read through the system as another
//! process would read it.

#![allow(
    clippy::panic,
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

/// Whether the `LENGTH` bytes at `start` contain sixteen marks in a row. Another test may have been
/// given that memory since, but writes no marks.
fn is_marked(start: *const u8) -> bool {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut content = vec![0; LENGTH];
    memory
        .read_exact_at(&mut content, start.addr() as u64)
        .unwrap();
    content.windows(16).any(|part| part == [MARK; 16])
}

/// Whether this process may read its own memory; prints a note if not.
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

/// Whether the page at `address` is locked in memory.
fn is_locked(address: usize) -> bool {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut is_here = false;
    for line in maps.lines() {
        let (first, rest) = line.split_once(' ').unwrap();
        if let Some((start, end)) = first.split_once('-') {
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            is_here = (number(start)..number(end)).contains(&address);
        } else if is_here && first == "VmFlags:" {
            return rest.split(' ').any(|flag| flag == "lo");
        }
    }
    panic!("{address:#x} is not mapped");
}

#[test]
fn a_page_is_locked_from_its_first_secret_to_its_last() {
    // A separate arena, because other tests hold secrets at the same time.
    let mut arena = block::Arena::new();
    let first = arena.take(32).unwrap();
    let page = first.addr().get();
    if !is_locked(page) {
        eprintln!("skipped: this process may not lock a page");
        return;
    }
    let second = arena.take(1000).unwrap();
    assert_eq!(second.addr().get(), page + 64, "they share a page");
    let third = arena.take(LENGTH).unwrap();
    arena.give_back(first, 32);
    assert!(is_locked(page), "another secret is on it");
    arena.give_back(second, 1000);
    assert!(!is_locked(page));
    assert!(is_locked(third.addr().get()));
    arena.give_back(third, LENGTH);
    assert!(!is_locked(third.addr().get()));
    assert_eq!(arena.take(32), Some(first));
    assert!(is_locked(page));
}

#[test]
#[allow(unsafe_code)]
fn a_forked_process_has_no_secret_of_ours() {
    let key = Secret::<32>::init_with(|bytes| bytes.fill(MARK));
    let start = key.expose().as_ptr();
    // SAFETY: the new process reads one byte of memory that is mapped in it, and exits.
    let read = unsafe {
        let process = nix::libc::fork();
        if process == 0 {
            nix::libc::_exit(start.read_volatile().into());
        }
        let mut status = 0;
        assert_eq!(
            nix::libc::waitpid(process, &raw mut status, 0),
            process,
            "it ended"
        );
        nix::libc::WEXITSTATUS(status)
    };
    assert_eq!(read, 0, "older systems than Linux 4.14 cannot do that");
    assert_eq!(key.expose(), &[MARK; 32]);
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
