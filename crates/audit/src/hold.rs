//! Legal holds: while one is in force, nothing is removed from the log.
//!
//! The holds are recorded in the log itself, so that whoever verifies a copy knows them, too.
//! Adding and removing a hold takes the pruning lock: it waits while segments are being removed,
//! and once a hold is added, nothing more is removed.

mod name;

use std::ops::ControlFlow;

use super::audit_name::AuditName;
use super::catalogue::EventType;
use super::details::Details;
use super::error::AuditError;
use super::event::Event;
use super::log::AuditLog;
use super::progress::Progress;
use super::query::{Limit, Query};
use super::record::Record;
use super::segment::PRUNING_LOCK;
use super::state_file::load_beside;
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::SessionId;

pub use name::{BadHoldName, BadHoldReason, HoldName, HoldReason};

/// A legal hold that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// Its name.
    pub name: HoldName,
    /// Why it was added, if a reason was given.
    pub reason: Option<HoldReason>,
    /// When it was added.
    pub added_at: Timestamp,
    /// The account that added it.
    pub added_by: Option<String>,
    /// The number of the event that added it.
    pub seq: u64,
}

/// Why a hold could not be added or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// A hold with this name is in force.
    #[error("legal hold {} is in force already, since {}", .0.name, .0.added_at)]
    InForce(Box<Hold>),
    /// No hold with this name is in force.
    #[error("no legal hold {0} is in force")]
    Unknown(HoldName),
    /// The log could not be read or written.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl AuditLog {
    /// The holds in force, in the order they were added. Records nothing.
    ///
    /// # Errors
    /// When the log cannot be read, or a line that adds a hold is damaged.
    pub fn holds(&self) -> Result<Vec<Hold>, AuditError> {
        // Usually there are none; a parallel search finds that out fastest.
        let any = Query {
            limit: Limit::MIN,
            ..of_type(EventType::AuditHoldAdded)
        };
        let any = self.query(&any)?;
        if any.total == 0 && any.unreadable == 0 {
            return Ok(Vec::new());
        }
        let mut holds = Vec::new();
        let unreadable = self.each_hold(EventType::AuditHoldAdded, |record, name, reason| {
            holds.push(Hold {
                name,
                reason,
                added_at: record.timestamp,
                added_by: record.username.clone(),
                seq: record.seq,
            });
        })?;
        // An unreadable line that adds a hold may still be a hold in force.
        if unreadable > 0 {
            return Err(AuditError::HoldUnreadable { lines: unreadable });
        }
        let sealed = self.sealed_through()?;
        self.each_hold(EventType::AuditHoldRemoved, |record, name, _| {
            // Anyone without a key could have written a line that the state does not know, so it
            // lifts no hold. The next append accepts the line or moves it aside.
            if record.seq <= sealed {
                holds.retain(|hold| hold.name != name || hold.seq > record.seq);
            }
        })?;
        Ok(holds)
    }

    /// Adds the hold `name` for `account`, in its `session`. Nothing is removed from the log until
    /// the hold is removed. Durable on return.
    ///
    /// # Errors
    /// When a hold with this name is in force, or the log cannot be read or written.
    pub fn add_hold(
        &self,
        name: &HoldName,
        reason: Option<&HoldReason>,
        account: &str,
        session: SessionId,
    ) -> Result<(), HoldError> {
        let details = Details::AuditHoldAdded {
            hold: name.clone(),
            reason: reason.cloned(),
        };
        self.change_hold(details, account, session, |mut holds| {
            match holds.iter().position(|hold| hold.name == *name) {
                Some(at) => Err(HoldError::InForce(Box::new(holds.swap_remove(at)))),
                None => Ok(()),
            }
        })
    }

    /// Removes the hold `name` for `account`, in its `session`. Durable on return.
    ///
    /// # Errors
    /// When no hold with this name is in force, or the log cannot be read or written.
    pub fn remove_hold(
        &self,
        name: &HoldName,
        account: &str,
        session: SessionId,
    ) -> Result<(), HoldError> {
        let details = Details::AuditHoldRemoved { hold: name.clone() };
        self.change_hold(details, account, session, |holds| {
            if holds.iter().any(|hold| hold.name == *name) {
                Ok(())
            } else {
                Err(HoldError::Unknown(name.clone()))
            }
        })
    }

    /// Records `details` if `check` allows it, given the holds in force.
    fn change_hold(
        &self,
        details: Details,
        account: &str,
        session: SessionId,
        check: impl FnOnce(Vec<Hold>) -> Result<(), HoldError>,
    ) -> Result<(), HoldError> {
        let dir = self.directory()?;
        let pruning = dir.as_ref().map(|dir| dir.lock_file(PRUNING_LOCK));
        let _pruning = pruning.transpose().map_err(AuditError::from)?;
        check(self.holds()?)?;
        let event = Event::new(details)
            .about(AuditName::known(account))
            .in_session(session);
        Ok(self.append_durable(&[event])?)
    }

    /// The number of the last event that this log is known to have sealed; the maximum if there is
    /// no state, as in a copy.
    fn sealed_through(&self) -> Result<u64, AuditError> {
        let Some(dir) = self.directory()? else {
            return Ok(0);
        };
        Ok(match load_beside(dir.path())? {
            Some(Ok(state)) => state.last().seq,
            _ => u64::MAX,
        })
    }

    /// Passes every record of this type to `each`, oldest first. Returns how many could not be
    /// read.
    fn each_hold(
        &self,
        event_type: EventType,
        mut each: impl FnMut(&Record, HoldName, Option<HoldReason>),
    ) -> Result<u64, AuditError> {
        let mut unreadable = 0;
        let query = of_type(event_type);
        let read = self.for_each(&query, &Progress::default(), |record| {
            match record.read_details() {
                Some(Details::AuditHoldAdded { hold, reason }) => each(record, hold, reason),
                Some(Details::AuditHoldRemoved { hold }) => each(record, hold, None),
                _ => unreadable += 1,
            }
            ControlFlow::Continue(())
        })?;
        Ok(unreadable + read.unreadable)
    }
}

fn of_type(event_type: EventType) -> Query {
    Query {
        types: vec![event_type.into()],
        ..Query::default()
    }
}
