//! Memory for secrets: pages that hold nothing else and are locked in memory while they hold a
//! secret. Several secrets share a page, which is unlocked when the last of them is dropped.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroize;

use super::process;

/// Number of equal parts in a region, one for each bit of [`Region::used`].
const PARTS: usize = u64::BITS as usize;

static ARENA: Mutex<Arena> = Mutex::new(Arena::new());

/// A piece of secret memory, wiped when it is freed.
pub(super) struct Block {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a block owns its memory exclusively, as a box does.
#[allow(unsafe_code)]
unsafe impl Send for Block {}
// SAFETY: as above; a shared reference only gives read access.
#[allow(unsafe_code)]
unsafe impl Sync for Block {}

impl Block {
    /// Allocates `length` zero bytes, kept out of swap where the system allows it. A refusal (a
    /// small `RLIMIT_MEMLOCK`) is not an error.
    pub(super) fn zeroed(length: usize) -> Self {
        let start = if length == 0 {
            NonNull::dangling()
        } else {
            let mut arena = ARENA.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = arena.take(length);
            drop(arena);
            taken.unwrap_or_else(|| handle_alloc_error(Layout::new::<u8>()))
        };
        Self { start, length }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: these bytes belong to this block alone and were initialized to zero.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.start.as_ptr(), self.length)
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and the borrow is exclusive.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length)
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Wipe before unlocking, because unlocked memory can be swapped out.
        self.bytes_mut().zeroize();
        if self.length > 0 {
            let mut arena = ARENA.lock().unwrap_or_else(PoisonError::into_inner);
            arena.give_back(self.start, self.length);
        }
    }
}

/// All regions. They are few, and stay mapped.
pub(super) struct Arena {
    regions: Vec<Region>,
}

/// A run of whole pages, mostly one.
struct Region {
    start: NonNull<u8>,
    length: usize,
    /// The parts in use.
    used: u64,
    is_locked: bool,
}

// SAFETY: the pointer is the address of a mapping, and regions are used only under the arena's
// lock.
#[allow(unsafe_code)]
unsafe impl Send for Region {}

impl Arena {
    pub(super) const fn new() -> Self {
        Self {
            regions: Vec::new(),
        }
    }

    /// Allocates `length` zero bytes, at least one; `None` when out of memory.
    pub(super) fn take(&mut self, length: usize) -> Option<NonNull<u8>> {
        for region in &mut self.regions {
            if let Some(taken) = region.take(length) {
                return Some(taken);
            }
        }
        let size = length.checked_next_multiple_of(process::page_size())?;
        self.regions.push(Region {
            start: process::map(size)?,
            length: size,
            used: 0,
            is_locked: false,
        });
        self.regions.last_mut()?.take(length)
    }

    /// Frees an allocation that has been wiped.
    pub(super) fn give_back(&mut self, start: NonNull<u8>, length: usize) {
        for region in &mut self.regions {
            if let Some(at) = start.addr().get().checked_sub(region.start.addr().get())
                && at < region.length
            {
                region.give_back(at, length);
            }
        }
    }
}

impl Region {
    /// The size of a part in bytes.
    fn part(&self) -> usize {
        self.length / PARTS
    }

    /// A mask of the lowest bits, one for each part that `length` bytes need; `None` when a region
    /// has too few parts.
    fn mask(&self, length: usize) -> Option<u64> {
        let unused = PARTS.checked_sub(length.div_ceil(self.part()))?;
        Some(u64::MAX >> unused)
    }

    fn take(&mut self, length: usize) -> Option<NonNull<u8>> {
        let mask = self.mask(length)?;
        let at = (0..=mask.leading_zeros()).find(|&at| self.used & (mask << at) == 0)?;
        self.used |= mask << at;
        // Try again after a refusal: the limit may have changed, or other memory may have been
        // unlocked.
        self.is_locked = self.is_locked || process::lock(self.start, self.length);
        // SAFETY: the part lies within the region.
        #[allow(unsafe_code)]
        Some(unsafe { self.start.add(at as usize * self.part()) })
    }

    fn give_back(&mut self, at: usize, length: usize) {
        let mask = self.mask(length).unwrap_or(u64::MAX);
        self.used &= !(mask << (at / self.part()));
        if self.used == 0 && self.is_locked {
            process::unlock(self.start, self.length);
            self.is_locked = false;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// For any order of allocations and frees: no two blocks overlap, no block goes beyond its
        /// region, and exactly the regions in use count as locked.
        #[test]
        fn no_two_blocks_overlap_and_a_region_is_locked_while_it_holds_one(
            steps in prop::collection::vec((1..9000_usize, any::<prop::sample::Index>(), any::<bool>()), 1..200)
        ) {
            let mut arena = Arena::new();
            let mut held: Vec<(usize, usize)> = Vec::new();
            for (length, which, gives_back) in steps {
                if gives_back && !held.is_empty() {
                    let (start, length) = held.swap_remove(which.index(held.len()));
                    arena.give_back(NonNull::new(start as *mut u8).unwrap(), length);
                } else {
                    let start = arena.take(length).unwrap().addr().get();
                    let is_free = |&(other, long): &(usize, usize)| start + length <= other || other + long <= start;
                    prop_assert!(held.iter().all(is_free));
                    held.push((start, length));
                }
                for region in &arena.regions {
                    let from = region.start.addr().get();
                    let within = |&&(start, _): &&(usize, usize)| (from..from + region.length).contains(&start);
                    prop_assert_eq!(region.used != 0, held.iter().any(|block| within(&block)));
                    prop_assert!(held.iter().filter(within).all(|&(start, length)| start + length <= from + region.length));
                    prop_assert!(region.used != 0 || !region.is_locked);
                }
            }
        }
    }
}
