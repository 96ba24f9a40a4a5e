//! Appends under the log's lock: first lines, then state, then head.

use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

use super::append_position::End;
use super::batch::Batch;
use super::catalogue::EventType;
use super::details::Details;
use super::error::{AuditError, Damage};
use super::event::Event;
use super::forward::Sender;
use super::head::{Head, HeadFile};
use super::log::AuditLog;
use super::reason::OpeningReason;
use super::recovery::{Recovered, recover};
use super::sealer::{Place, Sealer};
use super::segment::{APPEND_LINES, SegmentName, segments};
use super::state_file::{BadState, JOURNAL_SIZE, StateFile};
use super::verify::Anchor;
use nightlatch_core::clock::Timestamp;
use nightlatch_platform::fs::{Dir, FsError};

/// The maximum time between anchors while there are events.
const ANCHOR_EVERY: Duration = Duration::from_secs(3600);

/// A log whose end was found and repaired, and whose lock is held for appending. Not used again
/// after a failure.
pub(super) struct Writer<'a> {
    log: &'a AuditLog,
    dir: &'a Dir,
    sealer: Sealer,
    state: StateFile,
    head: HeadFile,
    pub(super) end: End,
    /// Repairs to record first.
    repairs: Vec<Event>,
    /// The time of the append.
    now: Timestamp,
    /// Whether an anchor is due for what was appended.
    is_anchor_due: bool,
}

impl<'a> Writer<'a> {
    /// Opens the log in `dir`, whose files are `names`, with the sealing state in `state`, if it
    /// existed before.
    pub(super) fn open(
        log: &'a AuditLog,
        dir: &'a Dir,
        names: &[String],
        state: Option<StateFile>,
    ) -> Result<Self, AuditError> {
        let segments = segments(names);
        // Another process may have created the log before this one got the lock.
        let state = match state {
            Some(state) => Some(state),
            None => StateFile::open(&log.home)?,
        };
        let (state, mut sealer) = match state {
            Some(state) => match state.read()? {
                Ok(sealer) => (state, sealer),
                Err(BadState) => {
                    return Err(AuditError::damaged(state.path(), Damage::NoSealState));
                }
            },
            None => begin(log, dir, &segments)?,
        };
        let boot = log.boot_id();
        let Recovered { end, repairs } = recover(&mut sealer, &state, dir, names, &segments, boot)?;
        // Open the head before anything is written, so that an append does not start if it cannot
        // finish.
        let head = HeadFile::open(dir)?;
        // Lines, state and head are written in this order. If the head is ahead, the lines and the
        // state were replaced with older ones, or a loss of power kept them off the disk.
        let is_ahead = |head: Head| {
            head.fingerprint == sealer.fingerprint() && head.last.seq > sealer.last().seq
        };
        if sealer.boot == boot && head.read(dir.path())?.is_some_and(is_ahead) {
            return Err(AuditError::damaged(&end.path, Damage::CutShort));
        }
        sealer.boot = boot;
        Ok(Self {
            log,
            dir,
            sealer,
            state,
            head,
            end,
            repairs,
            now: log.now().whole_micros(),
            is_anchor_due: false,
        })
    }

    /// Appends the events of `groups` in order, after the records of repairs.
    ///
    /// # Errors
    /// When the system fails. Of a group of up to 16 events, all or none were appended then; of
    /// more, any number of complete sixteens may have been.
    pub(super) fn append(&mut self, groups: &[&[Event]]) -> Result<(), AuditError> {
        let mut reason = OpeningReason::New;
        if self.end.length > 0
            && let Some(due) = rotation_due(self.log, &self.sealer, self.end.length, self.now)
        {
            self.rotate()?;
            reason = due;
        }
        if self.end.length == 0 {
            self.open_segment(reason)?;
        }
        let repairs = std::mem::take(&mut self.repairs);
        let groups = std::iter::once(&*repairs).chain(groups.iter().copied());
        for events in appends(groups) {
            self.commit(self.now, &events)?;
        }
        Ok(())
    }

