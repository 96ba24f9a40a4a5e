//! The audit log: what happened, in order, as one chained line of JSON per event.
//!
//! Events are typed ([`Event`], [`Details`]), so that neither a secret nor free text can get in.
//! [`AuditLog`] appends them and answers a [`Query`].

mod anchoring;
mod batch;
mod canonical;
mod coverage;
mod csv;
mod danger;
mod details;
mod end;
mod error;
mod event;
mod export;
mod filter;
mod hash;
mod head;
mod hold;
mod json;
mod kind;
mod line;
mod log;
mod look;
mod opening;
mod origin;
mod plan;
mod progress;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod quarantine;
mod query;
mod reader;
mod reason;
mod record;
mod record_details;
mod recovery;
mod removed;
mod retention;
mod scan;
mod seal;
mod sealing;
mod segment;
mod settings;
mod state_file;
mod stats;
#[cfg(unix)]
mod syslog;
#[cfg(windows)]
#[path = "syslog_absent.rs"]
mod syslog;
mod tail;
mod text;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use coverage::Coverage;
pub use csv::{write_csv_header, write_csv_record};
#[doc(hidden)]
pub use danger::DangerUnsynced;
pub use details::{CommandEnd, Details, Repair};
pub use error::{AuditError, Damage};
pub use event::{AuditName, Event, UNKNOWN_NAME};
pub use export::ExportFormat;
pub use hash::LineHash;
pub use hold::{BadHoldName, BadHoldReason, Hold, HoldError, HoldName, HoldReason};
pub use kind::{EventType, UnknownEventType};
pub use log::{Appended, AuditLog};
pub use look::{LogSummary, look};
pub use origin::Origin;
pub use progress::Progress;
pub use query::{BadLimit, Follow, Limit, Position, Query, QueryResult, QuerySummary};
pub use reason::{
    CommandFailure, CommandRefusal, ExpiryReason, InvalidReason, LoginFailure, OpeningReason,
    PasswordChangeFailure, RegistrationFailure, TerminationReason,
};
pub use record::Record;
pub use record_details::PrunedDetails;
pub use retention::{OldSegment, Pruning, Retention, RetentionTooShort};
pub use segment::{QuarantineName, SegmentName};
pub use settings::LogSettings;
pub use stats::{AccountCount, Bucket, CommandSpan, Count, Outcome, SessionSpan, Statistics};
pub use text::{Action, ArgvDigest, ProgramName, RevocationReason};
pub use verify::{
    Anchor, AnchorCounts, Anchors, BadAnchor, Finding, Problem, Removal, Repaired, Verification,
    Verifier, Warning, WarningReason,
};
