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
mod auto;
mod error;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(not(target_os = "linux"))]
#[path = "kernel_absent.rs"]
mod kernel;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::fmt;
use std::time::Duration;

#[cfg(any(test, fuzzing))]
pub(crate) use agent::properties;
pub use agent::{
    AgentError, AgentKeeper, AgentLaunch, AgentLauncher, answer_within,
    is_running as agent_is_running, serve as serve_agent,
};
pub use auto::AutoKeeper;
pub use error::KeeperError;
pub use kernel::KernelKeeper;

use crate::fs::{Dir, FsError};
use crate::id::AccountId;

/// The size of a payload in bytes. It is fixed, so that another size is a sign of another writer.
pub const PAYLOAD_LENGTH: usize = 192;

/// What a keeper holds for a session. Its content means nothing to a keeper.
pub type Payload = crate::memory::Secret<PAYLOAD_LENGTH>;

/// What a payload is held under: an account in a home. A second home of the same user, or a home
/// that was removed and made anew, has slots of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    device: u64,
    inode: u64,
    account: AccountId,
}

impl Slot {
    /// The slot of `account` in `home`.
    ///
    /// # Errors
    /// When the system does not tell which directory `home` is.
    pub fn new(home: &Dir, account: AccountId) -> Result<Self, FsError> {
        let (device, inode) = home.device_and_inode()?;
        Ok(Self {
            device,
            inode,
            account,
        })
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            device,
            inode,
            account,
        } = self;
        write!(f, "nightlatch:{device:x}-{inode:x}:{account}")
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

/// A place that holds payloads in memory.
pub trait Keeper: Send + Sync {
    /// Holds `payload` in `slot` for `lifetime` from now, in place of what it held: a reader sees
    /// the old payload or the new one, never a part and never none. A lifetime above the longest
    /// session there can be (12 h) is cut to it. Says where the payload is now.
    ///
    /// # Errors
    /// When the payload could not be placed; what was held before may then still be.
    fn publish(
        &self,
        slot: &Slot,
        payload: &Payload,
        lifetime: Duration,
    ) -> Result<KeeperKind, KeeperError>;

    /// The payload held in `slot` and where it is; `None` when there is none. Starts nothing.
    ///
    /// # Errors
    /// When it cannot be told, or what is held is not a payload of ours.
    fn read(&self, slot: &Slot) -> Result<Option<(Payload, KeeperKind)>, KeeperError>;

    /// Forgets what is held in `slot`: whether there was something. Starts nothing.
    ///
    /// # Errors
    /// When it cannot be told that the payload is gone.
    fn destroy(&self, slot: &Slot) -> Result<bool, KeeperError>;

    /// As [`Keeper::destroy`], for whoever ends every session anyway: where what holds the payload does
    /// not answer, it is ended, with all that it holds.
    ///
    /// # Errors
    /// As [`Keeper::destroy`].
    fn destroy_at_any_cost(&self, slot: &Slot) -> Result<bool, KeeperError> {
        self.destroy(slot)
    }
}

/// The time a keeper holds a payload that is to live for `lifetime`.
#[cfg(unix)]
fn bounded(lifetime: Duration) -> Duration {
    lifetime.min(crate::config::MAX_CEILING)
}
