//! Between two questions: the echo stays off, and a signal still ends the program at once, after
//! restoring the terminal.

use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use nightlatch_local::guard::{signals::Catch, signals::stop_ourselves};
use rustix::event::{PollFd, PollFlags};
use signal_hook::consts::{SIGCONT, SIGTSTP};

use super::{Hidden, die_of};

/// Keeps the echo off until it is dropped. A separate thread watches for signals, because work in
/// between, such as hashing a password, does not check for them.
pub struct Quiet {
    watch: Option<Watch>,
}

struct Watch {
    watcher: JoinHandle<Option<(Hidden, Catch, bool)>>,
    /// Closed to end the watch.
    over: UnixStream,
}

impl Quiet {
    /// Takes over the state that a prompt has set up. If it cannot, the terminal is restored.
    pub fn begin(hidden: Hidden, catch: Catch) -> Option<Self> {
        let (over, told) = UnixStream::pair().ok()?;
        let watcher = std::thread::Builder::new()
            .spawn(move || watch(hidden, catch, &told))
            .ok()?;
        Some(Self {
            watch: Some(Watch { watcher, over }),
        })
    }

    /// Returns the state, and whether Ctrl-Z was pressed meanwhile.
    pub fn end(mut self) -> Option<(Hidden, Catch, bool)> {
        self.watch.take().and_then(Watch::end)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let Some((hidden, catch, mut to_stop)) = self.watch.take().and_then(Watch::end) else {
            return;
        };
        drop(hidden);
        for caught in catch.finish() {
            if ends_us(caught.signal) {
                die_of(caught.signal);
            }
            to_stop |= caught.signal == SIGTSTP;
        }
        if to_stop {
            let _ = stop_ourselves();
        }
    }
}

impl Watch {
    fn end(self) -> Option<(Hidden, Catch, bool)> {
        drop(self.over);
        self.watcher.join().ok().flatten()
    }
}

/// Whether a signal ends the program.
pub fn ends_us(signal: i32) -> bool {
    signal != SIGTSTP && signal != SIGCONT
}

/// Watches for signals until `told` is closed.
fn watch(hidden: Hidden, mut catch: Catch, told: &UnixStream) -> Option<(Hidden, Catch, bool)> {
    let mut to_stop = false;
    loop {
        let signals: Vec<i32> = catch.pending().iter().map(|caught| caught.signal).collect();
        let ends = signals.iter().copied().find(|&signal| ends_us(signal));
        if let Some(signal) = ends.or_else(|| hidden.held.next()) {
            drop(hidden);
            die_of(signal);
            // The first process of a container, which its own signals do not end.
            return None;
        }
        // Not at once: the current work may hold a lock that others wait for.
        to_stop |= signals.contains(&SIGTSTP);
        let mut fds = vec![
            PollFd::new(told, PollFlags::IN),
            PollFd::new(&catch, PollFlags::IN),
        ];
        fds.extend(hidden.held.poll());
        let polled = rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, None));
        if polled.is_err() || !fds[0].revents().is_empty() {
            return Some((hidden, catch, to_stop));
        }
    }
}
