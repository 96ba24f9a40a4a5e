//! What is left behind in freed memory.

#[cfg(not(target_env = "musl"))]
use std::alloc::System;
use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;

#[cfg(target_env = "musl")]
use dlmalloc::GlobalDlmalloc as System;

/// What is larger is wiped by its owner (Argon2's work memory) or holds no secret, and wiping it
/// once more would take a while.
const LARGEST: usize = 1024 * 1024;

/// The system's allocator, which wipes what is freed.
///
/// Secrets of ours wipe themselves. This is for the copies that crates make of a password while they
/// judge it. A program that uses the library may install it as well, as its `#[global_allocator]`.
pub struct WipingAllocator;

// SAFETY: every call is the system allocator's own, with what it was given, but for `realloc` of
// what is to be wiped, which allocates, copies as much as both sizes have, and frees.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised to us.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        if layout.size() <= LARGEST {
            // SAFETY: it is an allocation of that size, and its owner has given it up.
            unsafe { start.write_bytes(0, layout.size()) };
            // Or the compiler leaves out what is written just before it is freed.
            black_box(start);
        }
        // SAFETY: as promised to us.
        unsafe { System.dealloc(start, layout) };
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() > LARGEST {
            // SAFETY: as promised to us.
            return unsafe { System.realloc(start, layout, size) };
        }
        // SAFETY: the caller promises that `size` is valid for that alignment; both allocations
        // have the bytes that are copied, and are two.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(start, layout.size().min(size));
                self.dealloc(start, layout);
            }
            moved
        }
    }
}
