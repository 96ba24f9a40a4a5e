//! The sealing state: what the next seal is made with, and what was sealed last.
//!
//! Two chains of seeds, both one way. A segment's seed gives the key that seals its first line, the
//! seed of its second seal, and the seed of the next segment; a seal's seed gives its key and the
//! seed of the next seal. What has been used is erased, so what was sealed cannot be sealed anew.
//!
//! Every first line names the key of the next first line, so segments are verified one without the
//! other, and the first lines alone lead from the first key, the log's fingerprint, to the last.
//!
//! The state is written after what it seals is on disk. A crash in between leaves it behind, never
//! ahead, and [`Sealing::catch_up`] steps it forward over the seals that it finds.

#[cfg(any(test, fuzzing))]
pub(super) mod properties;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::hash::LineHash;
use super::line::Link;
use super::seal::{Parts, Seal};
use crate::clock::Timestamp;
use crate::crypto::kdf::derive;
use crate::crypto::sign::{PublicKey, sign};
use crate::crypto::{Key, KeySector, KeySectors, labels, sha256};
use crate::fs::{Archive, Dir, FileExt, FsError};

/// The file of the state, in the directory of the log.
pub(super) const STATE_FILE: &str = "seal";

/// No event waits longer for a seal than until the first one that comes this long after the last.
pub(super) const SEAL_AFTER: Duration = Duration::from_secs(60);
/// Nor longer than until the event this many after the last seal.
pub(super) const SEAL_EVERY: u64 = 128;

const MAGIC: &[u8; 8] = b"NLseal\0\x01";
/// Two copies, so that one is whole whenever the other is being written; each in a disk sector of
/// its own.
const SLOT: usize = 512;
/// How often a state that looks damaged is read again, which one being written may.
const READS: u32 = 4;
const CHECKED: usize = 4 * 32 + 9 * 8;

/// What a seal is for, which decides the key that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A segment's first line.
    Opening,
    /// A segment's last line.
    Closing,
    /// Any other.
    Inner,
}

/// Where in the log a sealed line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment, by the number of its first line; 0 before there is any.
    pub(super) segment: u64,
    /// The byte after the line's end.
    pub(super) offset: u64,
}

/// What a process needs to seal; see the module.
pub(super) struct Sealing {
    /// Makes the next seal of the open segment; `None` when the next line opens a segment.
    seal_seed: Option<Key>,
    /// Of the next segment to be opened.
    segment_seed: Key,
    fingerprint: PublicKey,
    /// The last sealed line.
    last: Link,
    place: Place,
    sealed_at: Timestamp,
    /// When the open segment was.
    opened_at: Timestamp,
    /// Counts what has been saved: the greater of two copies is the newer.
    version: u64,
}

/// The file of the state is there and cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadState {
    /// No state was ever written to it in full: what the first writing of a new log leaves behind
    /// when it is interrupted or refused.
    Unwritten,
    /// There was one.
    Damaged,
}

