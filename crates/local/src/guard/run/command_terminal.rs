//! The terminal of a command whose output is masked.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::termios::{LocalModes, tcgetattr};

/// The terminal of a command whose output is masked. It is not this process's, which is in raw mode
/// meanwhile.
pub struct CommandTerminal(Arc<OwnedFd>);

impl CommandTerminal {
    pub(super) fn new(master: Arc<OwnedFd>) -> Self {
        Self(master)
    }

    /// Whether it is in line mode with echo: no full-screen program has drawn on it, and none is
    /// asking for a password.
    pub fn takes_lines(&self) -> bool {
        takes_lines(&self.0)
    }
}

/// Whether `terminal` is in line mode with echo: no full-screen program has drawn on it, and none is
/// asking for a password.
pub fn takes_lines(terminal: impl AsFd) -> bool {
    let modes = LocalModes::ICANON | LocalModes::ECHO;
    tcgetattr(terminal).is_ok_and(|now| now.local_modes.contains(modes))
}
