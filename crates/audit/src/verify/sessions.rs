//! Warnings about sessions that were used without a recorded creation, after their end, or for
//! longer than they may last.

use std::collections::HashMap;
use std::time::Duration;

use super::result::{Warning, WarningReason};
use crate::canonical::Canonical;
use crate::catalogue::EventType;
use crate::details::Details;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::SessionId;

/// The longest that any session can last.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// A use is recorded a moment after it was checked, or later if other processes hold locks.
const RECORDED_WITHIN: Duration = Duration::from_secs(60);
/// The maximum number of sessions that are followed at once.
const FOLLOWED: usize = 100_000;
/// The maximum number of warnings that are listed; the others are counted.
const KEPT: usize = 100;

/// What one segment records about sessions.
#[derive(Default)]
pub(super) struct SegmentSessions {
    sessions: HashMap<SessionId, InSegment>,
    /// A cache: most lines are about the same session as the previous line.
    last: Option<([u8; 36], SessionId)>,
    warnings: Warnings,
    /// Whether there were too many sessions to follow.
    is_incomplete: bool,
}

/// A session in one segment.
#[derive(Default)]
struct InSegment {
    /// The first and the last use before any other event about the session.
    used: Option<[Use; 2]>,
    created: Option<Creation>,
    ended: Option<u64>,
    is_warned: bool,
}

#[derive(Clone, Copy)]
struct Use {
    seq: u64,
    at: Timestamp,
}

#[derive(Clone, Copy)]
struct Creation {
    seq: u64,
    at: Timestamp,
    /// No use is expected after this.
    over: Timestamp,
}

impl Creation {
    fn of(line: &Canonical<'_>) -> Self {
        let max = match line.read_details(EventType::SessionCreated) {
            Some(Details::SessionCreated { max, .. }) => max,
            _ => LONGEST,
        };
        Self {
            seq: line.seq,
            at: line.timestamp,
            over: line.timestamp.plus(max.min(LONGEST) + RECORDED_WITHIN),
        }
    }

    /// The problem with a use at this time, if any.
    fn judge(&self, at: Timestamp) -> Option<WarningReason> {
        let created = self.seq;
        (at >= self.over).then_some(WarningReason::AfterMaximum { created })
    }
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
    /// Processes the next line.
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
            Step::Created => session.created = Some(Creation::of(line)),
            Step::Ended => session.ended = session.ended.or(Some(line.seq)),
            Step::Used => {
                let this = Use {
                    seq: line.seq,
                    at: line.timestamp,
                };
                let reason = match (session.ended, session.created) {
                    (Some(ended), _) => Some(WarningReason::AfterEnd { ended }),
                    (None, Some(created)) => created.judge(this.at),
                    (None, None) => {
                        let first = session.used.map_or(this, |[first, _]| first);
                        session.used = Some([first, this]);
                        None
                    }
                };
                if let Some(reason) = reason.filter(|_| !session.is_warned) {
                    session.is_warned = true;
                    self.warnings.add(line.seq, id, reason);
                }
            }
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

/// The sessions that may continue into the next segment.
#[derive(Default)]
pub(super) struct Sessions {
    followed: HashMap<SessionId, Followed>,
    warnings: Warnings,
    /// Sessions in events up to this one may have been created in removed events.
    excused_until: Option<Timestamp>,
    is_incomplete: bool,
}

struct Followed {
    /// When it was created, or the latest possible time.
    since: Timestamp,
    /// `None` if its creation was not seen.
    created: Option<Creation>,
    ended: Option<u64>,
}

impl Sessions {
    /// Excuses sessions created before the log's first event, whose time is `first`.
    pub(super) fn excuse_before(&mut self, first: Timestamp) {
        self.excused_until = Some(first.plus(LONGEST));
    }

    /// Processes the next segment, which begins at the time `begin`.
    pub(super) fn take_in(&mut self, segment: SegmentSessions, begin: Option<Timestamp>) {
        if let Some(begin) = begin {
            let oldest = begin.minus(LONGEST);
            self.followed.retain(|_, session| session.since >= oldest);
        }
        self.is_incomplete |= segment.is_incomplete;
        self.warnings.append(segment.warnings);
        for (id, session) in segment.sessions {
            if let Some(used) = session.used {
                self.used(id, used);
            }
            let followed = self.followed.get(&id);
            let created = session.created;
            let created = created.or(followed.and_then(|followed| followed.created));
            let ended = session
                .ended
                .or(followed.and_then(|followed| followed.ended));
            // A session whose end was all that was seen cannot be used any more either.
            let since = created.map(|created| created.at);
            let since = since.or(followed.map(|followed| followed.since));
            let since = since.or(begin.filter(|_| ended.is_some()));
            if let Some(since) = since {
                if self.followed.len() < FOLLOWED {
                    let followed = Followed {
                        since,
                        created,
                        ended,
                    };
                    self.followed.insert(id, followed);
                } else {
                    self.is_incomplete = true;
                }
            }
        }
    }

    /// Checks the first and the last use before any other event about the session in a segment.
    fn used(&mut self, id: SessionId, [first, last]: [Use; 2]) {
        let (seq, reason) = match self.followed.get(&id) {
            Some(Followed {
                ended: Some(ended), ..
            }) => (first.seq, Some(WarningReason::AfterEnd { ended: *ended })),
            Some(Followed { created, .. }) => {
                let judge = |at| created.and_then(|created| created.judge(at));
                match judge(first.at) {
                    Some(reason) => (first.seq, Some(reason)),
                    None => (last.seq, judge(last.at)),
                }
            }
            None => {
                let is_excused = self.excused_until.is_some_and(|until| first.at <= until);
                let is_known = !is_excused && !self.is_incomplete;
                (first.seq, is_known.then_some(WarningReason::NotCreated))
            }
        };
        if let Some(reason) = reason {
            self.warnings.add(seq, id, reason);
        }
    }

    /// The warnings in log order, and how many more there are.
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
