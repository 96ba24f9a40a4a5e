//! What each event of the catalogue may say, and nothing else.

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

/// How the end of the log was made good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Bytes that no seal covered were moved out of the log, into this file.
    MovedAside {
        /// The file that holds them.
        quarantine: QuarantineName,
    },
    /// Lines that a loss of power took from the disk were put back.
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

/// What an event says beyond who, when and where. Absent values are left out of the object; keys
/// come in the order of the fields here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// `{}`
    LoginAttempt,
    /// `{}`
    LoginSuccess,
    /// `{"reason","attempts"}`
    LoginFailure {
        /// Why.
        reason: LoginFailure,
        /// Consecutive failures so far, this one among them, when they were counted.
        attempts: Option<u32>,
    },
    /// `{"idle_seconds","max_seconds"}`
    SessionCreated {
        /// The idle timeout.
        idle: Duration,
        /// The absolute limit.
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
        /// Why it was not.
        failure: Option<RegistrationFailure>,
        /// The account that let it in; the first one of a home has none.
        by: Option<AuditName>,
    },
    /// `{"failures","lock_seconds"}`
    AccountLocked {
        /// Consecutive failures.
        failures: u32,
        /// How long it is locked.
        lock: Duration,
    },
    /// `{"reason"}`, or `{}` when it was changed
    PasswordChanged {
        /// Why it was not.
        failure: Option<PasswordChangeFailure>,
    },
    /// `{"reason"}`
    SessionRevoked {
        /// The person's words.
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
        /// Why.
        reason: CommandRefusal,
    },
    /// `{"how","filters","matched","returned"}`
    AuditRead {
        /// How the log was read.
        how: ReadKind,
        /// With which filters.
        filters: ReadFilters,
        /// Events that matched the query.
        matched: u64,
        /// Events that were shown.
        returned: u64,
    },
    /// `{"segments","first_seq","last_seq","last_hash","from","to","retention_seconds"}`
    AuditPruned {
        /// How many segments were removed.
        segments: u64,
        /// The sequence number of the first line removed.
        first_seq: u64,
        /// The sequence number of the last line removed.
        last_seq: u64,
        /// The hash of the last line removed: what the first line that remains continues.
        last_hash: LineHash,
        /// The time of the first line removed.
        from: Timestamp,
        /// The time of the first line that remains, which is when the last segment was closed.
        to: Timestamp,
        /// The retention in force.
        retention: Duration,
    },
    /// `{"hold","reason"}`
    AuditHoldAdded {
        /// The hold.
        hold: HoldName,
        /// Why.
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
        /// How many complete lines it was done to.
        lines: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// `{"segment","fingerprint","key","reason","boot","version","idle_seconds","max_seconds",
    /// "retention_seconds","policy","syslog"}`
    SegmentOpened {
        /// The segment.
        segment: SegmentName,
        /// The log's first public key.
        fingerprint: PublicKey,
        /// What verifies the seal of this line.
        key: PublicKey,
        /// Why the segment was opened.
        reason: OpeningReason,
        /// The kernel's id of the boot, where the system tells it.
        boot: Option<Uuid>,
        /// The settings in force, where the program gave them.
        settings: Option<LogSettings>,
    },
    /// `{"segment"}`
    SegmentClosed {
        /// The segment.
        segment: SegmentName,
    },
}

impl Details {
    /// The name of the event these belong to.
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

    /// Whether nothing was refused and nothing failed. A session that ran out or was ended is no
    /// failure; a command that ended with another code than 0 is one.
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
