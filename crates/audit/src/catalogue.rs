//! The catalogue of events: one row per event.
//!
//! To add an event:
//!
//! 1. Add a row here, at the end of its group.
//! 2. Add a variant of the same name to [`Details`](super::Details) (details.rs), with the fields of
//!    its `details`. A field is never a secret and never free text: texts are bounded types, names
//!    are keyed tags. Closed sets of values are in reason.rs.
//! 3. Add it to `catalogue()` in tests/catalogue.rs, and to the tables in docs/formats.md and
//!    docs/export.md; tests say what is missing. Write the export vectors again with
//!    `cargo test -p nightlatch-audit --lib -- --ignored --exact tests::export::write_vectors`.
//!
//! Nothing else names every event: lists, queries, statistics, exports and verification work by the
//! row. The keys of an event may grow later; none is renamed or removed. An event type that this
//! version does not know is shown with its raw details.

pub(super) mod row;

use std::str::FromStr;

use super::outcome::Outcome::{Failed, NonZero, Refused};
use row::Class::{
    AccountChange, Authentication, EntityManagement, EventLogActivity, ProcessActivity,
};
use row::{ExportedOutcome, OTHER, Row};

pub(super) use row::Success;

macro_rules! events {
    ($( $(#[doc = $text:literal])+ $variant:ident = $name:literal: $row:expr; )+) => {
        /// The type of an event: the closed catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventType { $( $(#[doc = $text])+ $variant, )+ }

        impl EventType {
            /// All values.
            pub const ALL: &[Self] = &[$( Self::$variant, )+];

            /// The name in the log.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// The meaning, as a sentence.
            pub const fn description(self) -> &'static str {
                match self { $( Self::$variant => concat!($($text),+).trim_ascii(), )+ }
            }

            /// Its row in the catalogue.
            pub(super) fn row(self) -> &'static Row {
                match self { $( Self::$variant => const { &$row }, )+ }
            }
        }
    };
}

