//! The details that each event of the catalogue may have.

use std::time::Duration;

use uuid::Uuid;

use super::audit_name::AuditName;
use super::command_end::CommandEnd;
use super::event_type::EventType;
use super::hash::LineHash;
use super::hold::{HoldName, HoldReason};
use super::json::Object;
use super::read_record::{ReadFilters, ReadKind};
use super::reason::{
    CommandRefusal, ExpiryReason, InvalidReason, LoginFailure, OpeningReason,
    PasswordChangeFailure, RegistrationFailure, TerminationReason,
};
use super::segment::{QuarantineName, SegmentName};
use super::settings::LogSettings;
use super::text::{Action, ArgvDigest, ProgramName, RevocationReason};
use nightlatch_core::clock::Timestamp;
use nightlatch_core::crypto::sign::PublicKey;
use nightlatch_core::id::ExecId;

/// How the end of the log was repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Bytes without a seal were moved out of the log, into this file.
    MovedAside {
        /// The file with the bytes.
        quarantine: QuarantineName,
    },
    /// Lines lost in a loss of power were restored.
    Restored,
}

impl Repair {
    /// Its name in the log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::MovedAside { .. } => "unsealed",
            Self::Restored => "lost",
        }
    }
}

/// The details of an event, beyond the account, the time and the place. Absent values are left out
/// of the object; keys are in the order of the fields here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// `{}`
    LoginAttempt,
    /// `{}`
    LoginSuccess,
    /// `{"reason","attempts"}`
    LoginFailure {
        /// Why it failed.
        reason: LoginFailure,
        /// Consecutive failures including this one, if they were counted.
        attempts: Option<u32>,
    },
    /// `{"idle_seconds","max_seconds"}`
    SessionCreated {
        /// The idle timeout.
        idle: Duration,
        /// The absolute timeout.
        max: Duration,
    },
    /// `{}`
    SessionExtended,
    /// `{"reason"}`
    SessionExpired {
        /// What ended it.
        reason: ExpiryReason,
    },
    /// `{"reason"}`
    SessionTerminated {
        /// Why.
        reason: TerminationReason,
    },
    /// `{"action"}`
    SessionValidated {
        /// What it was used for.
        action: Action,
    },
    /// `{"reason"}`
    SessionInvalid {
        /// Why it was not accepted.
        reason: InvalidReason,
    },
    /// `{"reason","by"}`, without a reason when it was created
    AccountRegistered {
        /// Why it was not created.
        failure: Option<RegistrationFailure>,
        /// The account that approved it; `None` for the first account of a home.
        by: Option<AuditName>,
    },
    /// `{"failures","lock_seconds"}`
    AccountLocked {
        /// Consecutive failures.
        failures: u32,
        /// How long the account is locked.
        lock: Duration,
    },
    /// `{"reason"}`, or `{}` when it was changed
    PasswordChanged {
        /// Why it was not changed.
        failure: Option<PasswordChangeFailure>,
    },
    /// `{"reason"}`
    SessionRevoked {
        /// The reason that the person gave.
        reason: RevocationReason,
    },
    /// `{"exec_id","program","argv_digest"}`
    CommandStarted {
        /// The run.
        exec: ExecId,
        /// The program's file name.
        program: ProgramName,
        /// Its arguments, as a digest.
        argv: ArgvDigest,
    },
    /// `{"exec_id","exit_code"|"signal"|"error","duration_ms"}`
    CommandFinished {
        /// The run.
        exec: ExecId,
        /// How it ended.
        end: CommandEnd,
        /// How long it ran.
        took: Duration,
    },
    /// `{"program","reason"}`
    CommandRefused {
        /// The program's file name.
        program: ProgramName,
        /// Why it was not run.
        reason: CommandRefusal,
    },
    /// `{"how","filters","matched","returned"}`
    AuditRead {
        /// How the log was read.
        how: ReadKind,
        /// The filters.
        filters: ReadFilters,
        /// Events that matched the query.
        matched: u64,
        /// Events in the answer.
        returned: u64,
    },
    /// `{"segments","first_seq","last_seq","last_hash","from","to","retention_seconds"}`
    AuditPruned {
        /// How many segments were removed.
        segments: u64,
        /// The number of the first removed line.
        first_seq: u64,
        /// The number of the last removed line.
        last_seq: u64,
        /// The hash of the last removed line, which the first remaining line continues.
        last_hash: LineHash,
        /// The time of the first removed line.
        from: Timestamp,
        /// The time of the first remaining line, which is when the last removed segment was closed.
        to: Timestamp,
        /// The retention in force.
        retention: Duration,
    },
    /// `{"hold","reason"}`
    AuditHoldAdded {
        /// The hold.
        hold: HoldName,
        /// Why the hold was added.
        reason: Option<HoldReason>,
    },
    /// `{"hold"}`
    AuditHoldRemoved {
        /// The hold.
        hold: HoldName,
    },
    /// `{"segment","reason","lines","bytes","quarantine"}`
    AuditRepaired {
        /// The segment whose end was repaired.
        segment: SegmentName,
        /// What was done.
        repair: Repair,
        /// The number of complete lines concerned.
        lines: u64,
        /// The number of bytes concerned.
        bytes: u64,
    },
    /// `{"segment","fingerprint","key","reason","boot","version","idle_seconds","max_seconds",
    /// "retention_seconds","policy","syslog"}`
    SegmentOpened {
        /// The segment.
        segment: SegmentName,
        /// The log's first public key.
        fingerprint: PublicKey,
        /// The key that verifies this line's seal.
        key: PublicKey,
        /// Why the segment was opened.
        reason: OpeningReason,
        /// The kernel's boot id, if the system has one.
        boot: Option<Uuid>,
        /// The settings in force, if the program provided them.
        settings: Option<LogSettings>,
    },
    /// `{"segment"}`
    SegmentClosed {
        /// The segment.
        segment: SegmentName,
    },
}

