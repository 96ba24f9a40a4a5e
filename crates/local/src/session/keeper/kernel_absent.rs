//! The kernel keeper on systems without a keyring: every call is refused.

use std::time::Duration;

use super::{Keeper, KeeperError, KeeperKind, Payload, Slot};

/// Holds nothing: only Linux has a kernel keyring.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelKeeper;

fn unusable() -> KeeperError {
    KeeperError::Unusable {
        keeper: KeeperKind::Kernel,
        why: "this system's kernel has no keyring".to_owned(),
    }
}

impl KernelKeeper {
    /// Whether the kernel keeps keys for this process.
    ///
    /// # Errors
    /// Always: it has no keyring.
    pub fn probe(&self) -> Result<(), KeeperError> {
        Err(unusable())
    }
}

impl Keeper for KernelKeeper {
    fn publish(&self, _: &Slot, _: &Payload, _: Duration) -> Result<(), KeeperError> {
        Err(unusable())
    }

    fn read(&self, _: &Slot) -> Result<Option<Payload>, KeeperError> {
        Err(unusable())
    }

    fn destroy(&self, _: &Slot) -> Result<bool, KeeperError> {
        Err(unusable())
    }
}
