//! The files of the log: segments, in order, and what was moved aside.

use std::fmt;

/// The directory of the log, in the home.
pub(super) const DIRECTORY: &str = "audit";
/// The first lines of segments that were removed: they lead from the first key to what remains.
pub(super) const OPENINGS: &str = "removed.jsonl";
/// Locked by the process that prunes; it holds nothing.
pub(super) const PRUNING_LOCK: &str = "pruning";
/// A segment that has grown to this many bytes is closed.
pub(super) const SEGMENT_SIZE: u64 = 64 * 1024 * 1024;
/// An append has no more lines than this; the last of them carries its seal.
pub(super) const APPEND_LINES: usize = 16;
/// Sequence numbers stay below this, so that the names of segments sort.
pub(super) const SEQ_END: u64 = 10_000_000_000_000_000;

/// The name of a segment: the sequence number of its first line in 16 digits, then `.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    first: u64,
}

impl SegmentName {
    /// The segment whose first line has the sequence number `first`.
    pub(super) const fn starting_at(first: u64) -> Self {
        Self { first }
    }

    /// From a file name; `None` when it is another file's.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_suffix(".jsonl")?;
        if digits.len() != 16 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let first = digits.parse().ok().filter(|&first| first > 0)?;
        Some(Self { first })
    }

    /// The sequence number of its first line.
    pub const fn first(self) -> u64 {
        self.first
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}.jsonl", self.first)
    }
}

/// The segments among `names`, oldest first.
pub(super) fn segments(names: &[String]) -> Vec<SegmentName> {
    let mut segments: Vec<SegmentName> = names
        .iter()
        .filter_map(|name| SegmentName::parse(name))
        .collect();
    segments.sort_unstable();
    segments
}

/// The name of a file with bytes that no seal covered: `unsealed-<seq>-<random>.part`, where `seq` is the
/// number the next line got. While no line has that number, the repair is not recorded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuarantineName {
    seq: u64,
    random: u64,
}

impl QuarantineName {
    pub(super) const fn new(seq: u64, random: u64) -> Self {
        Self { seq, random }
    }

    /// From a file name in the one spelling that [`fmt::Display`] gives; `None` when it is another
    /// file's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts = text.strip_prefix("unsealed-")?.strip_suffix(".part")?;
        let (seq, random) = parts.split_once('-')?;
        let name = Self {
            seq: seq.parse().ok()?,
            random: u64::from_str_radix(random, 16).ok()?,
        };
        (name.to_string() == text).then_some(name)
    }

    /// The sequence number the next line got, or is to get.
    pub const fn seq(self) -> u64 {
        self.seq
    }
}

impl fmt::Display for QuarantineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unsealed-{}-{:016x}.part", self.seq, self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_sort_by_their_first_line_and_other_files_are_none() {
        let names = [
            "0000000000000100.jsonl",
            "unsealed-5-00000000000000ab.part",
            "0000000000000001.jsonl",
            "0000000000000000.jsonl",
            "1.jsonl",
            "+000000000000001.jsonl",
            "head",
        ]
        .map(str::to_owned);
        let firsts: Vec<_> = segments(&names).iter().map(|name| name.first()).collect();
        assert_eq!(firsts, [1, 100]);
    }

    #[test]
    fn a_quarantine_name_reads_back_from_its_one_spelling_only() {
        let name = QuarantineName::new(5, 0xab);
        assert_eq!(QuarantineName::parse(&name.to_string()), Some(name));
        for other in [
            "unsealed-5-ab.part",
            "unsealed-05-00000000000000ab.part",
            "unsealed-5.part",
            "x",
        ] {
            assert_eq!(QuarantineName::parse(other), None, "{other}");
        }
    }
}
