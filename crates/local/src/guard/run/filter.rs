//! A thread that masks the secrets in one output of a command.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{OutputModes, tcgetattr};

use crate::mask::Masker;
use nightlatch_core::clock::{BootTime, Clock};
use nightlatch_core::memory::SecretBuffer;
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::clock::alarm::timespec;

/// How long after the command's end its descendants may still write to an output that they have
/// open. Then it is closed: this process must not wait for them for ever, and they must not write
/// past the masking.
const LINGER: Duration = Duration::from_secs(2);

/// As much as a pipe holds, mostly.
const CHUNK: usize = 64 * 1024;

/// A request to pass on everything that was written so far, and the answer.
const CATCH_UP: u8 = b'c';

/// What to do when the output cannot be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// Closes the pipe that the command writes to, so that it fails as well.
    Close,
    /// Reads on: the command's terminal stays, and would block it for ever otherwise. When ours is
    /// gone, it is hung up anyway.
    Discard,
}

/// A running filter.
pub(super) struct Filter {
    thread: JoinHandle<io::Result<()>>,
    /// Closed by the other side at its end.
    control: UnixStream,
}

impl Filter {
    /// Starts to pass on to `sink` what `masker` makes of `source`, which must be nonblocking.
    pub(super) fn start(
        source: OwnedFd,
        sink: OwnedFd,
        masker: Masker,
        on_failure: OnFailure,
    ) -> io::Result<Self> {
        let (control, other_side) = UnixStream::pair()?;
        other_side.set_nonblocking(true)?;
        let pump = Pump {
            source,
            masker,
            sink: Sink::to(sink, on_failure),
            control: other_side,
            until: None,
            owed: 0,
        };
        let thread = std::thread::Builder::new().spawn(|| pump.run())?;
        Ok(Self { thread, control })
    }

    /// Waits until everything written so far has been passed on, but no longer than `limit`.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))] // only terminals need it
    pub(super) fn catch_up(&self, limit: Duration) {
        let mut fds = [PollFd::new(&self.control, PollFlags::IN)];
        if rustix::io::write(&self.control, &[CATCH_UP]).is_ok()
            && let Ok(1) = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timespec(limit))))
        {
            let _ = rustix::io::read(&self.control, &mut [0]);
        }
    }

    /// Tells the filter that the command has ended.
    pub(super) fn command_has_ended(&self) {
        let _ = self.control.shutdown(std::net::Shutdown::Write);
    }

    /// Readable once the filter has ended.
    pub(super) fn end(&self) -> &UnixStream {
        &self.control
    }

    /// Waits for the filter's end, and returns why it could not pass on everything, if so.
    pub(super) fn finish(self) -> io::Result<()> {
        let failed = |_| Err(io::Error::other("the output's filter failed"));
        self.thread.join().unwrap_or_else(failed)
    }
}

struct Pump {
    source: OwnedFd,
    masker: Masker,
    sink: Sink,
    control: UnixStream,
    /// When the command has ended: how long to read on.
    until: Option<BootTime>,
    /// How much of what the command wrote before its end has not been read.
    owed: u64,
}

impl Pump {
    fn run(mut self) -> io::Result<()> {
        let mut chunk = SecretBuffer::with_capacity(CHUNK);
        loop {
            let now = SystemClock.now().boot;
            if self.owed == 0 && self.until.is_some_and(|until| until <= now) {
                break;
            }
            let is_dry = self.wait(now)?;
            match read(&self.source, &mut chunk)? {
                Some(0) => break,
                Some(count) => {
                    self.owed = self.owed.saturating_sub(count as u64);
                    let now = SystemClock.now().boot;
                    let sink = &mut self.sink;
                    self.masker
                        .push(chunk.expose(), now, |bytes| sink.put(bytes));
                    chunk.truncate(0);
                    self.sink.write()?;
                }
                None => self.owed = 0,
            }
            if is_dry {
                self.listen()?;
            }
        }
        self.flush()?;
        self.sink.result
    }

