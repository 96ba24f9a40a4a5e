//! The head: where the log ends, signed, for whoever verifies a copy.
//!
//! It is signed with the key that the last seal announces. That key steps on with the next append, so
//! nobody can make a head for an earlier end later.

use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::hash::LineHash;
use super::line::Link;
use nightlatch_core::crypto::labels;
use nightlatch_core::crypto::sign::{KeyPair, PublicKey, Signature, verify};
use nightlatch_platform::fs::{Archive, Dir, FileExt, FsError};

/// The file, in the directory of the log.
pub(super) const HEAD_FILE: &str = "head";
/// The length of the file: one line of JSON, padded with spaces.
const LENGTH: usize = 512;
/// How often a head that does not read is read again, which one being written may not.
const READS: u32 = 4;

/// Where the log ends, as its writer signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The last sealed line.
    pub(super) last: Link,
    /// The log's first public key.
    pub(super) fingerprint: PublicKey,
    /// By the key that the seal of the last line announces, over [`Head::message`].
    pub(super) signature: Signature,
}

/// As it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    seq: u64,
    hash: &'a str,
    fingerprint: &'a str,
    sig: &'a str,
}

impl Head {
    /// What is signed: a label, the hash, the number and the fingerprint.
    pub(super) fn message(last: Link, fingerprint: &PublicKey) -> Vec<u8> {
        let label = labels::AUDIT_HEAD.as_bytes();
        let mut message = Vec::with_capacity(label.len() + 1 + 32 + 8 + 32);
        message.extend_from_slice(label);
        message.push(0);
        message.extend_from_slice(last.hash.as_bytes());
        message.extend_from_slice(&last.seq.to_le_bytes());
        message.extend_from_slice(fingerprint.as_bytes());
        message
    }

    /// Of the log with this `fingerprint`, which ends with `last`, signed with the key that the seal of
    /// that line announces.
    pub(super) fn sign(last: Link, fingerprint: PublicKey, key: &KeyPair) -> Self {
        Self {
            last,
            fingerprint,
            signature: key.sign(&Self::message(last, &fingerprint)),
        }
    }

    /// Whether `key` signed it.
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> bool {
        let message = Self::message(self.last, &self.fingerprint);
        verify(key, &message, &self.signature)
    }

    /// The content of the file.
    pub(super) fn encode(&self) -> [u8; LENGTH] {
        let (hash, fingerprint) = (self.last.hash.to_string(), self.fingerprint.to_string());
        let form = Form {
            seq: self.last.seq,
            hash: &hash,
            fingerprint: &fingerprint,
            sig: &self.signature.to_string(),
        };
        let mut bytes = [b' '; LENGTH];
        bytes[LENGTH - 1] = b'\n';
        // Not reachable: a number and 256 digits always fit.
        let _ = serde_json::to_writer(&mut bytes[..LENGTH - 1], &form);
        bytes
    }

    /// Reads the content of the file; `None` when it is anything but what [`Head::encode`] gives.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let form: Form<'_> = serde_json::from_slice(bytes).ok()?;
        let head = Self {
            last: Link {
                seq: form.seq,
                hash: LineHash::parse(form.hash.as_bytes())?,
            },
            fingerprint: PublicKey::parse(form.fingerprint.as_bytes())?,
            signature: Signature::parse(form.sig.as_bytes())?,
        };
        (head.encode() == bytes).then_some(head)
    }

    /// The head of the log in `archive`: `None` when there is none, or an empty file, which a crash
    /// leaves before the first append; and `Some(None)` when what is there is not a head.
    ///
    /// # Errors
    /// When the file cannot be read, or is no regular file.
    #[allow(clippy::option_option)] // no file, and no head in it, are told apart
    pub(super) fn load(archive: &Archive) -> Result<Option<Option<Self>>, FsError> {
        match archive.open_file(HEAD_FILE)? {
            Some(file) => Self::read(&file, archive.path()),
            None => Ok(None),
        }
    }

    /// The same of the log in `dir`.
    ///
    /// # Errors
    /// As [`Head::load`].
    #[allow(clippy::option_option)] // likewise
    pub(super) fn load_own(dir: &Dir) -> Result<Option<Option<Self>>, FsError> {
        match dir.open_file(HEAD_FILE)? {
            Some(file) => Self::read(&file, dir.path()),
            None => Ok(None),
        }
    }

    #[allow(clippy::option_option)] // likewise
    fn read(file: &File, directory: &Path) -> Result<Option<Option<Self>>, FsError> {
        for _ in 0..READS {
            // A byte more than it has, so that a longer file is seen as one.
            let mut bytes = [0; LENGTH + 1];
            let length = read_up_to(file, &mut bytes)
                .map_err(|error| FsError::new("read", directory.join(HEAD_FILE), error))?;
            if length == 0 {
                return Ok(None);
            }
            if let Some(head) = Self::decode(&bytes[..length]) {
                return Ok(Some(Some(head)));
            }
        }
        Ok(Some(None))
    }
}

/// The file of the head, open for writing.
pub(super) struct HeadFile {
    file: File,
}

impl HeadFile {
    /// Opens the head of the log in `dir`, creating it when there is none.
    pub(super) fn open(dir: &Dir) -> Result<Self, FsError> {
        let file = dir.open_update(HEAD_FILE)?;
        Ok(Self { file })
    }

    /// The head in it, where there is one.
    pub(super) fn read(&self, directory: &Path) -> Result<Option<Head>, FsError> {
        Head::read(&self.file, directory).map(Option::flatten)
    }

    /// Overwrites it in place.
    pub(super) fn write(&self, directory: &Path, head: &Head) -> Result<(), FsError> {
        self.file
            .write_all_at(&head.encode(), 0)
            .map_err(|error| FsError::new("write to", directory.join(HEAD_FILE), error))
    }
}

/// Reads from the beginning of `file` until `into` is full or the file ends: how many bytes.
fn read_up_to(file: &File, into: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < into.len() {
        match file.read_at(&mut into[length..], length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nightlatch_core::crypto::Key;

    fn signed(seq: u64) -> (Head, PublicKey) {
        let key = KeyPair::of(&Key::init_with(|bytes| bytes.fill(7)));
        let public = key.public();
        let last = Link {
            seq,
            hash: LineHash::of(b"line"),
        };
        (Head::sign(last, public, &key), public)
    }

    #[test]
    fn a_head_reads_back_from_its_one_spelling_only() {
        for seq in [1, 42, 9_999_999_999_999_999] {
            let (head, _) = signed(seq);
            let bytes = head.encode();
            assert_eq!(Head::decode(&bytes), Some(head));
            assert_eq!(memchr::memchr_iter(b'\n', &bytes).count(), 1);
            for at in 0..bytes.len() {
                let mut changed = bytes;
                changed[at] ^= 1;
                assert_ne!(Head::decode(&changed), Some(head), "byte {at}");
            }
            assert_eq!(Head::decode(&bytes[..LENGTH - 1]), None);
            assert_eq!(Head::decode(&[&bytes[..], b" "].concat()), None);
        }
        assert_eq!(Head::decode(b""), None);
    }

    #[test]
    fn a_head_of_another_line_number_or_log_is_not_signed() {
        let (head, key) = signed(42);
        assert!(head.is_signed_by(&key));
        let mut other = head;
        other.last.seq = 43;
        assert!(!other.is_signed_by(&key));
        let mut other = head;
        other.last.hash = LineHash::ZERO;
        assert!(!other.is_signed_by(&key));
        let mut other = head;
        other.fingerprint = PublicKey::from_bytes([1; 32]);
        assert!(!other.is_signed_by(&key));
    }
}
