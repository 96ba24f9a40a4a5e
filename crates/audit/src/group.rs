//! One writer for many callers: what they record at the same time is sealed and flushed together.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::error::AuditError;
use super::event::Event;
use super::log::AuditLog;

/// The most events that wait, unless [`GroupWriter::with_capacity`] says otherwise.
const CAPACITY: usize = 4096;
/// The most events per flush, so that the log's lock is not held for long.
const MOST: usize = 512;
/// The longest wait for callers of the last group to come back with their next event.
const LONGEST_GATHERING: Duration = Duration::from_millis(1);

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

/// A thread that waits, and where it finds the outcome.
struct Caller {
    thread: Thread,
    outcome: OnceLock<Outcome>,
}

/// Events of one caller.
struct Waiting {
    events: Vec<Event>,
    caller: Arc<Caller>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many events wait.
    events: usize,
    /// Whether a caller is writing, or about to.
    is_writing: bool,
    /// How many callers it waits for before it writes; 0 if it does not wait.
    gathering: usize,
    /// How many callers the last group had, and how long it took.
    last: (usize, Duration),
}

/// A writer for many threads. Each call returns when its events are sealed and on the disk.
///
/// While one caller writes, the events of all others wait, and the next caller writes them all: one
/// lock, one seal per 16 events, and one flush. Callers that were written together tend to come back
/// together, so the next one waits for as many: at most half the time of the last group, and at most
/// a millisecond; a single caller never waits. Other processes and other writers may append to the
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
    /// Signalled when as many callers wait as the one that is about to write waits for.
    gathered: Condvar,
}

impl AuditLog {
    /// A writer that many threads share.
    pub fn into_writer(self) -> GroupWriter {
        GroupWriter {
            log: self,
            capacity: CAPACITY,
            lock_limit: None,
            queue: Mutex::default(),
            gathered: Condvar::new(),
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
        let caller = Arc::new(Caller {
            thread: thread::current(),
            outcome: OnceLock::new(),
        });
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
            caller: Arc::clone(&caller),
        });
        if queue.waiting.len() == queue.gathering {
            self.gathered.notify_one();
        }
        loop {
            if let Some(outcome) = caller.outcome.get() {
                return outcome.clone();
            }
            if queue.is_writing {
                drop(queue);
                thread::park();
            } else {
                let group = Group::begin(self, &mut queue);
                group.write(queue);
            }
            queue = self.queue();
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
}

/// Events that are written together. Every caller whose event is among them is told the outcome,
/// whatever happens to the thread that writes.
struct Group<'w> {
    writer: &'w GroupWriter,
    members: Vec<Waiting>,
    outcome: Outcome,
}

impl<'w> Group<'w> {
    /// From here on this caller writes, until the group is dropped.
    fn begin(writer: &'w GroupWriter, queue: &mut Queue) -> Self {
        queue.is_writing = true;
        Self {
            writer,
            members: Vec::new(),
            outcome: Err(GroupError::Stopped),
        }
    }

    fn write(mut self, queue: MutexGuard<'w, Queue>) {
        let mut queue = self.gather(queue);
        self.take_next(&mut queue);
        drop(queue);
        let groups: Vec<&[Event]> = self.members.iter().map(|one| &*one.events).collect();
        let log = &self.writer.log;
        let started = log.moment().boot;
        let locked = match self.writer.lock_limit {
            Some(limit) => log.lock_within(limit),
            None => log.lock(),
        };
        let written = locked.and_then(|locked| locked.append_groups(&groups)?.sync());
        self.outcome = written.map_err(|error| GroupError::NotRecorded(Arc::new(error)));
        let took = log.moment().boot.since(started);
        self.writer.queue().last = (self.members.len(), took);
    }

    /// Waits a moment for as many callers as the last group had.
    fn gather(&self, mut queue: MutexGuard<'w, Queue>) -> MutexGuard<'w, Queue> {
        let (callers, took) = queue.last;
        queue.gathering = callers;
        let limit = (took / 2).min(LONGEST_GATHERING);
        let few = |queue: &mut Queue| queue.waiting.len() < callers;
        let waited = self.writer.gathered.wait_timeout_while(queue, limit, few);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.gathering = 0;
        queue
    }

    /// Takes the events that have waited longest.
    fn take_next(&mut self, queue: &mut Queue) {
        let mut events = 0;
        while let Some(next) = queue.waiting.front()
            && (events == 0 || events + next.events.len() <= MOST)
        {
            events += next.events.len();
            self.members.extend(queue.waiting.pop_front());
        }
        queue.events -= events;
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        for member in &self.members {
            // Nothing else sets it.
            let _ = member.caller.outcome.set(self.outcome.clone());
            member.caller.thread.unpark();
        }
        let mut queue = self.writer.queue();
        queue.is_writing = false;
        queue.gathering = 0;
        // Another caller may begin before this one wakes up; then that one wakes the next.
        if let Some(next) = queue.waiting.front() {
            next.caller.thread.unpark();
        }
    }
}
