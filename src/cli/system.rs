//! What the commands need from the operating system.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nightlatch_local::guard::signals::Catch;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Access, Mode, OFlags};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tempfile::NamedTempFile;

use super::exit::Failure;

/// Up to `limit` bytes of a small system file, such as one in `/proc`; `None` if it does not exist
/// or may not be read.
pub fn read(path: &Path, limit: usize) -> Option<Vec<u8>> {
    // NONBLOCK, because opening a pipe would block.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::with_capacity(limit.min(4096));
    file.take(limit as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether this process may write to the file at `path`.
pub fn check_writable(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, Access::WRITE_OK)?)
}

/// Whether both paths lead to the same file.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    identity(one).is_some_and(|found| Some(found) == identity(other))
}

/// Whether a shell would run the file.
pub fn is_executable(found: &Metadata) -> bool {
    found.is_file() && found.permissions().mode() & 0o111 != 0
}

/// A new file in `dir` that everybody may read.
pub fn file_for_all(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(dir)
}

/// The id of the user this process runs as.
#[allow(clippy::unnecessary_wraps)] // same signature as where users have no id
pub fn user() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

/// Standard output without a buffer, which would keep a copy of what is written.
pub struct Unbuffered;

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::io::write(io::stdout(), bytes)
        })?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Defers signals that would end the program until the current write is complete.
pub struct Interruption(Catch);

impl Interruption {
    /// Starts deferring SIGHUP, SIGINT and SIGTERM, unless they are ignored.
    ///
    /// # Errors
    /// When the system fails to install the handlers.
    pub fn catch() -> Result<Self, Failure> {
        Catch::new(&[SIGHUP, SIGINT, SIGTERM], &[])
            .map(Self)
            .map_err(|error| Failure::failed("signals", format!("cannot catch signals: {error}")))
    }

    /// Waits until stdout accepts a line; `false` if a signal came first.
    pub fn wait_to_write(&mut self) -> bool {
        let stdout = io::stdout();
        self.poll(&[PollFd::new(&stdout, PollFlags::OUT)], None)
    }

    /// Waits this long; `false` if a signal came or stdout was closed.
    pub fn wait(&mut self, time: Duration) -> bool {
        let time = Timespec::try_from(time).ok();
        let stdout = io::stdout();
        // With no events requested, poll still reports that a pipe's reader is gone.
        let stdout = [PollFd::new(&stdout, PollFlags::empty())];
        self.poll(&stdout, time.as_ref())
    }

    fn poll(&mut self, stdout: &[PollFd<'_>; 1], time: Option<&Timespec>) -> bool {
        let mut fds = [stdout[0].clone(), PollFd::new(&self.0, PollFlags::IN)];
        match rustix::event::poll(&mut fds, time) {
            Ok(_) => {
                let is_closed = fds[0].revents().intersects(PollFlags::ERR);
                let is_signalled = !fds[1].revents().is_empty();
                !(is_closed || is_signalled)
            }
            // A signal came. Its handler has run, so `pending` has it if it is one that is deferred.
            Err(rustix::io::Errno::INTR) => self.0.pending().is_empty(),
            Err(_) => true,
        }
    }
}
