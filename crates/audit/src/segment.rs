//! The files of the log: segments in order, and files with bytes that were moved aside.

use std::fmt;

use super::forms::written;

/// The log's directory, in the home.
pub(super) const DIRECTORY: &str = "audit";
/// The first lines of removed segments, which lead from the first key to the remaining ones.
pub(super) const OPENINGS: &str = "removed.jsonl";
/// Locked by the process that prunes; the file is empty.
pub(super) const PRUNING_LOCK: &str = "pruning";
/// A segment of at least this size, in bytes, is closed.
pub(super) const SEGMENT_SIZE: u64 = 64 * 1024 * 1024;
/// The maximum number of lines per append; the last of them has the seal.
pub(super) const APPEND_LINES: usize = 16;
/// Sequence numbers are below this, so that the names of segments sort.
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

    /// Parses a file name; `None` if it is not a segment's.
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

written!(SegmentName, Self::parse);

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

/// The name of a file with bytes that had no seal: `unsealed-<seq>-<random>.part`, where `seq` is
/// the number that the next line got. As long as no line has that number, the repair is not
/// recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuarantineName {
    seq: u64,
    random: u64,
}

impl QuarantineName {
    pub(super) const fn new(seq: u64, random: u64) -> Self {
        Self { seq, random }
    }

    /// Parses a file name in exactly the form that [`fmt::Display`] gives; `None` for any other
    /// file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts = text.strip_prefix("unsealed-")?.strip_suffix(".part")?;
        let (seq, random) = parts.split_once('-')?;
        let name = Self {
            seq: seq.parse().ok()?,
            random: u64::from_str_radix(random, 16).ok()?,
        };
        (name.to_string() == text).then_some(name)
    }

    /// The sequence number that the next line got, or will get.
    pub const fn seq(self) -> u64 {
        self.seq
    }
}

written!(QuarantineName, Self::parse);

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
