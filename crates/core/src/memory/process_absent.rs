//! Windows, where the process is not hardened: secrets are wiped, and nothing more.

use std::alloc::Layout;
use std::io::Read;
use std::os::windows::io::OwnedHandle;
use std::ptr::NonNull;

/// A source that a secret may be read from: an open file.
pub use std::os::windows::io::AsHandle as AsFile;

/// No limit, because none was lowered.
#[derive(Clone, Copy)]
pub struct CoreLimit(());

/// Does nothing yet: whoever may debug this process can read it. There are no sessions on Windows,
/// so it holds no session keys.
pub fn harden() -> CoreLimit {
    CoreLimit(())
}

/// No filter of system calls is known.
pub fn is_filtered() -> bool {
    false
}

/// Refuses: Windows does not pass files to a process by number.
///
/// # Errors
/// Always.
pub fn inherited(_: i32) -> std::io::Result<OwnedHandle> {
    Err(std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        "this platform hands no files to a program by number; use --password-stdin",
    ))
}

/// The size of a page.
pub(super) fn page_size() -> usize {
    4096
}

/// Allocates `length` zero bytes as whole pages; `None` when out of memory.
pub(super) fn map(length: usize) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(length, page_size()).ok()?;
    // SAFETY: `length` is never zero.
    #[allow(unsafe_code)]
    let mapped = unsafe { std::alloc::alloc_zeroed(layout) };
    NonNull::new(mapped)
}

/// Does nothing: the memory may reach the page file.
pub(super) fn lock(_: NonNull<u8>, _: usize) -> bool {
    false
}

/// Does nothing, because nothing was locked.
pub(super) fn unlock(_: NonNull<u8>, _: usize) {}

/// One unbuffered read of `source` into `room`; returns the number of bytes read.
pub(super) fn read_once(source: impl AsFile, room: &mut [u8]) -> std::io::Result<usize> {
    let mut file = std::fs::File::from(source.as_handle().try_clone_to_owned()?);
    loop {
        match file.read(room) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