impl Details {
    /// The type of the event with these details.
    pub fn event_type(&self) -> EventType {
        match self {
            Self::LoginAttempt => EventType::LoginAttempt,
            Self::LoginSuccess => EventType::LoginSuccess,
            Self::LoginFailure { .. } => EventType::LoginFailure,
            Self::SessionCreated { .. } => EventType::SessionCreated,
            Self::SessionExtended => EventType::SessionExtended,
            Self::SessionExpired { .. } => EventType::SessionExpired,
            Self::SessionTerminated { .. } => EventType::SessionTerminated,
            Self::SessionValidated { .. } => EventType::SessionValidated,
            Self::SessionInvalid { .. } => EventType::SessionInvalid,
            Self::AccountRegistered { .. } => EventType::AccountRegistered,
            Self::AccountLocked { .. } => EventType::AccountLocked,
            Self::PasswordChanged { .. } => EventType::PasswordChanged,
            Self::SessionRevoked { .. } => EventType::SessionRevoked,
            Self::CommandStarted { .. } => EventType::CommandStarted,
            Self::CommandFinished { .. } => EventType::CommandFinished,
            Self::CommandRefused { .. } => EventType::CommandRefused,
            Self::AuditRead { .. } => EventType::AuditRead,
            Self::AuditPruned { .. } => EventType::AuditPruned,
            Self::AuditHoldAdded { .. } => EventType::AuditHoldAdded,
            Self::AuditHoldRemoved { .. } => EventType::AuditHoldRemoved,
            Self::AuditRepaired { .. } => EventType::AuditRepaired,
            Self::SegmentOpened { .. } => EventType::SegmentOpened,
            Self::SegmentClosed { .. } => EventType::SegmentClosed,
        }
    }

    /// Whether nothing was refused and nothing failed. The end of a session, by timeout or
    /// otherwise, is not a failure; a command that ended with a code other than 0 is one.
    pub fn success(&self) -> bool {
        match self {
            Self::LoginFailure { .. }
            | Self::SessionInvalid { .. }
            | Self::AccountLocked { .. }
            | Self::CommandRefused { .. } => false,
            Self::AccountRegistered { failure, .. } => failure.is_none(),
            Self::PasswordChanged { failure } => failure.is_none(),
            Self::CommandFinished { end, .. } => *end == CommandEnd::Exited(0),
            _ => true,
        }
    }

