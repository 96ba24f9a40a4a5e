//! The single place that maps errors to exit codes, kinds, messages and hints.

use nightlatch_audit::{AuditError, BadHoldName, BadHoldReason, BadText, HoldError};
use nightlatch_local::account::{
    BadEmail, BadName, BadRecoveryCode, DirectoryError, PolicyRefusal,
};
use nightlatch_local::config::ConfigError;
use nightlatch_local::guard::run::RunError;
use nightlatch_local::guard::{
    AccountError, CommandError, Denied, GuardError, PasswordChangeError, RecoverError,
    RegisterError, SecretError, SignInError,
};
use nightlatch_local::paths::NoHomeDirectory;
use nightlatch_local::secrets::SecretStoreError;
use nightlatch_local::session::{KeeperError, SessionError};
use nightlatch_platform::fs::FsError;

use super::prompt::PromptError;
use super::text;
use crate::cli::hints::Hint;

/// The exit codes of the command line. Scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Refused = 3,
    NoSession = 4,
    SignInFailed = 5,
    LockedOut = 6,
    Audit = 7,
    NotExecutable = 126,
    NotFound = 127,
}

impl Code {
    /// All codes with their meanings.
    pub const MEANINGS: [(Self, &str); 10] = [
        (Self::Done, "done"),
        (Self::Failed, "failed"),
        (Self::Usage, "wrong usage"),
        (
            Self::Refused,
            "refused by policy: weak password, email taken, no such secret, too little time left",
        ),
        (Self::NoSession, "no live session"),
        (Self::SignInFailed, "sign-in failed"),
        (Self::LockedOut, "locked out after too many failures"),
        (
            Self::Audit,
            "the audit log cannot be written or read, or does not verify",
        ),
        (Self::NotExecutable, "exec: the command cannot be executed"),
        (Self::NotFound, "exec: the command is not found"),
    ];
    /// The exit code of `exec` in all other cases.
    pub const OF_COMMANDS: &str = "exec: otherwise the command's own code; a signal that ended it ends nightlatch too (in a shell 128+n)";
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    /// An identifier for programs.
    pub kind: &'static str,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The signal that interrupted a prompt; the process dies of it once everything is wiped.
    pub signal: Option<i32>,
    /// Whether a prompt was abandoned because this process was stopped and resumed.
    pub is_resumed: bool,
}

const SIGN_IN: &str = "sign in with: nightlatch login";
const SESSIONS: &str = "see who is signed in: nightlatch sessions";

impl Failure {
    pub fn new(code: Code, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            kind,
            message: message.into(),
            hint: None,
            signal: None,
            is_resumed: false,
        }
    }

    pub fn failed(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::Failed, kind, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, "usage", message)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds this hint if the failure has none.
    #[must_use]
    pub fn or_hint(mut self, hint: &str) -> Self {
        self.hint = self.hint.or_else(|| Some(hint.to_owned()));
        self
    }

    /// There is no live session, and prompting is not possible.
    pub fn no_session(message: impl Into<String>) -> Self {
        Self::new(Code::NoSession, "no_session", message).hint(SIGN_IN.to_owned())
    }
}

/// The hint for when there is no place for a home.
pub fn no_home(error: &NoHomeDirectory) -> String {
    let place = "name a place: --home DIR or NIGHTLATCH_HOME";
    match error {
        NoHomeDirectory::Foreign { .. } => format!("use sudo -H, or {place}"),
        _ => place.to_owned(),
    }
}

impl From<BadEmail> for Failure {
    fn from(error: BadEmail) -> Self {
        Self::new(Code::Usage, "bad_email", error.to_string()).hint(error.hint())
    }
}

impl From<BadName> for Failure {
    fn from(error: BadName) -> Self {
        Self::new(Code::Usage, "bad_name", error.to_string())
    }
}

impl From<PolicyRefusal> for Failure {
    fn from(error: PolicyRefusal) -> Self {
        Self::new(Code::Refused, "weak_password", error.to_string()).hint(error.hint())
    }
}

impl From<FsError> for Failure {
    fn from(error: FsError) -> Self {
        Self::failed("file", error.to_string()).hint(error.hint())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::failed("config", error.to_string()).hint(error.hint())
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::new(Code::Audit, "audit", error.to_string()).hint(error.hint())
    }
}

