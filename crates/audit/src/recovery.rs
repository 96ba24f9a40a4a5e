//! Finds the end of the log, and repairs it after a crash.
//!
//! The state advances over appends whose seals it would have made itself, and over nothing else.
//! Whatever follows may not be the program's own, so it is moved aside, kept and recorded. After a
//! loss of power, the journal restores lines whose state reached the disk before they did.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::append_position::End;
use super::details::Details;
use super::error::{AuditError, Damage};
use super::event::Event;
use super::line::Link;
use super::quarantine;
use super::reader::{Found, Lines, Section};
use super::reason::RepairReason;
use super::record::Record;
use super::seal::Parts;
use super::sealer::{Place, Role, Sealer};
use super::segment::{APPEND_LINES, SegmentName};
use super::segment_tail::{line_before, link_of};
use super::state_file::StateFile;
use nightlatch_platform::fs::{Dir, FileExt, FsError};

/// The end of the log, after any repair.
pub(super) struct Recovered {
    pub(super) end: End,
    /// The repairs, to be recorded.
    pub(super) repairs: Vec<Event>,
}

/// Finds the end of the log in `dir`, whose files are `names` and whose sorted segments are
/// `segments`, and advances `sealer` to it. The caller must hold the log's lock.
///
/// # Errors
/// When the log does not end as `sealer` says, or the system fails; nothing is changed then.
pub(super) fn recover(
    sealer: &mut Sealer,
    state: &StateFile,
    dir: &Dir,
    names: &[String],
    segments: &[SegmentName],
    boot: [u8; 16],
) -> Result<Recovered, AuditError> {
    let mut repairs = Vec::new();
    let mut end = None;
    let start = sealer.place().segment;
    let mut open = segments
        .iter()
        .filter(|name| name.first() >= start)
        .peekable();
    if start > 0 && open.peek().is_none_or(|name| name.first() != start) {
        let path = dir.path().join(SegmentName::starting_at(start).to_string());
        return Err(AuditError::damaged(&path, Damage::CutShort));
    }
    while let Some(&name) = open.next() {
        let mut segment = Segment::open(dir, name)?;
        let is_last = open.peek().is_none();
        let from = if name.first() == start {
            let may_be_lost = is_last && sealer.is_of_earlier_boot(boot);
            let is_cut = segment.length < sealer.place().offset;
            if is_cut || may_be_lost && segment.check_sealed_end(sealer).is_err() {
                repairs.extend(segment.restore(sealer, state, dir, may_be_lost)?);
            }
            segment.check_sealed_end(sealer)?;
            sealer.place().offset
        } else if sealer.must_open() && name.first() == sealer.last().seq + 1 {
            0
        } else {
            return Err(segment.damaged(Damage::Gap));
        };
        let proven = segment.step_over(sealer, from)?;
        if proven < segment.length {
            if !is_last {
                return Err(segment.damaged(Damage::ForeignSeal));
            }
            let unproven = (proven, segment.length);
            let seq = sealer.last().seq + 1;
            repairs.push(quarantine::move_aside(
                dir,
                name,
                &segment.file,
                unproven,
                seq,
            )?);
        }
        end = Some(End {
            segment: name,
            file: segment.file,
            path: segment.path,
            length: proven,
            last: sealer.last(),
        });
    }
    let end = match end {
        Some(end) => end,
        None => End::after(dir, sealer.last())?,
    };
    let seq = sealer.last().seq + 1;
    let mut unrecorded = quarantine::unrecorded(dir, names, end.segment, seq)?;
    unrecorded.append(&mut repairs);
    Ok(Recovered {
        end,
        repairs: unrecorded,
    })
}

/// The segment being examined.
struct Segment {
    name: SegmentName,
    file: File,
    path: PathBuf,
    length: u64,
}

impl Segment {
    fn open(dir: &Dir, name: SegmentName) -> Result<Self, AuditError> {
        let text = name.to_string();
        let file = dir.open_append(&text)?;
        let path = dir.path().join(text);
        let inspected = file.metadata();
        let inspected = inspected.map_err(|error| FsError::new("inspect", &path, error))?;
        Ok(Self {
            name,
            length: inspected.len(),
            file,
            path,
        })
    }

    fn damaged(&self, damage: Damage) -> AuditError {
        AuditError::damaged(&self.path, damage)
    }

    fn failed(&self, error: std::io::Error) -> AuditError {
        FsError::new("read", &self.path, error).into()
    }

    /// Checks that the last sealed line according to the state ends where the state says.
    fn check_sealed_end(&self, sealer: &Sealer) -> Result<(), AuditError> {
        match self.line_before(sealer.place().offset)? {
            Ok(link) if link == sealer.last() => Ok(()),
            Ok(_) => Err(self.damaged(Damage::ForeignState)),
            Err(damage) => Err(self.damaged(damage)),
        }
    }

