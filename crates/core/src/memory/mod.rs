//! Secrets in memory, and hardening of the process that holds them.
//!
//! A secret lives in one buffer of fixed size, is filled in place, and is wiped when dropped. The
//! buffers are on pages that hold only secrets and are locked in memory meanwhile. None of these
//! types implements `Debug`, `Display`, `Clone`, `PartialEq` or `Serialize`, so a secret cannot be
//! printed, copied or compared by accident.
//!
//! ```compile_fail,E0277
//! // A secret cannot be formatted.
//! let key = nightlatch_core::memory::Secret::<32>::zeroed();
//! let _ = format!("{key:?}");
//! ```
//! ```compile_fail,E0599
//! // A secret cannot be copied.
//! let key = nightlatch_core::memory::Secret::<32>::zeroed();
//! let _copy = key.clone();
//! ```
//! ```
//! // It can be filled in place and borrowed.
//! let key = nightlatch_core::memory::Secret::<32>::init_with(|bytes| bytes.fill(7));
//! assert_eq!(key.expose()[0], 7);
//! ```

mod block;
#[cfg(unix)]
mod calls;
mod heap;
#[cfg(target_os = "linux")]
mod monitor;
#[cfg(unix)]
mod process;
#[cfg(windows)]
#[path = "process_absent.rs"]
mod process;
mod secret;
mod stack;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[cfg(target_os = "linux")]
mod witness;
#[cfg(all(unix, not(target_os = "linux")))]
#[path = "witness_absent.rs"]
mod witness;

#[cfg(unix)]
pub use calls::is_filtered;
#[cfg(unix)]
pub use calls::{die_of, ignores};
pub use heap::WipingAllocator;
#[cfg(target_os = "linux")]
pub use monitor::{Change, Monitor, MonitoredStart};
#[cfg(windows)]
pub use process::is_filtered;
#[cfg(unix)]
pub use process::without_inheritance;
pub use process::{AsFile, CoreLimit, harden, inherited};
pub use secret::{ReadSecretError, Secret, SecretBuffer};
pub use stack::{DEEP, SHALLOW, on_wiped_stack};
#[cfg(unix)]
pub use witness::Witness;
