//! The sealing state: what the next seal is made with, and what was sealed last.
//!
//! Two chains of seeds, both one way. A segment's seed gives the key that seals its first line, the
//! seed of its second seal, and the seed of the next segment; a seal's seed gives its key and the
//! seed of the next seal. What has been used is erased, so what was sealed cannot be sealed again.
//!
//! Every first line names the key of the next first line, so segments are verified independently of
//! each other, and the first lines alone lead from the first key, the log's fingerprint, to the last.
//!
//! [`StateFile`](super::state_file::StateFile) keeps it on disk.

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;

use super::event_type::EventType;
use super::hash::LineHash;
use super::head::Head;
use super::line::Link;
use super::seal::Seal;
use super::segment::APPEND_LINES;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::kdf::derive;
use nightlatch_core::crypto::sign::{KeyPair, PublicKey, verify};
use nightlatch_core::crypto::{Key, KeySector, labels, sha256};

const MAGIC: &[u8; 8] = b"NLseal\0\x01";
/// A disk sector, which is written in full or not at all.
pub(super) const SECTOR: usize = 512;
/// The bytes that the checksum covers.
const CHECKED: usize = 264;

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

impl Role {
    /// Of the seal on the line of an event.
    pub(super) fn of(event_type: EventType) -> Self {
        match event_type {
            EventType::SegmentOpened => Self::Opening,
            EventType::SegmentClosed => Self::Closing,
            _ => Self::Inner,
        }
    }
}

/// Where in the log a sealed line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment, by the number of its first line; 0 before there is any.
    pub(super) segment: u64,
    /// The byte after the line's end.
    pub(super) offset: u64,
}

impl Place {
    const NOWHERE: Self = Self {
        segment: 0,
        offset: 0,
    };
}

/// What a process needs to seal; see the module.
pub(super) struct Sealer {
    /// Makes the next seal of the open segment; `None` when the next line opens a segment.
    seal_seed: Option<Key>,
    /// Of the next segment to be opened.
    segment_seed: Key,
    fingerprint: PublicKey,
    /// Verifies the next seal: the last one announced it.
    next: PublicKey,
    /// The last sealed line.
    last: Link,
    place: Place,
    sealed_at: Timestamp,
    /// When the open segment was.
    opened_at: Timestamp,
    /// Counts what has been saved.
    version: u64,
    /// The boot that it was saved in, zeros where the system does not tell.
    pub(super) boot: [u8; 16],
    /// When an anchor was last sent.
    pub(super) announced_at: Timestamp,
    /// The byte of the segment that the journal begins with.
    pub(super) journal_start: u64,
    /// The number of the last event that was forwarded.
    pub(super) forwarded: u64,
    /// Of the line sealed last, where this process sealed it.
    head: Option<Head>,
}

/// What sealing a line changes.
struct Step {
    seal: Seal,
    head: Head,
    seal_seed: Option<Key>,
    /// Where the seal is that of a segment's first line.
    segment_seed: Option<Key>,
}