events! {
    /// A sign-in begins.
    LoginAttempt = "LOGIN_ATTEMPT": Row::new(
        "Sign-in of {who} began",
        // Not Logon, which LOGIN_SUCCESS and LOGIN_FAILURE use: each sign-in would be counted twice.
        (Authentication, OTHER, "Logon Attempt"),
        ("authentication", &["info"]),
    ).exported_as(ExportedOutcome::Unknown);

    /// A sign-in succeeded.
    LoginSuccess = "LOGIN_SUCCESS": Row::new(
        "Sign-in of {who} succeeded",
        (Authentication, 1, "Logon"),
        ("authentication", &["start"]),
    );

    /// A sign-in failed.
    LoginFailure = "LOGIN_FAILURE": Row::new(
        "Sign-in of {who} failed{because}",
        (Authentication, 1, "Logon"),
        ("authentication", &["start"]),
    ).never_succeeds(Failed);

    /// A session began.
    SessionCreated = "SESSION_CREATED": Row::new(
        "A session of {who} began",
        (Authentication, OTHER, "Session Create"),
        ("session", &["start"]),
    );

    /// A session was extended without a command.
    SessionExtended = "SESSION_EXTENDED": Row::new(
        "The session of {who} was extended",
        (Authentication, OTHER, "Session Extend"),
        ("session", &["info"]),
    );

    /// A session ran out.
    SessionExpired = "SESSION_EXPIRED": Row::new(
        "The session of {who} expired{because}",
        (Authentication, 2, "Logoff"),
        ("session", &["end"]),
    );

    /// A session was ended before its time.
    SessionTerminated = "SESSION_TERMINATED": Row::new(
        "The session of {who} was ended{because}",
        (Authentication, 2, "Logoff"),
        ("session", &["end"]),
    );

    /// A session was found live and used.
    SessionValidated = "SESSION_VALIDATED": Row::new(
        "The session of {who} was used",
        (Authentication, OTHER, "Session Use"),
        ("session", &["info"]),
    );

    /// A session file was not accepted.
    SessionInvalid = "SESSION_INVALID": Row::new(
        "The session of {who} was rejected{because}",
        (Authentication, OTHER, "Session Reject"),
        ("session", &["info"]),
    ).never_succeeds(Refused).severe();

    /// An account was created, or was not.
    AccountRegistered = "ACCOUNT_REGISTERED": Row::new(
        "The account of {who} was created",
        (AccountChange, 1, "Create"),
        ("iam", &["user", "creation"]),
    ).may_fail(Refused, "The account of {who} was not created{because}");

    /// Sign-in was locked after repeated failures.
    AccountLocked = "ACCOUNT_LOCKED": Row::new(
        "Sign-in of {who} was locked after repeated failures",
        (AccountChange, 9, "Lock"),
        ("iam", &["user", "change"]),
    // The sign-ins before it failed; locking the account succeeded.
    ).never_succeeds(Refused).exported_as(ExportedOutcome::Success).severe();

    /// A password was changed, or was not.
    PasswordChanged = "PASSWORD_CHANGED": Row::new(
        "The password of {who} was changed",
        (AccountChange, 3, "Password Change"),
        ("iam", &["user", "change"]),
    ).may_fail(Failed, "The password of {who} was not changed{because}");

    /// A session was revoked.
    SessionRevoked = "SESSION_REVOKED": Row::new(
        "The session of {who} was revoked{because}",
        (Authentication, 2, "Logoff"),
        ("session", &["end"]),
    ).reason_is_text();

    /// A guarded command starts.
    CommandStarted = "COMMAND_STARTED": Row::new(
        "Command {program} was started by {who}",
        (ProcessActivity, 1, "Launch"),
        ("process", &["start"]),
    ).exported_as(ExportedOutcome::Unknown);

    /// A guarded command ended.
    CommandFinished = "COMMAND_FINISHED": Row::new(
        "Command {program} of {who} {ended}",
        (ProcessActivity, 2, "Terminate"),
        ("process", &["end"]),
    ).may_fail(NonZero, "Command {program} of {who} {ended}");

    /// A guarded command was not run.
    CommandRefused = "COMMAND_REFUSED": Row::new(
        "Command {program} of {who} was refused{because}",
        (ProcessActivity, 1, "Launch"),
        // No process was started.
        ("process", &["info"]),
    ).never_succeeds(Refused);

    /// The log was read.
    AuditRead = "AUDIT_READ": Row::new(
        "The audit log was read",
        (EventLogActivity, OTHER, "Read"),
        ("file", &["access"]),
    );

    /// Old segments were removed.
    AuditPruned = "AUDIT_PRUNED": Row::new(
        "Old events were removed from the audit log",
        (EventLogActivity, 2, "Delete"),
        ("file", &["deletion"]),
    );

    /// A legal hold was added: nothing is removed from the log.
    AuditHoldAdded = "AUDIT_HOLD_ADDED": Row::new(
        "A legal hold was put on the audit log",
        (EventLogActivity, OTHER, "Hold Add"),
        ("configuration", &["change"]),
    ).reason_is_text();

    /// A legal hold was removed.
    AuditHoldRemoved = "AUDIT_HOLD_REMOVED": Row::new(
        "A legal hold was taken off the audit log",
        (EventLogActivity, OTHER, "Hold Remove"),
        ("configuration", &["change"]),
    );

    /// The end of the log was made good after a crash.
    AuditRepaired = "AUDIT_REPAIRED": Row::new(
        "Unsealed bytes at the end of the audit log were moved aside",
        (EventLogActivity, OTHER, "Repair"),
        ("file", &["change"]),
    ).severe();

    /// A segment begins.
    SegmentOpened = "SEGMENT_OPENED": Row::new(
        "Segment{segment} of the audit log was opened",
        (EventLogActivity, OTHER, "Segment Open"),
        ("file", &["creation"]),
    );

    /// A segment is complete.
    SegmentClosed = "SEGMENT_CLOSED": Row::new(
        "Segment{segment} of the audit log was closed",
        (EventLogActivity, 5, "Rotate"),
        ("file", &["change"]),
    );

    /// A secret was set.
    SecretSet = "SECRET_SET": Row::new(
        "A secret of {who} was set",
        (EntityManagement, OTHER, "Secret Set"),
        ("configuration", &["change"]),
    );

    /// A secret was read.
    SecretRead = "SECRET_READ": Row::new(
        "A secret of {who} was read",
        (EntityManagement, 2, "Read"),
        ("configuration", &["access"]),
    );

    /// A secret was given to a guarded command.
    SecretUsed = "SECRET_USED": Row::new(
        "A secret of {who} was given to a command",
        (EntityManagement, OTHER, "Secret Use"),
        ("configuration", &["access"]),
    );

    /// A secret was removed.
    SecretRemoved = "SECRET_REMOVED": Row::new(
        "A secret of {who} was removed",
        (EntityManagement, 4, "Delete"),
        ("configuration", &["deletion"]),
    );

    /// Another account is in use from here on.
    AccountSwitched = "ACCOUNT_SWITCHED": Row::new(
        "The account in use was switched to that of {who}",
        (AccountChange, OTHER, "Account Switch"),
        ("iam", &["user", "info"]),
    );

    /// The name of an account was changed.
    AccountRenamed = "ACCOUNT_RENAMED": Row::new(
        "The name of the account of {who} was changed",
        (AccountChange, OTHER, "Rename"),
        ("iam", &["user", "change"]),
    );

    /// The email of an account was changed, or was not.
    EmailChanged = "EMAIL_CHANGED": Row::new(
        "The email of {who} was changed",
        (AccountChange, OTHER, "Email Change"),
        ("iam", &["user", "change"]),
    ).may_fail(Failed, "The email of {who} was not changed{because}");

    /// An account was removed.
    AccountRemoved = "ACCOUNT_REMOVED": Row::new(
        "The account of {who} was removed",
        (AccountChange, 6, "Delete"),
        ("iam", &["user", "deletion"]),
    );

    /// A recovery code was created; an earlier one is no longer accepted.
    RecoveryCodeCreated = "RECOVERY_CODE_CREATED": Row::new(
        "A recovery code of {who} was created",
        (AccountChange, OTHER, "Recovery Code Create"),
        ("iam", &["user", "change"]),
    );

    /// A recovery code set a new password, or was not accepted.
    RecoveryCodeUsed = "RECOVERY_CODE_USED": Row::new(
        "The password of {who} was set with a recovery code",
        (AccountChange, 4, "Password Reset"),
        ("iam", &["user", "change"]),
    ).may_fail(Failed, "A recovery code of {who} was not accepted{because}");

    /// A guest came.
    GuestCreated = "GUEST_CREATED": Row::new(
        "A guest came",
        (AccountChange, 1, "Create"),
        ("iam", &["user", "creation"]),
    );

    /// A sign-in link was requested.
    LinkRequested = "LINK_REQUESTED": Row::new(
        "A sign-in link of {who} was requested",
        (Authentication, OTHER, "Link Request"),
        ("authentication", &["info"]),
    );

    /// A sign-in link was redeemed.
    LinkRedeemed = "LINK_REDEEMED": Row::new(
        "A sign-in link of {who} was redeemed",
        (Authentication, OTHER, "Link Redeem"),
        ("authentication", &["info"]),
    );

    /// A sign-in link was refused.
    LinkRefused = "LINK_REFUSED": Row::new(
        "A sign-in link of {who} was refused{because}",
        (Authentication, OTHER, "Link Refuse"),
        ("authentication", &["info"]),
    ).never_succeeds(Refused);

    /// A guest became part of an account.
    AccountsMerged = "ACCOUNTS_MERGED": Row::new(
        "A guest was merged into the account of {who}",
        (AccountChange, OTHER, "Merge"),
        ("iam", &["user", "change"]),
    );

    /// A session was refreshed.
    SessionRefreshed = "SESSION_REFRESHED": Row::new(
        "The session of {who} was refreshed",
        (Authentication, OTHER, "Session Refresh"),
        ("session", &["info"]),
    );

    /// A profile was changed.
    ProfileChanged = "PROFILE_CHANGED": Row::new(
        "The profile of {who} was changed",
        (AccountChange, OTHER, "Profile Change"),
        ("iam", &["user", "change"]),
    );

    /// An administrator read data of others.
    AdminRead = "ADMIN_READ": Row::new(
        "Data of others was read by {who}",
        (EntityManagement, 2, "Read"),
        ("iam", &["user", "info"]),
    );

    /// An event that could not be read was set aside, and only its digest is in the log.
    EventSetAside = "EVENT_SET_ASIDE": Row::new(
        "An event that could not be read was set aside",
        (EventLogActivity, OTHER, "Set Aside"),
        ("configuration", &["info"]),
    ).never_succeeds(Failed).severe();

    /// The server removed data whose retention had ended.
    RetentionApplied = "RETENTION_APPLIED": Row::new(
        "Data whose retention had ended was removed",
        (EntityManagement, 4, "Delete"),
        ("configuration", &["deletion"]),
    );
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

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