    /// Waits until there is something to do. Whether there was nothing to read.
    fn wait(&mut self, now: BootTime) -> io::Result<bool> {
        let held = self.masker.wait(now);
        let left = self.until.map(|until| until.since(now));
        let timeout = [held, left].into_iter().flatten().min().map(timespec);
        let mut fds = vec![PollFd::new(&self.source, PollFlags::IN)];
        if self.until.is_none() {
            fds.push(PollFd::new(&self.control, PollFlags::IN));
        }
        rustix::io::retry_on_intr(|| poll(&mut fds, timeout.as_ref()))?;
        let is_dry = fds[0].revents().is_empty();
        // Not if there is more to read: it may be the rest of a secret that was held up.
        if is_dry && self.masker.wait(SystemClock.now().boot) == Some(Duration::ZERO) {
            self.flush()?;
        }
        Ok(is_dry)
    }

    /// Does what the guard asks for, once there is nothing to read.
    fn listen(&mut self) -> io::Result<()> {
        if self.until.is_some() {
            return Ok(());
        }
        let mut request = [0];
        match rustix::io::read(&self.control, &mut request) {
            Ok(0) => {
                self.until = Some(SystemClock.now().boot.plus(LINGER));
                self.owed = rustix::io::ioctl_fionread(&self.source).unwrap_or(0);
            }
            Ok(_) => {
                self.flush()?;
                // Nobody waits for the answer any more if it cannot be given.
                let _ = rustix::io::write(&self.control, &request);
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sink = &mut self.sink;
        self.masker.flush(|bytes| sink.put(bytes));
        self.sink.write()
    }
}

/// Reads what there is; `None` if nothing.
fn read(source: &OwnedFd, chunk: &mut SecretBuffer) -> io::Result<Option<usize>> {
    use nightlatch_core::memory::ReadSecretError;
    match chunk.read_once(source) {
        Ok(count) => Ok(Some(count)),
        Err(ReadSecretError::Io(error)) => match Errno::from_io_error(&error) {
            Some(Errno::AGAIN) => Ok(None),
            // Nobody has the terminal open any more.
            Some(Errno::IO) => Ok(Some(0)),
            _ => Err(error),
        },
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Where output goes. What is collected may hold parts of a secret that could not be recognized in
/// time.
struct Sink {
    file: OwnedFd,
    collected: SecretBuffer,
    on_failure: OnFailure,
    /// The first failure to write.
    result: io::Result<()>,
}

impl Sink {
    fn to(file: OwnedFd, on_failure: OnFailure) -> Self {
        Self {
            file,
            collected: SecretBuffer::with_capacity(CHUNK),
            on_failure,
            result: Ok(()),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(CHUNK) {
            if !self.collected.push(piece) {
                self.write_collected();
                let fits = self.collected.push(piece);
                debug_assert!(fits, "a piece is no larger than the buffer");
            }
        }
    }

    /// Writes what was collected. Fails if the command is to see the failure.
    fn write(&mut self) -> io::Result<()> {
        self.write_collected();
        match self.on_failure {
            OnFailure::Close => std::mem::replace(&mut self.result, Ok(())),
            OnFailure::Discard => Ok(()),
        }
    }

    fn write_collected(&mut self) {
        if self.on_failure == OnFailure::Discard && adds_returns(&self.file) {
            drop_returns(&mut self.collected);
        }
        if self.result.is_ok() {
            self.result = write_all(&self.file, self.collected.expose());
        }
        self.collected.truncate(0);
    }
}

/// Whether `file` is a terminal that puts a carriage return before each line feed, as the command's
/// terminal has done already: ours, while the command is not in the foreground.
fn adds_returns(file: &OwnedFd) -> bool {
    let both = OutputModes::OPOST | OutputModes::ONLCR;
    tcgetattr(file).is_ok_and(|settings| settings.output_modes.contains(both))
}

/// Removes one carriage return before each line feed.
fn drop_returns(collected: &mut SecretBuffer) {
    let bytes = collected.expose_mut();
    let mut kept = 0;
    for at in 0..bytes.len() {
        if bytes[at] == b'\n' && kept > 0 && bytes[kept - 1] == b'\r' {
            kept -= 1;
        }
        bytes[kept] = bytes[at];
        kept += 1;
    }
    collected.truncate(kept);
}

/// Writes all of `bytes`, also to a file that somebody has made nonblocking.
pub(super) fn write_all(file: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&file, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::new(&file, PollFlags::OUT)];
                rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;
    use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
    use std::sync::Arc;

    use super::*;
    use crate::mask::{Masking, Patterns};

    const SECRET: &[u8] = b"hunter2!secret";

    /// A filter, what a command writes to, and what comes out.
    fn filter() -> (Filter, PipeWriter, PipeReader) {
        let (source, command) = pipe().unwrap();
        let (output, sink) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&source, true).unwrap();
        let close = OnFailure::Close;
        let filter = Filter::start(source.into(), sink.into(), masker(), close).unwrap();
        (filter, command, output)
    }

    fn masker() -> Masker {
        let mut patterns = Patterns::default();
        patterns.add(SECRET).unwrap();
        let masking = Masking {
            patterns: Arc::new(patterns),
            sign: "****",
        };
        masking.masker()
    }

    fn read(output: &mut PipeReader, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        output.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn rest(mut output: PipeReader) -> Vec<u8> {
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_secret_is_masked_and_the_end_passed_on() {
        let (filter, mut command, output) = filter();
        // At once: between two writes, a busy machine may pause for too long.
        let text = [b"(", SECRET, b") hunt"].concat();
        command.write_all(&text).unwrap();
        drop(command);
        filter.command_has_ended();
        filter.finish().unwrap();
        assert_eq!(rest(output), b"(****) hunt");
    }

    #[test]
    fn what_only_might_begin_a_secret_is_passed_on_while_the_command_waits() {
        let (filter, mut command, mut output) = filter();
        command.write_all(b"Password: hunter2").unwrap();
        assert_eq!(read(&mut output, 17), b"Password: hunter2");
        drop(command);
        filter.finish().unwrap();
    }

    #[test]
    fn a_background_process_that_keeps_an_output_open_is_not_waited_for() {
        let (filter, mut command, output) = filter();
        command.write_all(b"done ").unwrap();
        command.write_all(SECRET).unwrap();
        filter.command_has_ended();
        filter.finish().unwrap();
        // It can write no more, so nothing goes past the filter.
        assert_eq!(
            command.write(SECRET).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
        assert_eq!(rest(output), b"done ****");
    }

    #[test]
    fn when_nobody_reads_the_output_the_command_gets_a_broken_pipe() {
        let (filter, mut command, output) = filter();
        drop(output);
        command.write_all(b"x").unwrap();
        assert_eq!(
            filter.finish().unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
        assert!(command.write(b"x").is_err());
    }

    /// A filter that writes to a full disk, and what a command writes to.
    fn on_a_full_disk(on_failure: OnFailure) -> (Filter, PipeWriter) {
        let (source, command) = pipe().unwrap();
        #[allow(clippy::disallowed_methods)]
        let full = File::options().write(true).open("/dev/full").unwrap();
        let filter = Filter::start(source.into(), full.into(), masker(), on_failure);
        (filter.unwrap(), command)
    }

    #[test]
    fn a_full_disk_is_reported() {
        let (filter, mut command) = on_a_full_disk(OnFailure::Close);
        command.write_all(b"x").unwrap();
        drop(command);
        let error = filter.finish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_command_is_not_blocked_by_a_terminal_that_is_gone() {
        let (filter, mut command) = on_a_full_disk(OnFailure::Discard);
        for _ in 0..20 {
            command.write_all(&vec![b'x'; CHUNK]).unwrap();
        }
        drop(command);
        let error = filter.finish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_filter_catches_up_before_it_answers() {
        let (filter, mut command, mut output) = filter();
        command.write_all(b"screen restored").unwrap();
        filter.catch_up(Duration::from_secs(20));
        let mut fds = [PollFd::new(&output, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&timespec(Duration::ZERO))), Ok(1));
        assert_eq!(read(&mut output, 15), b"screen restored");
        drop(command);
        filter.finish().unwrap();
    }
}
