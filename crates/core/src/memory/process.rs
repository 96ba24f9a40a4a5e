//! Hardening of the process that holds secrets.

/// A source that a secret may be read from: an open file.
pub use std::os::fd::AsFd as AsFile;
use std::ptr::NonNull;

/// The core-size limit that the process started with, to be restored in children.
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
        // Best effort: a process can always raise its soft limit up to its hard limit.
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
    // Best effort: on Linux the process is also undumpable, which is what counts.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}

/// Makes this process unreadable to other processes of the same user, and prevents core dumps.
///
/// On Linux: not dumpable (so only root has `/proc/PID/mem`, ptrace and core dumps) and a soft core
/// limit of zero. Elsewhere: the core limit. Best effort by design, and idempotent; call it before
/// reading the first secret.
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

/// Runs `spawn` so that a child inherits only the standard streams.
///
/// Files that we open are closed on exec anyway. But a file that our own parent left open (a job
/// runner's pipe, say) passes on to children, and a child that outlives us would hold it open: the
/// reader of that pipe could wait for hours. Such files are marked close-on-exec during `spawn` and
/// unmarked afterwards, because a guarded command may need them. Best effort: where the system does
/// not list open files, none are marked.
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

/// The descriptors of this process's open files.
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

/// Changes the flags of a descriptor and returns the previous ones; `None` when it is not open.
fn change_flags(
    number: i32,
    change: impl FnOnce(rustix::io::FdFlags) -> rustix::io::FdFlags,
) -> Option<rustix::io::FdFlags> {
    use rustix::io::{fcntl_getfd, fcntl_setfd};
    // SAFETY: the number comes from the list of our open files, perhaps from a moment ago. If
    // another thread has closed it since, the calls fail or mark a file that is closed on exec
    // anyway; they touch no memory and close nothing.
    #[allow(unsafe_code)]
    let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    let before = fcntl_getfd(file).ok()?;
    let after = change(before);
    if after != before {
        fcntl_setfd(file, after).ok()?;
    }
    Some(before)
}

/// Duplicates descriptor `number`, which was opened for us by our parent. The duplicate shares its
/// file offset.
///
/// A descriptor that is closed on exec cannot have been inherited: it is a file of our own that
/// happens to have the number, and is refused.
///
/// # Errors
/// When no such descriptor was inherited.
pub fn inherited(number: i32) -> std::io::Result<std::os::fd::OwnedFd> {
    use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd};
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: borrowed only for these calls, which fail when no such file is open.
    #[allow(unsafe_code)]
    let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    if fcntl_getfd(file)?.contains(FdFlags::CLOEXEC) {
        return Err(Errno::BADF.into());
    }
    Ok(fcntl_dupfd_cloexec(file, 3)?)
}

/// The page size: memory is locked in whole pages.
pub(super) fn page_size() -> usize {
    // SAFETY: the call only reads a number.
    #[allow(unsafe_code)]
    let size = unsafe { nix::libc::sysconf(nix::libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// Maps `length` zero bytes as whole pages, which stay mapped. Where the system can do that, core
/// dumps leave them out and a forked process sees zeros. `None` when out of memory.
pub(super) fn map(length: usize) -> Option<NonNull<u8>> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address that the system chooses overlaps nothing.
    #[allow(unsafe_code)]
    let mapped =
        unsafe { mmap_anonymous(std::ptr::null_mut(), length, rights, MapFlags::PRIVATE) }.ok()?;
    #[cfg(target_os = "linux")]
    for advice in [
        rustix::mm::Advice::LinuxDontDump,
        rustix::mm::Advice::LinuxWipeOnFork,
    ] {
        // SAFETY: the mapping is ours alone, and neither advice changes what this process sees of
        // it.
        #[allow(unsafe_code)]
        let _ = unsafe { rustix::mm::madvise(mapped, length, advice) };
    }
    NonNull::new(mapped.cast())
}

/// Keeps whole pages out of swap; `false` when the system refuses, for example beyond a small
/// `RLIMIT_MEMLOCK`.
pub(super) fn lock(start: NonNull<u8>, length: usize) -> bool {
    // SAFETY: the range is our own mapping, and the call neither reads nor changes it.
    #[allow(unsafe_code)]
    unsafe { rustix::mm::mlock(start.as_ptr().cast(), length) }.is_ok()
}

/// Reverses [`lock`].
pub(super) fn unlock(start: NonNull<u8>, length: usize) {
    // SAFETY: as for `lock`. It cannot fail, because the range is mapped.
    #[allow(unsafe_code)]
    let _ = unsafe { rustix::mm::munlock(start.as_ptr().cast(), length) };
}

/// One read(2) of `source` into `room`; returns the number of bytes read.
pub(super) fn read_once(source: impl AsFile, room: &mut [u8]) -> std::io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| {
        rustix::io::read(&source, &mut *room)
    })?)
}
