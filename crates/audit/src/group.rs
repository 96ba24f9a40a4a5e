//! One writer for many callers: what they record at the same time is sealed and flushed together.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::error::AuditError;
use super::event::Event;
use super::log::AuditLog;

/// The most events that wait, unless [`GroupWriter::with_capacity`] says otherwise.
const CAPACITY: usize = 4096;
/// The most events per flush, so that the log's lock is not held for long.
const MOST: usize = 512;

/// Why an event was not recorded. What it is about must then not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The events that were written together could not be written, or not flushed. Some may be in
    /// the log all the same.
    #[error(transparent)]
    NotRecorded(Arc<AuditError>),
    /// As many events wait as the writer keeps.
    #[error("the audit log: {capacity} events wait to be recorded already")]
    Full {
        /// How many the writer keeps.
        capacity: usize,
    },
    /// The thread that was writing panicked.
    #[error("the audit log: the thread that was writing the event has stopped")]
    Stopped,
}

type Outcome = Result<(), GroupError>;

/// Events of one caller, and where the caller finds their outcome.
struct Waiting {
    events: Vec<Event>,
    outcome: Arc<OnceLock<Outcome>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many events wait.
    events: usize,
    /// Whether a caller is writing.
    is_writing: bool,
}

/// A writer for many threads. Each call returns when its events are sealed and on the disk.
///
/// While one caller writes, the events of all others wait, and the next caller writes them all: one
/// lock, one seal per 16 events, and one flush. Other processes and other writers may append to the
/// log, prune and verify it at the same time, because the log's lock is only held while lines are
/// written, and every group begins with the checks and repairs of [`AuditLog::append`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let home = std::sync::Arc::new(nightlatch_audit::Dir::open_or_create(&scratch.path().join("home"))?);
/// use std::sync::Arc;
///
/// use nightlatch_audit::{AuditLog, Details, Event, SystemClock};
///
/// let writer = AuditLog::new(home, Arc::new(SystemClock)).into_writer();
/// std::thread::scope(|threads| {
///     let append = || writer.append(Event::new(Details::LoginAttempt));
///     let callers: Vec<_> = (0..8).map(|_| threads.spawn(append)).collect();
///     assert!(callers.into_iter().all(|caller| matches!(caller.join(), Ok(Ok(())))));
/// });
/// # Ok(())
/// # }
/// ```
pub struct GroupWriter {
    log: AuditLog,
    capacity: usize,
    lock_limit: Option<Duration>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl AuditLog {
    /// A writer that many threads share.
    pub fn into_writer(self) -> GroupWriter {
        GroupWriter {
            log: self,
            capacity: CAPACITY,
            lock_limit: None,
            queue: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl GroupWriter {
    /// Lets at most this many events wait, 4096 by default.
    #[must_use]
    pub fn with_capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    /// Waits at most `limit` for the log's lock, which another process may hold. The events that
    /// wait for it then fail with [`AuditError::Busy`].
    #[must_use]
    pub fn with_lock_limit(mut self, limit: Duration) -> Self {
        self.lock_limit = Some(limit);
        self
    }

    /// The log, to read it.
    pub fn log(&self) -> &AuditLog {
        &self.log
    }

    /// Appends `event`, and returns when it is durable.
    ///
    /// # Errors
    /// When it could not be recorded.
    pub fn append(&self, event: Event) -> Result<(), GroupError> {
        self.append_all(vec![event])
    }

    /// Appends `events` one after the other, and returns when they are durable. Up to 16 are sealed
    /// together, so that a crash leaves all of them or none.
    ///
    /// # Errors
    /// When they could not be recorded.
    pub fn append_all(&self, events: Vec<Event>) -> Result<(), GroupError> {
        if events.is_empty() {
            return Ok(());
        }
        let outcome = Arc::new(OnceLock::new());
        let mut queue = self.queue();
        // Events of one caller that are more than all that may wait are written on their own.
        if queue.events > 0 && queue.events + events.len() > self.capacity {
            return Err(GroupError::Full {
                capacity: self.capacity,
            });
        }
        queue.events += events.len();
        queue.waiting.push_back(Waiting {
            events,
            outcome: Arc::clone(&outcome),
        });
        loop {
            if let Some(outcome) = outcome.get() {
                return outcome.clone();
            }
            if queue.is_writing {
                queue = self.wait(queue);
            } else {
                let group = Group::next(self, &mut queue);
                drop(queue);
                group.write();
                queue = self.queue();
            }
        }
    }

    /// How many events wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue().events
    }

    /// Whether a caller is writing.
    #[cfg(test)]
    pub(super) fn is_writing(&self) -> bool {
        self.queue().is_writing
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(&self, queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        self.changed
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Events that are written together. Every caller whose event is among them is told the outcome,
/// whatever happens to the thread that writes.
struct Group<'w> {
    writer: &'w GroupWriter,
    members: Vec<Waiting>,
    outcome: Outcome,
}

impl<'w> Group<'w> {
    /// The events that have waited longest.
    fn next(writer: &'w GroupWriter, queue: &mut Queue) -> Self {
        let mut members = Vec::new();
        let mut events = 0;
        while let Some(next) = queue.waiting.front()
            && (events == 0 || events + next.events.len() <= MOST)
        {
            events += next.events.len();
            members.extend(queue.waiting.pop_front());
        }
        queue.events -= events;
        queue.is_writing = true;
        Self {
            writer,
            members,
            outcome: Err(GroupError::Stopped),
        }
    }

    fn write(mut self) {
        let groups: Vec<&[Event]> = self.members.iter().map(|one| &*one.events).collect();
        let log = &self.writer.log;
        let locked = match self.writer.lock_limit {
            Some(limit) => log.lock_within(limit),
            None => log.lock(),
        };
        let written = locked.and_then(|locked| locked.append_groups(&groups)?.sync());
        self.outcome = written.map_err(|error| GroupError::NotRecorded(Arc::new(error)));
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        let mut queue = self.writer.queue();
        queue.is_writing = false;
        for member in &self.members {
            // Nothing else sets it.
            let _ = member.outcome.set(self.outcome.clone());
        }
        self.writer.changed.notify_all();
    }
}
