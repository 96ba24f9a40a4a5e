//! Keepers hold a session's payload while the session is live; it is kept nowhere else.
//!
//! A payload is in memory that does not survive a reboot: the kernel's keyring where it is usable,
//! else one small agent process per home. It is never on disk. A keeper drops a payload by itself
//! at the end of its lifetime. That is a backstop; the times inside the payload decide.

#[cfg(unix)]
mod agent;
#[cfg(windows)]
#[path = "agent_absent.rs"]
mod agent;
mod error;
mod keepers;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(not(target_os = "linux"))]
#[path = "kernel_absent.rs"]
mod kernel;
mod launcher;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::fmt;
use std::time::Duration;

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub use agent::properties;
pub use agent::{
    AgentError, AgentKeeper, answer_within, is_running as agent_is_running, serve as serve_agent,
};
pub use error::KeeperError;
pub use keepers::Keepers;
pub use kernel::KernelKeeper;
pub use launcher::{AgentLaunch, AgentLauncher};

use nightlatch_core::id::{AccountId, HomeId};

/// The size of a payload in bytes. It is fixed, so another size means another writer.
pub const PAYLOAD_LENGTH: usize = 192;

/// What a keeper holds for a session. Keepers do not interpret its content.
pub type Payload = nightlatch_core::memory::Secret<PAYLOAD_LENGTH>;

/// The key under which a payload is held: an account in a home. Another home of the same user, or a
/// home that was removed and created again, has its own slots. A copy of a home shares its slots
/// until it signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    home: HomeId,
    account: AccountId,
}

impl Slot {
    /// The slot of `account` in `home`.
    pub fn new(home: HomeId, account: AccountId) -> Self {
        Self { home, account }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { home, account } = self;
        write!(f, "nightlatch:{home}:{account}")
    }
}

/// Which keeper holds a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeeperKind {
    /// The kernel's keyring.
    Kernel,
    /// The agent process of the home.
    Agent,
}

impl KeeperKind {
    /// The automatic choice: the order in which a new session tries them.
    pub(crate) const AUTOMATIC: &[Self] = &[Self::Kernel, Self::Agent];

    /// Its name, as in the configuration and the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for KeeperKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One kind of in-memory storage for payloads.
pub trait Keeper: Send + Sync {
    /// Holds `payload` in `slot` for `lifetime` from now, replacing the previous payload
    /// atomically: a reader sees the old payload or the new one, never a part and never none. A
    /// lifetime above the longest possible session (12 h) is cut to it.
    ///
    /// # Errors
    /// When the payload could not be placed. The previous one may then still be held.
    fn publish(
        &self,
        slot: &Slot,
        payload: &Payload,
        lifetime: Duration,
    ) -> Result<(), KeeperError>;

    /// The payload held in `slot`; `None` when there is none. Starts no agent.
    ///
    /// # Errors
    /// [`KeeperError::Unusable`] where this kind of keeper does not work, so that a payload it may
    /// hold is not visible. Also when reading fails, or the slot holds something that is not our
    /// payload.
    fn read(&self, slot: &Slot) -> Result<Option<Payload>, KeeperError>;

    /// Whether this kind of keeper works here, so that a payload it may hold in `slot` is visible.
    ///
    /// # Errors
    /// When that cannot be determined.
    fn probe(&self, slot: &Slot) -> Result<bool, KeeperError> {
        match self.read(slot) {
            Ok(_) => Ok(true),
            Err(KeeperError::Unusable { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Destroys what `slot` holds. Returns whether there was something. Starts no agent.
    ///
    /// # Errors
    /// When it is not certain that the payload is gone.
    fn destroy(&self, slot: &Slot) -> Result<bool, KeeperError>;

    /// Waits until this keeper answers, if another process has to. Call it before taking a lock
    /// under which the keeper is used. Starts no agent.
    ///
    /// # Errors
    /// [`KeeperError::NoAnswer`].
    fn await_answer(&self) -> Result<(), KeeperError> {
        Ok(())
    }

    /// Kills the unresponsive process that holds payloads, with everything it holds.
    ///
    /// # Errors
    /// When there is no such process, or it does not end.
    fn end_holder(&self, process: i32) -> Result<(), KeeperError> {
        Err(KeeperError::NoAnswer { process })
    }
}

/// How to treat an unresponsive process that holds payloads when one of them has to be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unresponsive {
    /// Leaves it running and returns an error.
    Stays,
    /// Kills it, for callers that end every session anyway.
    IsEnded,
}

/// How long a keeper holds a payload with this `lifetime`.
#[cfg(unix)]
fn bounded(lifetime: Duration) -> Duration {
    lifetime.min(crate::config::MAX_CEILING)
}
