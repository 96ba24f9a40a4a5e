//! The outcome of what an event is about.

use super::event_type::EventType;
use super::reason::names;
use super::record::Record;
use crate::event_name::EventName;

names! {
    /// The outcome of what an event is about.
    Outcome {
        /// Nothing failed and nothing was refused.
        Ok => "ok",
        /// A sign-in, or a password, failed.
        Failed => "failed",
        /// Something was refused: a command, a session, an account, or sign-in after repeated failures.
        Refused => "refused",
        /// A guarded command ended with a code other than 0 or by a signal, or was not started.
        NonZero => "nonzero",
    }
}

impl Outcome {
    /// The outcome of an event of this type with this `success`.
    pub(super) fn of(event_type: &EventName, success: bool) -> Self {
        use EventType as Is;
        match event_type.known() {
            _ if success => Self::Ok,
            Some(Is::CommandFinished) => Self::NonZero,
            Some(
                Is::CommandRefused | Is::SessionInvalid | Is::AccountRegistered | Is::AccountLocked,
            ) => Self::Refused,
            _ => Self::Failed,
        }
    }
}

impl Record {
    /// The outcome of what the event is about.
    pub fn outcome(&self) -> Outcome {
        Outcome::of(&self.event_type, self.success)
    }
}
