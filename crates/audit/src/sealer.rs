//! The sealing state: the keys for the next seal, and the last sealed line.
//!
//! There are two one-way chains of seeds. From a segment's seed come the key that seals its first
//! line, the seed of its second seal, and the seed of the next segment; from a seal's seed come its
//! key and the seed of the next seal. Used seeds are erased, so nobody can seal the same line
//! again.
//!
//! Every first line announces the key for the next first line. Segments can therefore be verified
//! independently, and the first lines alone lead from the first key, the log's fingerprint, to the
//! last one.
//!
//! [`StateFile`](super::state_file::StateFile) stores it on disk.

#[cfg(any(test, fuzzing, feature = "test-util"))]
pub(crate) mod properties;

use super::catalogue::EventType;
use super::hash::LineHash;
use super::head::Head;
use super::line::Link;
use super::seal::Seal;
use super::seed::{SealSeed, SegmentSeed};
use super::segment::APPEND_LINES;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sign::{PublicKey, verify};
use nightlatch_core::crypto::{KeySector, sha256};

const MAGIC: &[u8; 8] = b"NLseal\0\x01";
/// A disk sector, which is written completely or not at all.
pub(super) const SECTOR: usize = 512;
/// The bytes that the checksum covers.
const CHECKED: usize = 264;

/// The kind of line that a seal is on, which determines the key that it announces.
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
    /// The role of the seal on an event of this type.
    pub(super) fn of(event_type: EventType) -> Self {
        match event_type {
            EventType::SegmentOpened => Self::Opening,
            EventType::SegmentClosed => Self::Closing,
            _ => Self::Inner,
        }
    }
}

/// Where a sealed line ends in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment, by the number of its first line; 0 before the first segment.
    pub(super) segment: u64,
    /// The byte after the end of the line.
    pub(super) offset: u64,
}

impl Place {
    const NOWHERE: Self = Self {
        segment: 0,
        offset: 0,
    };
}

/// What a process needs for sealing; see the module.
pub(super) struct Sealer {
    /// The seed of the open segment's next seal; `None` if the next line opens a segment.
    seal_seed: Option<SealSeed>,
    /// The seed of the next segment to be opened.
    segment_seed: SegmentSeed,
    fingerprint: PublicKey,
    /// The key for the next seal, which the last seal announced.
    next: PublicKey,
    /// The last sealed line.
    last: Link,
    place: Place,
    sealed_at: Timestamp,
    /// When the open segment was opened.
    opened_at: Timestamp,
    /// Counts the saves.
    version: u64,
    /// The boot in which the state was saved; zeros if the system has no boot id.
    pub(super) boot: [u8; 16],
    /// When an anchor was last sent.
    pub(super) announced_at: Timestamp,
    /// The byte of the segment at which the journal begins.
    pub(super) journal_start: u64,
    /// The number of the last event that was forwarded.
    pub(super) forwarded: u64,
    /// The head for the last sealed line, if this process sealed it.
    head: Option<Head>,
}

/// The changes from sealing a line.
struct Step {
    seal: Seal,
    head: Head,
    seal_seed: Option<SealSeed>,
    /// Only for a segment's first line.
    segment_seed: Option<SegmentSeed>,
}

impl Sealer {
    /// The state of a log without lines.
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let segment_seed = SegmentSeed::random()?;
        let never = Timestamp::from_unix_nanos(0);
        let fingerprint = segment_seed.key().public();
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

    /// The log's first public key.
    pub(super) fn fingerprint(&self) -> PublicKey {
        self.fingerprint
    }

    /// The key for the first line of the next segment to be opened.
    pub(super) fn segment_key(&self) -> PublicKey {
        self.segment_seed.key().public()
    }

    /// The last sealed line.
    pub(super) fn last(&self) -> Link {
        self.last
    }

    /// Where the last sealed line ends.
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

    /// Seals the line `link` with the time `now` and advances.
    pub(super) fn seal(&mut self, role: Role, link: Link, now: Timestamp) -> Seal {
        let step = self.step(role, link);
        let seal = step.seal;
        self.take(step, link, now);
        seal
    }

    /// Advances over a sealed line that ends at `place` and that a crash kept out of the saved
    /// state. Returns `false`, without a change, if this state would have sealed another line.
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
        // The lines in the journal are before these.
        self.journal_start = place.offset;
        true
    }

    /// Whether it was saved before the boot `boot`; within one boot no crash loses written lines.
    /// Zeros are not a boot.
    pub(super) fn is_of_earlier_boot(&self, boot: [u8; 16]) -> bool {
        boot != [0; 16] && boot != self.boot
    }

    /// Whether `head` belongs to the next append to a log whose last seal announces the key
    /// `announced`. Whoever can make such a head has this state, and can also sign a head for the
    /// log as it is.
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
                // The announced key must be checked, since this state, and so its key, may be
                // forged.
                && verify(&announced, &message, &signature)
        };
        self.next == announced && roles.iter().any(is_made)
    }

    fn step(&self, role: Role, link: Link) -> Step {
        let (key, seal_seed, next, segment_seed) = match &self.seal_seed {
            None => {
                let seed = &self.segment_seed;
                let (first, after) = (seed.first_seal(), seed.next());
                let next = first.key();
                (seed.key(), Some(first), next, Some(after))
            }
            Some(seed) if role == Role::Closing => {
                (seed.key(), None, self.segment_seed.key(), None)
            }
            Some(seed) => {
                let after = seed.next();
                let next = after.key();
                (seed.key(), Some(after), next, None)
            }
        };
        let (key, next) = (key.announced(&self.next), next.pair());
        let next_segment = segment_seed.as_ref().map(|seed| seed.key().public());
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

    /// Records where the last sealed line ends.
    pub(super) fn ends_at(&mut self, place: Place) {
        self.place = place;
    }

    /// The signed end of the log, once this process has sealed a line.
    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The state as it is saved next.
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

    /// Parses the output of [`Sealer::encode_next`]; `None` for anything else.
    pub(super) fn decode(bytes: &[u8; SECTOR]) -> Option<Self> {
        let (checked, rest) = bytes.split_at(CHECKED);
        let (check, unused) = rest.split_at(32);
        // There is only one form: unused bytes must be zero.
        if check != sha256(checked) || unused.iter().any(|&byte| byte != 0) {
            return None;
        }
        let mut from = checked.strip_prefix(MAGIC)?;
        let version = get_number(&mut from)?;
        let fingerprint = PublicKey::from_bytes(*get(&mut from)?);
        let segment_seed = SegmentSeed::saved(get(&mut from)?);
        let seal_seed = SealSeed::saved(get(&mut from)?);
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
