//! The memory that secrets live in: pages that hold nothing else, locked in memory while there is a secret on
//! them. Several secrets share a page, so it is unlocked when the last of them is gone.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroize;

use super::process;

/// How many parts of one size a region is divided into: a bit of [`Region::used`] each.
const PARTS: usize = u64::BITS as usize;

static ARENA: Mutex<Arena> = Mutex::new(Arena::new());

/// Some bytes of secret memory, wiped when they are given back.
pub(super) struct Block {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a block is memory that nobody else has, as a box is.
#[allow(unsafe_code)]
unsafe impl Send for Block {}
// SAFETY: as above: what is borrowed from a shared block can only be read.
#[allow(unsafe_code)]
unsafe impl Sync for Block {}

impl Block {
    /// `length` zero bytes. They are kept out of swap where the system allows it: a refusal (a small
    /// `RLIMIT_MEMLOCK`) is not an error.
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
        // SAFETY: so many bytes from there on are this block's alone, and were zero at first.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.start.as_ptr(), self.length)
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and it is borrowed exclusively.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length)
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Before it is unlocked: it could reach the swap.
        self.bytes_mut().zeroize();
        if self.length > 0 {
            let mut arena = ARENA.lock().unwrap_or_else(PoisonError::into_inner);
            arena.give_back(self.start, self.length);
        }
    }
}

/// The regions there are. They are few, and stay mapped.
pub(super) struct Arena {
    regions: Vec<Region>,
}

/// Whole pages, mostly one.
struct Region {
    start: NonNull<u8>,
    length: usize,
    /// The parts that hold secrets.
    used: u64,
    is_locked: bool,
}

// SAFETY: the pointer is the address of a mapping, and no region is used without the arena's lock.
#[allow(unsafe_code)]
unsafe impl Send for Region {}

impl Arena {
    pub(super) const fn new() -> Self {
        Self {
            regions: Vec::new(),
        }
    }

    /// Room for `length` bytes, at least one, all zero; `None` when there is no memory.
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

    /// Gives back what was taken, wiped by now.
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
    /// The size of a part.
    fn part(&self) -> usize {
        self.length / PARTS
    }

    /// As many bits as `length` bytes take parts, from the lowest on; `None` where there are not so many.
    fn mask(&self, length: usize) -> Option<u64> {
        let unused = PARTS.checked_sub(length.div_ceil(self.part()))?;
        Some(u64::MAX >> unused)
    }

    fn take(&mut self, length: usize) -> Option<NonNull<u8>> {
        let mask = self.mask(length)?;
        let at = (0..=mask.leading_zeros()).find(|&at| self.used & (mask << at) == 0)?;
        self.used |= mask << at;
        // Tried again where it was refused: the limit may be another one, or others gave something back.
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
        /// Whatever is taken and given back in whatever order: nobody gets what another one has, or
        /// something beyond a region, and exactly the regions with something on them count as locked.
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
