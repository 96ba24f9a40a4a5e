//! Properties of verification that hold for any bytes in place of a log; see `nightlatch::fuzz`.

use std::path::Path;

use super::finding::KEPT;
use super::{Anchor, Progress, Verification, Verifier};
use crate::head::HEAD_FILE;
use crate::segment::{OPENINGS, SEQ_END, SegmentName};

/// A genuine sealed log and its fingerprint.
const GENUINE: [&str; 2] = [
    include_str!("../../tests/vectors/log/audit/0000000000000001.jsonl"),
    include_str!("../../tests/vectors/log/audit/0000000000000006.jsonl"),
];
const FINGERPRINT: &str = "1a06d15a4afab25480c8dd8d955697d390d837053582e60ab937a4e68931a142";

/// An anchor has only one form: parsing and printing it are inverse.
///
/// # Panics
/// When the property does not hold.
pub fn audit_anchor(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(anchor) = Anchor::parse(text) else {
        return false;
    };
    let json = anchor.to_json();
    assert!(!json.contains('\n'));
    assert_eq!(Anchor::parse(&json), Ok(anchor));
    true
}

/// The input has all files of a log: two lengths of two bytes each, the sealing state, the kept
/// first lines, and a segment. Verification ends for any content and lists a bounded number of
/// findings. No log verifies with the genuine log's fingerprint except the sealed part of that log.
///
/// # Panics
/// When the property does not hold.
pub fn audit_directory(bytes: &[u8]) -> bool {
    let Some((state, openings, segment)) = files(bytes) else {
        return false;
    };
    let Ok(directory) = tempfile::tempdir() else {
        unreachable!("no scratch directory")
    };
    let first = number(segment).unwrap_or(1);
    let name = SegmentName::starting_at(first).to_string();
    for (name, bytes) in [(HEAD_FILE, state), (OPENINGS, openings), (&name, segment)] {
        if !bytes.is_empty() {
            put(directory.path(), name, bytes);
        }
    }
    let plain = Verifier::new(directory.path()).threads(1);
    let found = run(&plain);
    let fast = run(&plain.clone().fast());
    assert!(
        found.seals >= fast.seals,
        "the last segment is verified in full"
    );
    if let Ok(verifier) = plain.fingerprint(FINGERPRINT) {
        let held_against = run(&verifier);
        if held_against.is_good() && !segment.is_empty() {
            is_genuine(first, segment, &held_against);
        }
    }
    found.is_good()
}

/// The number at the beginning of a line.
fn number(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"{\"seq\":")?;
    let end = memchr::memchr(b',', digits)?;
    let seq = std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
    (1..SEQ_END).contains(&seq).then_some(seq)
}

/// The segment equals the genuine one up to its last seal, or is a prefix of that.
fn is_genuine(first: u64, segment: &[u8], verified: &Verification) {
    let sealed = verified
        .last
        .map_or(0, |(last, _)| (last + 1).saturating_sub(first));
    let genuine = GENUINE
        .iter()
        .find(|text| number(text.as_bytes()) == Some(first));
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
        lines
            .take(usize::try_from(sealed).unwrap_or(usize::MAX))
            .collect()
    };
    let genuine = lines(genuine.copied().unwrap_or_default().as_bytes());
    assert!(
        lines(segment) == genuine,
        "a change of a sealed log was not found"
    );
}

fn run(verifier: &Verifier) -> Verification {
    let Ok(found) = verifier.run(&Progress::default()) else {
        unreachable!("a scratch file could not be read")
    };
    assert!(found.findings.len() <= KEPT);
    for finding in &found.findings {
        assert!(!finding.to_string().contains('\n'));
    }
    found
}

fn files(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&[a, b, c, d], rest) = bytes.split_first_chunk()?;
    let (state, rest) = rest.split_at_checked(u16::from_le_bytes([a, b]).into())?;
    let (openings, segment) = rest.split_at_checked(u16::from_le_bytes([c, d]).into())?;
    Some((state, openings, segment))
}

/// No other property uses this file.
#[allow(clippy::disallowed_methods)]
fn put(directory: &Path, name: &str, bytes: &[u8]) {
    assert!(std::fs::write(directory.join(name), bytes).is_ok());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_anywhere_in_a_sealed_segment_is_found() {
        let name = SegmentName::starting_at(1).to_string();
        let directory = tempfile::tempdir().unwrap();
        let good = |segment: &[u8]| {
            put(directory.path(), &name, segment);
            let verifier = Verifier::new(directory.path()).threads(1);
            run(&verifier.fingerprint(FINGERPRINT).unwrap()).is_good()
        };
        let genuine = GENUINE[0].as_bytes();
        assert!(good(genuine));
        // A last line that is incomplete has no seal to vouch for it; the head shows that it was
        // sealed once.
        let last = memchr::memrchr(b'\n', &genuine[..genuine.len() - 1]).unwrap() + 1;
        for at in (0..last - 1).step_by(3) {
            let mut changed = genuine.to_vec();
            changed[at] ^= 1;
            assert!(!good(&changed), "byte {at}");
        }
    }
}