impl From<BadHoldName> for Failure {
    fn from(error: BadHoldName) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<BadHoldReason> for Failure {
    fn from(error: BadHoldReason) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<BadText> for Failure {
    fn from(error: BadText) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<HoldError> for Failure {
    fn from(error: HoldError) -> Self {
        let message = error.to_string();
        let see = "see the holds in force: nightlatch audit hold list".to_owned();
        match error {
            HoldError::InForce(_) => Self::new(Code::Refused, "hold_in_force", message).hint(see),
            HoldError::Unknown(_) => Self::new(Code::Refused, "no_such_hold", message).hint(see),
            HoldError::Audit(error) => error.into(),
            _ => Self::failed("hold", message),
        }
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        Self::failed("accounts", error.to_string()).hint(error.hint())
    }
}

impl From<KeeperError> for Failure {
    fn from(error: KeeperError) -> Self {
        Self::failed("keeper", error.to_string()).hint(error.hint())
    }
}

impl From<GuardError> for Failure {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Config(error) => error.into(),
            GuardError::NoHome(error) => {
                Self::failed("no_home", error.to_string()).hint(no_home(&error))
            }
            GuardError::File(error) => error.into(),
            GuardError::Account(error) => error.into(),
            GuardError::Secrets(error) => error.into(),
            GuardError::Audit(error) => error.into(),
            GuardError::Session(SessionError::Keeper(error)) => error.into(),
            GuardError::AccountUnclear => Self::usage(error.to_string())
                .hint("name one with --account EMAIL, or end all: nightlatch lock".to_owned()),
            GuardError::NoSuchAccount(_) => {
                Self::failed("no_such_account", error.to_string()).hint(SESSIONS.to_owned())
            }
            GuardError::NoSuchSession(_) => {
                Self::failed("no_such_session", error.to_string()).hint(SESSIONS.to_owned())
            }
            error => Self::failed("failed", error.to_string()),
        }
    }
}

impl From<Denied> for Failure {
    fn from(error: Denied) -> Self {
        let message = error.to_string();
        match error {
            Denied::NoSession { .. } => Self::no_session(message),
            Denied::Revoked(_) => {
                Self::new(Code::NoSession, "session_revoked", message).hint(SIGN_IN.to_owned())
            }
            Denied::OtherAccount { .. } => {
                Self::new(Code::NoSession, "other_account", message).hint(SIGN_IN.to_owned())
            }
            Denied::Elsewhere(_) => Self::new(Code::NoSession, "session_elsewhere", message)
                .hint("to end it and begin one here: nightlatch login".to_owned()),
            Denied::TooLittleTime { .. } => Self::new(Code::Refused, "too_little_time", message)
                .hint("start a new session with: nightlatch login".to_owned()),
            Denied::Failed(error) => error.into(),
            _ => Self::failed("denied", message),
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Denied(denied) => denied.into(),
            CommandError::Secret(error) => error.into(),
            CommandError::Start(error) => error.into(),
            error => Self::failed("command", error.to_string()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let (code, kind) = match error.exit_code() {
            127 => (Code::NotFound, "not_found"),
            126 => (Code::NotExecutable, "not_executable"),
            _ => (Code::Failed, "command"),
        };
        Self::new(code, kind, error.to_string()).hint(error.hint())
    }
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        let message = error.to_string();
        match error {
            SignInError::Wrong { remaining_attempts } => {
                let left = text::attempts_left(remaining_attempts, "sign-in");
                let message = format!("{message}{left}");
                Self::new(Code::SignInFailed, "sign_in_failed", message)
                    .hint("forgotten, or no account yet? see: nightlatch login --help".to_owned())
            }
            SignInError::Untypeable(_) => Self::new(Code::SignInFailed, "bad_password", message)
                .hint(
                    "a file with it must be UTF-8 without a byte order mark, in one line"
                        .to_owned(),
                ),
            SignInError::Locked { retry_after } => Self::new(Code::LockedOut, "locked", message)
                .hint(format!("try again in {}", text::span(retry_after))),
            SignInError::Failed(error) => error.into(),
            _ => Self::failed("sign_in", message),
        }
    }
}

impl From<RegisterError> for Failure {
    fn from(error: RegisterError) -> Self {
        let message = error.to_string();
        match error {
            RegisterError::Password(refusal) => refusal.into(),
            RegisterError::EmailTaken => {
                Self::new(Code::Refused, "email_taken", message).hint(SIGN_IN.to_owned())
            }
            RegisterError::NoSponsor => {
                Self::new(Code::NoSession, "no_sponsor", message).hint(SIGN_IN.to_owned())
            }
            RegisterError::Failed(error) => error.into(),
            _ => Self::failed("register", message),
        }
    }
}

impl From<PasswordChangeError> for Failure {
    fn from(error: PasswordChangeError) -> Self {
        let message = error.to_string();
        match error {
            PasswordChangeError::NoAccount => {
                Self::usage(message).hint("name one: --account EMAIL".to_owned())
            }
            PasswordChangeError::SignIn(error) => error.into(),
            PasswordChangeError::Password(refusal) => refusal.into(),
            PasswordChangeError::SameAsOld => Self::new(Code::Refused, "weak_password", message)
                .hint("choose another one".to_owned()),
            PasswordChangeError::ChangedMeanwhile => {
                Self::failed("conflict", message).hint("sign in with the new password".to_owned())
            }
            PasswordChangeError::Failed(error) => error.into(),
            _ => Self::failed("passwd", message),
        }
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Denied(denied) => denied.into(),
            SecretError::Store(error) => error.into(),
            error => Self::failed("secrets", error.to_string())
                .hint("put a backup of accounts.db back".to_owned()),
        }
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        let message = error.to_string();
        match error {
            AccountError::SignIn(error) => error.into(),
            AccountError::Denied(error) => error.into(),
            AccountError::EmailTaken => Self::new(Code::Refused, "email_taken", message),
            AccountError::ChangedMeanwhile => {
                Self::failed("conflict", message).hint("see: nightlatch account list".to_owned())
            }
            AccountError::Failed(error) => error.into(),
            _ => Self::failed("account", message),
        }
    }
}

impl From<SecretStoreError> for Failure {
    fn from(error: SecretStoreError) -> Self {
        let (code, kind) = match &error {
            SecretStoreError::NotFound { .. } | SecretStoreError::OtherCase { .. } => {
                (Code::Refused, "no_such_secret")
            }
            SecretStoreError::NoVersion { .. } => (Code::Refused, "no_such_version"),
            SecretStoreError::Exists { .. } => (Code::Refused, "secret_exists"),
            SecretStoreError::EmptyValue
            | SecretStoreError::ValueTooLong
            | SecretStoreError::NoVariable { .. } => (Code::Refused, "bad_value"),
            SecretStoreError::ChangedMeanwhile { .. } => (Code::Failed, "conflict"),
            SecretStoreError::Directory(_) => (Code::Failed, "accounts"),
            _ => (Code::Failed, "damaged"),
        };
        Self::new(code, kind, error.to_string()).hint(error.hint())
    }
}

impl From<BadRecoveryCode> for Failure {
    fn from(error: BadRecoveryCode) -> Self {
        Self::new(Code::Usage, "bad_recovery_code", error.to_string())
            .hint("compare it with what was written down; no attempt was counted".to_owned())
    }
}

impl From<RecoverError> for Failure {
    fn from(error: RecoverError) -> Self {
        let message = error.to_string();
        match error {
            RecoverError::Wrong { remaining_attempts } => {
                let left = text::attempts_left(remaining_attempts, "recovery");
                let message = format!("{message}{left}");
                Self::new(Code::SignInFailed, "recovery_failed", message)
                    .hint("no code left? see: nightlatch recover --help".to_owned())
            }
            RecoverError::Locked { retry_after } => Self::new(Code::LockedOut, "locked", message)
                .hint(format!("try again in {}", text::span(retry_after))),
            RecoverError::Password(refusal) => refusal.into(),
            RecoverError::SameAsOld => Self::new(Code::Refused, "weak_password", message)
                .hint("choose another one, or sign in with it".to_owned()),
            RecoverError::UsedMeanwhile => Self::failed("conflict", message)
                .hint("if it was not you, see: nightlatch audit".to_owned()),
            RecoverError::Failed(error) => error.into(),
            _ => Self::failed("recover", message),
        }
    }
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        let signal = match &error {
            PromptError::Interrupted(signal) => Some(*signal),
            _ => None,
        };
        let hint = error.hint().map(str::to_owned);
        Self {
            signal,
            is_resumed: matches!(error, PromptError::Resumed),
            ..Self::failed("prompt", error.to_string())
        }
        .hint(hint)
    }
}
