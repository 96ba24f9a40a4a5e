//! What the commands ask of the system itself.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nightlatch::guard::signals::Catch;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Access, Mode, OFlags};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tempfile::NamedTempFile;

use super::exit::Failure;

/// Up to `limit` bytes of a small file of the system's, such as those of `/proc`; `None` where there is
/// none, or it may not be read.
pub fn read(path: &Path, limit: usize) -> Option<Vec<u8>> {
    // A pipe would keep us waiting.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::with_capacity(limit.min(4096));
    file.take(limit as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether this process may write to what is at `path`.
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

/// Whether a shell would run it.
pub fn is_executable(found: &Metadata) -> bool {
    found.is_file() && found.permissions().mode() & 0o111 != 0
}

/// A new file in `dir` that everybody may read.
pub fn file_for_all(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(dir)
}

/// The number of the user this process runs as.
#[allow(clippy::unnecessary_wraps)] // the same face as where users have no number
pub fn user() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

/// Signals that end a program, held back until what is being written is whole.
pub struct Interruption(Catch);

impl Interruption {
    /// Starts to hold SIGHUP, SIGINT and SIGTERM back, where they are not ignored.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn catch() -> Result<Self, Failure> {
        Catch::new(&[SIGHUP, SIGINT, SIGTERM], &[])
            .map(Self)
            .map_err(|error| Failure::failed("signals", format!("cannot catch signals: {error}")))
    }

    /// Waits until stdout takes a line; `false` when a signal came first.
    pub fn wait_to_write(&mut self) -> bool {
        let stdout = io::stdout();
        self.poll(&[PollFd::new(&stdout, PollFlags::OUT)], None)
    }

    /// Waits so long; `false` when a signal came, or nobody reads stdout any more.
    pub fn wait(&mut self, time: Duration) -> bool {
        let time = Timespec::try_from(time).ok();
        let stdout = io::stdout();
        // Asked for nothing, a pipe says when its reader is gone.
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
            // A signal: its handler has run, and it shows at the next look.
            Err(rustix::io::Errno::INTR) => self.0.pending().is_empty(),
            Err(_) => true,
        }
    }
}
