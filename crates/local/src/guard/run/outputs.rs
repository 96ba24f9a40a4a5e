//! Puts filters between a command and our standard output and error, so that secrets are masked.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::fstat;
use rustix::process::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

use super::filter::{Filter, OnFailure};
use super::relay::{NewTerminal, OuterTerminal, Relay};
use crate::guard::signals::{Catch, stop_ourselves};
use crate::mask::{Masker, Masking};

/// The filters of a command's outputs, and the terminal that it gets instead of ours.
pub(super) struct Outputs {
    filters: Vec<Filter>,
    terminal: Option<NewTerminal>,
    /// Where the terminal's output goes, and what masks it.
    shown_on: Option<(OwnedFd, Masker)>,
}

impl Outputs {
    /// Redirects `command`'s outputs through filters. If standard output is our terminal, what is our
    /// terminal becomes one of its own, its input too. Every other output becomes a pipe; where both
    /// lead to the same place, they share one and keep their order.
    ///
    /// If only its errors are our terminal, the command is in front of a pager or a script that may
    /// read the terminal itself. Nobody then stands between them and the keys: a pipe masks errors.
    pub(super) fn redirect(command: &mut Command, masking: &Masking) -> io::Result<Self> {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let outer = OuterTerminal::open();
        let is_ours = |stream: BorrowedFd<'_>| outer.as_ref().is_some_and(|outer| outer.is(stream));
        let streams = [stdout.as_fd(), stderr.as_fd()];
        let is_shown = is_ours(streams[0]);
        let on_terminal = [is_shown, is_shown && is_ours(streams[1])];
        let mut outputs = Self {
            filters: Vec::new(),
            terminal: None,
            shown_on: None,
        };
        if !is_shown && is_same_file(streams[0], streams[1]) {
            let pipe = outputs.pipe(streams[0], masking)?;
            command.stdout(pipe.try_clone()?).stderr(pipe);
        } else {
            if !on_terminal[0] {
                command.stdout(outputs.pipe(streams[0], masking)?);
            }
            if !on_terminal[1] {
                command.stderr(outputs.pipe(streams[1], masking)?);
            }
        }
        if let (Some(outer), true) = (outer, is_shown) {
            let input_too = stdin.is_terminal() && outer.is(stdin.as_fd());
            outputs.shown_on = Some((streams[0].try_clone_to_owned()?, masking.masker()));
            let others = (input_too, on_terminal[1]);
            outputs.terminal = Some(NewTerminal::give(command, outer, others)?);
        }
        Ok(outputs)
    }

    /// The filters and the relay of the command that was started as `child`.
    pub(super) fn started(mut self, child: Pid) -> io::Result<(Vec<Filter>, Option<Relay>)> {
        let relay = self.terminal.map(|terminal| terminal.started(child));
        let relay = relay.transpose()?;
        // Only now: in raw mode, our terminal shows the output as it is.
        if let (Some(relay), Some((sink, masker))) = (&relay, self.shown_on) {
            let source = relay.master().try_clone()?;
            let filter = Filter::start(source, sink, masker, OnFailure::Discard)?;
            self.filters.push(filter);
        }
        Ok((self.filters, relay))
    }

    /// Starts a filter that writes to `sink`, and returns what the command writes to.
    fn pipe(&mut self, sink: BorrowedFd<'_>, masking: &Masking) -> io::Result<OwnedFd> {
        let (source, pipe) = io::pipe()?;
        rustix::io::ioctl_fionbio(&source, true)?;
        let sink = sink.try_clone_to_owned()?;
        let filter = Filter::start(source.into(), sink, masking.masker(), OnFailure::Close)?;
        self.filters.push(filter);
        Ok(pipe.into())
    }
}

/// Closes our copies of what was redirected. Otherwise no filter would see the end of its input.
pub(super) fn restore_streams(command: &mut Command) {
    command
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit());
}

/// Waits until everything that the command wrote has been passed on, or a signal says not to.
/// Returns what could not be written.
pub(super) fn finish(filters: Vec<Filter>, catch: &mut Catch) -> io::Result<()> {
    filters.iter().for_each(Filter::command_has_ended);
    let mut result = Ok(());
    for filter in filters {
        while !has_ended(filter.end(), catch)? {
            for caught in catch.pending() {
                match caught.signal {
                    // A filter that is stuck ends with this process.
                    SIGHUP | SIGINT | SIGQUIT | SIGTERM => return result,
                    SIGTSTP => stop_ourselves()?,
                    _ => {}
                }
            }
        }
        result = result.and(filter.finish());
    }
    result
}

/// Waits for a filter's end or a signal; whether it is the end.
fn has_ended(filter: &UnixStream, catch: &Catch) -> io::Result<bool> {
    let mut fds = [
        PollFd::new(filter, PollFlags::IN),
        PollFd::new(catch, PollFlags::IN),
    ];
    rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
    Ok(!fds[0].revents().is_empty())
}

fn is_same_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let place = |stream| fstat(stream).map(|stat| (stat.st_dev, stat.st_ino));
    matches!((place(one), place(other)), (Ok(one), Ok(other)) if one == other)
}