impl Sealing {
    /// Of a log that has no line yet.
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let segment_seed = Key::random()?;
        let never = Timestamp::from_unix_nanos(0);
        Ok(Self {
            seal_seed: None,
            fingerprint: segment_key(&segment_seed).1,
            segment_seed,
            last: Link::GENESIS,
            place: Place {
                segment: 0,
                offset: 0,
            },
            sealed_at: never,
            opened_at: never,
            version: 0,
        })
    }

    /// The first public key.
    pub(super) fn fingerprint(&self) -> PublicKey {
        self.fingerprint
    }

    /// Verifies the first line of the next segment to be opened.
    pub(super) fn segment_key(&self) -> PublicKey {
        segment_key(&self.segment_seed).1
    }

    /// The last sealed line.
    pub(super) fn last(&self) -> Link {
        self.last
    }

    /// Where it ends.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Whether the next line must open a segment.
    pub(super) fn must_open(&self) -> bool {
        self.seal_seed.is_none()
    }

    /// When the open segment was opened.
    pub(super) fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// When the last line was sealed. No line before was recorded [`SEAL_AFTER`] later than that.
    pub(super) fn sealed_at(&self) -> Timestamp {
        self.sealed_at
    }

    /// Whether the line `seq`, written `now`, must be sealed whatever it says. A clock that was set
    /// back seals too.
    pub(super) fn is_due(&self, seq: u64, now: Timestamp) -> bool {
        seq.saturating_sub(self.last.seq) >= SEAL_EVERY
            || now < self.sealed_at
            || now.since(self.sealed_at) >= SEAL_AFTER
    }

    /// Seals the line `link` and steps on.
    pub(super) fn seal(&mut self, role: Role, link: Link, now: Timestamp) -> Seal {
        let (key, seal_seed, next, next_segment) = match &self.seal_seed {
            None => {
                let (key, _) = segment_key(&self.segment_seed);
                let seal_seed = derive(&self.segment_seed, labels::AUDIT_FIRST_SEAL, &[]);
                self.segment_seed = derive(&self.segment_seed, labels::AUDIT_NEXT_SEGMENT, &[]);
                let next_segment = segment_key(&self.segment_seed).1;
                let next = seal_key(&seal_seed).1;
                self.opened_at = now;
                (key, Some(seal_seed), next, Some(next_segment))
            }
            Some(seed) => {
                let (key, _) = seal_key(seed);
                if role == Role::Closing {
                    (key, None, segment_key(&self.segment_seed).1, None)
                } else {
                    let seal_seed = derive(seed, labels::AUDIT_NEXT_SEAL, &[]);
                    let next = seal_key(&seal_seed).1;
                    (key, Some(seal_seed), next, None)
                }
            }
        };
        self.seal_seed = seal_seed;
        self.last = link;
        self.sealed_at = now;
        let message = Seal::message(&link.hash, &next, next_segment.as_ref());
        Seal {
            next,
            next_segment,
            signature: sign(&key, &message),
        }
    }

    /// Notes where the line sealed last ends.
    pub(super) fn ends_at(&mut self, place: Place) {
        self.place = place;
    }

    /// Steps over a sealed line that a crash kept this state from noting: whether it is one that this
    /// state would have made.
    pub(super) fn catch_up(
        &mut self,
        role: Role,
        link: Link,
        parts: &Parts<'_>,
        now: Timestamp,
        place: Place,
    ) -> bool {
        if (role == Role::Opening) != self.must_open() {
            return false;
        }
        let made = self.seal(role, link, now);
        self.place = place;
        parts.seal == Some(made) && parts.hash_is_right()
    }

    /// The state of the log in `dir`; `None` when there is none.
    pub(super) fn load(dir: &Dir) -> Result<Option<Result<Self, BadState>>, FsError> {
        match StateFile::open(dir)? {
            Some(file) => file.read(dir.path()).map(Some),
            None => Ok(None),
        }
    }

    /// The same of a copy of the log.
    pub(super) fn load_from(archive: &Archive) -> Result<Option<Result<Self, BadState>>, FsError> {
        match archive.open_file(STATE_FILE)? {
            Some(file) => StateFile::new(file).read(archive.path()).map(Some),
            None => Ok(None),
        }
    }

    /// Makes the state durable and erases the one before it.
    ///
    /// # Errors
    /// When it cannot be written; what was saved before then still is.
    pub(super) fn save(&mut self, dir: &Dir) -> Result<(), FsError> {
        let file = dir.open_update(STATE_FILE)?;
        let failed = |error| FsError::new("write to", dir.path().join(STATE_FILE), error);
        let is_first = self.version == 0;
        self.version += 1;
        let slot = self.version % 2;
        let written = write_slot(&file, slot, &self.encode()).and_then(|()| file.sync_data());
        if let Err(error) = written {
            self.version -= 1;
            // It may be there in full, and only not synced; the log is about to be cut back, and a
            // state ahead of it would stop it for good.
            let _ = write_slot(&file, slot, &KeySector::zeroed());
            return Err(failed(error));
        }
        if is_first {
            dir.sync()?;
        }
        // In place, over the same blocks. Should it fail, what it erases opens nothing that is not on
        // disk already; the next save erases it.
        let _ = write_slot(&file, 1 - slot, &KeySector::zeroed());
        Ok(())
    }

    fn encode(&self) -> KeySector {
        let mut slot = KeySector::zeroed();
        let bytes = slot.expose_mut();
        let mut at = 0;
        let mut put = |part: &[u8]| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        put(MAGIC);
        put(&self.version.to_le_bytes());
        put(self.fingerprint.as_bytes());
        put(self.segment_seed.expose());
        match &self.seal_seed {
            Some(seed) => put(seed.expose()),
            None => put(&[0; 32]),
        }
        put(self.last.hash.as_bytes());
        put(&u64::from(self.seal_seed.is_some()).to_le_bytes());
        put(&self.last.seq.to_le_bytes());
        put(&self.place.segment.to_le_bytes());
        put(&self.place.offset.to_le_bytes());
        put(&self.sealed_at.unix_nanos().to_le_bytes());
        put(&self.opened_at.unix_nanos().to_le_bytes());
        let check = sha256(&slot.expose()[..CHECKED]);
        slot.expose_mut()[CHECKED..CHECKED + 32].copy_from_slice(&check);
        slot
    }

    fn decode(bytes: &[u8; SLOT]) -> Option<Self> {
        let (checked, rest) = bytes.split_at(CHECKED);
        let (check, unused) = rest.split_at(32);
        // One form: nothing stands in a state that was not written there.
        if check != sha256(checked) || unused.iter().any(|&byte| byte != 0) {
            return None;
        }
        let mut from = checked.strip_prefix(MAGIC)?;
        let version = get_number(&mut from)?;
        let fingerprint = PublicKey::from_bytes(*get(&mut from)?);
        let segment_seed = get_key(&mut from)?;
        let seal_seed = get_key(&mut from)?;
        let hash = LineHash::from_bytes(*get(&mut from)?);
        let has_seal_seed = match get_number(&mut from)? {
            0 if seal_seed.expose() == &[0; 32] => false,
            1 => true,
            _ => return None,
        };
        let seq = get_number(&mut from)?;
        let place = Place {
            segment: get_number(&mut from)?,
            offset: get_number(&mut from)?,
        };
        let sealed_at = Timestamp::from_unix_nanos(i64::from_le_bytes(*get(&mut from)?));
        let opened_at = Timestamp::from_unix_nanos(i64::from_le_bytes(*get(&mut from)?));
        if from.iter().any(|&byte| byte != 0) {
            return None;
        }
        Some(Self {
            seal_seed: has_seal_seed.then_some(seal_seed),
            segment_seed,
            fingerprint,
            last: Link { seq, hash },
            place,
            sealed_at,
            opened_at,
            version,
        })
    }
}

