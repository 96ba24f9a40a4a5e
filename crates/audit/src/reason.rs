//! Reasons for events: closed sets of names, so that no free text gets into the log.

macro_rules! names {
    (
        $(#[$doc:meta])*
        $enum:ident { $($(#[doc = $text:literal])+ $variant:ident => $name:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $enum { $($(#[doc = $text])+ $variant,)+ }

        impl $enum {
            /// All values.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in the log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The meaning, as a sentence.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($text),+).trim_ascii(),)+ }
            }
        }

        $crate::forms::written!($enum, |text| {
            Self::ALL.iter().find(|value| value.as_str() == text).copied()
        });

        impl std::fmt::Display for $enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(super) use names;

names! {
    /// Why a sign-in failed.
    LoginFailure {
        /// Wrong password, or no such account: neither the log nor the program distinguishes them.
        WrongCredentials => "wrong_credentials",
        /// The account, or the unknown name, is locked.
        Locked => "locked",
        /// The program could not finish: no disk, no memory, no keeper.
        Internal => "internal",
    }
}
names! {
    /// Why an account was not created.
    RegistrationFailure {
        /// There is an account with this email.
        EmailTaken => "email_taken",
        /// The home has an account, and no live session or password of one approved this one.
        NoSponsor => "no_sponsor",
    }
}
names! {
    /// Why a password was not changed.
    PasswordChangeFailure {
        /// The old password was wrong.
        WrongCredentials => "wrong_credentials",
        /// The account is locked.
        Locked => "locked",
        /// The new password does not meet the policy.
        WeakPassword => "weak_password",
        /// The program could not finish.
        Internal => "internal",
    }
}
names! {
    /// What ended a session without anyone asking for it.
    ExpiryReason {
        /// The idle timeout passed without activity.
        Idle => "idle",
        /// The absolute timeout passed.
        Max => "max",
        /// The wall clock was moved.
        Clock => "clock",
        /// It was created before this boot.
        Reboot => "reboot",
        /// A time namespace shifts the clocks of the requesting process.
        TimeNamespace => "time_namespace",
        /// The keeper no longer holds its key.
        KeyGone => "key_gone",
    }
}
names! {
    /// Why a session was ended before its time.
    TerminationReason {
        /// The person signed out or locked.
        Logout => "logout",
        /// A new sign-in replaced it.
        Replaced => "replaced",
        /// A process that guarded a command under it died.
        Crash => "crash",
        /// The account's password was changed.
        PasswordChanged => "password_changed",
        /// The account's email was changed.
        EmailChanged => "email_changed",
        /// The account was removed.
        AccountRemoved => "account_removed",
        /// It could not be set up completely, and was never used.
        CreationFailed => "creation_failed",
    }
}
names! {
    /// Why a session file was not accepted.
    InvalidReason {
        /// It does not decrypt with its key, or is malformed.
        Corrupt => "corrupt",
        /// It is another account's, home's or machine's.
        Foreign => "foreign",
        /// An older copy was restored.
        StaleCopy => "stale_copy",
        /// The account's password was changed or its sessions were revoked since.
        OldGeneration => "old_generation",
        /// A format this version does not read.
        UnsupportedVersion => "unsupported_version",
        /// A link, another user's file, or one that others could write.
        UnsafeFile => "unsafe_file",
        /// The file is gone, though the key is still there.
        FileGone => "file_gone",
        /// It could not be read at all.
        Unreadable => "unreadable",
    }
}
names! {
    /// Why a guarded command was not run.
    CommandRefusal {
        /// Nobody is signed in.
        NoSession => "no_session",
        /// The session has expired.
        SessionExpired => "session_expired",
        /// The session was not accepted.
        SessionInvalid => "session_invalid",
        /// The session was revoked.
        SessionRevoked => "session_revoked",
        /// Less time is left than the caller requires.
        TooLittleTime => "too_little_time",
        /// The live session does not belong to an accepted account.
        OtherAccount => "other_account",
        /// The program could not decide: no disk, no memory, no keeper, no log.
        Internal => "internal",
    }
}
names! {
    /// How a version of a secret came to be.
    SecretChange {
        /// A person set it.
        Set => "set",
        /// It was generated.
        Generated => "generated",
        /// It was edited.
        Edited => "edited",
        /// It came from a file of another program.
        Imported => "imported",
        /// An earlier version was restored.
        Restored => "restored",
        /// The secret has another name now.
        Renamed => "renamed",
    }
}
names! {
    /// Why an email was not changed.
    EmailChangeFailure {
        /// There is an account with this email.
        EmailTaken => "email_taken",
        /// The password was wrong.
        WrongCredentials => "wrong_credentials",
        /// The account is locked.
        Locked => "locked",
        /// The program could not finish.
        Internal => "internal",
    }
}
names! {
    /// Why a sign-in link was refused.
    LinkRefusal {
        /// There is no such link.
        Unknown => "unknown",
        /// It was used before.
        Used => "used",
        /// It is too old.
        Expired => "expired",
        /// A newer link of the same account took its place.
        Replaced => "replaced",
    }
}
names! {
    /// The sessions that a revocation is about.
    RevocationScope {
        /// One session.
        Session => "session",
        /// The sessions of one account.
        Account => "account",
        /// The sessions of the accounts that were named.
        Specific => "specific",
        /// Those of all guests.
        AllAnonymous => "all_anonymous",
        /// Those of all accounts.
        AllAuthenticated => "all_authenticated",
        /// All sessions.
        All => "all",
    }
}
names! {
    /// What an administrator read.
    AdminRead {
        /// Whether there is an account with an email.
        Lookup => "lookup",
        /// Accounts.
        Accounts => "accounts",
        /// Sessions of others.
        Sessions => "sessions",
        /// The audit log.
        Log => "log",
    }
}
names! {
    /// Why a segment was opened.
    OpeningReason {
        /// The log begins.
        New => "new",
        /// A day (UTC) began.
        Day => "day",
        /// The previous segment was large.
        Size => "size",
        /// The wall clock was set back.
        Clock => "clock",
    }
}
names! {
    /// How the end of the log was repaired.
    RepairReason {
        /// Bytes without a seal were moved out of the log.
        Unsealed => "unsealed",
        /// Lines lost in a loss of power were restored.
        Lost => "lost",
    }
}
names! {
    /// Why a guarded command has no exit code or signal.
    CommandFailure {
        /// There is no such program.
        NotFound => "not_found",
        /// The program is not executable.
        NotExecutable => "not_executable",
        /// The system could not start it.
        NotStarted => "not_started",
    }
}
impl From<LoginFailure> for PasswordChangeFailure {
    /// The reason why the old password was not accepted.
    fn from(failure: LoginFailure) -> Self {
        match failure {
            LoginFailure::WrongCredentials => Self::WrongCredentials,
            LoginFailure::Locked => Self::Locked,
            LoginFailure::Internal => Self::Internal,
        }
    }
}

impl From<LoginFailure> for EmailChangeFailure {
    /// The reason why the password was not accepted.
    fn from(failure: LoginFailure) -> Self {
        match failure {
            LoginFailure::WrongCredentials => Self::WrongCredentials,
            LoginFailure::Locked => Self::Locked,
            LoginFailure::Internal => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_snake_case_and_named_once() {
        let sets = [
            LoginFailure::ALL
                .iter()
                .map(|r| r.as_str())
                .collect::<Vec<_>>(),
            RegistrationFailure::ALL
                .iter()
                .map(|r| r.as_str())
                .collect(),
            PasswordChangeFailure::ALL
                .iter()
                .map(|r| r.as_str())
                .collect(),
            ExpiryReason::ALL.iter().map(|r| r.as_str()).collect(),
            TerminationReason::ALL.iter().map(|r| r.as_str()).collect(),
            InvalidReason::ALL.iter().map(|r| r.as_str()).collect(),
            CommandRefusal::ALL.iter().map(|r| r.as_str()).collect(),
            CommandFailure::ALL.iter().map(|r| r.as_str()).collect(),
            OpeningReason::ALL.iter().map(|r| r.as_str()).collect(),
        ];
        for names in sets {
            for (at, name) in names.iter().enumerate() {
                assert!(
                    name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                    "{name}"
                );
                assert!(!names[..at].contains(name), "{name} twice");
            }
        }
    }
}
