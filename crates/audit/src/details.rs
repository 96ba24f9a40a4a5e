//! The details that each event may have: their types, their names in the log, and how they are read.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::audit_name::AuditName;
use super::catalogue::{EventType, Success};
use super::command_end::CommandEnd;
use super::forms::{millis, optional, seconds, string};
use super::hold::{HoldName, HoldReason};
use super::read_record::{ReadFilters, ReadKind};
use super::reason::{
    AdminRead, CommandRefusal, EmailChangeFailure, ExpiryReason, InvalidReason, LinkRefusal,
    LoginFailure, OpeningReason, PasswordChangeFailure, RegistrationFailure, RepairReason,
    RevocationScope, SecretChange, TerminationReason,
};
use super::record_details::PrunedDetails;
use super::segment::{QuarantineName, SegmentName};
use super::settings::LogSettings;
use super::tag::{EventDigest, GuestTag, LinkTag, SecretTag, SecretsDigest};
use super::text::{Action, ArgvDigest, IncidentId, ProgramName, RevocationReason};
use nightlatch_core::crypto::sign::PublicKey;
use nightlatch_core::id::ExecId;

/// Declares [`Details`]. Each variant is written as a JSON object with the keys in the order of its
/// fields, and read back from one; keys that a later version added are ignored.
macro_rules! details {
    (
        $(#[$enum_meta:meta])*
        pub enum Details { $(
            $(#[$meta:meta])*
            $variant:ident
            $(( $inner:ty ))?
            $({ $( $(#[$field_meta:meta])* $field:ident: $type:ty, )* })?,
        )* }
    ) => {
        $(#[$enum_meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        pub enum Details { $(
            $(#[$meta])*
            $variant
            $(( $inner ))?
            $({ $( $(#[$field_meta])* $field: $type, )* })?,
        )* }

        impl Details {
            /// The type of the event with these details.
            pub fn event_type(&self) -> EventType {
                match self { $( Self::$variant { .. } => EventType::$variant, )* }
            }

            /// Reads the details of an event of this type; `None` if they do not have its form.
            pub(super) fn read(event_type: EventType, json: &str) -> Option<Self> {
                match event_type { $(
                    EventType::$variant => details!(
                        @read json $variant
                        $(( $inner ))?
                        $({ $( $(#[$field_meta])* $field: $type, )* })?
                    ),
                )* }
            }
        }
    };
    (@read $json:ident $variant:ident ( $inner:ty )) => {
        serde_json::from_str($json).ok().map(Self::$variant)
    };
    (
        @read $json:ident $variant:ident
        $({ $( $(#[$meta:meta])* $field:ident: $type:ty, )* })?
    ) => {{
        #[derive(Deserialize)]
        struct Form { $($( $(#[$meta])* $field: $type, )*)? }
        let form = serde_json::from_str::<Form>($json).ok();
        form.map(|Form { $($( $field, )*)? }| Self::$variant $({ $( $field, )* })?)
    }};
}

details! {
    /// The details of an event, beyond the account, the time and the place. Absent values are left out
    /// of the object; keys are in the order of the fields here.
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
            #[serde(skip_serializing_if = "Option::is_none")]
            attempts: Option<u32>,
        },
        /// `{"idle_seconds","max_seconds"}`
        SessionCreated {
            /// The idle timeout.
            #[serde(rename = "idle_seconds", with = "seconds")]
            idle: Duration,
            /// The absolute timeout.
            #[serde(rename = "max_seconds", with = "seconds")]
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
            #[serde(rename = "reason", skip_serializing_if = "Option::is_none")]
            failure: Option<RegistrationFailure>,
            /// The account that approved it; `None` for the first account of a home.
            #[serde(skip_serializing_if = "Option::is_none")]
            by: Option<AuditName>,
        },
        /// `{"failures","lock_seconds"}`
        AccountLocked {
            /// Consecutive failures.
            failures: u32,
            /// How long the account is locked.
            #[serde(rename = "lock_seconds", with = "seconds")]
            lock: Duration,
        },
        /// `{"reason"}`, or `{}` when it was changed
        PasswordChanged {
            /// Why it was not changed.
            #[serde(rename = "reason", skip_serializing_if = "Option::is_none")]
            failure: Option<PasswordChangeFailure>,
        },
        /// `{"reason","incident_id","scope","sessions","by"}`
        SessionRevoked {
            /// The reason that the person gave.
            reason: RevocationReason,
            /// The incident that it is about.
            #[serde(rename = "incident_id", skip_serializing_if = "Option::is_none")]
            incident: Option<IncidentId>,
            /// The sessions it is about, if it is not the session of the event alone.
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<RevocationScope>,
            /// How many sessions it ended.
            #[serde(skip_serializing_if = "Option::is_none")]
            sessions: Option<u64>,
            /// The account that revoked it, if it is another one.
            #[serde(skip_serializing_if = "Option::is_none")]
            by: Option<AuditName>,
        },
        /// `{"exec_id","program","argv_digest"}`
        CommandStarted {
            /// The run.
            #[serde(rename = "exec_id", with = "string")]
            exec: ExecId,
            /// The program's file name.
            program: ProgramName,
            /// Its arguments, as a digest.
            #[serde(rename = "argv_digest")]
            argv: ArgvDigest,
        },
        /// `{"exec_id","exit_code"|"signal"|"error","duration_ms"}`
        CommandFinished {
            /// The run.
            #[serde(rename = "exec_id", with = "string")]
            exec: ExecId,
            /// How it ended.
            #[serde(flatten)]
            end: CommandEnd,
            /// How long it ran.
            #[serde(rename = "duration_ms", with = "millis")]
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
        AuditPruned(PrunedDetails),
        /// `{"hold","reason"}`
        AuditHoldAdded {
            /// The hold.
            hold: HoldName,
            /// Why the hold was added.
            #[serde(skip_serializing_if = "Option::is_none")]
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
            reason: RepairReason,
            /// The number of complete lines concerned.
            lines: u64,
            /// The number of bytes concerned.
            bytes: u64,
            /// The file with the bytes that were moved aside.
            #[serde(skip_serializing_if = "Option::is_none")]
            quarantine: Option<QuarantineName>,
        },
        /// `{"segment","fingerprint","key","reason","boot","version","idle_seconds","max_seconds",
        /// "retention_seconds","policy","syslog"}`
        SegmentOpened {
            /// The segment.
            segment: SegmentName,
            /// The log's first public key.
            #[serde(with = "string")]
            fingerprint: PublicKey,
            /// The key that verifies this line's seal.
            #[serde(with = "string")]
            key: PublicKey,
            /// Why the segment was opened.
            reason: OpeningReason,
            /// The kernel's boot id, if the system has one.
            #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
            boot: Option<Uuid>,
            /// The version of the program that opened it.
            version: Cow<'static, str>,
            /// The settings in force, if the program provided them.
            #[serde(flatten)]
            settings: Option<LogSettings>,
        },
        /// `{"segment"}`
        SegmentClosed {
            /// The segment.
            segment: SegmentName,
        },
        /// `{"secret","version","how","count","digest","before"}`
        SecretSet {
            /// The secret.
            secret: SecretTag,
            /// The number of the new version.
            version: u32,
            /// How it came to be.
            how: SecretChange,
            /// How many secrets the account has now.
            count: u64,
            /// The digest of all of them.
            digest: SecretsDigest,
            /// The digest that they had when the change was begun. Logs of earlier
            /// versions have none.
            #[serde(skip_serializing_if = "Option::is_none")]
            before: Option<SecretsDigest>,
        },
        /// `{"secret","version"}`
        SecretRead {
            /// The secret.
            secret: SecretTag,
            /// The number of the version.
            version: u32,
        },
        /// `{"exec_id","secret","version"}`
        SecretUsed {
            /// The run of the command that was given the secret.
            #[serde(rename = "exec_id", with = "string")]
            exec: ExecId,
            /// The secret.
            secret: SecretTag,
            /// The number of the version.
            version: u32,
        },
        /// `{"secret","count","digest","before"}`
        SecretRemoved {
            /// The secret, with all its versions.
            secret: SecretTag,
            /// How many secrets the account has now.
            count: u64,
            /// The digest of all of them.
            digest: SecretsDigest,
            /// As for a secret that is set.
            #[serde(skip_serializing_if = "Option::is_none")]
            before: Option<SecretsDigest>,
        },
        /// `{"from"}`
        AccountSwitched {
            /// The account that was in use before.
            #[serde(skip_serializing_if = "Option::is_none")]
            from: Option<AuditName>,
        },
        /// `{}`: names of people are not recorded.
        AccountRenamed,
        /// `{"reason","to"}`, without a reason when it was changed. The event is about the old email.
        EmailChanged {
            /// Why it was not changed.
            #[serde(rename = "reason", skip_serializing_if = "Option::is_none")]
            failure: Option<EmailChangeFailure>,
            /// The new email.
            to: AuditName,
        },
        /// `{"secrets"}`
        AccountRemoved {
            /// How many secrets went with it.
            secrets: u64,
        },
        /// `{}`
        RecoveryCodeCreated,
        /// `{"reason"}`, or `{}` when it set a new password
        RecoveryCodeUsed {
            /// Why it was not accepted.
            #[serde(rename = "reason", skip_serializing_if = "Option::is_none")]
            failure: Option<PasswordChangeFailure>,
        },
        /// `{"guest"}`
        GuestCreated {
            /// The guest.
            guest: GuestTag,
        },
        /// `{"link"}`
        LinkRequested {
            /// The link.
            link: LinkTag,
        },
        /// `{"link"}`
        LinkRedeemed {
            /// The link.
            link: LinkTag,
        },
        /// `{"link","reason"}`
        LinkRefused {
            /// What was presented as a link.
            link: LinkTag,
            /// Why it was refused.
            reason: LinkRefusal,
        },
        /// `{"guest","items"}`; the event is about the account that goes on.
        AccountsMerged {
            /// The guest.
            guest: GuestTag,
            /// How many of the guest's items the account has now.
            items: u64,
        },
        /// `{"times"}`
        SessionRefreshed {
            /// How many refreshes this event stands for.
            times: u64,
        },
        /// `{}`: what people write about themselves is not recorded.
        ProfileChanged,
        /// `{"what","matched"}`; the event is about the administrator.
        AdminRead {
            /// What was read.
            what: AdminRead,
            /// How much was found.
            matched: u64,
        },
        /// `{"event","digest","bytes"}`
        EventSetAside {
            /// The id of the event that was set aside, if it has one.
            #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
            event: Option<Uuid>,
            /// The digest of what was set aside.
            digest: EventDigest,
            /// Its length.
            bytes: u64,
        },
        /// `{"sessions","guests","links","attempts","sessions_kept_seconds","links_kept_seconds"}`
        RetentionApplied {
            /// How many ended and expired sessions were removed.
            sessions: u64,
            /// How many guests without a session, with their documents.
            guests: u64,
            /// How many expired links.
            links: u64,
            /// How many counts of failed attempts.
            attempts: u64,
            /// The rule: how long sessions are kept after their end.
            #[serde(rename = "sessions_kept_seconds", with = "seconds")]
            sessions_kept: Duration,
            /// The rule: how long links are kept after they expired.
            #[serde(rename = "links_kept_seconds", with = "seconds")]
            links_kept: Duration,
        },
    }
}

impl Details {
    /// Whether nothing was refused and nothing failed. The end of a session, by timeout or
    /// otherwise, is not a failure; a command that ended with a code other than 0 is one.
    pub fn success(&self) -> bool {
        match self.event_type().row().success {
            Success::Always => true,
            Success::Never => false,
            Success::ByDetails => match self {
                Self::AccountRegistered { failure, .. } => failure.is_none(),
                Self::PasswordChanged { failure } | Self::RecoveryCodeUsed { failure } => {
                    failure.is_none()
                }
                Self::EmailChanged { failure, .. } => failure.is_none(),
                Self::CommandFinished { end, .. } => *end == CommandEnd::Exited(0),
                _ => true,
            },
        }
    }
}