/// The file of the state, open, and room for what is in it: made before the log is locked, so that
/// nobody waits for that.
pub(super) struct StateFile {
    file: File,
    copies: KeySectors,
}

impl StateFile {
    /// That of the log in `dir`; `None` when there is none.
    pub(super) fn open(dir: &Dir) -> Result<Option<Self>, FsError> {
        Ok(dir.open_file(STATE_FILE)?.map(Self::new))
    }

    fn new(file: File) -> Self {
        Self {
            file,
            copies: KeySectors::zeroed(),
        }
    }

    /// The state in the file, which was opened in `directory`.
    pub(super) fn read(mut self, directory: &Path) -> Result<Result<Sealing, BadState>, FsError> {
        let mut is_empty = true;
        // Whoever reads without the lock may meet one copy before it is written, and the other after
        // it is erased: not twice in a row.
        for _ in 0..READS {
            let whole = self.read_copies(directory)?;
            let (copies, _) = self.copies.expose().as_chunks();
            let states = copies.iter().take(whole).filter_map(Sealing::decode);
            if let Some(state) = states.max_by_key(|state| state.version) {
                return Ok(Ok(state));
            }
            // Of a file too short for both copies, which only a first save leaves, the whole one counts.
            let bytes = &self.copies.expose()[..whole * SLOT];
            is_empty = bytes.iter().all(|&byte| byte == 0);
        }
        Ok(Err(if is_empty {
            BadState::Unwritten
        } else {
            BadState::Damaged
        }))
    }

    /// Both copies in one read: how many of them the file holds in full.
    fn read_copies(&mut self, directory: &Path) -> Result<usize, FsError> {
        let bytes = self.copies.expose_mut();
        let mut length = 0;
        while length < bytes.len() {
            match self.file.read_at(&mut bytes[length..], length as u64) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FsError::new("read", directory.join(STATE_FILE), error)),
            }
        }
        Ok(length / SLOT)
    }
}

fn segment_key(seed: &Key) -> (Key, PublicKey) {
    pair(derive(seed, labels::AUDIT_SEGMENT_KEY, &[]))
}

fn seal_key(seed: &Key) -> (Key, PublicKey) {
    pair(derive(seed, labels::AUDIT_SEAL_KEY, &[]))
}

fn pair(key: Key) -> (Key, PublicKey) {
    let public = PublicKey::of(&key);
    (key, public)
}

fn write_slot(file: &File, slot: u64, bytes: &KeySector) -> std::io::Result<()> {
    file.write_all_at(bytes.expose(), slot * SLOT as u64)
}

fn get<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (here, after) = from.split_first_chunk()?;
    *from = after;
    Some(here)
}

fn get_number(from: &mut &[u8]) -> Option<u64> {
    get(from).copied().map(u64::from_le_bytes)
}

fn get_key(from: &mut &[u8]) -> Option<Key> {
    let bytes: &[u8; 32] = get(from)?;
    Some(Key::init_with(|into| into.copy_from_slice(bytes)))
}
