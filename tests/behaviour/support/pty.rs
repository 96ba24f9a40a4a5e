//! A pseudoterminal that is the controlling terminal of a program.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcgetpgrp, tcsetwinsize};

/// Longer than anything takes on a busy machine; only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The person's side of a terminal.
pub struct Pty {
    master: File,
    child: Child,
    /// Output that no wait has consumed yet.
    unread: Vec<u8>,
    closed: bool,
}

impl Pty {
    /// Starts `command` as the leader of a new session. A new terminal of 80 by 24 is its
    /// controlling terminal and its three standard streams.
    pub fn spawn(command: Command) -> Self {
        Self::spawn_wide(command, 80)
    }

    /// Like [`Pty::spawn`], with this many columns.
    pub fn spawn_wide(mut command: Command, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave: OwnedFd = rustix::fs::open(
            name,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .unwrap();
        let copy = || slave.try_clone().unwrap();
        command.stdin(copy()).stdout(copy()).stderr(copy());
        lead_a_session(&mut command);
        // Before the program starts, or it could be notified of a change.
        set_size(&master, columns, 24);
        Self {
            master: master.into(),
            child: command.spawn().unwrap(),
            unread: Vec::new(),
            closed: false,
        }
    }

    /// The program's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types `keys`.
    pub fn send(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the program has written `text`, and returns the output up to and including it.
    /// Later output is left for the next wait.
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self
                .unread
                .windows(text.len())
                .position(|window| window == text.as_bytes());
            if let Some(at) = found {
                let rest = self.unread.split_off(at + text.len());
                let before = std::mem::replace(&mut self.unread, rest);
                return String::from_utf8_lossy(&before).into_owned();
            }
            assert!(
                self.read_more(deadline),
                "no {text:?} came, only {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        }
    }

    /// Reads until the program has been silent for a while: it has finished drawing, so a signal
    /// cannot interrupt one of its writes.
    pub fn settle(&mut self) {
        const QUIET: Duration = Duration::from_millis(300);
        while self.read_more(Instant::now() + QUIET) {}
    }

    /// Reads once; `false` at the deadline or if the terminal was closed.
    fn read_more(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if self.closed || left.is_zero() {
            return false;
        }
        let timeout = Timespec::try_from(left).unwrap();
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        let ready =
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, Some(&timeout))).unwrap();
        if ready == 0 {
            return false;
        }
        let mut piece = [0; 4096];
        // EIO: nobody has the terminal open any more.
        match self.master.read(&mut piece) {
            Ok(count) if count > 0 => self.unread.extend_from_slice(&piece[..count]),
            _ => self.closed = true,
        }
        true
    }

    /// Whether the echo is on.
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.master).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }

    /// Whether a program reads single keys, as a pager does.
    pub fn gives_single_keys(&self) -> bool {
        let modes = tcgetattr(&self.master).unwrap().local_modes;
        !modes.contains(LocalModes::ICANON)
    }

    /// Resizes the terminal, as dragging a window's corner does.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        set_size(&self.master, columns, rows);
    }

    /// The foreground process group.
    pub fn foreground(&self) -> rustix::process::Pid {
        tcgetpgrp(&self.master).unwrap()
    }

    /// Closes the terminal, as closing its window does, and waits for the program to end.
    pub fn hang_up(mut self) -> ExitStatus {
        // Assigning another descriptor closes the old one.
        self.master = File::open("/dev/null").unwrap();
        self.closed = true;
        self.finish().1
    }

    /// Waits for the program to end. Returns the remaining output and the exit status.
    pub fn finish(mut self) -> (String, ExitStatus) {
        let deadline = Instant::now() + PATIENCE;
        while self.read_more(deadline) && !self.closed {}
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let rest = String::from_utf8_lossy(&self.unread).into_owned();
                return (rest, status);
            }
            assert!(Instant::now() < deadline, "the program did not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Only a failed test leaves it running; closing the terminal hangs up on the other
        // processes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(terminal: impl AsFd, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

/// Makes the program the leader of a new session whose terminal is its standard input.
#[allow(unsafe_code)]
fn lead_a_session(command: &mut Command) {
    // SAFETY: only two system calls run between fork and exec, and they neither allocate nor lock.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        });
    }
}
