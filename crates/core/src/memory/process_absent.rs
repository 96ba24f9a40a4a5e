//! The process where nothing hardens it: Windows. A secret is wiped there, and that is all.

use std::alloc::Layout;
use std::io::Read;
use std::os::windows::io::OwnedHandle;
use std::ptr::NonNull;

/// What a secret may be read from: an open file.
pub use std::os::windows::io::AsHandle as AsFile;

/// No limit: nothing was lowered.
#[derive(Clone, Copy)]
pub struct CoreLimit(());

/// Does nothing yet: whoever may debug this process can read it. There are no sessions here whose
/// keys it could hold.
pub fn harden() -> CoreLimit {
    CoreLimit(())
}

/// No filter of system calls is known.
pub fn is_filtered() -> bool {
    false
}

/// Refuses: files are not handed to a process by number here.
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

/// `length` zero bytes, whole pages of their own; `None` when there is no memory.
pub(super) fn map(length: usize) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(length, page_size()).ok()?;
    // SAFETY: nobody asks for no bytes.
    #[allow(unsafe_code)]
    let mapped = unsafe { std::alloc::alloc_zeroed(layout) };
    NonNull::new(mapped)
}

/// Leaves the memory as it is: it may reach the page file.
pub(super) fn lock(_: NonNull<u8>, _: usize) -> bool {
    false
}

/// Nothing was locked.
pub(super) fn unlock(_: NonNull<u8>, _: usize) {}

/// One unbuffered read of `source` into `room`: how many bytes came.
pub(super) fn read_once(source: impl AsFile, room: &mut [u8]) -> std::io::Result<usize> {
    let mut file = std::fs::File::from(source.as_handle().try_clone_to_owned()?);
    loop {
        match file.read(room) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