    /// The anchor to send for what was appended, if one is due.
    pub(super) fn due_anchor(&self) -> Option<Anchor> {
        let Self { sealer, .. } = self;
        self.is_anchor_due
            .then(|| Anchor::new(sealer.last(), sealer.fingerprint()))
    }

    /// Closes the open segment, durably, and creates the next one.
    fn rotate(&mut self) -> Result<(), AuditError> {
        if !self.sealer.must_open() {
            let closed = Event::new(Details::SegmentClosed {
                segment: self.end.segment,
            });
            // Within a segment, times never decrease and are all on the same day.
            self.commit(self.sealer.sealed_at(), &[&closed])?;
            self.sync()?;
        }
        self.end = End::after(self.dir, self.sealer.last())?;
        Ok(())
    }

    /// Writes the first line of a segment.
    fn open_segment(&mut self, reason: OpeningReason) -> Result<(), AuditError> {
        // Make the file's name durable before anything is written to the segment.
        self.dir.sync()?;
        self.log.home.sync()?;
        self.sealer.journal_start = 0;
        self.sealer.ends_at(Place {
            segment: self.end.segment.first(),
            offset: 0,
        });
        let opened = opened(self.log, &self.sealer, &self.end, reason);
        self.commit(self.now, &[&opened])
    }

    /// Writes one append with the time `time`: its lines, then the new state, then the head.
    fn commit(&mut self, time: Timestamp, events: &[&Event]) -> Result<(), AuditError> {
        let origin = self.log.origin();
        let batch = Batch::seal(&mut self.sealer, origin, time, self.end.last, events)?;
        self.end.append(&batch.lines)?;
        let saved = self.journal(&batch.lines).and_then(|()| {
            self.note_anchor(events);
            self.forward(&batch);
            self.state.save(&mut self.sealer)
        });
        if let Err(error) = saved {
            self.end.cut_back();
            return Err(error.into());
        }
        self.end.length += batch.lines.len() as u64;
        self.end.last = batch.last;
        if let Some(head) = self.sealer.head() {
            self.head.write(self.dir.path(), head)?;
        }
        Ok(())
    }

    /// Copies `lines`, which were just written, to the journal, or syncs them if the journal is
    /// full.
    fn journal(&mut self, lines: &[u8]) -> Result<(), FsError> {
        let length = lines.len() as u64;
        let offset = self.end.length + length;
        let at = self.end.length - self.sealer.journal_start;
        if at + length <= JOURNAL_SIZE {
            self.state.write_journal(at, lines)?;
        } else {
            self.sync()?;
            self.sealer.journal_start = offset;
        }
        self.sealer.ends_at(Place {
            segment: self.end.segment.first(),
            offset,
        });
        Ok(())
    }

    /// Forwards what was written and what could not be sent before. If forwarding is off,
    /// everything counts as sent.
    fn forward(&mut self, batch: &Batch) {
        self.sealer.forwarded = match &self.log.forward {
            Some(forward) => {
                let fingerprint = self.sealer.fingerprint();
                let sender = Sender {
                    pid: self.log.origin().pid(),
                    fingerprint: fingerprint.to_string(),
                };
                forward.send(&self.log.home, &sender, self.sealer.forwarded, batch)
            }
            None => batch.last.seq,
        };
    }

    fn sync(&self) -> Result<(), FsError> {
        let synced = self.end.file.sync_data();
        synced.map_err(|error| FsError::new("sync", &self.end.path, error))
    }

    /// Notes whether an anchor is due: when a session begins or ends, when a segment is closed, and
    /// every hour.
    fn note_anchor(&mut self, events: &[&Event]) {
        let is_due = events.iter().any(|event| {
            matches!(
                event.event_type(),
                EventType::SessionCreated
                    | EventType::SessionTerminated
                    | EventType::SessionRevoked
                    | EventType::SegmentClosed
            )
        });
        let (now, announced_at) = (self.now, self.sealer.announced_at);
        if self.log.syslog.is_some()
            && (is_due || now.since(announced_at) >= ANCHOR_EVERY || now < announced_at)
        {
            self.is_anchor_due = true;
            self.sealer.announced_at = now;
        }
    }
}

