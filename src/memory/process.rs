//! Hardening of the process that holds secrets. The only unsafe code of the project is here.

/// The core-size limit the process was started with, to be given back to children.
///
/// Hardening sets the soft limit to zero; a guarded command must not inherit that.
#[derive(Clone, Copy)]
pub struct CoreLimit {
    #[cfg(unix)]
    original: rustix::process::Rlimit,
}

impl CoreLimit {
    /// Runs `spawn` with the original limit in force, so that a child started in it inherits that
    /// limit, then lowers it again. The process stays undumpable throughout.
    #[cfg(unix)]
    pub fn restored_during<T>(self, spawn: impl FnOnce() -> T) -> T {
        // Best effort: raising a soft limit up to the hard one cannot fail for our own process.
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, self.original);
        let result = spawn();
        set_core_limit_to_zero(self.original);
        result
    }
}

#[cfg(unix)]
fn set_core_limit_to_zero(original: rustix::process::Rlimit) {
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: original.maximum,
    };
    // Best effort: on Linux the process is undumpable as well, which is what counts.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}

/// Makes this process unreadable to others of the same user and unable to leave a core dump.
///
/// On Linux: not dumpable (so `/proc/PID/mem`, ptrace and core dumps are refused to everyone but
/// root) and a soft core limit of zero. Elsewhere: the core limit. Best effort by design, and
/// idempotent; call it before the first secret is read.
#[cfg(unix)]
pub fn harden() -> CoreLimit {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
    let original = rustix::process::getrlimit(rustix::process::Resource::Core);
    set_core_limit_to_zero(original);
    CoreLimit { original }
}

/// Locks all present and future memory of this process: for the agent, which is small and holds
/// nothing but secrets. Best effort; `false` when the system refused.
#[cfg(unix)]
pub fn lock_all() -> bool {
    use rustix::mm::{MlockAllFlags, mlockall};
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).is_ok()
}

/// Asks that the pages under `bytes` never reach swap. Best effort: a refusal (a small
/// `RLIMIT_MEMLOCK`) is not an error, as the process is undumpable and the buffer is wiped.
///
/// The pages are never unlocked: they may hold another secret, and the process is short-lived.
pub(super) fn lock_in_memory(bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    #[cfg(unix)]
    #[allow(unsafe_code)]
    {
        // SAFETY: the range is a live allocation, and mlock does not read or change it.
        let _ = unsafe { rustix::mm::mlock(bytes.as_ptr().cast_mut().cast(), bytes.len()) };
    }
}
