//! Why a session is not live, or cannot be seen from here.

use nightlatch_core::lifetime::Expired;

use super::keeper::KeeperKind;

/// Why a session is no longer live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// No activity for the idle limit.
    Idle,
    /// The absolute limit was reached.
    Max,
    /// The wall clock went back, or ran ahead of the boot clock.
    Clock,
    /// The machine has rebooted since.
    Reboot,
    /// A time namespace shifts the clocks of this process.
    TimeNamespace,
    /// The session file is gone.
    FileGone,
    /// The key is gone: the kernel or the agent dropped it at its deadline, or was made to.
    KeyGone,
    /// A guard process died while it held the session.
    Crash,
    /// The account's password was changed.
    Generation,
    /// The account's sessions were revoked.
    Revoked,
    /// The session file is not the one this session was created with.
    StaleCopy,
    /// The session file belongs to another account or another session.
    Foreign,
    /// The session file was changed or truncated, or is not a session file.
    Corrupt,
    /// The session file was written by a newer version.
    UnsupportedVersion,
    /// The session file's place is taken by something that must not be trusted.
    UnsafeFile,
}

/// Why a session that may well be live cannot be seen from here. It is left alone, and no end of it
/// is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Elsewhere {
    /// This home is a copy of the session's home.
    Copy,
    /// It began on another machine that shares this home.
    Machine,
    /// Its key is in the keyring of another user namespace.
    UserNamespace,
    /// This process cannot use the keyring that has its key.
    NoKeyring,
    /// Its key is in this keeper, but the other one is configured.
    NotChosen(KeeperKind),
}

impl std::fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Copy => "this home is a copy, and the session belongs to the home it was copied from",
            Self::Machine => "the session is on another machine that uses this home",
            Self::UserNamespace => {
                "the session's key is in another user namespace (outside of this container, perhaps)"
            }
            Self::NoKeyring => {
                "the session's key is in the kernel's keyring, which cannot be used from here"
            }
            Self::NotChosen(KeeperKind::Kernel) => {
                "the session's key is in the kernel's keyring, and the agent is chosen here"
            }
            Self::NotChosen(KeeperKind::Agent) => {
                "the session's key is with the agent, and the kernel's keyring is chosen here"
            }
        })
    }
}

impl From<Expired> for EndReason {
    fn from(expired: Expired) -> Self {
        match expired {
            Expired::Idle => Self::Idle,
            Expired::Max => Self::Max,
            Expired::Clock => Self::Clock,
            Expired::Reboot => Self::Reboot,
            Expired::TimeNamespace => Self::TimeNamespace,
        }
    }
}

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Idle => "it was idle for too long",
            Self::Max => "it reached its absolute limit",
            Self::Clock => "the clock was changed",
            Self::Reboot => "the machine was restarted",
            Self::TimeNamespace => "the clocks are shifted by a time namespace",
            Self::FileGone => "its file is gone",
            Self::KeyGone => "it expired",
            Self::Crash => "a process that held it died",
            Self::Generation => "the account's password was changed",
            Self::Revoked => "it was revoked",
            Self::StaleCopy => "its file is an older copy",
            Self::Foreign => "its file belongs to another account",
            Self::Corrupt => "its file is damaged",
            Self::UnsupportedVersion => "its file was written by a newer version of nightlatch",
            Self::UnsafeFile => "its file cannot be trusted",
        })
    }
}
