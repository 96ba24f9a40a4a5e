//! Keepers: where a session's payload lives while the session does, and nowhere else.
//!
//! A payload is held in memory that dies with the machine: the kernel's keyring where it is usable,
//! else one small agent process per home. It is never on disk. A keeper drops a payload by itself
//! when its lifetime is over; that is the backstop, the clocks inside the payload decide.

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
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::fmt;
use std::time::Duration;

#[cfg(any(test, fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub use agent::properties;
pub use agent::{
    AgentError, AgentKeeper, AgentLaunch, AgentLauncher, answer_within,
    is_running as agent_is_running, serve as serve_agent,
};
pub use error::KeeperError;
pub use keepers::Keepers;
pub use kernel::KernelKeeper;

use nightlatch_core::id::{AccountId, HomeId};

/// The size of a payload in bytes. It is fixed, so that another size is a sign of another writer.
pub const PAYLOAD_LENGTH: usize = 192;

/// What a keeper holds for a session. Its content means nothing to a keeper.
pub type Payload = nightlatch_core::memory::Secret<PAYLOAD_LENGTH>;

/// What a payload is held under: an account in a home. A second home of the same user, or a home that was
/// removed and made again, has slots of its own; a copy of a home has the same ones until it signs in.
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

impl fmt::Display for KeeperKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::Agent => "agent",
        })
    }
}

/// One kind of place that holds payloads in memory.
pub trait Keeper: Send + Sync {
    /// Holds `payload` in `slot` for `lifetime` from now, in place of what it held: a reader sees
    /// the old payload or the new one, never a part and never none. A lifetime above the longest
    /// session there can be (12 h) is cut to it.
    ///
    /// # Errors
    /// When the payload could not be placed; what was held before may then still be.
    fn publish(
        &self,
        slot: &Slot,
        payload: &Payload,
        lifetime: Duration,
    ) -> Result<(), KeeperError>;

    /// The payload held in `slot`; `None` when there is none. Starts nothing.
    ///
    /// # Errors
    /// [`KeeperError::Unusable`] where this kind of keeper does not work, so that what it holds, if anything,
    /// cannot be seen; and when it cannot be told, or what is held is not a payload of ours.
    fn read(&self, slot: &Slot) -> Result<Option<Payload>, KeeperError>;

    /// Forgets what is held in `slot`: whether there was something. Starts nothing.
    ///
    /// # Errors
    /// When it cannot be told that the payload is gone.
    fn destroy(&self, slot: &Slot) -> Result<bool, KeeperError>;

    /// Waits until this kind of keeper answers, where another process has to: for whoever takes a lock before
    /// it is asked. Starts nothing.
    ///
    /// # Errors
    /// [`KeeperError::NoAnswer`].
    fn await_answer(&self) -> Result<(), KeeperError> {
        Ok(())
    }

    /// Ends the process that holds payloads and does not answer, with all that it holds.
    ///
    /// # Errors
    /// When there is no such process, or it does not end.
    fn end_holder(&self, process: i32) -> Result<(), KeeperError> {
        Err(KeeperError::NoAnswer { process })
    }
}

/// What becomes of a process that holds payloads and does not answer when one is to be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unresponsive {
    /// It stays, and that is an error.
    Stays,
    /// It is ended, for whoever ends every session anyway.
    IsEnded,
}

/// The time a keeper holds a payload that is to live for `lifetime`.
#[cfg(unix)]
fn bounded(lifetime: Duration) -> Duration {
    lifetime.min(crate::config::MAX_CEILING)
}
