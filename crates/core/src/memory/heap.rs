//! Wiping of freed heap memory.

#[cfg(not(target_env = "musl"))]
use std::alloc::System;
use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;

#[cfg(target_env = "musl")]
use dlmalloc::GlobalDlmalloc as System;

/// Larger allocations are wiped by their owner (Argon2's work memory) or hold no secret; wiping
/// them again would take time.
const LARGEST: usize = 1024 * 1024;

/// The system allocator, but wiping memory when it is freed.
///
/// Our own secret types wipe themselves. This is for the copies that other crates make of a
/// password while they check it. A program that uses the library may install it as its
/// `#[global_allocator]`.
#[allow(clippy::exhaustive_structs)] // a program names it
pub struct WipingAllocator;

// SAFETY: every call goes to the system allocator with the same arguments, except for `realloc` of
// memory to be wiped, which allocates, copies the smaller of the two sizes, and frees.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        if layout.size() <= LARGEST {
            // SAFETY: the allocation has that size, and its owner has given it up.
            unsafe { start.write_bytes(0, layout.size()) };
            // Keeps the compiler from removing the write as dead.
            black_box(start);
        }
        // SAFETY: the caller upholds the contract.
        unsafe { System.dealloc(start, layout) };
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() > LARGEST {
            // SAFETY: the caller upholds the contract.
            return unsafe { System.realloc(start, layout, size) };
        }
        // SAFETY: the caller promises that `size` is valid for that alignment; both allocations
        // hold the copied bytes, and they do not overlap.
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
