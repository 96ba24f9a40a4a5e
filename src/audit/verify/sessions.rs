//! Sessions that were used without having been created in the log, or after their end: warnings.

use std::collections::HashMap;
use std::time::Duration;

use super::result::{Warning, WarningReason};
use crate::audit::canonical::Canonical;
use crate::clock::Timestamp;
use crate::id::SessionId;

/// No session lasts longer.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// More sessions than this are not followed at a time.
const FOLLOWED: usize = 100_000;
/// More warnings than this are counted and not named.
const KEPT: usize = 100;

/// What the events of one segment say about sessions.
#[derive(Default)]
pub(super) struct SegmentSessions {
    sessions: HashMap<SessionId, InSegment>,
    /// Most lines are of the same session as the line before.
    last: Option<([u8; 36], SessionId)>,
    warnings: Warnings,
    /// Whether there were too many to follow.
    is_incomplete: bool,
}

/// A session in one segment.
#[derive(Default)]
struct InSegment {
    /// The first use before the segment says anything else about it.
    used: Option<(u64, Timestamp)>,
    created: Option<Timestamp>,
    ended: Option<u64>,
    is_warned: bool,
}

#[derive(Clone, Copy)]
enum Step {
    Created,
    Used,
    Ended,
}

impl Step {
    fn of(event_type: &str) -> Option<Self> {
        match event_type {
            "SESSION_CREATED" => Some(Self::Created),
            "SESSION_VALIDATED" | "SESSION_EXTENDED" | "COMMAND_STARTED" => Some(Self::Used),
            "SESSION_EXPIRED" | "SESSION_TERMINATED" | "SESSION_REVOKED" => Some(Self::Ended),
            _ => None,
        }
    }
}

impl SegmentSessions {
    /// Takes in the next line.
    pub(super) fn see(&mut self, line: &Canonical<'_>) {
        let (Some(step), Some(text)) = (Step::of(line.event_type), line.session_id) else {
            return;
        };
        let Some(id) = self.id(*text) else {
            return;
        };
        if self.sessions.len() >= FOLLOWED && !self.sessions.contains_key(&id) {
            self.is_incomplete = true;
            return;
        }
        let session = self.sessions.entry(id).or_default();
        match step {
            Step::Created => session.created = Some(line.timestamp),
            Step::Ended => session.ended = session.ended.or(Some(line.seq)),
            Step::Used => match session.ended {
                Some(ended) if !session.is_warned => {
                    session.is_warned = true;
                    let reason = WarningReason::AfterEnd { ended };
                    self.warnings.add(line.seq, id, reason);
                }
                None if session.created.is_none() && session.used.is_none() => {
                    session.used = Some((line.seq, line.timestamp));
                }
                _ => {}
            },
        }
    }

    fn id(&mut self, text: [u8; 36]) -> Option<SessionId> {
        if let Some((_, id)) = self.last.filter(|(last, _)| *last == text) {
            return Some(id);
        }
        let id = std::str::from_utf8(&text).ok()?.parse().ok()?;
        self.last = Some((text, id));
        Some(id)
    }
}

/// The sessions that may go on from one segment to the next.
#[derive(Default)]
pub(super) struct Sessions {
    followed: HashMap<SessionId, Followed>,
    warnings: Warnings,
    /// Sessions of events up to here may have been created in events that were removed.
    excused_until: Option<Timestamp>,
    is_incomplete: bool,
}

struct Followed {
    created: Timestamp,
    ended: Option<u64>,
}

impl Sessions {
    /// Excuses sessions that were created before the log's first event, which is of the time `first`.
    pub(super) fn excuse_before(&mut self, first: Timestamp) {
        self.excused_until = Some(first.plus(LONGEST));
    }

    /// Takes in the next segment, which begins at the time `begin`.
    pub(super) fn take_in(&mut self, segment: SegmentSessions, begin: Option<Timestamp>) {
        if let Some(begin) = begin {
            let oldest = begin.minus(LONGEST);
            self.followed.retain(|_, session| session.created >= oldest);
        }
        self.is_incomplete |= segment.is_incomplete;
        self.warnings.append(segment.warnings);
        for (id, session) in segment.sessions {
            if let Some((seq, at)) = session.used {
                self.use_of(id, seq, at);
            }
            let followed = self.followed.get(&id);
            let created = session
                .created
                .or(followed.map(|followed| followed.created));
            let ended = session
                .ended
                .or(followed.and_then(|followed| followed.ended));
            // One that only ended here cannot be used any more either.
            let since = created.or(begin.filter(|_| ended.is_some()));
            if let Some(created) = since {
                if self.followed.len() < FOLLOWED {
                    self.followed.insert(id, Followed { created, ended });
                } else {
                    self.is_incomplete = true;
                }
            }
        }
    }

    fn use_of(&mut self, id: SessionId, seq: u64, at: Timestamp) {
        match self.followed.get(&id) {
            Some(Followed {
                ended: Some(ended), ..
            }) => {
                let reason = WarningReason::AfterEnd { ended: *ended };
                self.warnings.add(seq, id, reason);
            }
            Some(_) => {}
            None => {
                let is_excused = self.excused_until.is_some_and(|until| at <= until);
                if !is_excused && !self.is_incomplete {
                    self.warnings.add(seq, id, WarningReason::NotCreated);
                }
            }
        }
    }

    /// The warnings in the order of the log, and how many more there are.
    pub(super) fn finish(self) -> (Vec<Warning>, u64) {
        let mut warnings = self.warnings;
        warnings.shrink();
        (warnings.kept, warnings.more)
    }
}

#[derive(Default)]
struct Warnings {
    kept: Vec<Warning>,
    more: u64,
}

impl Warnings {
    fn add(&mut self, seq: u64, session: SessionId, reason: WarningReason) {
        self.kept.push(Warning {
            seq,
            session,
            reason,
        });
        if self.kept.len() >= 4 * KEPT {
            self.shrink();
        }
    }

    fn append(&mut self, other: Self) {
        self.more += other.more;
        for Warning {
            seq,
            session,
            reason,
        } in other.kept
        {
            self.add(seq, session, reason);
        }
    }

    fn shrink(&mut self) {
        self.kept.sort_by_key(|warning| warning.seq);
        self.more += self.kept.len().saturating_sub(KEPT) as u64;
        self.kept.truncate(KEPT);
    }
}