    #[allow(clippy::too_many_lines)] // a table
    pub(super) fn write(&self, object: &mut Object<'_>) {
        match self {
            Self::LoginAttempt | Self::LoginSuccess | Self::SessionExtended => {}
            Self::LoginFailure { reason, attempts } => {
                object.plain("reason", reason);
                if let Some(attempts) = attempts {
                    object.token("attempts", attempts);
                }
            }
            Self::SessionCreated { idle, max } => {
                object.token("idle_seconds", idle.as_secs());
                object.token("max_seconds", max.as_secs());
            }
            Self::SessionExpired { reason } => object.plain("reason", reason),
            Self::SessionTerminated { reason } => object.plain("reason", reason),
            Self::SessionValidated { action } => object.text("action", action.as_str()),
            Self::SessionInvalid { reason } => object.plain("reason", reason),
            Self::AccountRegistered { failure, by } => {
                if let Some(reason) = failure {
                    object.plain("reason", reason);
                }
                if let Some(by) = by {
                    object.text("by", by.as_str());
                }
            }
            Self::AccountLocked { failures, lock } => {
                object.token("failures", failures);
                object.token("lock_seconds", lock.as_secs());
            }
            Self::PasswordChanged { failure } => {
                if let Some(reason) = failure {
                    object.plain("reason", reason);
                }
            }
            Self::SessionRevoked { reason } => object.text("reason", reason.as_str()),
            Self::CommandStarted {
                exec,
                program,
                argv,
            } => {
                object.plain("exec_id", exec);
                object.text("program", program.as_str());
                object.plain("argv_digest", argv);
            }
            Self::CommandFinished { exec, end, took } => {
                object.plain("exec_id", exec);
                match end {
                    CommandEnd::Exited(code) => object.token("exit_code", code),
                    CommandEnd::Signalled(signal) => object.token("signal", signal),
                    CommandEnd::Failed(failure) => object.plain("error", failure),
                }
                object.token("duration_ms", took.as_millis());
            }
            Self::CommandRefused { program, reason } => {
                object.text("program", program.as_str());
                object.plain("reason", reason);
            }
            Self::AuditRead {
                how,
                filters,
                matched,
                returned,
            } => {
                object.plain("how", how);
                filters.write(object.object("filters"));
                object.token("matched", matched);
                object.token("returned", returned);
            }
            Self::AuditPruned {
                segments,
                first_seq,
                last_seq,
                last_hash,
                from,
                to,
                retention,
            } => {
                object.token("segments", segments);
                object.token("first_seq", first_seq);
                object.token("last_seq", last_seq);
                object.plain("last_hash", last_hash);
                object.plain("from", from);
                object.plain("to", to);
                object.token("retention_seconds", retention.as_secs());
            }
            Self::AuditHoldAdded { hold, reason } => {
                object.plain("hold", hold);
                if let Some(reason) = reason {
                    object.text("reason", reason.as_str());
                }
            }
            Self::AuditHoldRemoved { hold } => object.plain("hold", hold),
            Self::AuditRepaired {
                segment,
                repair,
                lines,
                bytes,
            } => {
                object.plain("segment", segment);
                object.plain("reason", repair.as_str());
                object.token("lines", lines);
                object.token("bytes", bytes);
                if let Repair::MovedAside { quarantine } = repair {
                    object.plain("quarantine", quarantine);
                }
            }
            Self::SegmentOpened {
                segment,
                fingerprint,
                key,
                reason,
                boot,
                settings,
            } => {
                object.plain("segment", segment);
                object.plain("fingerprint", fingerprint);
                object.plain("key", key);
                object.plain("reason", reason);
                if let Some(boot) = boot {
                    object.plain("boot", boot.as_hyphenated());
                }
                object.plain("version", env!("CARGO_PKG_VERSION"));
                if let Some(settings) = settings {
                    settings.write(object);
                }
            }
            Self::SegmentClosed { segment } => object.plain("segment", segment),
        }
    }
}