    /// The line that ends before the byte `end`.
    fn line_before(&self, end: u64) -> Result<Result<Link, Damage>, AuditError> {
        line_before(&self.file, end).map_err(|error| self.failed(error))
    }

    /// Advances `sealer` over the appends from the byte `from` on that it would have sealed
    /// itself. Returns the end of the last of them.
    fn step_over(&self, sealer: &mut Sealer, from: u64) -> Result<u64, AuditError> {
        let mut proven = from;
        if from >= self.length {
            return Ok(proven);
        }
        let section = Section {
            file: self.file.try_clone().map_err(|error| self.failed(error))?,
            at: from,
            end: self.length,
        };
        let mut lines = Lines::new(section);
        let mut last = sealer.last();
        let mut unsealed = 0;
        loop {
            let found = lines.next_line().map_err(|error| self.failed(error))?;
            let Some(Found::Line(line)) = found else {
                break;
            };
            let Some((this, record, parts)) = continued(line, last) else {
                break;
            };
            last = this;
            let Some(seal) = parts.seal else {
                unsealed += 1;
                if unsealed == APPEND_LINES {
                    break;
                }
                continue;
            };
            let role = record.event_type.known().map_or(Role::Inner, Role::of);
            let place = Place {
                segment: self.name.first(),
                offset: from + lines.consumed(),
            };
            if !sealer.step_over(role, this, &seal, record.timestamp, place) {
                break;
            }
            (proven, unsealed) = (place.offset, 0);
        }
        if proven > from {
            // The journal does not have these lines.
            self.file
                .sync_data()
                .map_err(|error| FsError::new("sync", &self.path, error))?;
        }
        Ok(proven)
    }

    /// Restores from the journal the lines that the state counts and that a loss of power took from
    /// the segment's end. Returns the events that record this.
    fn restore(
        &mut self,
        sealer: &Sealer,
        state: &StateFile,
        dir: &Dir,
        may_be_lost: bool,
    ) -> Result<Vec<Event>, AuditError> {
        let (start, end) = (sealer.journal_start, sealer.place().offset);
        let cut = self.damaged(Damage::CutShort);
        if !may_be_lost || self.length < start {
            return Err(cut);
        }
        let before = match start {
            0 => None,
            _ => match self.line_before(start)? {
                Ok(link) => Some(link),
                Err(_) => return Err(cut),
            },
        };
        let Some(journal) = state.read_journal(end - start)? else {
            return Err(cut);
        };
        if !leads_to(&journal, before, sealer.last()) {
            return Err(cut);
        }
        let mut there = vec![0; usize::try_from(self.length - start).unwrap_or_default()];
        let read = self.file.read_exact_at(&mut there, start);
        read.map_err(|error| self.failed(error))?;
        let mut kept = there.len();
        let mut events = Vec::new();
        if !journal.starts_with(&there) {
            // Blocks that were allocated but never written, or bytes that are not ours.
            let spoilt = (start, self.length);
            let seq = sealer.last().seq + 1;
            events.push(quarantine::move_aside(
                dir, self.name, &self.file, spoilt, seq,
            )?);
            kept = 0;
        }
        let missing = &journal[kept..];
        let written = (&self.file)
            .write_all(missing)
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| FsError::new("write to", &self.path, error))?;
        self.length = end;
        events.push(Event::new(Details::AuditRepaired {
            segment: self.name,
            reason: RepairReason::Lost,
            lines: memchr::memchr_iter(b'\n', missing).count() as u64,
            bytes: missing.len() as u64,
            quarantine: None,
        }));
        Ok(events)
    }
}

/// A line that continues `last`: its link, the event, and its parts.
fn continued(line: &[u8], last: Link) -> Option<(Link, Record, Parts<'_>)> {
    let (parts, true) = Parts::judged(line)? else {
        return None;
    };
    let record = Record::parse(line)?;
    let this = Link {
        seq: record.seq,
        hash: parts.hash,
    };
    (this.seq == last.seq + 1 && parts.continues(&last.hash)).then_some((this, record, parts))
}

/// Whether `journal` consists of whole lines that lead from the line `before`, if there is one, to
/// `last`.
pub(super) fn leads_to(journal: &[u8], before: Option<Link>, last: Link) -> bool {
    let Some(lines) = journal.strip_suffix(b"\n") else {
        return false;
    };
    let mut link = before;
    for line in lines.split(|&byte| byte == b'\n') {
        let Ok(this) = link_of(line) else {
            return false;
        };
        let continues = |link: Link| {
            this.seq == link.seq + 1
                && Parts::of(line).is_some_and(|parts| parts.continues(&link.hash))
        };
        if !link.is_none_or(continues) {
            return false;
        }
        link = Some(this);
    }
    link == Some(last)
}