impl Sealer {
    /// Of a log that has no line yet.
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let segment_seed = Key::random()?;
        let never = Timestamp::from_unix_nanos(0);
        let fingerprint = KeyPair::of(&segment_key(&segment_seed)).public();
        Ok(Self {
            seal_seed: None,
            fingerprint,
            next: fingerprint,
            segment_seed,
            last: Link::GENESIS,
            place: Place::NOWHERE,
            sealed_at: never,
            opened_at: never,
            version: 0,
            boot: [0; 16],
            announced_at: never,
            journal_start: 0,
            forwarded: 0,
            head: None,
        })
    }

    /// The first public key.
    pub(super) fn fingerprint(&self) -> PublicKey {
        self.fingerprint
    }

    /// Verifies the first line of the next segment to be opened.
    pub(super) fn segment_key(&self) -> PublicKey {
        KeyPair::of(&segment_key(&self.segment_seed)).public()
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

    /// The time of the last sealed line.
    pub(super) fn sealed_at(&self) -> Timestamp {
        self.sealed_at
    }

    /// Seals the line `link` of the time `now` and steps on.
    pub(super) fn seal(&mut self, role: Role, link: Link, now: Timestamp) -> Seal {
        let step = self.step(role, link);
        let seal = step.seal;
        self.take(step, link, now);
        seal
    }

    /// Steps over a sealed line that a crash kept this state from noting, and which ends at `place`.
    /// `false`, and nothing changed, when it is not the line that this state would have sealed.
    pub(super) fn step_over(
        &mut self,
        role: Role,
        link: Link,
        seal: &Seal,
        now: Timestamp,
        place: Place,
    ) -> bool {
        if (role == Role::Opening) != self.must_open() {
            return false;
        }
        let step = self.step(role, link);
        if step.seal != *seal {
            return false;
        }
        self.take(step, link, now);
        self.ends_at(place);
        // What the journal has is of lines before these.
        self.journal_start = place.offset;
        true
    }

    /// Whether it was saved before the boot `boot`, within which no crash takes what was written. Zeros
    /// are no boot.
    pub(super) fn is_of_earlier_boot(&self, boot: [u8; 16]) -> bool {
        boot != [0; 16] && boot != self.boot
    }

    /// Whether `head` belongs to the next append to a log whose last seal announces the key `announced`.
    /// Whoever can make such a head has this state, and can sign a head for the log as it is, too.
    pub(super) fn makes_next(&self, head: &Head, announced: PublicKey) -> bool {
        let roles: &[(Role, usize)] = if self.must_open() {
            &[(Role::Opening, 1)]
        } else {
            &[(Role::Inner, APPEND_LINES), (Role::Closing, 1)]
        };
        let lines = head.last.seq.saturating_sub(self.last.seq);
        let is_made = |&(role, most): &(Role, usize)| {
            let step = self.step(role, head.last);
            let Seal {
                next,
                next_segment,
                signature,
            } = step.seal;
            let message = Seal::message(&head.last.hash, &next, next_segment.as_ref());
            (1..=most as u64).contains(&lines)
                && step.head == *head
                // The key that was announced is this state's, which may have been made up.
                && verify(&announced, &message, &signature)
        };
        self.next == announced && roles.iter().any(is_made)
    }

    fn step(&self, role: Role, link: Link) -> Step {
        let (key, seal_seed, next, segment_seed) = match &self.seal_seed {
            None => {
                let seal_seed = derive(&self.segment_seed, labels::AUDIT_FIRST_SEAL, &[]);
                let segment_seed = derive(&self.segment_seed, labels::AUDIT_NEXT_SEGMENT, &[]);
                let (key, next) = (segment_key(&self.segment_seed), seal_key(&seal_seed));
                (key, Some(seal_seed), next, Some(segment_seed))
            }
            Some(seed) if role == Role::Closing => {
                (seal_key(seed), None, segment_key(&self.segment_seed), None)
            }
            Some(seed) => {
                let seal_seed = derive(seed, labels::AUDIT_NEXT_SEAL, &[]);
                let next = seal_key(&seal_seed);
                (seal_key(seed), Some(seal_seed), next, None)
            }
        };
        let key = KeyPair::known(&key, &self.next).unwrap_or_else(|| KeyPair::of(&key));
        let next = KeyPair::of(&next);
        let next_segment = segment_seed
            .as_ref()
            .map(|seed| KeyPair::of(&segment_key(seed)).public());
        let message = Seal::message(&link.hash, &next.public(), next_segment.as_ref());
        Step {
            seal: Seal {
                next: next.public(),
                next_segment,
                signature: key.sign(&message),
            },
            head: Head::sign(link, self.fingerprint, &next),
            seal_seed,
            segment_seed,
        }
    }

    fn take(&mut self, step: Step, link: Link, now: Timestamp) {
        self.seal_seed = step.seal_seed;
        self.next = step.seal.next;
        if let Some(seed) = step.segment_seed {
            self.segment_seed = seed;
            self.opened_at = now;
        }
        self.last = link;
        self.sealed_at = now;
        self.head = Some(step.head);
    }

    /// Notes where the line sealed last ends.
    pub(super) fn ends_at(&mut self, place: Place) {
        self.place = place;
    }

    /// Where the log ends, signed with the key that the last seal announces, once a line was sealed.
    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// As it is to be saved next.
    pub(super) fn encode_next(&mut self) -> KeySector {
        self.version += 1;
        self.encode()
    }

    fn encode(&self) -> KeySector {
        let mut sector = KeySector::zeroed();
        let bytes = sector.expose_mut();
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
        put(&self.boot);
        put(&u64::from(self.seal_seed.is_some()).to_le_bytes());
        put(&self.last.seq.to_le_bytes());
        put(&self.place.segment.to_le_bytes());
        put(&self.place.offset.to_le_bytes());
        put(&self.sealed_at.unix_nanos().to_le_bytes());
        put(&self.opened_at.unix_nanos().to_le_bytes());
        put(&self.announced_at.unix_nanos().to_le_bytes());
        put(&self.journal_start.to_le_bytes());
        put(&self.forwarded.to_le_bytes());
        put(self.next.as_bytes());
        let check = sha256(&sector.expose()[..CHECKED]);
        sector.expose_mut()[CHECKED..CHECKED + 32].copy_from_slice(&check);
        sector
    }

    /// Reads what [`Sealer::encode_next`] gave; `None` when it is anything else.
    pub(super) fn decode(bytes: &[u8; SECTOR]) -> Option<Self> {
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
        let boot = *get(&mut from)?;
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
        let sealed_at = get_time(&mut from)?;
        let opened_at = get_time(&mut from)?;
        let announced_at = get_time(&mut from)?;
        let journal_start = get_number(&mut from)?;
        let forwarded = get_number(&mut from)?;
        let next = PublicKey::from_bytes(*get(&mut from)?);
        if journal_start > place.offset {
            return None;
        }
        Some(Self {
            seal_seed: has_seal_seed.then_some(seal_seed),
            segment_seed,
            fingerprint,
            next,
            last: Link { seq, hash },
            place,
            sealed_at,
            opened_at,
            version,
            boot,
            announced_at,
            journal_start,
            forwarded,
            head: None,
        })
    }
}

fn segment_key(seed: &Key) -> Key {
    derive(seed, labels::AUDIT_SEGMENT_KEY, &[])
}

fn seal_key(seed: &Key) -> Key {
    derive(seed, labels::AUDIT_SEAL_KEY, &[])
}

fn get<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (here, after) = from.split_first_chunk()?;
    *from = after;
    Some(here)
}

fn get_number(from: &mut &[u8]) -> Option<u64> {
    get(from).copied().map(u64::from_le_bytes)
}

fn get_time(from: &mut &[u8]) -> Option<Timestamp> {
    let nanos = get(from).copied().map(i64::from_le_bytes)?;
    Some(Timestamp::from_unix_nanos(nanos))
}

fn get_key(from: &mut &[u8]) -> Option<Key> {
    let bytes: &[u8; 32] = get(from)?;
    Some(Key::init_with(|into| into.copy_from_slice(bytes)))
}
