//! The process where nothing hardens it: Windows. A secret is wiped there, and that is all.

use std::io::Read;
use std::os::windows::io::OwnedHandle;

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

/// Leaves the memory as it is: it may reach the page file.
pub(super) fn lock_in_memory(_: &[u8]) {}

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
