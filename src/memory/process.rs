//! Hardening of the process that holds secrets.

/// What a secret may be read from: an open file.
pub use std::os::fd::AsFd as AsFile;

/// The core-size limit the process was started with, to be given back to children.
///
/// Hardening sets the soft limit to zero; a guarded command must not inherit that.
#[derive(Clone, Copy)]
pub struct CoreLimit {
    original: rustix::process::Rlimit,
}

impl CoreLimit {
    /// Runs `spawn` with the original limit in force, so that a child started in it inherits that
    /// limit, then lowers it again. The process stays undumpable throughout.
    pub fn restored_during<T>(self, spawn: impl FnOnce() -> T) -> T {
        // Best effort: raising a soft limit up to the hard one cannot fail for our own process.
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, self.original);
        let result = spawn();
        set_core_limit_to_zero(self.original);
        result
    }
}

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
pub fn lock_all() -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{MlockAllFlags, mlockall};
        mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).is_ok()
    }
    // macOS has the call and always refuses it; each secret is locked by itself anyway.
    #[cfg(not(target_os = "linux"))]
    false
}

/// Runs `spawn` so that a child started in it inherits no open file of ours but its standard streams.
///
/// Whatever we open ourselves is closed on exec anyway. But a file that our own parent left open to
/// us (a job runner's pipe, say) passes on to children, and a child that outlives us would keep it
/// open for as long: its other end would wait for hours. Such files are marked for the time of
/// `spawn` and unmarked again, as a guarded command may well need them. Best effort: a system that
/// does not list our open files gets no marking.
pub fn without_inheritance<T>(spawn: impl FnOnce() -> T) -> T {
    use rustix::io::FdFlags;
    let inherited: Vec<_> = open_numbers()
        .into_iter()
        .filter(|&number| number > 2)
        .filter(|&number| {
            let flags = change_flags(number, |flags| flags | FdFlags::CLOEXEC);
            flags.is_some_and(|before| !before.contains(FdFlags::CLOEXEC))
        })
        .collect();
    let result = spawn();
    for number in inherited {
        change_flags(number, |flags| flags - FdFlags::CLOEXEC);
    }
    result
}

/// The numbers of this process's open files.
fn open_numbers() -> Vec<i32> {
    #[cfg(target_os = "linux")]
    const LIST: &str = "/proc/self/fd";
    #[cfg(not(target_os = "linux"))]
    const LIST: &str = "/dev/fd";
    std::fs::read_dir(LIST)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Changes the descriptor flags of an open file: what they were, `None` when there is no such file.
fn change_flags(
    number: i32,
    change: impl FnOnce(rustix::io::FdFlags) -> rustix::io::FdFlags,
) -> Option<rustix::io::FdFlags> {
    use rustix::io::{fcntl_getfd, fcntl_setfd};
    // SAFETY: a number from the list of our open files, or from a moment ago. If another thread has
    // closed it since, the calls fail or mark a file that is closed on exec anyway; they touch no
    // memory and close nothing.
    #[allow(unsafe_code)]
    let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    let before = fcntl_getfd(file).ok()?;
    let after = change(before);
    if after != before {
        fcntl_setfd(file, after).ok()?;
    }
    Some(before)
}

/// A handle of our own on the file that was opened for us as descriptor `number`, sharing its
/// place in the file.
///
/// A file that is closed on exec cannot have come to us through one: it is one of our own that
/// happens to have the number, and is not given.
///
/// # Errors
/// When no such file was opened for us.
pub fn inherited(number: i32) -> std::io::Result<std::os::fd::OwnedFd> {
    use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd};
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: only looked at for the length of the calls, which fail when no such file is open.
    #[allow(unsafe_code)]
    let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    if fcntl_getfd(file)?.contains(FdFlags::CLOEXEC) {
        return Err(Errno::BADF.into());
    }
    Ok(fcntl_dupfd_cloexec(file, 3)?)
}

/// Asks that the pages under `bytes` never reach swap. Best effort: a refusal (a small
/// `RLIMIT_MEMLOCK`) is not an error, as the process is undumpable and the buffer is wiped.
///
/// The pages are never unlocked: they may hold another secret, and the process is short-lived.
pub(super) fn lock_in_memory(bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    // SAFETY: the range is a live allocation, and mlock does not read or change it.
    #[allow(unsafe_code)]
    let _ = unsafe { rustix::mm::mlock(bytes.as_ptr().cast_mut().cast(), bytes.len()) };
}

/// One read(2) of `source` into `room`: how many bytes came.
pub(super) fn read_once(source: impl AsFile, room: &mut [u8]) -> std::io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| {
        rustix::io::read(&source, &mut *room)
    })?)
}
