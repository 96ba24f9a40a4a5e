//! The head: the signed end of the log, for verifying a copy.
//!
//! It is signed with the key that the last seal announces. The next append replaces that key, so
//! nobody can later make a head for an earlier end.

use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::hash::LineHash;
use super::line::Link;
use nightlatch_core::crypto::labels;
use nightlatch_core::crypto::sign::{KeyPair, PublicKey, Signature, verify};
use nightlatch_platform::fs::{Archive, Dir, FileExt, FsError};

/// The name of the file, in the log's directory.
pub(super) const HEAD_FILE: &str = "head";
/// The length of the file: one line of JSON, padded with spaces.
const LENGTH: usize = 512;
/// How many times an invalid head is read again, since another process may be writing it.
const READS: u32 = 4;

/// The end of the log, signed by its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The last sealed line.
    pub(super) last: Link,
    /// The log's first public key.
    pub(super) fingerprint: PublicKey,
    /// The signature over [`Head::message`], by the key that the last line's seal announces.
    pub(super) signature: Signature,
}

/// The head as in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    seq: u64,
    hash: &'a str,
    fingerprint: &'a str,
    sig: &'a str,
}

impl Head {
    /// The signed message: a label, the hash, the number and the fingerprint.
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

    /// The head of the log with this `fingerprint` and the last line `last`, signed with the key
    /// that that line's seal announces.
    pub(super) fn sign(last: Link, fingerprint: PublicKey, key: &KeyPair) -> Self {
        Self {
            last,
            fingerprint,
            signature: key.sign(&Self::message(last, &fingerprint)),
        }
    }

    /// Whether `key` made the signature.
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
        // Unreachable: a number and 256 digits always fit.
        let _ = serde_json::to_writer(&mut bytes[..LENGTH - 1], &form);
        bytes
    }

    /// Parses the content of the file; `None` unless it is exactly what [`Head::encode`] returns.
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

    /// The head of the log in `archive`. `None` if there is no file or an empty one, which a crash
    /// leaves before the first append; `Some(None)` if the file does not contain a head.
    /// # Errors
    /// When the file cannot be read or is not a regular file.
    #[allow(clippy::option_option)] // distinguishes no file from a file without a head
    pub(super) fn load(archive: &Archive) -> Result<Option<Option<Self>>, FsError> {
        match archive.open_file(HEAD_FILE)? {
            Some(file) => Self::read(&file, archive.path()),
            None => Ok(None),
        }
    }

    /// Like [`Head::load`], for the log in `dir`.
    ///
    /// # Errors
    /// As for [`Head::load`].
    #[allow(clippy::option_option)] // as above
    pub(super) fn load_own(dir: &Dir) -> Result<Option<Option<Self>>, FsError> {
        match dir.open_file(HEAD_FILE)? {
            Some(file) => Self::read(&file, dir.path()),
            None => Ok(None),
        }
    }

    #[allow(clippy::option_option)] // as above
    fn read(file: &File, directory: &Path) -> Result<Option<Option<Self>>, FsError> {
        for _ in 0..READS {
            // One extra byte, to detect a file that is too long.
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

/// The head's file, open for writing.
pub(super) struct HeadFile {
    file: File,
}

impl HeadFile {
    /// Opens the head of the log in `dir`, creating it if there is none.
    pub(super) fn open(dir: &Dir) -> Result<Self, FsError> {
        let file = dir.open_update(HEAD_FILE)?;
        Ok(Self { file })
    }

    /// The head in the file, if there is one.
    pub(super) fn read(&self, directory: &Path) -> Result<Option<Head>, FsError> {
        Head::read(&self.file, directory).map(Option::flatten)
    }

    /// Overwrites the head in place.
    pub(super) fn write(&self, directory: &Path, head: &Head) -> Result<(), FsError> {
        self.file
            .write_all_at(&head.encode(), 0)
            .map_err(|error| FsError::new("write to", directory.join(HEAD_FILE), error))
    }
}

/// Reads from the beginning of `file` until `into` is full or the file ends. Returns the number of
/// bytes.
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
