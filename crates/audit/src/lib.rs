//! The audit log: one line of JSON per event, in order, each chained to the line before it.
//!
//! Events are typed ([`Event`], [`Details`]), so that no secret and no free text can get into the
//! log. [`AuditLog`] appends events, and a [`LogReader`] answers a [`Query`].

#![deny(missing_docs)]
#![warn(unnameable_types, unreachable_pub)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod anchoring;
mod append;
mod append_position;
mod audit_name;
mod batch;
mod canonical;
mod catalogue;
mod client;
mod command_end;
mod coverage;
mod csv;
mod danger;
mod details;
mod error;
mod event;
mod event_name;
mod event_source;
mod exit_filter;
mod export;
mod facts;
mod files;
mod filter;
mod follow;
mod forms;
mod forward;
#[cfg(test)]
mod fuzz_tests;
mod group;
mod hash;
mod head;
mod hold;
mod json;
mod line;
mod line_writer;
mod log;
mod lost_end;
mod next_lines;
mod opening;
mod outcome;
mod plan;
mod progress;
#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod properties;
mod quarantine;
mod query;
mod query_record;
mod read_record;
mod reader;
mod reading;
mod reason;
mod record;
mod record_details;
mod recovery;
mod removed;
mod removed_events;
mod retention;
mod rows;
mod runs;
mod scan;
mod scan_options;
mod seal;
mod sealer;
mod seed;
mod segment;
mod segment_tail;
mod settings;
mod shipping;
mod state_file;
mod stats;
mod summary;
#[cfg(unix)]
mod syslog;
#[cfg(windows)]
#[path = "syslog_absent.rs"]
mod syslog;
mod tag;
mod text;
mod verify;
mod waiting_event;
mod writer;

#[cfg(test)]
mod tests;

pub use append::{Appended, LockedLog};
pub use audit_name::{AuditName, UNKNOWN_NAME};
pub use command_end::CommandEnd;
/// Types that the API takes from other crates of the workspace.
pub use nightlatch_core::clock::{Clock, Timestamp};
pub use nightlatch_core::id::{ExecId, SessionId};
pub use nightlatch_platform::clock::SystemClock;
pub use nightlatch_platform::fs::{Dir, FsError};

pub use catalogue::{EventType, UnknownEventType};
pub use client::Client;
pub use coverage::Coverage;
pub use csv::{write_csv_header, write_csv_record};
#[doc(hidden)]
pub use danger::DangerUnsynced;
pub use details::Details;
pub use error::{AuditError, Damage};
pub use event::Event;
pub use event_name::{BadEventName, EventName};
pub use event_source::Origin;
pub use exit_filter::{BadExitFilter, ExitFilter};
pub use export::ExportFormat;
pub use follow::Follow;
pub use forward::{Forward, ForwardTo};
pub use group::{GroupError, GroupWriter};
pub use hash::LineHash;
pub use hold::{BadHoldName, BadHoldReason, Hold, HoldError, HoldName, HoldReason};
pub use log::AuditLog;
pub use outcome::Outcome;
pub use progress::Progress;
pub use query::{BadLimit, Limit, LimitUnit, Position, Query, QueryResult, QuerySummary};
pub use read_record::{ReadFilters, ReadKind};
pub use reading::{LogReader, Reading};
pub use reason::{
    AdminRead, CommandFailure, CommandRefusal, EmailChangeFailure, ExpiryReason, InvalidReason,
    LinkRefusal, LoginFailure, OpeningReason, PasswordChangeFailure, RegistrationFailure,
    RepairReason, RevocationScope, SecretChange, TerminationReason,
};
pub use record::Record;
pub use record_details::PrunedDetails;
pub use removed_events::RemovedEvents;
pub use retention::{OldSegment, Pruning, Retention, RetentionTooShort};
pub use rows::{CommandRow, Row};
pub use segment::{QuarantineName, SegmentName};
pub use settings::LogSettings;
pub use shipping::{EventsAfter, NextEvents};
pub use stats::{
    AccountCount, Bucket, CommandSpan, Count, Extender, LeftOut, SessionSpan, Statistics,
};
pub use summary::{LogSummary, look};
pub use tag::{EventDigest, GuestTag, LinkTag, SecretTag, SecretsDigest};
pub use text::{Action, ArgvDigest, BadText, IncidentId, ProgramName, RevocationReason, UserAgent};
pub use verify::{
    Anchor, AnchorCounts, Anchors, BadAnchor, Finding, Problem, Removal, Repaired, Verification,
    Verifier, Warning, WarningReason,
};
