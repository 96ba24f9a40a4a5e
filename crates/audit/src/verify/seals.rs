//! Verifies seals in batches, across segment boundaries and on all threads.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::finding::{Finding, Findings, Problem};
use crate::hash::LineHash;
use crate::seal::Seal;
use crate::segment::SegmentName;
use nightlatch_core::crypto::sign::{PublicKey, Signed, verify, verify_all};

/// Signatures per batch. Larger batches cost less per signature; this one needs about two
/// megabytes.
const BATCH: usize = 4096;

/// A seal that waits to be verified.
pub(super) struct Waiting {
    pub(super) segment: SegmentName,
    pub(super) line: u64,
    pub(super) seq: u64,
    pub(super) key: PublicKey,
    pub(super) hash: LineHash,
    pub(super) seal: Seal,
}

/// Full batches, passed from threads that read segments to threads that have none left to read.
pub(super) struct Batches {
    queue: Mutex<Queue>,
    changed: Condvar,
    foreign: Mutex<Findings>,
}

struct Queue {
    full: Vec<Vec<Waiting>>,
    /// Threads that only verify batches.
    helpers: usize,
    /// Threads that may still add a batch.
    readers: usize,
}

impl Batches {
    /// For this many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            queue: Mutex::new(Queue {
                full: Vec::new(),
                helpers: 0,
                readers: threads,
            }),
            changed: Condvar::new(),
            foreign: Mutex::new(Findings::default()),
        }
    }

    /// Queues a full batch, at most one for each helping thread; returns the batch if the queue is
    /// full.
    fn hand_over(&self, batch: Vec<Waiting>) -> Option<Vec<Waiting>> {
        let mut queue = self.lock();
        if queue.full.len() >= queue.helpers {
            return Some(batch);
        }
        queue.full.push(batch);
        self.changed.notify_one();
        None
    }

    /// Verifies batches from other threads until all of them have stopped reading.
    pub(super) fn help(&self) {
        let mut queue = self.lock();
        queue.readers -= 1;
        queue.helpers += 1;
        self.changed.notify_all();
        loop {
            if let Some(batch) = queue.full.pop() {
                drop(queue);
                self.verify(&batch);
                queue = self.lock();
            } else if queue.readers == 0 {
                return;
            } else {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn verify(&self, batch: &[Waiting]) {
        let mut messages = Vec::with_capacity(batch.len() * 128);
        let ends: Vec<_> = batch
            .iter()
            .map(|Waiting { hash, seal, .. }| {
                seal.write_message(hash, &mut messages);
                messages.len()
            })
            .collect();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let signed: Vec<_> = batch
            .iter()
            .zip(starts.zip(&ends))
            .map(|(waiting, (start, &end))| Signed {
                key: waiting.key,
                message: &messages[start..end],
                signature: waiting.seal.signature,
            })
            .collect();
        if verify_all(&signed) {
            return;
        }
        for (waiting, signed) in batch.iter().zip(&signed) {
            if !verify(&signed.key, signed.message, &signed.signature) {
                let finding = Finding {
                    file: waiting.segment.to_string(),
                    line: waiting.line,
                    seq: Some(waiting.seq),
                    problem: Problem::ForeignSeal,
                };
                let foreign = self.foreign.lock();
                let mut foreign = foreign.unwrap_or_else(PoisonError::into_inner);
                foreign.add(waiting.segment.first(), finding);
            }
        }
    }

    /// The seals that do not verify.
    pub(super) fn finish(self) -> Findings {
        self.foreign
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The seals that this thread has read but not verified yet.
pub(super) struct Seals<'a> {
    waiting: Vec<Waiting>,
    batches: &'a Batches,
}

impl<'a> Seals<'a> {
    pub(super) fn new(batches: &'a Batches) -> Self {
        Self {
            waiting: Vec::new(),
            batches,
        }
    }

    pub(super) fn add(&mut self, seal: Waiting) {
        self.waiting.push(seal);
        if self.waiting.len() == BATCH {
            let full = std::mem::take(&mut self.waiting);
            if let Some(mut full) = self.batches.hand_over(full) {
                self.batches.verify(&full);
                full.clear();
                self.waiting = full;
            }
        }
    }

    /// Verifies the seals that are left.
    pub(super) fn finish(self) {
        self.batches.verify(&self.waiting);
    }
}
