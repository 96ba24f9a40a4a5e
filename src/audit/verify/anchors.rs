//! Many anchors: as they were kept, in files of JSON lines or in system logs.

use std::io::{self, Read};

use super::anchor::Anchor;
use super::finding::Problem;
use super::result::AnchorCounts;
use super::segment::Watched;
use crate::audit::reader::{Found, Lines};
use crate::crypto::sign::PublicKey;

/// Anchors to compare a log with, and where each was read.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    list: Vec<(Anchor, String)>,
    ignored: u64,
}

impl Anchors {
    /// Reads the anchors in `source`, which a person knows as `name`: lines of JSON as `audit anchor
    /// --json` prints them, or lines of a system log as they stand there (traditional or RFC 5424 files,
    /// what `journalctl` prints). Lines without an anchor are counted and ignored.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(name: &str, mut source: impl Read) -> io::Result<Self> {
        let mut anchors = Self::default();
        let mut line_end = b"\n".as_slice();
        // So that a last line without its end is one.
        let mut lines = Lines::new(source.by_ref().chain(&mut line_end));
        let mut at = 0_u64;
        while let Some(found) = lines.next_line()? {
            at += 1;
            let line = match found {
                Found::Line(line) => line,
                Found::TooLong => b"too long",
            };
            match Anchor::find_in(line) {
                Some(anchor) => anchors.list.push((anchor, format!("{name}:{at}"))),
                None if line.is_empty() => {}
                None => anchors.ignored += 1,
            }
        }
        Ok(anchors)
    }

    /// The one that a person knows as `name`.
    pub fn one(anchor: Anchor, name: &str) -> Self {
        Self {
            list: vec![(anchor, name.to_owned())],
            ignored: 0,
        }
    }

    /// Adds those of `other`.
    pub fn extend(&mut self, other: Self) {
        self.list.extend(other.list);
        self.ignored += other.ignored;
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many lines had no anchor in them.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// The numbers in them.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.list.iter().map(|(anchor, _)| anchor.seq)
    }

    /// Compares them with the log of this fingerprint, whose first event is `first` and whose last is
    /// `last`. `watched` are the lines of their numbers, in ascending order.
    pub(super) fn judge(
        &self,
        fingerprint: Option<PublicKey>,
        (first, last): (u64, u64),
        watched: &[Watched],
        mut find: impl FnMut(Problem),
    ) -> AnchorCounts {
        let mut own: Vec<_> = self
            .list
            .iter()
            .filter(|(anchor, _)| Some(anchor.fingerprint) == fingerprint)
            .collect();
        let mut counts = AnchorCounts {
            other_log: (self.list.len() - own.len()) as u64,
            ..AnchorCounts::default()
        };
        if let Some(fingerprint) = fingerprint.filter(|_| own.is_empty() && !self.is_empty()) {
            let found = fingerprint.to_string();
            find(Problem::OtherAnchors { found });
        }
        own.sort_by(|(a, _), (b, _)| (a.seq, a.hash.as_bytes()).cmp(&(b.seq, b.hash.as_bytes())));
        own.dedup_by(|(a, _), (b, _)| a == b);
        counts.given = own.len() as u64;
        for pair in own.windows(2) {
            let [(one, one_read), (other, other_read)] = pair else {
                continue;
            };
            if one.seq == other.seq {
                find(Problem::Fork {
                    seq: one.seq,
                    one: one.hash,
                    one_read: one_read.clone(),
                    other: other.hash,
                    other_read: other_read.clone(),
                });
            }
        }
        for (Anchor { seq, hash, .. }, _) in own {
            let seq = *seq;
            if seq < first {
                counts.not_checked += 1;
                continue;
            }
            let after = watched.partition_point(|watched| watched.link.seq <= seq);
            let line = after.checked_sub(1).map(|at| watched[at].link);
            match line.filter(|line| line.seq == seq) {
                Some(line) if line.hash == *hash => counts.checked += 1,
                None if seq > last => find(Problem::BeforeAnchor { seq }),
                _ => find(Problem::AnchorMismatch { seq }),
            }
        }
        counts
    }
}