/// The events of `groups` in appends of at most 16 lines. A group begins a new append if it would
/// not fit into the rest of one.
fn appends<'e>(groups: impl Iterator<Item = &'e [Event]>) -> Vec<Vec<&'e Event>> {
    let mut appends: Vec<Vec<&Event>> = Vec::new();
    for group in groups {
        let mut left = group;
        if let Some(last) = appends.last_mut()
            && last.len() + group.len() <= APPEND_LINES
        {
            last.extend(std::mem::take(&mut left));
        }
        appends.extend(left.chunks(APPEND_LINES).map(|some| some.iter().collect()));
    }
    appends
}

/// Creates the state of a new log, if `dir` has no remains of another one.
fn begin(
    log: &AuditLog,
    dir: &Dir,
    segments: &[SegmentName],
) -> Result<(StateFile, Sealer), AuditError> {
    if let Some(last) = segments.last() {
        let path = dir.path().join(last.to_string());
        return Err(AuditError::damaged(&path, Damage::NoSealState));
    }
    if Head::load_own(dir)?.is_some() {
        return Err(AuditError::damaged(dir.path(), Damage::CutShort));
    }
    let mut sealer = Sealer::generate()?;
    let state = StateFile::create(&log.home, &mut sealer)?;
    Ok((state, sealer))
}

impl End {
    fn append(&self, lines: &[u8]) -> Result<(), FsError> {
        (&self.file).write_all(lines).map_err(|error| {
            self.cut_back();
            FsError::new("write to", &self.path, error)
        })
    }
}

/// Why a segment of `length` bytes must be closed before a line with the time `now`, if so.
pub(super) fn rotation_due(
    log: &AuditLog,
    sealer: &Sealer,
    length: u64,
    now: Timestamp,
) -> Option<OpeningReason> {
    if now < sealer.sealed_at() {
        Some(OpeningReason::Clock)
    } else if sealer.opened_at().day() != now.day() {
        Some(OpeningReason::Day)
    } else if length >= log.segment_size {
        Some(OpeningReason::Size)
    } else if sealer.must_open() {
        // It was closed, and a crash prevented the next one from being opened.
        Some(OpeningReason::Day)
    } else {
        None
    }
}

/// The event that opens the segment at `end`.
pub(super) fn opened(log: &AuditLog, sealer: &Sealer, end: &End, reason: OpeningReason) -> Event {
    let boot = uuid::Uuid::from_bytes(log.boot_id());
    Event::new(Details::SegmentOpened {
        segment: end.segment,
        fingerprint: sealer.fingerprint(),
        key: sealer.segment_key(),
        reason,
        boot: (!boot.is_nil()).then_some(boot),
        version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
        settings: log.settings.clone(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_group_that_fits_into_an_append_is_never_split(
            lengths in proptest::collection::vec(0..40_usize, 0..20),
        ) {
            let mut made = (0..).map(|number| {
                Event::new(Details::SessionRefreshed { times: number })
            });
            let groups: Vec<Vec<Event>> = lengths
                .iter()
                .map(|&length| made.by_ref().take(length).collect())
                .collect();
            let appends = appends(groups.iter().map(Vec::as_slice));
            prop_assert!(appends.iter().all(|one| (1..=APPEND_LINES).contains(&one.len())));
            let in_order: Vec<&Event> = appends.iter().flatten().copied().collect();
            prop_assert_eq!(in_order, groups.iter().flatten().collect::<Vec<_>>());
            for group in groups.iter().filter(|group| (1..=APPEND_LINES).contains(&group.len())) {
                let holds_first = |one: &&Vec<&Event>| one.contains(&&group[0]);
                let append = appends.iter().find(holds_first);
                prop_assert!(append.is_some_and(|one| group.iter().all(|event| one.contains(&event))));
            }
        }
    }
}
