//! The names of the events: the closed catalogue.

use std::str::FromStr;

use super::reason::names;

names! {
    /// The name of an event: the closed catalogue.
    EventType {
        /// A sign-in begins.
        LoginAttempt => "LOGIN_ATTEMPT",
        /// A sign-in succeeded.
        LoginSuccess => "LOGIN_SUCCESS",
        /// A sign-in failed.
        LoginFailure => "LOGIN_FAILURE",
        /// A session began.
        SessionCreated => "SESSION_CREATED",
        /// A session was extended without a command.
        SessionExtended => "SESSION_EXTENDED",
        /// A session ran out.
        SessionExpired => "SESSION_EXPIRED",
        /// A session was ended before its time.
        SessionTerminated => "SESSION_TERMINATED",
        /// A session was found live and used.
        SessionValidated => "SESSION_VALIDATED",
        /// A session file was not accepted.
        SessionInvalid => "SESSION_INVALID",
        /// An account was created, or was not.
        AccountRegistered => "ACCOUNT_REGISTERED",
        /// Sign-in was locked after repeated failures.
        AccountLocked => "ACCOUNT_LOCKED",
        /// A password was changed, or was not.
        PasswordChanged => "PASSWORD_CHANGED",
        /// A session was revoked.
        SessionRevoked => "SESSION_REVOKED",
        /// A guarded command starts.
        CommandStarted => "COMMAND_STARTED",
        /// A guarded command ended.
        CommandFinished => "COMMAND_FINISHED",
        /// A guarded command was not run.
        CommandRefused => "COMMAND_REFUSED",
        /// The log was read.
        AuditRead => "AUDIT_READ",
        /// Old segments were removed.
        AuditPruned => "AUDIT_PRUNED",
        /// A legal hold was added: nothing is removed from the log.
        AuditHoldAdded => "AUDIT_HOLD_ADDED",
        /// A legal hold was removed.
        AuditHoldRemoved => "AUDIT_HOLD_REMOVED",
        /// The end of the log was made good after a crash.
        AuditRepaired => "AUDIT_REPAIRED",
        /// A segment begins.
        SegmentOpened => "SEGMENT_OPENED",
        /// A segment is complete.
        SegmentClosed => "SEGMENT_CLOSED",
    }
}

/// The word is not the name of an event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no event type")]
pub struct UnknownEventType(String);

impl FromStr for EventType {
    type Err = UnknownEventType;

    /// The exact name, in capitals.
    fn from_str(text: &str) -> Result<Self, UnknownEventType> {
        Self::ALL
            .iter()
            .find(|event_type| event_type.as_str() == text)
            .copied()
            .ok_or_else(|| UnknownEventType(text.chars().take(64).collect()))
    }
}
