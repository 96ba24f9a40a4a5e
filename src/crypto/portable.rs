//! When to ask the processor for its better instructions.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that a process works on in portable code before it asks the processor what else it can do.
///
/// On a virtual machine the question takes longer than little work without its answer
/// (docs/adr/0014-fast-to-load.md); with this, at most twice as long as knowing beforehand.
pub struct Portable {
    first: usize,
    done: AtomicUsize,
}

impl Portable {
    /// So many bytes of a process, at first.
    pub const fn first(bytes: usize) -> Self {
        Self {
            first: bytes,
            done: AtomicUsize::new(0),
        }
    }

    /// Whether `bytes` more are among them.
    pub fn covers(&self, bytes: usize) -> bool {
        // Threads that count past each other ask a little sooner or later.
        let done = self.done.load(Ordering::Relaxed).saturating_add(bytes);
        let covers = done <= self.first;
        if covers {
            self.done.store(done, Ordering::Relaxed);
        }
        covers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_are_covered_and_none_after_them() {
        let portable = Portable::first(10);
        let asked = [4, 7, 6, 0, 1, usize::MAX].map(|bytes| portable.covers(bytes));
        assert_eq!(asked, [true, false, true, true, false, false]);
    }
}
