//! A collection of anchors, read from files of JSON lines or from system logs.

use std::io::{self, Read};

use super::anchor::Anchor;
use super::finding::Problem;
use super::result::AnchorCounts;
use super::segment::Watched;
use nightlatch_core::crypto::sign::PublicKey;

/// The largest input that is read, so that reading a device or an endless pipe stops.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Anchors to compare a log with, and the source of each.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    list: Vec<(Anchor, String)>,
    ignored: u64,
}

impl Anchors {
    /// Reads the anchors in `source`, which messages call `name`: lines of JSON as `audit anchor
    /// --json` prints them, or lines of a system log (traditional or RFC 5424 files, or the output
    /// of `journalctl`). A line may be of any length and may have several anchors. Lines without an
    /// anchor are counted and ignored.
    ///
    /// # Errors
    /// When `source` cannot be read or has more than 64 MiB.
    pub fn read(name: &str, source: impl Read) -> io::Result<Self> {
        let mut text = Vec::new();
        source.take(LIMIT + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LIMIT {
            let what = "it has more than 64 MiB; give only the lines with anchors";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        let mut anchors = Self::default();
        for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let known = anchors.list.len();
            let found = Anchor::all_in(line);
            let named = found.map(|anchor| (anchor, format!("{name}:{}", at + 1)));
            anchors.list.extend(named);
            let has_none = anchors.list.len() == known && !line.is_empty();
            anchors.ignored += u64::from(has_none);
        }
        Ok(anchors)
    }

    /// A collection of one anchor, which messages call `name`.
    pub fn one(anchor: Anchor, name: &str) -> Self {
        Self {
            list: vec![(anchor, name.to_owned())],
            ignored: 0,
        }
    }

    /// Adds the anchors of `other`.
    pub fn extend(&mut self, other: Self) {
        self.list.extend(other.list);
        self.ignored += other.ignored;
    }

    /// Whether there are no anchors.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of lines that had no anchor.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// The event numbers of the anchors.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.list.iter().map(|(anchor, _)| anchor.seq)
    }

    /// Compares the anchors with the log that has this fingerprint, whose first event is `first`
    /// and whose last is `last`. `watched` are the log's lines with the anchors' numbers, in
    /// ascending order.
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
            .filter(|(anchor, _)| match fingerprint {
                Some(fingerprint) => anchor.fingerprint == fingerprint,
                // When nothing of the log is left, not even its fingerprint, every anchor counts as
                // its own.
                None => last == 0,
            })
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::hash::LineHash;
    use crate::line::Link;

    fn anchor(seq: u64) -> String {
        let hash = LineHash::of(&seq.to_le_bytes());
        Anchor::new(Link { seq, hash }, PublicKey::from_bytes([7; 32])).to_json()
    }

    fn numbers(text: &str) -> Vec<u64> {
        let anchors = Anchors::read("anchors", text.as_bytes()).unwrap();
        anchors.numbers().collect()
    }

    #[test]
    fn every_anchor_of_a_line_is_read_however_long_the_line_is() {
        let (one, other) = (anchor(1), anchor(2));
        assert_eq!(numbers(&format!("{one}{other}\n")), [1, 2]);
        let long = "x".repeat(3 << 20);
        assert_eq!(numbers(&format!("{long} {one} {long} {other}")), [1, 2]);
        let anchors = Anchors::read("anchors", format!("{long}\n\n{one}").as_bytes()).unwrap();
        assert_eq!((anchors.ignored(), anchors.list.len()), (1, 1));
        assert_eq!(anchors.list[0].1, "anchors:3");
    }

    #[test]
    fn anchors_without_an_end_are_refused() {
        let endless = Anchors::read("anchors", io::repeat(0));
        assert_eq!(endless.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
