//! Verifying seals many at once, over the ends of segments: a day rarely has enough for a good batch.

use std::collections::BTreeMap;

use super::finding::Problem;
use super::segment::{KEPT, Report};
use crate::audit::segment::SegmentName;
use crate::crypto::sign::{PublicKey, Signature, verify, verify_all};

/// Signatures that are verified at once: the more, the cheaper each; about a megabyte at work.
const BATCH: usize = 2048;

/// A seal that waits for its batch.
pub(super) struct Waiting {
    pub(super) segment: SegmentName,
    pub(super) line: u64,
    pub(super) seq: u64,
    pub(super) key: PublicKey,
    pub(super) message: Vec<u8>,
    pub(super) signature: Signature,
}

/// What a thread has of seals to verify, and which it found foreign.
#[derive(Default)]
pub(super) struct Seals {
    waiting: Vec<Waiting>,
    foreign: BTreeMap<SegmentName, Foreign>,
}

/// The foreign seals of a segment.
#[derive(Default)]
pub(super) struct Foreign {
    /// Line and number of the first ones, no more than a report keeps.
    first: Vec<(u64, u64)>,
    more: u64,
}

impl Seals {
    pub(super) fn add(&mut self, seal: Waiting) {
        self.waiting.push(seal);
        if self.waiting.len() == BATCH {
            self.verify();
        }
    }

    /// Verifies what still waits: the foreign ones of all.
    pub(super) fn finish(mut self) -> BTreeMap<SegmentName, Foreign> {
        self.verify();
        self.foreign
    }

    fn verify(&mut self) {
        let keys: Vec<_> = self.waiting.iter().map(|seal| seal.key).collect();
        let messages: Vec<_> = self.waiting.iter().map(|seal| &seal.message[..]).collect();
        let signatures: Vec<_> = self.waiting.iter().map(|seal| seal.signature).collect();
        if !verify_all(&keys, &messages, &signatures) {
            for seal in &self.waiting {
                if !verify(&seal.key, &seal.message, &seal.signature) {
                    let foreign = self.foreign.entry(seal.segment).or_default();
                    if foreign.first.len() < KEPT {
                        foreign.first.push((seal.line, seal.seq));
                    } else {
                        foreign.more += 1;
                    }
                }
            }
        }
        self.waiting.clear();
    }
}

impl Foreign {
    /// Notes them in the report of their segment, `name`.
    pub(super) fn tell(self, name: SegmentName, report: &mut Report) {
        for (line, seq) in self.first {
            report.find_at(name, line, Some(seq), Problem::ForeignSeal);
        }
        report.more_findings += self.more;
    }
}
